package queue

// The window is the part of a content's index that is in memory. It holds
// every unit whose slot is before the edge. A message after the edge may be in
// memory too, because it is in use (leased, say); nothing rests on that.

// A unit is what stands at a place in the index: a message or a group.
type unit struct {
	slot
	message *message // nil for a group
	group   *group
}

// counts reports whether meta counts m as delayed or leased.
func (q *Queue) counts(m *message) bool { return m.state != ready && m.at > q.meta.through }

// count adds n to the counter of m's state, if meta counts it.
func (q *Queue) count(m *message, n int64) {
	if !q.counts(m) {
		return
	}
	if m.state == delayed {
		q.meta.delayed += n
	} else {
		q.meta.leased += n
	}
}

// add puts a header into the index: a message that is new, or that has moved.
// It is kept in memory if it must be or if keep asks for it.
func (q *Queue) add(m *message, keep bool) {
	q.count(m, 1)
	inWindow := m.less(q.edge)
	switch {
	case keep || q.filling || inWindow && q.hasRoom():
		q.remember(m)
	case inWindow:
		q.edge = m.slot
	}
}

// addUnit puts a group into the index.
func (q *Queue) addUnit(u unit) {
	inWindow := u.less(q.edge)
	switch {
	case q.filling || inWindow && q.hasRoom():
		q.tree.Set(u)
	case inWindow:
		q.edge = u.slot
	}
}

// leastWindow is how many units a window may hold at first. One that is read
// through may hold more and more, up to Options.Window, as long as there is
// memory: it is read in fewer and larger steps then. So many queues from which
// somebody receives in turn have each the next messages in memory, rather than
// a few of them everything, which they forget before it is used.
func (e *Engine) leastWindow() int { return max(1, e.options.Window/16) }

// widen has the window hold more, if there is memory.
func (q *Queue) widen() {
	if e := q.engine; e.memory.Load() < e.options.Memory/2 {
		q.window = min(2*q.window, e.options.Window)
	}
}

// hasRoom reports whether the window may grow.
func (q *Queue) hasRoom() bool { return q.tree.Len()-q.held < q.window }

// remember puts m into memory: into the window, unless it waits in its group.
func (q *Queue) remember(m *message) {
	if m.at != inLine {
		q.tree.Set(unit{slot: m.slot, message: m})
	}
	q.byID[m.seq] = m
	q.hold(m, 1)
	q.account(m.cost())
}

// forget takes m out of memory.
func (q *Queue) forget(m *message) {
	if m.at != inLine {
		q.tree.Delete(unit{slot: m.slot})
	}
	delete(q.byID, m.seq)
	q.dropBody(m)
	q.hold(m, -1)
	q.account(-m.cost())
}

// hold takes note of what of m is in memory.
func (q *Queue) hold(m *message, n int) {
	if m.state == leased {
		q.held += n
		q.occupy(m.group, n)
	}
	if q.counts(m) {
		q.counted += int64(n)
	}
}

// remove takes a header out of the index, or out of the line of its group. Its
// message is in memory.
func (q *Queue) remove(m *message) {
	q.forget(m)
	q.count(m, -1)
	if m.at == inLine {
		q.leave(m)
		return
	}
	q.noteRemoved(m.slot)
}

// noteRemoved tells the reads under way that a slot was emptied.
func (q *Queue) noteRemoved(s slot) {
	if q.reads > 0 {
		q.removed[s] = struct{}{}
	}
}

// pass takes the deadlines up to now into account, for the messages in memory.
// It reports false when there are others, which only catchUp can see to.
func (q *Queue) pass(now int64) bool {
	if q.meta.delayed+q.meta.leased != q.counted {
		return false
	}
	if now <= q.meta.through {
		return true
	}
	for _, m := range q.inMemory(q.meta.through+1, now) {
		if m.state != ready {
			q.count(m, -1)
			q.counted--
		}
	}
	q.meta.through = now
	return true
}
