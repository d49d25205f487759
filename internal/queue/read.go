package queue

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"naru/internal/store"
)

// Reads of the store run without the queue's lock, while others change the
// queue. What keeps them right:
//
//   - A read waits until it sees everything that the queue had appended when it
//     began.
//   - While reads are under way, every slot that is emptied is noted in
//     removed, every message that ends in ended, and what is put down to be
//     remembered in entered; what was found of them does not count.
//   - While a refill is under way, every header that is added is kept in
//     memory, so that none slips past the edge unseen; likewise what joins the
//     line of a group that is being filled.
//   - A group that is in memory is not forgotten while reads are under way. So
//     one that was read counts only if it has not come into memory meanwhile.

// reading runs read without the lock. It needs q.mu, and holds it again when it
// returns nil; then the caller calls endRead once it has used what was read. It
// fails, with q unlocked, when read fails or q was closed meanwhile.
func (q *Queue) reading(read func() error) error {
	if q.reads++; q.removed == nil {
		q.removed, q.ended, q.entered = map[slot]struct{}{}, map[uint64]struct{}{}, map[what]remembered{}
	}
	position := q.last
	q.mu.Unlock()
	position.Visible()
	err := read()
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
		q.removed, q.ended, q.entered = nil, nil, nil
		q.dropHollow()
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

// A sighting is what a scan found at a place in the index: a message, or a
// group, of which it knows the id only.
type sighting struct {
	slot
	message *message
	group   groupID
}

// scan reads about limit units from from on, up to and including time until;
// those of one millisecond are not torn apart. It returns the slot from which a
// next scan goes on: never, when it came to the end of the index.
func (q *Queue) scan(from slot, until int64, limit int) (found []sighting, next slot, err error) {
	content := q.ref.Content
	next = never
	err = q.shard.data.Scan(fromSlot(content, from), contentEnd(content, kindIndex), math.MaxInt, func(r store.Record) (bool, error) {
		s, kind := slotOfKey(r.Key)
		if s.at > until || len(found) >= limit && s.at != found[len(found)-1].at {
			next = s
			return false, nil
		}
		one := sighting{slot: s}
		value, err := r.Value()
		switch {
		case err != nil:
			return false, err
		case kind == unitGroup && len(value) == len(one.group):
			one.group = groupID(value)
		default:
			one.message, err = headerOf(r, s, value)
		}
		found = append(found, one)
		return err == nil, err
	})
	return found, next, err
}

// groupsOf returns the groups that stand among what a scan found, and those of
// the messages there.
func groupsOf(found []sighting) map[groupID]bool {
	ids := map[groupID]bool{}
	for _, s := range found {
		if s.message != nil {
			s.group = s.message.group
		}
		if s.group != noGroup {
			ids[s.group] = true
		}
	}
	return ids
}

func headerOf(r store.Record, s slot, value []byte) (*message, error) {
	m, err := parseHeader(s, value)
	if err != nil {
		return nil, &store.CorruptError{Key: append([]byte{}, r.Key...), Reason: err.Error()}
	}
	return m, nil
}

// scanLine reads the next messages of a group's line, from a sequence number
// on, and returns the one from which the next scan goes on.
func (q *Queue) scanLine(id groupID, from uint64, limit int) (found []*message, next uint64, err error) {
	content := q.ref.Content
	next = endless
	end := lineKey(content, id, endless)
	err = q.shard.data.Scan(lineKey(content, id, from), end, limit+1, func(r store.Record) (bool, error) {
		s := slot{inLine, seqOfLineKey(r.Key)}
		if len(found) == limit {
			next = s.seq
			return false, nil
		}
		value, err := r.Value()
		if err != nil {
			return false, err
		}
		m, err := headerOf(r, s, value)
		found = append(found, m)
		return err == nil, err
	})
	return found, next, err
}

// readGroup reads a group with the beginning of its line. There is always one:
// a group of which nothing is known is new.
func (q *Queue) readGroup(id groupID) (*group, error) {
	text, err := q.shard.data.Get(groupKey(q.ref.Content, id))
	if errors.Is(err, store.ErrNotFound) {
		return newGroup(id), nil
	}
	if err != nil {
		return nil, err
	}
	g, err := parseGroup(id, text)
	if err == nil && g.edge != endless {
		g.front, g.edge, err = q.scanLine(id, g.edge, leastAhead)
	}
	return g, err
}

func (q *Queue) readGroups(ids map[groupID]bool) (groups []*group, err error) {
	for id := range ids {
		g, err := q.readGroup(id)
		if err != nil {
			return nil, err
		}
		groups = append(groups, g)
	}
	return groups, nil
}

// meet puts groups that were read into memory.
func (q *Queue) meet(groups []*group) {
	for _, g := range groups {
		if q.groups[g.id] != nil {
			continue
		}
		front := g.front
		g.front = nil
		for _, m := range front {
			q.lineUp(g, m)
		}
		q.groups[g.id] = g
		q.account(groupCost)
		if g.listed != (slot{}) && g.listed.less(q.edge) {
			q.tree.Set(unit{slot: g.listed, group: g})
		}
		q.reconsider(g)
	}
}

// reconsider has the next commit take a group off the list if its messages
// expired while they were not in memory.
func (q *Queue) reconsider(g *group) {
	if g.listed != (slot{}) && !g.isServable() {
		q.touch(g.id)
	}
}

// lineUp adds a message that was read to a group's front, if it still waits in
// the line.
func (q *Queue) lineUp(g *group, m *message) {
	if _, gone := q.ended[m.seq]; gone {
		return
	}
	if known := q.byID[m.seq]; known != nil {
		m = known
	} else {
		q.remember(m)
	}
	if i, is := g.place(m.seq); !is && m.at == inLine {
		g.front = slices.Insert(g.front, i, m)
	}
}

// refill begins to read what is needed to serve those who wait: the units after
// the edge, the lines that have become short, and the groups that are wanted.
// It does nothing while that is under way. It needs q.mu.
func (q *Queue) refill() {
	if q.filling {
		return
	}
	q.filling = true
	q.engine.spawn(func() {
		q.mu.Lock()
		if q.closed != nil {
			q.mu.Unlock()
			return
		}
		if err := q.fill(); err != nil && !errors.Is(err, ErrGone) && !errors.Is(err, ErrClosed) {
			q.fail(err)
		}
	})
}

// A stretch is a part of a line to be read.
type stretch struct {
	group *group
	from  uint64
	limit int
	found []*message
	next  uint64
}

// fill needs q.mu, which it gives up.
func (q *Queue) fill() error {
	from, wanted := q.edge, q.wanted
	limit := max(q.window-(q.tree.Len()-q.held), q.window/8, 1)
	lines := q.stretches()
	var found []sighting
	var next slot
	var groups []*group
	err := q.reading(func() (err error) {
		if found, next, err = q.scan(from, never.at, limit); err != nil {
			return err
		}
		maps.Copy(wanted, groupsOf(found))
		if groups, err = q.readGroups(wanted); err != nil {
			return err
		}
		for i := range lines {
			l := &lines[i]
			if l.found, l.next, err = q.scanLine(l.group.id, l.from, l.limit); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	q.edge = next
	if next != never {
		q.widen()
	}
	q.see(found)
	q.meet(groups)
	for _, l := range lines {
		q.extendFront(l)
	}
	q.filling = false
	q.endRead()
	if len(q.changed) > 0 {
		q.commit(nil, nil)
	}
	q.serve()
	soon := q.bodiless(found, q.shard.now())
	q.mu.Unlock()
	q.readBodiesAhead(soon)
	return nil
}

// stretches takes note of the lines that a fill reads.
func (q *Queue) stretches() (lines []stretch) {
	for _, g := range q.hungry {
		g.filling = true
		lines = append(lines, stretch{group: g, from: g.edge, limit: g.ahead})
		g.ahead = min(2*g.ahead, mostAhead)
	}
	clear(q.hungry)
	q.wanted = map[groupID]bool{}
	return lines
}

func (q *Queue) extendFront(l stretch) {
	l.group.filling = false
	if q.groups[l.group.id] != l.group {
		return
	}
	for _, m := range l.found {
		q.lineUp(l.group, m)
	}
	l.group.edge = l.next
	q.reconsider(l.group)
}

// see puts the units that a scan found into the window.
func (q *Queue) see(found []sighting) {
	for _, s := range found {
		if !q.stands(s.slot) {
			continue
		}
		if s.message != nil && q.byID[s.message.seq] == nil {
			q.remember(s.message)
		}
		if g := q.groups[s.group]; s.message == nil && g != nil && g.listed == s.slot {
			q.tree.Set(unit{slot: s.slot, group: g})
		}
	}
}

// fail makes q one that gives out nothing: a record in its way does not open.
func (q *Queue) fail(err error) {
	q.engine.log.Error("a queue cannot be read", "content", q.ref.Content, "err", err)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.broken, q.filling = fmt.Errorf("content %d: %w", q.ref.Content, err), false
	if q.closed == nil {
		q.serve()
	}
}

// catchUp takes all deadlines up to now into account, reading the headers that
// are not in memory. It needs q.mu, which it has given up if it fails.
func (q *Queue) catchUp(now int64) error {
	for !q.pass(now) && q.meta.through < now {
		from := slot{at: q.meta.through + 1}
		var found []sighting
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
func (q *Queue) passTo(through int64, found []sighting) {
	through = max(through, q.meta.through)
	for _, s := range found {
		if m := s.message; m != nil && m.at <= through && q.byID[m.seq] == nil && q.stands(m.slot) {
			q.count(m, -1)
		}
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
	q.tree.Ascend(unit{slot: slot{at: from}}, func(u unit) bool {
		if u.at <= until && u.message != nil {
			all = append(all, u.message)
		}
		return u.at <= until
	})
	return all
}
