package runtimeapi

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRubyHandlers(t *testing.T) {
	for _, c := range []handlerCase{
		{handler: "plain.value", want: `{"got":{"n":1},"id":"ID","left":true}`},
		{handler: "plain.nothing", want: `null`},
		{handler: "plain.unicode", event: `{"text":"é"}`, want: `"é ✓"`},
		{handler: "plain.raw", want: "\x00raw"},
		{handler: "plain.Things::Worker.work", want: `"by a class"`},
		{handler: "plain.printed", want: `null`, lines: []string{"a line", "err"}},
		{handler: "plain.raises", kind: "Function<OwnError>",
			want: `{"errorMessage":"wrong","errorType":"Function<OwnError>","stackTrace":["DIR/plain.rb:20:in ` + "`raises'" + `"]}`,
			lines: []string{"Error raised from handler method\r{\r  \"errorMessage\": \"wrong\",\r  \"errorType\": \"Function<OwnError>\",\r  \"stackTrace\": [\r" +
				"    \"DIR/plain.rb:20:in `raises'\"\r  ]\r}"}},
	} {
		t.Run(c.handler, func(t *testing.T) {
			t.Parallel()
			p := startRuby(t, setup{handler: c.handler})
			p.ready(t)
			if c.event == "" {
				c.event = `{"n":1}`
			}
			for range 2 {
				result := p.call(t, invocation(c.event))
				// Since 3.4 Ruby names methods otherwise.
				if got := strings.ReplaceAll(settle(string(result.Payload)), "'Object#raises'", "`raises'"); got != c.want {
					t.Errorf("payload\n got %s\nwant %s", got, c.want)
				}
				if result.ErrorType != c.kind || result.FunctionError != (c.kind != "") || result.Ended {
					t.Errorf("result is %+v", result)
				}
				lines := p.lines(t)
				for i := range lines {
					lines[i] = strings.ReplaceAll(lines[i], "'Object#raises'", "`raises'")
				}
				if diff := cmp.Diff(c.lines, lines); diff != "" {
					t.Errorf("lines (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func TestRubyInitErrors(t *testing.T) {
	for handler, want := range map[string][2]string{
		"nowhere.handler": {"Init<LoadError>", "cannot load such file -- "},
		"syntax.handler":  {"Init<SyntaxError>", ""},
		"raises.handler":  {"Init<RuntimeError>", "in init"},
		"plain.missing":   {"Init<NoMethodError>", "undefined method 'missing' for main"},
		"plain":           {"Init<ArgumentError>", "Invalid handler plain, must be of form FILENAME.METHOD or FILENAME.CLASS.METHOD"},
	} {
		p := startRuby(t, setup{handler: handler})
		err := p.Ready(brief(t))
		var failed *InitError
		if !errors.As(err, &failed) || failed.Type != want[0] || !strings.HasPrefix(string(failed.Payload), `{"errorMessage":"`+want[1]) {
			t.Errorf("%s: error is %v, %+v", handler, err, failed)
		}
		if status := p.exit(t); status != 252 {
			t.Errorf("exit status is %d", status)
		}
		if lines := p.lines(t); len(lines) != 1 || !strings.HasPrefix(lines[0], "Init error when loading handler "+handler+"\r{") {
			t.Errorf("lines: %q", lines)
		}
	}
}

func TestRubyTakesAndGivesLargePayloads(t *testing.T) {
	p := startRuby(t, setup{handler: "plain.size"})
	p.ready(t)
	for _, n := range []int{1, 65536, 6 << 20} {
		if got, want := string(p.call(t, invocation(`{"text":"`+strings.Repeat("x", n)+`"}`)).Payload), fmt.Sprint(n); got != want {
			t.Errorf("the function saw %s bytes, not %s", got, want)
		}
	}
	p = startRuby(t, setup{handler: "plain.repeat"})
	p.ready(t)
	if got := p.call(t, invocation(fmt.Sprintf(`{"n":%d}`, MaxPayload-2))); got.Size != MaxPayload || got.TooLarge {
		t.Errorf("the function returned %d bytes", got.Size)
	}
	p = startRuby(t, setup{handler: "plain.leaves"})
	p.ready(t)
	if _, err := p.Invoke(brief(t), invocation(`{}`)); !errors.Is(err, ErrEnded) {
		t.Errorf("error is %v", err)
	}
	if status := p.exit(t); status != 3 {
		t.Errorf("exit status is %d", status)
	}
}
