package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// HelperMain runs this process as the helper of an environment and returns its
// exit status. It needs the descriptors that a Launcher gives it.
func HelperMain() int {
	// The runtime gets a signal when the thread that started it ends, so that
	// thread must stay: it is this one.
	runtime.LockOSThread()
	if err := closeOnExec(); err != nil {
		fmt.Fprintln(os.Stderr, "sandbox helper:", err)
		return 1
	}
	control := os.NewFile(controlFD, "control")
	h := &helper{
		orders: json.NewDecoder(control), reports: json.NewEncoder(control),
		down: make(chan struct{}),
	}
	if err := h.start(); err != nil {
		h.report(failure(err))
		return 1
	}
	h.report(report{PID: h.pid})
	go h.obey()
	go h.takeDown()
	h.report(report{End: h.reap()})
	return 0
}

// closeOnExec keeps every descriptor that is or comes open from the runtime.
func closeOnExec() error {
	err := unix.CloseRange(controlFD, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	if err == nil {
		return nil
	}
	open, err := os.ReadDir("/proc/self/fd") // Linux before 5.11
	for _, entry := range open {
		if fd, err := strconv.Atoi(entry.Name()); err == nil && fd >= controlFD {
			unix.CloseOnExec(fd)
		}
	}
	return err
}

type helper struct {
	orders  *json.Decoder
	reports *json.Encoder
	pid     int // of the runtime, and its process group's id

	once sync.Once
	down chan struct{} // closed when everything is to end
}

func (h *helper) report(r report) {
	// Without a server there is nobody to tell; obey has seen that too.
	_ = h.reports.Encode(r)
}

func failure(err error) report {
	var errno syscall.Errno
	var call *os.SyscallError
	if errors.As(err, &call) && errors.As(err, &errno) {
		return report{Call: call.Syscall, Errno: errno}
	}
	return report{Problem: err.Error()}
}

// start starts the runtime.
func (h *helper) start() error {
	var first order
	if err := h.orders.Decode(&first); err != nil {
		return err
	}
	if first.Run == nil {
		return errors.New("the first order is not what to run")
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl", err)
	}
	if err := limit(first.Run.Files); err != nil {
		return err
	}
	pid, err := syscall.ForkExec(first.Run.Program, first.Run.Args, &syscall.ProcAttr{
		Dir: first.Run.Dir, Env: first.Run.Env,
		Files: []uintptr{0, outputFD, outputFD, socketFD},
		Sys:   &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL},
	})
	if err != nil {
		return os.NewSyscallError("exec", err)
	}
	h.pid = pid
	return errors.Join(unix.Close(socketFD), unix.Close(outputFD))
}

// limit bounds what the processes below this one may use.
func limit(files int) error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return os.NewSyscallError("setrlimit", err)
	}
	var now unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &now); err != nil {
		return os.NewSyscallError("getrlimit", err)
	}
	bound := min(uint64(files), now.Max)
	return os.NewSyscallError("setrlimit", unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: bound, Max: bound}))
}

// obey passes signals on to the runtime until the server goes away or somebody
// wants this process to end.
func (h *helper) obey() {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	go func() {
		<-asked
		h.end()
	}()
	defer h.end()
	for {
		var o order
		if err := h.orders.Decode(&o); err != nil {
			return
		}
		select {
		case <-h.down: // the runtime's id may stand for something else by now
		default:
			_ = unix.Kill(h.pid, o.Signal) // it may have ended just now
		}
	}
}

func (h *helper) end() { h.once.Do(func() { close(h.down) }) }

// reap waits for every process below this one and returns how the runtime
// ended. Whoever loses its parent becomes our child, so when there are no
// children left nothing is left.
func (h *helper) reap() *end {
	e := &end{}
	for {
		var status unix.WaitStatus
		var used unix.Rusage
		pid, err := unix.Wait4(-1, &status, 0, &used)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil: // ECHILD
			return e
		}
		e.CPU += time.Duration(used.Utime.Nano() + used.Stime.Nano())
		e.Peak = max(e.Peak, int64(used.Maxrss)<<10)
		if pid == h.pid {
			e.Code = status.ExitStatus()
			if status.Signaled() {
				e.Signal = status.Signal()
			}
			h.end()
		}
	}
}

// takeDown kills everything below this process when it is time, again and
// again, since more may have been started meanwhile. The process ends when
// reap finds nothing left.
func (h *helper) takeDown() {
	<-h.down
	// Most of the time this is all. The id stands for no other group while one
	// process is in it, and ids are not used again before thousands of others.
	_ = unix.Kill(-h.pid, unix.SIGKILL)
	for {
		// The kernel tells nobody when a grandchild has ended.
		time.Sleep(2 * time.Millisecond)
		for _, p := range newCensus(procDir).below(os.Getpid()) {
			killGroup(p)
		}
	}
}

// killGroup kills a process and its group. Nobody outside of an environment is
// ever in a group of it: the runtime began a session, and a process can join
// groups of its own session only. To kill a group is one step in which no
// member can start another.
func killGroup(p process) {
	if p.group > 1 && p.group != unix.Getpgrp() {
		_ = unix.Kill(-p.group, unix.SIGKILL) // whoever has ended meanwhile is fine
	}
	_ = unix.Kill(p.pid, unix.SIGKILL)
}
