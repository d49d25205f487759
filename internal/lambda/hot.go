package lambda

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"

	"naru/internal/clock"
)

// Hot reload: code that is used where it lies, in a folder below one that the
// operator has named. When a file in it changes, the idle environments that run
// it are replaced; those that are busy are not used again.

// hotBucket is the bucket that stands for local folders; the key is a path.
const hotBucket = "hot-reload"

// settleTime is how long a folder must be quiet before it is reloaded: editors
// and compilers write several files.
const settleTime = 50 * time.Millisecond

// maxHotFolders bounds the folders that are watched.
const maxHotFolders = 20_000

// hotReload watches folders with code.
type hotReload struct {
	root   string   // the folder that the operator has named; "" for none
	closed []string // folders that no code may be in, nor around
	clock  *clock.Clock
	log    *slog.Logger
	reload func(folder string) // is called when the code in a folder has changed

	mu      sync.Mutex
	watcher *fsnotify.Watcher       // nil until there is something to watch
	folders map[string]string       // those that are watched, to the code that they are of
	changes map[string]int          // of code, by folder
	alarms  map[string]*clock.Timer // that go off when code has settled
	work    sync.WaitGroup
}

func newHotReload(o Options, reload func(string)) (*hotReload, error) {
	h := &hotReload{
		clock: o.Clock, log: o.Log, reload: reload,
		folders: map[string]string{}, changes: map[string]int{}, alarms: map[string]*clock.Timer{},
	}
	if o.HotReload == "" {
		return h, nil
	}
	var err error
	if h.root, err = realPath(o.HotReload); err != nil {
		return nil, fmt.Errorf("lambda: hot reload: %w", err)
	}
	for _, dir := range append([]string{o.CodeDir}, o.Private...) {
		if dir, err = realPath(dir); err != nil {
			return nil, fmt.Errorf("lambda: hot reload: %w", err)
		}
		h.closed = append(h.closed, dir)
	}
	return h, nil
}

// realPath returns an absolute path without symbolic links.
func realPath(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(path)
}

// within reports whether a path is dir or below it.
func within(path, dir string) bool {
	rest, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rest)
}

// folder returns the folder that a key stands for, or the refusal of it.
func (h *hotReload) folder(key string) (string, error) {
	if h.root == "" {
		return "", invalid("Code from local folders is off: start Naru with --hot-reload DIR to allow it below DIR.")
	}
	if !filepath.IsAbs(key) {
		return "", invalid("S3Key must be the absolute path of a folder for the bucket %s: %s", hotBucket, key)
	}
	folder, err := realPath(key)
	if err != nil {
		return "", invalid("The folder %s cannot be used: it is not there.", key)
	}
	if info, err := os.Stat(folder); err != nil || !info.IsDir() {
		return "", invalid("The folder %s cannot be used: it is no folder.", key)
	}
	if !within(folder, h.root) {
		return "", invalid("The folder %s is not below the one that --hot-reload names.", key)
	}
	for _, dir := range h.closed {
		if within(folder, dir) || within(dir, folder) {
			return "", invalid("The folder %s cannot be used: Naru keeps data in it.", key)
		}
	}
	return folder, nil
}

// version counts the changes of the code in a folder.
func (h *hotReload) version(folder string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.changes[folder]
}

// watch watches a folder with code, if it is not watched yet.
func (h *hotReload) watch(folder string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.folders[folder] != "" {
		return nil
	}
	if h.watcher == nil {
		var err error
		if h.watcher, err = fsnotify.NewWatcher(); err != nil {
			return fmt.Errorf("lambda: hot reload: %w", err)
		}
		watcher := h.watcher
		h.work.Go(func() { h.follow(watcher) })
	}
	return h.add(folder, folder)
}

// add watches a folder and those below it, as part of code. It needs h.mu.
func (h *hotReload) add(dir, code string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // it went away meanwhile
		case err != nil:
			return err
		case !d.IsDir():
			return nil
		case path != code && (d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".")):
			return fs.SkipDir
		case len(h.folders) >= maxHotFolders:
			return fmt.Errorf("lambda: hot reload: %s has too many folders", code)
		}
		if err := h.watcher.Add(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("lambda: hot reload: %w", err)
		}
		h.folders[path] = code
		return nil
	})
}

// follow notes what changes until the watcher is closed.
func (h *hotReload) follow(watcher *fsnotify.Watcher) {
	for {
		select {
		case e, ok := <-watcher.Events:
			if !ok {
				return
			}
			if e.Op != fsnotify.Chmod {
				h.changed(e.Name)
			}
		case err, ok := <-watcher.Errors:
			if !ok {
				return
			}
			h.log.Warn("changes of code may go unnoticed", "err", err)
		}
	}
}

// changed notes that a file or folder has changed.
func (h *hotReload) changed(path string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	code := h.folders[filepath.Dir(path)]
	if code == "" {
		code = h.folders[path]
	}
	if code == "" {
		return
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() && h.folders[path] == "" {
		if err := h.add(path, code); err != nil {
			h.log.Warn("changes of code may go unnoticed", "err", err)
		}
	}
	at := h.clock.Now().Add(settleTime)
	if alarm := h.alarms[code]; alarm != nil {
		alarm.Reset(at)
		return
	}
	h.alarms[code] = h.clock.AfterFunc(at, func() {
		h.mu.Lock()
		h.changes[code]++
		h.mu.Unlock()
		h.reload(code)
	})
}

func (h *hotReload) close() error {
	h.mu.Lock()
	watcher := h.watcher
	for _, alarm := range h.alarms {
		alarm.Stop()
	}
	h.mu.Unlock()
	if watcher == nil {
		return nil
	}
	err := watcher.Close()
	h.work.Wait()
	return err
}

// reload replaces the idle environments that run the code in a folder.
func (s *Service) reload(folder string) {
	var stale []*instance
	var again []*pool
	s.mu.Lock()
	for _, p := range s.pools {
		if p.version == nil || p.version.Folder != folder {
			continue
		}
		if old := p.empty(); len(old) > 0 {
			stale = append(stale, old...)
			again = append(again, p)
		}
	}
	s.mu.Unlock()
	for _, i := range stale {
		s.work.Go(func() { s.dispose(i) })
	}
	for _, p := range again {
		if p.wanted > 0 {
			s.provision(p.version.name())
		} else {
			s.startSpare(p)
		}
	}
}
