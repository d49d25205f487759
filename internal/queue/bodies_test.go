package queue

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// held returns how many bodies of q are in memory.
func held(q *Queue) (n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, m := range q.byID {
		if m.body != nil {
			n++
		}
	}
	return n
}

// TestBodiesAreReadAhead fills a queue, forgets it, and receives a few messages,
// which has the bodies of others read: as many as there is room for.
func TestBodiesAreReadAhead(t *testing.T) {
	inBubble(t, func(w *world) {
		w.bodyMemory = 100 << 10
		w.restart()
		q := w.queue("q", Config{})
		payload := func(i int) []byte { return bytes.Repeat(fmt.Appendf(nil, "%d ", i), 250)[:500] }
		for i := range 500 {
			w.put(q, Put{Payload: payload(i)})
		}
		w.restart()
		q = w.queue("q", Config{})
		for i := 0; i < 500; i += 10 {
			deliveries := w.lease(q, 10, time.Minute, time.Second)
			if len(deliveries) != 10 {
				t.Fatalf("received %d messages", len(deliveries))
			}
			for n, d := range deliveries {
				if !bytes.Equal(d.Payload, payload(i+n)) {
					t.Errorf("message %d is %q", i+n, d.Payload)
				}
			}
			w.ack(q, deliveries...)
			synctest.Wait()
			if n := held(q); i == 0 && (n < 50 || n > 100) || i > 0 && n > 100 {
				t.Errorf("after %d messages %d bodies are in memory", i+10, n)
			}
			if _, bodies := w.engine.Memory(); bodies > w.bodyMemory/2 {
				t.Errorf("bodies take %d bytes", bodies)
			}
		}
		if _, bodies := w.engine.Memory(); bodies != 0 {
			t.Errorf("bodies take %d bytes in the end", bodies)
		}
	})
}

// TestWhoNeedsRoomForBodiesGetsThatOfIdleQueues has one queue take all the room,
// and another send and receive later.
func TestWhoNeedsRoomForBodiesGetsThatOfIdleQueues(t *testing.T) {
	inBubble(t, func(w *world) {
		w.bodyMemory = 20 << 10
		w.restart()
		idle, busy := w.queue("idle", Config{}), w.queue("busy", Config{})
		payload := make([]byte, 1000)
		send := func(q *Queue) {
			w.put(q, Put{Payload: payload})
			synctest.Wait()
		}
		for range 30 {
			send(idle)
		}
		if n := held(idle); n < 15 {
			t.Errorf("of the first queue %d bodies are in memory", n)
		}
		send(busy)
		if n := held(busy); n != 0 {
			t.Errorf("of the second %d are", n)
		}
		time.Sleep(2 * idleAfter)
		send(busy) // which notices that there is no room
		send(busy)
		if n, of := held(busy), held(idle); n == 0 || of != 0 {
			t.Errorf("of the busy queue %d bodies are in memory, of the idle one %d", n, of)
		}
		for range 30 {
			send(busy)
			time.Sleep(idleAfter)
		}
		if n := held(busy); n < 15 {
			t.Errorf("of the busy queue %d bodies are in memory", n)
		}
		w.ack(busy, w.lease(busy, 10, time.Minute, 0)...)
		w.ack(idle, w.lease(idle, 10, time.Minute, 0)...)
	})
}

// TestManyQueuesReadAheadWithinTheBudget has all queues begin at once.
func TestManyQueuesReadAheadWithinTheBudget(t *testing.T) {
	inBubble(t, func(w *world) {
		w.bodyMemory = 200 << 10
		w.restart()
		const queues, each = 30, 50
		name := func(i int) string { return fmt.Sprint("q", i) }
		for i := range queues {
			for range each / 10 {
				w.put(w.queue(name(i), Config{}), slices.Repeat([]Put{{Payload: make([]byte, 1000)}}, 10)...)
			}
		}
		w.restart()
		var all sync.WaitGroup
		deliveries := make([][]*Delivery, queues)
		for i := range queues {
			all.Go(func() { deliveries[i] = w.lease(w.queue(name(i), Config{}), 1, time.Minute, time.Second) })
		}
		all.Wait()
		synctest.Wait()
		if _, bodies := w.engine.Memory(); bodies < w.bodyMemory/4 || bodies > w.bodyMemory/2 {
			t.Errorf("bodies take %d bytes", bodies)
		}
		for i, d := range deliveries {
			w.ack(w.queue(name(i), Config{}), d...)
		}
	})
}
