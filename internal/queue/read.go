package queue

import (
	"errors"
	"fmt"
	"math"

	"naru/internal/store"
)

// Reads of the store run without the queue's lock, while others change the
// queue. What keeps them right:
//
//   - A read waits until everything the queue had appended when it began is
//     durable, so that it sees all of that.
//   - While reads are under way, every slot that is emptied is noted in
//     removed, and every message that ends in ended; what was found of them
//     does not count.
//   - While a refill is under way, every header that is added is kept in
//     memory, so that none slips past the edge unseen.

// reading runs read without the lock. It needs q.mu, and holds it again when it
// returns nil; then the caller calls endRead once it has used what was read. It
// fails, with q unlocked, when read fails or q was closed meanwhile.
func (q *Queue) reading(read func() error) error {
	if q.reads++; q.removed == nil {
		q.removed, q.ended = map[slot]struct{}{}, map[uint64]struct{}{}
	}
	position := q.last
	q.mu.Unlock()
	err := position.Wait()
	if err == nil {
		err = read()
	}
	q.mu.Lock()
	if err = errors.Join(err, q.closed); err != nil {
		q.endRead()
		q.mu.Unlock()
	}
	return err
}

// endRead needs q.mu.
func (q *Queue) endRead() {
	if q.reads--; q.reads == 0 {
		q.removed, q.ended = nil, nil
	}
}

// end tells the reads under way that a message has left the content.
func (q *Queue) end(seq uint64) {
	if q.reads > 0 {
		q.ended[seq] = struct{}{}
	}
}

// stands reports whether what a read found at s is still there.
func (q *Queue) stands(s slot) bool {
	_, gone := q.removed[s]
	return !gone
}

// scan reads about limit headers from from on, up to and including time until;
// those of one millisecond are not torn apart. It returns the slot from which
// a next scan goes on: never, when it came to the end of the index.
func (q *Queue) scan(from slot, until int64, limit int) (found []*message, next slot, err error) {
	content := q.ref.Content
	next = never
	end := contentEnd(content, kindIndex)
	err = q.shard.data.Scan(indexKey(content, from), end, math.MaxInt, func(r store.Record) (bool, error) {
		s := slotOfKey(r.Key)
		if s.at > until || len(found) >= limit && s.at != found[len(found)-1].at {
			next = s
			return false, nil
		}
		value, err := r.Value()
		if err != nil {
			return false, err
		}
		m, err := parseHeader(s, value)
		if err != nil {
			return false, &store.CorruptError{Key: append([]byte{}, r.Key...), Reason: err.Error()}
		}
		found = append(found, m)
		return true, nil
	})
	return found, next, err
}

// refill begins to read the headers after the edge into the window, unless
// that is under way. It needs q.mu.
func (q *Queue) refill() {
	if q.filling {
		return
	}
	q.filling = true
	q.engine.spawn(func() {
		q.mu.Lock()
		if err := q.fill(); err != nil && !errors.Is(err, ErrGone) {
			q.fail(err)
		}
	})
}

// fill needs q.mu, which it gives up.
func (q *Queue) fill() error {
	var found []*message
	var next slot
	from := q.edge
	err := q.reading(func() (err error) {
		found, next, err = q.scan(from, never.at, q.engine.options.Window)
		return err
	})
	if err != nil {
		return err
	}
	for _, m := range found {
		if q.byID[m.seq] == nil && q.stands(m.slot) {
			q.remember(m)
		}
	}
	q.edge, q.filling = next, false
	q.endRead()
	q.serve()
	q.mu.Unlock()
	return nil
}

// fail makes q one that gives out nothing: a record in its way does not open.
func (q *Queue) fail(err error) {
	q.engine.log.Error("a queue cannot be read", "content", q.ref.Content, "err", err)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.broken, q.filling = fmt.Errorf("content %d: %w", q.ref.Content, err), false
	q.serve()
}

// catchUp takes all deadlines up to now into account, reading the headers that
// are not in memory. It needs q.mu, which it has given up if it fails.
func (q *Queue) catchUp(now int64) error {
	for !q.pass(now) && q.meta.through < now {
		from := slot{at: q.meta.through + 1}
		var found []*message
		var next slot
		err := q.reading(func() (err error) {
			found, next, err = q.scan(from, now, 10_000)
			return err
		})
		if err != nil {
			return err
		}
		if q.meta.through == from.at-1 {
			q.passTo(min(now, next.at-1), found)
		}
		q.endRead()
	}
	return nil
}

// passTo is pass for a span whose headers were read.
func (q *Queue) passTo(through int64, found []*message) {
	through = max(through, q.meta.through)
	for _, m := range found {
		if m.at > through || q.byID[m.seq] != nil || !q.stands(m.slot) {
			continue
		}
		q.count(m, -1)
	}
	for _, m := range q.inMemory(q.meta.through+1, through) {
		if m.state != ready {
			q.count(m, -1)
			q.counted--
		}
	}
	q.meta.through = through
}

// inMemory returns the messages in memory with slots from from to until.
func (q *Queue) inMemory(from, until int64) (all []*message) {
	q.tree.Ascend(&message{slot: slot{at: from}}, func(m *message) bool {
		if m.at <= until {
			all = append(all, m)
		}
		return m.at <= until
	})
	return all
}

// lockFor locks q with the messages that handles name in memory, as far as
// they exist. It fails, with q unlocked, when q is closed or cannot be read.
func (q *Queue) lockFor(handles []Handle) error {
	if err := q.lock(); err != nil {
		return err
	}
	absent := map[uint64]bool{} // not in the content, for good
	for missing := q.missing(handles, absent); len(missing) > 0; missing = q.missing(handles, absent) {
		found := make([]*message, len(missing))
		err := q.reading(func() (err error) {
			for i, h := range missing {
				if found[i], err = q.findOne(h); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		for i, h := range missing {
			switch m := found[i]; {
			case q.byID[h.Sequence] != nil:
			case m == nil:
				absent[h.Sequence] = true
			case q.stands(m.slot):
				q.remember(m)
			}
		}
		q.endRead()
	}
	return nil
}

func (q *Queue) missing(handles []Handle, absent map[uint64]bool) (missing []Handle) {
	for _, h := range handles {
		if h.Content == q.ref.Content && q.byID[h.Sequence] == nil && !absent[h.Sequence] {
			missing = append(missing, h)
		}
	}
	return missing
}

// findOne looks where the message was when h was given out and then, since it
// may have moved, where its forward record says. If it is not there either, it
// moved between the two reads, and its forward record with it.
func (q *Queue) findOne(h Handle) (*message, error) {
	at := h.VisibleAt
	for range 100 {
		m, err := q.header(slot{at, h.Sequence})
		if err != nil || m != nil {
			return m, err
		}
		if at, err = q.forwarded(h.Sequence); err != nil || at == 0 {
			return nil, err
		}
	}
	return nil, &store.CorruptError{Key: forwardKey(q.ref.Content, h.Sequence), Reason: "there is no message where it points"}
}

// header returns the message at s, or nil.
func (q *Queue) header(s slot) (*message, error) {
	value, err := q.shard.data.Get(indexKey(q.ref.Content, s))
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parseHeader(s, value)
}

// forwarded returns the time of the slot that the message's forward record
// names, 0 if it has none.
func (q *Queue) forwarded(seq uint64) (int64, error) {
	value, err := q.shard.data.Get(forwardKey(q.ref.Content, seq))
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	r := reader{rest: value}
	at := int64(r.uint64())
	return at, r.err
}
