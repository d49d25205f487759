package helper

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"naru/internal/sandbox/internal/proc"
)

// Main runs this process as a helper and returns its exit status. It needs the
// descriptors that a launcher gives it.
func Main() int {
	// Processes inherit what this thread gives up, and get a signal when it ends.
	runtime.LockOSThread()
	if err := closeOnExec(); err != nil {
		os.Stderr.WriteString("sandbox helper: " + err.Error() + "\n")
		return 1
	}
	h := &helper{
		orders: json.NewDecoder(os.NewFile(ControlFD, "control")),
		others: map[int]bool{}, start: make(chan struct{}, 1), down: make(chan struct{}),
	}
	if err := h.begin(); err != nil {
		h.report(failure(err))
		return 1
	}
	if h.setup.Probe {
		return 0
	}
	go h.obey()
	go h.takeDown()
	return h.attend()
}

// attend starts the runtime when it is ordered, and returns when everything has
// ended.
func (h *helper) attend() int {
	over := make(chan *End, 1)
	reaping := len(h.setup.Others) > 0
	if reaping {
		go func() { over <- h.reap() }()
	}
	down := h.down
	for {
		select {
		case <-h.start:
			if err := h.run(); err != nil {
				h.report(failure(err))
				h.end()
			} else if !reaping {
				reaping = true
				go func() { over <- h.reap() }()
			}
		case end := <-over:
			h.report(Report{End: end})
			return 0
		case <-down:
			if !reaping {
				return 1 // there is nothing to reap
			}
			down = nil
		}
	}
}

// closeOnExec keeps every descriptor that is or comes open from processes.
func closeOnExec() error {
	err := unix.CloseRange(ControlFD, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	if err == nil {
		return nil
	}
	open, err := os.ReadDir("/proc/self/fd") // Linux before 5.11
	for _, entry := range open {
		if fd, err := strconv.Atoi(entry.Name()); err == nil && fd >= ControlFD {
			unix.CloseOnExec(fd)
		}
	}
	return err
}

type helper struct {
	orders *json.Decoder
	setup  *Setup
	init   bool // this is the first process of a namespace
	start  chan struct{}

	mu      sync.Mutex
	pid     int          // of the runtime, and its process group's id; 0 before it runs, negative when it has ended
	others  map[int]bool // the other commands that run
	leaving bool
	ending  *End // how the first command ended

	once sync.Once
	down chan struct{} // closed when everything is to end
}

// report sends a report, with descriptors.
func (h *helper) report(r Report, fds ...int) {
	text, err := json.Marshal(r)
	if err != nil {
		panic(err) // a struct of numbers and texts
	}
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	// Without a server there is nobody to tell; obey has seen that too.
	_ = unix.Sendmsg(ControlFD, append(text, '\n'), rights, nil, unix.MSG_NOSIGNAL)
}

func failure(err error) Report {
	var errno syscall.Errno
	var call *os.SyscallError
	if errors.As(err, &call) && errors.As(err, &errno) {
		return Report{Call: call.Syscall, Errno: errno}
	}
	return Report{Problem: err.Error()}
}

// failed names what failed, if err says that something did.
func failed(what string, err error) error { return os.NewSyscallError(what, err) }

// begin lays out the environment, gives up what processes must not have, and
// starts all commands but the runtime.
func (h *helper) begin() error {
	var first Order
	if err := h.orders.Decode(&first); err != nil {
		return err
	}
	if h.setup = first.Setup; h.setup == nil || h.setup.Version != Version {
		return errors.New("the helper is of another version than its server")
	}
	h.init = os.Getpid() == 1
	if err := failed("prctl", unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)); err != nil {
		return err
	}
	listeners, err := listen(h.setup.Ports)
	if err != nil {
		return err
	}
	if h.setup.Root != nil {
		if err := h.setup.Root.layOut(); err != nil {
			return err
		}
	}
	if err := restrict(h.setup); err != nil {
		return err
	}
	h.report(Report{Ready: true}, listeners...)
	for _, fd := range listeners {
		_ = unix.Close(fd) // the server has it
	}
	if h.setup.Probe {
		return nil
	}
	return h.startOthers()
}

func (h *helper) startOthers() error {
	for _, c := range h.setup.Others {
		pid, err := h.exec(c, h.setup.Env, []uintptr{0, OutputFD, OutputFD})
		if err != nil {
			return err
		}
		h.mu.Lock()
		h.others[pid] = true
		h.mu.Unlock()
		h.report(Report{PIDs: []int{pid}})
	}
	return nil
}

// exec starts a command, from this thread, in the freezer if there is one.
func (h *helper) exec(c Command, env []string, files []uintptr) (int, error) {
	if f := h.setup.Freezer; f != nil {
		if err := failed("enter freezer", put(f.Enter, "0")); err != nil {
			return 0, err
		}
	}
	pid, err := syscall.ForkExec(c.Program, c.Args, &syscall.ProcAttr{
		Dir: h.setup.Dir, Env: env, Files: files,
		Sys: &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL},
	})
	if f := h.setup.Freezer; f != nil {
		if err := failed("leave freezer", put(f.Leave, "0")); err != nil {
			return 0, err
		}
	}
	return pid, failed("exec", err)
}

// put writes a text to one of the kernel's files.
func put(fd int, text string) error {
	_, err := unix.Pwrite(fd, []byte(text), 0)
	return err
}

// run starts the runtime.
func (h *helper) run() error {
	h.mu.Lock() // so that reap knows it before it ends
	defer h.mu.Unlock()
	pid, err := h.exec(h.setup.Runtime, h.setup.Env, []uintptr{0, OutputFD, OutputFD, SocketFD})
	if err != nil {
		return err
	}
	h.pid = pid
	h.report(Report{PIDs: []int{pid}})
	return errors.Join(unix.Close(SocketFD), unix.Close(OutputFD))
}

// obey does what the server orders until it goes away, or somebody wants this
// process to end.
func (h *helper) obey() {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	go func() {
		<-asked
		h.end()
	}()
	defer h.end()
	for {
		var o Order
		if err := h.orders.Decode(&o); err != nil {
			return
		}
		switch {
		case o.Start:
			h.start <- struct{}{}
		case o.Socket:
			h.sendSocket()
		default:
			h.signal(o)
		}
	}
}

// signal sends a signal to the runtime.
func (h *helper) signal(o Order) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.leaving = h.leaving || o.Leave
	select {
	case <-h.down: // the runtime's id may stand for something else by now
	default:
		if h.pid > 0 && h.ending == nil {
			_ = unix.Kill(h.pid, o.Signal) // it may have ended just now
		}
	}
}

func (h *helper) end() { h.once.Do(func() { close(h.down) }) }

// reap waits for every process below this one and returns how the first command
// ended. Whoever loses its parent becomes our child, so when there are no children
// left nothing is left.
func (h *helper) reap() *End {
	e := &End{}
	for {
		var status unix.WaitStatus
		var used unix.Rusage
		pid, err := unix.Wait4(-1, &status, 0, &used)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil: // ECHILD
			h.mu.Lock()
			defer h.mu.Unlock()
			if h.ending != nil {
				e.Code, e.Signal, e.Other = h.ending.Code, h.ending.Signal, h.ending.Other
			}
			return e
		}
		e.CPU += time.Duration(used.Utime.Nano() + used.Stime.Nano())
		e.Peak = max(e.Peak, int64(used.Maxrss)<<10)
		h.ended(pid, status)
	}
}

// ended takes note of a process that has ended. With a command everything ends,
// unless they are to end by themselves.
func (h *helper) ended(pid int, status unix.WaitStatus) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if pid != h.pid && !h.others[pid] {
		return
	}
	if h.ending == nil {
		h.ending = &End{Code: status.ExitStatus(), Other: pid != h.pid}
		if status.Signaled() {
			h.ending.Signal = status.Signal()
		}
	}
	delete(h.others, pid)
	if pid == h.pid {
		h.pid = -pid // its group may have members yet
	}
	if !h.leaving || h.pid < 0 && len(h.others) == 0 {
		h.end()
	}
}

// takeDown kills everything below this process when it is time, again and
// again, since more may have been started meanwhile. The process ends when
// reap finds nothing left.
func (h *helper) takeDown() {
	<-h.down
	// Most of the time this is all. The id stands for no other group while one
	// process is in it, and ids are not used again before thousands of others.
	h.mu.Lock()
	if h.pid != 0 {
		_ = unix.Kill(-max(h.pid, -h.pid), unix.SIGKILL)
	}
	h.mu.Unlock()
	for {
		if f := h.setup.Freezer; f != nil {
			_ = put(f.State, Thawed) // frozen processes would not end
		}
		if h.init {
			_ = unix.Kill(-1, unix.SIGKILL) // all of the namespace but this one
		} else {
			for _, p := range proc.NewCensus(proc.System).Below(os.Getpid()) {
				proc.KillGroup(p)
			}
		}
		// The kernel tells nobody when a grandchild has ended.
		time.Sleep(2 * time.Millisecond)
	}
}
