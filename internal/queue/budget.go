package queue

import (
	"cmp"
	"slices"

	"naru/internal/store"
)

// Memory is one budget for all queues together: see Options.Memory. A queue
// counts what it holds; when all of them hold too much, those that were used
// least recently forget everything, which they read again when they are used.
// What is in use shrinks to what is needed next.

// What things in memory count against the budget, in bytes: about what they
// take with their places in tables.
const (
	messageCost = 320
	groupCost   = 400
	recallCost  = 24
)

func (m *message) cost() int64 { return messageCost + int64(len(m.note)) }

// account adds n bytes to what q holds. It needs q.mu.
func (q *Queue) account(n int64) {
	q.bytes += n
	if e := q.engine; e.memory.Add(n) > e.options.Memory && n > 0 {
		select {
		case e.pressed <- struct{}{}:
		default:
		}
	}
}

// relieve sees to it that the budget is kept, until the engine closes.
func (e *Engine) relieve() {
	for {
		select {
		case <-e.ctx.Done():
			return
		case <-e.pressed:
			e.shrink(e.options.Memory / 4 * 3)
		}
	}
}

// shrink has queues forget until they hold no more than goal.
func (e *Engine) shrink(goal int64) {
	all := e.attached()
	used := map[*Queue]int64{}
	for _, q := range all {
		used[q] = q.used.Load()
	}
	slices.SortFunc(all, func(a, b *Queue) int { return cmp.Compare(used[a], used[b]) })
	for _, forget := range []func(*Queue){(*Queue).unload, (*Queue).narrow} {
		for _, q := range all {
			if e.memory.Load() <= goal {
				return
			}
			forget(q)
		}
	}
}

// unload forgets everything, if nobody is at it.
func (q *Queue) unload() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.loaded && q.closed == nil && q.waiting.empty() && q.reads == 0 && !q.filling && q.last.IsVisible() {
		q.empty()
		q.loaded = false
	}
}

// narrow forgets what is not needed next.
func (q *Queue) narrow() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.loaded && q.closed == nil {
		q.window = q.engine.leastWindow()
		q.trimTo(q.window, leastAhead)
	}
}

// trim forgets the last headers while there are too many in memory.
func (q *Queue) trim() {
	if len(q.byID) > q.engine.options.Headers || len(q.groups) > q.engine.options.Headers/4 {
		q.trimTo(q.engine.options.Headers*3/4, frontSize)
	}
}

// trimTo forgets the last units of the window until there are no more than
// units, and of the groups' lines all but the first front messages. What is not
// in the store yet cannot be read back, so it stays.
func (q *Queue) trimTo(units, front int) {
	if q.reads > 0 {
		return
	}
	for q.tree.Len() > units {
		last, _ := q.tree.Max()
		if !q.trimUnit(last) {
			break
		}
	}
	for _, g := range q.groups {
		q.trimGroup(g, front)
	}
	for _, m := range q.byID {
		if m.at == inLine && m.position.IsVisible() && !q.isInFront(m) {
			q.forget(m)
		}
	}
}

func (q *Queue) isInFront(m *message) bool {
	g := q.groups[m.group]
	if g == nil {
		return false
	}
	_, is := g.place(m.seq)
	return is
}

func (q *Queue) trimUnit(u unit) bool {
	var position store.Position
	if u.message != nil {
		position = u.message.position
	} else {
		position = u.group.position
	}
	if !position.IsVisible() {
		return false
	}
	q.forgetUnit(u)
	return true
}

// forgetUnit takes a unit out of memory.
func (q *Queue) forgetUnit(u unit) {
	if u.message != nil {
		q.forget(u.message)
	} else {
		q.tree.Delete(u)
	}
	if u.at != inLine && u.less(q.edge) {
		q.edge = u.slot
	}
}

// trimGroup forgets the end of a group's line, and all of a group that is not
// in the window.
func (q *Queue) trimGroup(g *group, front int) {
	if !g.position.IsVisible() || g.changed {
		return
	}
	if _, isListed := q.tree.Get(unit{slot: g.listed}); !isListed || g.listed == (slot{}) {
		front = 0
	}
	for len(g.front) > front {
		m := g.front[len(g.front)-1]
		if !m.position.IsVisible() {
			return
		}
		q.forget(m)
		g.front, g.edge = g.front[:len(g.front)-1], min(g.edge, m.seq)
	}
	if front == 0 {
		q.dropGroup(g)
	}
}
