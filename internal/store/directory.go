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

	"naru/internal/seal"
)

// The files of a data directory that are not the database's. The marker is
// written last when a directory is made, so that one without it is either
// foreign or was never used.
const (
	markerFile    = "NARU"
	markerText    = "naru data directory, format 1\n"
	lockFile      = "LOCK"
	masterKeyFile = "master.key"
)

// directory is a data directory that this process holds the lock of.
type directory struct {
	lock   *os.File
	master *seal.MasterKey
}

// openDirectory locks the data directory at path, making it first if need be,
// and reads its master key from keyFile, or from the directory if that is "".
func openDirectory(path, keyFile string) (*directory, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("the data directory cannot be made: %w", err)
	}
	lock, err := lockDirectory(path)
	if err != nil {
		return nil, err
	}
	d := &directory{lock: lock}
	if keyFile == "" {
		keyFile = filepath.Join(path, masterKeyFile)
	}
	if err := d.identify(path, keyFile); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

func lockDirectory(path string) (*os.File, error) {
	name := filepath.Join(path, lockFile)
	if err := refuseForeign(path); err != nil {
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
func (d *directory) identify(path, keyFile string) error {
	marker := filepath.Join(path, markerFile)
	_, err := os.Stat(marker)
	isNew := errors.Is(err, fs.ErrNotExist)
	d.master, err = seal.ReadMasterKey(keyFile)
	if errors.Is(err, fs.ErrNotExist) && !isNew {
		return fmt.Errorf("the master key %s of the data directory %s is missing: without it nothing in there can be read", keyFile, path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		d.master = seal.NewMasterKey()
		err = d.master.WriteFile(keyFile)
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

func (d *directory) close() error { return d.lock.Close() }
