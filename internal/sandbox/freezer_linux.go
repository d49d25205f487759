package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"naru/internal/sandbox/helper"
)

// A freezer is an environment's control group of version 1 that freezes: all of
// its processes in one step, without their knowledge. The helper is not in it,
// since it has to end the environment whatever happens to Naru; only while it
// starts a process is the thread that does so. What is frozen does not even heed
// SIGKILL until it is thawed, so the helper can do that.
//
// With version 2 there is none: the helper would have to move to and fro for each
// start, for which the kernel may wait for a grace period of RCU.
type freezer struct {
	folder string
	state  *os.File
}

// openFreezer makes the group.
func openFreezer(folder string) (*freezer, error) {
	if err := os.Mkdir(folder, 0o755); err != nil {
		return nil, err
	}
	state, err := open(folder, "freezer.state", unix.O_RDWR)
	if err != nil {
		return nil, errors.Join(err, unix.Rmdir(folder))
	}
	return &freezer{folder, state}, nil
}

// handOver returns what the helper needs, in descriptors from first on. The first
// two files are to be closed.
func (f *freezer) handOver(first int) (*helper.Freezer, []*os.File, error) {
	enter, err := open(f.folder, "tasks", unix.O_WRONLY)
	if err != nil {
		return nil, nil, err
	}
	leave, err := open(filepath.Dir(f.folder), "tasks", unix.O_WRONLY)
	if err != nil {
		return nil, nil, errors.Join(err, enter.Close())
	}
	return &helper.Freezer{Enter: first, Leave: first + 1, State: first + 2}, []*os.File{enter, leave, f.state}, nil
}

// freeze returns once everything is frozen, or thaws it if that takes too long.
func (f *freezer) freeze() error {
	deadline := time.Now().Add(freezeTime)
	state := make([]byte, 16)
	for pause := 20 * time.Microsecond; ; pause = min(2*pause, 5*time.Millisecond) {
		// Again and again: the kernel overlooks who is about to wait for a child that
		// is to execute a program.
		if _, err := f.state.WriteAt([]byte(helper.Frozen), 0); err != nil {
			return errors.Join(err, f.thaw())
		}
		n, err := unix.Pread(int(f.state.Fd()), state, 0)
		switch {
		case err != nil:
			return errors.Join(fmt.Errorf("freezer.state: %w", err), f.thaw())
		case strings.TrimSpace(string(state[:n])) == helper.Frozen:
			return nil
		case time.Now().After(deadline):
			return errors.Join(errRestless, f.thaw())
		}
		time.Sleep(pause) // a process is frozen when it is scheduled next; nobody is told
	}
}

// thaw has everything go on. It may be called when nothing is frozen.
func (f *freezer) thaw() error {
	if f == nil {
		return nil
	}
	_, err := f.state.WriteAt([]byte(helper.Thawed), 0)
	return err
}

// endFrozen ends what a Naru that is gone has left behind, with its helpers, in
// the groups below a folder: processes that are frozen can't end by themselves. It
// leaves alone what belongs to another namespace, where that Naru may live.
func endFrozen(folder string) {
	states, _ := filepath.Glob(filepath.Join(folder, "*", "freezer.state")) // errs on bad patterns only
	for _, state := range states {
		text, err := os.ReadFile(filepath.Join(filepath.Dir(state), "cgroup.procs"))
		pids := strings.Fields(string(text))
		if err != nil || len(pids) == 0 || pids[0] == "0" { // they are in order
			continue
		}
		for _, pid := range pids {
			if n, err := strconv.Atoi(pid); err == nil && n > 0 {
				_ = unix.Kill(n, unix.SIGKILL) // it may end just now
			}
		}
		_ = os.WriteFile(state, []byte(helper.Thawed), 0) // there are groups that stay behind, at worst
	}
}
