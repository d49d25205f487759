package lambda

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"naru/internal/runtimeapi"
	"naru/internal/wire"
)

type InvokeInput struct {
	FunctionName         string  `aws:",uri"`
	Qualifier            *string `aws:",query"`
	InvocationType       *string `aws:"X-Amz-Invocation-Type,header"`
	LogType              *string `aws:"X-Amz-Log-Type,header"`
	ClientContext        *string `aws:"X-Amz-Client-Context,header"`
	TenantId             *string `aws:"X-Amz-Tenant-Id,header"`
	DurableExecutionName *string `aws:"X-Amz-Durable-Execution-Name,header"`
	Payload              []byte  `aws:",payload"`
}

type InvokeOutput struct {
	StatusCode      int32   `aws:",status"`
	ExecutedVersion *string `aws:"X-Amz-Executed-Version,header"`
	FunctionError   *string `aws:"X-Amz-Function-Error,header"`
	LogResult       *string `aws:"X-Amz-Log-Result,header"`
	Payload         []byte  `aws:",payload"`
}

// AWS's limits of payloads, in bytes.
const (
	maxPayload      = 6_291_456
	maxAsync        = 1_048_576
	maxResponse     = 6_291_556
	responseTooBig  = "Response payload size exceeded maximum allowed payload size (6291556 bytes)."
	maxClientLength = 3583
)

// Invoke runs a function: it waits for the result, or for an Event only until
// it is kept, or for a DryRun only checks that it could.
func (s *Service) Invoke(ctx context.Context, in *InvokeInput) (*InvokeOutput, error) {
	if err := enumerated(in.InvocationType, "invocationType", "Event", "RequestResponse", "DryRun"); err != nil {
		return nil, err
	}
	if err := enumerated(in.LogType, "logType", "None", "Tail"); err != nil {
		return nil, err
	}
	n, v, e, err := s.prepare(ctx, in)
	if err != nil {
		return nil, err
	}
	switch deref(in.InvocationType) {
	case "Event":
		return &InvokeOutput{StatusCode: 202}, s.enqueue(n, e)
	case "DryRun":
		return &InvokeOutput{StatusCode: 204}, nil
	}
	return s.invokeNow(n, v, e)
}

type InvokeAsyncInput struct {
	FunctionName string `aws:",uri"`
	InvokeArgs   []byte `aws:",payload"`
}

type InvokeAsyncOutput struct {
	Status int32 `aws:",status"`
}

// InvokeAsync is Invoke for an Event, as it was once.
func (s *Service) InvokeAsync(ctx context.Context, in *InvokeAsyncInput) (*InvokeAsyncOutput, error) {
	kind := "Event"
	out, err := s.Invoke(ctx, &InvokeInput{FunctionName: in.FunctionName, InvocationType: &kind, Payload: in.InvokeArgs})
	if err != nil {
		return nil, err
	}
	return &InvokeAsyncOutput{out.StatusCode}, nil
}

// prepare returns what is to be run, and with what event.
func (s *Service) prepare(ctx context.Context, in *InvokeInput) (name, *Version, *event, error) {
	n, err := s.nameOf(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return n, nil, nil, err
	}
	v, err := s.route(n)
	if err != nil {
		return n, nil, nil, notFound(n.orLatest())
	}
	if in.TenantId != nil || in.DurableExecutionName != nil {
		return n, nil, nil, notYet("tenant isolation and durable functions")
	}
	e := &event{RequestID: wire.CallOf(ctx).RequestID, Payload: in.Payload, Trace: s.traceOf(ctx), tailed: deref(in.LogType) == "Tail"}
	if err := in.check(e); err != nil {
		return n, nil, nil, err
	}
	return n, v, e, s.checkLoop(n, e)
}

// checkLoop refuses an invocation of a function that has invoked itself too
// often.
func (s *Service) checkLoop(n name, e *event) error {
	f, err := s.function(n)
	if err != nil || !s.loops(f, e.Trace) {
		return err
	}
	s.options.Meter.Counter("lambda_recursive_invocations_dropped", "function", n.function).Add(1)
	return wire.Errorf("RecursiveInvocationException", "Lambda has detected your function being invoked in a recursive loop with other Amazon Web Services resources and stopped your function's invocation.")
}

// check refuses a payload that is too large or no JSON. None is {}.
func (in *InvokeInput) check(e *event) error {
	switch asynchronous := deref(in.InvocationType) == "Event"; {
	case asynchronous && len(e.Payload) > maxAsync:
		return wire.Errorf("RequestTooLargeException", "%d byte payload is too large for the Event invocation type (limit %d bytes)", len(e.Payload), maxAsync)
	case len(e.Payload) > maxPayload:
		return wire.Errorf("RequestTooLargeException", "Request must be smaller than %d bytes for the InvokeFunction operation", maxPayload)
	case len(e.Payload) == 0:
		e.Payload = []byte("{}")
	}
	if problem := jsonProblem(e.Payload); problem != "" {
		return wire.Errorf("InvalidRequestContentException", "Could not parse request body into json: Could not parse payload into json: %s", problem)
	}
	if text := deref(in.ClientContext); text != "" {
		decoded, err := base64.StdEncoding.DecodeString(text)
		if err != nil || !json.Valid(decoded) || len(text) > maxClientLength {
			return wire.Errorf("InvalidRequestContentException", "Client context must be a valid Base64-encoded JSON object.")
		}
		e.ClientContext = decoded
	}
	return nil
}

// traceOf returns the trace that the call is a part of, or a new one.
func (s *Service) traceOf(ctx context.Context) string {
	if trace := wire.CallOf(ctx).Header.Get("X-Amzn-Trace-Id"); trace != "" {
		return trace
	}
	return newTrace(s.clock.Now())
}

// An event is what a function is invoked with. Its qualifier is that of the
// name that it is invoked by, "" for none.
type event struct {
	RequestID     string
	Qualifier     string `json:",omitempty"`
	Payload       json.RawMessage
	Trace         string
	ClientContext json.RawMessage `json:",omitempty"`

	stream func(contentType string, data []byte) // takes a streamed response; may be nil
	begun  func()                                // is called once there is an environment; may be nil
	tailed bool                                  // the end of its log is wanted
	polite bool                                  // it leaves the last room to functions that have none
}

// newEvent returns an event of Naru's own making.
func (s *Service) newEvent(payload []byte) *event {
	return &event{RequestID: uuid.NewString(), Payload: payload, Trace: newTrace(s.clock.Now())}
}

// invokeNow runs the function and returns its result.
func (s *Service) invokeNow(n name, v *Version, e *event) (*InvokeOutput, error) {
	r, err := s.run(n, v, e)
	if err != nil {
		return nil, s.refusal(v, err)
	}
	version := v.number()
	out := &InvokeOutput{StatusCode: 200, ExecutedVersion: &version, Payload: r.payload}
	if r.failed {
		unhandled := "Unhandled"
		out.FunctionError = &unhandled
	}
	if e.tailed {
		text := base64.StdEncoding.EncodeToString(r.tail)
		out.LogResult = &text
	}
	return out, nil
}

// refusal is what a caller is told who gets no result.
func (s *Service) refusal(v *Version, err error) error {
	var t throttled
	if !errors.As(err, &t) {
		return err
	}
	s.options.Meter.Counter("lambda_throttles", "function", v.Name).Add(1)
	return &wire.Error{
		Code: "TooManyRequestsException", Message: "Rate Exceeded.",
		Fields: map[string]string{"Reason": t.reason}, Header: map[string]string{"Retry-After": "1"},
	}
}

// A result is how an invocation went.
type result struct {
	payload     []byte
	failed      bool   // the function failed: the payload says how
	kind        string // of the error
	streamed    bool   // the response was streamed, with a content type
	contentType string
	tail        []byte // of its log, if it is wanted
}

// A failure is an error of a function that its runtime could not tell, or told
// while it was getting ready.
type failure struct {
	kind    string // AWS's errorType
	reason  string // what follows "RequestId: … Error: "
	payload []byte // if the runtime told
	status  string // of the report: "error" if ""
}

func timeoutFailure(v *Version) *failure {
	return &failure{kind: "Sandbox.Timedout", reason: fmt.Sprintf("Task timed out after %d.00 seconds", v.Timeout), status: "timeout"}
}

// json returns the payload of a failed invocation.
func (f *failure) json(id string) []byte {
	if f.payload != nil {
		return f.payload
	}
	text, err := json.Marshal(struct {
		ErrorType    string `json:"errorType"`
		ErrorMessage string `json:"errorMessage"`
	}{f.kind, "RequestId: " + id + " Error: " + f.reason})
	if err != nil {
		panic(err) // a struct of texts
	}
	return text
}

// run runs a version once, by the name that it was invoked by, in an
// environment of its own for that time.
func (s *Service) run(n name, v *Version, e *event) (*result, error) {
	if !e.polite {
		s.lineUp(v)
	}
	i, fail, err := s.acquire(v, e.polite)
	if err != nil {
		return nil, err
	}
	if e.begun != nil {
		e.begun()
	}
	s.options.Meter.Counter("lambda_invocations", "function", v.Name).Add(1)
	i.book.begin(e.tailed)
	i.book.start(e.RequestID)
	start := s.clock.Real()
	out := &result{}
	if fail == nil {
		fail = i.invoke(n, e, out)
	}
	took := s.clock.Real().Sub(start)
	i.env.Drain()
	i.measure(s.clock.Real())
	r := report{id: e.RequestID, took: took, init: i.initTook, memory: v.MemorySize, peak: i.peak}
	i.initTook = 0
	if fail != nil {
		r.status, r.kind = "error", fail.kind
		out.failed, out.kind, out.payload = true, fail.kind, fail.json(e.RequestID)
		if fail.status == "timeout" {
			r.status, r.kind = "timeout", ""
			i.book.add(fmt.Sprintf("%s %s %s", s.clock.Now().Format("2006-01-02T15:04:05.000Z"), e.RequestID, fail.reason))
		}
		s.options.Meter.Counter("lambda_errors", "function", v.Name).Add(1)
	}
	i.book.finish(r)
	out.tail = i.book.end()
	s.options.Meter.Sketch("lambda_duration_seconds", "function", v.Name).Observe(took.Seconds())
	s.release(i, !i.ended)
	return out, nil
}

// measureEvery is how often it is looked at how much memory an environment
// uses, which takes as long as a short invocation.
const measureEvery = 100 * time.Millisecond

// measure brings the instance's peak up to date.
func (i *instance) measure(now time.Time) {
	if now.Sub(i.measured) >= measureEvery {
		i.peak, i.measured = i.env.Peak(), now
	}
}

// invoke hands the event to the runtime and waits for what it answers, until
// the function's time is up.
func (i *instance) invoke(n name, e *event, out *result) *failure {
	deadline := i.service.clock.Real().Add(time.Duration(i.version.Timeout) * time.Second)
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	r, err := i.runtime.Invoke(ctx, runtimeapi.Invocation{
		RequestID: e.RequestID, Deadline: deadline, FunctionARN: n.arn(), TraceID: passing(n, e.Trace),
		ClientContext: e.ClientContext, Payload: e.Payload, Stream: e.stream,
	})
	i.ended = err != nil || r.Ended
	out.streamed, out.contentType = r.Streamed, r.ContentType
	switch {
	case err != nil && ctx.Err() != nil:
		i.giveUp("timeout")
		return timeoutFailure(i.version)
	case err != nil:
		return i.fault(err)
	case r.TooLarge || len(r.Payload) > maxResponse:
		return &failure{kind: "Function.ResponseSizeTooLarge", payload: []byte(`{"errorMessage":"` + responseTooBig + `","errorType":"Function.ResponseSizeTooLarge"}`)}
	case r.FunctionError:
		return &failure{kind: r.ErrorType, payload: r.Payload}
	}
	out.payload = r.Payload
	return nil
}
