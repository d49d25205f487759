// Package clock is Naru's sense of time: the process's clock plus one offset
// that tests may move forward. Nothing else in Naru reads the wall clock or
// arms a timer for an event of its own making, so that moving the offset moves
// visibility timeouts, retries, schedules and retention together.
//
// Two things stay on real time and use Real: request signatures, which others
// make with their own clocks, and the deadlines of running functions.
package clock

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Clock tells the time and wakes those who wait for it. The zero value is
// ready to use; all methods are safe for concurrent use.
type Clock struct {
	offset atomic.Int64 // nanoseconds ahead of the wall clock, never less than before

	mu     sync.Mutex
	timers map[*Timer]struct{} // armed timers, so that Advance can re-arm them
}

// Now returns the current time in UTC.
func (c *Clock) Now() time.Time {
	return time.Now().Add(time.Duration(c.offset.Load())).UTC()
}

// Millis returns the current time in milliseconds since the Unix epoch, the
// resolution of every stored time.
func (c *Clock) Millis() int64 { return c.Now().UnixMilli() }

// Real returns the wall clock's time in UTC, whatever the offset.
func (c *Clock) Real() time.Time { return time.Now().UTC() }

// Advance moves the clock forward by d and fires the timers that this makes
// due. A negative d is ignored: time does not go back.
func (c *Clock) Advance(d time.Duration) {
	if d <= 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset.Add(int64(d))
	for t := range c.timers {
		t.timer.Reset(t.at.Sub(c.Now()))
	}
}

// Timer calls a func once when the clock reaches a time.
type Timer struct {
	clock *Clock
	call  func()

	// Guarded by clock.mu.
	at    time.Time
	armed bool
	timer *time.Timer
}

// AfterFunc calls f in a goroutine of its own once the clock reaches at; at
// once if at has passed.
func (c *Clock) AfterFunc(at time.Time, f func()) *Timer {
	t := &Timer{clock: c, call: f}
	t.Reset(at)
	return t
}

// Reset arms the timer for at, whether it was armed, stopped or fired.
func (t *Timer) Reset(at time.Time) {
	c := t.clock
	c.mu.Lock()
	defer c.mu.Unlock()
	t.at, t.armed = at, true
	if c.timers == nil {
		c.timers = map[*Timer]struct{}{}
	}
	c.timers[t] = struct{}{}
	if t.timer == nil {
		t.timer = time.AfterFunc(at.Sub(c.Now()), t.fire)
		return
	}
	t.timer.Reset(at.Sub(c.Now()))
}

// Stop disarms the timer and reports whether it was armed. A call that has
// begun is not waited for.
func (t *Timer) Stop() bool {
	c := t.clock
	c.mu.Lock()
	defer c.mu.Unlock()
	was := t.armed
	t.disarm()
	return was
}

// disarm needs clock.mu.
func (t *Timer) disarm() {
	t.armed = false
	delete(t.clock.timers, t)
	t.timer.Stop()
}

func (t *Timer) fire() {
	c := t.clock
	c.mu.Lock()
	due := t.armed && !c.Now().Before(t.at)
	if t.armed && !due { // fired for a time that a Reset has since moved
		t.timer.Reset(t.at.Sub(c.Now()))
	}
	if due {
		t.disarm()
	}
	c.mu.Unlock()
	if due {
		t.call()
	}
}

// Wait returns nil once the clock reaches at, or ctx's error if that is first.
func (c *Clock) Wait(ctx context.Context, at time.Time) error {
	reached := make(chan struct{})
	t := c.AfterFunc(at, func() { close(reached) })
	defer t.Stop()
	select {
	case <-reached:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
