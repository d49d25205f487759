// Package proc tells of processes, as /proc does.
package proc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A Process is what /proc/<pid>/stat says of one.
type Process struct {
	PID      int
	Parent   int
	Group    int
	Session  int
	State    byte          // 'R', 'S', 'D', 'T' for stopped, 'Z' for dead but not reaped
	Started  uint64        // in ticks since the machine was started
	Resident int64         // bytes in memory
	CPU      time.Duration // of itself and of the dead children it waited for
}

// Same reports whether q is a later look at p, and not at another process that
// has got p's id since.
func (p Process) Same(q Process) bool { return p.PID == q.PID && p.Started == q.Started }

// Still reports whether the process does nothing and won't start anything.
func (p Process) Still() bool { return strings.IndexByte("TtZX", p.State) >= 0 }

// Blocked reports whether the process waits for something and won't hear of a
// signal before; then it heeds the signal first.
func (p Process) Blocked() bool { return p.State == 'D' }

// A Dir is a directory that looks like /proc.
type Dir string

// System is that of this machine.
const System Dir = "/proc"

func (d Dir) file(pid int, name string) string {
	return filepath.Join(string(d), strconv.Itoa(pid), name)
}

// read reads a file. A system call less or more counts here: it is done for every
// process and thread, often.
func read(path string) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	text := make([]byte, 0, 1024)
	for {
		n, err := unix.Read(fd, text[len(text):cap(text)])
		switch {
		case err == unix.EINTR:
			continue
		case err != nil || n <= 0:
			return text, err
		}
		text = text[:len(text)+n]
		text = slices.Grow(text, 512)
	}
}

// names returns the names of what is in a folder, in no order.
func names(path string) (all []string, err error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	entries := make([]byte, 4096)
	for {
		n, err := unix.ReadDirent(fd, entries)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil || n <= 0:
			return all, err
		}
		_, _, all = unix.ParseDirent(entries[:n], -1, all)
	}
}

// Process reads one process. The error is os.ErrNotExist if there is none.
func (d Dir) Process(pid int) (Process, error) {
	text, err := read(d.file(pid, "stat"))
	if err != nil {
		return Process{}, gone(err)
	}
	p, err := parseStat(text)
	if err != nil {
		return Process{}, fmt.Errorf("stat of process %d: %w", pid, err)
	}
	return p, nil
}

// Ticks returns how long processors were idle since the machine was started, and
// how long there were any, summed over all of them.
func (d Dir) Ticks() (idle, all uint64, err error) {
	text, err := os.ReadFile(filepath.Join(string(d), "stat"))
	if err != nil {
		return 0, 0, err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, 0, errors.New("not what proc_stat(5) says")
	}
	for k, field := range fields[1:9] { // what guests have is counted with the rest
		n, err := strconv.ParseUint(field, 10, 64)
		if err != nil {
			return 0, 0, err
		}
		if all += n; k == 3 || k == 4 { // or waits for a disk
			idle += n
		}
	}
	return idle, all, nil
}

// gone makes os.ErrNotExist of the errors that reading about a process gives
// when it ends meanwhile.
func gone(err error) error {
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrNotExist
	}
	return err
}

// parseStat parses a line of proc_pid_stat(5).
func parseStat(text []byte) (Process, error) {
	const ticksPerSecond = 100 // USER_HZ, the same on every architecture that Go knows
	pid, _, ok := bytes.Cut(text, []byte(" ("))
	end := bytes.LastIndexByte(text, ')') // the name may hold anything, also parentheses
	if !ok || end < 0 {
		return Process{}, errors.New("not a line of stat")
	}
	field := strings.Fields(string(text[end+1:])) // the first is number 3 of the manual page
	if len(field) < 22 {
		return Process{}, errors.New("too few fields")
	}
	var errs []error
	number := func(s string) int64 {
		n, err := strconv.ParseInt(s, 10, 64)
		errs = append(errs, err)
		return n
	}
	p := Process{
		PID:      int(number(string(pid))),
		State:    field[0][0],
		Parent:   int(number(field[1])),
		Group:    int(number(field[2])),
		Session:  int(number(field[3])),
		Started:  uint64(number(field[19])),
		Resident: number(field[21]) * int64(os.Getpagesize()),
	}
	for _, ticks := range field[11:15] {
		p.CPU += time.Duration(number(ticks)) * time.Second / ticksPerSecond
	}
	return p, errors.Join(errs...)
}

// kilobytes returns the value of a field such as "VmHWM" or "Pss" in a file of
// a process, in bytes; 0 if it has none.
func (d Dir) kilobytes(pid int, file, field string) int64 {
	text, err := read(d.file(pid, file))
	if err != nil {
		return 0 // it has ended, or is not ours to look into
	}
	_, rest, _ := strings.Cut(string(text), "\n"+field+":")
	value, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return 0
	}
	return n << 10
}

// Peak is the most that a process has had in memory, in bytes.
func (d Dir) Peak(pid int) int64 { return d.kilobytes(pid, "status", "VmHWM") }

// Share is what a process has in memory, in bytes, where what n processes
// share counts one n-th for each. It takes the kernel a while.
func (d Dir) Share(pid int) int64 { return d.kilobytes(pid, "smaps_rollup", "Pss") }

// A Census finds the processes below others. Where the kernel lists children
// it asks it for them; elsewhere it reads all processes of the machine once,
// the first time that it is asked.
type Census struct {
	dir      Dir
	lists    bool              // the kernel lists children
	children map[int][]Process // of every process; nil unless read
}

// NewCensus returns a census of a directory.
func NewCensus(d Dir) *Census {
	// Children are listed for every thread that started them.
	_, err := os.Stat(filepath.Join(string(d), "thread-self", "children"))
	return &Census{dir: d, lists: err == nil}
}

// Below returns all processes below root.
func (c *Census) Below(root int) []Process {
	var all []Process
	known := map[int]bool{root: true}
	for next := []int{root}; len(next) > 0; {
		parent := next[0]
		next = next[1:]
		for _, p := range c.ChildrenOf(parent) {
			if !known[p.PID] {
				known[p.PID] = true
				all, next = append(all, p), append(next, p.PID)
			}
		}
	}
	return all
}

// ChildrenOf returns the processes whose parent a process is.
func (c *Census) ChildrenOf(pid int) []Process {
	if !c.lists {
		if c.children == nil {
			c.children = c.dir.ByParent()
		}
		return c.children[pid]
	}
	var all []Process
	threads, _ := names(c.dir.file(pid, "task")) // without any the process has ended
	for _, thread := range threads {
		text, err := read(c.dir.file(pid, "task/"+thread+"/children"))
		if err != nil {
			continue // the thread has ended
		}
		for child := range strings.FieldsSeq(string(text)) {
			n, _ := strconv.Atoi(child)
			if p, err := c.dir.Process(n); err == nil {
				all = append(all, p)
			}
		}
	}
	return all
}

// ByParent returns the processes of the machine by their parents.
func (d Dir) ByParent() map[int][]Process {
	all := map[int][]Process{}
	entries, _ := names(string(d)) // without /proc there is no environment either
	for _, name := range entries {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if p, err := d.Process(pid); err == nil { // else it has ended
			all[p.Parent] = append(all[p.Parent], p)
		}
	}
	return all
}

// KillGroup kills a process and its group. Nobody outside of an environment is
// ever in a group of it: its commands began sessions, and a process can join
// groups of its own session only. To kill a group is one step in which no
// member can start another.
func KillGroup(p Process) {
	if p.Group > 1 && p.Group != unix.Getpgrp() {
		_ = unix.Kill(-p.Group, unix.SIGKILL) // whoever has ended meanwhile is fine
	}
	_ = unix.Kill(p.PID, unix.SIGKILL)
}

// HostPID returns the id, as this process sees it, of the child of a process
// that the latter sees by another id, in a namespace of its own; 0 if there is
// none.
func (d Dir) HostPID(parent, pid int) int {
	want := strconv.Itoa(pid)
	for _, p := range NewCensus(d).ChildrenOf(parent) {
		text, err := read(d.file(p.PID, "status"))
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(text), "\nNSpid:")
		line, _, _ := strings.Cut(rest, "\n")
		if ids := strings.Fields(line); len(ids) > 0 && ids[len(ids)-1] == want {
			return p.PID
		}
	}
	return 0
}

// HasSocket reports whether a process has the socket of an inode open.
func (d Dir) HasSocket(pid int, inode uint32) bool {
	dir := d.file(pid, "fd")
	entries, err := names(dir)
	if err != nil {
		return false // it has ended, or is not ours to look into
	}
	want := fmt.Sprintf("socket:[%d]", inode)
	target := make([]byte, len(want)+1)
	for _, name := range entries {
		if n, err := unix.Readlink(filepath.Join(dir, name), target); err == nil && string(target[:n]) == want {
			return true
		}
	}
	return false
}
