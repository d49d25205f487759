package runtimeapi

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// An apiClient is a runtime or an extension that a test plays.
type apiClient struct {
	t    *testing.T
	base string
}

func newAPIClient(t *testing.T, extensions ...string) (*API, apiClient) {
	t.Helper()
	a := NewAPI(Function{Name: "fn", Version: "$LATEST", Handler: "a.b", Account: "123456789012"}, extensions)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a.Serve(l)
	t.Cleanup(a.Close)
	return a, apiClient{t, "http://" + l.Addr().String()}
}

// do makes a request and returns the status, the headers and the body.
func (c apiClient) do(method, path, body string, header ...string) (int, http.Header, string) {
	c.t.Helper()
	request, err := http.NewRequestWithContext(c.t.Context(), method, c.base+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return response.StatusCode, response.Header, string(text)
}

// next asks for an invocation, which comes through the channel.
func (c apiClient) next() chan http.Header {
	arrived := make(chan http.Header, 1)
	go func() {
		response, err := http.Get(c.base + "/2018-06-01/runtime/invocation/next")
		if err != nil {
			return // the API was closed
		}
		defer response.Body.Close()
		text, _ := io.ReadAll(response.Body)
		response.Header.Set("Body", string(text))
		arrived <- response.Header
	}()
	return arrived
}

type outcome struct {
	Result
	err error
}

func invokeThrough(a interface {
	Invoke(context.Context, Invocation) (Result, error)
}, ctx context.Context, i Invocation) chan outcome {
	done := make(chan outcome, 1)
	go func() {
		result, err := a.Invoke(ctx, i)
		done <- outcome{result, err}
	}()
	return done
}

const invocationPath = "/2018-06-01/runtime/invocation/" + testID

func TestAPIHandsOutInvocationsInTurn(t *testing.T) {
	a, c := newAPIClient(t)
	if status, _, body := c.do("GET", "/2018-06-01/ping", ""); status != 200 || body != "pong" {
		t.Errorf("ping: %d %s", status, body)
	}
	if status, _, body := c.do("POST", invocationPath+"/response", "1"); status != 403 || !strings.Contains(body, `"errorType":"InvalidStateTransition"`) {
		t.Errorf("a response to nothing: %d %s", status, body)
	}
	arrived := c.next()
	if err := a.Ready(brief(t)); err != nil {
		t.Fatal(err)
	}
	for n, answer := range []struct{ path, body, kind, want string }{
		{"/response", `{"a":1}`, "", `{"a":1}`},
		{"/error", `{"errorMessage":"m","errorType":"TypeError"}`, "TypeError", `{"errorMessage":"m","errorType":"TypeError"}`},
		{"/error", `{}`, "Runtime.ExitError", `{}`},
		{"/response", `not JSON`, "", `not JSON`},
	} {
		i := invocation(`{"n":1}`)
		i.TraceID, i.ClientContext = "Root=1", []byte(`{"c":1}`)
		done := invokeThrough(a, brief(t), i)
		got := <-arrived
		want := map[string]string{
			"Lambda-Runtime-Aws-Request-Id": testID, "Lambda-Runtime-Deadline-Ms": fmt.Sprint(i.Deadline.UnixMilli()),
			"Lambda-Runtime-Invoked-Function-Arn": i.FunctionARN, "Lambda-Runtime-Trace-Id": "Root=1",
			"Lambda-Runtime-Client-Context": `{"c":1}`, "Lambda-Runtime-Cognito-Identity": "", "Content-Type": "application/json", "Body": `{"n":1}`,
		}
		for name, value := range want {
			if got.Get(name) != value {
				t.Errorf("%s is %q, want %q", name, got.Get(name), value)
			}
		}
		if status, _, _ := c.do("GET", "/2018-06-01/runtime/invocation/next", ""); status != 403 {
			t.Errorf("next while busy: %d", status)
		}
		if status, _, body := c.do("POST", "/2018-06-01/runtime/invocation/other/response", "1"); status != 400 || !strings.Contains(body, "InvalidRequestID") {
			t.Errorf("another id: %d %s", status, body)
		}
		if status, _, body := c.do("POST", invocationPath+answer.path, answer.body, errorHeader, answer.kind); status != 202 || body != `{"status":"OK"}`+"\n" {
			t.Errorf("answer: %d %s", status, body)
		}
		if status, _, _ := c.do("POST", invocationPath+answer.path, answer.body); status != 403 {
			t.Errorf("a second answer: %d", status)
		}
		arrived = c.next()
		out := <-done
		kind := map[string]string{"": "", "TypeError": "Function.Unknown", "Runtime.ExitError": "Runtime.ExitError"}[answer.kind]
		if out.err != nil || string(out.Payload) != answer.want || out.FunctionError != (answer.kind != "") || out.ErrorType != kind || out.Ended {
			t.Errorf("outcome %d: %+v", n, out)
		}
	}
}

func TestAPIBoundsResponses(t *testing.T) {
	a, c := newAPIClient(t)
	for n, status := range map[int]int{MaxPayload: 202, MaxPayload + 1: 413} {
		arrived := c.next()
		if err := a.Ready(brief(t)); err != nil {
			t.Fatal(err)
		}
		done := invokeThrough(a, brief(t), invocation(`{}`))
		<-arrived
		if got, _, body := c.do("POST", invocationPath+"/response", strings.Repeat("x", n)); got != status {
			t.Errorf("%d bytes: %d %s", n, got, body)
		}
		c.next()
		if out := <-done; out.TooLarge != (status == 413) || out.Size != n {
			t.Errorf("%d bytes: %v, %d", n, out.TooLarge, out.Size)
		}
		a, c = newAPIClient(t)
	}
}

func TestAPIStreams(t *testing.T) {
	for name, end := range map[string]string{
		"Well":          "0\r\n\r\n",
		"WithAnError":   "0\r\n" + errorHeader + ": Runtime.StreamError\r\n" + errorBody + ": " + base64.StdEncoding.EncodeToString([]byte(`{"errorMessage":"m"}`)) + "\r\n\r\n",
		"CutOff":        "",
		"WithMadeUpOne": "0\r\n" + errorHeader + ": Own\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			a, c := newAPIClient(t)
			arrived := c.next()
			if err := a.Ready(brief(t)); err != nil {
				t.Fatal(err)
			}
			var parts []string
			i := invocation(`{}`)
			i.Stream = func(contentType string, data []byte) { parts = append(parts, contentType+":"+string(data)) }
			done := invokeThrough(a, brief(t), i)
			<-arrived
			conn, err := net.Dial("tcp", strings.TrimPrefix(c.base, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			fmt.Fprintf(conn, "POST %s/response HTTP/1.1\r\nHost: h\r\nContent-Type: text/x\r\n%s: streaming\r\nTransfer-Encoding: chunked\r\nTrailer: %s, %s\r\n\r\n3\r\nabc\r\n%s",
				invocationPath, responseMode, errorHeader, errorBody, end)
			if name == "CutOff" {
				conn.(*net.TCPConn).CloseWrite()
			}
			if _, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil && name != "CutOff" {
				t.Error(err)
			}
			c.next()
			out := <-done
			if diff := cmp.Diff([]string{"text/x:", "text/x:abc"}, parts); diff != "" {
				t.Errorf("parts (-want +got):\n%s", diff)
			}
			kind := map[string]string{"WithAnError": "Runtime.StreamError", "CutOff": "Runtime.TruncatedResponse", "WithMadeUpOne": "Function.Unknown"}[name]
			if !out.Streamed || out.ErrorType != kind || out.FunctionError != (name != "Well") || name == "WithAnError" && string(out.Payload) != `{"errorMessage":"m"}` {
				t.Errorf("outcome: %+v %s", out, out.Payload)
			}
		})
	}
}

func TestAPIRefusesOtherResponseModes(t *testing.T) {
	_, c := newAPIClient(t)
	if status, _, body := c.do("POST", invocationPath+"/response", "1", responseMode, "other"); status != 400 || !strings.Contains(body, "Runtime.InvalidResponseModeHeader") {
		t.Errorf("%d %s", status, body)
	}
}

func TestAPIInitErrorsAndEnds(t *testing.T) {
	a, c := newAPIClient(t)
	if status, _, _ := c.do("POST", "/2018-06-01/runtime/init/error", `{"errorType":"x"}`, errorHeader, "Runtime.NoSuchHandler"); status != 202 {
		t.Errorf("status is %d", status)
	}
	var failed *InitError
	if err := a.Ready(brief(t)); !errors.As(err, &failed) || failed.Type != "Runtime.NoSuchHandler" || string(failed.Payload) != `{"errorType":"x"}` {
		t.Errorf("error is %v", err)
	}
	if status, _, _ := c.do("GET", "/2018-06-01/runtime/invocation/next", ""); status != 403 {
		t.Errorf("next after that: %d", status)
	}
	a, _ = newAPIClient(t)
	done := make(chan struct{})
	a.Follow(done)
	close(done)
	if err := a.Ready(brief(t)); !errors.Is(err, ErrEnded) {
		t.Errorf("error is %v when the processes end", err)
	}
	a, c = newAPIClient(t)
	arrived := c.next()
	if err := a.Ready(brief(t)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(brief(t))
	out := invokeThrough(a, ctx, invocation(`{}`))
	<-arrived
	cancel()
	if o := <-out; !errors.Is(o.err, context.Canceled) {
		t.Errorf("error is %v when the time is up", o.err)
	}
}

func TestExtensionsTakePart(t *testing.T) {
	a, c := newAPIClient(t, "outer")
	const path = "/2020-01-01/extension/"
	for _, bad := range []struct{ name, events, kind string }{
		{"", `[]`, "Extension.InvalidExtensionName"},
		{"inner", `["SHUTDOWN"]`, "ShutdownEventNotSupportedForInternalExtension"},
		{"outer", `["OTHER"]`, "InvalidEventType"},
	} {
		if status, _, body := c.do("POST", path+"register", `{"events":`+bad.events+`}`, extensionName, bad.name); status != 403 || !strings.Contains(body, bad.kind) {
			t.Errorf("%+v: %d %s", bad, status, body)
		}
	}
	select {
	case <-a.Registered():
		t.Error("the external extension has not registered")
	default:
	}
	status, header, body := c.do("POST", path+"register", `{"events":["INVOKE","SHUTDOWN"]}`, extensionName, "outer", "Lambda-Extension-Accept-Feature", "accountId")
	if want := `{"accountId":"123456789012","functionName":"fn","functionVersion":"$LATEST","handler":"a.b"}` + "\n"; status != 200 || body != want {
		t.Errorf("registered: %d %s", status, body)
	}
	<-a.Registered()
	outer := header.Get(extensionID)
	if status, _, _ := c.do("GET", path+"event/next", "", extensionID, "7f1a4f3b-0000-4000-8000-000000000000"); status != 403 {
		t.Errorf("an unknown extension: %d", status)
	}
	events := make(chan string, 1)
	nextEvent := func() {
		go func() {
			_, _, body := c.do("GET", path+"event/next", "", extensionID, outer)
			events <- body
		}()
	}
	arrived := c.next()
	ready := make(chan error, 1)
	go func() { ready <- a.Ready(brief(t)) }()
	nextEvent() // without it nothing is ready
	if err := <-ready; err != nil {
		t.Fatal(err)
	}
	if status, _, body := c.do("POST", path+"register", `{}`, extensionName, "late"); status != 403 || !strings.Contains(body, "RegistrationClosed") {
		t.Errorf("too late: %d %s", status, body)
	}
	i := invocation(`{}`)
	i.TraceID = "Root=1"
	done := invokeThrough(a, brief(t), i)
	<-arrived
	want := fmt.Sprintf(`{"eventType":"INVOKE","deadlineMs":%d,"requestId":%q,"invokedFunctionArn":%q,"tracing":{"type":"X-Amzn-Trace-Id","value":"Root=1"}}`+"\n", i.Deadline.UnixMilli(), testID, i.FunctionARN)
	if got := <-events; got != want {
		t.Errorf("event is %s", got)
	}
	c.do("POST", invocationPath+"/response", "1")
	c.next()
	select {
	case out := <-done:
		t.Errorf("the extension is not done: %+v", out)
	case <-time.After(20 * time.Millisecond):
	}
	nextEvent()
	if out := <-done; out.err != nil || string(out.Payload) != "1" {
		t.Errorf("outcome is %+v", out)
	}
	if !a.Shutdown("spindown", time.UnixMilli(5)) {
		t.Error("nobody was told of the end")
	}
	if got := <-events; got != `{"deadlineMs":5,"eventType":"SHUTDOWN","shutdownReason":"spindown"}`+"\n" {
		t.Errorf("event is %s", got)
	}
}

func TestExtensionsCanGiveUp(t *testing.T) {
	a, c := newAPIClient(t)
	_, header, _ := c.do("POST", "/2020-01-01/extension/register", `{"events":[]}`, extensionName, "inner")
	c.do("POST", "/2020-01-01/extension/init/error", `{"errorMessage":"m"}`, extensionID, header.Get(extensionID), "Lambda-Extension-Function-Error-Type", "Extension.Own")
	var failed *InitError
	if err := a.Ready(brief(t)); !errors.As(err, &failed) || failed.Type != "Extension.Own" || string(failed.Payload) != `{"errorMessage":"m"}` {
		t.Errorf("error is %v", err)
	}
}

func TestTelemetryIsSentInBatches(t *testing.T) {
	a, c := newAPIClient(t)
	var dialer net.Dialer
	a.Dial(func(ctx context.Context, address string) (net.Conn, error) {
		return dialer.DialContext(ctx, "tcp", address)
	})
	batches := make(chan string, 10)
	listener := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		batches <- string(text)
	}))
	t.Cleanup(listener.Close)
	_, port, _ := net.SplitHostPort(listener.Listener.Addr().String())
	_, header, _ := c.do("POST", "/2020-01-01/extension/register", `{"events":[]}`, extensionName, "inner")
	subscribe := func(uri string) int {
		status, _, _ := c.do("PUT", "/2022-07-01/telemetry", `{"schemaVersion":"2022-07-01","types":["function","platform"],"buffering":{"timeoutMs":25},"destination":{"protocol":"HTTP","URI":"`+uri+`"}}`, extensionID, header.Get(extensionID))
		return status
	}
	for _, bad := range []string{"http://example.com:80", "https://sandbox.localdomain:80", "http://10.0.0.1:80/"} {
		if status := subscribe(bad); status != 400 {
			t.Errorf("%s: %d", bad, status)
		}
	}
	if status := subscribe("http://sandbox.localdomain:" + port + "/in"); status != 200 {
		t.Fatalf("status is %d", status)
	}
	a.TellLine("a line")
	a.Tell("platform.start", map[string]any{"requestId": "id"})
	a.Flush()
	var got []record
	for len(got) < 3 {
		var batch []record
		if err := json.Unmarshal([]byte(<-batches), &batch); err != nil {
			t.Fatal(err)
		}
		got = append(got, batch...)
	}
	want := []record{
		{Type: "platform.telemetrySubscription", Record: map[string]any{"name": "inner", "state": "Subscribed", "types": []any{"function", "platform"}}},
		{Type: "function", Record: "a line"},
		{Type: "platform.start", Record: map[string]any{"requestId": "id"}},
	}
	for i := range got {
		if _, err := time.Parse(time.RFC3339, got[i].Time); err != nil {
			t.Error(err)
		}
		got[i].Time = ""
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}
