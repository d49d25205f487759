package queue

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestMemoryIsBounded fills many queues of all kinds, and wants what they hold
// in memory to stay within the budget, and everything to be received.
func TestMemoryIsBounded(t *testing.T) {
	inBubble(t, func(w *world) {
		w.memory = 1 << 20
		w.restart()
		queues, each := 40, 300
		if testing.Short() {
			queues = 10
		}
		name := func(i int) string { return fmt.Sprint("q", i) }
		config := func(i int) Config { return Config{FIFO: i%3 == 0, Retention: time.Hour} }
		most := int64(0)
		step := func() {
			synctest.Wait()
			most = max(most, w.engine.memory.Load())
		}
		for i := range queues {
			q := w.queue(name(i), config(i))
			for n := range each {
				p := Put{Payload: []byte("x")}
				if i%3 != 1 {
					p.Group = fmt.Sprint(n % 50)
				}
				w.put(q, p)
			}
			step()
		}
		var held []*Delivery
		for i := range queues {
			held = append(held, w.lease(w.queue(name(i), config(i)), 10, time.Minute, 0)...)
			step()
		}
		if len(held) != 10*queues {
			t.Errorf("received %d messages", len(held))
		}
		for i, d := range held {
			w.ack(w.queue(name(i/10), config(i/10)), d)
		}
		for i := range queues {
			q := w.queue(name(i), config(i))
			for n := 10; n < each; {
				deliveries := w.lease(q, 10, time.Minute, time.Second)
				if len(deliveries) == 0 {
					t.Fatalf("after %d messages of queue %d nothing is received: %s", n, i, dump(q))
				}
				w.ack(q, deliveries...)
				n += len(deliveries)
			}
			w.counts(q, Counts{})
			step()
		}
		if most > w.memory*5/4 {
			t.Errorf("queues held up to %d bytes of memory", most)
		}
		if left := w.engine.bodies.Load(); left != 0 {
			t.Errorf("bodies of %d bytes are left", left)
		}
	})
}

func TestAnEmptiedQueueCountsNothing(t *testing.T) {
	inBubble(t, func(w *world) {
		for i, config := range []Config{{}, fifo} {
			q := w.queue(fmt.Sprint(i), config)
			for round := range 20 {
				w.put(q, in("a", "b", "c")...)
				w.ack(q, w.lease(q, 10, time.Minute, 0)...)
				if round == 0 {
					w.put(q, in("a", "b")...)
					w.take(q, 10, time.Second, "a", "b")
					sleep(time.Second)
					w.ack(q, w.lease(q, 10, time.Minute, 0)...)
				}
			}
			if q.bytes != 0 || len(q.byID)+len(q.groups)+len(q.tenants)+q.held+q.tree.Len() != 0 {
				t.Errorf("it holds %d bytes, %d messages, %d groups, %d tenants, %d in flight", q.bytes, len(q.byID), len(q.groups), len(q.tenants), q.held)
			}
		}
	})
}

// TestReceivingInTurnForgetsNothing receives from many queues in turn, whose
// messages together do not fit into memory: each keeps its next ones, and none
// forgets everything before its turn comes again. One by itself reads larger
// and larger steps.
func TestReceivingInTurnForgetsNothing(t *testing.T) {
	inBubble(t, func(w *world) {
		const queues, each = 20, 300
		w.memory = queues * 200 * messageCost
		w.restart()
		all := make([]*Queue, queues)
		for i := range all {
			all[i] = w.queue(fmt.Sprint("q", i), Config{})
			for range each / 10 {
				w.put(all[i], slices.Repeat([]Put{text("x")}, 10)...)
			}
		}
		synctest.Wait()
		for round := range 6 {
			for i, q := range all {
				w.ack(q, w.lease(q, 10, time.Minute, 0)...)
				synctest.Wait()
				if round > 0 && !all[(i+1)%queues].loaded {
					t.Fatalf("in round %d the queue after %d has forgotten everything", round, i)
				}
			}
		}
		q := all[0]
		for _, other := range all[1:] {
			other.unload()
		}
		for range each/10 - 6 {
			w.ack(q, w.lease(q, 10, time.Minute, 0)...)
			synctest.Wait()
		}
		if q.window <= w.engine.leastWindow() {
			t.Errorf("the window of a queue that is alone still holds %d", q.window)
		}
	})
}
