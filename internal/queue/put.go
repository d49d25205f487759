package queue

import (
	"encoding/binary"
	"slices"
	"time"

	"naru/internal/store"
)

// A Put is a message to be sent.
type Put struct {
	Payload []byte
	Note    []byte        // its owner's own words, readable without the master key
	Delay   time.Duration // until it is visible; FIFO queues have one for all messages
	Group   string        // its message group; "" for none, which a FIFO queue does not take
	// Once, if not "", has a FIFO queue take the message only if it took none
	// with the same in the last five minutes. Tag is what a later one is told.
	Once string
	Tag  []byte
}

// A Sent tells of a message that was sent.
type Sent struct {
	MessageID
	// Duplicate says that the message was not taken, since an earlier one was,
	// whose id and tag these are.
	Duplicate bool
	Tag       []byte
}

// Put sends messages, all of them or, on an error, none that was acknowledged.
func (q *Queue) Put(items ...Put) ([]Sent, error) {
	n, groups, once := q.needsOf(items)
	l, err := q.lockWith(n)
	if err != nil {
		return nil, err
	}
	now := q.shard.now()
	sent := make([]Sent, len(items))
	ops := make([]store.Op, 0, 2*len(items)+commitOps)
	changed := make([]*message, 0, len(items))
	for i, item := range items {
		if r := l.recalled[once[i]]; r != nil && r.stands(now) {
			sent[i] = r.duplicate()
			continue
		}
		m := &message{slot: slot{at: now + item.Delay.Milliseconds()}, group: groups[i], sent: now, note: item.Note}
		if item.Delay > 0 {
			m.state = delayed
		}
		ops = q.put(ops, m, &body{payload: item.Payload})
		changed = append(changed, m)
		sent[i] = Sent{MessageID: m.id(), Tag: item.Tag}
		if item.Once != "" {
			r := sent[i].remembered()
			l.recalled[once[i]] = &r
			ops = append(ops, q.putDown(once[i], r)...)
		}
	}
	position := q.last
	if len(ops) > 0 {
		position = q.commit(ops, changed)
		q.arrive(changed...)
	}
	q.mu.Unlock()
	return sent, position.Wait()
}

// arrive serves those who wait for what has just been sent. Where nobody waits
// nothing is read ahead for messages without a group: what is sent to many
// queues would bring the windows of all of them into memory, one in the place of
// another. It needs q.mu.
func (q *Queue) arrive(all ...*message) {
	grouped := slices.ContainsFunc(all, func(m *message) bool { return m.group != noGroup })
	if grouped || !q.waiting.empty() {
		q.serve()
	}
}

// needsOf returns what must be in memory to send the items, and their groups
// and hashes of Once.
func (q *Queue) needsOf(items []Put) (n needs, groups []groupID, once []what) {
	groups, once = make([]groupID, len(items)), make([]what, len(items))
	for i, item := range items {
		groups[i] = q.engine.groupOf(item.Group)
		if item.Once != "" {
			once[i] = q.engine.names.sum(sentBefore, item.Once)
			n.recalls = append(n.recalls, once[i])
		}
		n.groups = append(n.groups, groups[i])
	}
	return n, groups, once
}

// remembered is what is put down of a message with Once:
//
//	time u64 | sequence number u64 | tag
func (s Sent) remembered() remembered {
	return remembered{at: s.MessageID.Sent, rest: append(binary.BigEndian.AppendUint64(nil, s.Sequence), s.Tag...)}
}

func (r remembered) duplicate() Sent {
	rest := reader{rest: r.rest}
	return Sent{MessageID: MessageID{r.at, rest.uint64()}, Duplicate: true, Tag: rest.remainder()}
}

// put gives m its sequence number and adds it to the content: to the index, or,
// if it has a group and no delay, to the line of that, which is in memory. The ops
// that say so are added to ops, here as in settle, takeOut and what calls them.
func (q *Queue) put(ops []store.Op, m *message, b *body) []store.Op {
	q.meta.next++
	m.seq = q.meta.next
	if q.meta.total == 0 || m.id().before(q.meta.lowBody) {
		q.meta.lowBody = m.id()
	}
	q.meta.total++
	if m.group != noGroup && m.state == ready {
		q.join(m)
	} else {
		q.add(m, false)
	}
	if q.byID[m.seq] == m {
		q.keepBody(m, b)
	}
	q.expectExpiry(m.sent)
	return append(ops,
		store.SetSealedAfter(bodyKey(q.ref.Content, m.id(), m.group), b.head(), b.payload),
		store.Set(q.headerKey(m), m.header()))
}

// accept takes a parcel that another shard sent under number. It does nothing
// if it took it before.
func (q *Queue) accept(source int, number uint64, p *parcel, b *body) error {
	n := needs{groups: []groupID{p.group}}
	if p.once != (what{}) && q.config.FIFO {
		n.recalls = []what{p.once}
	}
	l, err := q.lockWith(n)
	if err != nil {
		return err
	}
	if !q.shard.apply(source, number) {
		last := q.last
		q.mu.Unlock()
		return last.Wait()
	}
	now := q.shard.now()
	ops := []store.Op{store.SetLatest(appliedKey(source), numberValue(number))}
	if r := l.recalled[p.once]; r != nil && r.stands(now) { // a duplicate
		position := q.shard.append(ops)
		q.mu.Unlock()
		return position.Wait()
	}
	m := &message{slot: slot{at: now}, group: p.group, sent: p.sent, receives: p.count, first: p.first, note: p.note}
	if p.delay > 0 && !q.config.FIFO {
		m.at, m.state = now+p.delay.Milliseconds(), delayed
	}
	if m.sent == 0 || q.config.FIFO {
		m.sent = now
	}
	m.sent = max(m.sent, q.meta.reaped.Sent)
	ops = q.put(ops, m, b)
	ops = append(ops, q.track(p, m)...)
	if len(n.recalls) > 0 {
		ops = append(ops, q.putDown(p.once, Sent{MessageID: m.id(), Tag: p.tag}.remembered())...)
	}
	position := q.commit(ops, []*message{m})
	q.arrive(m)
	q.mu.Unlock()
	return position.Wait()
}
