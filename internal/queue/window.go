package queue

// The window is the part of a content's index that is in memory. It holds
// every header whose slot is before the edge. A header after the edge may be
// in memory too, because it is in use (leased, say); nothing rests on that.

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
	case keep || q.filling || inWindow && q.tree.Len()-q.held < q.engine.options.Window:
		q.remember(m)
	case inWindow:
		q.edge = m.slot
	}
}

// remember puts m into memory.
func (q *Queue) remember(m *message) {
	q.tree.Set(m)
	q.byID[m.seq] = m
	if m.state == leased {
		q.held++
	}
	if q.counts(m) {
		q.counted++
	}
}

// forget takes m out of memory.
func (q *Queue) forget(m *message) {
	q.tree.Delete(m)
	delete(q.byID, m.seq)
	if m.state == leased {
		q.held--
	}
	q.dropBody(m)
	if q.counts(m) {
		q.counted--
	}
}

// remove takes a header out of the index. Its message is in memory.
func (q *Queue) remove(m *message) {
	q.forget(m)
	q.count(m, -1)
	if q.reads > 0 {
		q.removed[m.slot] = struct{}{}
	}
}

// trim forgets the last headers while there are too many in memory.
func (q *Queue) trim() {
	for q.reads == 0 && q.tree.Len() > q.engine.options.Headers {
		last, _ := q.tree.Max()
		if !last.position.Durable() {
			return // what is not on disk cannot be read back
		}
		q.forget(last)
		if last.less(q.edge) {
			q.edge = last.slot
		}
	}
}

// keepBody keeps b in memory with m while the engine's budget allows it.
func (q *Queue) keepBody(m *message, b *body) {
	if q.engine.bodies.Add(b.size()) > q.engine.options.BodyMemory {
		q.engine.bodies.Add(-b.size())
		return
	}
	m.body = b
}

func (q *Queue) dropBody(m *message) {
	if m.body != nil {
		q.engine.bodies.Add(-m.body.size())
		m.body = nil
	}
}

// next returns the first message, if it is in memory and visible now. If not,
// at says when to look again: a time that has come means that the window must
// be refilled first.
func (q *Queue) next(now int64) (m *message, at int64) {
	first, ok := q.tree.Min()
	if ok && first.less(q.edge) {
		if first.at <= now {
			return first, now
		}
		return nil, first.at
	}
	return nil, q.edge.at
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
	q.tree.Ascend(&message{slot: slot{at: q.meta.through + 1}}, func(m *message) bool {
		if m.at > now {
			return false
		}
		if m.state != ready {
			q.count(m, -1)
			q.counted--
		}
		return true
	})
	q.meta.through = now
	return true
}
