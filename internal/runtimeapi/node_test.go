package runtimeapi

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestNodeHandlers(t *testing.T) {
	const event = `{"n":1}`
	invokeError := func(text string) []string { return []string{"TIME\tID\tERROR\tInvoke Error \t" + text} }
	for _, c := range []struct {
		handler string
		event   string   // {"n":1} if empty
		want    string   // the payload, with stacks settled; "" if there is none
		kind    string   // type of error; "" if it is none
		lines   []string // what is in the pipe when the answer is there
		exit    int      // its status if the process ends
	}{
		{handler: "callback.value", want: `{"got":{"n":1}}`},
		{handler: "callback.nothing", want: `null`},
		{handler: "callback.error", want: `{"errorType":"TypeError","errorMessage":"wrong","trace":["TypeError: wrong"]}`, kind: "TypeError",
			lines: invokeError(`{"errorType":"TypeError","errorMessage":"wrong","stack":["TypeError: wrong"]}`)},
		{handler: "callback.errorAtOnce", want: `{"errorType":"TypeError","errorMessage":"wrong","trace":["TypeError: wrong"]}`, kind: "TypeError",
			lines: invokeError(`{"errorType":"TypeError","errorMessage":"wrong","stack":["TypeError: wrong"]}`)},
		{handler: "callback.text", want: `{"errorType":"string","errorMessage":"just text","trace":[]}`, kind: "string",
			lines: invokeError(`{"errorType":"Error","errorMessage":"just text","stack":["Error: just text"]}`)},
		{handler: "callback.number", want: `{"errorType":"number","errorMessage":"42","trace":[]}`, kind: "number",
			lines: invokeError(`{"errorType":"Error","errorMessage":"42","stack":["Error: 42"]}`)},
		{handler: "callback.object", want: `{"errorType":"object","errorMessage":"[object Object]","trace":[]}`, kind: "object",
			lines: invokeError(`{"errorType":"Error","errorMessage":"[object Object]","stack":["Error: [object Object]"]}`)},
		{handler: "callback.like", want: `{"errorType":"Like","errorMessage":"an error","trace":["Like: an error"]}`, kind: "Like",
			lines: invokeError(`{"errorType":"Error","errorMessage":"[object Object]","stack":["Error: [object Object]"]}`)},
		{handler: "callback.unreadable", want: `{"errorType":"handled","errorMessage":"callback called with Error argument, but there was a problem while retrieving one or more of its message, name, and stack"}`, kind: "handled",
			lines: invokeError(`{"errorType":"Error","errorMessage":"object","stack":["Error: object"]}`)},
		{handler: "callback.unprintable", want: `{"errorType":"De%7Fl","errorMessage":"a%7Fb","trace":["De%7Fl: a%7Fb"]}`, kind: "De%7Fl",
			lines: invokeError("{\"errorType\":\"De\x7Fl\",\"errorMessage\":\"a\x7Fb\",\"name\":\"De\x7Fl\",\"stack\":[\"De\x7Fl: a\x7Fb\"]}")},
		{handler: "callback.waits", want: `"waited"`, lines: []string{"TIME\tID\tINFO\tlater"}},
		{handler: "callback.atOnce", want: `"at once"`},
		{handler: "callback.twice", want: `"first"`},
		{handler: "callback.never", want: `null`},
		{handler: "callback.neverButWorks", want: `null`, lines: []string{"TIME\tID\tINFO\tworked"}},
		{handler: "callback.returned", want: `null`},
		{handler: "callback.unref", want: `"unref"`},
		{handler: "callback.circle", want: `{"errorType":"Error","errorMessage":"Unable to stringify response body","trace":["Error: Unable to stringify response body"]}`, kind: "Error",
			lines: []string{"TIME\tID\tERROR\tUncaught Exception \t" + `{"errorType":"Error","errorMessage":"Unable to stringify response body","stack":["Error: Unable to stringify response body"]}`}, exit: 129},
		{handler: "callback.throws", want: `{"errorType":"RangeError","errorMessage":"out","trace":["RangeError: out"]}`, kind: "RangeError",
			lines: invokeError(`{"errorType":"RangeError","errorMessage":"out","stack":["RangeError: out"]}`)},
		{handler: "callback.throwsText", want: `{"errorType":"string","errorMessage":"text","trace":[]}`, kind: "string",
			lines: invokeError(`{"errorType":"Error","errorMessage":"text","stack":["Error: text"]}`)},
		{handler: "callback.throwsAfterCallback", want: `"kept"`},
		{handler: "callback.done", want: `"done"`},
		{handler: "callback.doneWithError", want: `{"errorType":"Error","errorMessage":"undone","trace":["Error: undone"]}`, kind: "Error",
			lines: invokeError(`{"errorType":"Error","errorMessage":"undone","stack":["Error: undone"]}`)},
		{handler: "callback.succeed", want: `{"by":"succeed"}`},
		{handler: "callback.fail", want: `{"errorType":"Error","errorMessage":"failed","trace":["Error: failed"]}`, kind: "Error",
			lines: invokeError(`{"errorType":"Error","errorMessage":"failed","stack":["Error: failed"]}`)},
		{handler: "callback.failWithNothing", want: `{"errorType":"string","errorMessage":"handled","trace":[]}`, kind: "string",
			lines: invokeError(`{"errorType":"Error","errorMessage":"handled","stack":["Error: handled"]}`)},
		{handler: "callback.succeedWithCircle", want: `{"errorType":"Error","errorMessage":"Unable to stringify response body","trace":["Error: Unable to stringify response body"]}`, kind: "Error",
			lines: invokeError(`{"errorType":"Error","errorMessage":"Unable to stringify response body","stack":["Error: Unable to stringify response body"]}`)},
		{handler: "callback.value", event: `{"n":`, kind: "SyntaxError"},

		{handler: "promise.value", want: `{"got":{"n":1}}`},
		{handler: "promise.value", event: `"text"`, want: `{"got":"text"}`},
		{handler: "promise.value", event: `null`, want: `{"got":null}`},
		{handler: "promise.nothing", want: `null`},
		{handler: "promise.atOnce", want: `"at once"`},
		{handler: "promise.unicode", event: `{"text":"é\ud83d\ude00"}`, want: `"é😀 ✓"`},
		{handler: "promise.notJson", want: `null`},
		{handler: "promise.big", want: `{"errorType":"Error","errorMessage":"Unable to stringify response body","trace":["Error: Unable to stringify response body"]}`, kind: "Error",
			lines: invokeError(`{"errorType":"Error","errorMessage":"Unable to stringify response body","stack":["Error: Unable to stringify response body"]}`)},
		{handler: "promise.circle", want: `{"errorType":"Error","errorMessage":"Unable to stringify response body","trace":["Error: Unable to stringify response body"]}`, kind: "Error",
			lines: invokeError(`{"errorType":"Error","errorMessage":"Unable to stringify response body","stack":["Error: Unable to stringify response body"]}`)},
		{handler: "promise.toJson", want: `"its own way"`},
		{handler: "promise.thenable", want: `"thenable"`},
		{handler: "promise.rejects", want: `{"errorType":"TypeError","errorMessage":"wrong","trace":["TypeError: wrong"]}`, kind: "TypeError",
			lines: invokeError(`{"errorType":"TypeError","errorMessage":"wrong","code":"E_WRONG","detail":{"more":[1,2]},"stack":["TypeError: wrong"]}`)},
		{handler: "promise.rejectsText", want: `{"errorType":"string","errorMessage":"just text","trace":[]}`, kind: "string",
			lines: invokeError(`{"errorType":"Error","errorMessage":"just text","stack":["Error: just text"]}`)},
		{handler: "promise.rejectsNothing", want: `{"errorType":"string","errorMessage":"handled","trace":[]}`, kind: "string",
			lines: invokeError(`{"errorType":"Error","errorMessage":"handled","stack":["Error: handled"]}`)},
		{handler: "promise.own", want: `{"errorType":"OwnError","errorMessage":"mine","trace":["OwnError: mine"]}`, kind: "OwnError",
			lines: invokeError(`{"errorType":"OwnError","errorMessage":"mine","name":"OwnError","stack":["OwnError: mine"]}`)},
		{handler: "promise.never", want: settledError("Runtime.NodeJsExit", exitMessage, "trace"), kind: "Runtime.NodeJsExit",
			lines: invokeError(settledError("Runtime.NodeJsExit", exitMessage, "stack"))},
		{handler: "promise.neverPlain", want: `null`},
		{handler: "promise.both", want: `"of the callback"`},

		{handler: "fatal.uncaught", want: `{"errorType":"RangeError","errorMessage":"from nowhere","trace":["RangeError: from nowhere"]}`, kind: "RangeError",
			lines: []string{"TIME\tID\tERROR\tUncaught Exception \t" + `{"errorType":"RangeError","errorMessage":"from nowhere","stack":["RangeError: from nowhere"]}`}, exit: 129},
		{handler: "fatal.uncaughtText", want: `{"errorType":"string","errorMessage":"text","trace":[]}`, kind: "string",
			lines: []string{"TIME\tID\tERROR\tUncaught Exception \t" + `{"errorType":"Error","errorMessage":"text","stack":["Error: text"]}`}, exit: 129},
		{handler: "fatal.uncaughtNothing", want: `{"errorType":"handled","errorMessage":"callback called with Error argument, but there was a problem while retrieving one or more of its message, name, and stack"}`, kind: "handled",
			lines: []string{"TIME\tID\tERROR\tUncaught Exception \t" + `{"errorType":"Error","errorMessage":"","stack":["Error"]}`}, exit: 129},
		{handler: "fatal.unhandled", want: settledError("Runtime.UnhandledPromiseRejection", "RangeError: lost", "trace"), kind: "Runtime.UnhandledPromiseRejection",
			lines: []string{"TIME\tID\tERROR\tUnhandled Promise Rejection \t" + `{"errorType":"Runtime.UnhandledPromiseRejection","errorMessage":"RangeError: lost","reason":{"errorType":"RangeError","errorMessage":"lost","stack":["RangeError: lost"]},"promise":{},"stack":["Runtime.UnhandledPromiseRejection: RangeError: lost"]}`}, exit: 128},
		{handler: "fatal.unhandledText", want: settledError("Runtime.UnhandledPromiseRejection", "text", "trace"), kind: "Runtime.UnhandledPromiseRejection",
			lines: []string{"TIME\tID\tERROR\tUnhandled Promise Rejection \t" + `{"errorType":"Runtime.UnhandledPromiseRejection","errorMessage":"text","reason":"text","promise":{},"stack":["Runtime.UnhandledPromiseRejection: text"]}`}, exit: 128},
		{handler: "fatal.unhandledBehindTheAnswer", want: `"fine"`,
			lines: []string{"TIME\tID\tERROR\tUnhandled Promise Rejection \t" + `{"errorType":"Runtime.UnhandledPromiseRejection","errorMessage":"Error: lost","reason":{"errorType":"Error","errorMessage":"lost","stack":["Error: lost"]},"promise":{},"stack":["Runtime.UnhandledPromiseRejection: Error: lost"]}`}, exit: 128},
		{handler: "fatal.exitAfterSucceed", want: `"answered"`, exit: 5},

		{handler: "folder/deep/file.a.b.handler", want: `"deep"`},
		{handler: "./folder/deep/file.handler", want: `"deep"`},
		{handler: "plain.handler", want: `"without suffix"`},
		{handler: "order.handler", want: `"js"`},
		{handler: "second.handler", want: `"mjs function"`},
		{handler: "second.default.handler", want: `"default"`},
		{handler: "third.handler", want: `"cjs"`},
		{handler: "modules/index.handler", want: `"a module"`},
		{handler: "modules/plain.handler", want: `"cjs in a folder of modules"`},
		{handler: "context.main", want: `["undefined","object",2]`},
	} {
		t.Run(strings.TrimPrefix(c.handler, "./")+c.event, func(t *testing.T) {
			t.Parallel()
			p := startNode(t, setup{handler: c.handler})
			p.ready(t)
			if c.event == "" {
				c.event = event
			}
			result := p.call(t, invocation(c.event))
			if got := settle(string(result.Payload)); c.want != "" && got != c.want {
				t.Errorf("payload\n got %s\nwant %s", got, c.want)
			}
			if result.ErrorType != c.kind || result.FunctionError != (c.kind != "") {
				t.Errorf("error %v of type %q, want %q", result.FunctionError, result.ErrorType, c.kind)
			}
			if got := p.lines(t); c.want != "" && !cmp.Equal(c.lines, got) {
				t.Errorf("lines (-want +got):\n%s", cmp.Diff(c.lines, got))
			}
			if result.Ended != (c.exit != 0) {
				t.Fatalf("ended is %v", result.Ended)
			}
			if !result.Ended {
				p.call(t, invocation(c.event)) // once more
			} else if status := p.exit(t); status != c.exit {
				t.Errorf("exit status is %d, want %d", status, c.exit)
			}
		})
	}
}

const exitMessage = "The Lambda runtime client detected an unexpected Node.js exit code. This is most commonly caused by a Promise that was never settled. For more information, see https://nodejs.org/docs/latest/api/process.html#exit-codes"

// settledError is the description of an error as settle leaves it.
func settledError(kind, message, stack string) string {
	return fmt.Sprintf(`{"errorType":%q,"errorMessage":%q,%q:["%s: %s"]}`, kind, message, stack, kind, message)
}

func TestNodeProcessEndsWithoutAnAnswer(t *testing.T) {
	for handler, status := range map[string]int{"fatal.exit": 3, "fatal.exitWell": 0, "fatal.kill": -1} {
		t.Run(handler, func(t *testing.T) {
			t.Parallel()
			p := startNode(t, setup{handler: handler})
			p.ready(t)
			if result, err := p.Invoke(brief(t), invocation(`{}`)); !errors.Is(err, ErrEnded) {
				t.Errorf("result %+v, error %v", result, err)
			}
			if got := p.exit(t); got != status {
				t.Errorf("exit status is %d, want %d", got, status)
			}
		})
	}
}

func TestNodeInitErrors(t *testing.T) {
	require := `\nRequire stack:\n- /var/runtime/index.mjs`
	for _, c := range []struct {
		handler    string
		kind       string
		message    string // as in JSON; "" if any
		env        []string
		exit       int
		noInitFail bool // the process ends without a word
	}{
		{handler: "nowhere.handler", kind: "Runtime.ImportModuleError", message: `Error: Cannot find module 'nowhere'` + require, exit: 129},
		{handler: "no/where.handler", kind: "Runtime.ImportModuleError", message: `Error: Cannot find module 'where'` + require, exit: 129},
		{handler: "broken/requires.handler", kind: "Runtime.ImportModuleError",
			message: `Error: Cannot find module './nowhere'\nRequire stack:\n- DIR/broken/requires.js\n- /var/runtime/index.mjs`, exit: 129},
		{handler: "broken/imports.handler", kind: "Error", exit: 129},
		{handler: "broken/syntax.handler", kind: "Runtime.UserCodeSyntaxError", message: `SyntaxError: Unexpected end of input`, exit: 129},
		{handler: "broken/module-syntax.handler", kind: "Runtime.UserCodeSyntaxError", message: `SyntaxError: Unexpected end of input`, exit: 129},
		{handler: "broken/values.nothing", kind: "Runtime.HandlerNotFound", message: `broken/values.nothing is undefined or not exported`, exit: 129},
		{handler: "broken/values.nothing.at.all", kind: "Runtime.HandlerNotFound", message: `broken/values.nothing.at.all is undefined or not exported`, exit: 129},
		{handler: "broken/values.text", kind: "Runtime.HandlerNotFound", message: `broken/values.text is not a function`, exit: 129},
		{handler: "callback", kind: "Runtime.MalformedHandlerName", message: `Bad handler`, exit: 129},
		{handler: "", kind: "Runtime.MalformedHandlerName", message: `Bad handler`, exit: 129},
		{handler: "../node/callback.value", kind: "Runtime.MalformedHandlerName",
			message: `'../node/callback.value' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`, exit: 129},
		{handler: "broken/throws.handler", kind: "RangeError", message: `in init`, exit: 129},
		{handler: "broken/throws-text.handler", kind: "string", message: `text`, exit: 129},
		{handler: "broken/late.handler", kind: "Error", message: `while loading`, exit: 129},
		{handler: "broken/rejects-first.handler", kind: "Runtime.UnhandledPromiseRejection", message: `Error: nobody cares`, exit: 128},
		{handler: "broken/streaming.handler", kind: "Runtime.StreamingNotSupported",
			message: `Naru does not support response streaming (awslambda.streamifyResponse) yet.`, exit: 129},
		{handler: "broken/streaming.handler", kind: "ReferenceError", message: `awslambda is not defined`,
			env: []string{"AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA=1"}, exit: 129},
		{handler: "broken/unsettled.handler", noInitFail: true, exit: 13},
		{handler: "broken/exit.handler", noInitFail: true, exit: 7},
	} {
		t.Run(c.handler+strings.Join(c.env, " "), func(t *testing.T) {
			t.Parallel()
			p := startNode(t, setup{handler: c.handler, env: c.env})
			err := p.Ready(brief(t))
			var failed *InitError
			if errors.As(err, &failed) == c.noInitFail || c.noInitFail && !errors.Is(err, ErrEnded) {
				t.Fatalf("error is %v", err)
			}
			if status := p.exit(t); status != c.exit {
				t.Errorf("exit status is %d, want %d", status, c.exit)
			}
			if c.noInitFail {
				return
			}
			payload := settle(string(failed.Payload))
			if failed.Type != c.kind || !strings.HasPrefix(payload, fmt.Sprintf(`{"errorType":%q,"errorMessage":"%s`, c.kind, c.message)) {
				t.Errorf("type %q, payload %s", failed.Type, payload)
			}
			what := "Uncaught Exception"
			if c.exit == 128 {
				what = "Unhandled Promise Rejection"
			}
			lines := p.lines(t)
			if len(lines) != 1 || !strings.HasPrefix(lines[0], "TIME\tundefined\tERROR\t"+what+" \t{\"errorType\":") {
				t.Errorf("lines: %q", lines)
			}
		})
	}
}

func TestNodeFindsHandlersInLibraries(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"node_modules/library/package.json": `{"name": "library", "version": "1.0.0", "main": "main.js"}`,
		"node_modules/library/main.js":      `exports.handler = async () => 'of a library';`,
		"package.json":                      `{"type":`,
		"odd.js":                            `exports.handler = async () => 'odd';`,
	} {
		file := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	p := startNode(t, setup{handler: "library.handler", dir: dir})
	p.ready(t)
	if got := string(p.call(t, invocation(`{}`)).Payload); got != `"of a library"` {
		t.Errorf("payload is %s", got)
	}
}

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

func TestNodeCommandWritesTheRuntimeOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "there", "yet")
	var all sync.WaitGroup
	argv := make([][]string, 8)
	for i := range argv {
		all.Go(func() {
			var err error
			if argv[i], err = NodeCommand("/bin/node", dir, 200); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, other := range argv {
		if diff := cmp.Diff(argv[0], other); diff != "" {
			t.Errorf("argv differ:\n%s", diff)
		}
	}
	if argv[0][0] != "/bin/node" || argv[0][1] != "--max-old-space-size=180" || len(argv[0]) != 3 {
		t.Errorf("argv is %q", argv[0])
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("folder has %v, %v", entries, err)
	}
	if text, err := os.ReadFile(argv[0][2]); err != nil || !strings.Contains(string(text), "'use strict'") {
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

func BenchmarkNodeStart(b *testing.B) {
	for name, env := range map[string][]string{"Plain": nil, "WithEndpoint": {"NARU_ENDPOINT=http://127.0.0.1:1"}} {
		b.Run(name, func(b *testing.B) {
			var times []time.Duration
			for b.Loop() {
				began := time.Now()
				p := startNode(b, setup{handler: "promise.value", env: env})
				p.ready(b)
				times = append(times, time.Since(began))
				p.end()
			}
			report(b, times)
		})
	}
}
