package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// quarantineFolder holds what Mend has set aside, each time in a folder of its
// own, with a report in words.
const (
	quarantineFolder = "quarantine"
	reportFile       = "REPORT"

	partialSuffix = ".partial" // a database that is being copied
	mendedSuffix  = ".mended"  // one that was, and is to take the damaged one's place
)

// mendedBatch is how many bytes are copied at a time.
const mendedBatch = 4 << 20

// Mend sets aside what Examine finds to be damaged in the data directory, so
// that the rest can be used, and returns the folder that it is in; "" if
// nothing is damaged. A damaged database is replaced by a new one with all that
// can be read of it (see salvage), and set aside whole: so that needs as much
// space again. Nothing else may have the directory open.
func Mend(options Options) (folder string, err error) {
	options.ReadOnly = true
	if err := finishMending(options.Dir); err != nil {
		return "", err
	}
	folder = filepath.Join(options.Dir, quarantineFolder, time.Now().UTC().Format("20060102T150405.000Z"))
	s, cut, err := openCutting(options, folder)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if isBackup(options.Dir) {
		return "", fmt.Errorf("%s is a backup, which is not to be changed", options.Dir)
	}
	r := s.Examine()
	r.Faults = append(cut, r.Faults...)
	if len(r.Faults) == 0 {
		return "", nil
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", err
	}
	if err := writeReport(folder, r); err != nil {
		return folder, err
	}
	if len(r.damage) > 0 {
		if err := s.Close(); err != nil {
			return folder, err
		}
		for name := range r.damage {
			if err := flushLogs(options, name); err != nil {
				return folder, err
			}
		}
		again, err := Open(options)
		if err != nil {
			return folder, err
		}
		s = again
	}
	for name := range r.damage {
		if err := s.mendDatabase(name, folder); err != nil {
			return folder, fmt.Errorf("%s: %w", name, err)
		}
	}
	for _, name := range r.blobs {
		if err := os.Rename(filepath.Join(options.Dir, blobFolder, name), filepath.Join(folder, name)); err != nil {
			return folder, err
		}
	}
	return folder, nil
}

// openCutting opens the store. Where a write-ahead log is damaged it is cut,
// and the logs after it are taken away, so that the database is as it was
// before the damaged part was written; all of them are set aside first.
func openCutting(options Options, folder string) (*Store, []Fault, error) {
	var cut []Fault
	for {
		s, err := Open(options)
		var wal *walError
		if !errors.As(err, &wal) {
			return s, cut, err
		}
		if isBackup(options.Dir) {
			return nil, nil, err
		}
		if err := cutWAL(options.Dir, folder, wal); err != nil {
			return nil, nil, err
		}
		cut = append(cut, Fault{wal.file, wal})
	}
}

func cutWAL(dir, folder string, wal *walError) error {
	name := filepath.Dir(wal.file)
	aside := filepath.Join(folder, name+"-logs")
	if err := os.MkdirAll(aside, 0o700); err != nil {
		return err
	}
	logs, err := walFiles(vfs.Default, filepath.Join(dir, name))
	if err != nil {
		return err
	}
	for _, log := range logs {
		path := filepath.Join(dir, name, log)
		if walNumber(log) < walNumber(filepath.Base(wal.file)) {
			continue
		}
		if err := vfs.Copy(vfs.Default, path, filepath.Join(aside, log)); err != nil {
			return err
		}
		if filepath.Join(name, log) != wal.file {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	f, err := os.OpenFile(filepath.Join(dir, wal.file), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(wal.good), f.Sync(), f.Close(), syncDir(vfs.Default, filepath.Join(dir, name)))
}

func writeReport(folder string, r *Report) error {
	var text strings.Builder
	for _, f := range r.Faults {
		fmt.Fprintln(&text, f)
	}
	return os.WriteFile(filepath.Join(folder, reportFile), []byte(text.String()), 0o600)
}

// mendDatabase replaces a database by a new one with what can be read of it.
func (s *Store) mendDatabase(name, folder string) error {
	partial, mended := s.path(name+partialSuffix), s.path(name+mendedSuffix)
	if err := os.RemoveAll(partial); err != nil {
		return err
	}
	if err := s.copyDatabase(name, name+partialSuffix); err != nil {
		return err
	}
	for _, move := range [][2]string{{partial, mended}, {s.path(name), filepath.Join(folder, name)}, {mended, s.path(name)}} {
		if err := os.Rename(move[0], move[1]); err != nil {
			return err
		}
		if err := errors.Join(syncDir(vfs.Default, s.options.Dir), syncDir(vfs.Default, folder)); err != nil {
			return err
		}
	}
	return nil
}

// copyDatabase makes a new database of what can be read of another.
func (s *Store) copyDatabase(from, to string) (err error) {
	source := map[string]*pebble.DB{mainFolder: s.db, bulkFolder: s.bulkDB}[from]
	target, err := s.openDB(to, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	if err := s.salvage(from, source, target); err != nil {
		return err
	}
	batch := target.NewBatch()
	err = walk(target, nil, func(key, record []byte, err error) error {
		if err == nil && s.sound(key, record) == nil {
			return nil
		}
		return batch.Delete(key, nil) // it is set aside
	})
	if err == nil && from == mainFolder {
		err = s.skipIDs(target, batch)
	}
	return errors.Join(err, batch.Commit(pebble.Sync), target.Flush())
}

// skipIDs sees to it that no id is given out that was before, although nobody
// may know any more which those were.
func (s *Store) skipIDs(db *pebble.DB, batch *pebble.Batch) error {
	key := append([]byte{spaceCatalog}, idsTable+"\x00"+idsKey...)
	var last uint64
	record, closer, err := db.Get(key)
	if err == nil {
		if text, err := openRecord(s.sealer, key, record); err == nil {
			_ = json.Unmarshal(text, &last) // else it is 0
		}
		err = closer.Close()
	} else if errors.Is(err, pebble.ErrNotFound) {
		err = nil
	}
	text := strconv.AppendUint(nil, last+1<<32, 10)
	fresh := make([]byte, clearSize(text))
	putClear(fresh, key, text)
	return errors.Join(err, batch.Set(key, fresh, nil))
}

// flushLogs brings what stands in the write-ahead logs of a data directory
// into tables.
func flushLogs(options Options, name string) error {
	s := &Store{options: options, fs: vfs.Default}
	s.options.ReadOnly, s.options.Logger = false, slog.New(slog.DiscardHandler)
	s.cache = pebble.NewCache(usualCache)
	defer s.cache.Unref()
	db, err := s.openDB(name, false)
	if err != nil {
		return err
	}
	return errors.Join(db.Flush(), db.Close())
}

// finishMending does the last step of a mending that a crash has interrupted
// before it.
func finishMending(dir string) error {
	for _, name := range []string{mainFolder, bulkFolder} {
		if !halfMended(dir, name) {
			continue
		}
		if err := os.Rename(filepath.Join(dir, name+mendedSuffix), filepath.Join(dir, name)); err != nil {
			return err
		}
		if err := syncDir(vfs.Default, dir); err != nil {
			return err
		}
	}
	return nil
}
