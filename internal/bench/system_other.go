//go:build !linux

package bench

import (
	"os"
	"os/exec"
	"time"
)

func tie(*exec.Cmd) {}

func datasync(f *os.File) error { return f.Sync() }

func pause(d time.Duration) { time.Sleep(d) }
