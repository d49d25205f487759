// Package sandbox starts and confines environments: groups of processes that
// live and die together. It knows nothing of what runs in them.
//
// The first process of an environment is a helper, this very binary started
// again (see HelperMain). It starts the command, which from then on is called
// the runtime, reaps every process that loses its parent, and says how the
// runtime ended. All processes of the environment are below it in the process
// tree, also those that made themselves daemons, since it is their subreaper.
// The helper and the server hold the two ends of a control socket; when the
// server's end closes, for whatever reason, the helper kills everything below
// it and ends. So nothing outlives the server, not even if it is killed.
//
//	server ── control socket ── helper ── runtime ── its children
//	   │                                    │ │
//	   ├── Conn ────────── socket pair ── fd 3 │
//	   └── output ──────────── pipe ──── fd 1 and 2
//
// An environment is over when its runtime ends: what is left of it is killed.
//
// What confines it today are limits on open files, no core dumps, a clean set
// of descriptors and variables, and a watch that kills it when its processes
// together use too much memory or are too many. On systems other than Linux
// there is no helper: the runtime runs as a plain child in a session of its
// own, without the watch, and Freeze is not supported.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// HelperArg is the argument with which a binary is started as a helper: the
// main function (and TestMain of packages that launch environments) must call
// HelperMain, before anything else, if it is the only one.
const HelperArg = "sandbox-helper"

// helperMark is a variable in the environment of helpers. A process that has it
// and gets as far as launching something is a binary that does not know its
// HelperArg, which would start itself again and again.
const helperMark = "NARU_SANDBOX_HELPER"

// ErrClosed is returned by Launch after Close.
var ErrClosed = errors.New("sandbox: launcher is closed")

var errNotHelping = errors.New("sandbox: started as a helper, but main does not call HelperMain")

// Limits that hold where a Spec says nothing.
const (
	DefaultFiles     = 1024
	DefaultProcesses = 1024
)

// Spec says what runs in an environment and within which bounds.
type Spec struct {
	// Command is the argv of the runtime. If Command[0] has no slash it is
	// looked up in the PATH of Env, or of this process if Env has none.
	Command []string
	// Dir is the directory in which the runtime starts.
	Dir string
	// Env is the runtime's whole environment; nothing is inherited.
	Env []string
	// Output is called with what the processes write to their standard output
	// and error, in order, maybe before Launch has returned. Calls don't
	// overlap. While it does not return, nothing is read, so that in the end
	// the processes wait. It must not call the environment. May be nil.
	Output func([]Line)
	// Memory is how many bytes the processes may have in memory together
	// before the environment is killed; 0 means no bound. What processes share
	// counts once.
	Memory int64
	// Files is how many files each process may have open; 0 means
	// DefaultFiles.
	Files int
	// Processes is how many processes there may be at a time before the
	// environment is killed; 0 means DefaultProcesses.
	Processes int
}

// program returns the path of the file to execute.
func (s *Spec) program() (string, error) {
	if len(s.Command) == 0 {
		return "", errors.New("sandbox: no command")
	}
	name := s.Command[0]
	if strings.Contains(name, "/") {
		if !filepath.IsAbs(name) {
			name = filepath.Join(s.Dir, name)
		}
		return name, nil
	}
	for _, dir := range filepath.SplitList(s.path()) {
		file := filepath.Join(dir, name)
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return file, nil
		}
	}
	return "", &exec.Error{Name: name, Err: exec.ErrNotFound}
}

func (s *Spec) path() string {
	for _, entry := range s.Env {
		if path, ok := strings.CutPrefix(entry, "PATH="); ok {
			return path
		}
	}
	return os.Getenv("PATH")
}

// prepared returns s with its defaults filled in and its paths made absolute.
func (s Spec) prepared() (Spec, string, error) {
	var err error
	if s.Dir, err = filepath.Abs(s.Dir); err != nil {
		return s, "", err
	}
	if info, err := os.Stat(s.Dir); err != nil {
		return s, "", err
	} else if !info.IsDir() {
		return s, "", fmt.Errorf("sandbox: %s is not a directory", s.Dir)
	}
	if s.Files <= 0 {
		s.Files = DefaultFiles
	}
	if s.Processes <= 0 {
		s.Processes = DefaultProcesses
	}
	program, err := s.program()
	return s, program, err
}

// Options say how environments are launched.
type Options struct {
	// Helper is the argv that starts this binary as a helper. By default it is
	// the running executable with HelperArg.
	Helper []string
	// Log is told what goes wrong with nobody to return an error to; nil
	// means nobody.
	Log *slog.Logger
}

// patience is how long Kill waits for the helper.
const patience = 10 * time.Second

// A Launcher launches environments. Its methods are safe for concurrent use.
type Launcher struct {
	helper   []string
	log      *slog.Logger
	patience time.Duration
	buffers  sync.Pool // of *[]byte, to read output into

	mu      sync.Mutex
	closed  bool
	running map[*Environment]struct{}
	wake    chan struct{} // has a token when there is something to watch
	quit    chan struct{}
	watcher sync.WaitGroup
}

// New returns a launcher. Close it.
func New(o Options) *Launcher {
	l := &Launcher{
		helper: o.Helper, log: o.Log, patience: patience,
		buffers: sync.Pool{New: func() any { b := make([]byte, chunk); return &b }},
		running: map[*Environment]struct{}{},
		wake:    make(chan struct{}, 1), quit: make(chan struct{}),
	}
	if len(l.helper) == 0 {
		l.helper = []string{ownExecutable, HelperArg}
	}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	l.watcher.Go(l.watch)
	return l
}

// Launch starts an environment and returns once its runtime runs. If ctx ends
// before that, nothing is left behind; afterwards ctx has no effect. The
// caller ends the environment with Stop or Kill, also if it ended by itself.
func (l *Launcher) Launch(ctx context.Context, spec Spec) (*Environment, error) {
	if os.Getenv(helperMark) != "" {
		return nil, errNotHelping
	}
	spec, program, err := spec.prepared()
	if err != nil {
		return nil, err
	}
	e, err := newEnvironment(ctx, l, spec, program)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	if !l.closed {
		l.running[e] = struct{}{}
	}
	closed := l.closed
	l.mu.Unlock()
	go e.run()
	if closed {
		e.Kill()
		return nil, ErrClosed
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return e, nil
}

// Close kills all environments and waits for their end.
func (l *Launcher) Close() {
	l.mu.Lock()
	if !l.closed {
		l.closed = true
		close(l.quit)
	}
	l.mu.Unlock()
	var killed sync.WaitGroup
	for _, e := range l.environments() {
		killed.Go(e.Kill)
	}
	killed.Wait()
	l.watcher.Wait()
}

// environments returns those that run.
func (l *Launcher) environments() []*Environment {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]*Environment, 0, len(l.running))
	for e := range l.running {
		all = append(all, e)
	}
	return all
}

func (l *Launcher) forget(e *Environment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.running, e)
}
