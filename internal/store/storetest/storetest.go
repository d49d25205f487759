// Package storetest opens stores for tests: in memory, checked when the test
// ends, and on disks whose power can be cut.
package storetest

import (
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"naru/internal/seal"
	"naru/internal/store"
)

// A Disk is a file system in memory that knows what was synced.
type Disk struct {
	fs     *vfs.MemFS
	master *seal.MasterKey
}

// NewDisk returns an empty disk.
func NewDisk() *Disk { return &Disk{vfs.NewCrashableMem(), seal.NewMasterKey()} }

// TB is the part of testing.TB and *rapid.T that this package needs.
type TB interface {
	Helper()
	Errorf(string, ...any)
	Fatalf(string, ...any)
}

// Open opens the store on the disk. The caller closes it, with Close of this
// package to have it checked.
func (d *Disk) Open(t TB) *store.Store {
	t.Helper()
	s, err := store.Open(d.options(t))
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return s
}

// OpenAt opens the store in another folder of the disk: a backup, for instance.
func (d *Disk) OpenAt(t TB, folder string) *store.Store {
	t.Helper()
	o := d.options(t)
	o.Dir = folder
	s, err := store.Open(o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return s
}

func (d *Disk) options(t TB) store.Options {
	return store.Options{
		Dir:      "data",
		FS:       d.fs,
		Master:   d.master,
		MemTable: 1 << 20,
		NoTicker: true,
		Fatal:    func(err error) { t.Errorf("the store failed: %v", err) },
		Misuse:   func(what string) { t.Errorf("misuse: %s", what) },
	}
}

// PowerCut returns the disk as it is after losing power now: of what was not
// synced, percent per cent of the blocks made it, chosen by random. The disk
// itself goes on.
func (d *Disk) PowerCut(percent int, random *rand.Rand) *Disk {
	return &Disk{d.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: random}), d.master}
}

// Close checks every record of s and closes it.
func Close(t TB, s *store.Store) {
	t.Helper()
	if err := s.Check(); err != nil {
		t.Errorf("check: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// Open returns a store in memory that is checked and closed when t ends.
func Open(t testing.TB) *store.Store {
	t.Helper()
	s := NewDisk().Open(t)
	t.Cleanup(func() { Close(t, s) })
	return s
}

// A Table is a table of the main database, by the first and last of its keys.
type Table struct{ First, Last []byte }

// Tables returns the tables of the store on the disk, which is not open.
func (d *Disk) Tables(t TB) (all []Table) {
	t.Helper()
	db, err := pebble.Open("data/db", &pebble.Options{FS: d.fs, ReadOnly: true})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	defer db.Close()
	levels, err := db.SSTables()
	if err != nil {
		t.Fatalf("tables: %v", err)
	}
	for _, level := range levels {
		for _, table := range level {
			all = append(all, Table{table.Smallest.UserKey, table.Largest.UserKey})
		}
	}
	return all
}
