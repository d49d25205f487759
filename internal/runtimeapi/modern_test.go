package runtimeapi

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var modern = []string{"AWS_EXECUTION_ENV=AWS_Lambda_nodejs24.x"}

func TestNodeModernHandlers(t *testing.T) {
	for _, c := range []handlerCase{
		{handler: "modern.value", want: `{"got":{"n":1}}`},
		{handler: "modern.promise", want: `{"n":1}`},
		{handler: "modern.nothing", want: `null`},
		{handler: "modern.doesNotWait", want: `"at once"`},
		{handler: "modern.inner", want: `"of the default"`},
		{handler: "modern.fails", want: `{"errorType":"TypeError","errorMessage":"wrong","trace":["TypeError: wrong"]}`, kind: "TypeError",
			lines: invokeError(`{"errorType":"TypeError","errorMessage":"wrong","stack":["TypeError: wrong"]}`)},
		{handler: "modern.circle", want: settledError("Runtime.JSONStringifyError", "Unable to stringify response body", "trace"), kind: "Runtime.JSONStringifyError",
			lines: invokeError(settledError("Runtime.JSONStringifyError", "Unable to stringify response body", "stack"))},
		{handler: "modern.keys", want: `["functionVersion","functionName","memoryLimitInMB","logGroupName","logStreamName","clientContext","identity",` +
			`"invokedFunctionArn","awsRequestId","getRemainingTimeInMillis","tenantId","xRayTraceId"]`},
	} {
		t.Run(c.handler, func(t *testing.T) {
			t.Parallel()
			c.runWith(t, modern)
		})
	}
}

func TestNodeModernRefusesCallbacks(t *testing.T) {
	p := startNode(t, setup{handler: "modern.callback", env: modern})
	var failed *InitError
	if err := p.Ready(brief(t)); !errors.As(err, &failed) || failed.Type != "Runtime.CallbackHandlerDeprecated" ||
		!strings.Contains(string(failed.Payload), "has removed support for callback-based function handlers") {
		t.Errorf("error is %v, %+v", err, failed)
	}
	if status := p.exit(t); status != 1 {
		t.Errorf("exit status is %d", status)
	}
	if lines := p.lines(t); len(lines) != 1 || !strings.HasPrefix(lines[0], "TIME\t\tERROR\tInit Error \t{") {
		t.Errorf("lines: %q", lines)
	}
}

func TestNodeModernEndsWithoutAnAnswer(t *testing.T) {
	for handler, status := range map[string]int{"modern.never": 13, "modern.uncaught": 1} {
		p := startNode(t, setup{handler: handler, env: modern})
		p.ready(t)
		if result, err := p.Invoke(brief(t), invocation(`{}`)); !errors.Is(err, ErrEnded) {
			t.Errorf("%s: result %+v, error %v", handler, result, err)
		}
		if got := p.exit(t); got != status {
			t.Errorf("%s: exit status is %d, want %d; lines %s", handler, got, status, cmp.Diff(nil, p.lines(t)))
		}
	}
}
