package wire

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"
)

type moment struct{ Time *time.Time }

type restMoment struct {
	Header *time.Time `aws:"X-Amz-Time,header"`
	Query  *time.Time `aws:"time,query"`
	Time   *time.Time
}

var half = time.Date(2026, 1, 2, 3, 4, 5, 250e6, time.UTC)

func TestTimestampsInEachProtocol(t *testing.T) {
	echoMoment := Op("Echo", echo[moment], nothing[moment])
	jsonFront := newFront(eventService.with(echoMoment))
	queryFront := newFront(roleService.with(echoMoment))
	for _, c := range []struct{ json, query, xml string }{
		{"1767225600", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"},
		{"1767225600.25", "2026-01-01T00:00:00.25Z", "2026-01-01T00:00:00.25Z"},
		{"1767225600", "2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00Z"},
		{"1767225600.123", "2026-01-01T00:00:00.123456789Z", "2026-01-01T00:00:00.123Z"},
		{"0", "1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"},
		{"-1", "1969-12-31T23:59:59Z", "1969-12-31T23:59:59Z"},
	} {
		w := jsonFront.answer(jsonCall("AWSEvents.Echo", `{"Time":`+c.json+`}`))
		if want := `{"Time":` + c.json + `}`; w.Body.String() != want {
			t.Errorf("JSON: got %s, want %s", w.Body, want)
		}
		w = queryFront.answer(formCall("Action=Echo&Version=2010-05-08&Time=" + url.QueryEscape(c.query)))
		if want := "<Time>" + c.xml + "</Time>"; !strings.Contains(w.Body.String(), want) {
			t.Errorf("query: got %s, want %s", w.Body, want)
		}
	}
}

func TestTimestampsInREST(t *testing.T) {
	var got restMoment
	at := Op("At", func(_ context.Context, in *restMoment) (*restMoment, error) { got = *in; return in, nil }, nothing[restMoment]).At("POST", "/2015-03-31/at", 200)
	w := newFront(functionService.with(at)).answer(call{
		target: "/2015-03-31/at?time=2026-01-02T03%3A04%3A05.25Z",
		header: map[string]string{"X-Amz-Time": "Fri, 02 Jan 2026 03:04:05 GMT"},
		body:   `{"Time":1767323045.25}`,
	})
	if w.Code != 200 {
		t.Fatalf("got %d, %s", w.Code, w.Body)
	}
	for place, c := range map[string]struct{ got, want *time.Time }{
		"header": {got.Header, ptr(half.Truncate(time.Second))},
		"query":  {got.Query, &half},
		"body":   {got.Time, &half},
	} {
		if c.got == nil || !c.got.Equal(*c.want) {
			t.Errorf("%s: got %v, want %v", place, c.got, c.want)
		}
	}
	if h := w.Header().Get("X-Amz-Time"); h != "Fri, 02 Jan 2026 03:04:05 GMT" || w.Body.String() != `{"Time":1767323045.25}` {
		t.Errorf("the reply has %q and %s", h, w.Body)
	}
}
