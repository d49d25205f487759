package store

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
)

// salvage writes what can be read of the tables of from into to, oldest first,
// so that what is newer covers what is older as it did. What a damaged part had
// covered comes forth again: a message that was deleted, say, as long as its
// body is still there.
func (s *Store) salvage(name string, from, to *pebble.DB) error {
	levels, err := from.SSTables()
	if err != nil {
		return err
	}
	// Tables of the first level are as old as their newest key; what they have
	// in common with others of one flush does not overlap.
	slices.SortFunc(levels[0], func(a, b pebble.SSTableInfo) int { return cmp.Compare(a.LargestSeqNum, b.LargestSeqNum) })
	w := &salvager{db: to, batch: to.NewBatch()}
	for _, level := range slices.Backward(levels) {
		for _, table := range level {
			w.table = table
			if err := s.salvageTable(name, w); err != nil {
				return err
			}
		}
	}
	return errors.Join(w.batch.Commit(pebble.Sync), to.Flush())
}

// A salvager writes one table after the other.
type salvager struct {
	db      *pebble.DB
	batch   *pebble.Batch
	table   pebble.SSTableInfo
	last    []byte         // key that was read last: what follows of it is older
	covered []coveredRange // by the table's own range deletions
}

type coveredRange struct {
	from, to []byte
	seq      pebble.SeqNum
}

func (s *Store) salvageTable(name string, w *salvager) error {
	table, err := s.openTable(s.fs.PathJoin(s.path(name), w.table.BackingSSTNum.String()+".sst"))
	if err != nil {
		return nil // nothing of it can be read
	}
	defer table.Close()
	w.last, w.covered = nil, nil
	if err := w.ranges(table); err != nil {
		return err
	}
	it, err := table.NewIter(sstable.NoTransforms, nil, nil, sstable.AssertNoBlobHandles)
	if err != nil {
		return nil
	}
	defer it.Close()
	for kv := it.First(); kv != nil; kv = it.Next() {
		if err := w.put(kv.K, kv.InPlaceValue()); err != nil {
			return err
		}
	}
	if it.Error() == nil {
		return nil
	}
	// The rest of it is read from the end, as far as that goes, and then written
	// in the right order.
	first := w.last
	var back []byte
	for kv := it.Last(); kv != nil && (first == nil || bytes.Compare(kv.K.UserKey, first) > 0); kv = it.Prev() {
		back = append(back[:0], kv.K.UserKey...)
	}
	if back == nil {
		return nil
	}
	for kv := it.SeekGE(back, 0); kv != nil; kv = it.Next() {
		if err := w.put(kv.K, kv.InPlaceValue()); err != nil {
			return err
		}
	}
	return nil
}

// ranges writes the table's range deletions, which cover what is older. If they
// cannot be read they are lost.
func (w *salvager) ranges(table *sstable.Reader) error {
	it, err := table.NewRawRangeDelIter(context.Background(), sstable.NoFragmentTransforms, sstable.NoReadEnv)
	if err != nil || it == nil {
		return nil
	}
	defer it.Close()
	for span, err := it.First(); span != nil && err == nil; span, err = it.Next() {
		if len(span.Keys) == 0 {
			continue
		}
		w.covered = append(w.covered, coveredRange{clone(span.Start), clone(span.End), span.Keys[0].SeqNum()})
		if err := w.batch.DeleteRange(span.Start, span.End, nil); err != nil {
			return err
		}
	}
	return nil
}

// put writes the newest version of a key that the table has.
func (w *salvager) put(internal pebble.InternalKey, value []byte) error {
	key := internal.UserKey
	if w.last != nil && bytes.Equal(key, w.last) || !w.within(key) {
		return nil
	}
	w.last = append(w.last[:0], key...)
	for _, c := range w.covered {
		if bytes.Compare(c.from, key) <= 0 && bytes.Compare(key, c.to) < 0 && c.seq > internal.SeqNum() {
			return nil
		}
	}
	switch internal.Kind() {
	case pebble.InternalKeyKindSet, pebble.InternalKeyKindSetWithDelete:
		if err := w.batch.Set(key, value, nil); err != nil {
			return err
		}
	default:
		if err := w.batch.Delete(key, nil); err != nil {
			return err
		}
	}
	if w.batch.Len() < mendedBatch {
		return nil
	}
	err := w.batch.Commit(pebble.NoSync)
	w.batch = w.db.NewBatch()
	return err
}

// within reports whether the key belongs to the table, which may be a part of
// the file only.
func (w *salvager) within(key []byte) bool {
	return bytes.Compare(w.table.Smallest.UserKey, key) <= 0 && bytes.Compare(key, w.table.Largest.UserKey) <= 0
}
