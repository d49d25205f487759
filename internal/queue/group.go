package queue

import (
	"encoding/binary"
	"slices"
	"time"

	"naru/internal/store"
)

// A group is a message group. Its messages that may be received wait in its
// line, by their sequence numbers; those that were received, and those that are
// delayed by themselves, stand in the index as lone messages do, and return to
// the line, if they do, when their time has come and they are come across.
//
// A group with something to receive is listed in the index, as one unit
// however long its line is. When it was served it goes back behind the others:
// so groups take turns.
//
// In a FIFO queue a group is locked while a message is in flight that was sent
// before the first of its line: then it is not listed.
//
// A group is in memory whole, but for the end of its line, or not at all.
type group struct {
	id       groupID
	listed   slot       // where it is listed; zero if it is not
	stored   slot       // the same, as the index on disk has it
	inFlight []uint64   // sequence numbers of a FIFO group's messages that are in flight, in order
	front    []*message // every message of the line whose sequence number is below edge
	edge     uint64

	changed  bool // its record is to be written with the next commit
	filling  bool // its line is being read: what joins it is kept, also behind the edge
	ahead    int  // how many messages to read at a time
	position store.Position
}

// endless is the edge of a line that is in memory whole.
const endless = ^uint64(0)

const (
	leastAhead = 16
	mostAhead  = 1024
	// frontSize bounds the messages of a line that are kept as they are sent.
	frontSize = 64
)

func newGroup(id groupID) *group { return &group{id: id, edge: endless, ahead: leastAhead} }

// encode gives the group's record:
//
//	listed at u64 | listed number u64 | low u64 | sequence numbers in flight, u64 each
//
// No message of the line is below low, which keeps reads clear of those that
// were.
func (g *group) encode() []byte {
	low := g.edge
	if first := g.head(); first != nil {
		low = first.seq
	}
	b := make([]byte, 0, 3*8+8*len(g.inFlight))
	for _, v := range []uint64{uint64(g.listed.at), g.listed.seq, low} {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	for _, seq := range g.inFlight {
		b = binary.BigEndian.AppendUint64(b, seq)
	}
	return b
}

// parseGroup returns a group none of whose line is in memory yet.
func parseGroup(id groupID, text []byte) (*group, error) {
	r := reader{rest: text}
	g := newGroup(id)
	g.listed = slot{int64(r.uint64()), r.uint64()}
	g.stored, g.edge = g.listed, r.uint64()
	for len(r.rest) > 0 && r.err == nil {
		g.inFlight = append(g.inFlight, r.uint64())
	}
	return g, r.err
}

// isEmpty reports whether nothing is left of the group.
func (g *group) isEmpty() bool {
	return len(g.front) == 0 && g.edge == endless && len(g.inFlight) == 0
}

// head returns the first message of the line, nil if it is not in memory or
// there is none.
func (g *group) head() *message {
	if len(g.front) == 0 || g.front[0].seq >= g.edge {
		return nil
	}
	return g.front[0]
}

// lock returns the sequence number from which on messages are locked.
func (g *group) lock() uint64 {
	if len(g.inFlight) == 0 {
		return endless
	}
	return g.inFlight[0]
}

// isLocked reports whether a message is in flight that comes before the line.
func (g *group) isLocked() bool {
	first := g.head()
	return len(g.inFlight) > 0 && (first == nil || first.seq > g.lock())
}

// isServable reports whether there is something to receive.
func (g *group) isServable() bool { return (len(g.front) > 0 || g.edge != endless) && !g.isLocked() }

// keeps reports whether a message that joins the line is kept in memory.
func (g *group) keeps(m *message) bool {
	return g.filling || m.seq < g.edge && (len(g.front) < frontSize || m.seq < g.front[len(g.front)-1].seq)
}

// place returns where in front a sequence number is or belongs.
func (g *group) place(seq uint64) (int, bool) {
	return slices.BinarySearchFunc(g.front, seq, func(m *message, seq uint64) int {
		switch {
		case m.seq < seq:
			return -1
		case m.seq > seq:
			return 1
		}
		return 0
	})
}

func (g *group) depart(seq uint64) {
	if i, ok := slices.BinarySearch(g.inFlight, seq); !ok {
		g.inFlight = slices.Insert(g.inFlight, i, seq)
	}
}

func (g *group) arrive(seq uint64) {
	if i, ok := slices.BinarySearch(g.inFlight, seq); ok {
		g.inFlight = slices.Delete(g.inFlight, i, i+1)
	}
}

// touch returns the group of m, which is in memory, as one whose record is to
// be written; nil if m has none.
func (q *Queue) touch(id groupID) *group {
	g := q.groups[id]
	if g != nil && !g.changed {
		g.changed = true
		q.changed = append(q.changed, g)
	}
	return g
}

// join puts m into the line of its group, which is in memory.
func (q *Queue) join(m *message) {
	m.at, m.state = inLine, ready
	g := q.touch(m.group)
	g.arrive(m.seq)
	if !g.keeps(m) {
		g.edge = min(g.edge, m.seq)
		return
	}
	i, _ := g.place(m.seq)
	g.front = slices.Insert(g.front, i, m)
	q.remember(m)
}

// leave takes m, which is in memory, out of the line of its group.
func (q *Queue) leave(m *message) {
	g := q.touch(m.group)
	if i, ok := g.place(m.seq); ok {
		g.front = slices.Delete(g.front, i, i+1)
	}
	if len(g.front) < leastAhead/2 && g.edge != endless {
		q.hungry[g.id] = g
	}
}

// dueAt returns when the group may be served next: now, or when the delay of
// its first message is over.
func (q *Queue) dueAt(g *group, now int64) int64 {
	if first := g.head(); first != nil {
		return max(now, first.sent+q.config.Delay.Milliseconds())
	}
	return now
}

// list lists the group if there is something to receive, behind all others if
// it was served just now, and takes it off the list if there is not.
func (q *Queue) list(g *group, now int64, served bool) {
	switch due := q.dueAt(g, now); {
	case !g.isServable():
		q.unlist(g)
	case served || g.listed == slot{} || due != max(now, g.listed.at):
		q.unlist(g)
		q.meta.next++
		g.listed = slot{due, q.meta.next}
		q.addUnit(unit{slot: g.listed, group: g})
	}
}

func (q *Queue) unlist(g *group) {
	q.tree.Delete(unit{slot: g.listed})
	g.listed = slot{}
}

// writeGroups returns the ops that bring the records of the groups that were
// changed up to date. A group of which nothing is left is forgotten.
func (q *Queue) writeGroups() (ops []store.Op) {
	content, now := q.ref.Content, q.shard.now()
	for _, g := range q.changed {
		g.changed = false
		q.list(g, now, false)
		if g.stored != g.listed {
			ops = append(ops, q.moveUnit(g)...)
		}
		if !g.isEmpty() {
			ops = append(ops, store.Set(groupKey(content, g.id), g.encode()))
			continue
		}
		ops = append(ops, store.Delete(groupKey(content, g.id)))
		q.hollow = append(q.hollow, g)
	}
	q.dropHollow()
	return ops
}

// dropHollow forgets the groups of which nothing is left, unless a read is
// under way that would bring back what they were.
func (q *Queue) dropHollow() {
	if q.reads > 0 {
		return
	}
	for _, g := range q.hollow {
		if g.isEmpty() && q.groups[g.id] == g {
			q.dropGroup(g)
		}
	}
	q.hollow = q.hollow[:0]
}

func (q *Queue) moveUnit(g *group) (ops []store.Op) {
	if g.stored != (slot{}) {
		q.noteRemoved(g.stored)
		ops = append(ops, store.DeleteOnce(indexKey(q.ref.Content, g.stored, unitGroup)))
	}
	if g.listed != (slot{}) {
		ops = append(ops, store.Set(indexKey(q.ref.Content, g.listed, unitGroup), g.id[:]))
	}
	g.stored = g.listed
	return ops
}

// dropGroup forgets the group, but not its messages.
func (q *Queue) dropGroup(g *group) {
	delete(q.groups, g.id)
	delete(q.hungry, g.id)
	q.account(-groupCost)
}

// retime lists the groups of a FIFO queue anew whose first messages waited for
// the end of a delay that has become shorter.
func (q *Queue) retime(delay time.Duration) {
	now := q.shard.now()
	for from := (slot{at: now}); from.at <= now+delay.Milliseconds(); {
		var next slot
		err := q.lock()
		if err == nil {
			next, err = q.retimeSome(from, now+delay.Milliseconds())
		}
		if err != nil {
			q.complain("delays cannot be shortened", err)
			return
		}
		from = next
	}
}

// retimeSome needs q.mu, which it gives up.
func (q *Queue) retimeSome(from slot, until int64) (slot, error) {
	var groups []*group
	var next slot
	err := q.reading(func() error {
		found, after, err := q.scan(from, until, 500)
		if next = after; err == nil {
			groups, err = q.readGroups(groupsOf(found))
		}
		return err
	})
	if err != nil {
		return never, err
	}
	q.meet(groups)
	q.endRead()
	for _, g := range groups {
		q.touch(g.id) // which lists it anew where that is due
	}
	if len(groups) > 0 {
		q.commit(nil, nil)
		q.serve()
	}
	q.mu.Unlock()
	return next, nil
}
