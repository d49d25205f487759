package wire

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
)

type streamed struct {
	Version *string `aws:"X-Version,header"`
	Events  Events
}

func TestAStreamIsReadBySDKs(t *testing.T) {
	version := "7"
	events := []Event{{"Chunk", "application/octet-stream", []byte{0, 1, 255}}, {"Chunk", "application/octet-stream", nil}, {"End", "application/json", []byte("{}")}}
	op := Op("Stream", func(context.Context, *nothingIn) (*streamed, error) {
		return &streamed{&version, func(emit func(Event) error) {
			for _, e := range events {
				if err := emit(e); err != nil {
					t.Error(err)
				}
			}
		}}, nil
	}, nothing[nothingIn]).At("POST", "/2015-03-31/stream", 200)
	server := httptest.NewServer(newFront(Service{Name: "lambda", Owns: func(string) bool { return true }, Operations: []Operation{op}}))
	defer server.Close()
	r, err := http.Post(server.URL+"/2015-03-31/stream", "application/json", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if r.Header.Get("Content-Type") != "application/vnd.amazon.eventstream" || r.Header.Get("X-Version") != "7" {
		t.Errorf("the headers are %v", r.Header)
	}
	d := eventstream.NewDecoder()
	for _, want := range events {
		m, err := d.Decode(r.Body, nil)
		if err != nil {
			t.Fatal(err)
		}
		if m.Headers.Get(":event-type").String() != want.Type || m.Headers.Get(":content-type").String() != want.ContentType ||
			m.Headers.Get(":message-type").String() != "event" || !bytes.Equal(m.Payload, want.Payload) {
			t.Errorf("got %+v, want %+v", m, want)
		}
	}
	if _, err := d.Decode(r.Body, nil); err == nil {
		t.Error("something follows")
	}
}

type nothingIn struct{}

func TestAStreamThatCannotBeginIsAnError(t *testing.T) {
	op := Op("Stream", func(context.Context, *nothingIn) (*streamed, error) {
		return nil, &Error{Code: "ServiceException", Message: "no", Header: map[string]string{"Retry-After": "1"}, Cause: errors.New("test")}
	}, nothing[nothingIn]).At("POST", "/2015-03-31/stream", 200)
	w := httptest.NewRecorder()
	newFront(Service{Name: "lambda", Owns: func(string) bool { return true }, Operations: []Operation{op}}).ServeHTTP(w, httptest.NewRequest("POST", "/2015-03-31/stream", nil))
	if w.Code/100 == 2 || w.Header().Get("Retry-After") != "1" {
		t.Errorf("got %d %v", w.Code, w.Header())
	}
}

func TestOperationsAtOnePlaceDifferByTheirQuery(t *testing.T) {
	got := ""
	op := func(name, path string) Operation {
		return Op(name, func(context.Context, *nothingIn) (*None, error) { got = name; return &None{}, nil }, nothing[nothingIn]).At("GET", path, 200)
	}
	f := newFront(Service{Name: "lambda", Owns: func(string) bool { return true }, Operations: []Operation{op("All", "/2015-03-31/x"), op("One", "/2015-03-31/x?find=One")}})
	for path, want := range map[string]string{"/2015-03-31/x": "All", "/2015-03-31/x?find=One&a=b": "One", "/2015-03-31/x?find=Two": "All", "/2015-03-31/x/": "All"} {
		w := httptest.NewRecorder()
		if f.ServeHTTP(w, httptest.NewRequest("GET", path, nil)); got != want {
			t.Errorf("%s is %s", path, got)
		}
	}
}
