package runtimeapi_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"naru/internal/runtimeapi"
	"naru/internal/runtimeapi/internal/frame"
	"naru/internal/runtimeapi/runtimetest"
)

// connect has f be the runtime at the other end of a connection, which it
// closes when f returns.
func connect(t *testing.T, f func(conn net.Conn)) *runtimeapi.Runtime {
	ours, theirs := net.Pipe()
	var running sync.WaitGroup
	running.Go(func() {
		f(theirs)
		_ = theirs.Close() // can't fail
	})
	t.Cleanup(func() {
		_ = ours.Close() // can't fail
		running.Wait()
	})
	return runtimeapi.New(ours)
}

// serve is a runtime that runs handler.
func serve(t *testing.T, handler runtimetest.Handler) *runtimeapi.Runtime {
	return connect(t, func(conn net.Conn) {
		if err := runtimetest.Serve(conn, handler); err != nil {
			t.Errorf("runtime: %v", err)
		}
	})
}

// say is a runtime that sends frames one after the other, whatever it is sent.
func say(t *testing.T, frames ...string) *runtimeapi.Runtime {
	return connect(t, func(conn net.Conn) {
		go func() { _, _ = io.Copy(io.Discard, conn) }() // until connect closes it
		for _, text := range frames {
			if _, err := conn.Write([]byte(text)); err != nil {
				return
			}
		}
	})
}

func text(kind frame.Type, body string) string {
	return string(frame.Header{Type: kind, Length: len(body)}.Append(nil)) + body
}

var next = text(frame.Next, "")

func TestInvocationsAreAnsweredOneAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []runtimeapi.Invocation
		r := serve(t, func(i runtimeapi.Invocation) ([]byte, []byte) {
			got = append(got, i)
			time.Sleep(time.Minute) // of the bubble
			if bytes.Equal(i.Payload, []byte(`"bad"`)) {
				return nil, []byte(`{"errorType":"TypeError","errorMessage":"wrong"}`)
			}
			return append([]byte("of "), i.Payload...), nil
		})
		if err := r.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		sent := []runtimeapi.Invocation{
			{RequestID: "1", Deadline: time.Now().Add(time.Hour).Truncate(time.Millisecond), FunctionARN: "arn", TraceID: "Root=1",
				ClientContext: []byte("{}"), Identity: []byte("[]"), Payload: []byte("one")},
			{RequestID: "2", Deadline: time.Now(), Payload: []byte(`"bad"`)},
			{RequestID: "3", Deadline: time.Now(), Payload: bytes.Repeat([]byte("x"), 1<<20)},
		}
		want := []runtimeapi.Result{
			{Payload: []byte("of one"), Size: 6},
			{Payload: []byte(`{"errorType":"TypeError","errorMessage":"wrong"}`), Size: 48, FunctionError: true, ErrorType: "TypeError"},
			{Payload: append([]byte("of "), sent[2].Payload...), Size: 1<<20 + 3},
		}
		for n := range sent {
			result, err := r.Invoke(t.Context(), sent[n])
			if err != nil {
				t.Fatalf("invocation %d: %v", n, err)
			}
			if diff := cmp.Diff(want[n], result); diff != "" {
				t.Errorf("result %d (-want +got):\n%.1000s", n, diff)
			}
			if i := got[n]; i.RequestID != sent[n].RequestID || !i.Deadline.Equal(sent[n].Deadline) || !bytes.Equal(i.Payload, sent[n].Payload) ||
				i.FunctionARN != sent[n].FunctionARN || i.TraceID != sent[n].TraceID ||
				!bytes.Equal(i.ClientContext, sent[n].ClientContext) || !bytes.Equal(i.Identity, sent[n].Identity) {
				t.Errorf("the handler got %.300v", i)
			}
		}
	})
}

func TestInitErrorIsReturnedByReady(t *testing.T) {
	const failure = `{"errorType":"Runtime.ImportModuleError","errorMessage":"no such module"}`
	r := connect(t, func(conn net.Conn) {
		if err := runtimetest.InitError(conn, []byte(failure)); err != nil {
			t.Error(err)
		}
	})
	err := r.Ready(t.Context())
	var failed *runtimeapi.InitError
	if !errors.As(err, &failed) || failed.Type != "Runtime.ImportModuleError" || string(failed.Payload) != failure {
		t.Errorf("error is %v, %+v", err, failed)
	}
	if _, again := r.Invoke(t.Context(), runtimeapi.Invocation{}); again != err {
		t.Errorf("invoke after that: %v", again)
	}
}

func TestEndOfTheRuntime(t *testing.T) {
	answer := text(frame.Response, "\x00\x00\x00\x01null")
	for _, c := range []struct {
		name          string
		frames        []string
		ready, invoke error
		ended         bool
	}{
		{"AtOnce", nil, runtimeapi.ErrEnded, runtimeapi.ErrEnded, false},
		{"InAHeader", []string{next[:3]}, runtimeapi.ErrEnded, runtimeapi.ErrEnded, false},
		{"WithoutAnAnswer", []string{next}, nil, runtimeapi.ErrEnded, false},
		{"InTheAnswer", []string{next, answer[:10]}, nil, runtimeapi.ErrEnded, false},
		{"BehindTheAnswer", []string{next, answer}, nil, nil, true},
		{"BehindTheAnswerInAHeader", []string{next, answer + next[:3]}, nil, nil, true},
		{"Later", []string{next, answer + next}, nil, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := say(t, c.frames...)
			if err := r.Ready(t.Context()); !errors.Is(err, c.ready) {
				t.Errorf("ready: %v", err)
			}
			result, err := r.Invoke(t.Context(), runtimeapi.Invocation{})
			if !errors.Is(err, c.invoke) || result.Ended != c.ended || err == nil && string(result.Payload) != "null" {
				t.Errorf("invoke: %+v, %v", result, err)
			}
			if _, err := r.Invoke(t.Context(), runtimeapi.Invocation{}); !errors.Is(err, runtimeapi.ErrEnded) {
				t.Errorf("invoke after that: %v", err)
			}
		})
	}
}

func TestContextEndsWhatIsUnderWay(t *testing.T) {
	for name, c := range map[string]struct {
		frames []string
		invoke bool
	}{
		"Ready":         {},
		"Invoke":        {[]string{next}, true},
		"InTheAnswer":   {[]string{next, text(frame.Response, "\x00\x00\x00\x01null")[:10]}, true},
		"BeforeTheNext": {[]string{next, text(frame.Response, "\x00\x00\x00\x01null")}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // which also finds goroutines that are left behind
				ours, theirs := net.Pipe()
				var running sync.WaitGroup
				running.Go(func() {
					for i, text := range c.frames {
						_, _ = theirs.Write([]byte(text))
						if i == 0 {
							_, _ = theirs.Read(make([]byte, 1<<10))
						}
					}
				})
				r := runtimeapi.New(ours)
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				began := time.Now()
				err := r.Ready(ctx)
				if c.invoke && err == nil {
					_, err = r.Invoke(ctx, runtimeapi.Invocation{RequestID: "1"})
				}
				if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 3*time.Second {
					t.Errorf("error after %v: %v", time.Since(began), err)
				}
				if _, again := r.Invoke(t.Context(), runtimeapi.Invocation{}); again != err {
					t.Errorf("invoke after that: %v", again)
				}
				_ = ours.Close() // can't fail
				running.Wait()
			})
		})
	}
}

func TestRuntimeIsOfUseAfterContextsThatEndLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := serve(t, func(runtimeapi.Invocation) ([]byte, []byte) {
			time.Sleep(time.Second)
			return []byte("1"), nil
		})
		if err := r.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		for n := range 1000 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second) // as the answer comes
			_, err := r.Invoke(ctx, runtimeapi.Invocation{})
			cancel()
			if err == nil {
				continue
			}
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("invocation %d: %v", n, err)
			}
			return // the context was first; this is all that it may have cost
		}
	})
}

func TestResponsesMayHaveMaxPayloadBytes(t *testing.T) {
	size := 0
	r := serve(t, func(i runtimeapi.Invocation) ([]byte, []byte) {
		payload := bytes.Repeat([]byte("x"), size)
		if i.RequestID == "bad" {
			return nil, payload
		}
		return payload, nil
	})
	if err := r.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, size = range []int{0, runtimeapi.MaxPayload, runtimeapi.MaxPayload + 1, 5 * runtimeapi.MaxPayload} {
		for _, id := range []string{"good", "bad"} {
			result, err := r.Invoke(t.Context(), runtimeapi.Invocation{RequestID: id})
			tooLarge := size > runtimeapi.MaxPayload
			if err != nil || result.TooLarge != tooLarge || result.Size != size || (result.Payload == nil) != tooLarge || result.FunctionError != (id == "bad") {
				t.Errorf("%d bytes: error %v, size %d, too large %v, %d bytes", size, err, result.Size, result.TooLarge, len(result.Payload))
			}
		}
	}
}

func TestWhatIsNotTheProtocolIsAnError(t *testing.T) {
	long := binary.BigEndian.AppendUint32([]byte{1, 2, 0, 0}, 1<<32-1)
	for name, frames := range map[string][]string{
		"OtherText":             {"HTTP/1.1 200 OK\r\n"},
		"AnswerBeforeInit":      {text(frame.Response, "\x00\x00\x00\x01null")},
		"NextWithABody":         {text(frame.Next, "x")},
		"Invoke":                {text(frame.Invoke, "")},
		"ShortInitFailure":      {text(frame.InitFailure, "\x00")},
		"LongType":              {text(frame.InitFailure, "\xff\xff")},
		"NextWithoutAnAnswer":   {next, next},
		"InitFailureAfterReady": {next, text(frame.InitFailure, "\x00\x00")},
		"OtherNumber":           {next, text(frame.Response, "\x00\x00\x00\x02null")},
		"ShortAnswer":           {next, text(frame.Response, "\x00\x00\x00")},
		"LongAnswer":            {next, string(long) + "\x00\x00\x00\x09"},
		"ShortFailure":          {next, text(frame.Failure, "\x00\x00\x00\x01\x00")},
		"LongTypeOfFailure":     {next, text(frame.Failure, "\x00\x00\x00\x01\x00\x05Type")},
		"TwoAnswers":            {next, strings.Repeat(text(frame.Response, "\x00\x00\x00\x01null"), 2)},
	} {
		t.Run(name, func(t *testing.T) {
			r := say(t, frames...)
			err := r.Ready(t.Context())
			if err == nil {
				_, err = r.Invoke(t.Context(), runtimeapi.Invocation{})
			}
			if !errors.Is(err, frame.ErrFormat) {
				t.Errorf("error is %v", err)
			}
		})
	}
}

// Whatever a function writes to its connection, the server neither fails nor
// takes much memory.
func FuzzRuntime(f *testing.F) {
	f.Add([]byte(next), []byte(text(frame.Response, "\x00\x00\x00\x01null")+next))
	f.Add([]byte(text(frame.InitFailure, "\x00\x01E{}")), []byte(nil))
	f.Add([]byte(next), []byte(text(frame.Failure, "\x00\x00\x00\x01\x00\x01E{}")))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		r := say(t, string(first), string(second))
		if err := r.Ready(t.Context()); err != nil {
			return
		}
		result, err := r.Invoke(t.Context(), runtimeapi.Invocation{})
		if err == nil && len(result.Payload) > len(second) {
			t.Errorf("%d bytes of %d", len(result.Payload), len(second))
		}
	})
}

func BenchmarkInvoke(b *testing.B) {
	ours, theirs := net.Pipe()
	var running sync.WaitGroup
	running.Go(func() {
		if err := runtimetest.Serve(theirs, func(i runtimeapi.Invocation) ([]byte, []byte) { return i.Payload, nil }); err != nil {
			b.Error(err)
		}
	})
	r := runtimeapi.New(ours)
	if err := r.Ready(b.Context()); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := r.Invoke(b.Context(), runtimeapi.Invocation{Payload: []byte("{}")}); err != nil {
			b.Fatal(err)
		}
	}
	_ = ours.Close() // can't fail
	running.Wait()
}
