// Package sandbox starts and confines environments: groups of processes that
// live and die together. It knows nothing of what runs in them.
//
// The first process of an environment is a helper, this very binary started
// again (see HelperMain) or a small program that does nothing else. It starts the command, which from then on is called
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
// How far an environment is confined is a matter of tiers (see Tier): with
// namespaces it has a file system, processes and, where that is asked for, a
// network of its own; with landlock and a filter of system calls alone it has
// fewer files; and plain processes are bound by limits only. Each tier has what the
// lower ones have. Where control groups can be made they bound memory, processors
// and processes, and freeze them; elsewhere a watch kills an environment whose
// processes together use too much memory or are too many.
//
// On systems other than Linux there is no helper: the runtime runs as a plain
// child in a session of its own, without the watch, and Freeze is not supported.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
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
	DefaultTemp      = 512 << 20
)

// Spec says what runs in an environment and within which bounds. Its paths are
// those that the environment's processes see.
type Spec struct {
	// Command is the argv of the runtime. If Command[0] has no slash it is
	// looked up in the PATH of Env, or of this process if Env has none.
	Command []string
	// Others are commands that run beside the runtime, which is started after
	// them, once Gate is closed if it is not nil.
	Others [][]string
	Gate   <-chan struct{}
	// Dir is the directory in which commands start.
	Dir string
	// Env is the whole environment of commands; nothing is inherited.
	Env []string
	// Mounts are what commands see, and cannot change, besides the system's
	// programs and libraries: at a place of their own in a tier with namespaces.
	Mounts []Mount
	// Links are symbolic links that they see with namespaces.
	Links []Link
	// Doors are addresses of this process that only the environment's reach.
	Doors []Door
	// Output is called with what the processes write to their standard output
	// and error, in order, maybe before Launch has returned. Calls don't
	// overlap. While it does not return, nothing is read, so that in the end
	// the processes wait. It must not call the environment. May be nil.
	Output func([]Line)
	// Memory is how many bytes the processes may have in memory together
	// before the environment is killed; 0 means no bound. What processes share
	// counts once.
	Memory int64
	// Temp is how many bytes they may have in a folder of their own for
	// temporary files, which TMPDIR and HOME name unless Env has them; 0 means
	// that there is none. With namespaces it is /tmp, and there always.
	Temp int64
	// Files is how many files each process may have open; 0 means
	// DefaultFiles.
	Files int
	// Processes is how many processes there may be at a time before the
	// environment is killed; 0 means DefaultProcesses.
	Processes int
}

// A Mount is a folder that is seen at a place.
type Mount struct{ Folder, At string }

// A Link is a symbolic link.
type Link struct{ At, To string }

// A Door is a TCP address at the loopback interface that connects an environment
// with this process: at Port in a network of the environment's own, and at any
// port of the machine's otherwise.
type Door struct {
	Port     int
	Variable string // of commands, which gets host:port; "" for none
	// Serve is given the listener before any command is started. It returns at
	// once, and closes the listener in the end.
	Serve func(net.Listener)
}

// host returns the path at which this process sees what processes see at a path.
func (s *Spec) host(path string) string {
	best := Mount{}
	for _, m := range s.Mounts {
		rest, err := filepath.Rel(m.At, path)
		if err == nil && filepath.IsLocal(rest) && len(m.At) > len(best.At) {
			best = m
		}
	}
	if best.At == "" {
		return path
	}
	return filepath.Join(best.Folder, strings.TrimPrefix(path, best.At))
}

// program returns the path of the file to execute, as processes see it.
func (s *Spec) program(command []string) (string, error) {
	if len(command) == 0 {
		return "", errors.New("sandbox: no command")
	}
	name := command[0]
	if strings.Contains(name, "/") {
		if !filepath.IsAbs(name) {
			name = filepath.Join(s.Dir, name)
		}
		return name, nil
	}
	for _, dir := range filepath.SplitList(s.path()) {
		file := filepath.Join(dir, name)
		if info, err := os.Stat(s.host(file)); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return file, nil
		}
	}
	return "", &exec.Error{Name: name, Err: exec.ErrNotFound}
}

func (s *Spec) path() string {
	if path, ok := variable(s.Env, "PATH"); ok {
		return path
	}
	return os.Getenv("PATH")
}

// variable returns a variable of an environment.
func variable(env []string, name string) (value string, ok bool) {
	for _, entry := range env {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value, true
		}
	}
	return "", false
}

// prepared returns s with its defaults filled in and its paths made absolute.
func (s Spec) prepared() (Spec, error) {
	var err error
	if s.Dir, err = filepath.Abs(s.Dir); err != nil {
		return s, err
	}
	if info, err := os.Stat(s.host(s.Dir)); err != nil {
		return s, err
	} else if !info.IsDir() {
		return s, fmt.Errorf("sandbox: %s is not a directory", s.Dir)
	}
	if s.Files <= 0 {
		s.Files = DefaultFiles
	}
	if s.Processes <= 0 {
		s.Processes = DefaultProcesses
	}
	for _, command := range append([][]string{s.Command}, s.Others...) {
		if _, err := s.program(command); err != nil {
			return s, err
		}
	}
	return s, nil
}

// A Tier is how far environments are confined.
type Tier int

// The tiers.
const (
	Plain      Tier = iota // limits only
	Landlocked             // landlock and a filter of system calls
	Namespaced             // namespaces and a root of their own besides
)

func (t Tier) String() string { return [...]string{"none", "landlock", "namespaces"}[t] }

// A Mode is what an operator asks for.
type Mode string

// The modes.
const (
	Auto   Mode = "auto"   // the highest tier that there is
	Strict Mode = "strict" // namespaces, with a network of their own, or nothing
	None   Mode = "none"   // plain processes
)

// Options say how environments are launched.
type Options struct {
	Mode Mode // Auto if ""
	// Program is a program that calls helper.Main and does nothing else. Without
	// one, or where it can't be started, this binary is started as Helper says.
	Program []byte
	// Private are folders of which nothing is to be seen.
	Private []string
	// Temp is the folder for the temporary files of environments without a root
	// of their own; "" for the system's.
	Temp string
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
	options  Options
	log      *slog.Logger
	patience time.Duration
	buffers  sync.Pool // of *[]byte, to read output into
	tier     Tier
	notes    []string // why it is no higher tier, and what is missing in this
	ground   ground   // what environments share

	mu      sync.Mutex
	closed  bool
	running map[*Environment]struct{}
	wake    chan struct{} // has a token when there is something to watch
	quit    chan struct{}
	watcher sync.WaitGroup
}

// New returns a launcher, or says why environments can't be confined as the mode
// demands. Close it.
func New(o Options) (*Launcher, error) {
	if os.Getenv(helperMark) != "" {
		return nil, errNotHelping
	}
	if o.Mode == "" {
		o.Mode = Auto
	}
	l := &Launcher{
		options: o, log: o.Log, patience: patience,
		buffers: sync.Pool{New: func() any { b := make([]byte, chunk); return &b }},
		running: map[*Environment]struct{}{},
		wake:    make(chan struct{}, 1), quit: make(chan struct{}),
	}
	if len(o.Helper) == 0 {
		l.options.Helper = []string{ownExecutable, HelperArg}
	}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	if err := l.prepare(); err != nil {
		return nil, err
	}
	l.watcher.Go(l.watch)
	return l, nil
}

// Tier is how far environments are confined, and Notes say why they are no
// further.
func (l *Launcher) Tier() Tier { return l.tier }

// Notes say why environments are no further confined, in a sentence each.
func (l *Launcher) Notes() []string { return l.notes }

// Private reports whether environments have networks of their own, from which
// nothing but their doors can be reached.
func (l *Launcher) Private() bool { return l.options.Mode == Strict }

// Launch starts an environment and returns once its runtime runs. If ctx ends
// before that, nothing is left behind; afterwards ctx has no effect. The
// caller ends the environment with Stop or Kill, also if it ended by itself.
func (l *Launcher) Launch(ctx context.Context, spec Spec) (*Environment, error) {
	spec, err := spec.prepared()
	if err != nil {
		return nil, err
	}
	e, err := newEnvironment(ctx, l, spec)
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
	l.release()
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
