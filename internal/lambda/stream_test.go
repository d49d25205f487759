package lambda

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"naru/internal/runtimeapi"
	"naru/internal/runtimeapi/runtimetest"
	"naru/internal/wire"
)

// streams makes functions stream.
func (w *world) streams(handler func(i runtimeapi.Invocation, out io.Writer) []byte) {
	w.tune = func(o *Options) {
		o.Launch = func(_ context.Context, spec Spec) (Processes, error) {
			ours, theirs := net.Pipe()
			p := &played{conn: ours, theirs: theirs, spec: spec, done: make(chan struct{})}
			w.mu.Lock()
			w.launched = append(w.launched, p)
			w.mu.Unlock()
			go runtimetest.ServeStream(theirs, "text/plain", handler)
			return p, nil
		}
	}
	w.powerCut()
}

// collect invokes a function and returns its events, as texts.
func (w *world) collect(ctx context.Context, emit func(wire.Event) error) error {
	out, err := w.service.InvokeWithResponseStream(ctx, &InvokeWithResponseStreamInput{FunctionName: "f", Payload: []byte("1")})
	if err == nil {
		out.EventStream(emit)
	}
	return err
}

func TestAResponseIsPassedOnAsItComes(t *testing.T) {
	inBubble(t, nil, func(w *world) {
		w.streams(func(_ runtimeapi.Invocation, out io.Writer) []byte {
			io.WriteString(out, "one")
			<-time.After(time.Second)
			io.WriteString(out, "two")
			return nil
		})
		w.create("f", nil)
		var got []string
		start := time.Now()
		err := w.collect(call("s"), func(e wire.Event) error {
			got = append(got, time.Since(start).String()+" "+e.Type+" "+string(e.Payload))
			return nil
		})
		if want := "0s PayloadChunk one, 1s PayloadChunk two, 1s InvokeComplete {}"; err != nil || strings.Join(got, ", ") != want {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

func TestAFunctionGoesOnWhenNobodyTakesItsResponseAnyMore(t *testing.T) {
	inBubble(t, nil, func(w *world) {
		ended := false
		w.streams(func(_ runtimeapi.Invocation, out io.Writer) []byte {
			for range 5 {
				<-time.After(100 * time.Millisecond)
				io.WriteString(out, "part")
			}
			ended = true
			return nil
		})
		w.create("f", nil)
		w.reserve("f", 1)
		ctx, cancel := context.WithCancel(call("s"))
		err := w.collect(ctx, func(wire.Event) error { cancel(); return context.Canceled })
		if err != nil {
			t.Fatal(err)
		}
		sleep(time.Second)
		if !ended || w.running() != 1 {
			t.Errorf("it has ended: %v; %d environments", ended, w.running())
		}
		if err := w.collect(call("s"), func(wire.Event) error { return nil }); err != nil {
			t.Errorf("the next invocation: %v", err)
		}
	})
}

func TestWhatGoesWrongInAStreamIsToldAtItsEnd(t *testing.T) {
	inBubble(t, nil, func(w *world) {
		w.streams(func(_ runtimeapi.Invocation, out io.Writer) []byte {
			io.WriteString(out, "some")
			return []byte(`{"errorType":"Error","errorMessage":"no"}`)
		})
		w.create("f", nil)
		var last wire.Event
		if err := w.collect(call("s"), func(e wire.Event) error { last = e; return nil }); err != nil {
			t.Fatal(err)
		}
		if want := `{"ErrorCode":"Error","ErrorDetails":"{\"errorType\":\"Error\",\"errorMessage\":\"no\"}"}`; string(last.Payload) != want {
			t.Errorf("the last event is %s", last.Payload)
		}
		w.reserve("f", 0)
		if err := w.collect(call("s"), nil); code(err) != "TooManyRequestsException" {
			t.Errorf("throttled: %v", err)
		}
		synctest.Wait()
	})
}
