package queue

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestWhatIsForwardedIsInOnePlaceWheneverThePowerIsCut(t *testing.T) {
	inBubble(t, func(w *world) {
		random := rand.New(rand.NewPCG(1, 2))
		w.queue("a", Config{})
		w.queue("b", Config{})
		var want, got []string
		for i := range 30 {
			want = append(want, fmt.Sprintf("%02d", i))
			w.put(w.queue("a", Config{}), text(want[i]))
		}
		for range 60 {
			for _, d := range w.lease(w.queue("a", Config{}), 1, time.Second, 0) {
				note := Note{Key: "forwarded:" + string(d.Payload), Value: []byte("1")}
				err := w.engine.Queue(w.refs["a"].Content).Forward(d.Handle, []Note{note}, Outgoing{Address: "b", Payload: d.Payload})
				if err != nil {
					t.Fatal(err)
				}
			}
			if random.IntN(3) == 0 {
				w.powerCut(random.IntN(101), random)
			}
			sleep(500 * time.Millisecond)
		}
		synctest.Wait()
		w.counts(w.queue("a", Config{}), Counts{})
		for deliveries := w.lease(w.queue("b", Config{}), 10, time.Hour, 0); len(deliveries) > 0; deliveries = w.lease(w.queue("b", Config{}), 10, time.Hour, 0) {
			got = append(got, payloads(deliveries)...)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("forwarded %q", got)
		}
		notes := 0
		w.engine.Notes(w.refs["a"].Shard, "forwarded:", func(Note) error { notes++; return nil })
		if notes != len(want) {
			t.Errorf("there are %d notes", notes)
		}
	})
}

func TestOnlyTheNewestLeaseForwards(t *testing.T) {
	inBubble(t, func(w *world) {
		q := w.queue("a", Config{})
		w.queue("b", Config{})
		w.put(q, text("x"))
		old := w.lease(q, 1, time.Second, 0)[0]
		sleep(2 * time.Second)
		d := w.lease(q, 1, time.Hour, 0)[0]
		if err := q.Forward(old.Handle, nil, Outgoing{Address: "b", Payload: old.Payload}); !errors.Is(err, ErrNoMessage) {
			t.Errorf("an old lease: %v", err)
		}
		for _, want := range []error{nil, ErrNoMessage} {
			if err := q.Forward(d.Handle, nil, Outgoing{Address: "b", Payload: d.Payload}); !errors.Is(err, want) {
				t.Errorf("the newest lease: %v, not %v", err, want)
			}
		}
		synctest.Wait()
		w.expect(w.queue("b", Config{}), "x")
	})
}

func TestAMessageIsUnderwayUntilItIsGone(t *testing.T) {
	inBubble(t, func(w *world) {
		underway := func(name, address string, want bool) {
			t.Helper()
			if got, err := w.engine.Underway(3, address, name); got != want || err != nil {
				t.Errorf("%s: %v, %v", name, got, err)
			}
		}
		w.queue("dead", Config{})
		w.queue("q", Config{MaxReceives: 1, DeadLetter: "dead"})
		send := func(name, address string) {
			t.Helper()
			if err := w.engine.Send(3, nil, Outgoing{Address: address, Payload: []byte(name), Track: name}); err != nil {
				t.Fatal(err)
			}
			underwayOrDropped := address != "nowhere"
			if underwayOrDropped {
				underway(name, address, true)
			}
			synctest.Wait()
			underway(name, address, underwayOrDropped)
		}
		send("acked", "q")
		w.powerCut(0, nil)
		underway("acked", "q", true)
		w.ack(w.queue("q", Config{}), w.expect(w.queue("q", Config{}), "acked")...)
		underway("acked", "q", false)

		send("dropped", "nowhere")

		send("dead-lettered", "q")
		w.lease(w.queue("q", Config{}), 1, time.Second, 0)
		underway("dead-lettered", "q", true)
		sleep(2 * time.Second)
		w.expect(w.queue("q", Config{}))
		synctest.Wait()
		underway("dead-lettered", "q", false)

		if err := w.engine.Untrack("q", "acked"); err != nil {
			t.Fatal(err)
		}
		underway("acked", "q", false)
		underway("unknown", "q", false)
	})
}
