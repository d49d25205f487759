package runtimeapi

import (
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// runtimes are the runtimes that Naru brings along, in a folder each.
//
//go:embed node python ruby
var runtimes embed.FS

// Install writes the files of the runtime "node", "python" or "ruby" to a folder in
// dir, unless it is there, and returns its path. Its name depends on its content,
// so that dir serves all versions of Naru. The folder appears whole or not at all.
func Install(dir, name string) (path string, err error) {
	files, err := fs.Sub(runtimes, name)
	if err != nil {
		return "", err
	}
	hash, err := hashOf(files)
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, fmt.Sprintf("%s-%x", name, hash[:8]))
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return path, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	temporary, err := os.MkdirTemp(dir, name+"-*")
	if err != nil {
		return "", err
	}
	err = errors.Join(os.Chmod(temporary, 0o755), os.CopyFS(temporary, files))
	if err == nil {
		err = os.Rename(temporary, path)
		if _, missing := os.Stat(path); missing == nil { // somebody else was faster
			return path, os.RemoveAll(temporary)
		}
	}
	return "", errors.Join(err, os.RemoveAll(temporary))
}

// hashOf returns a hash of the names and contents of files.
func hashOf(files fs.FS) ([]byte, error) {
	hash := sha256.New()
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(files, name)
		fmt.Fprintf(hash, "%q %d\n%s", name, len(text), text)
		return err
	})
	return hash.Sum(nil), err
}
