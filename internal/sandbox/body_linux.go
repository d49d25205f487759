package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// ownExecutable is this very program, even if its file has been replaced.
const ownExecutable = "/proc/self/exe"

// newEnds makes the socket pair and the pipe of an environment.
func newEnds() (ends, error) {
	sockets, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return ends{}, os.NewSyscallError("socketpair", err)
	}
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return ends{}, errors.Join(os.NewSyscallError("pipe", err), unix.Close(sockets[0]), unix.Close(sockets[1]))
	}
	// Only our end of the pipe must not block.
	err = os.NewSyscallError("fcntl", unix.SetNonblock(pipe[0], true))
	return ends{
		socket: os.NewFile(uintptr(sockets[0]), "socket"), theirSocket: os.NewFile(uintptr(sockets[1]), "socket"),
		pipe: os.NewFile(uintptr(pipe[0]), "output"), theirWrite: os.NewFile(uintptr(pipe[1]), "output"),
	}, err
}

// pending returns how many bytes there are to read.
func pending(fd int) int {
	n, err := unix.IoctlGetInt(fd, unix.TIOCINQ)
	if err != nil {
		return 0
	}
	return n
}

// A body is the processes of an environment, as the server sees them.
type body struct {
	launcher  *Launcher
	helper    *exec.Cmd
	control   *os.File
	orders    *json.Encoder
	reports   *json.Decoder
	pid       int // of the runtime
	memory    int64
	processes int

	mu      sync.Mutex // also for orders
	frozen  []int      // process groups that freeze stopped; nil if nothing is frozen
	members []process  // as the last census found them, with their latest figures
	peak    int64
	excess  Exit // why the watch killed it
	final   *end // set when everything has ended
}

func startBody(ctx context.Context, l *Launcher, spec Spec, program string, ends ends) (*body, error) {
	b := &body{launcher: l, memory: spec.Memory, processes: spec.Processes}
	theirs, err := b.connect()
	if err != nil {
		return nil, err
	}
	b.helper = exec.Command(l.helper[0], l.helper[1:]...)
	b.helper.Dir = "/"
	b.helper.Env = []string{"GOMAXPROCS=1", helperMark + "=1"}
	b.helper.Stderr = os.Stderr
	b.helper.ExtraFiles = []*os.File{theirs, ends.theirSocket, ends.theirWrite}
	b.helper.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // a ^C at the terminal is not for it
	err = errors.Join(b.helper.Start(), theirs.Close())
	if err == nil {
		err = b.begin(ctx, &run{
			Program: program, Args: spec.Command, Env: spec.Env, Dir: spec.Dir, Files: spec.Files,
		})
	}
	if err != nil {
		return nil, errors.Join(err, b.abandon())
	}
	b.members = []process{{pid: b.pid}}
	if p, err := procDir.process(b.pid); err == nil { // else it has ended already
		b.members[0] = p
	}
	return b, nil
}

// connect makes the control socket and returns the helper's end.
func (b *body) connect() (theirs *os.File, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	theirs = os.NewFile(uintptr(pair[1]), "control")
	if err := unix.SetNonblock(pair[0], true); err != nil {
		return nil, errors.Join(os.NewSyscallError("fcntl", err), theirs.Close(), unix.Close(pair[0]))
	}
	b.control = os.NewFile(uintptr(pair[0]), "control")
	b.orders, b.reports = json.NewEncoder(b.control), json.NewDecoder(b.control)
	return theirs, nil
}

// begin has the helper start the runtime.
func (b *body) begin(ctx context.Context, r *run) error {
	cut := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		b.kill()
		close(cut)
	})
	err := b.order(order{Run: r})
	var first report
	if err == nil {
		err = b.reports.Decode(&first)
	}
	if !stop() {
		<-cut
		return ctx.Err()
	}
	switch {
	case err != nil:
		return fmt.Errorf("sandbox: helper: %w", err)
	case first.Errno != 0:
		return &os.PathError{Op: first.Call, Path: r.Program, Err: first.Errno}
	case first.PID == 0:
		return fmt.Errorf("sandbox: helper: %s", first.Problem)
	}
	b.pid = first.PID
	return nil
}

// abandon ends a helper that runs nothing.
func (b *body) abandon() error {
	err := b.control.Close()
	if b.helper.Process != nil {
		_ = b.helper.Wait() // how it ends is of no interest
	}
	return err
}

func (b *body) order(o order) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.orders.Encode(o)
}

// wait returns when nothing is left of the environment.
func (b *body) wait() Exit {
	var last report
	for last.End == nil {
		if err := b.reports.Decode(&last); err != nil {
			break // the helper was killed
		}
	}
	// The stream ends with the helper.
	if _, err := io.Copy(io.Discard, b.control); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		b.launcher.log.Error("control socket of an environment", "error", err)
	}
	_ = b.helper.Wait() // its exit status says no more than its last report
	b.mu.Lock()
	defer b.mu.Unlock()
	exit := b.excess
	if last.End == nil {
		exit.Lost = true
		b.sweep()
		last.End = &end{Code: -1, Signal: syscall.SIGKILL}
	}
	exit.Code, exit.Signal = last.End.Code, last.End.Signal
	b.final = last.End
	if err := b.control.Close(); err != nil {
		b.launcher.log.Error("closing the control socket of an environment", "error", err)
	}
	return exit
}

// sweep kills what a helper left behind that was killed itself: all sessions
// in which its processes were when they were counted last. It needs b.mu.
func (b *body) sweep() {
	sessions := []int{b.pid}
	for _, p := range b.members {
		sessions = append(sessions, p.session)
	}
	for _, children := range procDir.byParent() {
		for _, p := range children {
			if p.session > 1 && slices.Contains(sessions, p.session) {
				killGroup(p)
			}
		}
	}
}

// terminate asks the runtime to end.
func (b *body) terminate() {
	_ = b.thaw() // a process that stands still can't; one that has ended needn't
	_ = b.order(order{Signal: syscall.SIGTERM})
}

// kill has the helper kill everything.
func (b *body) kill() {
	// The helper sees the end of the stream, while its reports still arrive.
	b.withControl(func(fd int) { _ = unix.Shutdown(fd, unix.SHUT_WR) })
}

// force kills the helper, which does not do as it is told; wait does its work.
func (b *body) force() { _ = b.helper.Process.Kill() }

// withControl calls f with the descriptor of the control socket, unless it is
// closed, which is when everything has ended.
func (b *body) withControl(f func(fd int)) {
	raw, err := b.control.SyscallConn()
	if err == nil {
		_ = raw.Control(func(fd uintptr) { f(int(fd)) })
	}
}
