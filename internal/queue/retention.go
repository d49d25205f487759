package queue

import (
	"errors"
	"math"
	"time"

	"naru/internal/store"
)

// Retention removes messages a time after they were sent. Bodies lie in the
// order in which they were sent, so that it needs to look only at the first.
// The header of an expired message is removed with it when it is in memory,
// and otherwise when it is come across: until then it is a leftover.

func (a MessageID) before(b MessageID) bool {
	return a.Sent < b.Sent || a.Sent == b.Sent && a.Sequence < b.Sequence
}

// leftover reports whether m's body was removed already.
func (q *Queue) leftover(m *message) bool { return m.id().before(q.meta.reaped) }

// limit is the time at or before which a message must have been sent to have
// expired now.
func (q *Queue) limit(now int64) int64 {
	if q.config.Retention <= 0 {
		return math.MinInt64
	}
	return now - q.config.Retention.Milliseconds()
}

func (q *Queue) expired(m *message, now int64) bool { return m.sent <= q.limit(now) }

// expire removes m, which has expired.
func (q *Queue) expire(ops []store.Op, m *message) []store.Op {
	if q.leftover(m) {
		return q.takeOut(ops, m)
	}
	return q.drop(ops, m)
}

// expectExpiry sees to it that reap runs when a message sent at the given time
// expires. It needs q.mu.
func (q *Queue) expectExpiry(sent int64) {
	at := sent + q.config.Retention.Milliseconds()
	if q.config.Retention <= 0 || q.expiry != 0 && q.expiry <= at {
		return
	}
	q.expiry = at
	if q.retention == nil {
		q.retention = q.engine.clock.AfterFunc(time.UnixMilli(at), func() { q.engine.spawn(q.expireAll) })
		return
	}
	q.retention.Reset(time.UnixMilli(at))
}

// expireAll removes what has expired and sees to it that it is called when the
// next message does.
func (q *Queue) expireAll() {
	err := q.lock()
	for more := true; more && err == nil; {
		more, err = q.reap()
	}
	if err == nil {
		err = q.sweep()
	}
	if err == nil {
		q.mu.Unlock()
	}
	q.complain("expired messages cannot be removed", err)
}

// complain logs why the queue's own work failed.
func (q *Queue) complain(what string, err error) {
	if err != nil && !errors.Is(err, ErrGone) && q.engine.ctx.Err() == nil {
		q.engine.log.Error(what, "content", q.ref.Content, "err", err)
	}
}

// reapChunk is how many messages are removed in one batch.
const reapChunk = 1000

// reap removes the bodies of some messages that have expired, and their
// headers if they are in memory. It reports whether there may be more. It
// needs q.mu, which it has given up if it fails.
func (q *Queue) reap() (more bool, err error) {
	q.expiry = 0
	from, limit := q.meta.lowBody, q.limit(q.shard.now())
	if q.config.Retention <= 0 || q.meta.total == 0 {
		return false, nil
	}
	var old []bodyID
	oldest := MessageID{Sent: math.MaxInt64}
	err = q.reading(func() error {
		old, oldest, err = q.scanBodies(from, limit)
		return err
	})
	if err != nil {
		return false, err
	}
	defer q.endRead()
	if q.meta.lowBody != from {
		return true, nil // an older one came: look again
	}
	if oldest.Sent != math.MaxInt64 {
		q.meta.lowBody = oldest
		q.expectExpiry(oldest.Sent)
	}
	q.reapBodies(old)
	return len(old) == reapChunk, nil
}

// A bodyID is what a body's key says.
type bodyID struct {
	MessageID
	group groupID
}

// scanBodies returns the first messages that were sent at or before limit, and
// the one after those: its Sent is MaxInt64 if there is none.
func (q *Queue) scanBodies(from MessageID, limit int64) (old []bodyID, oldest MessageID, err error) {
	oldest = MessageID{Sent: math.MaxInt64}
	content := q.ref.Content
	err = q.shard.data.Scan(bodyKey(content, from, noGroup), contentEnd(content, kindBody), reapChunk+1, func(r store.Record) (bool, error) {
		id, group := idOfBodyKey(r.Key)
		if id.Sent > limit || len(old) == reapChunk {
			oldest = id
			return false, nil
		}
		old = append(old, bodyID{id, group})
		return true, nil
	})
	return old, oldest, err
}

// reapBodies removes bodies, with the headers that are in memory, and those
// that may wait in the line of a group.
func (q *Queue) reapBodies(old []bodyID) {
	var ops []store.Op
	for _, id := range old {
		m := q.byID[id.Sequence]
		if m != nil && !q.canTakeOut(m) {
			q.forgetUnit(unit{slot: m.slot, message: m})
			m = nil
		}
		switch {
		case m != nil:
			ops = q.drop(ops, m)
		case !q.isGone(id.Sequence) && !q.shard.isMoving(q.ref.Content, id.Sequence):
			q.meta.total--
			ops = append(ops, store.DeleteOnce(bodyKey(q.ref.Content, id.MessageID, id.group)))
			if id.group != noGroup {
				ops = append(ops, store.Delete(lineKey(q.ref.Content, id.group, id.Sequence)), store.Delete(forwardKey(q.ref.Content, id.Sequence)))
			}
		}
	}
	if len(old) == 0 {
		return
	}
	last := old[len(old)-1]
	q.meta.reaped = MessageID{last.Sent, last.Sequence + 1}
	q.commit(ops, nil)
}

// canTakeOut reports whether what must change with m is in memory.
func (q *Queue) canTakeOut(m *message) bool {
	return m.group == noGroup || q.groups[m.group] != nil || m.at != inLine && !q.config.FIFO
}

// sweep removes what reap's limit has reached and left: the headers of messages
// that have expired, and groups of which nothing is left. Whatever becomes
// visible at or before the limit was sent at or before it. It needs q.mu, which
// it has given up if it fails.
func (q *Queue) sweep() error {
	limit := min(q.limit(q.shard.now()), q.meta.reaped.Sent)
	for from := (slot{at: q.meta.low}); from.at <= limit; {
		var found []sighting
		var groups []*group
		var next slot
		err := q.reading(func() (err error) {
			if found, next, err = q.scan(from, limit, reapChunk); err == nil {
				groups, err = q.readGroups(groupsOf(found))
			}
			return err
		})
		if err != nil {
			return err
		}
		q.meet(groups)
		q.sweepUnits(found)
		q.endRead()
		from = next
	}
	return nil
}

func (q *Queue) sweepUnits(found []sighting) {
	var ops []store.Op
	for _, s := range found {
		m := s.message
		switch {
		case !q.stands(s.slot):
		case m == nil:
			ops = append(ops, q.sweepGroup(q.groups[s.group])...)
		case q.leftover(m):
			if q.byID[m.seq] == nil {
				q.remember(m)
			}
			ops = q.takeOut(ops, q.byID[m.seq])
		}
	}
	if len(ops) > 0 || len(q.changed) > 0 {
		q.commit(ops, nil)
	}
}

// sweepGroup removes the leftovers at the head of a group's line.
func (q *Queue) sweepGroup(g *group) (ops []store.Op) {
	q.touch(g.id)
	for m := g.head(); m != nil && q.leftover(m); m = g.head() {
		ops = q.takeOut(ops, m)
	}
	return ops
}
