//go:build !linux

package bench

import (
	"os"
	"os/exec"
	"time"
)

// tie lets a process end when this one does, on systems that can do that.
func tie(*exec.Cmd) {}

// dataSync returns once what was written to f is on disk.
func dataSync(f *os.File) error { return f.Sync() }

// nap sleeps. It may wake early.
func nap(d time.Duration) { time.Sleep(d) }
