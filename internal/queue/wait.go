package queue

import (
	"container/list"
	"context"
	"sync"
	"sync/atomic"

	"naru/internal/store"
)

// A waiter is somebody who asked for messages and has not been answered.
type waiter struct {
	request LeaseRequest
	short   bool // it does not wait for messages to become visible
	place   *list.Element

	once       sync.Once
	answered   chan struct{}
	deliveries []*Delivery
	position   store.Position // to be durable before the answer is passed on
	err        error
}

func newWaiter(request LeaseRequest) *waiter {
	return &waiter{request: request, short: request.Wait <= 0, answered: make(chan struct{})}
}

func (w *waiter) answer(deliveries []*Delivery, position store.Position, err error) {
	w.once.Do(func() {
		w.deliveries, w.position, w.err = deliveries, position, err
		close(w.answered)
	})
}

// A waitList holds waiters in the order in which they came.
type waitList struct {
	order  list.List
	shorts int
	all    *atomic.Int64 // those of all lists
}

func (l *waitList) empty() bool { return l.order.Len() == 0 }

func (l *waitList) push(w *waiter) {
	w.place = l.order.PushBack(w)
	l.all.Add(1)
	if w.short {
		l.shorts++
	}
}

// remove takes w off the list, if it is there.
func (l *waitList) remove(w *waiter) {
	if w.place == nil {
		return
	}
	l.order.Remove(w.place)
	l.all.Add(-1)
	w.place = nil
	if w.short {
		l.shorts--
	}
}

func (l *waitList) first() *waiter {
	if e := l.order.Front(); e != nil {
		return e.Value.(*waiter)
	}
	return nil
}

func (l *waitList) firstShort() *waiter {
	for e := l.order.Front(); e != nil && l.shorts > 0; e = e.Next() {
		if w := e.Value.(*waiter); w.short {
			return w
		}
	}
	return nil
}

// shorten makes w one that does not wait any longer.
func (l *waitList) shorten(w *waiter) {
	if w.place != nil && !w.short {
		w.short = true
		l.shorts++
	}
}

// await returns once w is answered, which happens at the latest when its time
// is up or ctx is done.
func (q *Queue) await(ctx context.Context, w *waiter) {
	if w.request.Wait <= 0 {
		<-w.answered
		return
	}
	select { // most of the time there is something
	case <-w.answered:
		return
	default:
	}
	timer := q.engine.clock.AfterFunc(q.engine.clock.Now().Add(w.request.Wait), func() { q.giveUp(w) })
	defer timer.Stop()
	select {
	case <-w.answered:
	case <-ctx.Done():
		q.giveUp(w)
		<-w.answered
	}
}

// interrupt ends the waiting of all who do.
func (q *Queue) interrupt() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for e := q.waiting.order.Front(); e != nil; e = e.Next() {
		q.waiting.shorten(e.Value.(*waiter))
	}
	if q.closed == nil {
		q.serve()
	}
}

// giveUp ends w's waiting: it gets what is there, or nothing.
func (q *Queue) giveUp(w *waiter) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting.shorten(w)
	if q.closed == nil {
		q.serve()
	}
}
