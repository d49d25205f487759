package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"naru/internal/seal"
)

// The files of a data directory that are not the database's. The marker is
// written last when a directory is made, so that one without it is either
// foreign or was never used.
const (
	markerFile    = "NARU"
	markerText    = "naru data directory, format 1\n"
	backupText    = "naru backup, format 1\n"
	lockFile      = "LOCK"
	masterKeyFile = "master.key"
)

// The databases, by their folders.
const (
	mainFolder = "db"
	bulkFolder = "bulk"
	blobFolder = "blobs"
)

// directory is a data directory that this process holds the lock of.
type directory struct {
	lock    *os.File
	keyFile string
	master  *seal.MasterKey
	next    *seal.MasterKey // that was to replace it when Naru was interrupted
}

// nextSuffix is of the file of a master key that is about to replace another.
const nextSuffix = ".new"

// readNext reads the key that is to replace the master key, if there is one.
func (d *directory) readNext() (err error) {
	if d.next, err = seal.ReadMasterKey(d.keyFile + nextSuffix); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// replaceMaster puts the next master key in the place of the present one, which
// is kept beside it, and returns the file that it is in.
func (d *directory) replaceMaster() (old string, err error) {
	old = d.keyFile + ".old-" + d.master.Name()
	if err := os.Link(d.keyFile, old); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	if err := os.Rename(d.keyFile+nextSuffix, d.keyFile); err != nil {
		return "", err
	}
	d.master, d.next = d.next, nil
	return old, syncDir(vfs.Default, filepath.Dir(d.keyFile))
}

// openDirectory locks the data directory at path, making it first if need be,
// and reads its master key from keyFile, or from the directory if that is "".
func openDirectory(path, keyFile string, readOnly bool) (*directory, error) {
	if readOnly {
		return openToRead(path, keyFile)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("the data directory cannot be made: %w", err)
	}
	lock, err := lockDirectory(path)
	if err != nil {
		return nil, err
	}
	d := &directory{lock: lock, keyFile: keyFileOf(path, keyFile)}
	if isBackup(path) {
		return nil, errors.Join(fmt.Errorf("%s is a backup, which naru restore makes a data directory of", path), d.close())
	}
	if err := d.identify(path); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

// openToRead locks a data directory or backup that exists. The master key may
// be missing.
func openToRead(path, keyFile string) (*directory, error) {
	if _, err := os.Stat(filepath.Join(path, markerFile)); err != nil {
		return nil, fmt.Errorf("%s is no Naru data directory, and no backup that was completed", path)
	}
	lock, err := lockDirectory(path)
	if err != nil {
		return nil, err
	}
	d := &directory{lock: lock, keyFile: keyFileOf(path, keyFile)}
	if d.master, err = seal.ReadMasterKey(d.keyFile); errors.Is(err, fs.ErrNotExist) && keyFile == "" {
		return d, nil
	}
	if err == nil {
		err = d.readNext()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the master key: %w", err), d.close())
	}
	return d, nil
}

// Exists reports whether there is a data directory at path.
func Exists(path string) bool {
	marker, err := os.ReadFile(filepath.Join(path, markerFile))
	return err == nil && string(marker) != backupText
}

// isBackup reports whether the directory at path is a backup.
func isBackup(path string) bool {
	marker, err := os.ReadFile(filepath.Join(path, markerFile))
	return err == nil && string(marker) == backupText
}

func keyFileOf(path, keyFile string) string {
	if keyFile == "" {
		return filepath.Join(path, masterKeyFile)
	}
	return keyFile
}

func lockDirectory(path string) (*os.File, error) {
	name := filepath.Join(path, lockFile)
	if err := refuseForeign(path); err != nil && !isBackup(path) {
		return nil, err
	}
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the data directory cannot be written: %w", err)
	}
	for end := time.Now().Add(lockPatience); ; {
		if err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err == nil {
			return f, nil
		}
		if time.Now().After(end) {
			f.Close()
			return nil, fmt.Errorf("the data directory %s is in use by another process", path)
		}
		time.Sleep(lockPatience / 100)
	}
}

// lockPatience is how long a new process waits for the lock: of one that was
// killed, a child that it was just starting may hold it for a moment longer.
const lockPatience = time.Second

// refuseForeign fails when the directory holds something and has no marker.
func refuseForeign(path string) error {
	entries, err := os.ReadDir(path)
	if err != nil {
		return fmt.Errorf("the data directory cannot be read: %w", err)
	}
	marker, err := os.ReadFile(filepath.Join(path, markerFile))
	switch {
	case err == nil && string(marker) == markerText:
		return nil
	case err == nil:
		return fmt.Errorf("the data directory %s has a format that this version does not know: %s", path, strings.TrimSpace(string(marker)))
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the data directory cannot be read: %w", err)
	}
	for _, e := range entries {
		if !slices.Contains([]string{lockFile, masterKeyFile, markerFile + ".new"}, e.Name()) {
			return fmt.Errorf("%s is not a Naru data directory: it holds %s", path, e.Name())
		}
	}
	return nil
}

// identify reads the master key, or makes one for a directory without marker,
// and then writes the marker.
func (d *directory) identify(path string) error {
	marker := filepath.Join(path, markerFile)
	_, err := os.Stat(marker)
	isNew := errors.Is(err, fs.ErrNotExist)
	for _, name := range []string{mainFolder, bulkFolder} {
		if halfMended(path, name) {
			return fmt.Errorf("the data directory %s is being mended: naru check --quarantine was interrupted, and must be run again", path)
		}
	}
	d.master, err = seal.ReadMasterKey(d.keyFile)
	if errors.Is(err, fs.ErrNotExist) && !isNew {
		return fmt.Errorf("the master key %s of the data directory %s is missing: without it nothing in there can be read", d.keyFile, path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		d.master = seal.NewMasterKey()
		err = d.master.WriteFile(d.keyFile)
	}
	if err == nil {
		err = d.readNext()
	}
	if err != nil {
		return fmt.Errorf("the master key: %w", err)
	}
	if !isNew {
		return nil
	}
	if err := os.WriteFile(marker+".new", []byte(markerText), 0o600); err != nil {
		return err
	}
	return os.Rename(marker+".new", marker)
}

// halfMended reports whether a database was set aside and the one that is to
// take its place (see Mend) is not there yet.
func halfMended(path, name string) bool {
	_, err := os.Stat(filepath.Join(path, name))
	_, mended := os.Stat(filepath.Join(path, name+mendedSuffix))
	return errors.Is(err, fs.ErrNotExist) && mended == nil
}

func (d *directory) close() error { return d.lock.Close() }
