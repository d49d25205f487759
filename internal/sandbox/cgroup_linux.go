package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// cgroups are the control groups below which environments get one each, of either
// version of the kernel's interface: in the first there is a folder for each
// controller, in the second one for all. A nil *cgroups gives none.
type cgroups struct {
	folders map[string]string // by controller; in the second version all the same
	unified bool              // it is the second version
	count   atomic.Int64
}

// controllers are those that environments are bound by, and the one that freezes
// them.
var controllers = []string{"memory", "pids", "cpu", freezing}

const freezing = "freezer" // of the first version only

// openCgroups makes the folder, or folders, for environments. Without the memory
// controller there are none.
func openCgroups(root string) (c *cgroups, err error) {
	mounts, err := os.ReadFile(filepath.Join(root, "/proc/self/mounts"))
	if err != nil {
		return nil, err
	}
	own, err := os.ReadFile(filepath.Join(root, "/proc/self/cgroup"))
	if err != nil {
		return nil, err
	}
	c = &cgroups{folders: map[string]string{}}
	for line := range strings.Lines(string(mounts)) {
		field := strings.Fields(line) // device, place, type, options
		if len(field) < 4 {
			continue
		}
		for _, name := range controllers {
			if field[2] == "cgroup" && slices.Contains(strings.Split(field[3], ","), name) {
				c.folders[name] = below(filepath.Join(root, field[1]), groupOf(string(own), name))
			}
		}
	}
	if len(c.folders) == 0 {
		c.unified = true
		for line := range strings.Lines(string(mounts)) {
			if field := strings.Fields(line); len(field) > 2 && field[2] == "cgroup2" {
				return c.delegate(below(filepath.Join(root, field[1]), groupOf(string(own), "")))
			}
		}
		return nil, errors.New("no control groups are mounted")
	}
	if c.folders["memory"] == "" {
		return nil, errors.New("no control groups for memory are mounted")
	}
	for name, folder := range c.folders {
		if c.folders[name], err = ownFolder(folder); err != nil && name == "memory" {
			return nil, err
		} else if err != nil {
			delete(c.folders, name)
		}
	}
	return c, nil
}

// groupOf returns the group that /proc/self/cgroup names for a controller, "" for
// that of the second version.
func groupOf(text, controller string) string {
	for line := range strings.Lines(text) {
		field := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(field) == 3 && slices.Contains(strings.Split(field[1], ","), controller) {
			return field[2]
		}
	}
	return "/"
}

// below returns a group's folder, or that of all groups if the group is not to be
// seen, as in a container.
func below(mount, group string) string {
	if folder := filepath.Join(mount, group); isDir(folder) {
		return folder
	}
	return mount
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

const ownPrefix = "naru-"

// ownFolder makes the folder of this process's environments, and removes those of
// processes that are gone.
func ownFolder(parent string) (string, error) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		id, ok := strings.CutPrefix(e.Name(), ownPrefix)
		pid, err := strconv.Atoi(id)
		if ok && err == nil && errors.Is(unix.Kill(pid, 0), unix.ESRCH) {
			endFrozen(filepath.Join(parent, e.Name()))
			removeGroups(filepath.Join(parent, e.Name()))
		}
	}
	own := filepath.Join(parent, ownPrefix+strconv.Itoa(os.Getpid()))
	if err := os.Mkdir(own, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	return own, nil
}

// removeGroups removes a group and those below it, as far as they get empty.
func removeGroups(folder string) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return // there is none
	}
	for _, e := range entries {
		if e.IsDir() {
			removeGroups(filepath.Join(folder, e.Name()))
		}
	}
	_ = removeGroup(folder) // a group with processes stays
}

// removeGroup removes a group whose last processes are ending.
func removeGroup(folder string) error {
	err := unix.Rmdir(folder)
	for tries := 0; errors.Is(err, unix.EBUSY) && tries < 50; tries++ {
		time.Sleep(time.Millisecond) // the kernel takes a moment, and tells nobody
		err = unix.Rmdir(folder)
	}
	return err
}

// delegate has the controllers of the second version's group be handed down to the
// groups below it. A group that does so can't have processes itself, so this
// process moves to a leaf; that is possible only where it is alone.
func (c *cgroups) delegate(group string) (*cgroups, error) {
	procs, err := os.ReadFile(filepath.Join(group, "cgroup.procs"))
	if err != nil {
		return nil, err
	}
	if pids := strings.Fields(string(procs)); len(pids) != 1 || pids[0] != strconv.Itoa(os.Getpid()) {
		return nil, fmt.Errorf("the control group %s has other processes besides Naru; run Naru in one of its own, as with systemd-run --user --scope -p Delegate=yes", group)
	}
	leaf := filepath.Join(group, "naru")
	if err := os.Mkdir(leaf, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	if err := write(leaf, "cgroup.procs", strconv.Itoa(os.Getpid())); err != nil {
		return nil, err
	}
	for _, name := range controllers {
		if name == freezing {
			continue
		}
		if err := write(group, "cgroup.subtree_control", "+"+name); err == nil {
			c.folders[name] = group
		} else if name == "memory" {
			return nil, err
		}
	}
	own, err := ownFolder(group)
	if err != nil {
		return nil, err
	}
	for name := range c.folders {
		if err := write(own, "cgroup.subtree_control", "+"+name); err != nil {
			return nil, err
		}
		c.folders[name] = own
	}
	return c, nil
}

// open opens a file of a group.
func open(folder, file string, flags int) (*os.File, error) {
	path := filepath.Join(folder, file)
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

func write(folder, file, value string) error {
	f, err := open(folder, file, unix.O_WRONLY)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

// has reports whether environments are bound by a controller.
func (c *cgroups) has(controller string) bool { return c != nil && c.folders[controller] != "" }

// String says what is bound.
func (c *cgroups) String() string {
	var names []string
	for _, name := range controllers {
		if c.has(name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

func (c *cgroups) close() {
	if c == nil {
		return
	}
	for _, folder := range c.folders {
		removeGroups(folder)
	}
}

// A cgroup is that of one environment. A nil one bounds nothing.
type cgroup struct {
	unified bool
	folders map[string]string
	freezer *freezer // nil if there is none
}

// vCPU is the memory, in bytes, for which AWS gives a function one processor.
const vCPU = 1769 << 20

// What the helper needs: bytes, and threads, which count as processes.
const (
	slack         = 16 << 20
	helperThreads = 32
)

// add makes a group with an environment's bounds.
func (c *cgroups) add(spec Spec) (*cgroup, error) {
	if c == nil || spec.Memory == 0 {
		return nil, nil
	}
	g := &cgroup{unified: c.unified, folders: map[string]string{}}
	name := strconv.FormatInt(c.count.Add(1), 10)
	var errs []error
	for controller, parent := range c.folders {
		folder := filepath.Join(parent, name)
		if controller == freezing {
			var err error
			g.freezer, err = openFreezer(folder)
			errs = append(errs, err)
			continue
		}
		if err := os.Mkdir(folder, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			errs = append(errs, err)
			continue
		}
		g.folders[controller] = folder
	}
	for controller, folder := range g.folders {
		errs = append(errs, g.bound(controller, folder, spec))
	}
	return g, errors.Join(errs...)
}

// start starts a helper in the group. If it starts, outside may say why it is not
// in the group.
func (g *cgroup) start(c *exec.Cmd) (outside, err error) {
	switch {
	case g == nil:
		return nil, c.Start()
	case g.unified:
		if err := c.Start(); err != nil {
			return nil, err
		}
		return write(g.folders["memory"], "cgroup.procs", strconv.Itoa(c.Process.Pid)), nil
	}
	// To move another process may take the kernel a grace period of RCU, many
	// milliseconds. To move the thread that asks for it takes microseconds, and
	// what it starts begins where it is.
	done := make(chan struct{})
	go onThread(func() {
		defer close(done)
		for _, folder := range g.folders {
			outside = errors.Join(outside, write(folder, "tasks", "0"))
		}
		err = c.Start()
	})
	<-done
	return outside, err
}

// onThread calls f on a thread that ends thereafter. It must be called as a
// goroutine.
func onThread(f func()) {
	runtime.LockOSThread() // for good, so that the thread ends with this goroutine
	if unix.Gettid() != unix.Getpid() {
		f()
		return
	}
	// The process's first thread would not end.
	over := make(chan struct{})
	go func() {
		defer close(over)
		onThread(f)
	}()
	<-over
	runtime.UnlockOSThread()
}

// bound sets the bounds of one controller. What lies in /tmp counts as memory.
func (g *cgroup) bound(controller, folder string, spec Spec) error {
	memory := strconv.FormatInt(spec.Memory+spec.Temp+slack, 10)
	share := spec.Memory * 100 / vCPU
	switch {
	case controller == "pids":
		return write(folder, "pids.max", strconv.Itoa(spec.Processes+helperThreads))
	case controller == "memory" && g.unified:
		return errors.Join(write(folder, "memory.max", memory), write(folder, "memory.oom.group", "1"))
	case controller == "memory":
		return write(folder, "memory.limit_in_bytes", memory)
	case g.unified:
		return write(folder, "cpu.weight", strconv.FormatInt(min(max(share, 1), 10_000), 10))
	}
	return write(folder, "cpu.shares", strconv.FormatInt(max(share*1024/100, 2), 10))
}

// freezes returns what freezes the group, nil if there is nothing.
func (g *cgroup) freezes() *freezer {
	if g == nil {
		return nil
	}
	return g.freezer
}

// distinct returns the folders that bind, each once.
func (g *cgroup) distinct() (all []string) {
	for _, folder := range g.folders {
		if !slices.Contains(all, folder) {
			all = append(all, folder)
		}
	}
	return all
}

// killedForMemory reports whether the kernel has killed a process since there was
// no memory left.
func (g *cgroup) killedForMemory() bool {
	if g == nil {
		return false
	}
	file := "memory.oom_control"
	if g.unified {
		file = "memory.events"
	}
	text, err := os.ReadFile(filepath.Join(g.folders["memory"], file))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		if n, ok := strings.CutPrefix(strings.TrimSpace(line), "oom_kill "); ok {
			return n != "0"
		}
	}
	return false
}

// remove removes the group, which nothing is in any more.
func (g *cgroup) remove(log *slog.Logger) {
	if g == nil {
		return
	}
	folders := g.distinct()
	if g.freezer != nil {
		_ = g.freezer.state.Close() // nothing is pending
		folders = append(folders, g.freezer.folder)
	}
	for _, folder := range folders {
		if err := removeGroup(folder); err != nil {
			log.Warn("the control group of an environment stays behind", "folder", folder, "error", err)
		}
	}
}
