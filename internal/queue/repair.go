package queue

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"naru/internal/store"
)

// Repair makes every content agree with itself again after records were lost,
// and returns what it did in words. A message whose body is lost is removed; one
// whose header is lost becomes visible, since nobody knows any more whether it
// was received; the counters are counted anew. Nothing may use the engine, which
// was not started.
func (e *Engine) Repair() (done []string, err error) {
	for _, s := range e.shards {
		_, err := s.outgoing()
		if errors.Is(err, store.ErrSealed) {
			return done, errors.New("without the master key nobody knows whose bodies are on their way")
		}
		var contents []uint64
		if err == nil {
			contents, err = s.contents()
		}
		if err != nil {
			return done, err
		}
		for _, content := range contents {
			what, err := s.repair(content)
			for _, w := range what {
				done = append(done, fmt.Sprintf("shard %d, content %d: %s", s.number, content, w))
			}
			if err != nil {
				return done, fmt.Errorf("shard %d, content %d: %w", s.number, content, err)
			}
		}
	}
	return done, nil
}

// contents returns the ids of the contents that have messages or a meta record.
func (s *shard) contents() ([]uint64, error) {
	ids := map[uint64]bool{}
	err := s.data.Scan([]byte{keyMeta}, []byte{keyMeta + 1}, math.MaxInt, func(r store.Record) (bool, error) {
		ids[idOfMetaKey(r.Key)] = true
		return true, nil
	})
	for next := uint64(0); err == nil; next++ {
		found := false
		err = s.data.Scan(contentKey(next, 0), []byte{keyContent + 1}, 1, func(r store.Record) (bool, error) {
			next, found = idOfMetaKey(r.Key), true // the id stands at the same place
			ids[next] = true
			return false, nil
		})
		if !found || next == math.MaxUint64 {
			break
		}
	}
	return slices.Sorted(maps.Keys(ids)), err
}

// A rubble is what is left of a content.
type rubble struct {
	headers  map[uint64]*message
	bodies   map[uint64]MessageID
	forwards map[uint64]int64
	ops      []store.Op
	done     []string
}

func (r *rubble) say(format string, args ...any) {
	r.done = append(r.done, fmt.Sprintf(format, args...))
}

func (s *shard) repair(content uint64) ([]string, error) {
	if other := contentKey(content, kindForward+1); !s.isEmpty(other, contentEnd(content, 0xfe)) {
		return nil, fmt.Errorf("it has groups, which cannot be repaired yet")
	}
	r, err := s.sift(content)
	if err != nil {
		return nil, err
	}
	var m meta
	if text, err := s.data.Get(metaKey(content)); err == nil {
		if m, err = parseMeta(text); err != nil {
			return nil, err
		}
	} else {
		r.say("its counters were lost")
		m.through = s.now()
	}
	r.match(s, content)
	if len(r.done) == 0 {
		return nil, nil
	}
	m.total, m.delayed, m.leased, m.lowBody, m.reaped = 0, 0, 0, MessageID{}, MessageID{}
	m.low = s.now()
	for seq, h := range r.headers {
		m.total++
		m.low, m.next = min(m.low, h.at), max(m.next, seq)
		switch {
		case h.at > m.through && h.state == delayed:
			m.delayed++
		case h.at > m.through && h.state == leased:
			m.leased++
		}
	}
	r.ops = append(r.ops, store.Set(metaKey(content), m.encode()))
	return r.done, s.append(r.ops).Wait()
}

func (s *shard) isEmpty(from, to []byte) bool {
	empty := true
	err := s.data.Scan(from, to, 1, func(store.Record) (bool, error) {
		empty = false
		return false, nil
	})
	return err == nil && empty
}

// sift reads the content. A header that is there twice stays where it becomes
// visible first.
func (s *shard) sift(content uint64) (*rubble, error) {
	r := &rubble{headers: map[uint64]*message{}, bodies: map[uint64]MessageID{}, forwards: map[uint64]int64{}}
	return r, s.data.Scan(contentKey(content, 0), contentEnd(content, 0xfe), math.MaxInt, func(record store.Record) (bool, error) {
		switch key := record.Key; key[1+8] {
		case kindIndex:
			value, err := record.Value()
			if err != nil {
				return false, err
			}
			h, err := parseHeader(slotOfKey(key), value)
			if err != nil {
				return false, err
			}
			if r.headers[h.seq] != nil {
				r.drop(content, h, "is there twice")
			} else {
				r.headers[h.seq] = h
			}
		case kindBody:
			id := idOfBodyKey(key)
			r.bodies[id.Sequence] = id
		case kindForward:
			at, err := uint64Value(record)
			if err != nil {
				return false, err
			}
			r.forwards[seqOfForwardKey(key)] = int64(at)
		}
		return true, nil
	})
}

func (r *rubble) drop(content uint64, h *message, why string) {
	r.ops = append(r.ops, store.Delete(indexKey(content, h.slot)))
	r.say("message %d %s", h.seq, why)
}

// match brings headers, bodies and forward records together.
func (r *rubble) match(s *shard, content uint64) {
	for seq, h := range r.headers {
		if id, ok := r.bodies[seq]; !ok || id.Sent != h.sent {
			r.drop(content, h, "has lost its body and is removed")
			delete(r.headers, seq)
		}
	}
	for seq, id := range r.bodies {
		if r.headers[seq] != nil || s.isMoving(content, seq) {
			continue
		}
		h := &message{slot: slot{at: s.now(), seq: seq}, sent: id.Sent, handed: true, forwarded: true}
		r.headers[seq] = h
		r.ops = append(r.ops, store.Set(indexKey(content, h.slot), h.header()))
		r.say("message %d has lost its header and is visible again", seq)
	}
	for seq, h := range r.headers {
		if at, ok := r.forwards[seq]; h.forwarded && (!ok || at != h.at) {
			r.ops = append(r.ops, store.Set(forwardKey(content, seq), forwardValue(h.at)))
			r.say("message %d is found by its handles again", seq)
		}
	}
	for seq := range r.forwards {
		if h := r.headers[seq]; h == nil || !h.forwarded {
			r.ops = append(r.ops, store.Delete(forwardKey(content, seq)))
			r.say("message %d has left a record behind, which is removed", seq)
		}
	}
}
