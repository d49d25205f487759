package runtimeapi

import (
	"fmt"
	"strings"
	"testing"
)

// stream calls a function and returns what it streamed, in one text.
func (p *process) stream(t *testing.T, payload string) (Result, string) {
	t.Helper()
	var got strings.Builder
	i := invocation(payload)
	i.Stream = func(contentType string, data []byte) {
		if data == nil {
			fmt.Fprintf(&got, "[%s]", contentType)
		}
		got.Write(data)
	}
	return p.call(t, i), got.String()
}

func TestNodeStreams(t *testing.T) {
	for _, c := range []struct{ handler, want, kind string }{
		{"parts", "[text/plain]one two three", ""},
		{"nothing", "[application/octet-stream]", ""},
		{"http", "[application/vnd.awslambda.http-integration-response]{\"statusCode\":201,\"headers\":{\"a\":\"b\"}}\x00\x00\x00\x00\x00\x00\x00\x00body", ""},
		{"throwsFirst", "", "TypeError"},
		{"throwsLater", "[application/octet-stream]some", "TypeError"},
		{"plain", "[application/octet-stream]", "Error"},
		{"never", "[application/octet-stream]some", "Runtime.NodeJsExit"},
		{"keys", `[application/octet-stream]["callbackWaitsForEmptyEventLoop","functionVersion","functionName","memoryLimitInMB","logGroupName","logStreamName","clientContext","identity","invokedFunctionArn","awsRequestId","getRemainingTimeInMillis"]`, ""},
	} {
		t.Run(c.handler, func(t *testing.T) {
			p := startNode(t, setup{handler: "streams." + c.handler})
			p.ready(t)
			for range 2 { // and the environment is good for the next
				result, got := p.stream(t, "{}")
				if got != c.want || result.ErrorType != c.kind || result.FunctionError != (c.kind != "") || result.Streamed != (c.want != "") {
					t.Errorf("got %q, %+v", got, result)
				}
			}
		})
	}
}

func TestNodeStreamsMuch(t *testing.T) {
	p := startNode(t, setup{handler: "streams.piped"})
	p.ready(t)
	result, got := p.stream(t, `{"parts":200,"size":100000}`)
	if len(got) != len("[application/octet-stream]")+20_000_000 || result.Size != 20_000_000 || result.FunctionError {
		t.Errorf("got %d bytes, %+v", len(got), result)
	}
	if result, _ := p.stream(t, `{"parts":3000,"size":100000}`); !result.TooLarge || result.Size != 300_000_000 {
		t.Errorf("more than may be: %+v", result)
	}
}

func TestNodeStreamedResponsesAreReturnedWithoutAStream(t *testing.T) {
	p := startNode(t, setup{handler: "streams.piped"})
	p.ready(t)
	if result := p.call(t, invocation(`{"parts":2,"size":3}`)); string(result.Payload) != "xxxxxx" || !result.Streamed {
		t.Errorf("got %+v", result)
	}
	if result := p.call(t, invocation(`{"parts":70,"size":100000}`)); !result.TooLarge || result.Payload != nil {
		t.Errorf("more than may be: %d bytes", len(result.Payload))
	}
}

func TestNodeExitsWhileItStreams(t *testing.T) {
	p := startNode(t, setup{handler: "streams.exits"})
	p.ready(t)
	i := invocation("{}")
	i.Stream = func(string, []byte) {}
	if _, err := p.Invoke(t.Context(), i); err == nil {
		t.Error("no error")
	}
}
