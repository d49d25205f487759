//go:build linux

package sandbox

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"naru/internal/sandbox/internal/proc"
)

func TestExitSaysHowTheRuntimeEnded(t *testing.T) {
	l := newLauncher(t)
	for _, c := range []struct {
		name, script string
		want         Exit
		text         string
	}{
		{"WellDone", `exit 0`, Exit{}, "exit status 0"},
		{"ByStatus", `exit 41`, Exit{Code: 41}, "exit status 41"},
		{"BySignal", `kill -SEGV $$`, Exit{Code: -1, Signal: syscall.SIGSEGV}, "signal: segmentation fault"},
		{"WithChildrenLeft", `sleep 1000 & exit 3`, Exit{Code: 3}, "exit status 3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, _ := launch(t, l, Spec{Command: shell(c.script)})
			if diff := cmp.Diff(c.want, e.Exit()); diff != "" {
				t.Errorf("exit (-want +got):\n%s", diff)
			}
			if got := e.Exit().String(); got != c.text {
				t.Errorf("exit reads %q, want %q", got, c.text)
			}
		})
	}
}

func TestLaunchFailsIfTheRuntimeCannotRun(t *testing.T) {
	l := newLauncher(t)
	file := t.TempDir() + "/not-executable"
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		spec Spec
		want error
	}{
		"NoCommand":      {Spec{}, nil},
		"NotOnThePath":   {Spec{Command: []string{"no-such-program"}, Env: []string{"PATH=/bin:/usr/bin"}}, exec.ErrNotFound},
		"EmptyPath":      {Spec{Command: []string{"sh"}, Env: []string{"PATH="}}, exec.ErrNotFound},
		"NoSuchFile":     {Spec{Command: []string{"/no/such/program"}}, syscall.ENOENT},
		"NotExecutable":  {Spec{Command: []string{file}}, syscall.EACCES},
		"NoSuchFolder":   {Spec{Command: shell("exit 0"), Dir: "/no/such/folder"}, os.ErrNotExist},
		"FolderIsAFile":  {Spec{Command: shell("exit 0"), Dir: file}, nil},
		"NulInArguments": {Spec{Command: shell("exit \x00")}, syscall.EINVAL},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := l.Launch(t.Context(), c.spec)
			if err == nil {
				e.Kill()
				t.Fatal("launched")
			}
			if c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("error is %v, want %v", err, c.want)
			}
		})
	}
}

func TestLaunchHeedsItsContextAndClose(t *testing.T) {
	l := newLauncher(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Launch(ctx, Spec{Command: shell("sleep 1000")}); !errors.Is(err, context.Canceled) {
		t.Errorf("launch with an ended context: %v", err)
	}
	e, _ := launch(t, l, Spec{Command: shell("sleep 1000")})
	l.Close()
	select {
	case <-e.Done():
	default:
		t.Error("the launcher is closed and the environment is not over")
	}
	if _, err := l.Launch(t.Context(), Spec{Command: shell("sleep 1000")}); !errors.Is(err, ErrClosed) {
		t.Errorf("launch after close: %v", err)
	}
}

func TestRuntimeGetsItsSpecAndNothingElse(t *testing.T) {
	t.Setenv("SECRET", "of the server")
	leak, err := os.Open(t.TempDir()) // as a library might leave it open
	if err != nil {
		t.Fatal(err)
	}
	defer leak.Close()
	if _, err := syscall.Dup(int(leak.Fd())); err != nil {
		t.Fatal(err)
	}
	l := newLauncher(t)
	t.Run("Descriptors", func(t *testing.T) {
		e, r := launch(t, l, Spec{Command: shell(`fd=0; while [ $fd -lt 200 ]; do [ -e /proc/$$/fd/$fd ] && readlink /proc/$$/fd/$fd; fd=$((fd+1)); done`)})
		e.Exit()
		var got []string
		for _, target := range r.text() {
			kind, _, _ := strings.Cut(target, ":")
			got = append(got, kind)
		}
		if diff := cmp.Diff([]string{"/dev/null", "pipe", "pipe", "socket"}, got); diff != "" {
			t.Errorf("descriptors (-want +got):\n%s", diff)
		}
	})
	t.Run("Settings", func(t *testing.T) {
		dir := t.TempDir()
		e, r := launch(t, l, Spec{
			Command: []string{"sh", "-c", `pwd; env | sort | grep -v -e ^_= -e ^PWD= -e ^SHLVL= -e ^OLDPWD=; ulimit -n; ulimit -Hn; ulimit -c; echo $1`, "sh", "a b"},
			Dir:     dir, Env: []string{"PATH=/bin:/usr/bin", "A=1"}, Files: 77,
		})
		e.Exit()
		want := []string{dir, "A=1", "PATH=/bin:/usr/bin", "77", "77", "0", "a b"}
		if diff := cmp.Diff(want, r.text()); diff != "" {
			t.Errorf("settings (-want +got):\n%s", diff)
		}
	})
}

func TestConnIsDescriptorThree(t *testing.T) {
	e, _ := launch(t, newLauncher(t), Spec{Command: role("copy")})
	in := bufio.NewScanner(e.Conn())
	for _, word := range []string{"across", "the", "river"} {
		if _, err := fmt.Fprintln(e.Conn(), word); err != nil {
			t.Fatal(err)
		}
		if !in.Scan() || in.Text() != strings.ToUpper(word) {
			t.Fatalf("got %q after %q: %v", in.Text(), word, in.Err())
		}
	}
	e.Kill()
	if in.Scan() || in.Err() == nil {
		t.Errorf("the connection outlives the environment: %q, %v", in.Text(), in.Err())
	}
}

// eachWay has a test run with environments that are frozen by signals, and, where
// that is possible, with such that a control group freezes.
func eachWay(t *testing.T, test func(t *testing.T, l *Launcher)) {
	t.Run("BySignals", func(t *testing.T) { test(t, newLauncher(t)) })
	t.Run("ByControlGroup", func(t *testing.T) {
		l, err := New(Options{Mode: Auto})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(l.Close)
		if !l.ground.groups.has(freezing) {
			t.Skip("this machine lets Naru have no freezer")
		}
		test(t, l)
	})
}

// roleFor is the command that has this binary play a role, where the launcher's
// environments see it, in an environment that has control groups if any has.
func roleFor(l *Launcher, name string, args ...string) Spec {
	s := Spec{Command: role(name, args...), Dir: "/", Memory: 512 << 20}
	if l.Tier() == Namespaced {
		s.Mounts = []Mount{{filepath.Dir(s.Command[0]), "/opt"}}
		s.Command[0] = "/opt/" + filepath.Base(s.Command[0])
	}
	return s
}

func TestFreezeStopsEveryProcessAndThawLetsItGoOn(t *testing.T) { eachWay(t, freezeStops) }

func freezeStops(t *testing.T, l *Launcher) {
	e, r := launch(t, l, roleFor(l, "spin", "3"))
	waitFor(t, "three processes", func() bool { return strings.Count(strings.Join(r.text(), " "), "spinning") == 3 })
	all := proc.NewCensus(proc.System).Below(e.body.helper.Process.Pid)
	used := func() (sum time.Duration) {
		for _, p := range all {
			now, err := proc.System.Process(p.PID)
			if err != nil {
				t.Fatal(err)
			}
			sum += now.CPU
		}
		return sum
	}
	for range 3 {
		if err := e.Freeze(); err != nil {
			t.Fatalf("freeze: %v", err)
		}
		before := used()
		<-time.After(100 * time.Millisecond)
		if after := used(); after != before {
			t.Errorf("frozen processes used %v", after-before)
		}
		if err := e.Thaw(); err != nil {
			t.Fatalf("thaw: %v", err)
		}
		waitFor(t, "use of the processor", func() bool { return used() > before })
	}
	if len(all) != 3 {
		t.Errorf("%d processes, want 3", len(all))
	}
}

func TestFreezeCatchesProcessesThatStartOthers(t *testing.T) { eachWay(t, freezeCatches) }

func freezeCatches(t *testing.T, l *Launcher) {
	e, r := launch(t, l, Spec{Command: shell(`echo go; while :; do setsid true; true; done`), Dir: "/", Memory: 512 << 20})
	r.wait(t, "go")
	for range 20 {
		if err := e.Freeze(); err != nil {
			t.Fatalf("freeze: %v", err)
		}
		for _, p := range proc.NewCensus(proc.System).Below(e.body.helper.Process.Pid) {
			if !e.body.stands(p) && (e.body.group.freezes() == nil || !p.Blocked()) {
				t.Errorf("process %d is in state %c", p.PID, p.State)
			}
		}
		if err := e.Thaw(); err != nil {
			t.Fatalf("thaw: %v", err)
		}
	}
}

func TestFrozenEnvironmentsCanBeEnded(t *testing.T) { eachWay(t, frozenEnds) }

func frozenEnds(t *testing.T, l *Launcher) {
	spec := Spec{Command: shell("sleep 1000"), Dir: "/", Memory: 512 << 20}
	t.Run("Kill", func(t *testing.T) {
		e, _ := launch(t, l, spec)
		if err := e.Freeze(); err != nil {
			t.Fatal(err)
		}
		e.Kill()
		if err := e.Freeze(); !errors.Is(err, ErrEnded) {
			t.Errorf("freeze after the end: %v", err)
		}
	})
	t.Run("KillOfTheHelper", func(t *testing.T) {
		e, _ := launch(t, l, spec)
		if err := e.Freeze(); err != nil {
			t.Fatal(err)
		}
		if err := e.body.helper.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		e.Exit()
		waitFor(t, "the end of the runtime", func() bool { return !alive(e.PID()) })
	})
	t.Run("Stop", func(t *testing.T) {
		spec := spec
		spec.Command = shell(`trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.01; done`)
		e, r := launch(t, l, spec)
		r.wait(t, "ready")
		if err := e.Freeze(); err != nil {
			t.Fatal(err)
		}
		e.Stop(time.Minute)
		if diff := cmp.Diff([]string{"ready", "bye"}, r.text()); diff != "" {
			t.Errorf("lines (-want +got):\n%s", diff)
		}
	})
}

func TestDaemonsEndWithTheirEnvironment(t *testing.T) {
	l := newLauncher(t)
	for name, end := range map[string]func(*Environment) error{
		"ByKill": func(e *Environment) error {
			e.Kill()
			return nil
		},
		"WithTheRuntime": func(e *Environment) error {
			_, err := e.Conn().Write([]byte{1})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			e, r := launch(t, l, Spec{Command: role("daemon", "first")})
			daemon := r.number(t, "daemon", 1)[0]
			if !alive(daemon) {
				t.Error("the daemon is not alive")
			}
			if err := end(e); err != nil {
				t.Fatal(err)
			}
			e.Exit()
			if alive(daemon) {
				t.Error("the daemon is alive")
			}
		})
	}
}

func TestNothingOutlivesAKilledServer(t *testing.T) {
	for _, mode := range []Mode{None, Auto, Strict} {
		for _, state := range []string{"awake", "frozen"} {
			t.Run(string(mode)+"/"+state, func(t *testing.T) { nothingOutlives(t, mode, state) })
		}
	}
}

func nothingOutlives(t *testing.T, mode Mode, state string) {
	argv := role("server", string(mode), state)
	server := exec.Command(argv[0], argv[1:]...)
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	var r transcript
	var reading sync.WaitGroup
	reading.Go(func() {
		for in := bufio.NewScanner(out); in.Scan(); {
			r.add([]Line{{Text: in.Text()}})
		}
	})
	waitFor(t, "the server", func() bool { return len(r.text()) > 0 })
	if first := r.text()[0]; strings.HasPrefix(first, "impossible") {
		reading.Wait()
		_ = server.Wait() // it has nothing to tell
		t.Skip(first)
	}
	r.wait(t, "that is all")
	pids := r.number(t, "process", 3) // the helper, the runtime and the daemon
	for _, pid := range pids {
		if !alive(pid) {
			t.Errorf("process %d is not alive", pid)
		}
	}
	if err := server.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the end of all processes", func() bool { return !slices.ContainsFunc(pids, alive) })
	reading.Wait()
	if err := server.Wait(); err == nil {
		t.Error("the server ended well")
	}
}

func TestLostHelperIsReportedAndCleanedUpAfter(t *testing.T) {
	e, r := launch(t, newLauncher(t), Spec{Command: shell(`sleep 1000 & echo child $!; wait`)})
	child := r.number(t, "child", 1)[0]
	if err := e.body.helper.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if exit := e.Exit(); !exit.Lost {
		t.Errorf("exit is %v", exit)
	}
	waitFor(t, "the end of all processes", func() bool { return !alive(e.PID()) && !alive(child) })
}

func TestKillDoesNotWaitForEverForTheHelper(t *testing.T) {
	l := newLauncher(t)
	l.patience = 100 * time.Millisecond
	e, r := launch(t, l, Spec{Command: shell(`sleep 1000 & echo child $!; wait`)})
	child := r.number(t, "child", 1)[0]
	if err := e.body.helper.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	e.Kill()
	waitFor(t, "the end of all processes", func() bool { return !alive(e.PID()) && !alive(child) })
}

func TestStopGrantsTheGracePeriod(t *testing.T) {
	l := newLauncher(t)
	t.Run("TheRuntimeEndsInTime", func(t *testing.T) {
		e, r := launch(t, l, Spec{Command: shell(`trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.01; done`)})
		r.wait(t, "ready")
		e.Stop(time.Minute)
		if want := (Exit{Code: 7}); e.Exit() != want {
			t.Errorf("exit is %v, want %v", e.Exit(), want)
		}
		if diff := cmp.Diff([]string{"ready", "bye"}, r.text()); diff != "" {
			t.Errorf("lines (-want +got):\n%s", diff)
		}
	})
	t.Run("TheRuntimeDoesNotHeed", func(t *testing.T) {
		e, r := launch(t, l, Spec{Command: shell(`trap 'echo no' TERM; echo ready; while :; do sleep 0.01; done`)})
		r.wait(t, "ready")
		began := time.Now()
		e.Stop(200 * time.Millisecond)
		if took := time.Since(began); took < 200*time.Millisecond {
			t.Errorf("the runtime was granted %v", took)
		}
		if want := (Exit{Code: -1, Signal: syscall.SIGKILL}); e.Exit() != want {
			t.Errorf("exit is %v, want %v", e.Exit(), want)
		}
		if diff := cmp.Diff([]string{"ready", "no"}, r.text()); diff != "" {
			t.Errorf("lines (-want +got):\n%s", diff)
		}
	})
	t.Run("AnEndedOneAndTwice", func(t *testing.T) {
		e, _ := launch(t, l, Spec{Command: shell(`exit 5`)})
		e.Exit()
		e.Stop(time.Minute)
		e.Stop(0)
		if want := (Exit{Code: 5}); e.Exit() != want {
			t.Errorf("exit is %v, want %v", e.Exit(), want)
		}
	})
}

func TestWatchKillsWhatUsesTooMuchMemory(t *testing.T) {
	l := newLauncher(t)
	t.Run("OneProcess", func(t *testing.T) {
		e, _ := launch(t, l, Spec{Command: role("hog", "2000"), Memory: 200 << 20})
		if want := (Exit{Code: -1, Signal: syscall.SIGKILL, OutOfMemory: true}); e.Exit() != want {
			t.Errorf("exit is %v, want %v", e.Exit(), want)
		}
		if peak := e.Usage().Peak; peak < 200<<20 {
			t.Errorf("peak is %d", peak)
		}
	})
	t.Run("ManyProcesses", func(t *testing.T) {
		hog := strings.Join(role("hog", "60"), " ")
		e, _ := launch(t, l, Spec{Command: shell(strings.Repeat(hog+" & ", 6) + "wait"), Memory: 200 << 20})
		if exit := e.Exit(); !exit.OutOfMemory {
			t.Errorf("exit is %v", exit)
		}
	})
	t.Run("SharedMemoryCountsOnce", func(t *testing.T) {
		e, r := launch(t, l, Spec{Command: role("share"), Memory: 230 << 20})
		waitFor(t, "both to touch all", func() bool {
			select {
			case <-e.Done():
				t.Fatalf("exit is %v, peak %d, lines %q", e.Exit(), e.Usage().Peak, r.text())
			default:
			}
			return len(r.text()) == 2
		})
		waitFor(t, "the watch to see them", func() bool { return e.Usage().Resident > 230<<20 })
		e.body.look(proc.NewCensus(proc.System))
		select {
		case <-e.Done():
			t.Errorf("exit is %v", e.Exit())
		default:
		}
	})
}

func TestWatchKillsWhatHasTooManyProcesses(t *testing.T) {
	e, _ := launch(t, newLauncher(t), Spec{Command: shell(`for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 1000 & done; wait`), Processes: 10})
	if exit := e.Exit(); !exit.OutOfProcesses {
		t.Errorf("exit is %v", exit)
	}
}

func TestUsage(t *testing.T) {
	l := newLauncher(t)
	e, r := launch(t, l, Spec{Command: role("hog", "64")})
	r.wait(t, "full 64")
	u := e.Usage()
	if u.Resident < 64<<20 || u.Resident > 1<<30 || u.Peak < u.Resident || u.CPU <= 0 || u.CPU > time.Minute {
		t.Errorf("usage is %+v", u)
	}
	e.Kill()
	if after := e.Usage(); after.Peak < u.Peak || after.Resident != 0 || after.CPU < u.CPU {
		t.Errorf("usage was %+v and is %+v after the end", u, after)
	}
}

func TestNothingIsLeftOpen(t *testing.T) {
	before := descriptors(t)
	l := newLauncher(t)
	for i := range 50 {
		switch e, _ := launch(t, l, Spec{Command: shell("exit 0")}); i % 3 {
		case 0:
			e.Kill()
		case 1:
			e.Stop(time.Minute)
		case 2:
			e.Exit()
			e.Kill()
		}
		if _, err := l.Launch(t.Context(), Spec{Command: []string{"/no/such/program"}}); err == nil {
			t.Fatal("launched")
		}
	}
	l.Close()
	if diff := cmp.Diff(before, descriptors(t)); diff != "" {
		t.Errorf("descriptors (-before +after):\n%s", diff)
	}
}

func TestManyEnvironmentsAtOnce(t *testing.T) {
	const many = 50
	l := newLauncher(t)
	var all sync.WaitGroup
	for i := range many {
		all.Go(func() {
			r := &transcript{}
			e, err := l.Launch(t.Context(), Spec{Command: shell("echo $N; exit $N"), Env: []string{"N=" + strconv.Itoa(i)}, Output: r.add})
			if err != nil {
				t.Errorf("launch: %v", err)
				return
			}
			defer e.Kill()
			if e.Exit().Code != i || !slices.Equal(r.text(), []string{strconv.Itoa(i)}) {
				t.Errorf("environment %d: %v, %q", i, e.Exit(), r.text())
			}
		})
	}
	all.Wait()
}

func BenchmarkLaunch(b *testing.B) {
	l := plain()
	defer l.Close()
	for b.Loop() {
		e, err := l.Launch(b.Context(), Spec{Command: []string{"/bin/true"}})
		if err != nil {
			b.Fatal(err)
		}
		e.Kill()
	}
}

func BenchmarkFreezeAndThaw(b *testing.B) {
	b.Run("BySignals", func(b *testing.B) { freezeAndThaw(b, plain()) })
	b.Run("ByControlGroup", func(b *testing.B) {
		l, err := New(Options{Mode: Auto})
		if err != nil {
			b.Fatal(err)
		}
		if !l.ground.groups.has(freezing) {
			l.Close()
			b.Skip("this machine lets Naru have no freezer")
		}
		freezeAndThaw(b, l)
	})
}

func freezeAndThaw(b *testing.B, l *Launcher) {
	defer l.Close()
	e, err := l.Launch(b.Context(), Spec{Command: shell("sleep 1000"), Dir: "/", Memory: 512 << 20})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := errors.Join(e.Freeze(), e.Thaw()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUsage(b *testing.B) {
	l := plain()
	defer l.Close()
	e, err := l.Launch(b.Context(), Spec{Command: shell("sleep 1000")})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		e.Usage()
	}
}

func TestAHelperThatCannotBeStarted(t *testing.T) {
	l, err := New(Options{Mode: None, Helper: []string{"/no/such/helper"}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := l.Launch(t.Context(), Spec{Command: []string{"/bin/true"}, Memory: 64 << 20}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("launch: %v", err)
	}
}
