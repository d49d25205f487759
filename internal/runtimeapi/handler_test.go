package runtimeapi

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A handlerCase is an invocation of a handler in testdata/node.
type handlerCase struct {
	handler string
	event   string   // {"n":1} if empty
	want    string   // the payload, with stacks settled; "" if it may be any
	kind    string   // type of error; "" if it is none
	lines   []string // what is in the pipe when the answer is there
	exit    int      // its status if the process ends
}

func TestNodeHandlers(t *testing.T) {
	for _, c := range slices.Concat(callbackCases(), promiseCases(), fatalCases(), loadCases()) {
		t.Run(strings.TrimPrefix(c.handler, "./")+c.event, func(t *testing.T) {
			t.Parallel()
			c.run(t)
		})
	}
}

func (c handlerCase) run(t *testing.T) { c.runWith(t, nil) }

func (c handlerCase) runWith(t *testing.T, env []string) {
	p := startNode(t, setup{handler: c.handler, env: env})
	p.ready(t)
	if c.event == "" {
		c.event = `{"n":1}`
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
}

// invokeError is how a failed invocation is logged.
func invokeError(text string) []string { return []string{"TIME\tID\tERROR\tInvoke Error \t" + text} }

// callbackCases are of handlers that don't return promises.
func callbackCases() []handlerCase {
	return []handlerCase{
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
	}
}

// promiseCases are of handlers that do.
func promiseCases() []handlerCase {
	return []handlerCase{
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
	}
}

// fatalCases are of handlers with which the process ends.
func fatalCases() []handlerCase {
	return []handlerCase{
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
	}
}

// loadCases are of where handlers are.
func loadCases() []handlerCase {
	return []handlerCase{
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
