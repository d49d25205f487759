package lambda

import (
	"testing"
	"time"
)

// full has processors be what there is too little of.
func (w *world) full(full *bool) {
	w.tune = func(o *Options) { o.Full = func() bool { return *full } }
	w.stop()
	w.start()
}

func TestWhereProcessorsAreFullOneWaitsForThoseThatRunButNotForLong(t *testing.T) {
	inBubble(t, nil, func(w *world) {
		full := true
		w.full(&full)
		release := w.hold()
		w.create("f", patient)
		w.reserve("f", int32(atOnce+4)) // fewer than would leave room for spares
		var all []chan error
		for range atOnce + 1 {
			all = append(all, w.begin("f"))
		}
		before := w.running()
		all = append(all, w.begin("f"))
		busy := func() (n int) {
			w.service.mu.Lock()
			defer w.service.mu.Unlock()
			for _, p := range w.service.pools {
				n += len(p.busy)
			}
			return n
		}
		if n := busy(); n != atOnce+1 || w.running() != before {
			t.Errorf("%d run at once", n)
		}
		sleep(maxLine)
		if n := busy(); n != atOnce+2 {
			t.Errorf("after a moment %d run", n)
		}
		full = false
		all = append(all, w.begin("f"))
		if n := busy(); n != atOnce+3 {
			t.Errorf("with processors to spare %d run", n)
		}
		release()
		for _, one := range all {
			if err := <-one; err != nil {
				t.Error(err)
			}
		}
	})
}

func TestWhoStandsInLineGoesOnWhenOneHasEnded(t *testing.T) {
	inBubble(t, nil, func(w *world) {
		full := true
		w.full(&full)
		release := w.hold()
		w.create("f", patient)
		var all []chan error
		for range atOnce + 1 {
			all = append(all, w.begin("f"))
		}
		start := time.Now()
		for range 5 {
			all = append(all, w.begin("f"))
		}
		release()
		for _, one := range all {
			if err := <-one; err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("they waited for %v", took)
		}
		if n := w.running(); n != atOnce+1 {
			t.Errorf("there are %d environments", n)
		}
	})
}
