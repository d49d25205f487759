package queue

import (
	"encoding/binary"
	"errors"
	"time"

	"naru/internal/store"
)

// MaxLease is how long after a message was received its lease may end.
const MaxLease = 12 * time.Hour

var (
	// ErrNoMessage is returned for a message that does not exist any more.
	ErrNoMessage = errors.New("queue: the message does not exist")
	// ErrTooLong is returned for a lease that would end later than MaxLease
	// allows.
	ErrTooLong = errors.New("queue: the lease would be too long")
)

// ErrExpired is returned for a handle of a FIFO queue's message whose lease
// does not stand any more.
var ErrExpired = errors.New("queue: the lease has expired")

// Ack deletes the messages that handles name. One that does not exist any
// more, or was of another content, is none of its concern. The errors
// correspond to the handles: nil, or in a FIFO queue ErrExpired. The last
// result is an error that concerns all of them.
func (q *Queue) Ack(handles ...Handle) ([]error, error) {
	if _, err := q.lockWith(needs{handles: handles}); err != nil {
		return nil, err
	}
	now := q.shard.now()
	results := make([]error, len(handles))
	ops := make([]store.Op, 0, 3*len(handles)+commitOps)
	for i, h := range handles {
		switch m := q.message(h); {
		case m == nil:
		case q.config.FIFO && !m.isHeldBy(h, now):
			results[i] = ErrExpired
		default:
			ops = q.drop(ops, m)
		}
	}
	position := q.last
	if len(ops) > 0 {
		position = q.commit(ops, nil)
		q.serve() // those who wait because too many were in flight
	}
	q.mu.Unlock()
	return results, position.Wait()
}

// Forward deletes the message that h names, writes notes and sends messages, in
// one batch: see Engine.Send. It returns ErrNoMessage, and does nothing of it,
// if the message does not exist or h is not of its newest lease.
func (q *Queue) Forward(h Handle, notes []Note, messages ...Outgoing) error {
	if _, err := q.lockWith(needs{handles: []Handle{h}}); err != nil {
		return err
	}
	m := q.message(h)
	if m == nil || m.nonce != h.Nonce {
		q.mu.Unlock()
		return ErrNoMessage
	}
	position := q.commit(append(q.drop(nil, m), noteOps(notes)...), nil, q.engine.parcels(messages)...)
	q.serve()
	q.mu.Unlock()
	return position.Wait()
}

// A Redirection says where a message goes, and as what. It keeps its group.
type Redirection struct {
	Handle Handle
	To     Outgoing
}

// Redirect sends messages elsewhere and writes notes, in one batch. A message
// whose address stands for nothing when it gets there comes back. It returns
// ErrNoMessage, and does nothing of it, if one of the messages does not exist or
// its handle is not of its newest lease.
func (q *Queue) Redirect(notes []Note, all ...Redirection) error {
	var n needs
	for _, r := range all {
		n.handles = append(n.handles, r.Handle)
	}
	if _, err := q.lockWith(n); err != nil {
		return err
	}
	ops := noteOps(notes)
	var parcels []*parcel
	for _, r := range all {
		if m := q.message(r.Handle); m == nil || m.nonce != r.Handle.Nonce {
			q.mu.Unlock()
			return ErrNoMessage
		}
	}
	for _, r := range all {
		m := q.message(r.Handle)
		p := q.engine.parcels([]Outgoing{r.To})[0]
		p.group, p.content, p.home = m.group, q.ref.Content, m.id()
		parcels = append(parcels, p)
		ops = q.moveOut(ops, m)
	}
	position := q.commit(ops, nil, parcels...)
	q.serve()
	q.mu.Unlock()
	return position.Wait()
}

// message returns the message that h names, after lockWith; nil if it does not
// exist.
func (q *Queue) message(h Handle) *message {
	if m := q.byID[h.Sequence]; m != nil && h.Content == q.ref.Content && m.sent == h.Sent && !q.leftover(m) {
		return m
	}
	return nil
}

// drop removes m from the content.
func (q *Queue) drop(ops []store.Op, m *message) []store.Op {
	q.meta.total--
	return append(q.takeOut(ops, m), store.DeleteOnce(bodyKey(q.ref.Content, m.id(), m.group)))
}

// takeOut removes the header of m, and what points to it, for good.
func (q *Queue) takeOut(ops []store.Op, m *message) []store.Op {
	ops = append(ops, q.deleteHeader(m))
	q.remove(m)
	q.end(m.seq)
	if g := q.groups[m.group]; g != nil && m.at != inLine && q.config.FIFO {
		q.touch(g.id).arrive(m.seq)
	}
	if m.forwarded {
		ops = append(ops, store.Delete(forwardKey(q.ref.Content, m.seq)))
	}
	return ops
}

// An Extension asks for a message to become visible at another time.
type Extension struct {
	Handle     Handle
	Visibility time.Duration // from now on; 0 makes it visible at once
}

// Extend changes the visibility of messages. The errors correspond to the
// extensions: nil, ErrNoMessage or ErrTooLong. The last result is an error
// that concerns all of them.
func (q *Queue) Extend(extensions ...Extension) ([]error, error) {
	handles := make([]Handle, len(extensions))
	for i, x := range extensions {
		handles[i] = x.Handle
	}
	if _, err := q.lockWith(needs{handles: handles}); err != nil {
		return nil, err
	}
	now := q.shard.now()
	results := make([]error, len(extensions))
	var ops []store.Op
	var changed []*message
	for i, x := range extensions {
		at := now + x.Visibility.Milliseconds()
		switch m := q.message(x.Handle); {
		case m == nil || q.config.FIFO && !m.isHeldBy(x.Handle, now):
			results[i] = ErrNoMessage
		case at > m.leasedAt+MaxLease.Milliseconds():
			results[i] = ErrTooLong
		default:
			ops = q.move(ops, m, at, stateFor(x.Visibility, leased))
			changed = append(changed, m)
		}
	}
	position := q.last
	if len(ops) > 0 {
		position = q.commit(ops, changed)
		q.serve()
	}
	q.mu.Unlock()
	return results, position.Wait()
}

// stateFor returns s for a message that stays hidden for d, ready for none.
func stateFor(d time.Duration, s state) state {
	if d <= 0 {
		return ready
	}
	return s
}

// Release gives a leased message back, to become visible after delay, with a
// new note. With counted false it is as if it had not been received: a
// throttled attempt, say. It does nothing when the lease is not the message's
// newest, and returns ErrNoMessage when the message does not exist.
func (q *Queue) Release(h Handle, delay time.Duration, note []byte, counted bool) error {
	if _, err := q.lockWith(needs{handles: []Handle{h}}); err != nil {
		return err
	}
	m := q.message(h)
	position := q.last
	if m != nil && m.nonce == h.Nonce {
		m.note = note
		position = q.release(m, delay, counted)
		q.serve()
	}
	q.mu.Unlock()
	if m == nil {
		return ErrNoMessage
	}
	return position.Wait()
}

// Return gives leased messages back at once, in one batch, as if they had not
// been received. It leaves alone those whose lease is not their newest, and those
// that do not exist any more.
func (q *Queue) Return(handles ...Handle) error {
	if _, err := q.lockWith(needs{handles: handles}); err != nil {
		return err
	}
	var ops []store.Op
	var changed []*message
	for _, h := range handles {
		if m := q.message(h); m != nil && m.nonce == h.Nonce && m.state == leased {
			ops = append(ops, q.letGo(m, 0, false)...)
			changed = append(changed, m)
		}
	}
	position := q.last
	if len(ops) > 0 {
		position = q.commit(ops, changed)
		q.serve()
	}
	q.mu.Unlock()
	return position.Wait()
}

func (q *Queue) release(m *message, delay time.Duration, counted bool) store.Position {
	return q.commit(q.letGo(m, delay, counted), []*message{m})
}

// letGo ends the lease of a message.
func (q *Queue) letGo(m *message, delay time.Duration, counted bool) []store.Op {
	if !counted && m.receives > 0 {
		if m.receives--; m.receives == 0 {
			m.first = 0
		}
	}
	return q.move(nil, m, q.shard.now()+delay.Milliseconds(), stateFor(delay, delayed))
}

// giveBack undoes a lease that nobody learned of.
func (q *Queue) giveBack(deliveries []*Delivery) error {
	handles := make([]Handle, len(deliveries))
	for i, d := range deliveries {
		handles[i] = d.Handle
	}
	if err := q.Return(handles...); err != nil && !errors.Is(err, ErrGone) {
		return err
	}
	return nil
}

// ReleaseAll gives every leased message back at once, uncounted: for an owner
// whose receivers all died with the process. It must not race with Lease.
func (q *Queue) ReleaseAll() error {
	if err := q.lock(); err != nil {
		return err
	}
	from := slot{at: max(q.meta.through+1, q.meta.low)}
	for q.meta.leased > 0 && from != never {
		var found []sighting
		var groups []*group
		var next slot
		err := q.reading(func() (err error) {
			if found, next, err = q.scan(from, never.at, 1000); err == nil {
				groups, err = q.readGroups(groupsOf(found))
			}
			return err
		})
		if err != nil {
			return err
		}
		q.meet(groups)
		for _, s := range found {
			m := s.message
			if m != nil && m.state == leased && q.stands(m.slot) {
				if q.byID[m.seq] == nil {
					q.remember(m)
				}
				q.release(q.byID[m.seq], 0, false)
			}
		}
		q.endRead()
		from = next
	}
	position := q.last
	q.serve()
	q.mu.Unlock()
	return position.Wait()
}

func forwardValue(at int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(at)) }
