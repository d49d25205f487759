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

// dataSync returns once what was written to f is on disk.
func dataSync(f *os.File) error { return unix.Fdatasync(int(f.Fd())) }

// nap sleeps in the system, since timers of the runtime may be late by a
// millisecond. It may wake early.
func nap(d time.Duration) {
	pause := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&pause, nil) // interrupted or not
}
