package queue

import (
	"time"

	"naru/internal/store"
)

// A Put is a message to be sent.
type Put struct {
	Payload []byte
	Delay   time.Duration // until it is visible
	Note    []byte        // its owner's own words, readable without the master key
}

// Put sends messages, all of them or, on an error, none that was acknowledged.
func (q *Queue) Put(items ...Put) ([]MessageID, error) {
	if err := q.lock(); err != nil {
		return nil, err
	}
	now := q.shard.now()
	ids := make([]MessageID, len(items))
	var ops []store.Op
	var changed []*message
	for i, item := range items {
		m := &message{slot: slot{at: now + item.Delay.Milliseconds()}, sent: now, note: item.Note}
		if item.Delay > 0 {
			m.state = delayed
		}
		ops = append(ops, q.put(m, &body{payload: item.Payload})...)
		changed = append(changed, m)
		ids[i] = m.id()
	}
	position := q.commit(ops, changed)
	q.serve()
	q.mu.Unlock()
	return ids, position.Wait()
}

// put gives m its sequence number and adds it to the content.
func (q *Queue) put(m *message, b *body) []store.Op {
	q.meta.next++
	m.seq = q.meta.next
	if q.meta.total == 0 || m.id().before(q.meta.lowBody) {
		q.meta.lowBody = m.id()
	}
	q.meta.total++
	q.add(m, false)
	if q.byID[m.seq] == m {
		q.keepBody(m, b)
	}
	q.expectExpiry(m.sent)
	return []store.Op{
		store.SetSealed(bodyKey(q.ref.Content, m.id()), b.encode()),
		store.Set(indexKey(q.ref.Content, m.slot), m.header()),
	}
}

// accept takes a parcel that another shard sent under number. It does nothing
// if it took it before.
func (q *Queue) accept(source int, number uint64, p *parcel, b *body) error {
	if err := q.lock(); err != nil {
		return err
	}
	if !q.shard.apply(source, number) {
		last := q.last
		q.mu.Unlock()
		return last.Wait()
	}
	now := q.shard.now()
	m := &message{slot: slot{at: now}, sent: p.sent, receives: p.count, first: p.first, note: p.note}
	if m.sent == 0 {
		m.sent = now
	}
	m.sent = max(m.sent, q.meta.reaped.Sent)
	ops := append(q.put(m, b), store.SetLatest(appliedKey(source), numberValue(number)))
	ops = append(ops, q.track(p, m)...)
	position := q.commit(ops, []*message{m})
	q.serve()
	q.mu.Unlock()
	return position.Wait()
}
