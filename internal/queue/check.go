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
	headers   map[uint64]*message
	bodies    map[uint64]bool
	leftovers int
	delayed   int64
	leased    int64
	errs      []error
}

func (t *tally) fault(format string, args ...any) {
	t.errs = append(t.errs, fmt.Errorf(format, args...))
}

func (s *shard) checkContent(content uint64, m meta) error {
	t := &tally{headers: map[uint64]*message{}, bodies: map[uint64]bool{}}
	err := errors.Join(t.readHeaders(s, content, m), t.readBodies(s, content, m), t.readForwards(s, content))
	if err != nil {
		return err
	}
	for seq := range t.headers {
		if !t.bodies[seq] {
			t.fault("message %d has no body", seq)
		}
	}
	if n := int64(len(t.headers)); n != m.total || t.delayed != m.delayed || t.leased != m.leased {
		t.fault("there are %d messages, %d delayed, %d leased; meta has %d, %d, %d", n, t.delayed, t.leased, m.total, m.delayed, m.leased)
	}
	return errors.Join(t.errs...)
}

func (t *tally) readHeaders(s *shard, content uint64, m meta) error {
	return s.data.Scan(contentKey(content, kindIndex), contentEnd(content, kindIndex), 1<<30, func(r store.Record) (bool, error) {
		value, err := r.Value()
		if err != nil {
			return false, err
		}
		h, err := parseHeader(slotOfKey(r.Key), value)
		if err != nil {
			return false, err
		}
		if h.at < m.low || h.seq > m.next {
			t.fault("message %d at %d is out of bounds %d, %d", h.seq, h.at, m.low, m.next)
		}
		if h.at > m.through && h.state == delayed {
			t.delayed++
		}
		if h.at > m.through && h.state == leased {
			t.leased++
		}
		if h.id().before(m.reaped) {
			t.leftovers++
			return true, nil
		}
		if t.headers[h.seq] != nil {
			t.fault("message %d is in the index twice", h.seq)
		}
		t.headers[h.seq] = h
		return true, nil
	})
}

func (t *tally) readBodies(s *shard, content uint64, m meta) error {
	return s.data.Scan(contentKey(content, kindBody), contentEnd(content, kindBody), 1<<30, func(r store.Record) (bool, error) {
		id := idOfBodyKey(r.Key)
		h := t.headers[id.Sequence]
		switch {
		case h == nil && !s.sealed && !s.isMoving(content, id.Sequence):
			t.fault("body %v belongs to no message", id)
		case h != nil && h.sent != id.Sent:
			t.fault("body %v has a message that was sent at %d", id, h.sent)
		case id.before(m.lowBody):
			t.fault("body %v is below %v", id, m.lowBody)
		}
		t.bodies[id.Sequence] = true
		return true, nil
	})
}

func (t *tally) readForwards(s *shard, content uint64) error {
	forwards := 0
	err := s.data.Scan(contentKey(content, kindForward), contentEnd(content, kindForward), 1<<30, func(r store.Record) (bool, error) {
		forwards++
		at, err := uint64Value(r)
		if err != nil {
			return false, err
		}
		seq := seqOfForwardKey(r.Key)
		if h := t.headers[seq]; t.leftovers == 0 && (h == nil || !h.forwarded || h.at != int64(at)) {
			t.fault("the forward record of message %d leads nowhere", seq)
		}
		return true, nil
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
