package queue

import (
	"cmp"
	"slices"
	"time"

	"naru/internal/store"
)

// Bodies have one budget for all queues together, Options.BodyMemory. They are
// kept as they are sent, as long as there is room, and read ahead, up to half of
// it. When somebody lacks that, those queues forget theirs that nobody uses.

// keepBody keeps b in memory with m while the engine's budget allows it.
func (q *Queue) keepBody(m *message, b *body) {
	e := q.engine
	if e.bodies.Add(b.size()) > e.options.BodyMemory {
		e.bodies.Add(-b.size())
		e.lackRoom()
		return
	}
	m.body = b
	q.bodies++
}

func (q *Queue) dropBody(m *message) {
	if m.body != nil {
		q.engine.bodies.Add(-m.body.size())
		m.body = nil
		q.bodies--
	}
}

func (e *Engine) lackRoom() {
	select {
	case e.crammed <- struct{}{}:
	default:
	}
}

// idleAfter is how long a queue's bodies stay in memory at least, when there is
// no room for others.
const idleAfter = time.Second

// makeRoom has queues forget the bodies that others lack room for, until the
// engine closes.
func (e *Engine) makeRoom() {
	before := e.uses.Load()
	for {
		select {
		case <-e.ctx.Done():
			return
		case <-e.crammed:
		}
		for _, q := range e.attached() {
			if q.used.Load() < before {
				q.dropBodies()
			}
		}
		before = e.uses.Load()
		if err := e.clock.Wait(e.ctx, e.clock.Now().Add(idleAfter)); err != nil {
			return
		}
	}
}

func (q *Queue) dropBodies() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.bodies == 0 {
		return
	}
	for _, m := range q.byID {
		q.dropBody(m)
	}
}

// bodiless returns the messages among what a scan found that are visible and
// whose bodies are not in memory.
func (q *Queue) bodiless(found []sighting, now int64) (all []*message) {
	for _, s := range found {
		if m := s.message; m != nil && q.lacksBody(m, now) {
			all = append(all, m)
		}
	}
	return all
}

func (q *Queue) lacksBody(m *message, now int64) bool {
	return m.at <= now && m.body == nil && q.byID[m.seq] == m
}

// bodiesAtOnce is how many bodies are read ahead in one go.
const bodiesAtOnce = 256

// readBodiesAhead reads the bodies of messages that will be received soon, where
// they lie next to each other: in long stretches that costs a fraction of what it
// costs whoever receives a few of them. It stops when bodies take half of their
// memory, or where it finds none. What it does not read is read when it is
// received.
func (q *Queue) readBodiesAhead(all []*message) {
	for chunk := range slices.Chunk(all, bodiesAtOnce) {
		if !q.readChunkAhead(chunk) {
			return
		}
	}
}

// readChunkAhead reports whether it found any bodies. Only one of all queues reads
// at a time, so that what they read and do not yet count has a bound, too.
func (q *Queue) readChunkAhead(chunk []*message) bool {
	e := q.engine
	e.ahead.Lock()
	defer e.ahead.Unlock()
	room := e.options.BodyMemory/2 - e.bodies.Load()
	if room <= 0 {
		e.lackRoom()
		return false
	}
	ids := make([]MessageID, len(chunk))
	for i, m := range chunk {
		ids[i] = m.id()
	}
	bodies := q.readNeighbours(ids, room)
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.shard.now()
	for i, m := range chunk {
		if b := bodies[ids[i].Sequence]; b != nil && q.lacksBody(m, now) {
			q.keepBody(m, b)
		}
	}
	return len(bodies) > 0
}

// readNeighbours reads the bodies of messages if they lie next to each other, as
// those of a queue that is worked off in its order do: in one go, which costs a
// fraction of looking each up. It returns them by their sequence numbers, without
// what it cannot read, and without the rest once they take as many bytes as there
// is room for.
func (q *Queue) readNeighbours(ids []MessageID, room int64) map[uint64]*body {
	const gaps = 4 // times as many may lie between them
	most := gaps * len(ids)
	if len(ids) < 2 {
		return nil
	}
	first, last := slices.MinFunc(ids, bySequence), slices.MaxFunc(ids, bySequence)
	if last.Sequence-first.Sequence > uint64(most) {
		return nil
	}
	missing := make(map[uint64]MessageID, len(ids))
	for _, id := range ids {
		missing[id.Sequence] = id
	}
	found := make(map[uint64]*body, len(ids))
	from := bodyKey(q.ref.Content, first, noGroup)
	to := bodyKey(q.ref.Content, MessageID{last.Sent, last.Sequence + 1}, noGroup)
	// An error is not of one message; those that it concerns are looked up, and
	// have it then.
	_ = q.shard.data.Scan(from, to, most, func(r store.Record) (bool, error) {
		id, _ := idOfBodyKey(r.Key)
		if missing[id.Sequence] != id {
			return true, nil
		}
		text, err := r.Value()
		if err != nil {
			return false, err
		}
		b, err := parseBody(text)
		if err != nil {
			return false, err
		}
		if room -= b.size(); room < 0 {
			return false, nil
		}
		found[id.Sequence] = b
		return len(found) < len(ids), nil
	})
	return found
}

func bySequence(a, b MessageID) int { return cmp.Compare(a.Sequence, b.Sequence) }
