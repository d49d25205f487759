package runtimeapi

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestNodeContext(t *testing.T) {
	p := startNode(t, setup{handler: "context.all"})
	p.ready(t)
	i := invocation(`{}`)
	i.ClientContext, i.Identity = []byte(`{"client":{"title":"é"}}`), []byte(`{"cognitoIdentityId":"me"}`)
	want := `{"callbackWaitsForEmptyEventLoop":true,"functionVersion":"$LATEST","functionName":"fn","memoryLimitInMB":"128",` +
		`"logGroupName":"/aws/lambda/fn","logStreamName":"2026/11/22/[$LATEST]0123","clientContext":{"client":{"title":"é"}},` +
		`"identity":{"cognitoIdentityId":"me"},"invokedFunctionArn":"arn:aws:lambda:eu-west-1:123456789012:function:fn:alias",` +
		`"awsRequestId":"ID","left":true}`
	if got := settle(string(p.call(t, i).Payload)); got != want {
		t.Errorf("context\n got %s\nwant %s", got, want)
	}
	i.ClientContext = []byte(`{"client`)
	if result := p.call(t, i); result.ErrorType != "Error" || !strings.Contains(string(result.Payload), "Cannot parse ClientContext as json: SyntaxError: ") {
		t.Errorf("with a bad client context: %+v", result)
	}
	keys := startNode(t, setup{handler: "context.keys"})
	keys.ready(t)
	want = `["callbackWaitsForEmptyEventLoop","succeed","fail","done","functionVersion","functionName","memoryLimitInMB","logGroupName",` +
		`"logStreamName","clientContext","identity","invokedFunctionArn","awsRequestId","getRemainingTimeInMillis"]`
	if got := string(keys.call(t, invocation(`{}`)).Payload); got != want {
		t.Errorf("keys\n got %s\nwant %s", got, want)
	}
}

func TestNodeSetsTheTraceIDPerInvocation(t *testing.T) {
	p := startNode(t, setup{handler: "context.trace"})
	p.ready(t)
	for _, id := range []string{"Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=1", "", "Root=2"} {
		i := invocation(`{}`)
		i.TraceID = id
		want := fmt.Sprintf("%q", id)
		if id == "" {
			want = `"none"`
		}
		if got := string(p.call(t, i).Payload); got != want {
			t.Errorf("trace id is %s, want %s", got, want)
		}
	}
}

func TestNodeLogs(t *testing.T) {
	jsonLog := "AWS_LAMBDA_LOG_FORMAT=JSON"
	line := func(level, rest string) string {
		return fmt.Sprintf(`{"timestamp":"TIME","level":%q,"requestId":"ID",%s}`, level, rest)
	}
	for _, c := range []struct {
		name, handler string
		env           []string
		want          []string
	}{
		{"Levels", "logs.levels", nil, []string{
			"TIME\tID\tTRACE\ta trace", "TIME\tID\tDEBUG\ta debug", "TIME\tID\tINFO\tan info", "TIME\tID\tINFO\ta log",
			"TIME\tID\tWARN\ta warning", "TIME\tID\tERROR\tan error", "TIME\tID\tFATAL\ta fatal one"}},
		{"Formats", "logs.formats", nil, []string{
			"TIME\tID\tINFO\ttwo\rlines", "TIME\tID\tINFO\tsix is 6 { a: { b: { c: {} } } }", "TIME\tID\tINFO\t{ a: 1 }", "TIME\tID\tINFO\tundefined", "TIME\tID\tINFO\té✓"}},
		{"WhatWasWrittenDirectly", "logs.raw", nil, []string{"out", "err", strings.Repeat("x", 300000)}},
		{"LevelsInJSON", "logs.levels", []string{jsonLog}, []string{
			line("TRACE", `"message":"a trace"`), line("DEBUG", `"message":"a debug"`), line("INFO", `"message":"an info"`), line("INFO", `"message":"a log"`),
			line("WARN", `"message":"a warning"`), line("ERROR", `"message":"an error"`), line("FATAL", `"message":"a fatal one"`)}},
		{"LowestLevel", "logs.levels", []string{jsonLog, "AWS_LAMBDA_LOG_LEVEL=ERROR"}, []string{
			line("ERROR", `"message":"an error"`), line("FATAL", `"message":"a fatal one"`)}},
		{"ValuesInJSON", "logs.values", []string{jsonLog}, []string{
			line("INFO", `"message":"text"`), line("INFO", `"message":{"a":1}`), line("INFO", `"message":"formatted"`), line("INFO", `"message":7`),
			line("INFO", `"message":"<ref *1> { circle: [Circular *1] }"`),
			line("ERROR", `"message":{"errorType":"TypeError","errorMessage":"wrong","stackTrace":["TypeError: wrong"]}`),
			line("ERROR", `"message":"MESSAGE","errorType":"TypeError","errorMessage":"wrong","stackTrace":["TypeError: wrong"]`)}},
		{"ErrorsInJSON", "logs.fails", []string{jsonLog}, []string{
			line("ERROR", `"message":{"errorType":"TypeError","errorMessage":"wrong","stackTrace":["TypeError: wrong"]}`)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := startNode(t, setup{handler: c.handler, env: c.env})
			p.ready(t)
			first := p.lines(t)
			var wrote sync.WaitGroup
			if c.name == "WhatWasWrittenDirectly" { // more than a pipe holds
				wrote.Go(func() { p.gather(300000) })
			}
			p.call(t, invocation(`{}`))
			wrote.Wait()
			got := p.lines(t)
			for i, line := range got {
				if head, tail, ok := strings.Cut(line, `"message":"it is TypeError: wrong`); ok {
					_, tail, _ = strings.Cut(tail, ` indeed"`)
					got[i] = head + `"message":"MESSAGE"` + tail
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("lines (-want +got):\n%.3000s", diff)
			}
			during := "TIME\tundefined\tINFO\tduring init"
			if len(c.env) > 0 {
				during = `{"timestamp":"TIME","level":"INFO","message":"during init"}`
			}
			if c.name != "LowestLevel" && !cmp.Equal(first, []string{during}) {
				t.Errorf("lines during init: %q", first)
			}
		})
	}
}

func TestNodeLinesAreWrittenBeforeTheAnswer(t *testing.T) {
	p := startNode(t, setup{handler: "logs.flood"})
	p.ready(t)
	p.lines(t)
	var reading sync.WaitGroup
	reading.Go(func() { p.gather(5000 * 64) })
	p.call(t, invocation(`{}`))
	reading.Wait()
	lines := p.lines(t)
	if len(lines) != 5000 {
		t.Fatalf("%d lines", len(lines))
	}
	for i, line := range lines {
		if want := fmt.Sprintf("TIME\tID\tINFO\t%d", i); line != want {
			t.Fatalf("line %d is %q", i, line)
		}
	}
}

func TestNodeTakesAndGivesLargePayloads(t *testing.T) {
	p := startNode(t, setup{handler: "promise.size"})
	p.ready(t)
	for _, n := range []int{1, 4000, 65000, 65536, 70000, 6 << 20} {
		got := string(p.call(t, invocation(`{"text":"`+strings.Repeat("x", n)+`"}`)).Payload)
		if want := fmt.Sprint(n); got != want {
			t.Errorf("the function saw %s bytes, not %s", got, want)
		}
	}
	p = startNode(t, setup{handler: "promise.repeat"})
	p.ready(t)
	for _, n := range []int{1, 70000, 3 << 20, MaxPayload - 2} {
		if got := p.call(t, invocation(fmt.Sprintf(`{"n":%d}`, n))); len(got.Payload) != n+2 || got.TooLarge {
			t.Errorf("the function returned %d bytes, not %d", got.Size, n+2)
		}
	}
	for _, n := range []int{MaxPayload - 1, 40 << 20} {
		if got := p.call(t, invocation(fmt.Sprintf(`{"n":%d}`, n))); !got.TooLarge || got.Payload != nil || got.Size != n+2 {
			t.Errorf("the function returned %d bytes, not %d", got.Size, n+2)
		}
	}
	p = startNode(t, setup{handler: "promise.failure"})
	p.ready(t)
	var reading sync.WaitGroup
	reading.Go(func() { p.gather(14 << 20) })
	if got := p.call(t, invocation(`{}`)); !got.TooLarge || !got.FunctionError || got.ErrorType != "Error" {
		t.Errorf("the function failed with %+v", got)
	}
	reading.Wait()
}

func TestNodeCallingBackTooLateDoesNotDisturbTheNextInvocation(t *testing.T) {
	p := startNode(t, setup{handler: "callback.late"})
	p.ready(t)
	if got := string(p.call(t, invocation(`{"late":true}`)).Payload); got != `null` {
		t.Errorf("payload is %s", got)
	}
	if got := string(p.call(t, invocation(`{"late":false}`)).Payload); got != `"in time"` {
		t.Errorf("payload is %s", got)
	}
	want := []string{"TIME\tID\tERROR\tInvocation has already been reported as done. Cannot call complete more than once per invocation."}
	if diff := cmp.Diff(want, p.lines(t)); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestNodeEndsOnAnExceptionBetweenInvocations(t *testing.T) {
	p := startNode(t, setup{handler: "fatal.uncaughtLater"})
	p.ready(t)
	if got := p.call(t, invocation(`{}`)); string(got.Payload) != `"fine"` || got.Ended {
		t.Errorf("result is %+v", got)
	}
	if status := p.exit(t); status != 129 {
		t.Errorf("exit status is %d", status)
	}
	if _, err := p.Invoke(brief(t), invocation(`{}`)); !errors.Is(err, ErrEnded) {
		t.Errorf("error is %v", err)
	}
}

func TestNodeEndsWithItsServer(t *testing.T) {
	for name, busy := range map[string]bool{"Idle": false, "Busy": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startNode(t, setup{handler: "callback.late"})
			p.ready(t)
			if busy {
				if err := p.send(invocation(`{}`)); err != nil {
					t.Fatal(err)
				}
			}
			if err := p.conn.Close(); err != nil {
				t.Fatal(err)
			}
			if status := p.exit(t); status != 1 {
				t.Errorf("exit status is %d", status)
			}
		})
	}
}

func TestTheRuntimeIsInstalledOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "there", "yet")
	var all sync.WaitGroup
	folders := make([]string, 8)
	for i := range folders {
		all.Go(func() {
			var err error
			if folders[i], err = Install(dir, "node"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, other := range folders {
		if other != folders[0] {
			t.Errorf("folders are %s and %s", other, folders[0])
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("folder has %v, %v", entries, err)
	}
	argv := NodeCommand("/bin/node", folders[0], 200)
	if want := []string{"/bin/node", "--max-old-space-size=180", folders[0] + "/runtime.cjs"}; !cmp.Equal(want, argv) {
		t.Errorf("argv is %q", argv)
	}
	if text, err := os.ReadFile(argv[2]); err != nil || !strings.Contains(string(text), "'use strict'") {
		t.Errorf("runtime is %.100q, %v", text, err)
	}
}

func BenchmarkNodeInvoke(b *testing.B) {
	p := startNode(b, setup{handler: "promise.value"})
	p.ready(b)
	i := invocation(`{"Records":[{"messageId":"` + testID + `","body":"` + strings.Repeat("x", 200) + `"}]}`)
	var times []time.Duration
	for b.Loop() {
		began := time.Now()
		p.call(b, i)
		times = append(times, time.Since(began))
	}
	report(b, times)
}

// BenchmarkNodeStart measures the time until a function is ready, and for
// comparison that of Node.js doing nothing.
func BenchmarkNodeStart(b *testing.B) {
	start := func(env ...string) func() {
		return func() {
			p := startNode(b, setup{handler: "promise.value", env: env})
			p.ready(b)
			p.end()
		}
	}
	for _, c := range []struct {
		name string
		once func()
	}{
		{"Nothing", func() { _ = exec.Command(nodeOf(b), "-e", "0").Run() }},
		{"Function", start()},
		{"FunctionWithEndpoint", start("NARU_ENDPOINT=http://127.0.0.1:1")},
	} {
		b.Run(c.name, func(b *testing.B) {
			var times []time.Duration
			for b.Loop() {
				began := time.Now()
				c.once()
				times = append(times, time.Since(began))
			}
			report(b, times)
		})
	}
}
