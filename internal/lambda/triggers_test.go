package lambda

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"naru/internal/queue"
	"naru/internal/runtimeapi"
	"naru/internal/runtimeapi/runtimetest"
	"naru/internal/trigger"
)

// A sourced is a content that stands for a queue that triggers functions: the
// payload of a message is its body.
type sourced struct {
	world *world
	name  string
}

// A queueState is what a test says of a queue.
type queueState struct {
	visibility time.Duration
	denied     string // an operation that no role may call
	gone       bool
}

// state returns what is said of a queue, to be changed under the world's lock.
func (w *world) state(name string) *queueState {
	if w.states == nil {
		w.states = map[string]*queueState{}
	}
	if w.states[name] == nil {
		w.states[name] = &queueState{visibility: 30 * time.Second}
	}
	return w.states[name]
}

func (w *world) queueOf(arn string) Queue {
	return &sourced{w, arn[strings.LastIndexByte(arn, ':')+1:]}
}

// content returns the queue's content, as far as the operation may be called.
func (q *sourced) content(operations ...string) (*queue.Queue, time.Duration, error) {
	w := q.world
	w.mu.Lock()
	defer w.mu.Unlock()
	ref, ok := w.queues[q.name]
	state := w.state(q.name)
	switch {
	case !ok || state.gone:
		return nil, 0, ErrNoQueue
	case slices.Contains(operations, state.denied):
		return nil, 0, Denied{state.denied}
	}
	return w.engine.Queue(ref.Content), state.visibility, nil
}

func (q *sourced) Check(context.Context, Caller) (time.Duration, error) {
	_, visibility, err := q.content("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")
	return visibility, err
}

func (q *sourced) Receive(ctx context.Context, _ Caller, most int, visibility, wait time.Duration) ([]trigger.Message, error) {
	content, _, err := q.content()
	if err != nil {
		return nil, err
	}
	deliveries, err := content.Lease(ctx, queue.LeaseRequest{Max: most, Visibility: visibility, Wait: wait})
	if err != nil {
		return nil, err
	}
	var all []trigger.Message
	for _, d := range deliveries {
		body := string(d.Payload)
		all = append(all, trigger.Message{
			Handle: d.Handle, ReceiptHandle: "handle", ID: fmt.Sprint("message ", d.Handle.Sequence), Body: body,
			System: []trigger.SystemAttribute{{Name: "ApproximateReceiveCount", Value: strconv.Itoa(d.Receives)}},
		})
		if q.world.trace != "" {
			last := &all[len(all)-1]
			last.System = append(last.System, trigger.SystemAttribute{Name: "AWSTraceHeader", Value: q.world.trace})
		}
	}
	return all, nil
}

func (q *sourced) Delete(_ context.Context, _ Caller, handles []queue.Handle) (int, error) {
	content, _, err := q.content("DeleteMessage")
	if err != nil {
		return 0, err
	}
	results, err := content.Ack(handles...)
	for _, r := range results {
		if r != nil {
			return 0, cmp.Or(err, r)
		}
	}
	return len(handles), err
}

func (q *sourced) Return(handles []queue.Handle) error {
	content, _, err := q.content()
	if err != nil {
		return err
	}
	return content.Return(handles...)
}

// send sends messages to a queue, without a group or of one.
func (w *world) send(name, group string, bodies ...string) {
	w.Helper()
	var puts []queue.Put
	for _, body := range bodies {
		puts = append(puts, queue.Put{Payload: []byte(body), Group: group})
	}
	if _, err := w.engine.Queue(w.queues[name].Content).Put(puts...); err != nil {
		w.Fatal(err)
	}
}

// counts returns how many messages a queue has.
func (w *world) counts(name string) queue.Counts {
	w.Helper()
	c, err := w.engine.Queue(w.queues[name].Content).Counts()
	if err != nil {
		w.Fatal(err)
	}
	return c
}

// mapping has a queue trigger a function.
func (w *world) mapping(function, arn string, change func(*CreateEventSourceMappingInput)) *EventSourceMappingConfiguration {
	w.Helper()
	in := &CreateEventSourceMappingInput{FunctionName: &function, EventSourceArn: &arn}
	if change != nil {
		change(in)
	}
	c, err := w.service.CreateEventSourceMapping(call("map"), in)
	if err != nil {
		w.Fatalf("mapping %s to %s: %v", arn, function, err)
	}
	return c
}

// polled returns a counter of a mapping.
func (w *world) figure(c *EventSourceMappingConfiguration, name string) int {
	return int(w.meter.Counter("lambda_event_source_"+name, "mapping", c.UUID).Value())
}

// A seen message is a record of an event, as far as tests look at it.
type seen struct {
	MessageID  string `json:"messageId"`
	Body       string
	Attributes map[string]string
}

// records returns the records of an event.
func records(payload []byte) []seen {
	var event struct{ Records []seen }
	if err := json.Unmarshal(payload, &event); err != nil {
		panic(err)
	}
	return event.Records
}

// An audience is a function that notes what it is given.
type audience struct {
	mu      sync.Mutex
	batches [][]string // bodies
	first   time.Time  // when it was given the first
	now     int        // how many run
	most    int        // how many ran at a time at the most
}

// hears returns a handler that notes the events and then does what do does.
func (a *audience) hears(do runtimetest.Handler) runtimetest.Handler {
	return func(i runtimeapi.Invocation) ([]byte, []byte) {
		a.mu.Lock()
		var bodies []string
		for _, r := range records(i.Payload) {
			bodies = append(bodies, r.Body)
		}
		a.batches = append(a.batches, bodies)
		if len(a.batches) == 1 {
			a.first = time.Now()
		}
		a.now++
		a.most = max(a.most, a.now)
		a.mu.Unlock()
		defer func() {
			a.mu.Lock()
			a.now--
			a.mu.Unlock()
		}()
		return do(i)
	}
}

// peak returns how many ran at a time at the most.
func (a *audience) peak() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.most
}

// forget has the peak counted anew.
func (a *audience) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.most = a.now
}

// events returns the bodies of each event.
func (a *audience) events() [][]string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.batches)
}

// began returns when the first event came.
func (a *audience) began() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.first
}

// heard returns all bodies that it was given, in their order.
func (a *audience) heard() (all []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Concat(a.batches...)
}

func succeeds(runtimeapi.Invocation) ([]byte, []byte) { return []byte("null"), nil }

// takes returns a handler that takes so long.
func takes(d time.Duration) runtimetest.Handler {
	return func(runtimeapi.Invocation) ([]byte, []byte) {
		<-time.After(d)
		return []byte("null"), nil
	}
}

func numbers(from, to int) (all []string) {
	for i := from; i < to; i++ {
		all = append(all, fmt.Sprintf("%05d", i))
	}
	return all
}

func TestAQueueTriggersItsFunction(t *testing.T) {
	a := &audience{}
	inBubble(t, a.hears(succeeds), func(w *world) {
		w.create("f", nil)
		m := w.mapping("f", w.queue("q"), nil)
		if m.State != "Creating" || m.BatchSize != 10 {
			t.Errorf("it is told as %+v", m)
		}
		sleep(time.Minute)
		w.send("q", "", numbers(0, 25)...)
		sleep(time.Millisecond)
		got := a.heard()
		slices.Sort(got)
		if !slices.Equal(got, numbers(0, 25)) {
			t.Errorf("it was triggered with %q", got)
		}
		if c := w.counts("q"); c != (queue.Counts{}) {
			t.Errorf("the queue has %+v", c)
		}
		for name, want := range map[string]int{"polled": 25, "invoked": 25, "deleted": 25, "filtered_out": 0, "failed_invoke": 0, "dropped": 0} {
			if n := w.figure(m, name); n != want {
				t.Errorf("%s is %d", name, n)
			}
		}
		now, err := w.service.GetEventSourceMapping(call("g"), &GetEventSourceMappingInput{m.UUID})
		if err != nil || now.State != "Enabled" || now.LastProcessingResult != nil {
			t.Errorf("it is %+v, %v", now, err)
		}
	})
}

func TestABatchThatFailsIsLeftUntilItsTimeIsUp(t *testing.T) {
	a := &audience{}
	var tries atomic.Int32
	inBubble(t, a.hears(func(i runtimeapi.Invocation) ([]byte, []byte) {
		if tries.Add(1) < 3 {
			return fails(i)
		}
		return succeeds(i)
	}), func(w *world) {
		w.create("f", nil)
		m := w.mapping("f", w.queue("q"), nil)
		w.send("q", "", "1", "2")
		sleep(29 * time.Second)
		if got := a.heard(); !slices.Equal(got, []string{"1", "2"}) {
			t.Errorf("before their time was up it had got %q", got)
		}
		if c := w.counts("q"); c != (queue.Counts{InFlight: 2}) {
			t.Errorf("the queue has %+v", c)
		}
		sleep(2 * time.Minute)
		if got := a.heard(); len(got) != 6 {
			t.Errorf("in the end it had got %q", got)
		}
		if c := w.counts("q"); c != (queue.Counts{}) || w.figure(m, "failed_invoke") != 4 || w.figure(m, "invoked") != 6 || w.figure(m, "deleted") != 2 {
			t.Errorf("the queue has %+v; %d failed", c, w.figure(m, "failed_invoke"))
		}
	})
}

func TestMessagesThatAreReportedAsFailedAreLeft(t *testing.T) {
	a := &audience{}
	inBubble(t, a.hears(func(i runtimeapi.Invocation) ([]byte, []byte) {
		var failures []string
		for _, r := range records(i.Payload) {
			if r.Body == "bad" && r.Attributes["ApproximateReceiveCount"] != "3" {
				failures = append(failures, fmt.Sprintf(`{"itemIdentifier":%q}`, r.MessageID))
			}
		}
		return []byte(`{"batchItemFailures":[` + strings.Join(failures, ",") + `]}`), nil
	}), func(w *world) {
		w.create("f", nil)
		m := w.mapping("f", w.queue("q"), func(in *CreateEventSourceMappingInput) {
			in.FunctionResponseTypes = []string{"ReportBatchItemFailures"}
		})
		w.send("q", "", "good", "bad", "fine")
		sleep(time.Second)
		if c := w.counts("q"); c != (queue.Counts{InFlight: 1}) {
			t.Errorf("the queue has %+v", c)
		}
		sleep(2 * time.Minute)
		if got := a.heard(); !slices.Equal(got, []string{"good", "bad", "fine", "bad", "bad"}) {
			t.Errorf("it got %q", got)
		}
		if c := w.counts("q"); c != (queue.Counts{}) || w.figure(m, "failed_invoke") != 2 {
			t.Errorf("the queue has %+v; %d failed", c, w.figure(m, "failed_invoke"))
		}
	})
}

// single has a mapping hand on messages one by one.
func single(in *CreateEventSourceMappingInput) { in.BatchSize = ptr[int32](1) }

func TestManyBatchesRunAtOnce(t *testing.T) {
	a := &audience{}
	inBubble(t, a.hears(takes(10*time.Second)), func(w *world) {
		w.create("f", func(in *CreateFunctionInput) { in.Timeout = ptr[int32](20) })
		w.mapping("f", w.queue("q"), single)
		w.send("q", "", numbers(0, 300)...)
		sleep(9 * time.Second)
		if a.peak() != 300 {
			t.Errorf("%d ran at a time", a.peak())
		}
		sleep(time.Minute)
		if n := len(a.heard()); n != 300 {
			t.Errorf("it got %d messages", n)
		}
	})
}

func TestMaximumConcurrencyIsTheMostThatRun(t *testing.T) {
	a := &audience{}
	inBubble(t, a.hears(takes(time.Second)), func(w *world) {
		w.create("f", nil)
		w.mapping("f", w.queue("q"), func(in *CreateEventSourceMappingInput) {
			single(in)
			in.ScalingConfig = &ScalingConfig{ptr[int32](7)}
		})
		w.send("q", "", numbers(0, 40)...)
		sleep(5 * time.Second)
		if got := a.heard(); a.peak() != 7 || len(got) < 28 {
			t.Errorf("%d ran at a time; it got %d", a.peak(), len(got))
		}
		sleep(time.Minute)
	})
}

func TestTheRampOfAWS(t *testing.T) {
	a := &audience{}
	ramp := func(w *world) { w.tune = func(o *Options) { o.TriggerRamp = trigger.Gradual } }
	inBubble(t, a.hears(takes(10*time.Second)), func(w *world) {
		ramp(w)
		w.powerCut() // with that option
		w.create("f", func(in *CreateFunctionInput) { in.Timeout = ptr[int32](20) })
		w.mapping("f", w.queue("q"), single)
		w.send("q", "", numbers(0, 100)...)
		sleep(time.Millisecond)
		if a.peak() != 5 {
			t.Errorf("%d ran at a time at first", a.peak())
		}
		sleep(4 * time.Second)
		if a.peak() < 23 || a.peak() > 27 { // 5, and one more each 200 ms
			t.Errorf("%d ran at a time after 4 s", a.peak())
		}
		sleep(5 * time.Minute)
		if n := len(a.heard()); n != 100 {
			t.Errorf("it got %d messages", n)
		}
	})
}

func TestThrottledBatchesAreTriedAgainUncounted(t *testing.T) {
	a := &audience{}
	var counts sync.Map
	inBubble(t, a.hears(func(i runtimeapi.Invocation) ([]byte, []byte) {
		for _, r := range records(i.Payload) {
			if n := r.Attributes["ApproximateReceiveCount"]; n != "1" {
				counts.Store(r.Body, n)
			}
		}
		return takes(8 * time.Second)(i)
	}), func(w *world) {
		w.create("f", func(in *CreateFunctionInput) { in.Timeout = ptr[int32](10) })
		w.reserve("f", 1)
		m := w.mapping("f", w.queue("q"), single)
		w.send("q", "", numbers(0, 20)...) // 160 s of work, and messages are hidden for 30 s
		sleep(10 * time.Minute)
		if got := a.heard(); len(got) != 20 || a.peak() != 1 {
			t.Errorf("it got %d messages, %d at a time", len(got), a.peak())
		}
		counts.Range(func(body, n any) bool { t.Errorf("%v had been received %v times", body, n); return true })
		if polled, dropped := w.figure(m, "polled"), w.figure(m, "dropped"); polled != 20+dropped {
			t.Errorf("%d were polled and %d dropped", polled, dropped)
		}
	})
}

func TestAFunctionWithoutConcurrencyReceivesNothing(t *testing.T) {
	a := &audience{}
	inBubble(t, a.hears(succeeds), func(w *world) {
		w.create("f", nil)
		w.reserve("f", 0)
		m := w.mapping("f", w.queue("q"), nil)
		w.send("q", "", "1")
		sleep(time.Minute)
		now, err := w.service.GetEventSourceMapping(call("g"), &GetEventSourceMappingInput{m.UUID})
		if err != nil || deref(now.LastProcessingResult) != "PROBLEM: The function has reserved no concurrency for itself." {
			t.Errorf("it is %+v, %v", now, err)
		}
		if c := w.counts("q"); c != (queue.Counts{Visible: 1}) {
			t.Errorf("the queue has %+v", c)
		}
		w.reserve("f", 1)
		sleep(10 * time.Second)
		if got := a.heard(); len(got) != 1 {
			t.Errorf("it got %q", got)
		}
	})
}

func TestABatchWaitsForItsWindow(t *testing.T) {
	a := &audience{}
	inBubble(t, a.hears(succeeds), func(w *world) {
		start := time.Now()
		w.create("f", nil)
		w.mapping("f", w.queue("q"), func(in *CreateEventSourceMappingInput) {
			in.BatchSize, in.MaximumBatchingWindowInSeconds = ptr[int32](100), ptr[int32](5)
		})
		w.send("q", "", "1")
		sleep(3 * time.Second)
		w.send("q", "", "2")
		sleep(3 * time.Second)
		if len(a.events()) != 1 || len(a.events()[0]) != 2 || a.began().Sub(start) != 5*time.Second {
			t.Fatalf("it got %q at %v", a.events(), a.began())
		}
		w.send("q", "", numbers(0, 230)...)
		sleep(time.Second)
		if n := len(a.heard()); n != 202 {
			t.Errorf("of full batches it got %d messages", n)
		}
		sleep(10 * time.Second)
		if n := len(a.heard()); n != 232 || len(a.events()) != 4 {
			t.Errorf("in the end it got %d messages in %d batches", n, len(a.events()))
		}
	})
}

func TestAWindowEndsBeforeOthersReceiveItsMessages(t *testing.T) {
	a := &audience{}
	inBubble(t, a.hears(succeeds), func(w *world) {
		w.create("f", nil)
		w.mapping("f", w.queue("q"), func(in *CreateEventSourceMappingInput) { in.MaximumBatchingWindowInSeconds = ptr[int32](300) })
		w.send("q", "", "1")
		sleep(20 * time.Second)
		if got := a.heard(); len(got) != 0 {
			t.Errorf("it got %q too soon", got)
		}
		sleep(time.Second) // three quarters of the 27 s that are left of 30 s but for the function's 3 s
		if got := a.heard(); len(got) != 1 {
			t.Errorf("it got %q", got)
		}
	})
}

func TestAnEventHasSixMegabytes(t *testing.T) {
	a := &audience{}
	var mu sync.Mutex
	var sizes []int
	inBubble(t, a.hears(func(i runtimeapi.Invocation) ([]byte, []byte) {
		mu.Lock()
		sizes = append(sizes, len(i.Payload))
		mu.Unlock()
		return succeeds(i)
	}), func(w *world) {
		w.create("f", nil)
		w.queue("q")
		for range 10 {
			w.send("q", "", strings.Repeat("x", 1_000_000))
		}
		w.mapping("f", "arn:aws:sqs:"+region+":"+account+":q", nil)
		sleep(time.Second)
		slices.Sort(sizes)
		if len(sizes) != 2 || sizes[1] > maxPayload || sizes[0] < 4_000_000 {
			t.Errorf("the events have %v bytes", sizes)
		}
		if c := w.counts("q"); c != (queue.Counts{}) {
			t.Errorf("the queue has %+v", c)
		}
	})
}

func TestAPoisonedMessageEndsInTheDeadLetterQueue(t *testing.T) {
	a := &audience{}
	inBubble(t, a.hears(func(i runtimeapi.Invocation) ([]byte, []byte) {
		if records(i.Payload)[0].Body == "a-1" {
			return fails(i)
		}
		return succeeds(i)
	}), func(w *world) {
		w.create("f", nil)
		w.queue("dead.fifo")
		arn := w.queue("q.fifo")
		w.configs["q.fifo"] = queue.Config{FIFO: true, MaxReceives: 3, DeadLetter: "dead.fifo", Origin: "q.fifo"}
		w.engine.Queue(w.queues["q.fifo"].Content).Configure(w.configs["q.fifo"])
		w.mapping("f", arn, single)
		w.sendGroups("q.fifo", 4, "a")
		sleep(5 * time.Minute)
		if got := a.heard(); !slices.Equal(got, []string{"a-0", "a-1", "a-1", "a-1", "a-2", "a-3"}) {
			t.Errorf("it got %q", got)
		}
		if got := w.received("dead.fifo"); !slices.Equal(got, []string{"a-1"}) {
			t.Errorf("dead are %q", got)
		}
	})
}

func TestABrokenFunctionIsTriggeredLessAndLess(t *testing.T) {
	a := &audience{}
	inBubble(t, a.hears(fails), func(w *world) {
		w.create("f", nil)
		w.mapping("f", w.queue("q"), single)
		w.send("q", "", numbers(0, 1000)...)
		sleep(20 * time.Second)
		if n := len(a.heard()); n > 50 {
			t.Errorf("it was triggered %d times", n)
		}
	})
}

func TestASlowFunctionDelaysNoOtherQueue(t *testing.T) {
	a := &audience{}
	inBubble(t, a.hears(func(i runtimeapi.Invocation) ([]byte, []byte) {
		if strings.HasSuffix(i.FunctionARN, "slow") {
			return takes(10 * time.Minute)(i)
		}
		return succeeds(i)
	}), func(w *world) {
		w.tune = func(o *Options) { o.Memory = 128 << 20 * 20 }
		w.powerCut() // with that option
		w.create("slow", func(in *CreateFunctionInput) { in.Timeout = ptr[int32](900) })
		w.create("quick", nil)
		slow, quick := w.queue("s"), w.queue("q")
		w.state("s").visibility = time.Hour
		w.mapping("slow", slow, single)
		w.mapping("quick", quick, nil)
		w.send("s", "", numbers(0, 500)...)
		sleep(time.Minute) // it has all the memory that it gets
		w.send("q", "", "quick")
		sleep(time.Second)
		if got := a.heard(); !slices.Contains(got, "quick") {
			t.Errorf("the quick one has got nothing, and the slow one %d messages", len(got))
		}
		sleep(20 * time.Hour)
	})
}

func TestWhatIsAskedForMeanwhileHolds(t *testing.T) {
	a := &audience{}
	inBubble(t, a.hears(takes(2*time.Second)), func(w *world) {
		w.create("f", nil)
		w.create("g", nil)
		m := w.mapping("f", w.queue("q"), single)
		update := func(in *UpdateEventSourceMappingInput, state string) {
			t.Helper()
			in.UUID = m.UUID
			if c, err := w.service.UpdateEventSourceMapping(call("u"), in); err != nil || c.State != state {
				t.Fatalf("update: %+v, %v", c, err)
			}
		}
		w.send("q", "", numbers(0, 100)...)
		sleep(time.Millisecond)
		update(&UpdateEventSourceMappingInput{Enabled: ptr(false)}, "Disabling")
		began := len(a.heard())
		sleep(time.Minute)
		if got := len(a.heard()); got != began || began < 1 {
			t.Errorf("disabled after %d it has got %d", began, got)
		}
		if c := w.counts("q"); c != (queue.Counts{Visible: int64(100 - began)}) {
			t.Errorf("the queue has %+v", c)
		}
		update(&UpdateEventSourceMappingInput{FunctionName: ptr("g"), BatchSize: ptr[int32](4)}, "Updating")
		update(&UpdateEventSourceMappingInput{Enabled: ptr(true), ScalingConfig: &ScalingConfig{ptr[int32](2)}}, "Enabling")
		a.forget()
		sleep(5 * time.Second)
		if a.peak() != 2 || len(a.events()[len(a.events())-1]) != 4 {
			t.Errorf("%d ran at a time, with %q at last", a.peak(), a.events()[len(a.events())-1])
		}
		if c, err := w.service.DeleteEventSourceMapping(call("d"), &DeleteEventSourceMappingInput{m.UUID}); err != nil || c.State != "Deleting" {
			t.Errorf("delete: %+v, %v", c, err)
		}
		got := len(a.heard())
		sleep(time.Minute)
		if c := w.counts("q"); len(a.heard()) != got || c != (queue.Counts{Visible: int64(100 - got)}) {
			t.Errorf("it has got %d, then %d; the queue has %+v", got, len(a.heard()), c)
		}
	})
}
