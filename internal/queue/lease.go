package queue

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"naru/internal/store"
)

// A LeaseRequest asks for messages.
type LeaseRequest struct {
	Max        int           // how many at the most
	Visibility time.Duration // for how long they are hidden from others
	Wait       time.Duration // how long to wait for the first of them
	// Attempt, if not "", names an attempt to receive from a FIFO queue: when it
	// is made again within five minutes it has the same result, as long as all
	// of that is still in flight, and is hidden for the whole time again.
	Attempt string

	attempt what
}

// A Delivery is a message that was received.
type Delivery struct {
	Handle   Handle
	Receives int   // how often it was received, this time included
	First    int64 // when it was first received; ms
	Payload  []byte
	Origin   string // where it was dead-lettered from, "" if it was not
	Note     []byte

	body *body // nil: it must be read
}

// ErrInFlight is returned to a caller who does not wait when as many messages
// are leased as the configuration allows.
var ErrInFlight = errors.New("queue: too many messages in flight")

// Lease receives messages. With none visible it waits for the first, behind
// those who wait already. It returns none when that takes longer than
// request.Wait or ctx is done.
func (q *Queue) Lease(ctx context.Context, request LeaseRequest) ([]*Delivery, error) {
	if request.Attempt != "" {
		if deliveries, err := q.again(&request); deliveries != nil || err != nil {
			return deliveries, err
		}
	}
	if err := q.lock(); err != nil {
		return nil, err
	}
	if q.engine.impatient.Load() {
		request.Wait = 0
	}
	w := newWaiter(request)
	q.waiting.push(w)
	q.serve()
	q.mu.Unlock()
	q.await(ctx, w)
	if err := w.position.Wait(); err != nil || w.err != nil {
		return nil, errors.Join(w.err, err)
	}
	if ctx.Err() != nil {
		return nil, errors.Join(ctx.Err(), q.giveBack(w.deliveries))
	}
	return q.open(w.deliveries)
}

// serve gives those who wait what is visible, in their order. It needs q.mu.
func (q *Queue) serve() {
	if !q.loaded {
		return // nobody waits
	}
	now := q.shard.now()
	defer q.readAhead(now)
	for w := q.waiting.first(); w != nil; w = q.waiting.first() {
		if q.broken != nil {
			q.waiting.remove(w)
			w.answer(nil, q.last, q.broken)
			continue
		}
		deliveries, err := q.take(w.request, now)
		if len(deliveries) == 0 && (err == nil || w.request.Wait > 0) {
			break
		}
		q.waiting.remove(w)
		w.answer(deliveries, q.last, err)
	}
	if q.waiting.empty() {
		return
	}
	now = q.shard.now() // what was put back meanwhile is visible now
	full := q.full(0)
	at := q.lookAgain()
	if at <= now && !full && q.broken == nil {
		q.refill()
		return
	}
	for w := q.waiting.firstShort(); w != nil; w = q.waiting.firstShort() {
		q.waiting.remove(w)
		w.answer(nil, q.last, nil)
	}
	if full {
		at = q.nextExpiry(now)
	}
	q.wakeAt(at)
}

// readAhead begins to read what will soon be needed: the ends of lines, and the
// window when it runs low.
func (q *Queue) readAhead(now int64) {
	low := q.edge.at <= now && q.tree.Len()-q.held < q.window/4
	if (low || len(q.hungry) > 0) && q.broken == nil {
		q.refill()
	}
}

// lookAgain returns when the first unit becomes visible. When that is past, and
// nothing could be given out, there is something to be read first.
func (q *Queue) lookAgain() int64 {
	if first, ok := q.tree.Min(); ok && first.less(q.edge) {
		return first.at
	}
	return q.edge.at
}

// nextExpiry returns when the first of the leases in memory ends.
func (q *Queue) nextExpiry(now int64) int64 {
	at := now + time.Minute.Milliseconds() // all leases may be on disk
	q.tree.Ascend(unit{slot: slot{at: now + 1}}, func(u unit) bool {
		isLeased := u.message != nil && u.message.state == leased
		if isLeased {
			at = u.at
		}
		return !isLeased
	})
	return at
}

// wakeAt sees to it that serve is called at the given time. It needs q.mu.
func (q *Queue) wakeAt(at int64) {
	if q.waiting.empty() || at == never.at {
		return
	}
	if q.alarm == nil {
		q.alarm = q.engine.clock.AfterFunc(time.UnixMilli(at), q.wake)
		return
	}
	q.alarm.Reset(time.UnixMilli(at))
}

func (q *Queue) wake() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed == nil {
		q.serve()
	}
}

// full reports whether as many messages are leased as may be, with so many
// more than meta knows of.
func (q *Queue) full(more int) bool {
	bound := int64(q.config.InFlight - more)
	if q.config.InFlight == 0 || q.meta.leased < bound {
		return false
	}
	if !q.pass(q.shard.now()) {
		q.engine.spawn(func() { q.Counts() }) // which reads the deadlines that have passed
	}
	return q.meta.leased >= bound
}

// open reads the bodies that were not in memory. A message that was deleted
// meanwhile is left out.
func (q *Queue) open(deliveries []*Delivery) ([]*Delivery, error) {
	var missing []MessageID
	for _, d := range deliveries {
		if d.body == nil {
			missing = append(missing, d.Handle.MessageID)
		}
	}
	bodies := q.readNeighbours(missing, math.MaxInt64)
	opened := deliveries[:0]
	for _, d := range deliveries {
		if d.body == nil {
			d.body = bodies[d.Handle.Sequence]
		}
		if d.body == nil {
			b, err := q.readBody(d.Handle.MessageID, d.Handle.group)
			if errors.Is(err, store.ErrNotFound) && !q.has(d.Handle.Sequence) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("content %d, message %v: %w", q.ref.Content, d.Handle.MessageID, err)
			}
			d.body = b
		}
		d.Payload, d.Origin = d.body.payload, d.body.origin
		opened = append(opened, d)
	}
	return opened, nil
}

func (q *Queue) readBody(id MessageID, group groupID) (*body, error) {
	text, err := q.shard.data.Get(bodyKey(q.ref.Content, id, group))
	if err != nil {
		return nil, err
	}
	return parseBody(text)
}

// has reports whether the message is in memory.
func (q *Queue) has(seq uint64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.byID[seq] != nil
}
