// Package store keeps everything that Naru must not lose. It is the only
// package that knows the database (cockroachdb/pebble).
//
// A store has two parts. The catalog holds small records in typed tables (see
// Table), which everybody reads. The data shards hold the rest: each is one
// ordered log with one owner (see Shard). Both are committed by one committer
// per database, which merges what came while it synced into one batch: a
// reply leaves after the fsync of its batch.
//
// A commit that fails is never rolled back in memory: Options.Fatal is told,
// which ends the process, and the next start has what was acknowledged.
//
// The keys and records are written down in docs/KEYS.md.
package store

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"naru/internal/seal"
)

// The first byte of a full key says what the key belongs to.
const (
	spaceMeta    = 0x00
	spaceCatalog = 0x01
	spaceShard   = 0x02
)

// BulkLazy is how long an append to the bulk shard that nobody waits for may
// take to become durable.
const BulkLazy = 500 * time.Millisecond

var (
	// ErrClosed is returned once the store is closed.
	ErrClosed = errors.New("store: closed")
	// ErrReadOnly is returned for changes to a store that is only read.
	ErrReadOnly = errors.New("store: it was opened to be read only")
)

// Options say where a store is and how much memory it may use.
type Options struct {
	// Dir is the data directory, which Open creates. Empty means a store in
	// memory, gone when it is closed.
	Dir string
	// MasterKeyFile is where the master key lives; empty means "master.key"
	// in Dir. It is created for a new store only.
	MasterKeyFile string
	// MemTable and Cache are sizes in bytes; zero means 32 MiB each.
	MemTable uint64
	Cache    int64
	Logger   *slog.Logger
	Space    Space
	// ReadOnly opens a store that exists without changing anything of it, a
	// backup too, and also without the master key: then what is sealed cannot
	// be read. What is appended fails with ErrReadOnly.
	ReadOnly bool
	// Fatal is called when a commit failed or the database gave up; nil means
	// to log the reason and exit with status 1.
	Fatal func(error)

	// FS and Master, for tests, replace the real file system and the key file.
	FS     vfs.FS
	Master *seal.MasterKey
	// NoTicker, for tests on fake time, keeps the database from doing anything
	// merely because time passes.
	NoTicker bool
	// Misuse, for tests, is told when a key was deleted in a way that its
	// history does not allow.
	Misuse func(string)
}

// A Store is an open data directory. Its methods are safe for concurrent use.
type Store struct {
	options Options
	fs      vfs.FS
	dir     *directory // nil for tests on an FS of their own
	master  *seal.MasterKey
	root    *seal.MasterKey // secrets are derived from it; nil if the store is read only
	sealer  *seal.Sealer
	cache   *pebble.Cache // of both databases
	db      *pebble.DB
	log     *log
	bulkDB  *pebble.DB
	bulkLog *log
	bulk    *Shard
	catalog *Catalog
	blobs   *Blobs
	guard   *guard

	copying sync.Mutex // held while a backup is taken

	mu     sync.Mutex
	shards [Shards]*Shard
	closed bool
	failed error

	borders atomic.Pointer[[][]byte] // of all shards, in order

	troubled time.Time // when trouble was last told of
}

// Open opens the store in options.Dir and creates it where there is none. It
// refuses a directory that holds something else, that another process has
// open, or whose master key is missing.
func Open(options Options) (_ *Store, err error) {
	s := &Store{options: options, fs: options.FS, master: options.Master}
	if s.options.Logger == nil {
		s.options.Logger = slog.New(slog.DiscardHandler)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.closeFiles())
		}
	}()
	if err := s.locate(); err != nil {
		return nil, err
	}
	if s.guard, err = newGuard(s.options.Space, s.options.Logger); err != nil {
		return nil, err
	}
	if err := s.removeSnapshot(); err != nil { // that a crash has left
		return nil, err
	}
	s.cache = pebble.NewCache(cmp.Or(options.Cache, usualCache))
	if s.db, err = s.openDB(mainFolder, options.ReadOnly); err != nil {
		return nil, err
	}
	if s.bulkDB, err = s.openDB(bulkFolder, options.ReadOnly); err != nil {
		return nil, err
	}
	if err := s.openSealer(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.blobs = &Blobs{s.fs, s.path(blobFolder)}
	s.mu.Unlock()
	if !options.ReadOnly {
		err = s.blobs.make()
	}
	if err != nil {
		return nil, err
	}
	s.log = startLog(s.db, s.sealer, 0, s.fail)
	s.bulkLog = startLog(s.bulkDB, s.sealer, BulkLazy, s.fail)
	if options.ReadOnly {
		s.log.close(ErrReadOnly)
		s.bulkLog.close(ErrReadOnly)
	}
	s.bulk = &Shard{store: s, number: -1, prefix: []byte{spaceShard, 0}, db: s.bulkDB, log: s.bulkLog, done: make(chan struct{})}
	s.catalog = newCatalog(s)
	return s, nil
}

// locate settles where the files are and which master key opens them.
func (s *Store) locate() error {
	switch {
	case s.fs != nil:
	case s.options.Dir == "":
		s.fs = vfs.NewMem()
		s.master = seal.NewMasterKey()
	default:
		dir, err := openDirectory(s.options.Dir, s.options.MasterKeyFile, s.options.ReadOnly)
		if err != nil {
			return err
		}
		s.fs, s.dir, s.master = vfs.Default, dir, dir.master
		if s.options.Space.Usage == nil {
			s.options.Space.Usage = diskUsage(s.options.Dir)
		}
	}
	return nil
}

func (s *Store) path(name string) string { return s.fs.PathJoin(s.options.Dir, name) }

// dataKeyKey is where the wrapped data key id is kept.
func dataKeyKey(id uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{spaceMeta, 'k'}, id)
}

// openSealer reads the data keys and adds this start's own. Both databases have
// all of them, since without them nothing else is worth anything.
func (s *Store) openSealer() error {
	keys, err := s.dataKeys()
	if err != nil && !s.options.ReadOnly { // else it is for Examine to tell
		return fmt.Errorf("the data keys cannot be read; naru check tells more: %w", err)
	}
	next := s.dir != nil && s.dir.next != nil
	if next {
		if keys, err = seal.Rewrap(keys, s.master, s.dir.next); err != nil {
			return s.wrongMaster(err)
		}
		s.master = s.dir.next
	}
	if s.options.ReadOnly {
		if s.sealer, err = seal.NewOpener(s.master, keys); err != nil {
			return s.wrongMaster(err)
		}
		return nil
	}
	sealer, id, wrapped, err := seal.New(s.master, keys)
	if err != nil {
		return s.wrongMaster(err)
	}
	if s.root, err = seal.Root(s.master, keys); err != nil {
		return err
	}
	s.sealer = sealer
	isNew := len(keys) == 0
	keys[id] = wrapped
	if err := errors.Join(putDataKeys(s.db, keys), putDataKeys(s.bulkDB, keys)); err != nil {
		return err
	}
	if next {
		if _, err := s.dir.replaceMaster(); err != nil {
			return fmt.Errorf("the master key cannot be replaced: %w", err)
		}
	}
	if !isNew {
		return nil
	}
	return errors.Join(s.db.Flush(), s.bulkDB.Flush()) // which begins logs whose damage can be told (see wal.go)
}

// wrongMaster says what err means when the master key is not the right one.
func (s *Store) wrongMaster(err error) error {
	if errors.Is(err, seal.ErrWrongMaster) && s.dir != nil {
		return fmt.Errorf("the master key %s is not that of the data directory %s: %w", s.dir.keyFile, s.options.Dir, err)
	}
	return fmt.Errorf("open %s: %w", s.options.Dir, err)
}

// RotateMaster replaces the master key by a new one, which wraps all data keys
// from now on, and returns the file that the old one is kept in: backups that
// were taken before need it. What is sealed is not sealed anew, and what was
// derived (see Derive) stays.
func (s *Store) RotateMaster() (old string, err error) {
	if s.dir == nil {
		return "", errors.New("a store in memory keeps no master key")
	}
	s.copying.Lock()
	defer s.copying.Unlock()
	next := seal.NewMasterKey()
	if err := next.WriteFile(s.dir.keyFile + nextSuffix); err != nil {
		return "", err
	}
	keys, err := s.dataKeys()
	if err == nil {
		keys, err = seal.Rewrap(keys, s.master, next)
	}
	if err != nil {
		return "", err
	}
	if err := errors.Join(putDataKeys(s.db, keys), putDataKeys(s.bulkDB, keys)); err != nil {
		return "", err
	}
	s.dir.next, s.master = next, next
	return s.dir.replaceMaster()
}

// dataKeys returns the wrapped data keys of both databases, as far as they can
// be read.
func (s *Store) dataKeys() (map[uint32][]byte, error) {
	keys := map[uint32][]byte{}
	return keys, errors.Join(readDataKeys(s.db, keys), readDataKeys(s.bulkDB, keys))
}

func readDataKeys(db *pebble.DB, keys map[uint32][]byte) error {
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: []byte{spaceMeta, 'k'}, UpperBound: []byte{spaceMeta, 'k' + 1}})
	if err != nil {
		return err
	}
	for it.First(); it.Valid() && err == nil; it.Next() {
		var wrapped []byte
		if wrapped, err = openRecord(nil, it.Key(), it.Value()); err == nil {
			keys[binary.BigEndian.Uint32(it.Key()[2:])] = wrapped
		}
	}
	return errors.Join(err, it.Close())
}

// putDataKeys writes those of the keys that db does not have.
func putDataKeys(db *pebble.DB, keys map[uint32][]byte) error {
	has := map[uint32][]byte{}
	if err := readDataKeys(db, has); err != nil {
		return err
	}
	batch := db.NewBatch()
	defer batch.Close()
	for id, wrapped := range keys {
		if bytes.Equal(has[id], wrapped) {
			continue
		}
		record := make([]byte, clearSize(wrapped))
		putClear(record, dataKeyKey(id), wrapped)
		if err := batch.Set(dataKeyKey(id), record, nil); err != nil {
			return err
		}
	}
	return batch.Commit(pebble.Sync)
}

// fail ends the process, or tells the test that asked for it, after which the
// store refuses everything.
func (s *Store) fail(err error) {
	if s.options.Fatal == nil {
		s.options.Logger.Error("the store failed; exiting so that the next start recovers what was acknowledged", "err", err.Error())
		os.Exit(1)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed != nil {
		return
	}
	s.failed = err
	s.options.Fatal(err)
	s.loseShards()
	for _, l := range []*log{s.log, s.bulkLog} {
		if l != nil { // it is when the store is open
			l.abandon(err)
		}
	}
}

// loseShards needs s.mu.
func (s *Store) loseShards() {
	for i, shard := range s.shards {
		if shard != nil {
			s.shards[i] = nil
			close(shard.done)
		}
	}
}

// Derive returns a 32-byte secret of this store for one purpose. It is the
// same after a restart and with another master key, and dies with that.
func (s *Store) Derive(purpose string) []byte {
	if s.root == nil {
		return seal.NewMasterKey().Derive(purpose) // to be read only, and good for nothing
	}
	return s.root.Derive(purpose)
}

// Seal encrypts a field of a catalog record; place names the record and field
// and must be given again to Unseal.
func (s *Store) Seal(plain []byte, place string) []byte {
	return s.sealer.Seal(nil, plain, []byte(place))
}

// Unseal returns what Seal was given, or seal.ErrCorrupt.
func (s *Store) Unseal(sealed []byte, place string) ([]byte, error) {
	return s.sealer.Open(sealed, []byte(place))
}

// Catalog returns the store's catalog.
func (s *Store) Catalog() *Catalog { return s.catalog }

// Blobs returns the store's content-addressed files.
func (s *Store) Blobs() *Blobs { return s.blobs }

// Settle waits until all catalog changes made so far are durable. A reply that
// rests on what the catalog says leaves after it.
func (s *Store) Settle(context.Context) error { return s.catalog.position().Wait() }

// Close commits what was appended and closes the files. Owners of shards
// should have stopped appending.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.loseShards()
	failed := s.failed
	s.mu.Unlock()
	if failed != nil {
		return failed // the database may hang; its files are left as after a crash
	}
	s.log.close(ErrClosed)
	s.bulkLog.close(ErrClosed)
	close(s.bulk.done)
	return s.closeFiles()
}

func (s *Store) closeFiles() error {
	var errs []error
	for _, db := range []*pebble.DB{s.db, s.bulkDB} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	if s.cache != nil {
		s.cache.Unref()
	}
	if s.dir != nil {
		errs = append(errs, s.dir.close())
	}
	return errors.Join(errs...)
}
