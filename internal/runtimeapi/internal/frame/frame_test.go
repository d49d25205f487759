package frame

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func TestInvokeIsReadAsItWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Call{
			Number:        rapid.Uint32().Draw(t, "number"),
			Deadline:      time.UnixMilli(rapid.Int64Range(0, 1<<47).Draw(t, "deadline")),
			RequestID:     rapid.String().Draw(t, "request id"),
			ARN:           rapid.String().Draw(t, "arn"),
			TraceID:       rapid.String().Draw(t, "trace id"),
			ClientContext: rapid.SliceOf(rapid.Byte()).Draw(t, "client context"),
			Identity:      rapid.SliceOf(rapid.Byte()).Draw(t, "identity"),
		}
		payload := rapid.SliceOf(rapid.Byte()).Draw(t, "payload")
		stream := bytes.NewReader(append(AppendInvoke(nil, want, len(payload)), payload...))
		h, err := ReadHeader(stream)
		if err != nil || h.Type != Invoke || h.Length != stream.Len() {
			t.Fatalf("header is %+v, %v; %d bytes follow", h, err, stream.Len())
		}
		body, _ := io.ReadAll(stream)
		got, rest, err := ParseInvoke(body)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("call (-want +got):\n%s", diff)
		}
		if !bytes.Equal(payload, rest) {
			t.Fatalf("payload is %q, want %q", rest, payload)
		}
	})
}

func TestBodiesThatAreTooShortAreErrors(t *testing.T) {
	whole := AppendInvoke(nil, Call{RequestID: "id", ARN: "arn", Identity: []byte("{}")}, 0)[HeaderSize:]
	for n := range whole {
		if _, _, err := ParseInvoke(whole[:n]); !errors.Is(err, ErrFormat) {
			t.Errorf("the first %d bytes: %v", n, err)
		}
	}
}

func TestShortStringsAreCut(t *testing.T) {
	b := Body(AppendShort(nil, string(make([]byte, 70000))))
	if s, err := b.String(2); err != nil || len(s) != 65535 || len(b) != 0 {
		t.Errorf("%d bytes, %d left, %v", len(s), len(b), err)
	}
}

func TestHeadersOfOtherVersionsAreErrors(t *testing.T) {
	for _, text := range []string{"\x02\x01\x00\x00\x00\x00\x00\x00", "GET / HTTP/1.1", "\x01\x01\x00\x01\x00\x00\x00\x00"} {
		if h, err := ReadHeader(bytes.NewReader([]byte(text))); !errors.Is(err, ErrFormat) {
			t.Errorf("%q is %+v, %v", text, h, err)
		}
	}
	if _, err := ReadHeader(bytes.NewReader(nil)); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	if _, err := ReadHeader(bytes.NewReader([]byte{1})); err != io.ErrUnexpectedEOF {
		t.Errorf("in a header: %v", err)
	}
}
