package wire

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"naru/internal/policy"
	"naru/internal/sigv4"
)

// A diary notes what happens to a request, and fails where it is told to.
type diary struct {
	entries []string
	fails   map[string]error
}

func (d *diary) note(what string) error {
	d.entries = append(d.entries, what)
	return d.fails[what]
}

func (d *diary) Read([]byte) (int, error) {
	if !slices.Contains(d.entries, "read") {
		d.note("read")
	}
	return 0, io.EOF
}

// front returns a front with an operation that is noted at every step.
func (d *diary) front() *Front {
	s := queueService
	s.MaxBody = 100
	f := newFront(s.with(Op("Send",
		func(_ context.Context, in *flat) (*flat, error) { return in, d.note("execute") },
		func(_ context.Context, in *flat) ([]policy.Request, error) {
			return []policy.Request{{Action: "sqs:send", Resource: *in.Url}}, d.note("look up what is needed")
		})))
	f.Gate = keeper{
		authenticate: func(*sigv4.Signature, func() sigv4.Payload) error { return d.note("authenticate") },
		authorize: func(needs []policy.Request) error {
			return d.note("authorize " + needs[0].Action + " on " + needs[0].Resource)
		},
	}
	f.Settle = func(context.Context) error { return d.note("settle") }
	return f
}

func TestARequestIsBoundedAuthenticatedDecodedAuthorizedAndExecuted(t *testing.T) {
	refused := Errorf("Refused", "refused")
	denied := Errorf(CodeAccessDenied, "denied")
	for rule, c := range map[string]struct {
		operation, body string
		fails           map[string]error
		want            []string // steps, then what the reply says
	}{
		"InThisOrder": {"Send", `{"Url":"u"}`, nil,
			[]string{"authenticate", "look up what is needed", "authorize sqs:send on u", "execute", "settle", `{"Url":"u"}`}},
		"ALargeBodyIsNotAuthenticated": {"Send", strings.Repeat(" ", 101), nil,
			[]string{"settle", "RequestEntityTooLargeException"}},
		"WhoIsNotAuthenticatedLearnsNothingOfOperations": {"Fly", ``, map[string]error{"authenticate": Errorf(CodeUnknownKey, "who?")},
			[]string{"authenticate", "settle", "UnrecognizedClientException"}},
		"NorOfTheirInputs": {"Send", `{`, map[string]error{"authenticate": Errorf(CodeUnknownKey, "who?")},
			[]string{"authenticate", "settle", "UnrecognizedClientException"}},
		"AnUnknownOperationIsAuthenticated": {"Fly", ``, nil,
			[]string{"authenticate", "settle", "UnknownOperationException"}},
		"BadInputNeedsNothing": {"Send", `{`, nil,
			[]string{"authenticate", "settle", "SerializationException"}},
		"WhatCannotBeLookedUpIsNotAuthorized": {"Send", `{"Url":"u"}`, map[string]error{"look up what is needed": refused},
			[]string{"authenticate", "look up what is needed", "settle", "Refused"}},
		"WhatIsNotAuthorizedIsNotExecuted": {"Send", `{"Url":"u"}`, map[string]error{"authorize sqs:send on u": denied},
			[]string{"authenticate", "look up what is needed", "authorize sqs:send on u", "settle", "AccessDenied"}},
		"ARefusalIsSettledToo": {"Send", `{"Url":"u"}`, map[string]error{"execute": refused},
			[]string{"authenticate", "look up what is needed", "authorize sqs:send on u", "execute", "settle", "Refused"}},
		"WhatIsNotDurableIsNotTold": {"Send", `{"Url":"u"}`, map[string]error{"settle": errors.New("the disk is full")},
			[]string{"authenticate", "look up what is needed", "authorize sqs:send on u", "execute", "settle", "InternalFailure"}},
		"NorIsARefusal": {"Send", `{"Url":"u"}`, map[string]error{"execute": refused, "settle": errors.New("the disk is full")},
			[]string{"authenticate", "look up what is needed", "authorize sqs:send on u", "execute", "settle", "InternalFailure"}},
	} {
		t.Run(rule, func(t *testing.T) {
			d := &diary{fails: c.fails}
			w := d.front().answer(jsonCall("AmazonSQS."+c.operation, c.body))
			steps, said := c.want[:len(c.want)-1], c.want[len(c.want)-1]
			if diff := cmp.Diff(steps, d.entries); diff != "" {
				t.Error(diff)
			}
			if !strings.Contains(w.Body.String(), said) {
				t.Errorf("the reply is %d %s", w.Code, w.Body)
			}
		})
	}
}

func TestTheGateIsGivenTheSignatureAndTheHashOfTheBody(t *testing.T) {
	for name, c := range map[string]call{
		"JSON":     jsonCall("AmazonSQS.Nothing", `{"Url":"u"}`),
		"Form":     formCall("Action=Nothing&Version=2012-11-05"),
		"NoBody":   {method: "GET", target: "/000000000000/q?Action=Nothing"},
		"AnyBytes": {target: "/2015-03-31/functions/f/invocations", body: "\x00\xff"},
	} {
		for _, service := range []string{"", "sqs"} {
			want, asked := sha256.Sum256([]byte(c.body)), false
			front := everyFront()
			front.Gate = keeper{authenticate: func(s *sigv4.Signature, payload func() sigv4.Payload) error {
				asked = true
				if payload().Sum != want || (s != nil) != (service != "") || s != nil && s.Scope.Service != service {
					t.Errorf("%s: got the signature %v and the hash %x", name, s, payload().Sum)
				}
				return Errorf("Refused", "refused")
			}}
			signed := c
			if service != "" {
				signed = c.signedFor(service)
			}
			if front.answer(signed); !asked {
				t.Errorf("%s: the gate was not asked", name)
			}
		}
	}
}

func TestACallTellsTheOperationAboutTheRequest(t *testing.T) {
	var got *Call
	see := Op("See", func(ctx context.Context, _ *flat) (*None, error) { got = CallOf(ctx); return &None{}, nil }, nothing[flat])
	c := jsonCall("AmazonSQS.See", "{}").signedFor("sqs")
	c.target, c.host = "/000000000000/a%2Fb", "queues.localhost:4566"
	r := c.request()
	r.RemoteAddr = "192.0.2.1:5000"
	w := &recorder{header: http.Header{}}
	newFront(queueService.with(see)).ServeHTTP(w, r)
	want := &Call{
		Service: "sqs", Operation: "See", RequestID: w.header.Get("X-Amzn-Requestid"), Region: "us-east-1",
		Caller: policy.Principal{Kind: policy.Root, Account: "000000000000"}, Endpoint: "http://queues.localhost:4566",
		Remote: "192.0.2.1:5000", Path: "/000000000000/a/b", Header: r.Header,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got.Account() != "000000000000" || RemoteOf(WithCall(t.Context(), got)) != got.Remote || RemoteOf(t.Context()) != "" {
		t.Errorf("account %q, remote %q and %q", got.Account(), RemoteOf(WithCall(t.Context(), got)), RemoteOf(t.Context()))
	}
}

func TestAReplacedOperationNeedsNothing(t *testing.T) {
	denied := func(context.Context, *flat) ([]policy.Request, error) { return nil, Errorf("Refused", "refused") }
	op := Op("Send", echo[flat], denied).WithCall(func(_ context.Context, in any) (any, error) {
		return &flat{Url: ptr("instead of " + *in.(*flat).Url)}, nil
	})
	if w := newFront(queueService.with(op)).answer(jsonCall("AmazonSQS.Send", `{"Url":"u"}`)); w.Body.String() != `{"Url":"instead of u"}` {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

// sent answers a request whose body is read from body and said to have length
// bytes, or not said if it is negative.
func sent(f *Front, header map[string]string, body io.Reader, length int64) (status int, reply string) {
	r := call{header: header}.request()
	r.Body, r.ContentLength = io.NopCloser(body), length
	w := &recorder{header: http.Header{}}
	f.ServeHTTP(w, r)
	return w.status, string(w.body)
}

func TestBodiesAreBounded(t *testing.T) {
	const limit = 1 << 20 // where a service says nothing
	target := jsonCall("AmazonSQS.Nothing", "").header
	form := formCall("").header
	fill := func(n int) string { return `{"x":"` + strings.Repeat("a", n-8) + `"}` }
	fields := func(n int) string { return "Action=Nothing&Version=2012-11-05&" + strings.Repeat("a", n-34) }
	for rule, c := range map[string]struct {
		header map[string]string
		body   string
		length bool
		status int
		said   string
	}{
		"AsMuchAsAllowed":           {target, fill(limit), true, 200, ""},
		"AsMuchAsAllowedInChunks":   {target, fill(limit), false, 200, ""},
		"OneByteMore":               {target, fill(limit + 1), true, 413, "larger than 1048576 bytes"},
		"OneByteMoreInChunks":       {target, fill(limit + 1), false, 413, "larger than 1048576 bytes"},
		"AsMuchAsAllowedInAForm":    {form, fields(limit), true, 200, "NothingResponse"},
		"OneByteMoreInAForm":        {form, fields(limit + 1), true, 413, "<Code>RequestEntityTooLarge</Code>"},
		"OneByteMoreInAChunkedForm": {form, fields(limit + 1), false, 413, "<Code>RequestEntityTooLarge</Code>"},
		"AnyFormsBound":             {form, fields(maxUnrouted + 1), true, 413, "RequestEntityTooLargeException"},
		"AnyChunkedFormsBound":      {form, fields(maxUnrouted + 1), false, 413, "RequestEntityTooLargeException"},
	} {
		t.Run(rule, func(t *testing.T) {
			length := int64(len(c.body))
			if !c.length {
				length = -1
			}
			status, reply := sent(everyFront(), c.header, strings.NewReader(c.body), length)
			if status != c.status || !strings.Contains(reply, c.said) {
				t.Errorf("got %d %.200s", status, reply)
			}
		})
	}
}

func TestABodyThatSaysItIsTooLargeIsNotRead(t *testing.T) {
	for name, header := range map[string]map[string]string{"JSON": jsonCall("AmazonSQS.Nothing", "").header, "Form": formCall("").header} {
		body := &diary{}
		if status, _ := sent(everyFront(), header, body, 1<<40); status != 413 || body.entries != nil {
			t.Errorf("%s: got %d, and the body was %v", name, status, body.entries)
		}
	}
}

func TestBodiesThatEndEarlyAreRefused(t *testing.T) {
	text := func(text string) func() io.Reader {
		return func() io.Reader { return strings.NewReader(text) }
	}
	broken := func() io.Reader {
		return io.MultiReader(strings.NewReader(`{"Url":`), iotest.ErrReader(errors.New("connection reset by 192.0.2.1")))
	}
	for rule, c := range map[string]struct {
		body   func() io.Reader
		length int64
		said   string
	}{
		"ShorterThanItSays": {text("{}"), 3, "The request's body ended too early."},
		"EmptyThough":       {text(""), 1, "The request's body ended too early."},
		"Broken":            {broken, 100, "The request's body ended too early."},
		"BrokenInChunks":    {broken, -1, "The request's body could not be read."},
	} {
		for name, header := range map[string]map[string]string{"JSON": jsonCall("AmazonSQS.Nothing", "").header, "Form": formCall("").header} {
			t.Run(rule+name, func(t *testing.T) {
				status, reply := sent(everyFront(), header, c.body(), c.length)
				if status != 400 || !strings.Contains(reply, c.said) || strings.Contains(reply, "192.0.2.1") {
					t.Errorf("got %d %s", status, reply)
				}
			})
		}
	}
}
