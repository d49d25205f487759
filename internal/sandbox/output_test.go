//go:build linux

package sandbox

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestLinesAreHandedOn(t *testing.T) {
	l := newLauncher(t)
	long := strings.Repeat("é", MaxLine) // two bytes each
	for _, c := range []struct {
		name, script string
		want         []string
	}{
		{"None", ``, nil},
		{"OutputAndErrorInOrder", `echo a; echo b >&2; echo c; echo d >&2`, []string{"a", "b", "c", "d"}},
		{"EmptyLines", `echo; echo; echo x`, []string{"", "", "x"}},
		{"CarriageReturnsStay", `printf 'a\rb\r\n'`, []string{"a\rb\r"}},
		{"PartialLastLine", `echo a; printf b`, []string{"a", "b"}},
		{"LongLineIsCut", `head -c 600000 /dev/zero | tr '\0' x; echo; echo y`,
			[]string{strings.Repeat("x", MaxLine), strings.Repeat("x", MaxLine), strings.Repeat("x", 600000-2*MaxLine), "y"}},
		{"LineOfMaxLineIsNotCut", fmt.Sprintf(`head -c %d /dev/zero | tr '\0' x; echo; echo y`, MaxLine), []string{strings.Repeat("x", MaxLine), "y"}},
		{"CharactersAreNotCut", `printf x; cat "$0"`, []string{"x" + long[:MaxLine-2], long[:MaxLine], long[:2]}},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := t.TempDir() + "/long"
			writeFile(t, file, long)
			e, r := launch(t, l, Spec{Command: append(shell(c.script), file)})
			e.Exit()
			if diff := cmp.Diff(c.want, r.text()); diff != "" {
				t.Errorf("lines (-want +got):\n%.1000s", diff)
			}
		})
	}
}

func TestDrainWaitsForWhatWasWrittenBefore(t *testing.T) {
	const flood = 20000
	// The runtime floods the pipe, says so over its socket and goes on writing.
	e, r := launch(t, newLauncher(t), Spec{Command: shell(fmt.Sprintf(
		`i=0; while [ $i -lt %d ]; do echo "line $i"; i=$((i+1)); done; printf half; echo done >&3; read go <&3; echo other; read go <&3`, flood))})
	var word [5]byte
	if _, err := e.Conn().Read(word[:]); err != nil {
		t.Fatal(err)
	}
	e.Drain()
	got := r.text()
	if len(got) != flood+1 {
		t.Fatalf("%d lines are there, want %d", len(got), flood+1)
	}
	for i, line := range got[:flood] {
		if want := fmt.Sprint("line ", i); line != want {
			t.Fatalf("line %d is %q", i, line)
		}
	}
	if got[flood] != "half" {
		t.Errorf("the unfinished line is %q", got[flood])
	}
	if _, err := e.Conn().Write([]byte("go\n")); err != nil {
		t.Fatal(err)
	}
	r.wait(t, "other")
	e.Kill()
	e.Drain() // after the end it is nothing
	if now := len(r.text()); now != flood+2 {
		t.Errorf("%d lines in the end", now)
	}
}

func TestDrainEndsWhileProcessesGoOnWriting(t *testing.T) {
	e, r := launch(t, newLauncher(t), Spec{Command: shell(`while :; do echo more; done`)})
	r.wait(t, "more")
	for range 100 {
		e.Drain()
	}
}

func TestLinesHaveTheTimeOfReading(t *testing.T) {
	e, r := launch(t, newLauncher(t), Spec{Command: shell(`echo a; read go <&3; echo b`)})
	r.wait(t, "a")
	if _, err := e.Conn().Write([]byte("go\n")); err != nil {
		t.Fatal(err)
	}
	e.Exit()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.IsSortedFunc(r.lines, func(a, b Line) int { return a.Time.Compare(b.Time) }) || r.lines[0].Time.IsZero() {
		t.Errorf("times: %v", r.lines)
	}
}

func TestNobodyNeedsToListen(t *testing.T) {
	l := newLauncher(t)
	e, err := l.Launch(t.Context(), Spec{Command: shell(`head -c 1000000 /dev/zero; exit 9`)})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Kill()
	if e.Exit().Code != 9 {
		t.Errorf("exit is %v", e.Exit())
	}
}

// However the text is cut into reads, the lines are the same.
func TestLinesDoNotDependOnReads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var got []string
		o := &output{sink: func(lines []Line) {
			for _, line := range lines {
				got = append(got, line.Text)
			}
		}, buffers: &sync.Pool{}}
		var whole strings.Builder
		for range rapid.IntRange(0, 20).Draw(t, "reads") {
			piece := rapid.StringOfN(rapid.RuneFrom([]rune("ab\n")), 0, 10, -1).Draw(t, "piece")
			if rapid.IntRange(0, 9).Draw(t, "long") == 0 {
				piece = strings.Repeat("x", MaxLine-5) + piece
			}
			whole.WriteString(piece)
			o.handOn([]byte(piece), lineTime)
		}
		o.flush()
		var want []string
		for line := range strings.SplitSeq(whole.String(), "\n") {
			for len(line) > MaxLine {
				want, line = append(want, line[:MaxLine]), line[MaxLine:]
			}
			want = append(want, line)
		}
		if want[len(want)-1] == "" { // what follows the last newline
			want = want[:len(want)-1]
		}
		if !slices.Equal(want, got) {
			t.Fatalf("%d lines, want %d", len(got), len(want))
		}
	})
}

func TestBytesThatAreNotTextAreCutAnywhere(t *testing.T) {
	line := []byte(strings.Repeat("\x80", MaxLine+1))
	if at := cut(line); at != MaxLine {
		t.Errorf("cut at %d", at)
	}
	line = []byte(strings.Repeat("x", MaxLine-1) + "\u20ac")
	if at := cut(line); at != MaxLine-1 || !utf8.Valid(line[:at]) {
		t.Errorf("cut at %d", at)
	}
}
