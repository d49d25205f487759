package bench

import (
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// tie lets a process end when this one does, however that comes about.
func tie(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// datasync is fdatasync.
func datasync(f *os.File) error { return unix.Fdatasync(int(f.Fd())) }

// pause sleeps in the system, since timers of the runtime may be late by a
// millisecond. It may end early.
func pause(d time.Duration) {
	t := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&t, nil) // interrupted or not
}
