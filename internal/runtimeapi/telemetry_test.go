package runtimeapi

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestTelemetryOfTheRuntimeDoesNotWaitForExtensions: some ask for the next event
// only when they know that the runtime is done.
func TestTelemetryOfTheRuntimeDoesNotWaitForExtensions(t *testing.T) {
	a, c := newAPIClient(t)
	var dialer net.Dialer
	a.Dial(func(ctx context.Context, address string) (net.Conn, error) {
		return dialer.DialContext(ctx, "tcp", address)
	})
	told := make(chan record, 100)
	listener := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var batch []record
		if err := json.NewDecoder(r.Body).Decode(&batch); err != nil {
			t.Error(err)
		}
		for _, r := range batch {
			told <- r
		}
	}))
	t.Cleanup(listener.Close)
	is := func(kind string) map[string]any {
		for r := range told {
			if r.Type == kind {
				return r.Record.(map[string]any)
			}
		}
		return nil
	}
	_, port, _ := net.SplitHostPort(listener.Listener.Addr().String())
	_, header, _ := c.do("POST", "/2020-01-01/extension/register", `{"events":["INVOKE"]}`, extensionName, "inner")
	id := header.Get(extensionID)
	c.do("PUT", "/2022-07-01/telemetry", `{"schemaVersion":"2022-07-01","types":["platform"],"buffering":{"timeoutMs":25},"destination":{"protocol":"HTTP","URI":"http://sandbox.localdomain:`+port+`"}}`, extensionID, id)
	event := func() chan string { // asks for the next
		next := make(chan string, 1)
		go func() {
			r, err := http.NewRequest("GET", c.base+"/2020-01-01/extension/event/next", nil)
			if err != nil {
				return
			}
			r.Header.Set(extensionID, id)
			if response, err := http.DefaultClient.Do(r); err == nil { // else the API was closed
				response.Body.Close()
				next <- response.Status
			}
		}()
		return next
	}
	ready := make(chan error, 1)
	go func() { ready <- a.Ready(brief(t)) }()
	arrived := c.next()
	if got := is("platform.initRuntimeDone"); got["status"] != "success" {
		t.Errorf("initRuntimeDone: %v", got)
	}
	first := event()
	if err := <-ready; err != nil {
		t.Fatal(err)
	}
	done := invokeThrough(a, brief(t), Invocation{RequestID: testID, Deadline: time.Now().Add(time.Minute), TraceID: "Root=1", Payload: []byte("{}")})
	<-first
	<-arrived
	c.do("POST", invocationPath+"/error", `{"errorMessage":"m"}`, "Lambda-Runtime-Function-Error-Type", "Function.Own")
	c.next()
	got := is("platform.runtimeDone")
	if metrics, _ := got["metrics"].(map[string]any); metrics["durationMs"] == nil || metrics["producedBytes"] != 20.0 {
		t.Errorf("metrics: %v", metrics)
	}
	delete(got, "metrics")
	want := map[string]any{"requestId": testID, "status": "error", "errorType": "Function.Own", "tracing": map[string]any{"type": "X-Amzn-Trace-Id", "value": "Root=1"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("runtimeDone (-want +got):\n%s", diff)
	}
	select {
	case out := <-done:
		t.Errorf("the invocation is over before the extension is: %v", out.err)
	default:
	}
	event()
	if out := <-done; out.err != nil {
		t.Error(out.err)
	}
}
