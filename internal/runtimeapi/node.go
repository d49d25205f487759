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
//go:embed node
var runtimes embed.FS

// NodeCommand returns the argv that runs a function on Node.js: node is the
// interpreter and memory the function's memory in MiB, 0 if it is unbounded.
// The runtime itself is a folder in dir, which NodeCommand writes if it is not
// there; since its name depends on its content, dir serves all versions of
// Naru.
//
// The process must have its connection as descriptor 3 and start in the folder
// with the function's code. Besides the variables that AWS documents it heeds
//
//	NARU_ENDPOINT     URL of Naru for functions, such as http://127.0.0.1:4000
//	NARU_SERVICES     AWS services that Naru has, such as sqs,lambda: requests
//	                  for them go to NARU_ENDPOINT, those for others fail
//	NARU_PASSTHROUGH  AWS services that are let through to AWS
//
// where services are named by the first part of their host names.
func NodeCommand(node, dir string, memory int) ([]string, error) {
	runtime, err := install(dir, "node")
	if err != nil {
		return nil, err
	}
	argv := []string{node}
	if memory > 0 {
		// Node.js sizes its heap by the machine's memory. The rest is for code,
		// buffers and stacks.
		argv = append(argv, fmt.Sprintf("--max-old-space-size=%d", memory*9/10))
	}
	return append(argv, filepath.Join(runtime, "runtime.cjs")), nil
}

// install writes the files of a runtime to a folder in dir whose name depends
// on them, unless there is one, and returns its path. The folder appears whole
// or not at all.
func install(dir, name string) (path string, err error) {
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
