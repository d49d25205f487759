package lambda

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"naru/internal/arn"
	"naru/internal/clock"
	"naru/internal/interpreter"
	"naru/internal/meter"
	"naru/internal/policy"
	"naru/internal/queue"
	"naru/internal/runtimeapi"
	"naru/internal/runtimeapi/runtimetest"
	"naru/internal/store"
	"naru/internal/store/storetest"
	"naru/internal/wire"
)

// A world is a Lambda whose environments are played in-process, on a disk
// whose power can be cut.
type world struct {
	*testing.T
	disk    *storetest.Disk
	store   *store.Store
	clock   *clock.Clock
	engine  *queue.Engine
	service *Service
	dir     string
	tune    func(*Options)
	queues  map[string]queue.Ref // by address
	configs map[string]queue.Config
	meter   *meter.Registry
	trace   string // trace header of all messages; "" for none

	mu       sync.Mutex
	handler  runtimetest.Handler // what functions do
	launched []*played
	lines    []string // of all logs
	states   map[string]*queueState
}

// inBubble runs f on fake time.
func inBubble(t *testing.T, handler runtimetest.Handler, f func(w *world)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, disk: storetest.NewDisk(), clock: new(clock.Clock), handler: handler, dir: dir, queues: map[string]queue.Ref{}, configs: map[string]queue.Config{}}
		w.start()
		f(w)
		w.stop()
	})
}

func (w *world) start() {
	w.Helper()
	w.store, w.meter = w.disk.Open(w), new(meter.Registry)
	var err error
	w.engine, err = queue.Open(queue.Options{Store: w.store, Clock: w.clock, Resolve: w.resolve})
	if err != nil {
		w.Fatal(err)
	}
	options := Options{
		Store: w.store, Engine: w.engine, Clock: w.clock, Log: slog.New(slog.DiscardHandler), Meter: w.meter,
		Launch: w.launch, CodeDir: w.dir,
		Interpreter: func(l interpreter.Language, version string) (interpreter.Interpreter, bool) {
			return interpreter.Interpreter{Language: l, Path: "/usr/bin/" + string(l), Version: version, Prefix: "/usr"}, true
		},
		Endpoint: func() string { return "http://127.0.0.1:1" },
		Assume:   func(role, session string) (Credentials, error) { return Credentials{KeyID: "id"}, nil },
		Outgoing: w.outgoing,
		WriteLog: w.writeLog,
		Queue:    w.queueOf,
	}
	if w.tune != nil {
		w.tune(&options)
	}
	if w.service, err = Open(options); err != nil {
		w.Fatal(err)
	}
	for name, ref := range w.queues {
		w.engine.Attach(ref, w.configs[name])
	}
	w.engine.Start()
	w.service.Start()
}

func (w *world) stop() {
	w.Helper()
	w.service.Close()
	w.engine.Close()
	if err := w.engine.Check(); err != nil {
		w.Error(err)
	}
	storetest.Close(w, w.store)
}

// powerCut restarts with what was synced.
func (w *world) powerCut() {
	w.Helper()
	after := w.disk.PowerCut(0, nil)
	w.stop()
	w.disk = after
	w.start()
}

// outgoing sends to contents that stand for queues, and to functions.
func (w *world) outgoing(_ context.Context, m Message) ([]queue.Outgoing, error) {
	a, err := arn.Parse(m.Target)
	if err != nil {
		return nil, err
	}
	if function, ok := strings.CutPrefix(a.Resource, "function:"); ok {
		if _, err := w.service.InvokeNeeds(a.Account, a.Region, function); err != nil {
			return nil, err
		}
		out, err := w.service.OutgoingWithin(m.Trace, a.Account, a.Region, function, m.Payload)
		return []queue.Outgoing{out}, err
	}
	if _, ok := w.queues[a.Resource]; !ok {
		return nil, errors.New("no such queue")
	}
	text, err := json.Marshal(map[string]any{"payload": json.RawMessage(m.Payload), "attributes": m.Attributes})
	return []queue.Outgoing{{Address: a.Resource, Payload: text}}, err
}

// resolve tells the engine what stands at an address.
func (w *world) resolve(address string) (queue.Ref, bool) {
	if strings.HasPrefix(address, AddressPrefix) {
		return w.service.Resolve(address)
	}
	ref, ok := w.queues[address]
	return ref, ok
}

// queue makes what stands for a queue, and returns its ARN.
func (w *world) queue(name string) string {
	w.Helper()
	ref := queue.Ref{Shard: queue.ShardOf(name)}
	err := w.store.Catalog().Update(func(tx *store.Tx) (err error) {
		ref.Content, err = tx.NextID()
		return err
	})
	if err != nil {
		w.Fatal(err)
	}
	w.mu.Lock()
	w.queues[name] = ref
	w.mu.Unlock()
	w.configs[name] = queue.Config{FIFO: strings.HasSuffix(name, ".fifo")}
	w.engine.Attach(ref, w.configs[name])
	return "arn:aws:sqs:" + region + ":" + account + ":" + name
}

// received takes all messages out of a queue.
func (w *world) received(name string) (texts []string) {
	w.Helper()
	q := w.engine.Queue(w.queues[name].Content)
	for {
		deliveries, err := q.Lease(context.Background(), queue.LeaseRequest{Max: 10, Visibility: time.Hour})
		if err != nil {
			w.Fatal(err)
		}
		if len(deliveries) == 0 {
			return texts
		}
		for _, d := range deliveries {
			texts = append(texts, string(d.Payload))
		}
	}
}

func (w *world) writeLog(_ context.Context, f Caller, group, stream string, lines []Line) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range lines {
		w.lines = append(w.lines, l.Text)
	}
	return nil
}

// played is an environment that a test plays: a runtime over a pipe.
type played struct {
	conn   net.Conn
	theirs net.Conn
	spec   Spec
	done   chan struct{}
	once   sync.Once

	mu     sync.Mutex
	frozen bool
	exit   string
	events []string
}

func (w *world) launch(_ context.Context, spec Spec) (Processes, error) {
	ours, theirs := net.Pipe()
	p := &played{conn: ours, theirs: theirs, spec: spec, done: make(chan struct{})}
	w.mu.Lock()
	w.launched = append(w.launched, p)
	handler := w.handler
	w.mu.Unlock()
	go runtimetest.Serve(theirs, handler) // ends when the pipe is closed
	return p, nil
}

func (p *played) Conn() net.Conn { return p.conn }
func (p *played) Drain()         {}
func (p *played) Freeze() error  { return p.note("freeze", true) }
func (p *played) Thaw() error    { return p.note("thaw", false) }
func (p *played) Peak() int64    { return 40 << 20 }
func (p *played) Kill()          { p.end("signal: killed") }

func (p *played) Stop(time.Duration)    { p.end("signal: terminated") }
func (p *played) Done() <-chan struct{} { return p.done }

func (p *played) note(event string, frozen bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frozen = frozen
	p.events = append(p.events, event)
	return nil
}

// did returns what was done to it.
func (p *played) did() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.events)
}

func (p *played) end(how string) {
	p.once.Do(func() {
		p.mu.Lock()
		p.exit = how
		p.mu.Unlock()
		p.conn.Close()
		p.theirs.Close()
		close(p.done)
	})
}

func (p *played) Exit() Exit {
	p.mu.Lock()
	defer p.mu.Unlock()
	return Exit{How: p.exit}
}

func (p *played) Terminate() { p.note("terminate", false) }

func (p *played) Dial(context.Context, string) (net.Conn, error) { return nil, net.ErrClosed }

func ended(p *played) bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func (w *world) environments() []*played {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.launched)
}

func (w *world) logged(text string) bool {
	w.service.FlushLogs()
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.lines, func(l string) bool { return strings.Contains(l, text) })
}

const account, region = "000000000000", "us-east-1"

// call returns the context of a call by the account's root.
func call(id string) context.Context {
	return wire.WithCall(context.Background(), &wire.Call{
		Service: "lambda", RequestID: id, Region: region,
		Caller: policy.Principal{Kind: policy.Root, Account: account, ARN: "arn:aws:iam::" + account + ":root"},
	})
}

func zipOf(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for name, text := range files {
		f, err := z.Create(name)
		if err == nil {
			_, err = f.Write([]byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func ptr[T any](v T) *T { return &v }

func (w *world) create(name string, change func(*CreateFunctionInput)) *FunctionConfiguration {
	w.Helper()
	in := &CreateFunctionInput{
		FunctionName: &name, Role: ptr("arn:aws:iam::" + account + ":role/r"), Runtime: ptr("nodejs22.x"), Handler: ptr("index.handler"),
		Code: &FunctionCode{ZipFile: zipOf(w, map[string]string{"index.js": "// " + name})},
	}
	if change != nil {
		change(in)
	}
	c, err := w.service.CreateFunction(call("create"), in)
	if err != nil {
		w.Fatalf("create %s: %v", name, err)
	}
	return c
}

func (w *world) reserve(name string, n int32) {
	w.Helper()
	in := &PutFunctionConcurrencyInput{FunctionName: name, ReservedConcurrentExecutions: &n}
	if _, err := w.service.PutFunctionConcurrency(call("r"), in); err != nil {
		w.Fatal(err)
	}
}

func (w *world) invoke(name, payload string) (*InvokeOutput, error) {
	return w.service.Invoke(call("id-of-"+name), &InvokeInput{FunctionName: name, Payload: []byte(payload), LogType: ptr("Tail")})
}

func (w *world) enqueue(id, name, payload string) {
	w.Helper()
	out, err := w.service.Invoke(call(id), &InvokeInput{FunctionName: name, Payload: []byte(payload), InvocationType: ptr("Event")})
	if err != nil || out.StatusCode != 202 {
		w.Fatalf("invoke: %+v, %v", out, err)
	}
}

func echo(i runtimeapi.Invocation) ([]byte, []byte) { return i.Payload, nil }

func fails(runtimeapi.Invocation) ([]byte, []byte) {
	return nil, []byte(`{"errorType":"Error","errorMessage":"no"}`)
}

func sleep(d time.Duration) { <-time.After(d); synctest.Wait() }

func code(err error) string {
	var e *wire.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return fmt.Sprint(err)
}

func TestAnInvocationReturnsWhatTheFunctionDoesAndTheTailOfItsLog(t *testing.T) {
	inBubble(t, echo, func(w *world) {
		w.create("f", nil)
		out, err := w.invoke("f", `{"a":1}`)
		if err != nil || string(out.Payload) != `{"a":1}` || out.FunctionError != nil || *out.ExecutedVersion != "$LATEST" {
			t.Fatalf("got %+v, %v", out, err)
		}
		for _, line := range []string{
			"INIT_START Runtime Version: nodejs22.x\tRuntime Version ARN: ",
			"START RequestId: id-of-f Version: $LATEST",
			"END RequestId: id-of-f",
			"REPORT RequestId: id-of-f\tDuration: 0.00 ms\tBilled Duration: 0 ms\tMemory Size: 128 MB\tMax Memory Used: 40 MB\t",
		} {
			if !w.logged(line) {
				t.Errorf("%q was not logged: %q", line, w.lines)
			}
		}
	})
}

func TestEnvironmentsAreReusedFrozenAndReaped(t *testing.T) {
	inBubble(t, echo, func(w *world) {
		w.create("f", nil)
		for range 3 {
			if _, err := w.invoke("f", "1"); err != nil {
				t.Fatal(err)
			}
			sleep(time.Second)
		}
		all := w.environments()
		if got := all[0].did(); len(all) != 1 || !slices.Equal(got, []string{"freeze", "thaw", "freeze", "thaw", "freeze"}) {
			t.Fatalf("%d environments, the first did %q", len(all), got)
		}
		sleep(reapAfter)
		if !ended(all[0]) {
			t.Error("an environment that nobody used was not ended")
		}
		if _, err := w.invoke("f", "1"); err != nil || len(w.environments()) != 2 {
			t.Errorf("afterwards: %v, %d environments", err, len(w.environments()))
		}
	})
}

func TestAFunctionErrorIsAResult(t *testing.T) {
	inBubble(t, fails, func(w *world) {
		w.create("f", nil)
		out, err := w.invoke("f", "")
		if err != nil || *out.FunctionError != "Unhandled" || string(out.Payload) != `{"errorType":"Error","errorMessage":"no"}` {
			t.Fatalf("got %+v, %v", out, err)
		}
	})
}

func TestATimeoutEndsTheEnvironment(t *testing.T) {
	hang := func(i runtimeapi.Invocation) ([]byte, []byte) {
		<-time.After(time.Until(i.Deadline) + time.Minute)
		return i.Payload, nil
	}
	inBubble(t, hang, func(w *world) {
		w.create("f", func(in *CreateFunctionInput) { in.Timeout = ptr(int32(5)) })
		w.reserve("f", 1) // so that there is no spare
		start := time.Now()
		out, err := w.invoke("f", "")
		want := `{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: id-of-f Error: Task timed out after 5.00 seconds"}`
		if err != nil || string(out.Payload) != want || *out.FunctionError != "Unhandled" {
			t.Fatalf("got %s, %v", out.Payload, err)
		}
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("it took %v", took)
		}
		if !w.logged("id-of-f Task timed out after 5.00 seconds") || !w.logged("\tStatus: timeout\t") {
			t.Errorf("logged %q", w.lines)
		}
		w.handler = echo
		if out, err := w.invoke("f", "7"); err != nil || string(out.Payload) != "7" || len(w.environments()) != 2 {
			t.Errorf("the next invocation: %s, %v, %d environments", out.Payload, err, len(w.environments()))
		}
		sleep(2 * time.Minute) // the hanging handler ends
	})
}

func TestACrashIsTold(t *testing.T) {
	inBubble(t, nil, func(w *world) {
		w.handler = func(runtimeapi.Invocation) ([]byte, []byte) {
			all := w.environments()
			all[len(all)-1].end("exit status 7")
			return nil, nil
		}
		w.create("f", nil)
		out, err := w.invoke("f", "")
		want := `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: id-of-f Error: Runtime exited with error: exit status 7"}`
		if err != nil || string(out.Payload) != want {
			t.Fatalf("got %s, %v", out.Payload, err)
		}
	})
}

func TestAnInitErrorIsTheResultAndTheNextInvocationTriesAgain(t *testing.T) {
	inBubble(t, echo, func(w *world) {
		ready := w.launch
		w.tune = func(o *Options) {
			o.Launch = func(ctx context.Context, spec Spec) (Processes, error) {
				p, err := ready(ctx, spec)
				if len(w.environments()) > 1 {
					return p, err
				}
				ours, theirs := net.Pipe()
				failing := &played{conn: ours, theirs: theirs, done: make(chan struct{})}
				go runtimetest.InitError(theirs, []byte(`{"errorType":"Runtime.ImportModuleError","errorMessage":"no module"}`))
				p.Kill()
				return failing, nil
			}
		}
		w.powerCut()
		w.create("f", nil)
		out, err := w.invoke("f", "1")
		if err != nil || *out.FunctionError != "Unhandled" || string(out.Payload) != `{"errorType":"Runtime.ImportModuleError","errorMessage":"no module"}` {
			t.Fatalf("got %+v, %v", out, err)
		}
		if !w.logged("\tPhase: init\tStatus: error\tError Type: Runtime.ImportModuleError") {
			t.Errorf("logged %q", w.lines)
		}
		if out, err := w.invoke("f", "2"); err != nil || string(out.Payload) != "2" {
			t.Errorf("the next invocation: %s, %v", out.Payload, err)
		}
	})
}

func TestAnAsynchronousEventIsTriedThreeTimesUnderOneRequestID(t *testing.T) {
	inBubble(t, nil, func(w *world) {
		var tries []string
		start := time.Now()
		w.handler = func(i runtimeapi.Invocation) ([]byte, []byte) {
			w.mu.Lock()
			defer w.mu.Unlock()
			tries = append(tries, fmt.Sprint(i.RequestID, " ", time.Since(start)))
			return fails(i)
		}
		w.create("f", nil)
		w.enqueue("one", "f", `{}`)
		sleep(time.Hour)
		if want := []string{"one 0s", "one 1m0s", "one 3m0s"}; !slices.Equal(tries, want) {
			t.Errorf("tried %q, want %q", tries, want)
		}
	})
}

func TestAnAcknowledgedEventSurvivesAPowerCut(t *testing.T) {
	inBubble(t, nil, func(w *world) {
		var done []string
		w.handler = func(i runtimeapi.Invocation) ([]byte, []byte) {
			w.mu.Lock()
			first := len(done) == 0
			done = append(done, i.RequestID+" "+string(i.Payload))
			w.mu.Unlock()
			if first {
				<-time.After(2 * time.Second) // it is cut off in the middle
			}
			return echo(i)
		}
		w.create("f", func(in *CreateFunctionInput) { in.Timeout = ptr(int32(900)) })
		w.enqueue("one", "f", `{"n":1}`)
		synctest.Wait()
		w.powerCut()
		synctest.Wait()
		if want := []string{`one {"n":1}`, `one {"n":1}`}; !slices.Equal(done, want) {
			t.Errorf("run %q, want %q", done, want)
		}
		sleep(time.Hour)
		if len(done) != 2 {
			t.Errorf("run again: %q", done)
		}
	})
}

func TestWithoutRoomCallersAreThrottledAndEventsWaitUncounted(t *testing.T) {
	release := make(chan struct{})
	inBubble(t, nil, func(w *world) {
		release = make(chan struct{})
		var async []time.Duration
		start := time.Now()
		w.handler = func(i runtimeapi.Invocation) ([]byte, []byte) {
			if string(i.Payload) == `"hold"` {
				<-release
				return echo(i)
			}
			w.mu.Lock()
			async = append(async, time.Since(start))
			w.mu.Unlock()
			return fails(i)
		}
		w.tune = func(o *Options) { o.Concurrency = 1 }
		w.powerCut()
		w.create("f", func(in *CreateFunctionInput) { in.Timeout = ptr(int32(900)) })
		held := make(chan error)
		go func() { _, err := w.invoke("f", `"hold"`); held <- err }()
		synctest.Wait()
		if _, err := w.invoke("f", "1"); code(err) != "TooManyRequestsException" {
			t.Errorf("a second caller got %v", err)
		}
		w.enqueue("one", "f", `"event"`)
		sleep(20 * time.Second)
		close(release)
		if err := <-held; err != nil {
			t.Error(err)
		}
		sleep(time.Hour)
		if len(async) != 3 || async[1]-async[0] != time.Minute || async[2]-async[1] != 2*time.Minute {
			t.Errorf("the event was run after %v", async)
		}
	})
}

func TestAnUpdateTakesEffectWithTheNextInvocation(t *testing.T) {
	inBubble(t, echo, func(w *world) {
		first := w.create("f", nil)
		if _, err := w.invoke("f", "1"); err != nil {
			t.Fatal(err)
		}
		c, err := w.service.UpdateFunctionConfiguration(call("u"), &UpdateFunctionConfigurationInput{
			FunctionName: "f", Environment: &Environment{Variables: map[string]string{"COLOUR": "red"}}, MemorySize: ptr(int32(256)),
		})
		if err != nil || *c.LastUpdateStatus != "InProgress" || c.RevisionId == first.RevisionId {
			t.Fatalf("got %+v, %v", c, err)
		}
		if _, err := w.invoke("f", "1"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		all := w.environments()
		if len(all) != 2 || !ended(all[0]) {
			t.Fatalf("%d environments, the first ended: %v", len(all), ended(all[0]))
		}
		if spec := all[1].spec; !slices.Contains(spec.Env, "COLOUR=red") || spec.Memory != 256<<20 {
			t.Errorf("the second runs with %v and %d bytes", spec.Env, spec.Memory)
		}
		w.powerCut()
		got, err := w.service.GetFunction(call("g"), &GetFunctionInput{FunctionName: "f"})
		if err != nil || got.Configuration.Environment.Variables["COLOUR"] != "red" || *got.Configuration.State != "Active" {
			t.Errorf("after a power cut: %+v, %v", got, err)
		}
	})
}

func TestADeletedFunctionIsGoneWithItsEvents(t *testing.T) {
	inBubble(t, fails, func(w *world) {
		w.create("f", nil)
		w.enqueue("one", "f", "{}")
		sleep(time.Second)
		if _, err := w.service.DeleteFunction(call("d"), &DeleteFunctionInput{FunctionName: "f"}); err != nil {
			t.Fatal(err)
		}
		sleep(time.Hour)
		if all := w.environments(); len(all) != 1 || !ended(all[0]) {
			t.Errorf("%d environments", len(all))
		}
		if _, err := w.invoke("f", ""); code(err) != "ResourceNotFoundException" {
			t.Errorf("invoked: %v", err)
		}
	})
}

func TestReferencesToFunctions(t *testing.T) {
	inBubble(t, echo, func(w *world) {
		w.create("f", nil)
		w.create("function", nil)
		for reference, want := range map[string]string{
			"f": "", account + ":function:f": "", "function:f": "", "function": "", "f:$LATEST": "",
			"arn:aws:lambda:us-east-1:" + account + ":function:f":         "",
			"arn:aws:lambda:us-east-1:" + account + ":function:f:$LATEST": "",
			"arn:aws:lambda:us-west-2:" + account + ":function:f":         "ResourceNotFoundException",
			"f:1": "ResourceNotFoundException", "g": "ResourceNotFoundException", account + ":function:g": "ResourceNotFoundException",
			"111111111111:function:f": "ResourceNotFoundException",
			"a b":                     "ValidationException", "": "ValidationException",
			strings.Repeat("x", 141): "ValidationException",
		} {
			_, err := w.service.GetFunctionConfiguration(call("g"), &GetFunctionConfigurationInput{FunctionName: reference})
			if got := ""; err != nil {
				if got = code(err); got != want {
					t.Errorf("%q: %v, want %s", reference, err, want)
				}
			} else if want != "" {
				t.Errorf("%q was found", reference)
			}
		}
		_, err := w.service.GetFunction(call("g"), &GetFunctionInput{FunctionName: "f:1", Qualifier: ptr("2")})
		if code(err) != "InvalidParameterValueException" {
			t.Errorf("two qualifiers: %v", err)
		}
	})
}

func TestCodeThatMustNotBeUnpackedIsRefused(t *testing.T) {
	inBubble(t, echo, func(w *world) {
		for name, zipped := range map[string][]byte{
			"no zip file":   []byte("hello"),
			"a way out":     zipOf(t, map[string]string{"../evil.js": ""}),
			"absolute":      zipOf(t, map[string]string{"/etc/evil": ""}),
			"a bomb":        bomb(t),
			"nothing":       {},
			"a back slash":  zipOf(t, map[string]string{`a\..\b`: ""}),
			"inner way out": zipOf(t, map[string]string{"a/../../b": ""}),
		} {
			err := w.service.setCode(&Version{}, &FunctionCode{ZipFile: zipped})
			if code(err) != "InvalidParameterValueException" {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// bomb returns a small zip file of more than may be unpacked, by its own words.
func bomb(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	_, err := z.CreateRaw(&zip.FileHeader{Name: "zeros", Method: zip.Deflate, UncompressedSize64: maxUnzipped + 1})
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestAFileThatIsLargerThanItSaysIsNotUnpacked(t *testing.T) {
	text := zipOf(t, map[string]string{"big": strings.Repeat("x", 1000)})
	r, err := zip.NewReader(bytes.NewReader(text), int64(len(text)))
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if _, err := unpackFile(root, r.File[0], 999); err == nil {
		t.Error("1000 bytes were unpacked where 999 were allowed")
	}
	if _, err := unpackFile(root, r.File[0], 1000); err != nil {
		t.Error(err)
	}
}

func TestPermissions(t *testing.T) {
	inBubble(t, echo, func(w *world) {
		w.create("f", nil)
		s := w.service
		if _, err := s.GetPolicy(call("p"), &GetPolicyInput{FunctionName: "f"}); code(err) != "ResourceNotFoundException" {
			t.Errorf("no policy: %v", err)
		}
		in := &AddPermissionInput{
			FunctionName: "f", StatementId: ptr("s1"), Action: ptr("lambda:InvokeFunction"), Principal: ptr("events.amazonaws.com"),
			SourceArn: ptr("arn:aws:events:us-east-1:" + account + ":rule/r"),
		}
		out, err := s.AddPermission(call("p"), in)
		want := `{"Sid":"s1","Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"lambda:InvokeFunction",` +
			`"Resource":"arn:aws:lambda:us-east-1:000000000000:function:f","Condition":{"ArnLike":{"AWS:SourceArn":"arn:aws:events:us-east-1:000000000000:rule/r"}}}`
		if err != nil || out.Statement != want {
			t.Errorf("got %+v, %v", out, err)
		}
		if _, err := s.AddPermission(call("p"), in); code(err) != "ResourceConflictException" {
			t.Errorf("again: %v", err)
		}
		got, err := s.GetPolicy(call("p"), &GetPolicyInput{FunctionName: "f"})
		if err != nil || !json.Valid([]byte(got.Policy)) || got.Policy != `{"Version":"2012-10-17","Id":"default","Statement":[`+want+`]}` {
			t.Errorf("policy %+v, %v", got, err)
		}
		if _, err := s.RemovePermission(call("p"), &RemovePermissionInput{FunctionName: "f", StatementId: "s2"}); code(err) != "ResourceNotFoundException" {
			t.Errorf("removing another: %v", err)
		}
		if _, err := s.RemovePermission(call("p"), &RemovePermissionInput{FunctionName: "f", StatementId: "s1"}); err != nil {
			t.Error(err)
		}
	})
}
