package runtimeapi

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// An initCase is a handler that can't be loaded.
type initCase struct {
	handler string
	kind    string
	message string // as in JSON; "" if any
	env     []string
	exit    int
	silent  bool // the process ends without a word
}

func initCases() []initCase {
	require := `\nRequire stack:\n- /var/runtime/index.mjs`
	return []initCase{
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
		{handler: "broken/rejects.handler", kind: "Runtime.UnhandledPromiseRejection", message: `Error: nobody cares`, exit: 128},
		{handler: "broken/rejects-later.handler", kind: "Runtime.UnhandledPromiseRejection", message: `Error: nobody cares`, exit: 128},
		{handler: "broken/streaming.handler", kind: "ReferenceError", message: `awslambda is not defined`,
			env: []string{"AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA=1"}, exit: 129},
		{handler: "broken/unsettled.handler", silent: true, exit: 13},
		{handler: "broken/exit.handler", silent: true, exit: 7},
	}
}

func TestNodeInitErrors(t *testing.T) {
	for _, c := range initCases() {
		t.Run(c.handler+strings.Join(c.env, " "), func(t *testing.T) {
			t.Parallel()
			p := startNode(t, setup{handler: c.handler, env: c.env})
			err := p.Ready(brief(t))
			var failed *InitError
			if errors.As(err, &failed) == c.silent || c.silent && !errors.Is(err, ErrEnded) {
				t.Fatalf("error is %v", err)
			}
			if status := p.exit(t); status != c.exit {
				t.Errorf("exit status is %d, want %d", status, c.exit)
			}
			if c.silent {
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
