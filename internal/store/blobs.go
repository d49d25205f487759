package store

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Blobs keeps files by the SHA-256 of what they hold: function code, for
// instance. A blob never changes; storing the same bytes again stores nothing.
type Blobs struct {
	fs  vfs.FS
	dir string
}

// make makes the folder.
func (b *Blobs) make() error {
	if err := b.fs.MkdirAll(b.dir, 0o700); err != nil {
		return fmt.Errorf("store: blobs: %w", err)
	}
	return syncDir(b.fs, b.fs.PathDir(b.dir))
}

// Sum is a blob's name: the lower-case hexadecimal SHA-256 of its bytes.
type Sum string

// SumOf returns the name that content has as a blob.
func SumOf(content []byte) Sum {
	sum := sha256.Sum256(content)
	return Sum(hex.EncodeToString(sum[:]))
}

func (b *Blobs) path(sum Sum) string { return b.fs.PathJoin(b.dir, string(sum)) }

// Put stores content and returns once it is on disk.
func (b *Blobs) Put(content []byte) (Sum, error) {
	sum := SumOf(content)
	if _, err := b.fs.Stat(b.path(sum)); err == nil {
		return sum, b.syncDir() // whoever put it may not have got that far
	}
	temporary := b.path(sum) + "." + rand.Text() + ".new"
	if err := b.write(temporary, content); err != nil {
		return "", errors.Join(fmt.Errorf("store: blob %s: %w", sum, err), b.fs.Remove(temporary))
	}
	if err := b.fs.Rename(temporary, b.path(sum)); err != nil {
		return "", fmt.Errorf("store: blob %s: %w", sum, err)
	}
	return sum, b.syncDir()
}

func (b *Blobs) write(path string, content []byte) error {
	f, err := b.fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Sync(), f.Close())
}

func (b *Blobs) syncDir() error { return syncDir(b.fs, b.dir) }

// syncDir makes sure that what was created and renamed in the directory at
// path is found there after a crash.
func syncDir(fs vfs.FS, path string) error {
	dir, err := fs.OpenDir(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Get returns the bytes of a blob, or a CorruptError when they are not those
// that its name says.
func (b *Blobs) Get(sum Sum) ([]byte, error) {
	f, err := b.fs.Open(b.path(sum))
	if err != nil {
		return nil, fmt.Errorf("store: blob %s: %w", sum, err)
	}
	content, err := io.ReadAll(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("store: blob %s: %w", sum, err)
	}
	if SumOf(content) != sum {
		return nil, &CorruptError{[]byte(b.path(sum)), "its content has another SHA-256"}
	}
	return content, nil
}

// Sweep removes the blobs, and what an interrupted Put left, that keep does
// not want. Nothing may be put meanwhile.
func (b *Blobs) Sweep(keep func(Sum) bool) error {
	names, err := b.fs.List(b.dir)
	if err != nil {
		return fmt.Errorf("store: blobs: %w", err)
	}
	for _, name := range names {
		if keep(Sum(name)) {
			continue
		}
		if err := b.fs.Remove(b.fs.PathJoin(b.dir, name)); err != nil {
			return fmt.Errorf("store: blobs: %w", err)
		}
	}
	return nil
}
