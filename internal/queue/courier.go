package queue

import (
	"encoding/binary"
	"errors"

	"naru/internal/store"
)

// A courier carries what lies in one shard's outbox to one other shard, in
// order: the target stores a message together with its number, then the source
// removes it. So a crash in between repeats only what the target recognises.
type courier struct {
	source *shard
	target int
	wake   chan struct{} // capacity 1
	until  store.Position
}

// carry sees to it that what was put into the outbox for target up to position
// is carried. It needs s.mu.
func (s *shard) carry(target int, position store.Position) {
	c := s.courier[target]
	if c == nil {
		c = &courier{source: s, target: target, wake: make(chan struct{}, 1)}
		s.courier[target] = c
		s.engine.spawn(c.run)
	}
	c.until = position
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *courier) run() {
	for {
		select {
		case <-c.source.engine.ctx.Done():
			return
		case <-c.wake:
		}
		if err := c.carryAll(); err != nil && c.source.engine.ctx.Err() == nil {
			c.source.engine.log.Error("messages are stuck in an outbox", "source", c.source.number, "target", c.target, "err", err)
		}
	}
}

// A shipment is a parcel under its number.
type shipment struct {
	number uint64
	*parcel
}

func (c *courier) carryAll() error {
	c.source.mu.Lock()
	until := c.until
	c.source.mu.Unlock()
	if err := until.Wait(); err != nil {
		return err
	}
	for {
		shipments, err := c.pending(100)
		if err != nil || len(shipments) == 0 {
			return err
		}
		for _, s := range shipments {
			if err := c.deliver(s); err != nil {
				return err
			}
		}
	}
}

func (c *courier) pending(limit int) (shipments []shipment, err error) {
	from, to := outboxKey(c.target, 0), outboxKey(c.target+1, 0)
	err = c.source.data.Scan(from, to, limit, func(r store.Record) (bool, error) {
		value, err := r.Value()
		if err != nil {
			return false, err
		}
		p, err := parseParcel(value)
		shipments = append(shipments, shipment{binary.BigEndian.Uint64(r.Key[2:]), p})
		return true, err
	})
	return shipments, err
}

// deliver brings s to its target, or back to where it came from, and takes it
// out of the outbox.
func (c *courier) deliver(s shipment) error {
	b := s.body
	if b == nil {
		text, err := c.source.data.Get(s.bodyKey())
		if errors.Is(err, store.ErrNotFound) { // its content was discarded
			return c.finish(s, nil)
		}
		if err != nil {
			return err
		}
		if b, err = parseBody(text); err != nil {
			return err
		}
	}
	engine := c.source.engine
	for range 2 { // its target may be purged just now, and is another content then
		ref, ok := engine.options.Resolve(s.address)
		q := engine.Queue(ref.Content)
		if !ok || q == nil || ref.Shard != c.target {
			break
		}
		err := q.accept(c.source.number, s.number, s.parcel, &body{payload: b.payload, origin: s.originOr(b)})
		if err == nil {
			return c.finish(s, c.home(s))
		}
		if !errors.Is(err, ErrGone) {
			return err
		}
	}
	return c.reject(s)
}

// bodyKey is where the body lies in the content that the parcel came from.
func (p *parcel) bodyKey() []byte { return bodyKey(p.content, p.home, p.group) }

// originOr returns what a dead-lettered message says about where it came from.
func (p *parcel) originOr(b *body) string {
	if p.origin != "" {
		return p.origin
	}
	return b.origin
}

// home returns the content that the parcel came from, nil if that is none.
func (c *courier) home(s shipment) *Queue {
	if s.content == 0 {
		return nil
	}
	return c.source.engine.Queue(s.content)
}

// finish takes s out of the outbox, and its body out of the content home.
func (c *courier) finish(s shipment, home *Queue) error {
	ops := []store.Op{store.DeleteOnce(outboxKey(c.target, s.number))}
	err := ErrGone
	if home != nil {
		err = home.lock()
	}
	if errors.Is(err, ErrGone) { // and the body with it
		return c.forget(s, c.source.append(ops))
	}
	if err != nil {
		return err
	}
	home.end(s.home.Sequence)
	position := home.commit(append(ops, store.DeleteOnce(s.bodyKey())), nil)
	home.mu.Unlock()
	return c.forget(s, position)
}

func (c *courier) forget(s shipment, position store.Position) error {
	c.source.mu.Lock()
	delete(c.source.moving, movingKey{s.content, s.home.Sequence})
	c.source.mu.Unlock()
	return position.Wait()
}

// reject gives s back to the content that it came from. What came from none is
// lost with its target.
func (c *courier) reject(s shipment) error {
	home := c.home(s)
	if home == nil {
		c.source.engine.log.Warn("a message was dropped: nothing is at its address any more", "address", s.address)
		return c.finish(s, nil)
	}
	if _, err := home.lockWith(needs{groups: []groupID{s.group}}); err != nil {
		if errors.Is(err, ErrGone) {
			return c.finish(s, nil)
		}
		return err
	}
	ops, changed := home.restore(s.parcel)
	position := home.commit(append(ops, store.DeleteOnce(outboxKey(c.target, s.number))), changed)
	home.serve()
	home.mu.Unlock()
	return c.forget(s, position)
}

// undeliverable returns the parcel in which m goes to the dead-letter queue, or
// nil if it is to be received: always, where a queue is its own dead-letter queue.
// It needs q.mu.
func (q *Queue) undeliverable(m *message) *parcel {
	c := q.config
	if c.MaxReceives == 0 || int(m.receives) < c.MaxReceives {
		return nil
	}
	if to, ok := q.engine.options.Resolve(c.DeadLetter); !ok || to == q.ref { // it would come back for ever
		return nil
	}
	return &parcel{
		address: c.DeadLetter, group: m.group, origin: c.Origin, note: m.note,
		sent: m.sent, first: m.first, count: m.receives,
		content: q.ref.Content, home: m.id(),
	}
}

// moveOut takes m out of the content, but for its body, which the courier
// removes.
func (q *Queue) moveOut(ops []store.Op, m *message) []store.Op {
	q.meta.total--
	return q.takeOut(ops, m)
}

// restore undoes moveOut: the message is visible again, as often received as
// before.
func (q *Queue) restore(p *parcel) ([]store.Op, []*message) {
	m := &message{
		slot: slot{at: q.shard.now(), seq: p.home.Sequence}, group: p.group, sent: p.home.Sent, note: p.note,
		receives: p.count, first: p.first, leasedAt: p.first, handed: true, forwarded: true,
	}
	if q.leftover(m) { // it expired on its way
		return []store.Op{store.DeleteOnce(p.bodyKey())}, nil
	}
	q.meta.total++
	return q.settle(nil, m), []*message{m}
}
