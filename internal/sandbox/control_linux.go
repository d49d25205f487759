package sandbox

import (
	"syscall"
	"time"
)

// The control socket carries JSON values. The server sends an order that says
// what to run, then one for each signal that the runtime shall get. The helper
// sends a report when the runtime runs, or can't, and one when everything has
// ended. The end of the stream ends the environment.

// Descriptors that the helper is started with.
const (
	controlFD = 3 + iota
	socketFD  // becomes descriptor 3 of the runtime
	outputFD  // becomes descriptors 1 and 2 of the runtime
)

type order struct {
	Run    *run           `json:",omitempty"`
	Signal syscall.Signal `json:",omitempty"`
}

type run struct {
	Program string
	Args    []string
	Env     []string
	Dir     string
	Files   int
}

type report struct {
	PID     int           `json:",omitempty"` // the runtime runs
	Call    string        `json:",omitempty"` // what failed, if it does not
	Errno   syscall.Errno `json:",omitempty"`
	Problem string        `json:",omitempty"` // the same, if there is no Errno
	End     *end          `json:",omitempty"`
}

type end struct {
	Code   int
	Signal syscall.Signal
	CPU    time.Duration // of all processes
	Peak   int64         // bytes in memory that the largest process had at most
}
