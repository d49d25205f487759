//go:build linux

package sandbox

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// TestFrozenProcessesOfANaruThatIsGone are ended when the next one starts, though
// their helper is gone too.
func TestFrozenProcessesOfANaruThatIsGone(t *testing.T) {
	groups, err := openCgroups("/")
	if err != nil || !groups.has(freezing) {
		t.Skipf("this machine lets Naru have no freezer: %v", err)
	}
	defer groups.close()
	gone := exec.Command("/bin/true") // whose id stands for no process any more
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	parent := filepath.Dir(groups.folders[freezing])
	left := filepath.Join(parent, ownPrefix+strconv.Itoa(gone.Process.Pid))
	if err := os.Mkdir(left, 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := openFreezer(filepath.Join(left, "1"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.state.Close()
	sleeper := exec.Command("/bin/sleep", "1000")
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(write(f.folder, "cgroup.procs", strconv.Itoa(sleeper.Process.Pid)), f.freeze()); err != nil {
		t.Fatal(err)
	}
	if _, err := ownFolder(parent); err != nil {
		t.Fatal(err)
	}
	var ended *exec.ExitError
	if err := sleeper.Wait(); !errors.As(err, &ended) {
		t.Errorf("the process ended with %v", err)
	}
	if _, err := ownFolder(parent); err != nil { // the process had to be reaped first
		t.Fatal(err)
	}
	if _, err := os.Stat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the group is still there: %v", err)
	}
}
