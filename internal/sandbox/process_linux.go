package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A process is what /proc/<pid>/stat says of one.
type process struct {
	pid      int
	parent   int
	group    int
	session  int
	state    byte // 'R', 'S', 'D', 'T' for stopped, 'Z' for dead but not reaped
	started  uint64
	resident int64         // bytes in memory
	cpu      time.Duration // of itself and of the dead children it waited for
}

// same reports whether q is a later look at p, and not at another process that
// has got p's id since.
func (p process) same(q process) bool { return p.pid == q.pid && p.started == q.started }

// still reports whether the process does nothing and won't start anything.
func (p process) still() bool { return strings.IndexByte("TtZX", p.state) >= 0 }

// blocked reports whether the process waits for something and won't hear of a
// signal before; then it heeds the signal first.
func (p process) blocked() bool { return p.state == 'D' }

// A proc is a directory that looks like /proc.
type proc string

const procDir proc = "/proc"

func (d proc) file(pid int, name string) string {
	return filepath.Join(string(d), strconv.Itoa(pid), name)
}

// process reads one process. The error is os.ErrNotExist if there is none.
func (d proc) process(pid int) (process, error) {
	text, err := os.ReadFile(d.file(pid, "stat"))
	if err != nil {
		return process{}, gone(err)
	}
	p, err := parseStat(text)
	if err != nil {
		return process{}, fmt.Errorf("stat of process %d: %w", pid, err)
	}
	return p, nil
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
func parseStat(text []byte) (process, error) {
	const ticksPerSecond = 100 // USER_HZ, the same on every architecture that Go knows
	pid, _, ok := bytes.Cut(text, []byte(" ("))
	end := bytes.LastIndexByte(text, ')') // the name may hold anything, also parentheses
	if !ok || end < 0 {
		return process{}, errors.New("not a line of stat")
	}
	field := strings.Fields(string(text[end+1:])) // the first is number 3 of the manual page
	if len(field) < 22 {
		return process{}, errors.New("too few fields")
	}
	var errs []error
	number := func(s string) int64 {
		n, err := strconv.ParseInt(s, 10, 64)
		errs = append(errs, err)
		return n
	}
	p := process{
		pid:      int(number(string(pid))),
		state:    field[0][0],
		parent:   int(number(field[1])),
		group:    int(number(field[2])),
		session:  int(number(field[3])),
		started:  uint64(number(field[19])),
		resident: number(field[21]) * int64(os.Getpagesize()),
	}
	for _, ticks := range field[11:15] {
		p.cpu += time.Duration(number(ticks)) * time.Second / ticksPerSecond
	}
	return p, errors.Join(errs...)
}

// kilobytes returns the value of a field such as "VmHWM" or "Pss" in a file of
// a process, in bytes; 0 if it has none.
func (d proc) kilobytes(pid int, file, field string) int64 {
	text, err := os.ReadFile(d.file(pid, file))
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

// peak is the most that a process has had in memory, in bytes.
func (d proc) peak(pid int) int64 { return d.kilobytes(pid, "status", "VmHWM") }

// share is what a process has in memory, in bytes, where what n processes
// share counts one n-th for each. It takes the kernel a while.
func (d proc) share(pid int) int64 { return d.kilobytes(pid, "smaps_rollup", "Pss") }

// A census finds the processes below others. Where the kernel lists children
// it asks it for them; elsewhere it reads all processes of the machine once,
// the first time that it is asked.
type census struct {
	proc     proc
	lists    bool              // the kernel lists children
	children map[int][]process // of every process; nil unless read
}

func newCensus(d proc) *census {
	// Children are listed for every thread that started them.
	_, err := os.Stat(filepath.Join(string(d), "thread-self", "children"))
	return &census{proc: d, lists: err == nil}
}

// below returns all processes below root.
func (c *census) below(root int) []process {
	var all []process
	known := map[int]bool{root: true}
	for next := []int{root}; len(next) > 0; {
		parent := next[0]
		next = next[1:]
		for _, p := range c.childrenOf(parent) {
			if !known[p.pid] {
				known[p.pid] = true
				all, next = append(all, p), append(next, p.pid)
			}
		}
	}
	return all
}

func (c *census) childrenOf(pid int) []process {
	if !c.lists {
		if c.children == nil {
			c.children = c.proc.byParent()
		}
		return c.children[pid]
	}
	var all []process
	lists, _ := filepath.Glob(c.proc.file(pid, "task/*/children")) // errs on bad patterns only
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue // the thread has ended
		}
		for child := range strings.FieldsSeq(string(text)) {
			n, _ := strconv.Atoi(child)
			if p, err := c.proc.process(n); err == nil {
				all = append(all, p)
			}
		}
	}
	return all
}

// byParent returns the processes of the machine by their parents.
func (d proc) byParent() map[int][]process {
	all := map[int][]process{}
	entries, _ := os.ReadDir(string(d)) // without /proc there is no environment either
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if p, err := d.process(pid); err == nil { // else it has ended
			all[p.parent] = append(all[p.parent], p)
		}
	}
	return all
}
