package store

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// Shards is how many data shards a store has. It is part of the format.
const Shards = 64

// ErrOwned is returned by Acquire for a shard that has an owner.
var ErrOwned = errors.New("store: the shard has an owner already")

// A Shard is one ordered log of changes to one range of keys, and the reads of
// that range. It has one owner, which holds the shard's state in memory: the
// owner changes its memory and appends the ops that say so under one lock of
// its own, replies once their position is durable, and forgets everything when
// Done closes.
//
// Keys are relative to the shard. Reads see all that is durable, and may see
// what was appended after that; what they see is always a prefix of the log.
type Shard struct {
	store  *Store
	number int // -1 for the bulk shard
	prefix []byte
	db     *pebble.DB
	log    *log
	done   chan struct{}

	borders [][]byte // full keys; guarded by store.mu
}

// Acquire makes the caller the owner of shard number (0 to Shards-1).
func (s *Store) Acquire(number int) (*Shard, error) {
	if number < 0 || number >= Shards {
		return nil, fmt.Errorf("store: there is no shard %d", number)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	if s.shards[number] != nil {
		return nil, ErrOwned
	}
	shard := &Shard{store: s, number: number, prefix: []byte{spaceShard, byte(number)}, db: s.db, log: s.log, done: make(chan struct{})}
	s.shards[number] = shard
	return shard, nil
}

// Release gives the shard up. What was appended is still committed.
func (s *Shard) Release() {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	if s.number >= 0 && s.store.shards[s.number] == s {
		s.store.shards[s.number] = nil
		close(s.done)
	}
}

// Done is closed when the caller no longer owns the shard: it was released, or
// a commit failed or the store was closed. What the owner holds in memory may
// then differ from what is on disk.
func (s *Shard) Done() <-chan struct{} { return s.done }

// Append takes ops as one unit and returns their position. It does not wait.
// Ops of later calls come later in the log. The caller gives up the slices.
func (s *Shard) Append(ops ...Op) Position { return s.log.append(s.prefix, ops) }

// Get returns the value at key, or ErrNotFound.
func (s *Shard) Get(key []byte) ([]byte, error) {
	full := s.full(key)
	record, closer, err := s.db.Get(full)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("store: get: %w", err)
	}
	defer closer.Close()
	return openRecord(s.store.sealer, full, record)
}

// A Record is one key with its value, as Scan visits them.
type Record struct {
	Key    []byte // relative to the shard
	full   []byte
	shard  *Shard
	record []byte
}

// Value returns a copy of the record's value.
func (r Record) Value() ([]byte, error) {
	return openRecord(r.shard.store.sealer, r.full, r.record)
}

// Scan calls visit for the records from key from up to but not including to,
// in key order, until limit of them were visited or visit returns false. A
// Record and its Key are valid only during the call.
func (s *Shard) Scan(from, to []byte, limit int, visit func(Record) (bool, error)) error {
	return s.scan(from, to, limit, visit, (*pebble.Iterator).First, (*pebble.Iterator).Next)
}

// ScanBack is Scan from the last record to the first.
func (s *Shard) ScanBack(from, to []byte, limit int, visit func(Record) (bool, error)) error {
	return s.scan(from, to, limit, visit, (*pebble.Iterator).Last, (*pebble.Iterator).Prev)
}

func (s *Shard) scan(from, to []byte, limit int, visit func(Record) (bool, error), first, next func(*pebble.Iterator) bool) error {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: s.full(from), UpperBound: s.full(to)})
	if err != nil {
		return fmt.Errorf("store: scan: %w", err)
	}
	defer it.Close()
	for ok := first(it); ok && limit > 0; ok = next(it) {
		record, err := it.ValueAndErr()
		if err != nil {
			return fmt.Errorf("store: scan: %w", err)
		}
		more, err := visit(Record{it.Key()[len(s.prefix):], it.Key(), s, record})
		if err != nil || !more {
			return err
		}
		limit--
	}
	if err := it.Error(); err != nil {
		return fmt.Errorf("store: scan: %w", err)
	}
	return nil
}

func (s *Shard) full(key []byte) []byte { return append(clone(s.prefix), key...) }

// Bulk returns the one shard of the second database, which holds what is not
// messages (log events), so that its bulk cannot slow a send. Its log is lazy:
// what nobody waits for is durable within BulkLazy.
func (s *Store) Bulk() *Shard { return s.bulk }
