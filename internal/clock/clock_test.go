package clock

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestTimerFiresAtItsTimeAndNotBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c Clock
		var fired atomic.Int32
		c.AfterFunc(c.Now().Add(time.Second), func() { fired.Add(1) })
		time.Sleep(time.Second - time.Nanosecond)
		synctest.Wait()
		if fired.Load() != 0 {
			t.Fatal("fired early")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if n := fired.Load(); n != 1 {
			t.Fatalf("fired %d times, want 1", n)
		}
	})
}

func TestAdvanceFiresWhatItMakesDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c Clock
		start := c.Now()
		var hour, day atomic.Bool
		c.AfterFunc(start.Add(time.Hour), func() { hour.Store(true) })
		dayTimer := c.AfterFunc(start.Add(24*time.Hour), func() { day.Store(true) })
		c.Advance(2 * time.Hour)
		synctest.Wait()
		if !hour.Load() || day.Load() {
			t.Fatalf("after 2 h: hour=%v day=%v", hour.Load(), day.Load())
		}
		if got := c.Now().Sub(start); got != 2*time.Hour {
			t.Fatalf("now is %v after the start", got)
		}
		if c.Real().Sub(start) != 0 {
			t.Fatal("Advance moved real time")
		}
		if !dayTimer.Stop() || dayTimer.Stop() {
			t.Fatal("Stop must report an armed timer once")
		}
		c.Advance(48 * time.Hour)
		synctest.Wait()
		if day.Load() {
			t.Fatal("a stopped timer fired")
		}
	})
}

func TestResetMovesATimerEitherWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c Clock
		at := make(chan time.Duration, 3)
		start := c.Now()
		timer := c.AfterFunc(start.Add(time.Second), func() { at <- c.Now().Sub(start) })
		timer.Reset(start.Add(3 * time.Second))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if len(at) != 0 {
			t.Fatal("fired at its old time")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		timer.Reset(start.Add(5 * time.Second))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		close(at)
		var fired []time.Duration
		for d := range at {
			fired = append(fired, d)
		}
		if !slices.Equal(fired, []time.Duration{3 * time.Second, 5 * time.Second}) {
			t.Fatalf("fired at %v", fired)
		}
	})
}

func TestTimeDoesNotGoBack(t *testing.T) {
	var c Clock
	before := c.Now()
	c.Advance(-time.Hour)
	if c.Now().Before(before) {
		t.Fatal("the clock went back")
	}
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c Clock
		if err := c.Wait(t.Context(), c.Now().Add(-time.Second)); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.Wait(ctx, c.Now().Add(time.Hour)); err != context.DeadlineExceeded {
			t.Fatalf("got %v", err)
		}
	})
}
