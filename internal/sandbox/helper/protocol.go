// Package helper is the first process of an environment: it lays out what the
// environment's processes see, gives up what they must not have, starts them,
// reaps them, and says how they ended. It is small on purpose, since it is started
// for every environment; cmd/naru-helper is nothing else.
//
// It talks with the server over a control socket, which carries JSON values. The
// server sends an Order that says what to run, and then more of them; the helper
// sends a Report when it is ready, one when the runtime runs or something failed,
// one with each socket that is asked for, and one when everything has ended. The
// end of the stream ends the environment.
package helper

import (
	"syscall"
	"time"
)

// Descriptors that the helper is started with. Behind them come the mounts that
// its orders speak of.
const (
	ControlFD = 3 + iota
	SocketFD  // becomes descriptor 3 of the runtime
	OutputFD  // becomes descriptors 1 and 2 of all commands
	FirstFree
)

// Version is the version of the protocol: helper and server must be of the same.
const Version = 2

// An Order is what the server sends. The first has a Setup.
type Order struct {
	Setup *Setup `json:",omitempty"`
	// Start has the runtime started.
	Start bool `json:",omitempty"`
	// Signal is sent to the runtime. If Leave is set, the environment then goes
	// on until the last of its commands has ended.
	Signal syscall.Signal `json:",omitempty"`
	Leave  bool           `json:",omitempty"`
	// Socket asks for a TCP socket in the environment's network.
	Socket bool `json:",omitempty"`
}

// A Setup says what there is in an environment.
type Setup struct {
	Version int
	// Runtime is started when it is ordered; Others at once.
	Runtime Command
	Others  []Command
	Env     []string
	Dir     string
	Limits  Limits
	Root    *Root     // what processes see of the file system; nil for all of it
	Rules   *Landlock // what they may do with it; nil for anything
	Seccomp bool      // they may only make harmless system calls
	Freezer *Freezer  // nil for none
	Ports   []int     // of the loopback interface of a network of their own, to listen at
	Probe   bool      // nothing is started
}

// A Command is a program to run.
type Command struct {
	Program string
	Args    []string
}

// Limits bound each process.
type Limits struct {
	Files     int
	Processes int   // of all, and their threads; 0 for no limit
	FileSize  int64 // bytes; 0 for no limit
}

// A Root is a file system to be laid out.
type Root struct {
	Mounts []Mount
	Links  []Link
	Files  []File
	Temp   int64 // bytes that /tmp has room for
	UID    int   // of the processes, in their own user namespace
	GID    int
}

// A Mount is a file or folder that is seen at a place. FD is a descriptor of a
// detached mount of it, or 0.
type Mount struct {
	From, At string
	FD       int
}

// A Link is a symbolic link.
type Link struct{ At, To string }

// A File is a small text file.
type File struct{ At, Text string }

// Landlock says what processes may do: read and execute, also write files that
// are there, also change what is in a folder.
type Landlock struct {
	Read, Write, Change []string
}

// A Freezer is a control group of version 1, by descriptors of its files: that by
// which a thread enters it, the same of a group outside, and that of its state.
type Freezer struct {
	Enter, Leave, State int
}

// The states of a freezer.
const (
	Frozen = "FROZEN"
	Thawed = "THAWED"
)

// A Report is what the helper sends.
type Report struct {
	Ready   bool          `json:",omitempty"` // all is laid out; with the listeners as descriptors
	PIDs    []int         `json:",omitempty"` // of the commands that were started, as the helper sees them
	Socket  bool          `json:",omitempty"` // with a descriptor
	Call    string        `json:",omitempty"` // what failed
	Errno   syscall.Errno `json:",omitempty"`
	Problem string        `json:",omitempty"` // the same, if there is no Errno
	End     *End          `json:",omitempty"`
}

// End is how everything ended.
type End struct {
	Code   int // of the command that ended first
	Signal syscall.Signal
	Other  bool          // it was not the runtime
	CPU    time.Duration // of all processes
	Peak   int64         // bytes in memory that the largest process had at most
}
