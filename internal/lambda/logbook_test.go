package lambda

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// starts counts the environments whose log was handed on, without asking for it.
func (w *world) starts() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range w.lines {
		if strings.HasPrefix(l, "INIT_START ") {
			n++
		}
	}
	return n
}

func TestLinesAreHandedOnSoonOrWhenSomebodyAsks(t *testing.T) {
	inBubble(t, echo, func(w *world) {
		w.create("f", nil)
		for round := range 2 {
			if _, err := w.invoke("f", "1"); err != nil {
				t.Fatal(err)
			}
			sleep(flushAfter)
			if n := len(w.lines); n != 1+3*(round+1) {
				t.Errorf("after a moment there is %q", w.lines)
			}
		}
		if _, err := w.invoke("f", "1"); err != nil {
			t.Fatal(err)
		}
		w.service.FlushLogs()
		if n := len(w.lines); n != 10 {
			t.Errorf("for who asks there is %q", w.lines)
		}
		sleep(time.Second)
		if n := len(w.lines); n != 10 {
			t.Errorf("then there is %q", w.lines)
		}
		if !slices.ContainsFunc(w.lines, func(l string) bool { return strings.HasPrefix(l, "REPORT ") }) {
			t.Errorf("without a report: %q", w.lines)
		}
	})
}

func TestWhatASpareHasLoggedIsHandedOnWithItsFirstInvocation(t *testing.T) {
	inBubble(t, nil, func(w *world) {
		release := w.hold()
		w.create("f", patient)
		one := w.begin("f")
		sleep(time.Second)
		w.service.FlushLogs()
		if n := w.starts(); n != 1 || w.running() != 2 {
			t.Errorf("of %d environments %d have told that they started", w.running(), n)
		}
		two := w.begin("f") // takes the spare
		sleep(flushAfter)
		if n := w.starts(); n != 2 {
			t.Errorf("while the spare is in use %d have told", n)
		}
		release()
		<-one
		<-two
	})
}
