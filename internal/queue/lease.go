package queue

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"naru/internal/store"
)

// A LeaseRequest asks for messages.
type LeaseRequest struct {
	Max        int           // how many at the most
	Visibility time.Duration // for how long they are hidden from others
	Wait       time.Duration // how long to wait for the first of them
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
	now := q.shard.now()
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
	full := q.full(0)
	_, at := q.next(now)
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

// nextExpiry returns when the first of the leases in memory ends.
func (q *Queue) nextExpiry(now int64) int64 {
	at := now + time.Minute.Milliseconds() // all leases may be on disk
	q.tree.Ascend(&message{slot: slot{at: now + 1}}, func(m *message) bool {
		if m.state == leased {
			at = m.at
		}
		return m.state != leased
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

// take leases what is visible and in memory, up to request.Max messages. On
// its way it removes what has expired and what was received too often.
func (q *Queue) take(request LeaseRequest, now int64) ([]*Delivery, error) {
	q.pass(now)
	var deliveries []*Delivery
	var ops []store.Op
	var parcels []*parcel
	var taken []*message
	for len(taken) < request.Max {
		m, _ := q.next(now)
		if m == nil {
			break
		}
		if q.leftover(m) || q.expired(m, now) {
			ops = append(ops, q.expire(m)...)
			continue
		}
		if p := q.undeliverable(m); p != nil {
			parcels = append(parcels, p)
			ops = append(ops, q.moveOut(m)...)
			continue
		}
		if q.full(len(taken)) {
			break
		}
		deliveries = append(deliveries, &Delivery{body: m.body})
		ops = append(ops, q.pickUp(m, now, request.Visibility)...)
		taken = append(taken, m)
	}
	for i, m := range taken {
		ops = append(ops, store.Set(indexKey(q.ref.Content, m.slot), m.header()))
		q.add(m, m.state == leased)
		deliveries[i].describe(q.ref.Content, m)
	}
	if len(ops) > 0 {
		q.commit(ops, taken, parcels...)
	}
	if len(deliveries) == 0 && q.full(0) {
		return nil, ErrInFlight
	}
	return deliveries, nil
}

// pickUp takes m out of the index and gives it the state it has when leased.
func (q *Queue) pickUp(m *message, now int64, visibility time.Duration) []store.Op {
	ops := q.depart(m, now+visibility.Milliseconds())
	m.state = ready
	if visibility > 0 {
		m.state = leased
	}
	m.receives++
	if m.first == 0 {
		m.first = now
	}
	m.leasedAt, m.nonce, m.handed = now, rand.Uint32(), true
	return ops
}

// depart takes m out of the index and sets the time of its next slot. Whoever
// holds a handle of m finds it there by its forward record.
func (q *Queue) depart(m *message, at int64) []store.Op {
	q.remove(m)
	ops := []store.Op{store.DeleteOnce(indexKey(q.ref.Content, m.slot))}
	m.at = at
	if m.handed {
		m.forwarded = true
		ops = append(ops, store.Set(forwardKey(q.ref.Content, m.seq), forwardValue(at)))
	}
	return ops
}

func (d *Delivery) describe(content uint64, m *message) {
	d.Handle = Handle{Content: content, MessageID: m.id(), VisibleAt: m.at, Nonce: m.nonce}
	d.Receives, d.First, d.Note = int(m.receives), m.first, m.note
}

// open reads the bodies that were not in memory. A message that was deleted
// meanwhile is left out.
func (q *Queue) open(deliveries []*Delivery) ([]*Delivery, error) {
	opened := deliveries[:0]
	for _, d := range deliveries {
		if d.body == nil {
			b, err := q.readBody(d.Handle.MessageID)
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

func (q *Queue) readBody(id MessageID) (*body, error) {
	text, err := q.shard.data.Get(bodyKey(q.ref.Content, id))
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
