package runtimeapi

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// pythonError is what is told of an error, as settle leaves it.
func pythonError(kind, message, id string, stack ...string) string {
	for i := range stack {
		stack[i] = fmt.Sprintf("%q", stack[i])
	}
	return fmt.Sprintf(`{"errorMessage": %q, "errorType": %q, "requestId": %q, "stackTrace": [%s]}`, message, kind, id, strings.Join(stack, ", "))
}

// pythonLog is how an error is logged.
func pythonLog(head string, stack ...string) []string {
	return []string{strings.Join(append([]string{head, "Traceback (most recent call last):"}, stack...), "\r")}
}

func TestPythonHandlers(t *testing.T) {
	const space = "\u00a0"
	for _, c := range []handlerCase{
		{handler: "plain.value", want: `{"got": {"n": 1}}`},
		{handler: "plain.value", event: `null`, want: `{"got": null}`},
		{handler: "plain.nothing", want: `null`},
		{handler: "folder/deep.handler", want: `"deep"`},
		{handler: "plain.unicode", event: `{"text":"é\ud83d\ude00"}`, want: `"é😀 ✓"`},
		{handler: "plain.decimals", want: `{"a": 1.10, "b": [12345678901234567890.5, "\u0000naru 0\u0000"], "c": 3}`},
		{handler: "plain.raw", want: "\x00raw"},
		{handler: "plain.raises", kind: "ValueError", want: pythonError("ValueError", "wrong", "ID", "  File \"DIR/plain.py\", line 32, in raises\n    raise ValueError(\"wrong\")\n"),
			lines: pythonLog("[ERROR] ValueError: wrong", space+space+`File "DIR/plain.py", line 32, in raises`, strings.Repeat(space, 4)+`raise ValueError("wrong")`)},
		{handler: "plain.raises_nothing", kind: "KeyError", want: pythonError("KeyError", "", "ID", "  File \"DIR/plain.py\", line 36, in raises_nothing\n    raise KeyError()\n"),
			lines: pythonLog("[ERROR] KeyError", space+space+`File "DIR/plain.py", line 36, in raises_nothing`, strings.Repeat(space, 4)+`raise KeyError()`)},
		{handler: "plain.deep", kind: "OwnError", want: pythonError("OwnError", "mine é", "ID",
			"  File \"DIR/plain.py\", line 44, in deep\n    inner()\n", "  File \"DIR/plain.py\", line 48, in inner\n    raise OwnError(\"mine é\")\n"),
			lines: pythonLog("[ERROR] OwnError: mine é", space+space+`File "DIR/plain.py", line 44, in deep`, strings.Repeat(space, 4)+"inner()",
				space+space+`File "DIR/plain.py", line 48, in inner`, strings.Repeat(space, 4)+`raise OwnError("mine é")`)},
		{handler: "plain.unserialisable", kind: "Runtime.MarshalError",
			want:  pythonError("Runtime.MarshalError", "Unable to marshal response: Object of type datetime is not JSON serializable", "ID"),
			lines: pythonLog("[ERROR] Runtime.MarshalError: Unable to marshal response: Object of type datetime is not JSON serializable")},
		{handler: "plain.path", want: `["DIR", "/opt/python/lib/VERSION/site-packages", "/opt/python", "/the/sdks"]`},
		{handler: "plain.modules", want: `[]`}, // what is not needed is not loaded
	} {
		t.Run(c.handler+c.event, func(t *testing.T) {
			t.Parallel()
			c.runPython(t)
		})
	}
}

func (c handlerCase) runPython(t *testing.T) {
	p := startPython(t, setup{handler: c.handler, env: []string{"AWS_EXECUTION_ENV=AWS_Lambda_python3.13"}})
	p.ready(t)
	if c.event == "" {
		c.event = `{"n":1}`
	}
	for range 2 {
		result := p.call(t, invocation(c.event))
		if got := settlePython(string(result.Payload)); got != c.want {
			t.Errorf("payload\n got %s\nwant %s", got, c.want)
		}
		if result.ErrorType != c.kind || result.FunctionError != (c.kind != "") || result.Ended {
			t.Errorf("result %+v, want an error of type %q", result, c.kind)
		}
		if diff := cmp.Diff(c.lines, p.lines(t)); diff != "" {
			t.Errorf("lines (-want +got):\n%s", diff)
		}
	}
}

func settlePython(text string) string {
	text = settle(text)
	if before, after, ok := strings.Cut(text, "/opt/python/lib/python"); ok {
		_, after, _ = strings.Cut(after, "/")
		text = before + "/opt/python/lib/VERSION/" + after
	}
	if strings.HasPrefix(text, `["/`) && strings.Contains(text, `/testdata/python", `) {
		_, text, _ = strings.Cut(text, `/testdata/python", `)
		text = `["DIR", ` + text
	}
	return text
}

func TestPythonWritesASCIIUpTo311(t *testing.T) {
	p := startPython(t, setup{handler: "plain.unicode", env: []string{"AWS_EXECUTION_ENV=AWS_Lambda_python3.11"}})
	p.ready(t)
	if got := string(p.call(t, invocation(`{"text":"é"}`)).Payload); got != `"\u00e9 \u2713"` {
		t.Errorf("payload is %s", got)
	}
}

func TestPythonContext(t *testing.T) {
	p := startPython(t, setup{handler: "plain.context"})
	p.ready(t)
	i := invocation(`{}`)
	i.ClientContext, i.Identity = []byte(`{"client":{"app_title":"t"},"custom":{"a":1}}`), []byte(`{"cognitoIdentityId":"me"}`)
	want := `{"id": "ID", "name": "fn", "version": "$LATEST", "memory": "128", "group": "/aws/lambda/fn", "stream": "2026/11/22/[$LATEST]0123", ` +
		`"arn": "arn:aws:lambda:eu-west-1:123456789012:function:fn:alias", "left": true, "client": "t", "custom": {"a": 1}, "identity": "me"}`
	if got := settle(string(p.call(t, i).Payload)); got != want {
		t.Errorf("context\n got %s\nwant %s", got, want)
	}
	i.ClientContext = []byte(`{"client`)
	if result := p.call(t, i); result.ErrorType != "Runtime.LambdaContextUnmarshalError" {
		t.Errorf("with a bad client context: %+v", result)
	}
	p = startPython(t, setup{handler: "plain.trace"})
	p.ready(t)
	for id, want := range map[string]string{"Root=1": `"Root=1"`, "": `"none"`} {
		i := invocation(`{}`)
		i.TraceID = id
		if got := string(p.call(t, i).Payload); got != want {
			t.Errorf("trace id is %s, want %s", got, want)
		}
	}
}

func TestPythonLogs(t *testing.T) {
	line := func(level, rest string) string {
		return fmt.Sprintf(`{"timestamp": "SECOND", "level": %q, %s`, level, rest)
	}
	inJSON := []string{"AWS_LAMBDA_LOG_FORMAT=JSON", "AWS_LAMBDA_LOG_LEVEL=INFO"}
	for _, c := range []struct {
		name, handler string
		env           []string
		want          []string
	}{
		{"Levels", "logs.levels", nil, []string{"[WARNING]\tTIME\tID\ta warning", "[ERROR]\tTIME\tID\ta error", "[CRITICAL]\tTIME\tID\ta critical"}},
		{"LowerLevel", "logs.lowered", nil, []string{"[INFO]\tTIME\tID\ttwo\rlines", "[INFO]\tTIME\tID\t{'a': 1}"}},
		{"Printed", "logs.printed", nil, []string{"a b!", "err", strings.Repeat("x", 300000), "by the context"}},
		{"LevelsInJSON", "logs.levels", inJSON, []string{
			line("INFO", `"message": "a info", "logger": "root", "requestId": "ID"}`),
			line("WARNING", `"message": "a warning", "logger": "root", "requestId": "ID"}`),
			line("ERROR", `"message": "a error", "logger": "root", "requestId": "ID"}`),
			line("CRITICAL", `"message": "a critical", "logger": "root", "requestId": "ID"}`)}},
		{"HigherLevel", "logs.levels", []string{"AWS_LAMBDA_LOG_FORMAT=JSON", "AWS_LAMBDA_LOG_LEVEL=FATAL"}, []string{
			line("CRITICAL", `"message": "a critical", "logger": "root", "requestId": "ID"}`)}},
		{"NamesAndObjectsInJSON", "logs.lowered", inJSON, []string{
			line("INFO", `"message": "two\nlines", "logger": "own.name", "requestId": "ID"}`),
			line("INFO", `"message": {"a": 1}, "logger": "root", "requestId": "ID"}`)}},
		{"ExtraInJSON", "logs.extra", inJSON, []string{
			line("WARNING", `"message": "more", "logger": "root", "requestId": "ID", "detail": {"n": 1}, "odd": "{1}"}`)}},
		{"ExceptionInJSON", "logs.caught", inJSON, []string{
			line("ERROR", `"message": "it went", "logger": "root", "stackTrace": ["  File \"DIR/logs.py\", line 24, in caught\n    raise ValueError(\"wrong\")\n"], `+
				`"errorType": "ValueError", "errorMessage": "wrong", "requestId": "ID", "location": "DIR/logs.py:caught:26"}`)}},
		{"ErrorInJSON", "plain.raises", inJSON, []string{
			line("ERROR", `"errorMessage": "wrong", "errorType": "ValueError", "requestId": "ID", "stackTrace": ["  File \"DIR/plain.py\", line 32, in raises\n    raise ValueError(\"wrong\")\n"]}`)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := startPython(t, setup{handler: c.handler, env: c.env})
			p.ready(t)
			var wrote sync.WaitGroup
			if c.name == "Printed" { // more than a pipe holds
				wrote.Go(func() { p.gather(300000) })
			}
			p.call(t, invocation(`{}`))
			wrote.Wait()
			if diff := cmp.Diff(c.want, p.lines(t)); diff != "" {
				t.Errorf("lines (-want +got):\n%.3000s", diff)
			}
		})
	}
}

func TestPythonInitErrors(t *testing.T) {
	for _, c := range []initCase{
		{handler: "nowhere.handler", kind: "Runtime.ImportModuleError", message: "Unable to import module 'nowhere': No module named 'nowhere'"},
		{handler: "imports.handler", kind: "Runtime.ImportModuleError", message: "Unable to import module 'imports': No module named 'nowhere_at_all'"},
		{handler: "syntax.handler", kind: "Runtime.UserCodeSyntaxError", message: "Syntax error in module 'syntax': "},
		{handler: "plain.missing", kind: "Runtime.HandlerNotFound", message: "Handler 'missing' missing on module 'plain'"},
		{handler: "plain", kind: "Runtime.MalformedHandlerName", message: "Bad handler 'plain': not enough values to unpack (expected 2, got 1)"},
		{handler: "sys.exit", kind: "Runtime.BuiltInModuleConflict", message: "Cannot use built-in module sys as a handler module"},
		{handler: "raises.handler", kind: "RuntimeError", message: "in init"},
		{handler: "exits.handler", silent: true, exit: 7},
	} {
		t.Run(c.handler, func(t *testing.T) {
			t.Parallel()
			p := startPython(t, setup{handler: c.handler})
			err := p.Ready(brief(t))
			var failed *InitError
			if errors.As(err, &failed) == c.silent || c.silent && !errors.Is(err, ErrEnded) {
				t.Fatalf("error is %v", err)
			}
			if status := p.exit(t); status != max(c.exit, 1) {
				t.Errorf("exit status is %d", status)
			}
			if c.silent {
				return
			}
			payload := settle(string(failed.Payload))
			if failed.Type != c.kind || !strings.HasPrefix(payload, fmt.Sprintf(`{"errorMessage": "%s`, c.message)) || !strings.Contains(payload, `"requestId": ""`) {
				t.Errorf("type %q, payload %s", failed.Type, payload)
			}
			lines := p.lines(t)
			if len(lines) != 2 || !strings.HasPrefix(lines[0], "[WARNING]\tTIME\t\tLAMBDA_WARNING: ") || !strings.HasPrefix(lines[1], "[ERROR] "+c.kind+": "+c.message) {
				t.Errorf("lines: %q", lines)
			}
		})
	}
}

func TestPythonProcessEndsWithoutAnAnswer(t *testing.T) {
	for event, status := range map[string]int{`{"code":3}`: 3, `{"code":0}`: 0} {
		p := startPython(t, setup{handler: "plain.exits"})
		p.ready(t)
		if result, err := p.Invoke(brief(t), invocation(event)); !errors.Is(err, ErrEnded) {
			t.Errorf("result %+v, error %v", result, err)
		}
		if got := p.exit(t); got != status {
			t.Errorf("exit status is %d, want %d", got, status)
		}
	}
	p := startPython(t, setup{handler: "plain.value"})
	p.ready(t)
	if err := p.conn.Close(); err != nil {
		t.Fatal(err)
	}
	if status := p.exit(t); status != 1 {
		t.Errorf("exit status is %d when the server has gone", status)
	}
}

func TestPythonTakesAndGivesLargePayloads(t *testing.T) {
	p := startPython(t, setup{handler: "plain.size"})
	p.ready(t)
	for _, n := range []int{1, 65536, 6 << 20} {
		if got, want := string(p.call(t, invocation(`{"text":"`+strings.Repeat("x", n)+`"}`)).Payload), fmt.Sprint(n); got != want {
			t.Errorf("the function saw %s bytes, not %s", got, want)
		}
	}
	p = startPython(t, setup{handler: "plain.repeat"})
	p.ready(t)
	for _, n := range []int{1, 70000, MaxPayload - 2, MaxPayload - 1} {
		if got := p.call(t, invocation(fmt.Sprintf(`{"n":%d}`, n))); got.Size != n+2 || got.TooLarge != (n+2 > MaxPayload) {
			t.Errorf("the function returned %d bytes, not %d", got.Size, n+2)
		}
	}
}

func TestPythonRequestsToAWSAreLedToNaru(t *testing.T) {
	const host = "sqs.us-east-1.amazonaws.com"
	env := newServer(t, false)
	p := startPython(t, setup{handler: "endpoint.https", env: env})
	p.ready(t)
	want := seen{Method: "POST", Host: host, Path: "/p?q", Target: "T", Body: "b"}
	if diff := cmp.Diff(want, answer[seen](t, p, `{"host":"`+host+`","method":"POST","path":"/p?q","body":"b"}`)); diff != "" {
		t.Errorf("the server saw (-want +got):\n%s", diff)
	}
	for host, service := range map[string]string{"dynamodb.eu-west-1.amazonaws.com": "dynamodb", "bucket.sns.us-east-1.amazonaws.com": "sns"} {
		result := p.call(t, invocation(`{"host":"`+host+`"}`))
		if text := fmt.Sprintf(`Naru does not have the AWS service \"%s\" (host %s).`, service, host); result.ErrorType != "ServiceNotInNaru" || !strings.Contains(string(result.Payload), text) {
			t.Errorf("%s: %s", host, result.Payload)
		}
	}
	p = startPython(t, setup{handler: "endpoint.opened", env: env})
	p.ready(t)
	if got := answer[seen](t, p, `{"url":"https://`+host+`/x"}`); got.Host != host || got.Path != "/x" {
		t.Errorf("the server saw %+v", got)
	}
}

func BenchmarkPythonInvoke(b *testing.B) {
	p := startPython(b, setup{handler: "plain.value"})
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
