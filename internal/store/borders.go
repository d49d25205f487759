package store

import (
	"bytes"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// Divide has the tables of the database end before the given keys, from now on,
// rather than anywhere: it replaces those that were given before. Tables whose
// ranges do not touch are moved to where they belong, those whose ranges do are
// written anew. So a border is worth its while between keys that are written by
// the megabyte and in their order, and others; but each may make a small table of
// its own whenever a memtable is written down.
func (s *Shard) Divide(keys ...[]byte) {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	if s.number < 0 || s.store.shards[s.number] != s {
		return
	}
	s.borders = nil
	for _, key := range keys {
		s.borders = append(s.borders, s.full(key))
	}
	var all [][]byte
	for _, shard := range s.store.shards {
		if shard != nil {
			all = append(all, shard.borders...)
		}
	}
	slices.SortFunc(all, bytes.Compare)
	all = slices.CompactFunc(all, bytes.Equal)
	s.store.borders.Store(&all)
}

// endOfTable returns the key before which a table that begins with first ends,
// at the latest; nil for none. It is a pebble.SpanPolicyFunc.
func (s *Store) endOfTable(first []byte) (pebble.SpanPolicy, []byte, error) {
	all := s.borders.Load()
	if all == nil {
		return pebble.SpanPolicy{}, nil, nil
	}
	i, isBorder := slices.BinarySearchFunc(*all, first, bytes.Compare)
	if isBorder {
		i++
	}
	if i == len(*all) {
		return pebble.SpanPolicy{}, nil, nil
	}
	return pebble.SpanPolicy{}, (*all)[i], nil
}
