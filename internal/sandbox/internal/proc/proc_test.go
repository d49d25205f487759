//go:build linux

package proc

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func writeFile(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestParseStat(t *testing.T) {
	const text = "42 (a) b (c) S 7 40 39 34816 -1 4194304 100 200 0 0 10 20 3 4 20 0 11 0 123456 1000000 250 18446744073709551615 1 1"
	got, err := parseStat([]byte(text))
	want := Process{
		PID: 42, Parent: 7, Group: 40, Session: 39, State: 'S', Started: 123456,
		Resident: 250 * int64(os.Getpagesize()), CPU: 370 * time.Millisecond,
	}
	if err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	for _, bad := range []string{"", "42", "42 (a", "42 (a) S 7", "x (a) S 7 40 39 0 -1 0 1 2 0 0 1 2 3 4 20 0 11 0 1 2 3 4"} {
		if _, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q is parsed", bad)
		}
	}
}

func TestTicks(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "stat"), "cpu  10 20 30 400 5 6 7 8 9 9\ncpu0 1 2 3 4 5 6 7 8 9 9\nintr 1\n")
	if idle, all, err := Dir(dir).Ticks(); err != nil || idle != 405 || all != 486 {
		t.Errorf("got %d of %d, %v", idle, all, err)
	}
	for _, bad := range []string{"", "cpu 1 2 3", "cpu  10 20 30 400 5 x 7 8 9 9\n"} {
		writeFile(t, filepath.Join(dir, "stat"), bad)
		if _, _, err := Dir(dir).Ticks(); err == nil {
			t.Errorf("%q is parsed", bad)
		}
	}
	if idle, all, err := System.Ticks(); err != nil || idle > all || all == 0 {
		t.Errorf("of this machine: %d of %d, %v", idle, all, err)
	}
}

// tree makes a directory like /proc with the processes of
//
//	1 ── 10 ── 11 ── 12
//	      └─── 13
//
// where 13 was started by a second thread, and 12 has ended.
func tree(t *testing.T, lists bool) Dir {
	t.Helper()
	dir := t.TempDir()
	write := func(file, text string) { writeFile(t, filepath.Join(dir, file), text) }
	stat := func(pid, parent string) {
		write(pid+"/stat", pid+" (x) S "+parent+" 10 10 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 5 0 1 0")
		write(pid+"/task/"+pid+"/comm", "x")
	}
	stat("1", "0")
	stat("10", "1")
	stat("11", "10")
	stat("13", "10")
	write("self/stat", "not a number")
	if lists {
		write("thread-self/children", "")
		write("1/task/1/children", "10 ")
		write("10/task/10/children", "11 ")
		write("10/task/100/children", "13 ")
		write("11/task/11/children", "12 ")
		write("13/task/13/children", "")
	}
	return Dir(dir)
}

func TestCensusFindsAllBelow(t *testing.T) {
	for name, lists := range map[string]bool{"WithListsOfChildren": true, "WithoutThem": false} {
		t.Run(name, func(t *testing.T) {
			c := NewCensus(tree(t, lists))
			if c.lists != lists {
				t.Fatal("the census does not know whether there are lists")
			}
			var got []int
			for _, p := range c.Below(10) {
				got = append(got, p.PID)
			}
			sorted := cmpopts.SortSlices(func(a, b int) bool { return a < b })
			if diff := cmp.Diff([]int{11, 13}, got, sorted); diff != "" {
				t.Errorf("below 10 (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEndedProcessesAreNotThere(t *testing.T) {
	if _, err := System.Process(1 << 30); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error is %v", err)
	}
	if peak := System.Peak(1 << 30); peak != 0 {
		t.Errorf("its peak is %d", peak)
	}
	if own := System.Peak(os.Getpid()); own < 1<<20 {
		t.Errorf("our own peak is %d", own)
	}
	if own := System.Share(os.Getpid()); own < 1<<20 {
		t.Errorf("our own share is %d", own)
	}
}
