package queue

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"naru/internal/store"
	"naru/internal/store/storetest"
)

// TestWhatIsLeftOfAContentCanBeUsedAfterRepair loses records of a queue at
// random, of every kind, and expects that after Repair all agrees, and that
// every message whose body is left is received.
func TestWhatIsLeftOfAContentCanBeUsedAfterRepair(t *testing.T) {
	for name, config := range map[string]Config{"standard": {}, "FIFO": fifo} {
		for seed := range uint64(20) {
			t.Run(fmt.Sprint(name, " ", seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { loseAndRepair(t, config, rand.New(rand.NewPCG(seed, 7))) })
			})
		}
	}
}

func loseAndRepair(t *testing.T, config Config, random *rand.Rand) {
	config.Retention = 0
	w := newWorld(t)
	q := w.queue("q", config)
	for i := range 60 {
		p := Put{Payload: fmt.Append(nil, i)}
		if i%7 == 0 && !config.FIFO {
			p.Delay = time.Hour
		}
		if i%2 == 0 || config.FIFO {
			p.Group = fmt.Sprint("group ", i%12)
		}
		if _, err := q.Put(p); err != nil {
			t.Fatal(err)
		}
	}
	for range 4 {
		deliveries, err := q.Lease(context.Background(), LeaseRequest{Max: 5, Visibility: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := q.Ack(deliveries[0].Handle); err != nil {
			t.Fatal(err)
		}
		if _, err := q.Extend(Extension{deliveries[1].Handle, 0}, Extension{deliveries[2].Handle, time.Hour}); err != nil {
			t.Fatal(err)
		}
	}
	w.stop()
	bodies := lose(t, w, random)

	w.store = w.disk.Open(t)
	engine, err := Open(Options{Store: w.store, Clock: w.clock})
	if err != nil {
		t.Fatal(err)
	}
	done, err := engine.Repair()
	if err != nil || len(done) == 0 {
		t.Fatalf("repaired %q, %v", done, err)
	}
	if again, err := engine.Repair(); len(again) > 0 || err != nil {
		t.Errorf("the second time there was still to do: %q, %v", again, err)
	}
	engine.Close()
	if err := engine.Check(); err != nil {
		t.Errorf("check: %v", err)
	}
	storetest.Close(t, w.store)

	w.start()
	<-time.After(2 * time.Hour)
	q = w.queue("q", config)
	received := 0
	for {
		deliveries, err := q.Lease(context.Background(), LeaseRequest{Max: 10, Visibility: time.Minute, Wait: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		if len(deliveries) == 0 {
			break
		}
		for _, d := range deliveries {
			received++
			if _, err := q.Ack(d.Handle); err != nil {
				t.Fatal(err)
			}
		}
	}
	if received != bodies {
		t.Errorf("%d messages are received, and %d bodies were left", received, bodies)
	}
	w.stop()
}

// lose removes records of the queue's content and returns how many bodies are
// left.
func lose(t *testing.T, w *world, random *rand.Rand) (bodies int) {
	ref := w.refs["q"]
	s := w.disk.Open(t)
	shard, err := s.Acquire(ref.Shard)
	if err != nil {
		t.Fatal(err)
	}
	var ops []store.Op
	err = shard.Scan(contentKey(ref.Content, 0), contentEnd(ref.Content, 0xfe), 1<<30, func(r store.Record) (bool, error) {
		lost := random.IntN(6) == 0
		if lost {
			ops = append(ops, store.Delete(append([]byte{}, r.Key...)))
		} else if r.Key[1+8] == kindBody {
			bodies++
		}
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if random.IntN(2) == 0 {
		ops = append(ops, store.Delete(metaKey(ref.Content)))
	}
	if err := shard.Append(ops...).Wait(); err != nil {
		t.Fatal(err)
	}
	shard.Release()
	storetest.Close(t, s)
	return bodies
}

// TestAnOutboxGoesOnAfterTheNumbersThatItsTargetKnows loses the last number that
// an outbox has used: what goes through it next must arrive all the same.
func TestAnOutboxGoesOnAfterTheNumbersThatItsTargetKnows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		send := func(text string) {
			if err := w.engine.Send(3, nil, Outgoing{Address: "target", Payload: []byte(text)}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		w.queue("target", Config{})
		for i := range 5 {
			send(fmt.Sprint("before ", i))
		}
		w.stop()

		s := w.disk.Open(t)
		shard, err := s.Acquire(3)
		if err != nil {
			t.Fatal(err)
		}
		if err := shard.Append(store.Delete(counterKey(ShardOf("target")))).Wait(); err != nil {
			t.Fatal(err)
		}
		shard.Release()
		engine, err := Open(Options{Store: s, Clock: w.clock})
		if err != nil {
			t.Fatal(err)
		}
		if done, err := engine.Repair(); err != nil || len(done) != 1 {
			t.Errorf("repaired %q, %v", done, err)
		}
		engine.Close()
		storetest.Close(t, s)

		w.start()
		send("after")
		if c, err := w.queue("target", Config{}).Counts(); err != nil || c.Visible != 6 {
			t.Errorf("there are %+v, %v", c, err)
		}
		w.stop()
	})
}
