package queue

import (
	"math/rand/v2"
	"slices"

	"naru/internal/store"
)

// A taking is one round of giving somebody messages.
type taking struct {
	*Queue
	request LeaseRequest
	now     int64
	ops     []store.Op
	taken   []*message
	bodies  []*body // of taken, in their order; nil if not in memory
	parcels []*parcel
	passed  int // messages that were seen to without being given out
}

// mostPassed bounds the messages that one round sees to without giving them
// out, so that the lock is not held for long.
const mostPassed = 2000

// take leases what is visible and in memory, up to request.Max messages. On
// its way it removes what has expired and what was received too often, and
// sends back to their groups those that have become visible again.
func (q *Queue) take(request LeaseRequest, now int64) ([]*Delivery, error) {
	q.pass(now)
	t := &taking{Queue: q, request: request, now: now}
	for len(t.taken) < request.Max && !q.full(len(t.taken)) && t.passed < mostPassed {
		u := q.candidate(now)
		switch {
		case u.message != nil:
			t.message(u.message)
		case u.group != nil:
			t.group(u.group)
		}
		if u.message == nil && u.group == nil {
			break
		}
	}
	deliveries := t.finish()
	if len(deliveries) == 0 && q.full(0) {
		return nil, ErrInFlight
	}
	return deliveries, nil
}

// candidate returns the unit that is to be served next, none if there is none
// in memory. Groups whose lines must be read first are noted as hungry; noisy
// tenants wait until nobody else has anything.
func (q *Queue) candidate(now int64) (next unit) {
	var noisy *group
	q.tree.Scan(func(u unit) bool {
		if !u.less(q.edge) || u.at > now {
			return false
		}
		switch g := u.group; {
		case u.message != nil && q.lacksGroup(u.message):
			q.wanted[u.message.group] = true
		case u.message != nil:
			next = u
		case g.head() == nil:
			q.hungry[g.id] = g
		case q.isNoisy(g.id):
			if noisy == nil || q.tenants[g.id].inFlight < q.tenants[noisy.id].inFlight {
				noisy = g
			}
		default:
			next = u
		}
		return next == unit{}
	})
	if next == (unit{}) && noisy != nil {
		return unit{slot: noisy.listed, group: noisy}
	}
	return next
}

// lacksGroup reports whether a message whose time has come must go back to a
// group that is not in memory.
func (q *Queue) lacksGroup(m *message) bool {
	return m.group != noGroup && q.groups[m.group] == nil && (q.config.FIFO || q.hadItsTurn(m))
}

// message sees to a lone message that is visible.
func (t *taking) message(m *message) {
	switch {
	case t.rid(m):
		if g := t.groups[m.group]; g != nil {
			t.list(g, t.now, false)
		}
	case m.group != noGroup && (t.config.FIFO || t.hadItsTurn(m)):
		t.passed++
		t.ops = t.move(t.ops, m, t.now, ready)
		t.list(t.groups[m.group], t.now, false)
	default:
		t.give(m)
	}
}

// group gives it its turn: one message, or in a FIFO queue all that may be
// received of it.
func (t *taking) group(g *group) {
	lock := g.lock()
	for m := g.head(); m != nil && len(t.taken) < t.request.Max && !t.full(len(t.taken)); m = g.head() {
		if t.config.FIFO && (m.seq > lock || t.dueAt(g, t.now) > t.now) {
			break
		}
		if t.rid(m) {
			continue
		}
		t.give(m)
		if !t.config.FIFO {
			break
		}
	}
	t.list(g, t.now, true)
}

// rid removes a message that is not to be received any more.
func (t *taking) rid(m *message) bool {
	if t.leftover(m) || t.expired(m, t.now) {
		t.passed++
		t.ops = t.expire(t.ops, m)
		return true
	}
	if p := t.undeliverable(m); p != nil {
		t.passed++
		t.parcels = append(t.parcels, p)
		t.ops = t.moveOut(t.ops, m)
		return true
	}
	return false
}

// give takes m out of where it is and gives it the state it has when leased.
// It is put where it belongs when the round is over.
func (t *taking) give(m *message) {
	if n := min(t.request.Max, len(t.byID)); t.taken == nil {
		t.taken, t.bodies = make([]*message, 0, n), make([]*body, 0, n)
		t.ops = slices.Grow(t.ops, 2*n+commitOps)
	}
	t.bodies = append(t.bodies, m.body)
	t.taken = append(t.taken, m)
	t.ops = append(t.ops, t.depart(m))
	m.at, m.state = t.now+t.request.Visibility.Milliseconds(), stateFor(t.request.Visibility, leased)
	m.receives++
	if m.first == 0 {
		m.first = t.now
	}
	m.leasedAt, m.nonce, m.handed = t.now, rand.Uint32(), true
	if g := t.groups[m.group]; g != nil && t.config.FIFO && m.state == leased {
		g.depart(m.seq)
	}
}

// finish commits the round.
func (t *taking) finish() []*Delivery {
	deliveries := make([]*Delivery, len(t.taken))
	for i, m := range t.taken {
		t.ops = t.settle(t.ops, m)
		t.tookTurn(m.group, t.now)
		deliveries[i] = &Delivery{body: t.bodies[i]}
		deliveries[i].describe(t.ref.Content, m)
	}
	if t.request.attempt != (what{}) && len(deliveries) > 0 {
		t.ops = append(t.ops, t.putDown(t.request.attempt, attemptOf(t.now, deliveries))...)
	}
	if len(t.ops) > 0 {
		t.commit(t.ops, t.taken, t.parcels...)
	}
	return deliveries
}

// depart takes m out of where it is. The next to do is to settle it.
func (q *Queue) depart(m *message) store.Op {
	op := q.deleteHeader(m)
	q.remove(m)
	m.forwarded = m.forwarded || m.handed
	return op
}

// deleteHeader returns the op that deletes the header of m from where it is.
func (q *Queue) deleteHeader(m *message) store.Op {
	if m.at == inLine {
		return store.Delete(q.headerKey(m))
	}
	return store.DeleteOnce(q.headerKey(m))
}

// settle puts m where it belongs by its time and state: into the index, or, if
// it is visible and has a group, into the line of that. Whoever holds a handle
// of it finds it there by its forward record.
func (q *Queue) settle(ops []store.Op, m *message) []store.Op {
	if m.group != noGroup && m.state == ready && q.groups[m.group] != nil {
		q.join(m)
	} else {
		q.add(m, m.state == leased)
	}
	ops = append(ops, store.Set(q.headerKey(m), m.header()))
	if m.forwarded {
		ops = append(ops, store.Set(forwardKey(q.ref.Content, m.seq), forwardValue(m.at)))
	}
	return ops
}

// move puts m into another slot, in state s.
func (q *Queue) move(ops []store.Op, m *message, at int64, s state) []store.Op {
	ops = append(ops, q.depart(m))
	m.at, m.state = at, s
	return q.settle(ops, m)
}

func (d *Delivery) describe(content uint64, m *message) {
	d.Handle = Handle{Content: content, MessageID: m.id(), VisibleAt: m.at, Nonce: m.nonce, group: m.group}
	d.Receives, d.First, d.Note = int(m.receives), m.first, m.note
}
