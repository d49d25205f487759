package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
)

// A Fault is something in a data directory that is not as it must be.
type Fault struct {
	Place string // the file, and what of it
	Err   error
}

func (f Fault) String() string { return fmt.Sprintf("%s: %v", f.Place, f.Err) }

// A Report is what Examine found.
type Report struct {
	Faults  []Fault
	Records int64
	Sealed  int64 // records that could not be opened for want of the master key
	Blobs   int

	damage map[string]*damage // by database
	blobs  []string           // that are not what their names say
}

// damage is what of a database cannot be read.
type damage struct {
	spans []span // in the order of their keys
}

// A span is what lies between two full keys, and those of the two themselves
// that are lost.
type span struct {
	from, to         []byte
	fromLost, toLost bool
}

func (r *Report) fault(place string, err error) {
	r.Faults = append(r.Faults, Fault{place, err})
}

func (r *Report) damageOf(name string) *damage {
	if r.damage == nil {
		r.damage = map[string]*damage{}
	}
	if r.damage[name] == nil {
		r.damage[name] = &damage{}
	}
	return r.damage[name]
}

// Examine reads everything: every table of both databases, every record, and
// every blob. What stands in a part of a file that cannot be read is named by
// the bounds of that part.
func (s *Store) Examine() *Report {
	r := &Report{}
	for _, name := range []string{mainFolder, bulkFolder} {
		db := map[string]*pebble.DB{mainFolder: s.db, bulkFolder: s.bulkDB}[name]
		s.examineTables(r, name, db)
		s.examineRecords(r, name, db)
	}
	s.examineBlobs(r)
	return r
}

// examineTables reads every block of the database's tables.
func (s *Store) examineTables(r *Report, name string, db *pebble.DB) {
	levels, err := db.SSTables()
	if err != nil {
		r.fault(name, err)
		return
	}
	for _, level := range levels {
		for _, table := range level {
			place := fmt.Sprintf("%s/%s.sst", name, table.BackingSSTNum)
			bad := span{from: table.Smallest.UserKey, to: table.Largest.UserKey, fromLost: true, toLost: true}
			err := s.examineTable(s.fs.PathJoin(s.path(name), table.BackingSSTNum.String()+".sst"), &bad)
			if err == nil {
				continue
			}
			// What is left of a table that was cut need not be what is damaged.
			if table.Virtual && (bytes.Compare(bad.to, table.Smallest.UserKey) < 0 || bytes.Compare(bad.from, table.Largest.UserKey) > 0) {
				continue
			}
			d := r.damageOf(name)
			if !bad.fromLost && !bad.toLost && bytes.Compare(bad.from, bad.to) >= 0 {
				r.fault(place, fmt.Errorf("it is damaged, but not where its records are: %w", err))
				continue
			}
			r.fault(place, fmt.Errorf("it is damaged between %s and %s: %w", describe(name, bad.from), describe(name, bad.to), err))
			d.spans = append(d.spans, bad)
		}
	}
	if d := r.damage[name]; d != nil {
		slices.SortFunc(d.spans, func(a, b span) int { return bytes.Compare(a.from, b.from) })
	}
}

// examineTable reads a table whose records lie within bad. If some of them can
// be read, bad becomes the span between the last key before and the first after
// what is damaged.
func (s *Store) examineTable(path string, bad *span) error {
	table, err := s.openTable(path)
	if err != nil {
		return err
	}
	defer table.Close()
	damaged := table.ValidateBlockChecksums()
	if damaged == nil {
		return nil
	}
	it, err := table.NewIter(sstable.NoTransforms, nil, nil, sstable.AssertNoBlobHandles)
	if err != nil {
		return damaged
	}
	defer it.Close()
	for kv := it.First(); kv != nil; kv = it.Next() {
		bad.from, bad.fromLost = clone(kv.K.UserKey), false
	}
	for kv := it.Last(); kv != nil; kv = it.Prev() {
		bad.to, bad.toLost = clone(kv.K.UserKey), false
	}
	return damaged
}

func (s *Store) openTable(path string) (*sstable.Reader, error) {
	f, err := s.fs.Open(path)
	if err != nil {
		return nil, err
	}
	readable, err := sstable.NewSimpleReadable(f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	options := &pebble.Options{}
	options.EnsureDefaults()
	return sstable.NewReader(context.Background(), readable, options.MakeReaderOptions()) // which closes the file if it fails
}

// examineRecords opens every record outside the damaged spans.
func (s *Store) examineRecords(r *Report, name string, db *pebble.DB) {
	err := walk(db, r.damage[name], func(key, record []byte, err error) error {
		r.Records++
		if err == nil {
			err = s.sound(key, record)
		}
		if len(record) > 0 && record[0] == recordSealed && s.master == nil {
			r.Sealed++
		}
		if err != nil {
			r.damageOf(name)
			r.fault(name, fmt.Errorf("%s: %w", describe(name, key), err))
		}
		return nil
	})
	if err != nil {
		r.fault(name, err)
	}
}

// sound returns what is wrong with a record, as far as that can be told without
// the master key.
func (s *Store) sound(key, record []byte) error {
	text, err := openRecord(s.sealer, key, record)
	switch {
	case errors.Is(err, ErrSealed):
		return nil
	case err == nil && key[0] == spaceCatalog && !json.Valid(text):
		return &CorruptError{clone(key), "it is no JSON"}
	}
	return err
}

// walk visits the records of a database that lie outside the spans of d, which
// may be nil. A record whose value cannot be read is visited with the error.
func walk(db *pebble.DB, d *damage, visit func(key, record []byte, err error) error) error {
	var from []byte
	var spans []span
	if d != nil {
		spans = d.spans
	}
	for _, s := range spans {
		to := s.from
		if !s.fromLost {
			to = after(s.from)
		}
		if err := walkSpan(db, from, to, !s.fromLost, visit); err != nil {
			return err
		}
		if s.toLost {
			s.to = after(s.to)
		}
		if bytes.Compare(s.to, from) > 0 {
			from = s.to
		}
	}
	return walkSpan(db, from, nil, false, visit)
}

// walkSpan visits the records from key from up to but not including to. If what
// follows its last record is damaged, that does not count: to find the end, the
// database reads on.
func walkSpan(db *pebble.DB, from, to []byte, damaged bool, visit func(key, record []byte, err error) error) error {
	if to != nil && bytes.Compare(from, to) >= 0 {
		return nil
	}
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		return err
	}
	last := false
	for it.First(); it.Valid() && err == nil; it.Next() {
		record, fault := it.ValueAndErr()
		last = to != nil && len(it.Key()) == len(to)-1 && bytes.HasPrefix(to, it.Key())
		err = visit(it.Key(), record, fault)
	}
	if end := it.Error(); end != nil && !(damaged && last) {
		err = errors.Join(err, end)
	}
	if closed := it.Close(); err == nil && !(damaged && last) {
		err = closed
	}
	return err
}

// after returns the key that follows key; none after none.
func after(key []byte) []byte {
	if key == nil {
		return nil
	}
	return append(clone(key), 0)
}

func (s *Store) examineBlobs(r *Report) {
	names, err := s.fs.List(s.path(blobFolder))
	if err != nil {
		r.fault(blobFolder, err)
	}
	for _, name := range names {
		if len(name) != len(SumOf(nil)) {
			continue // what an interrupted Put has left
		}
		r.Blobs++
		if _, err := s.blobs.Get(Sum(name)); err != nil {
			r.fault(blobFolder+"/"+name, err)
			r.blobs = append(r.blobs, name)
		}
	}
}

// describe says in words what a full key is of.
func describe(name string, key []byte) string {
	switch {
	case name == bulkFolder:
		return fmt.Sprintf("log record %x", key)
	case len(key) > 1 && key[0] == spaceCatalog:
		table, row, _ := bytes.Cut(key[1:], []byte{0})
		return fmt.Sprintf("row %q of table %s", row, table)
	case len(key) > 1 && key[0] == spaceShard:
		return fmt.Sprintf("record %x of shard %d", key[2:], key[1])
	}
	return fmt.Sprintf("record %x", key)
}

// OpenFault returns what keeps a database of the data directory from being
// opened, in which case Mend may help; an error of any other kind is returned
// as it is.
func OpenFault(err error) (Fault, bool) {
	var broken *brokenError
	if !errors.As(err, &broken) {
		return Fault{}, false
	}
	return Fault{broken.name, broken.err}, true
}

// brokenError is the error of a database that cannot be opened.
type brokenError struct {
	name string
	err  error
}

func (e *brokenError) Error() string { return fmt.Sprintf("open %s: %v", e.name, e.err) }
func (e *brokenError) Unwrap() error { return e.err }
