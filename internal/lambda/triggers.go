package lambda

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"naru/internal/queue"
	"naru/internal/trigger"
)

// A Queue is a queue that triggers functions. Each call is made as a function's
// role, and fails with ErrNoQueue or a Denied.
type Queue interface {
	// Check returns the queue's visibility timeout, if the role may do all that a
	// trigger does.
	Check(ctx context.Context, as Caller) (time.Duration, error)
	// Receive receives up to most messages for so long, waiting for the first of
	// them.
	Receive(ctx context.Context, as Caller, most int, visibility, wait time.Duration) ([]trigger.Message, error)
	// Delete deletes messages, and returns how many it did.
	Delete(ctx context.Context, as Caller, handles []queue.Handle) (int, error)
	// Return gives messages back at once, as if they had not been received. It
	// needs no permission.
	Return(handles []queue.Handle) error
}

// ErrNoQueue is returned by a Queue that is not there.
var ErrNoQueue = errors.New("lambda: the queue does not exist")

// Denied is the error of a call that a function's role may not make: an
// operation of SQS.
type Denied struct{ Operation string }

func (d Denied) Error() string {
	return "The provided execution role does not have permissions to call " + d.Operation + " on SQS"
}

// triggers are those at work, by the keys of their mappings, guarded by the
// service's lock.

// startTriggers starts the triggers of all mappings.
func (s *Service) startTriggers() {
	for _, m := range s.mappings.All("") {
		s.startTrigger(m)
	}
}

// startTrigger has a mapping be at work, if it is enabled.
func (s *Service) startTrigger(m *Mapping) {
	source := &mappedQueue{service: s, key: m.key(), queue: s.options.Queue(m.Queue)}
	counter := func(name string) string { return "lambda_event_source_" + name }
	meter := s.options.Meter
	options := trigger.Options{
		Source: source, Function: &mappedFunction{s, m.key()}, ARN: m.Queue, Region: m.Region, FIFO: strings.HasSuffix(m.Queue, ".fifo"),
		Clock: s.clock, Log: s.log.With("function", m.name().arn(), "mapping", m.UUID),
		Counters: trigger.Counters{
			Polled:       meter.Counter(counter("polled"), "mapping", m.UUID),
			FilteredOut:  meter.Counter(counter("filtered_out"), "mapping", m.UUID),
			Invoked:      meter.Counter(counter("invoked"), "mapping", m.UUID),
			Dropped:      meter.Counter(counter("dropped"), "mapping", m.UUID),
			FailedInvoke: meter.Counter(counter("failed_invoke"), "mapping", m.UUID),
			Deleted:      meter.Counter(counter("deleted"), "mapping", m.UUID),
		},
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taking.Err() == nil {
		s.triggers[m.key()] = trigger.New(options, s.triggerSettings(m))
	}
}

// triggerSettings returns what a mapping says of its trigger.
func (s *Service) triggerSettings(m *Mapping) trigger.Settings {
	filters, err := m.filters()
	if err != nil {
		s.log.Error("a mapping is disabled, since its filters cannot be read", "mapping", m.UUID, "err", err)
	}
	return trigger.Settings{
		Enabled: m.Enabled && err == nil, BatchSize: int(m.BatchSize), Window: time.Duration(m.Window) * time.Second,
		Filters: filters, Partial: m.Partial, Width: s.width(m),
	}
}

const (
	firstBatches   = 5    // how many run at a time at first
	mostBatches    = 1250 // and at the most, as on AWS
	perPoller      = 10   // likewise of each provisioned poller
	rampPerMinute  = 300
	rampWithPoller = 1000
)

// width returns how many batches of a mapping run at a time.
func (s *Service) width(m *Mapping) trigger.Width {
	w := trigger.Width{Ramp: s.options.TriggerRamp, Base: firstBatches, Limit: mostBatches, PerMinute: rampPerMinute, Starts: max(4, 2*runtime.GOMAXPROCS(0))}
	if m.MaxConcurrency != nil {
		w.Limit = int(*m.MaxConcurrency)
	}
	if m.Pollers != nil {
		w.Base, w.Limit, w.PerMinute = perPoller*int(*m.Pollers.MinimumPollers), perPoller*int(*m.Pollers.MaximumPollers), rampWithPoller
	}
	return w
}

// triggerOf returns the trigger of a mapping; nil if it is not at work.
func (s *Service) triggerOf(m *Mapping) *trigger.Trigger {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.triggers[m.key()]
}

// retrigger gives a trigger what its mapping says now.
func (s *Service) retrigger(m *Mapping) {
	if t := s.triggerOf(m); t != nil {
		t.Configure(s.triggerSettings(m))
	}
}

// stopTrigger ends the trigger of a mapping that was deleted. What it is at ends
// as it would have.
func (s *Service) stopTrigger(m *Mapping) {
	s.mu.Lock()
	t := s.triggers[m.key()]
	delete(s.triggers, m.key())
	if t != nil {
		s.ending[t] = struct{}{}
	}
	s.mu.Unlock()
	if t == nil {
		return
	}
	t.Stop()
	s.work.Go(func() {
		t.Wait()
		s.mu.Lock()
		delete(s.ending, t)
		s.mu.Unlock()
	})
}

// allTriggers returns all that are at work or have not come to their end.
func (s *Service) allTriggers() (all []*trigger.Trigger) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.triggers {
		all = append(all, t)
	}
	for t := range s.ending {
		all = append(all, t)
	}
	return all
}

// problemOf says why a mapping receives nothing; "" if it does.
func (s *Service) problemOf(m *Mapping) string {
	t := s.triggerOf(m)
	if t == nil {
		return ""
	}
	if problem := t.Problem(); problem != "" {
		return "PROBLEM: " + problem
	}
	return ""
}

// pollWait is how long a read waits for messages, as AWS's do: what has changed
// of the queue meanwhile holds for the next.
const pollWait = 20 * time.Second

// A mappedQueue is a mapping's queue, as its function has it.
type mappedQueue struct {
	service *Service
	key     string // of the mapping
	queue   Queue
	as      atomic.Pointer[Caller] // of the newest call
}

// version returns what the mapping's function is now.
func (q *mappedQueue) version() (*Version, error) {
	m, ok := q.service.mappings.Get(q.key)
	if !ok {
		return nil, noFunction
	}
	v, err := q.service.version(m.name())
	if err != nil {
		return nil, noFunction
	}
	return v, nil
}

// words are an error in AWS's words.
type words string

func (w words) Error() string { return string(w) }

const (
	noFunction    words = "Function does not exist"
	noConcurrency words = "The function has reserved no concurrency for itself."
	noQueue       words = "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does not exist."
)

// Receive implements trigger.Source. What is received may be handed on for as
// long as there is the function's time left, or at least half of the time.
func (q *mappedQueue) Receive(ctx context.Context, most int) (trigger.Received, error) {
	v, err := q.version()
	if err != nil {
		return trigger.Received{}, err
	}
	if f, err := q.service.function(v.name()); err == nil && f.Reserved != nil && *f.Reserved == 0 {
		return trigger.Received{}, noConcurrency
	}
	as := q.caller(v)
	visibility, err := q.queue.Check(ctx, as)
	if err != nil {
		return trigger.Received{}, inWords(err)
	}
	visibility = max(visibility, minVisibility)
	messages, err := q.queue.Receive(ctx, as, most, visibility, pollWait)
	if err != nil || len(messages) == 0 {
		return trigger.Received{}, inWords(err)
	}
	patience := max(visibility-time.Duration(v.Timeout)*time.Second, visibility/2)
	received := time.UnixMilli(messages[0].Handle.VisibleAt).Add(-visibility)
	return trigger.Received{Messages: messages, Until: received.Add(patience)}, nil
}

// minVisibility is for how long messages are hidden at least while a function
// has them, whatever their queue says.
const minVisibility = time.Second

func inWords(err error) error {
	if errors.Is(err, ErrNoQueue) {
		return noQueue
	}
	return err
}

// caller returns who a version is for its queue.
func (q *mappedQueue) caller(v *Version) Caller {
	as := v.caller()
	q.as.Store(&as)
	return as
}

// Delete implements trigger.Source. The mapping and the function may be gone by
// now.
func (q *mappedQueue) Delete(handles []queue.Handle) (int, error) {
	as := *q.as.Load()
	if v, err := q.version(); err == nil {
		as = q.caller(v)
	}
	n, err := q.queue.Delete(context.Background(), as, handles)
	if errors.Is(err, ErrNoQueue) {
		return 0, nil // and so are its messages
	}
	return n, err
}

// Return implements trigger.Source.
func (q *mappedQueue) Return(handles []queue.Handle) error {
	err := q.queue.Return(handles)
	if errors.Is(err, ErrNoQueue) {
		return nil
	}
	return err
}

// A mappedFunction is a mapping's function.
type mappedFunction struct {
	service *Service
	key     string // of the mapping
}

// Invoke implements trigger.Function.
func (f *mappedFunction) Invoke(ctx context.Context, r *trigger.Run) (trigger.Reply, error) {
	s := f.service
	for {
		m, ok := s.mappings.Get(f.key)
		if !ok {
			return trigger.Reply{}, noFunction
		}
		n := m.name()
		v, err := s.route(n)
		if err != nil {
			return trigger.Reply{}, noFunction
		}
		e := s.newEvent(r.Payload)
		e.Trace = longest(n, r.Traces, e.Trace)
		e.begun, e.polite = r.Begun, true
		room := s.roomy()
		out, err := s.run(n, v, e)
		switch {
		case err == nil:
			return trigger.Reply{Payload: out.payload, Failed: out.failed}, nil
		case !isThrottle(err):
			return trigger.Reply{}, err
		}
		s.options.Meter.Counter("lambda_throttles", "function", v.Name).Add(1)
		if err := s.awaitRoom(ctx, room, r.Until); err != nil {
			return trigger.Reply{}, err
		}
	}
}

// awaitRoom returns nil when it is worth while to ask for room again.
func (s *Service) awaitRoom(ctx context.Context, room <-chan struct{}, until time.Time) error {
	now := s.clock.Now()
	if !now.Before(until) {
		return trigger.ErrNoRoom
	}
	again := now.Add(askAgain)
	if until.Before(again) {
		again = until
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	waited := make(chan error, 1)
	timer := s.clock.AfterFunc(again, func() { waited <- nil })
	defer timer.Stop()
	select {
	case <-room:
	case <-waited:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// askAgain is how long whoever waits for room waits without a word: more
// environments may be started just because time has passed.
const askAgain = 100 * time.Millisecond

// Stops implements trigger.Function.
func (f *mappedFunction) Stops(trace string) bool {
	m, ok := f.service.mappings.Get(f.key)
	if !ok {
		return false
	}
	function, err := f.service.function(m.name())
	if err != nil || !f.service.loops(function, trace) {
		return false
	}
	f.service.options.Meter.Counter("lambda_recursive_invocations_dropped", "function", m.Function).Add(1)
	return true
}

// longest returns the header of the chain in which a function was invoked most
// often.
func longest(n name, traces []string, none string) string {
	longest, times := none, -1
	for _, trace := range traces {
		if k := timesIn(n, trace); k > times {
			longest, times = trace, k
		}
	}
	return longest
}
