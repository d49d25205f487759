package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"naru/internal/sandbox/helper"
	"naru/internal/sandbox/internal/proc"
)

// ownExecutable is this very program, even if its file has been replaced.
const ownExecutable = "/proc/self/exe"

// HelperMain runs this process as the helper of an environment and returns its
// exit status. It needs the descriptors that a Launcher gives it.
func HelperMain() int { return helper.Main() }

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
	control   *net.UnixConn
	orders    *json.Encoder
	reports   chan report // until the stream ends
	sockets   chan report
	dialing   sync.Mutex // held while a socket is asked for
	pid       int        // of the runtime; 0 if it had ended before it was found
	memory    int64
	processes int
	group     *cgroup // nil if there is none
	temp      string  // folder to be removed; "" for none
	doors     []*door

	mu      sync.Mutex // also for orders
	frozen  bool
	stopped []int          // process groups that were sent SIGSTOP for that
	members []proc.Process // as the last census found them, with their latest figures
	peak    int64
	excess  Exit        // why the watch killed it
	final   *helper.End // set when everything has ended
}

// A report is one of the helper's, with the descriptors that came with it.
type report struct {
	helper.Report
	files []*os.File
}

func startBody(ctx context.Context, l *Launcher, spec Spec, ends ends) (_ *body, err error) {
	b := &body{launcher: l, memory: spec.Memory, processes: spec.Processes, reports: make(chan report), sockets: make(chan report, 1)}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.abandon())
		}
	}()
	if err := b.openTemp(&spec); err != nil {
		return nil, err
	}
	if err := b.openDoors(&spec); err != nil {
		return nil, err
	}
	setup, mounts, err := l.setup(spec)
	if err != nil {
		return nil, err
	}
	defer closeAll(mounts)
	theirs, err := b.connect()
	if err != nil {
		return nil, err
	}
	var outside error
	if b.group, outside = l.ground.groups.add(spec); outside != nil {
		l.log.Warn("an environment has no control group", "error", outside)
	}
	files := append([]*os.File{theirs, ends.theirSocket, ends.theirWrite}, mounts...)
	if f := b.group.freezes(); f != nil {
		var more []*os.File
		if setup.Freezer, more, err = f.handOver(helper.ControlFD + len(files)); err != nil {
			return nil, errors.Join(err, theirs.Close())
		}
		defer closeAll(more[:2])
		files = append(files, more...)
	}
	b.helper, err = l.startHelper(files, b.group)
	if err = errors.Join(err, theirs.Close()); err != nil { // else the stream would not end with the helper
		return nil, err
	}
	go b.follow()
	if err := b.begin(ctx, spec, setup); err != nil {
		return nil, err
	}
	b.members = []proc.Process{{PID: b.pid}}
	if p, err := proc.System.Process(b.pid); err == nil { // else it has ended already
		b.members[0] = p
	}
	return b, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close() // nothing was written to it
	}
}

// openTemp makes the folder for temporary files, unless the environment has a
// file system of its own, and sets the variables that name it.
func (b *body) openTemp(spec *Spec) (err error) {
	at := "/tmp"
	if b.launcher.tier < Namespaced {
		if spec.Temp == 0 {
			return nil
		}
		if b.temp, err = os.MkdirTemp(b.launcher.options.Temp, "naru-tmp-"); err != nil {
			return err
		}
		at = b.temp
	}
	if spec.Temp == 0 {
		spec.Temp = DefaultTemp
		return nil
	}
	for _, name := range []string{"TMPDIR", "HOME"} {
		if _, ok := variable(spec.Env, name); !ok {
			spec.Env = append(slices.Clip(spec.Env), name+"="+at)
		}
	}
	return nil
}

// connect makes the control socket and returns the helper's end.
func (b *body) connect() (theirs *os.File, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	theirs = os.NewFile(uintptr(pair[1]), "control")
	ours := os.NewFile(uintptr(pair[0]), "control")
	conn, err := net.FileConn(ours) // a duplicate
	if err = errors.Join(err, ours.Close()); err != nil {
		return nil, errors.Join(err, theirs.Close())
	}
	b.control = conn.(*net.UnixConn)
	b.orders = json.NewEncoder(b.control)
	return theirs, nil
}

// follow passes on the helper's reports until the stream ends, which it does with
// the helper.
func (b *body) follow() {
	in := &receiver{conn: b.control}
	decoder := json.NewDecoder(in)
	defer close(b.reports)
	for {
		var r report
		if err := decoder.Decode(&r.Report); err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, net.ErrClosed) {
				b.launcher.log.Error("control socket of an environment", "error", err)
			}
			return
		}
		r.files, in.files = in.files, nil // there is never more than one on its way with some
		if r.Socket {
			b.sockets <- r
			continue
		}
		b.reports <- r
	}
}

// A receiver reads from a connection and keeps the descriptors that come with it.
type receiver struct {
	conn  *net.UnixConn
	files []*os.File
}

func (r *receiver) Read(p []byte) (int, error) {
	rights := make([]byte, unix.CmsgSpace(4*8))
	n, m, _, _, err := r.conn.ReadMsgUnix(p, rights)
	if m > 0 {
		messages, parseErr := unix.ParseSocketControlMessage(rights[:m])
		err = errors.Join(err, parseErr)
		for i := range messages {
			fds, parseErr := unix.ParseUnixRights(&messages[i])
			err = errors.Join(err, parseErr)
			for _, fd := range fds {
				unix.CloseOnExec(fd)
				r.files = append(r.files, os.NewFile(uintptr(fd), "received"))
			}
		}
	}
	if n == 0 && err == nil {
		err = io.EOF
	}
	return n, err
}

// begin has the helper lay out the environment and start the commands.
func (b *body) begin(ctx context.Context, spec Spec, setup *helper.Setup) error {
	if err := b.order(helper.Order{Setup: setup}); err != nil {
		return fmt.Errorf("sandbox: helper: %w", err)
	}
	ready, err := b.next(ctx, "")
	if err != nil {
		return err
	}
	if err := b.serveDoors(ready.files); err != nil {
		return err
	}
	for _, command := range setup.Others {
		if _, err := b.next(ctx, command.Program); err != nil {
			return err
		}
	}
	if err := b.await(ctx, spec.Gate); err != nil {
		return err
	}
	if err := b.order(helper.Order{Start: true}); err != nil {
		return fmt.Errorf("sandbox: helper: %w", err)
	}
	started, err := b.next(ctx, setup.Runtime.Program)
	if err != nil {
		return err
	}
	b.pid = b.hostPID(started.PIDs[0])
	return nil
}

// hostPID returns the id of a command as this process sees it.
func (b *body) hostPID(pid int) int {
	if b.launcher.tier < Namespaced {
		return pid
	}
	return proc.System.HostPID(b.helper.Process.Pid, pid)
}

// next returns the next report, or what failed with a program.
func (b *body) next(ctx context.Context, program string) (report, error) {
	select {
	case r, ok := <-b.reports:
		switch {
		case !ok:
			return r, errors.New("sandbox: helper: it has ended")
		case r.Errno != 0 && r.Call == "exec":
			return r, &os.PathError{Op: r.Call, Path: program, Err: r.Errno}
		case r.Errno != 0:
			return r, fmt.Errorf("sandbox: %s: %w", r.Call, r.Errno)
		case r.Problem != "":
			return r, fmt.Errorf("sandbox: helper: %s", r.Problem)
		case r.End != nil:
			return r, &LaunchError{Exit{Code: r.End.Code, Signal: r.End.Signal, Other: r.End.Other}}
		}
		return r, nil
	case <-ctx.Done():
		return report{}, ctx.Err()
	}
}

// await waits until the runtime may be started.
func (b *body) await(ctx context.Context, gate <-chan struct{}) error {
	if gate == nil {
		return ctx.Err()
	}
	select {
	case <-gate:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case r := <-b.reports:
		if r.End != nil {
			return &LaunchError{Exit{Code: r.End.Code, Signal: r.End.Signal, Other: r.End.Other}}
		}
		return errors.New("sandbox: helper: it has ended")
	}
}

// abandon ends a helper that runs nothing of use.
func (b *body) abandon() (err error) {
	if b.helper != nil {
		b.kill()
		for range b.reports { // until it has ended
		}
		_ = b.helper.Wait() // how it ends is of no interest
	}
	b.group.remove(b.launcher.log)
	if b.control != nil {
		err = b.control.Close()
	}
	b.closeDoors()
	b.removeTemp()
	return err
}

func (b *body) removeTemp() {
	if b.temp != "" {
		if err := os.RemoveAll(b.temp); err != nil {
			b.launcher.log.Error("temporary files of an environment", "error", err)
		}
	}
}

func (b *body) order(o helper.Order) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.orders.Encode(o)
}

// wait returns when nothing is left of the environment.
func (b *body) wait() Exit {
	var last *helper.End
	for r := range b.reports {
		if r.End != nil {
			last = r.End
		}
	}
	_ = b.group.freezes().thaw() // without its helper it could not end
	_ = b.helper.Wait()          // its exit status says no more than its last report
	b.closeDoors()
	b.mu.Lock()
	defer b.mu.Unlock()
	exit := b.excess
	if b.group.killedForMemory() {
		exit.OutOfMemory = true
	}
	if last == nil {
		exit.Lost = exit == Exit{}
		b.sweep()
		last = &helper.End{Code: -1, Signal: syscall.SIGKILL}
	}
	exit.Code, exit.Signal, exit.Other = last.Code, last.Signal, last.Other
	b.final = last
	b.group.remove(b.launcher.log)
	b.removeTemp()
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
		sessions = append(sessions, p.Session)
	}
	for _, children := range proc.System.ByParent() {
		for _, p := range children {
			if p.Session > 1 && slices.Contains(sessions, p.Session) {
				proc.KillGroup(p)
			}
		}
	}
}

// terminate asks the runtime to end, and leaves the others be if they are to end
// by themselves.
func (b *body) terminate(leave bool) {
	_ = b.thaw() // a process that stands still can't; one that has ended needn't
	_ = b.order(helper.Order{Signal: syscall.SIGTERM, Leave: leave})
}

// kill has the helper kill everything. It sees the end of the stream, while its
// reports still arrive.
func (b *body) kill() { _ = b.control.CloseWrite() }

// force kills the helper, which does not do as it is told; wait does its work.
func (b *body) force() { _ = b.helper.Process.Kill() }
