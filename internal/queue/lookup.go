package queue

import (
	"errors"

	"naru/internal/store"
)

// needs is what a call must have in memory before it can be decided.
type needs struct {
	handles []Handle  // the messages that they name, and their groups
	groups  []groupID // noGroup is none
	recalls []what    // what may be remembered
}

// A lookup finds what a call needs and memory does not have.
type lookup struct {
	needs
	absent   map[uint64]bool      // messages that are not in the content, for good
	recalled map[what]*remembered // nil for what is not remembered

	// What to read in the next round, and then what was.
	handles  []Handle
	messages []*message // of handles, in their order; nil if not there
	ids      map[groupID]bool
	groups   []*group
	minutes  map[what][]int64 // in which it may have been put down
}

// lockWith locks q with what a call needs in memory, as far as it exists. It
// fails, with q unlocked, when q is closed or cannot be read.
func (q *Queue) lockWith(n needs) (*lookup, error) {
	if err := q.lock(); err != nil {
		return nil, err
	}
	l := &lookup{needs: n, absent: map[uint64]bool{}, recalled: map[what]*remembered{}}
	for l.misses(q) {
		if err := q.reading(func() error { return l.read(q) }); err != nil {
			return nil, err
		}
		l.settle(q)
		q.endRead()
	}
	return l, nil
}

// misses reports whether there is something to read, and notes what.
func (l *lookup) misses(q *Queue) bool {
	l.handles, l.ids, l.minutes = nil, map[groupID]bool{}, map[what][]int64{}
	for _, h := range l.needs.handles {
		if h.Content != q.ref.Content || l.absent[h.Sequence] {
			continue
		}
		m := q.byID[h.Sequence]
		if m == nil {
			l.handles = append(l.handles, h)
		}
		if q.config.FIFO || m != nil && m.at == inLine {
			l.missesGroup(q, h.group)
		}
	}
	for _, id := range l.needs.groups {
		l.missesGroup(q, id)
	}
	for _, w := range l.recalls {
		if _, known := l.recalled[w]; known {
			continue
		}
		if minutes := q.recall.mayHave(w, q.shard.now()); len(minutes) > 0 {
			l.minutes[w] = minutes
		}
	}
	return len(l.handles)+len(l.ids)+len(l.minutes) > 0
}

func (l *lookup) missesGroup(q *Queue, id groupID) {
	if id != noGroup && q.groups[id] == nil {
		l.ids[id] = true
	}
}

// read reads what is missing, without the lock.
func (l *lookup) read(q *Queue) (err error) {
	l.messages = make([]*message, len(l.handles))
	for i, h := range l.handles {
		if l.messages[i], err = q.findOne(h); err != nil {
			return err
		}
	}
	if l.groups, err = q.readGroups(l.ids); err != nil {
		return err
	}
	for w, minutes := range l.minutes {
		r, found, err := q.lookBack(w, minutes)
		if err != nil {
			return err
		}
		if l.recalled[w] = nil; found {
			l.recalled[w] = &r
		}
	}
	return nil
}

// settle puts what was read into memory. What was changed meanwhile counts as
// it is now.
func (l *lookup) settle(q *Queue) {
	q.meet(l.groups)
	for i, h := range l.handles {
		switch m := l.messages[i]; {
		case q.byID[h.Sequence] != nil:
		case m == nil:
			l.absent[h.Sequence] = true
		case m.at == inLine && !q.isGone(m.seq) || m.at != inLine && q.stands(m.slot):
			q.remember(m)
		}
	}
	for _, w := range l.recalls {
		if r, ok := q.entered[w]; ok {
			l.recalled[w] = &r
		}
	}
}

// isGone reports whether a message has left the content since a read began.
func (q *Queue) isGone(seq uint64) bool {
	_, gone := q.ended[seq]
	return gone
}

// findOne looks where the message was when h was given out, in the line of its
// group, and then, since it may have moved, where its forward record says. If it
// is not there either, it moved between the reads, and its forward record with
// it.
func (q *Queue) findOne(h Handle) (*message, error) {
	at := h.VisibleAt
	for range 100 {
		m, err := q.header(slot{at, h.Sequence}, h.group)
		if err != nil || m != nil {
			return m, err
		}
		if h.group != noGroup && at != inLine {
			if m, err = q.header(slot{inLine, h.Sequence}, h.group); err != nil || m != nil {
				return m, err
			}
		}
		next, found, err := q.forwarded(h.Sequence)
		if err != nil || !found {
			return nil, err
		}
		at = next
	}
	return nil, &store.CorruptError{Key: forwardKey(q.ref.Content, h.Sequence), Reason: "there is no message where it points"}
}

// headerKey is where the header of a message of the group is whose slot is s.
func headerKey(content uint64, s slot, group groupID) []byte {
	if s.at == inLine {
		return lineKey(content, group, s.seq)
	}
	return indexKey(content, s, unitMessage)
}

func (q *Queue) headerKey(m *message) []byte { return headerKey(q.ref.Content, m.slot, m.group) }

// header returns the message at s, or nil.
func (q *Queue) header(s slot, group groupID) (*message, error) {
	value, err := q.shard.data.Get(headerKey(q.ref.Content, s, group))
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parseHeader(s, value)
}

// forwarded returns the time of the slot that the message's forward record
// names, if it has one.
func (q *Queue) forwarded(seq uint64) (at int64, found bool, err error) {
	value, err := q.shard.data.Get(forwardKey(q.ref.Content, seq))
	if errors.Is(err, store.ErrNotFound) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	r := reader{rest: value}
	at = int64(r.uint64())
	return at, r.err == nil, r.err
}
