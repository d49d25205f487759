package store

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable/block"
)

// formatVersion is pebble's format for new stores. An existing store is raised
// to it only here, by a change that docs/KEYS.md notes.
const formatVersion = pebble.FormatNewest

// A message that is deleted while it is still in the memtable never gets to a
// table. A memtable of 32 MiB holds some 25,000 of 1 KiB, far more than a queue
// that is kept up with; a larger one makes memory, the logs and a restart larger
// in proportion and wins little (docs/PERFORMANCE.md).
const (
	usualMemTable = 32 << 20
	usualCache    = 32 << 20

	// bulkShare is which part of the memtable's size the bulk database has.
	bulkShare = 4
)

// openDB opens one of the databases, or makes it.
func (s *Store) openDB(name string, readOnly bool) (*pebble.DB, error) {
	memTable := cmp.Or(s.options.MemTable, usualMemTable)
	if name == bulkFolder {
		memTable /= bulkShare
	}
	o := &pebble.Options{
		FS:                 s.fs,
		FormatMajorVersion: formatVersion,
		ReadOnly:           readOnly,
		ErrorIfNotExists:   readOnly,
		Cache:              s.cache,
		MemTableSize:       memTable,
		Logger:             pebbleLogger{s.options.Logger, s.fail},
		EventListener:      &pebble.EventListener{PossibleAPIMisuse: s.misuse, DataCorruption: s.corruption, BackgroundError: s.trouble},
	}
	if name == mainFolder {
		o.Experimental.SpanPolicyFunc = s.endOfTable
	}
	s.tune(o)
	err := checkWAL(s.fs, s.path(name))
	var db *pebble.DB
	if err == nil {
		db, err = pebble.Open(s.path(name), o)
	}
	if err != nil {
		return nil, &brokenError{s.path(name), err}
	}
	return db, nil
}

// compression is fast, and is tried on every tenth block only where it has not
// gained anything lately: keys and headers are worth it, bodies are encrypted.
// What pebble does instead is what it does with other blocks, which therefore are
// not compressed at all. The name stays one that pebble knows.
var compression = func() *block.CompressionProfile {
	p := *block.FastestCompression
	p.OtherBlocks = block.NoCompression.OtherBlocks
	p.AdaptiveReductionCutoffPercent = p.MinReductionPercent
	return &p
}()

// tune sets what a queue needs otherwise than pebble has it. docs/PERFORMANCE.md
// says what was measured, also of what is not here.
func (s *Store) tune(o *pebble.Options) {
	// Most of what is compacted from the first level early is deleted soon
	// anyway, and the tables there hardly overlap, since bodies and headers come
	// in the order of time: with twice as many before a compaction begins, it
	// writes a seventh (messages of 1 KiB) to nine tenths (200 B) as much.
	o.L0CompactionThreshold = 8
	// A commit does not wait for a compaction, nor soon for a flush.
	o.L0StopWritesThreshold = 64
	o.MemTableStopWritesThreshold = 4
	o.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.UniformDBCompressionSettings(compression) })
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	if s.options.NoTicker {
		o.Experimental.CompactionScheduler = pebble.NewConcurrencyLimitSchedulerWithNoPeriodicGrantingForTest()
		return
	}
	// A queue that was purged or deleted gives its room back, also when nothing
	// is written after that.
	o.FlushDelayDeleteRange = 10 * time.Second
}

func (s *Store) misuse(info pebble.PossibleAPIMisuseInfo) {
	s.options.Logger.Error("a key was deleted in a way that its history does not allow", "info", info.String())
	if s.options.Misuse != nil {
		s.options.Misuse(info.String())
	}
}

// corruption is told of a part of a file that cannot be read. Whoever reads it
// gets the error; what else there is can be used.
func (s *Store) corruption(info pebble.DataCorruptionInfo) {
	s.options.Logger.Error("a file of the database is damaged; naru check tells more", "file", info.Path, "err", info.Details.Error())
}

// trouble is told of what the database could not do behind the scenes, and
// tries again at once and for ever: on a full disk that is a thousand times a
// second, unless it is kept waiting. While the store is being opened there is
// nobody who could wait for room.
func (s *Store) trouble(err error) {
	full := errors.Is(err, syscall.ENOSPC)
	s.mu.Lock()
	opening, tell := s.blobs == nil, time.Since(s.troubled) > time.Minute
	if tell {
		s.troubled = time.Now()
	}
	s.mu.Unlock()
	switch {
	case full && opening:
		s.fail(fmt.Errorf("there is no room to open the database: %w", err))
	case full:
		time.Sleep(100 * time.Millisecond)
	}
	if tell {
		s.options.Logger.Error("the database has trouble and tries again", "err", err.Error())
	}
}

// pebbleLogger passes the database's words on. After Fatalf pebble must not go
// on: a commit that it acknowledges then was not written.
type pebbleLogger struct {
	log  *slog.Logger
	fail func(error)
}

func (l pebbleLogger) Infof(format string, args ...any) {
	l.log.Debug("database: " + fmt.Sprintf(format, args...))
}

func (l pebbleLogger) Errorf(format string, args ...any) {
	l.log.Error("database: " + fmt.Sprintf(format, args...))
}

func (l pebbleLogger) Fatalf(format string, args ...any) {
	l.fail(fmt.Errorf("database: "+format, args...))
	select {}
}
