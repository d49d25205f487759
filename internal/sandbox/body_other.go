//go:build !linux

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
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

	mu   sync.Mutex
	used Usage
	over bool
}

func startBody(ctx context.Context, _ *Launcher, spec Spec, program string, ends ends) (*body, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
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
		return nil, err
	}
	return &body{command: c, pid: c.Process.Pid}, nil
}

func (b *body) wait() Exit {
	_ = b.command.Wait() // the state says more
	b.kill()
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

func (b *body) terminate() { b.signal(-b.pid, syscall.SIGTERM) }

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
