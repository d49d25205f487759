//go:build linux

package sandbox

import (
	"bufio"
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"naru/internal/sandbox/internal/proc"
)

// TestMain is also the main function of helpers and of what the tests run in
// environments. Those end at once, while binaries that look for races would sleep
// before.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) == 2 && os.Args[1] == HelperArg:
		syscall.Exit(HelperMain())
	case len(os.Args) > 2 && os.Args[1] == "role":
		roles()[os.Args[2]](os.Args[3:])
		syscall.Exit(0)
	}
	os.Exit(m.Run())
}

// role is the command that has this binary play a role.
func role(name string, args ...string) []string {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return append([]string{self, "role", name}, args...)
}

func roles() map[string]func(args []string) {
	return map[string]func([]string){
		"spin":   playSpin,
		"hog":    playHog,
		"share":  playShare,
		"touch":  playTouch,
		"daemon": playDaemon,
		"server": playServer,
		"copy":   playCopy,
		"rest":   func([]string) { rest() },
		"attack": playAttack,
	}
}

// rest lets a process do nothing until it is killed.
func rest() {
	for {
		_ = unix.Pause() // select{} would be a deadlock to the Go runtime
	}
}

// playSpin uses the processor in as many processes as its argument says.
func playSpin(args []string) {
	for n, _ := strconv.Atoi(args[0]); n > 1; n-- {
		start(role("spin", "1"), &syscall.SysProcAttr{Setsid: n%2 == 0})
	}
	fmt.Println("spinning")
	for x := 2.0; x > 0; {
		x = math.Sqrt(x)
	}
}

// playHog takes as many MiB as its argument says, and says when it has them.
func playHog(args []string) {
	size, _ := strconv.Atoi(args[0])
	var held [][]byte
	for range size {
		b := make([]byte, 1<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		held = append(held, b)
	}
	fmt.Println("full", len(held))
	rest()
}

// playShare has two children use 128 MiB that are the same.
func playShare([]string) {
	fd, err := unix.MemfdCreate("shared", 0)
	if err != nil {
		panic(err)
	}
	shared := os.NewFile(uintptr(fd), "shared")
	if err := shared.Truncate(128 << 20); err != nil {
		panic(err)
	}
	for range 2 {
		start(role("touch"), nil, shared)
	}
	rest()
}

func playTouch([]string) {
	b, err := unix.Mmap(3, 0, 128<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		panic(err)
	}
	for i := 0; i < len(b); i += 4096 {
		b[i] = 1
	}
	fmt.Println("touched")
	rest()
}

// playDaemon makes a daemon by the book, in two steps, which prints its id. The
// first process stays until it is told something over descriptor 3.
func playDaemon(args []string) {
	switch args[0] {
	case "first":
		if err := start(role("daemon", "second"), &syscall.SysProcAttr{Setsid: true}).Wait(); err != nil {
			panic(err)
		}
		var word [1]byte
		if _, err := os.NewFile(3, "socket").Read(word[:]); err != nil {
			panic(err)
		}
	case "second":
		start(role("daemon", "third"), nil)
	case "third":
		fmt.Println("daemon", os.Getpid())
		rest()
	}
}

// playServer launches an environment with a daemon in it, in a mode, prints the ids
// of its processes, and waits to be killed; the environment is frozen if its second
// argument says so.
func playServer(args []string) {
	l, err := New(Options{Mode: Mode(args[0])})
	if err != nil {
		fmt.Println("impossible:", err)
		return
	}
	there := make(chan struct{})
	spec := roleFor(l, "daemon", "first")
	spec.Env, spec.Output = []string{"PATH=/usr/bin:/bin"}, func([]Line) { close(there) }
	e, err := l.Launch(context.Background(), spec)
	if err != nil {
		panic(err)
	}
	<-there
	var below []proc.Process
	for len(below) != 2 { // until the process between runtime and daemon has ended
		<-time.After(time.Millisecond)
		below = proc.NewCensus(proc.System).Below(e.body.helper.Process.Pid)
	}
	fmt.Println("process", e.body.helper.Process.Pid)
	for _, p := range below {
		fmt.Println("process", p.PID)
	}
	if args[1] == "frozen" {
		if err := e.Freeze(); err != nil {
			panic(err)
		}
	}
	fmt.Println("that is all")
	rest()
}

// playCopy sends back what comes over descriptor 3, in upper case.
func playCopy([]string) {
	socket := os.NewFile(3, "socket")
	in := bufio.NewScanner(socket)
	for in.Scan() {
		fmt.Fprintln(socket, strings.ToUpper(in.Text()))
	}
}

func start(argv []string, how *syscall.SysProcAttr, files ...*os.File) *exec.Cmd {
	c := exec.Command(argv[0], argv[1:]...)
	c.Stdout, c.Stderr, c.SysProcAttr, c.ExtraFiles = os.Stdout, os.Stderr, how, files
	if err := c.Start(); err != nil {
		panic(err)
	}
	return c
}

// A transcript is what an environment wrote.
type transcript struct {
	mu    sync.Mutex
	lines []Line
}

func (r *transcript) add(lines []Line) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, lines...)
}

func (r *transcript) text() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []string
	for _, line := range r.lines {
		all = append(all, line.Text)
	}
	return all
}

// number waits for lines that are a word and a number and returns the numbers.
func (r *transcript) number(t *testing.T, word string, count int) []int {
	t.Helper()
	var found []int
	waitFor(t, fmt.Sprintf("%d lines %q", count, word), func() bool {
		found = nil
		for _, line := range r.text() {
			if rest, ok := strings.CutPrefix(line, word+" "); ok {
				n, err := strconv.Atoi(rest)
				if err != nil {
					t.Fatalf("line %q: %v", line, err)
				}
				found = append(found, n)
			}
		}
		return len(found) >= count
	})
	return found
}

func (r *transcript) wait(t *testing.T, line string) {
	t.Helper()
	waitFor(t, "line "+line, func() bool {
		for _, got := range r.text() {
			if got == line {
				return true
			}
		}
		return false
	})
}

// waitFor waits until something is true of which nobody tells.
func waitFor(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(60 * time.Second)
	for !is() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain for: %s", what)
		}
	}
}

// alive reports whether a process does or could do anything.
func alive(pid int) bool {
	p, err := proc.System.Process(pid)
	return err == nil && p.State != 'Z' && p.State != 'X'
}

func newLauncher(t *testing.T) *Launcher {
	l := plain()
	t.Cleanup(l.Close)
	return l
}

func launch(t *testing.T, l *Launcher, spec Spec) (*Environment, *transcript) {
	t.Helper()
	r := &transcript{}
	if spec.Output == nil {
		spec.Output = r.add
	}
	if spec.Env == nil {
		spec.Env = []string{"PATH=" + os.Getenv("PATH")}
	}
	e, err := l.Launch(t.Context(), spec)
	if err != nil {
		t.Fatalf("launch: %v", err)
	}
	t.Cleanup(e.Kill)
	return e, r
}

func shell(script string) []string { return []string{"/bin/sh", "-c", script} }

// descriptors returns what descriptors this process has open.
func descriptors(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	links, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil { // but for that of the listing
			found[link] = target
		}
	}
	return found
}

// plain returns a launcher of plain processes.
func plain() *Launcher {
	l, err := New(Options{Mode: None})
	if err != nil {
		panic(err)
	}
	return l
}

func writeFile(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

var lineTime = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
