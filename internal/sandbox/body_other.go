//go:build !linux

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
)

// ownExecutable is not used: there is no helper.
const ownExecutable = ""

// HelperMain says that there are no helpers on this system.
func HelperMain() int {
	fmt.Fprintln(os.Stderr, "sandbox: no helper on this system")
	return 1
}

func newEnds() (ends, error) {
	syscall.ForkLock.RLock() // nothing is started with what is not closed on exec yet
	defer syscall.ForkLock.RUnlock()
	sockets, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		return ends{}, os.NewSyscallError("socketpair", err)
	}
	var pipe [2]int
	if err := syscall.Pipe(pipe[:]); err != nil {
		return ends{}, errors.Join(os.NewSyscallError("pipe", err), syscall.Close(sockets[0]), syscall.Close(sockets[1]))
	}
	for _, fd := range append(sockets[:], pipe[:]...) {
		syscall.CloseOnExec(fd)
	}
	err = os.NewSyscallError("fcntl", syscall.SetNonblock(pipe[0], true))
	return ends{
		socket: os.NewFile(uintptr(sockets[0]), "socket"), theirSocket: os.NewFile(uintptr(sockets[1]), "socket"),
		pipe: os.NewFile(uintptr(pipe[0]), "output"), theirWrite: os.NewFile(uintptr(pipe[1]), "output"),
	}, err
}

// pending is what a pipe holds at most, since how much it holds now can't be
// told everywhere.
func pending(int) int { return chunk }

// watch does nothing: what processes use can't be told everywhere.
func (l *Launcher) watch() {}

// A body is the processes of an environment: a session of its own.
type body struct {
	command *exec.Cmd
	pid     int
	temp    string // folder to be removed; "" for none
	doors   []net.Listener

	mu   sync.Mutex
	used Usage
	over bool
}

func startBody(ctx context.Context, _ *Launcher, spec Spec, ends ends) (*body, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	program, err := spec.program(spec.Command)
	if err != nil {
		return nil, err
	}
	b := &body{}
	if err := b.open(&spec); err != nil {
		return nil, errors.Join(err, b.tidy())
	}
	c := &exec.Cmd{
		Path: program, Args: spec.Command, Env: spec.Env, Dir: spec.Dir,
		Stdout: ends.theirWrite, Stderr: ends.theirWrite, ExtraFiles: []*os.File{ends.theirSocket},
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	if c.Env == nil {
		c.Env = []string{} // nil would mean ours
	}
	if err := c.Start(); err != nil {
		return nil, errors.Join(err, b.tidy())
	}
	b.command, b.pid = c, c.Process.Pid
	return b, nil
}

// open makes the folder for temporary files and opens the doors, and sets the
// variables that name them.
func (b *body) open(spec *Spec) (err error) {
	if spec.Temp > 0 {
		if b.temp, err = os.MkdirTemp("", "naru-tmp-"); err != nil {
			return err
		}
		for _, name := range []string{"TMPDIR", "HOME"} {
			if _, ok := variable(spec.Env, name); !ok {
				spec.Env = append(slices.Clip(spec.Env), name+"="+b.temp)
			}
		}
	}
	for _, d := range spec.Doors {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return err
		}
		b.doors = append(b.doors, l)
		d.Serve(l)
		if d.Variable != "" {
			spec.Env = append(slices.Clip(spec.Env), d.Variable+"="+l.Addr().String())
		}
	}
	return nil
}

// tidy closes and removes what open made.
func (b *body) tidy() error {
	for _, l := range b.doors {
		_ = l.Close() // whoever serves it may have
	}
	if b.temp == "" {
		return nil
	}
	return os.RemoveAll(b.temp)
}

func (b *body) dial(ctx context.Context, address string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp4", address)
}

// A ground is what environments share: nothing.
type ground struct{}

// prepare says that there are plain processes only.
func (l *Launcher) prepare() error {
	if l.options.Mode == Strict {
		return errors.New("sandbox: --sandbox strict is not possible on this system: it needs Linux")
	}
	l.notes = []string{"No sandbox on this system: functions run as plain processes of Naru's own user. Run only code that you trust."}
	return nil
}

func (l *Launcher) release() {}

// Inside knows nothing of other processes' connections.
func (l *Launcher) Inside(net.Conn) bool { return false }

// Explain tells of all tiers, for people.
func Explain(w io.Writer, _ Options) {
	fmt.Fprintln(w, "On this system functions run as plain processes of Naru's own user, with limits of time only: run only code that you trust.")
	fmt.Fprintln(w, "The sandbox needs Linux.")
}

func (b *body) wait() Exit {
	_ = b.command.Wait() // the state says more
	b.kill()
	if err := b.tidy(); err != nil {
		fmt.Fprintln(os.Stderr, "naru:", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
	state := b.command.ProcessState
	b.used.CPU = state.UserTime() + state.SystemTime()
	exit := Exit{Code: state.ExitCode()}
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		exit.Signal = status.Signal()
	}
	return exit
}

func (b *body) freeze() error { return errors.ErrUnsupported }

func (b *body) thaw() error { return nil }

func (b *body) terminate(bool) { b.signal(-b.pid, syscall.SIGTERM) }

func (b *body) kill() { b.signal(-b.pid, syscall.SIGKILL) }

func (b *body) force() { b.kill() }

func (b *body) signal(pid int, s syscall.Signal) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.over {
		_ = syscall.Kill(pid, s) // it may have ended just now
	}
}

func (b *body) usage() Usage {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}
