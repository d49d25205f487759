package queue

import (
	"encoding/binary"
	"sync"
	"sync/atomic"

	"naru/internal/store"
)

// A shard is what the engine holds in memory for one data shard: its clock,
// and the numbering of what it sends to and takes from other shards.
type shard struct {
	engine *Engine
	number int
	data   *store.Shard
	clock  atomic.Int64 // the latest time given out; ms
	sealed bool         // the outbox cannot be read for want of the master key

	mu      sync.Mutex // held while appending, so that the log has the numbers in order
	sent    [store.Shards]uint64
	applied [store.Shards]uint64
	moving  map[movingKey]struct{} // messages in the outbox that lie in a content, too
	large   map[uint64]struct{}    // contents: see large.go
	courier [store.Shards]*courier // started when there is something to carry
}

type movingKey struct{ content, seq uint64 }

func (e *Engine) openShard(number int) (*shard, error) {
	data, err := e.store.Acquire(number)
	if err != nil {
		return nil, err
	}
	s := &shard{engine: e, number: number, data: data, moving: map[movingKey]struct{}{}, large: map[uint64]struct{}{}}
	err = data.Scan([]byte{keyClock}, []byte{keyOutbox}, 1+store.Shards, func(r store.Record) (bool, error) {
		v, err := uint64Value(r)
		if r.Key[0] == keyClock {
			s.clock.Store(int64(v))
		} else {
			s.sent[r.Key[1]] = v
		}
		return true, err
	})
	if err != nil {
		return nil, err
	}
	return s, data.Scan([]byte{keyApplied}, []byte{keyApplied + 1}, store.Shards, func(r store.Record) (bool, error) {
		v, err := uint64Value(r)
		s.applied[r.Key[1]] = v
		return true, err
	})
}

func uint64Value(r store.Record) (uint64, error) {
	value, err := r.Value()
	if err != nil {
		return 0, err
	}
	if len(value) != 8 {
		return 0, &store.CorruptError{Key: append([]byte{}, r.Key...), Reason: "it is not a number"}
	}
	return binary.BigEndian.Uint64(value), nil
}

// now returns the shard's time in milliseconds. It never goes back, also not
// across a restart: every batch carries the time that it rests on.
func (s *shard) now() int64 {
	wall := s.engine.clock.Millis()
	for {
		last := s.clock.Load()
		if wall <= last {
			return last
		}
		if s.clock.CompareAndSwap(last, wall) {
			return wall
		}
	}
}

// append appends ops, and puts parcels into the outbox, as one unit.
func (s *shard) append(ops []store.Op, parcels ...*parcel) store.Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range parcels {
		ops = append(ops, s.post(p)...)
	}
	ops = append(ops, store.SetLatest(clockKey(), numberValue(uint64(s.clock.Load()))))
	position := s.data.Append(ops...)
	for _, p := range parcels {
		s.carry(ShardOf(p.address), position)
	}
	return position
}

// post needs s.mu.
func (s *shard) post(p *parcel) []store.Op {
	target := ShardOf(p.address)
	s.sent[target]++
	number := s.sent[target]
	if p.content != 0 {
		s.moving[movingKey{p.content, p.home.Sequence}] = struct{}{}
	}
	return []store.Op{
		store.SetLatest(counterKey(target), numberValue(number)),
		store.SetSealed(outboxKey(target, number), p.encode()),
	}
}

// isMoving reports whether a message has left its content for the outbox while
// its body still lies there.
func (s *shard) isMoving(content, seq uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.moving[movingKey{content, seq}]
	return ok
}

// resume starts the couriers for what a restart left in the outbox.
func (s *shard) resume() {
	targets, err := s.outgoing()
	if err != nil {
		s.engine.log.Error("an outbox cannot be read", "shard", s.number, "err", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for target, pending := range targets {
		if pending {
			s.carry(target, store.Position{})
		}
	}
}

// outgoing reads the outbox: for which shards there is something in it, and
// which bodies in contents belong to it.
func (s *shard) outgoing() (targets [store.Shards]bool, err error) {
	err = s.data.Scan([]byte{keyOutbox}, []byte{keyOutbox + 1}, 1<<30, func(r store.Record) (bool, error) {
		targets[r.Key[1]] = true
		value, err := r.Value()
		if err != nil {
			return false, err
		}
		p, err := parseParcel(value)
		if err == nil && p.content != 0 {
			s.mu.Lock()
			s.moving[movingKey{p.content, p.home.Sequence}] = struct{}{}
			s.mu.Unlock()
		}
		return true, err
	})
	return targets, err
}

// apply notes that the source's outbox was taken from up to number. It reports
// false if that is known already.
func (s *shard) apply(source int, number uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.applied[source] >= number {
		return false
	}
	s.applied[source] = number
	return true
}

func numberValue(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
