package queue

import (
	"errors"
	"fmt"

	"naru/internal/store"
)

// Check walks all contents and returns, joined, what contradicts itself: for
// tests and for verifying a data directory. Nothing may use the engine's
// queues meanwhile, and everything appended must be durable.
func (e *Engine) Check() error {
	var errs []error
	for _, s := range e.shards {
		errs = append(errs, s.check())
	}
	return errors.Join(errs...)
}

func (s *shard) check() error {
	_, err := s.outgoing()
	if s.sealed = errors.Is(err, store.ErrSealed); s.sealed {
		err = nil // without the master key nobody knows whose bodies are on their way
	}
	errs := []error{err}
	err = s.data.Scan([]byte{keyMeta}, []byte{keyMeta + 1}, 1<<30, func(r store.Record) (bool, error) {
		content := idOfMetaKey(r.Key)
		value, err := r.Value()
		if err != nil {
			return false, err
		}
		m, err := parseMeta(value)
		if err == nil {
			err = s.checkContent(content, m)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("shard %d, content %d: %w", s.number, content, err))
		}
		return true, nil
	})
	return errors.Join(append(errs, err)...)
}

// tally is what a content's records add up to.
type tally struct {
	shard     *shard
	content   uint64
	meta      meta
	headers   map[uint64]*message
	bodies    map[uint64]bool
	units     map[groupID]slot
	lines     map[groupID][]uint64 // sequence numbers
	leftovers int
	delayed   int64
	leased    int64
	errs      []error
}

func (t *tally) fault(format string, args ...any) {
	t.errs = append(t.errs, fmt.Errorf(format, args...))
}

// each calls visit for the records of a kind, all of which are readable without
// the master key.
func (t *tally) each(kind byte, visit func(key, value []byte) error) error {
	return t.eachKey(kind, func(r store.Record) error {
		value, err := r.Value()
		if err == nil {
			err = visit(r.Key, value)
		}
		return err
	})
}

func (t *tally) eachKey(kind byte, visit func(store.Record) error) error {
	return t.shard.data.Scan(contentKey(t.content, kind), contentEnd(t.content, kind), 1<<30, func(r store.Record) (bool, error) {
		err := visit(r)
		return err == nil, err
	})
}

func (s *shard) checkContent(content uint64, m meta) error {
	t := &tally{
		shard: s, content: content, meta: m, headers: map[uint64]*message{}, bodies: map[uint64]bool{},
		units: map[groupID]slot{}, lines: map[groupID][]uint64{},
	}
	err := errors.Join(t.each(kindIndex, t.unit), t.each(kindLine, t.inLine), t.eachKey(kindBody, t.body), t.readForwards(), t.each(kindGroup, t.group))
	if err != nil {
		return err
	}
	for seq := range t.headers {
		if !t.bodies[seq] {
			t.fault("message %d has no body", seq)
		}
	}
	for id := range t.units {
		t.fault("group %x is listed, but does not know it", id)
	}
	for id := range t.lines {
		t.fault("the messages %d wait in group %x, which is none", t.lines[id], id)
	}
	if n := int64(len(t.headers)); n != m.total || t.delayed != m.delayed || t.leased != m.leased {
		t.fault("there are %d messages, %d delayed, %d leased; meta has %d, %d, %d", n, t.delayed, t.leased, m.total, m.delayed, m.leased)
	}
	return errors.Join(t.errs...)
}

func (t *tally) unit(key, value []byte) error {
	s, kind := slotOfKey(key)
	if s.at < t.meta.low || s.seq > t.meta.next {
		t.fault("%d at %d is out of bounds %d, %d", s.seq, s.at, t.meta.low, t.meta.next)
	}
	if kind == unitGroup {
		if _, twice := t.units[groupID(value)]; twice {
			t.fault("group %x is listed twice", value)
		}
		t.units[groupID(value)] = s
		return nil
	}
	h, err := parseHeader(s, value)
	if err == nil {
		t.header(h)
	}
	return err
}

func (t *tally) inLine(key, value []byte) error {
	h, err := parseHeader(slot{inLine, seqOfLineKey(key)}, value)
	if err != nil {
		return err
	}
	id := groupOfKey(key)
	t.lines[id] = append(t.lines[id], h.seq)
	if h.group != id || h.state != ready {
		t.fault("message %d of group %x waits in group %x, in state %d", h.seq, h.group, id, h.state)
	}
	t.header(h)
	return nil
}

func (t *tally) header(h *message) {
	if h.at > t.meta.through && h.state == delayed {
		t.delayed++
	}
	if h.at > t.meta.through && h.state == leased {
		t.leased++
	}
	if h.id().before(t.meta.reaped) {
		t.leftovers++
		return
	}
	if t.headers[h.seq] != nil {
		t.fault("message %d is in the index twice", h.seq)
	}
	t.headers[h.seq] = h
}

func (t *tally) body(r store.Record) error {
	id, group := idOfBodyKey(r.Key)
	h := t.headers[id.Sequence]
	switch {
	case h == nil && !t.shard.sealed && !t.shard.isMoving(t.content, id.Sequence):
		t.fault("body %v belongs to no message", id)
	case h != nil && (h.sent != id.Sent || h.group != group):
		t.fault("body %v of group %x has a message that was sent at %d to group %x", id, group, h.sent, h.group)
	case id.before(t.meta.lowBody):
		t.fault("body %v is below %v", id, t.meta.lowBody)
	}
	t.bodies[id.Sequence] = true
	return nil
}

func (t *tally) readForwards() error {
	forwards := 0
	err := t.each(kindForward, func(key, value []byte) error {
		forwards++
		r := reader{rest: value}
		at := int64(r.uint64())
		seq := seqOfForwardKey(key)
		if h := t.headers[seq]; t.leftovers == 0 && (h == nil || !h.forwarded || h.at != at) {
			t.fault("the forward record of message %d leads nowhere", seq)
		}
		return r.err
	})
	for _, h := range t.headers {
		if h.forwarded {
			forwards--
		}
	}
	if t.leftovers == 0 && forwards != 0 {
		t.fault("%d forward records too many", forwards)
	}
	return err
}

// group checks a group against its unit, its line, and those of its messages
// that are in flight.
func (t *tally) group(key, value []byte) error {
	id := groupOfKey(key)
	g, err := parseGroup(id, value)
	if err != nil {
		return err
	}
	line := t.lines[id]
	if unit := t.units[id]; unit != g.listed {
		t.fault("group %x is listed at %v, not %v", id, unit, g.listed)
	}
	if len(line) > 0 && line[0] < g.edge {
		t.fault("message %d waits in group %x, below %d", line[0], id, g.edge)
	}
	for _, seq := range g.inFlight {
		if h := t.headers[seq]; t.leftovers == 0 && (h == nil || h.at == inLine || h.group != id) {
			t.fault("message %d is said to be in flight in group %x", seq, id)
		}
	}
	locked := len(g.inFlight) > 0 && (len(line) == 0 || g.inFlight[0] < line[0])
	if servable := len(line) > 0 && !locked; t.leftovers == 0 && servable != (g.listed != slot{}) {
		t.fault("group %x has messages %d in line and %d in flight, and is listed at %v", id, line, g.inFlight, g.listed)
	}
	delete(t.units, id)
	delete(t.lines, id)
	return nil
}
