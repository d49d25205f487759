package store

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// A backup is a directory like a data directory, with a marker that says so,
// written last, and a manifest:
//
//	NARU       "naru backup, format 1"
//	MANIFEST   JSON: when it was taken, and of each file its size and SHA-256
//	db/ bulk/ blobs/
//	master.key root.credentials    unless they were to be left out, or live elsewhere
const (
	manifestFile = "MANIFEST"

	// snapshotFolder holds, while a backup is copied, links to the files that
	// belong to it.
	snapshotFolder = "snapshot"
)

// keyFiles are copied into a backup only if that is wanted.
var keyFiles = []string{masterKeyFile, "root.credentials"}

// A Manifest says what a backup holds.
type Manifest struct {
	Format int            `json:"format"`
	Taken  time.Time      `json:"taken"`
	Files  []ManifestFile `json:"files"`
}

// ManifestFile is a file of a backup.
type ManifestFile struct {
	Path   string `json:"path"` // relative, with slashes
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Size returns how many bytes the files have together.
func (m Manifest) Size() (n int64) {
	for _, f := range m.Files {
		n += f.Size
	}
	return n
}

// Backup makes dir, which does not exist or is empty, a backup of the store as
// it is at one moment after the call began. Everything acknowledged before is in
// it. Commits wait for that moment only; the files are copied behind it. The
// key files are left out if keys is false.
func (s *Store) Backup(dir string, keys bool) (m Manifest, err error) {
	if !s.copying.TryLock() {
		return m, errors.New("another backup is being taken")
	}
	defer s.copying.Unlock()
	c := copier{fs: s.fs, to: dir, manifest: Manifest{Format: 1, Taken: time.Now().UTC().Truncate(time.Second)}}
	if err := c.makeEmpty(s.options.Dir); err != nil {
		return m, err
	}
	defer func() {
		err = errors.Join(err, s.removeSnapshot())
		if err != nil {
			err = errors.Join(err, s.fs.RemoveAll(dir))
		}
	}()
	if err := s.snapshot(); err != nil {
		return m, fmt.Errorf("the databases cannot be copied: %w", err)
	}
	for _, name := range []string{mainFolder, bulkFolder, blobFolder} {
		if err := c.folder(s.fs.PathJoin(s.path(snapshotFolder), name), name); err != nil {
			return m, err
		}
	}
	if keys {
		if err := c.keys(s.options.Dir); err != nil {
			return m, err
		}
	}
	return c.manifest, c.finish(backupText)
}

func (s *Store) removeSnapshot() error {
	if s.options.ReadOnly {
		return nil
	}
	if _, err := s.fs.Stat(s.path(snapshotFolder)); err != nil {
		return nil // nothing is there
	}
	return s.fs.RemoveAll(s.path(snapshotFolder))
}

// snapshot links the files of both databases and the blobs, as they are between
// two commits, into the snapshot's folder. Flushing first leaves little of the
// write-ahead logs, which are copied, for the time in which commits wait.
func (s *Store) snapshot() error {
	if err := errors.Join(s.removeSnapshot(), s.fs.MkdirAll(s.path(snapshotFolder), 0o700)); err != nil {
		return err
	}
	if err := errors.Join(s.db.Flush(), s.bulkDB.Flush()); err != nil {
		return err
	}
	for _, l := range []*log{s.log, s.bulkLog} {
		l.busy.Lock()
		defer l.busy.Unlock()
	}
	for name, db := range map[string]*pebble.DB{mainFolder: s.db, bulkFolder: s.bulkDB} {
		if err := db.Checkpoint(s.fs.PathJoin(s.path(snapshotFolder), name), pebble.WithFlushedWAL()); err != nil {
			return err
		}
	}
	return s.linkBlobs(s.fs.PathJoin(s.path(snapshotFolder), blobFolder))
}

func (s *Store) linkBlobs(to string) error {
	names, err := s.fs.List(s.path(blobFolder))
	if err := errors.Join(err, s.fs.MkdirAll(to, 0o700)); err != nil {
		return err
	}
	for _, name := range names {
		if len(name) != sha256.Size*2 {
			continue // not complete yet
		}
		if err := vfs.LinkOrCopy(s.fs, s.blobs.path(Sum(name)), s.fs.PathJoin(to, name)); err != nil {
			return err
		}
	}
	return nil
}

// A copier copies files into a directory, and keeps a manifest of them.
type copier struct {
	fs       vfs.FS
	to       string
	manifest Manifest
}

// makeEmpty makes the directory, which is to hold nothing yet and not to be a
// part of the data directory.
func (c *copier) makeEmpty(data string) error {
	if data != "" && (c.to == data || strings.HasPrefix(c.to, strings.TrimSuffix(data, "/")+"/")) {
		return fmt.Errorf("%s is in the data directory", c.to)
	}
	if err := c.fs.MkdirAll(c.to, 0o700); err != nil {
		return err
	}
	names, err := c.fs.List(c.to)
	if err == nil && len(names) > 0 {
		err = fmt.Errorf("%s is not empty", c.to)
	}
	return err
}

// folder copies the files in from, which has no folders in it.
func (c *copier) folder(from, name string) error {
	if err := c.fs.MkdirAll(c.fs.PathJoin(c.to, name), 0o700); err != nil {
		return err
	}
	files, err := c.fs.List(from)
	if err != nil {
		return err
	}
	slices.Sort(files)
	for _, file := range files {
		if file == "LOCK" {
			continue // the database's own
		}
		if err := c.file(c.fs.PathJoin(from, file), name+"/"+file); err != nil {
			return err
		}
	}
	return syncDir(c.fs, c.fs.PathJoin(c.to, name))
}

// keys copies the key files that there are in the data directory.
func (c *copier) keys(data string) error {
	for _, name := range keyFiles {
		from := c.fs.PathJoin(data, name)
		if _, err := c.fs.Stat(from); err != nil {
			continue // it lives elsewhere, or is not needed
		}
		if err := c.file(from, name); err != nil {
			return err
		}
	}
	return nil
}

// file copies one file, durably.
func (c *copier) file(from, path string) error {
	sum := sha256.New()
	source, err := c.fs.Open(from)
	if err != nil {
		return err
	}
	target, err := c.fs.Create(c.fs.PathJoin(c.to, filepath.FromSlash(path)), vfs.WriteCategoryUnspecified)
	if err != nil {
		return errors.Join(err, source.Close())
	}
	n, err := io.Copy(io.MultiWriter(target, sum), source)
	if err := errors.Join(err, target.Sync(), target.Close(), source.Close()); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	c.manifest.Files = append(c.manifest.Files, ManifestFile{path, n, hex.EncodeToString(sum.Sum(nil))})
	return c.protect(path)
}

// protect keeps key files from others, where files have an owner.
func (c *copier) protect(path string) error {
	if c.fs != vfs.Default || !slices.Contains(keyFiles, path) {
		return nil
	}
	return os.Chmod(filepath.Join(c.to, path), 0o600)
}

// finish writes the manifest, if it is a backup that was made, and the marker.
func (c *copier) finish(marker string) error {
	text, err := json.MarshalIndent(c.manifest, "", " ")
	if err != nil {
		return err
	}
	if marker == backupText {
		err = c.write(manifestFile, text)
	}
	if err := errors.Join(err, syncDir(c.fs, c.to)); err != nil {
		return err
	}
	return errors.Join(c.write(markerFile, []byte(marker)), syncDir(c.fs, c.to))
}

func (c *copier) write(name string, text []byte) error {
	f, err := c.fs.Create(c.fs.PathJoin(c.to, name), vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}

// BackupClosed is Store.Backup of a data directory that no process has open.
func BackupClosed(data, dir string, keys bool) (m Manifest, err error) {
	d, err := openToRead(data, "")
	if err != nil {
		return m, err
	}
	defer d.close()
	if isBackup(data) {
		return m, fmt.Errorf("%s is a backup itself", data)
	}
	c := copier{fs: vfs.Default, to: dir, manifest: Manifest{Format: 1, Taken: time.Now().UTC().Truncate(time.Second)}}
	if err := c.makeEmpty(data); err != nil {
		return m, err
	}
	for _, name := range []string{mainFolder, bulkFolder, blobFolder} {
		err = errors.Join(err, c.folder(filepath.Join(data, name), name))
	}
	if keys {
		err = errors.Join(err, c.keys(data))
	}
	if err == nil {
		err = c.finish(backupText)
	}
	if err != nil {
		return m, errors.Join(err, os.RemoveAll(dir))
	}
	return c.manifest, nil
}

// ReadManifest reads the manifest of the backup at dir.
func ReadManifest(dir string) (m Manifest, err error) {
	if !isBackup(dir) {
		return m, fmt.Errorf("%s is no backup of Naru that was completed", dir)
	}
	text, err := os.ReadFile(filepath.Join(dir, manifestFile))
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if err == nil && m.Format != 1 {
		err = fmt.Errorf("its format %d is unknown", m.Format)
	}
	if err != nil {
		return m, fmt.Errorf("the manifest of the backup %s: %w", dir, err)
	}
	return m, nil
}

// Restore makes dir, which does not exist or is empty, the data directory that
// the backup holds. It fails when a file of the backup is not what it was when
// it was taken.
func Restore(backup, dir string) (m Manifest, err error) {
	if m, err = ReadManifest(backup); err != nil {
		return m, err
	}
	c := copier{fs: vfs.Default, to: dir}
	if err := c.makeEmpty(backup); err != nil {
		return m, err
	}
	if err := c.restore(m, backup); err != nil {
		return m, errors.Join(err, os.RemoveAll(dir))
	}
	return m, nil
}

func (c *copier) restore(m Manifest, backup string) error {
	for _, name := range []string{mainFolder, bulkFolder, blobFolder} {
		if err := c.fs.MkdirAll(filepath.Join(c.to, name), 0o700); err != nil {
			return err
		}
	}
	for _, f := range m.Files {
		if !filepath.IsLocal(filepath.FromSlash(f.Path)) {
			return fmt.Errorf("the manifest names %q", f.Path)
		}
		if err := c.file(filepath.Join(backup, filepath.FromSlash(f.Path)), f.Path); err != nil {
			return err
		}
		if got := c.manifest.Files[len(c.manifest.Files)-1]; got != f {
			return fmt.Errorf("the backup is damaged: %s is not what it was when the backup was taken", f.Path)
		}
	}
	for _, name := range []string{mainFolder, bulkFolder, blobFolder} {
		if err := syncDir(c.fs, filepath.Join(c.to, name)); err != nil {
			return err
		}
	}
	return c.finish(markerText)
}

// VerifyBackup returns what of a backup is not what it was when it was taken.
func VerifyBackup(dir string) (faults []Fault, err error) {
	m, err := ReadManifest(dir)
	for _, f := range m.Files {
		content, err := sumFile(filepath.Join(dir, filepath.FromSlash(f.Path)))
		if err == nil && content != f.SHA256 {
			err = errors.New("its content is not what it was when the backup was taken")
		}
		if err != nil {
			faults = append(faults, Fault{Place: f.Path, Err: err})
		}
	}
	return faults, err
}

func sumFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	_, err = io.Copy(sum, f)
	return hex.EncodeToString(sum.Sum(nil)), err
}
