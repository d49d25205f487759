// Package trigger hands the messages of a queue to a function, in batches: what
// AWS calls an event source mapping, at work.
//
// A trigger waits in the queue's line (a read). What it receives is filtered
// and joins the open batch, which is closed when it is full, or its window or
// the time for which its messages are hidden runs out. Closed batches wait for
// their turn; so many run at a time as the trigger's width allows (width.go).
// What becomes of a batch is up to the function (settle.go).
//
//	queue --read--> filter --> open batch --> closed batches --> running --> settled
//
// All of it is moved on by step, which does whatever can be done at a moment; it
// is called whenever something has happened, and by one timer.
package trigger

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"naru/internal/clock"
	"naru/internal/meter"
	"naru/internal/queue"
)

// A Source is a queue, as whoever may receive from it has it. Its methods are
// called at the same time.
type Source interface {
	// Receive receives up to most messages. It waits for the first of them, but
	// not for ever: it may return none.
	Receive(ctx context.Context, most int) (Received, error)
	// Delete deletes messages, and returns how many it did once that is durable.
	// Those whose time was up may be left.
	Delete(handles []queue.Handle) (int, error)
	// Return gives messages back at once, as if they had not been received.
	Return(handles []queue.Handle) error
}

// Received are messages that were received together.
type Received struct {
	Messages []Message
	// Until is up to when they may be handed on: later there would not be time
	// enough before others receive them.
	Until time.Time
}

// A Function is what a trigger invokes.
type Function interface {
	// Invoke runs the function. It waits for room until r.Until, and then returns
	// ErrNoRoom. Any other error means that the function cannot be run.
	Invoke(ctx context.Context, r *Run) (Reply, error)
	// Stops reports whether a message with that trace header is not handed on
	// any more, since it has gone round in a circle.
	Stops(trace string) bool
}

// ErrNoRoom is returned by a Function for which there was no room in time.
var ErrNoRoom = errors.New("trigger: there is no room for the function")

// A Run is one invocation.
type Run struct {
	Payload []byte   // the event
	Traces  []string // trace headers of its messages
	Until   time.Time
	// Begun is called once the function has an environment.
	Begun func()
}

// A Reply is what a function answered.
type Reply struct {
	Payload []byte
	Failed  bool // the function failed
}

// Settings are what may change while a trigger is at work.
type Settings struct {
	Enabled   bool
	BatchSize int
	Window    time.Duration // how long to wait for a batch to become full
	Filters   []*Filter     // a message must match one of them, if there are any
	// Partial says that the function's reply names the messages that failed:
	// ReportBatchItemFailures.
	Partial bool
	Width   Width
}

// Counters count messages. Each that is Polled is FilteredOut, Invoked or Dropped
// in the end.
type Counters struct {
	Polled       *meter.Counter // that were received
	FilteredOut  *meter.Counter // that no filter matched
	Invoked      *meter.Counter // that the function was invoked with
	Dropped      *meter.Counter // that were given back, or had gone round in a circle
	FailedInvoke *meter.Counter // of those invoked, that failed
	Deleted      *meter.Counter // of those filtered out or invoked
}

// Options are what a trigger needs.
type Options struct {
	Source   Source
	Function Function
	ARN      string // of the queue
	Region   string // of the queue
	FIFO     bool
	Clock    *clock.Clock
	Log      *slog.Logger
	Counters Counters
}

// A Trigger is at work from New until Stop.
type Trigger struct {
	Options
	encoder encoder

	mu       sync.Mutex
	settings Settings
	stopped  bool
	flow     flow

	reads   int     // under way
	asked   int     // batches that they ask for
	plenty  bool    // the last read found as much as it asked for
	ahead   int     // batches that may wait, since some end while others are read
	average float64 // bytes of a message
	open    *batch
	closed  []*batch // in their order

	failures int       // in a row
	problem  string    // why nothing is received; "" if it is
	trouble  int       // how often in a row receiving has failed
	pause    time.Time // until when nothing is received
	alarm    *clock.Timer

	reading  context.Context // of the reads under way
	stopRead context.CancelFunc
	ctx      context.Context // of the runs
	kill     context.CancelFunc
	work     sync.WaitGroup
}

// New begins to work.
func New(o Options, s Settings) *Trigger {
	t := &Trigger{Options: o, encoder: newEncoder(o.ARN, o.Region), average: firstAverage}
	t.ctx, t.kill = context.WithCancel(context.Background())
	t.reading, t.stopRead = context.WithCancel(t.ctx)
	t.Configure(s)
	return t
}

// Configure changes the settings. They hold for what is received from now on;
// what has been is handed on, unless the trigger is disabled: then it is given
// back, and what runs ends as it would have.
func (t *Trigger) Configure(s Settings) {
	t.mu.Lock()
	t.settings = s
	t.flow.configure(s.Width)
	t.halt()
	if !s.Enabled {
		t.giveUp()
	}
	t.problem, t.trouble, t.failures, t.pause = "", 0, 0, time.Time{}
	t.mu.Unlock()
	t.advance()
}

// Stop has nothing be received any more, for good, and gives back what was and
// does not run yet.
func (t *Trigger) Stop() {
	t.mu.Lock()
	t.stopped = true
	t.halt()
	t.giveUp()
	if t.alarm != nil {
		t.alarm.Stop()
	}
	t.mu.Unlock()
}

// Wait waits until all has come to its end, after Stop.
func (t *Trigger) Wait() { t.work.Wait() }

// Kill ends what runs, after Stop. Its messages are given back.
func (t *Trigger) Kill() { t.kill() }

// Problem says why nothing is received; "" if it is.
func (t *Trigger) Problem() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.problem
}

// halt ends the reads that are under way. It needs t.mu.
func (t *Trigger) halt() {
	t.stopRead()
	t.reading, t.stopRead = context.WithCancel(t.ctx)
}

// giveUp gives back all that does not run yet. It needs t.mu.
func (t *Trigger) giveUp() {
	if t.open != nil {
		t.closed = append(t.closed, t.open)
	}
	for _, b := range t.closed {
		t.work.Go(func() { t.giveBack(b.handles) })
	}
	t.open, t.closed = nil, nil
}

// advance is step for who does not hold t.mu.
func (t *Trigger) advance() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.step()
}

// step does what can be done now, and sees to it that it is called when there
// is more. It needs t.mu.
func (t *Trigger) step() {
	if t.stopped {
		return
	}
	now := t.Clock.Now()
	if t.open != nil && !now.Before(t.open.due) {
		t.close()
	}
	t.drop(now)
	for len(t.closed) > 0 && t.flow.mayRun() {
		b := t.closed[0]
		t.closed = t.closed[1:]
		t.flow.run(now)
		t.work.Go(func() { t.run(b) })
	}
	next := t.flow.grow(now, t.plenty)
	t.read(now)
	if now.Before(t.pause) {
		next = earliest(next, t.pause)
	}
	t.wakeAt(earliest(next, t.due()))
}

// due is when the open batch or one of the closed ones must be seen to. It needs
// t.mu.
func (t *Trigger) due() (at time.Time) {
	if t.open != nil {
		at = t.open.due
	}
	for _, b := range t.closed {
		at = earliest(at, b.until)
	}
	return at
}

// earliest returns the first of some times, of which the zero time is none.
func earliest(times ...time.Time) (first time.Time) {
	for _, at := range times {
		if !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first
}

// wakeAt has step called at a time. It needs t.mu.
func (t *Trigger) wakeAt(at time.Time) {
	switch {
	case at.IsZero():
		if t.alarm != nil {
			t.alarm.Stop()
		}
	case t.alarm == nil:
		t.alarm = t.Clock.AfterFunc(at, t.advance)
	default:
		t.alarm.Reset(at)
	}
}
