package wire

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// invocation binds members to every place of a request.
type invocation struct {
	Name      string            `aws:",uri"`
	Qualifier *string           `aws:",query"`
	Wait      *int32            `aws:"wait,query"`
	Deep      *bool             `aws:"deep,query"`
	LogType   *string           `aws:"X-Amz-Log-Type,header"`
	Retries   *int32            `aws:"X-Amz-Retries,header"`
	Meta      map[string]string `aws:"X-Amz-Meta-,header"`
	Payload   []byte            `aws:",payload"`
}

type invoked struct {
	Status  int               `aws:",status"`
	Error   *string           `aws:"X-Amz-Function-Error,header"`
	Retries *int32            `aws:"X-Amz-Retries,header"`
	Meta    map[string]string `aws:"X-Amz-Meta-,header"`
	Payload []byte            `aws:",payload"`
}

// invoke answers with what it is given, and leaves it in a header of the
// request for tests to see.
func invoke(ctx context.Context, in *invocation) (*invoked, error) {
	CallOf(ctx).Header.Set("Received", writeJSON(bodily(*in)))
	return &invoked{Status: 202, Error: in.Qualifier, Retries: in.Retries, Meta: in.Meta, Payload: in.Payload}, nil
}

// bodily is an invocation whose members are all in the body.
type bodily struct {
	Name      string
	Qualifier *string
	Wait      *int32
	Deep      *bool
	LogType   *string
	Retries   *int32
	Meta      map[string]string
	Payload   []byte
}

type listing struct {
	Keys   []string  `aws:"key,query"`
	Counts []int64   `aws:"count,query"`
	After  time.Time `aws:",query"`
}

type thing struct {
	Name  string  `aws:",uri"`
	Color *string `aws:"color"`
	Size  *int64
}

type putOutput struct {
	Name  string
	Color *string `aws:"color"`
	Size  *int64
	ETag  *string `aws:"ETag,header"`
}

func put(_ context.Context, in *thing) (*putOutput, error) {
	return &putOutput{Name: in.Name, Color: in.Color, Size: in.Size, ETag: ptr("1")}, nil
}

func TestMembersArriveFromTheirPlacesInARequest(t *testing.T) {
	for rule, c := range map[string]struct {
		target string
		header map[string]string
		body   string
		want   bodily
	}{
		"OnlyTheURI": {
			target: "/f/invocations",
			want:   bodily{Name: "f", Meta: map[string]string{}, Payload: []byte{}}},
		"AnEncodedARNInTheURI": {
			target: "/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af%3A%24LATEST/invocations",
			want:   bodily{Name: "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST", Meta: map[string]string{}, Payload: []byte{}}},
		"AnARNAsItIs": {
			target: "/arn:aws:lambda:us-east-1:000000000000:function:f/invocations",
			want:   bodily{Name: "arn:aws:lambda:us-east-1:000000000000:function:f", Meta: map[string]string{}, Payload: []byte{}}},
		"ASlashASpaceAndUnicodeInTheURI": {
			target: "/a%2Fb%20%C3%A9%25%2B+/invocations",
			want:   bodily{Name: "a/b é%++", Meta: map[string]string{}, Payload: []byte{}}},
		"TheQueryString": {
			target: "/f/invocations?Qualifier=a%20b%2Bc+d&wait=-5&deep=true&unknown=1",
			want:   bodily{Name: "f", Qualifier: ptr("a b+c d"), Wait: ptr(int32(-5)), Deep: ptr(true), Meta: map[string]string{}, Payload: []byte{}}},
		"AnEmptyParameterIsThere": {
			target: "/f/invocations?Qualifier=",
			want:   bodily{Name: "f", Qualifier: ptr(""), Meta: map[string]string{}, Payload: []byte{}}},
		"Headers": {
			target: "/f/invocations", header: map[string]string{"x-amz-log-type": "Tail", "x-amz-retries": "3"},
			want: bodily{Name: "f", LogType: ptr("Tail"), Retries: ptr(int32(3)), Meta: map[string]string{}, Payload: []byte{}}},
		"HeadersOfAPrefix": {
			target: "/f/invocations", header: map[string]string{"X-Amz-Meta-Some-Key": "v", "x-amz-meta-b": "w", "X-Amz-Metal": "no"},
			want: bodily{Name: "f", Meta: map[string]string{"some-key": "v", "b": "w"}, Payload: []byte{}}},
		"ThePayloadIsTheBodyAsItIs": {
			target: "/f/invocations", body: "\x00not JSON\xff",
			want: bodily{Name: "f", Meta: map[string]string{}, Payload: []byte("\x00not JSON\xff")}},
		"ATrailingSlash": {
			target: "/a%2F/invocations/?Qualifier=q",
			want:   bodily{Name: "a/", Qualifier: ptr("q"), Meta: map[string]string{}, Payload: []byte{}}},
	} {
		t.Run(rule, func(t *testing.T) {
			r := call{target: "/2015-03-31/functions" + c.target, header: c.header, body: c.body}.request()
			w := &recorder{header: http.Header{}}
			everyFront().ServeHTTP(w, r)
			got, err := readJSON[bodily](r.Header.Get("Received"))
			if err != nil || w.status != 202 {
				t.Fatalf("status %d, error %v, body %s", w.status, err, w.body)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A recorder keeps a reply as it was given, as httptest's does not.
type recorder struct {
	header http.Header
	status int
	body   []byte
}

func (r *recorder) Header() http.Header    { return r.header }
func (r *recorder) WriteHeader(status int) { r.status = status }
func (r *recorder) Write(b []byte) (int, error) {
	r.body = append(r.body, b...)
	return len(b), nil
}

func TestMembersLeaveForTheirPlacesInAReply(t *testing.T) {
	w := everyFront().answer(call{
		target: "/2015-03-31/functions/f/invocations?Qualifier=Unhandled",
		header: map[string]string{"X-Amz-Retries": "2", "X-Amz-Meta-a": "1", "X-Amz-Meta-b": "2"},
		body:   "\x00payload\xff",
	})
	if w.Code != 202 || w.Body.String() != "\x00payload\xff" {
		t.Errorf("status %d, body %q", w.Code, w.Body)
	}
	for name, want := range map[string]string{"X-Amz-Function-Error": "Unhandled", "X-Amz-Retries": "2", "X-Amz-Meta-A": "1", "X-Amz-Meta-B": "2", "Content-Length": "9", "Content-Type": "application/octet-stream"} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	w = everyFront().answer(call{target: "/2015-03-31/functions/f/invocations"})
	for _, name := range []string{"X-Amz-Function-Error", "X-Amz-Retries", "X-Amz-Meta-A"} {
		if got := w.Header().Values(name); len(got) > 0 {
			t.Errorf("%s of no value is %q", name, got)
		}
	}
}

func TestRESTBodiesAndStatuses(t *testing.T) {
	for rule, c := range map[string]struct {
		call   call
		status int
		body   string
		kind   string
	}{
		"MembersOfTheBodyAreJSON": {
			call{method: "PUT", target: "/2015-03-31/things/a", body: `{"color":"red","Size":1,"Name":"ignored","Color":"x"}`},
			201, `{"Name":"a","color":"red","Size":1}`, "application/json"},
		"AnEmptyBodyIsAnEmptyObject": {
			call{method: "PUT", target: "/2015-03-31/things/a"}, 201, `{"Name":"a"}`, "application/json"},
		"NoOutputNoBody": {call{method: "DELETE", target: "/2015-03-31/things/a"}, 204, "", ""},
		"ListsInTheQueryString": {
			call{method: "GET", target: "/2015-03-31/functions?key=a&key=b%2Cc&key=&count=1&count=-2&After=2026-01-01T00%3A00%3A00Z"}, 200, "", ""},
	} {
		t.Run(rule, func(t *testing.T) {
			w := everyFront().answer(c.call)
			if w.Code != c.status || w.Body.String() != c.body || w.Header().Get("Content-Type") != c.kind {
				t.Errorf("got %d, %q and %q", w.Code, w.Body, w.Header().Get("Content-Type"))
			}
		})
	}
}

func TestListsAreReadFromTheQueryString(t *testing.T) {
	var got listing
	list := Op("List", func(_ context.Context, in *listing) (*None, error) { got = *in; return &None{}, nil }, nothing[listing]).At("GET", "/2015-03-31/functions", 200)
	newFront(functionService.with(list)).answer(call{method: "GET", target: "/2015-03-31/functions?key=a&key=b%2Cc&key=&count=1&count=-2&After=2026-01-01T00%3A00%3A00Z"})
	want := listing{Keys: []string{"a", "b,c", ""}, Counts: []int64{1, -2}, After: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestBadValuesOutsideOfTheBodyAreRefused(t *testing.T) {
	for name, c := range map[string]call{
		"wait":          {target: "/2015-03-31/functions/f/invocations?wait=x"},
		"deep":          {target: "/2015-03-31/functions/f/invocations?deep=yes"},
		"X-Amz-Retries": {target: "/2015-03-31/functions/f/invocations", header: map[string]string{"X-Amz-Retries": "2147483648"}},
		"count":         {method: "GET", target: "/2015-03-31/functions?count=1&count=1.5"},
		"Name":          {target: "/2015-03-31/functions/%ff/invocations"},
		"After":         {method: "GET", target: "/2015-03-31/functions?After=yesterday"},
	} {
		t.Run(name, func(t *testing.T) {
			w := everyFront().answer(c)
			if w.Code != 400 || w.Header().Get("X-Amzn-Errortype") != "SerializationException" {
				t.Errorf("got %d, %q, %s", w.Code, w.Header().Get("X-Amzn-Errortype"), w.Body)
			}
		})
	}
}

func TestPathsAreMatchedSegmentBySegment(t *testing.T) {
	for line, status := range map[string]int{
		"POST /2015-03-31/functions/f/invocations":         202,
		"POST /2015-03-31/functions/f/invocations/":        202,
		"GET /2015-03-31/functions":                        200,
		"GET /2015-03-31/functions/":                       200,
		"POST /2015-03-31/functions//invocations":          404,
		"POST /2015-03-31/functions/a/b/invocations":       404,
		"POST /2015-03-31/functions/../things/invocations": 404,
		"GET /2015-03-31/functions/f/invocations":          404,
		"PATCH /2015-03-31/things/a":                       404,
		"POST /2015-03-31/":                                404,
	} {
		t.Run(line, func(t *testing.T) {
			method, target, _ := strings.Cut(line, " ")
			if w := everyFront().answer(call{method: method, target: target}); w.Code != status {
				t.Errorf("got %d, want %d: %s", w.Code, status, w.Body)
			}
		})
	}
}
