package wire

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"naru/internal/meter"
	"naru/internal/policy"
	"naru/internal/sigv4"
)

// everything has members of every kind, required and optional, and of every
// way in which they nest.
type everything struct {
	String  string
	Text    *string
	Int     int64
	Count   *int32
	Float   *float64
	Flag    *bool
	Blob    []byte
	Time    *time.Time
	Nested  *nested
	List    []string
	Blobs   [][]byte
	Numbers [][]int64
	Entries []nested
	Map     map[string]string
	Values  map[string]nested
	JSON    json.RawMessage
	Renamed *string `aws:"renamed"`
}

type nested struct {
	Name  *string
	Inner []inner
}

type inner struct{ Value float64 }

// flat is laid out as SQS lays out its queries: lists and maps are flattened,
// under names of their own.
type flat struct {
	Url     *string
	Names   []string             `query:"Name"`
	Tags    map[string]string    `query:"Tag,Key,Value"`
	Attribs map[string]attribute `query:"Attribute"`
	Entries []flatEntry          `query:"FlatEntry"`
}

type flatEntry struct {
	Id      *string
	Delay   *int32
	Attribs map[string]attribute `query:"Attribute"`
}

type attribute struct {
	Text  *string
	Blob  []byte
	Texts []string `query:"ListText"`
	Blobs [][]byte `query:"ListBlob"`
}

// deep is laid out as IAM lays out its queries.
type deep struct {
	Name    string
	Max     *int32
	Flag    bool
	Rate    *float64
	When    *time.Time
	Keys    []string
	Tags    []tag
	Context map[string]string `query:",key,value"`
	Owner   *owner
}

type tag struct{ Key, Value string }

type owner struct {
	Path *string
	Tags []tag
}

func ptr[T any](v T) *T { return &v }

func echo[T any](_ context.Context, in *T) (*T, error) { return in, nil }

func nothing[T any](context.Context, *T) ([]policy.Request, error) { return nil, nil }

func none[T any](context.Context, *T) (*None, error) { return &None{}, nil }

// refuse returns an operation that fails with err.
func refuse(name string, err error) Operation {
	return Op(name, func(context.Context, *None) (*None, error) { return nil, err }, nothing[None])
}

// The services of these tests, one in the style of each kind of AWS service.
// Their operations give back what they are given.
var (
	queueService = Service{
		Name:  "sqs",
		JSON:  JSON{Version: "1.0", Target: "AmazonSQS", Prefix: "com.amazonaws.sqs#"},
		Query: Query{Version: "2012-11-05", Namespace: "http://queue.amazonaws.com/doc/2012-11-05/"},
		Owns:  func(path string) bool { return strings.HasPrefix(path, "/000000000000/") },
		Operations: []Operation{
			Op("Echo", echo[everything], nothing[everything]),
			Op("EchoFlat", echo[flat], nothing[flat]),
			Op("Nothing", none[flat], nothing[flat]),
		},
	}
	eventService = Service{
		Name:       "events",
		JSON:       JSON{Version: "1.1", Target: "AWSEvents"},
		Operations: []Operation{Op("Echo", echo[everything], nothing[everything])},
	}
	roleService = Service{
		Name:       "iam",
		Query:      Query{Version: "2010-05-08", Namespace: "https://iam.amazonaws.com/doc/2010-05-08/"},
		Operations: []Operation{Op("Echo", echo[deep], nothing[deep])},
	}
	functionService = Service{
		Name:      "lambda",
		ErrorType: "User",
		MaxBody:   4 << 10,
		Owns:      func(path string) bool { return strings.HasPrefix(path, "/2015-03-31/") },
		Operations: []Operation{
			Op("Invoke", invoke, nothing[invocation]).At("POST", "/2015-03-31/functions/{Name}/invocations", 200),
			Op("List", echo[listing], nothing[listing]).At("GET", "/2015-03-31/functions", 200),
			Op("Put", put, nothing[thing]).At("PUT", "/2015-03-31/things/{Name}", 201),
			Op("Delete", none[thing], nothing[thing]).At("DELETE", "/2015-03-31/things/{Name}", 204),
		},
	}
)

// A keeper is a Gate that lets everybody in, and does what its fields say.
type keeper struct {
	authenticate func(signature *sigv4.Signature, payload func() sigv4.Payload) error
	authorize    func(needs []policy.Request) error
}

func (k keeper) Authenticate(_ *http.Request, s *sigv4.Signature, payload func() sigv4.Payload) (policy.Principal, string, error) {
	region := "eu-west-1"
	if s != nil {
		region = s.Scope.Region
	}
	if k.authenticate != nil {
		return policy.Principal{}, "", k.authenticate(s, payload)
	}
	return policy.Principal{Kind: policy.Root, Account: "000000000000"}, region, nil
}

func (k keeper) Authorize(_ context.Context, _ policy.Principal, needs []policy.Request) error {
	if k.authorize != nil {
		return k.authorize(needs)
	}
	return nil
}

func newFront(services ...Service) *Front {
	f := &Front{
		Gate:   keeper{},
		Settle: func(context.Context) error { return nil },
		Log:    slog.New(slog.DiscardHandler),
		Meter:  &meter.Registry{},
		Clock:  time.Now,
	}
	for _, s := range services {
		f.Add(s)
	}
	return f
}

func everyFront() *Front {
	return newFront(queueService, eventService, roleService, functionService)
}

// with returns the service with other operations.
func (s Service) with(operations ...Operation) Service {
	s.Operations = operations
	return s
}

// A call is a request to be.
type call struct {
	method, target string // POST and / if empty
	host           string
	header         map[string]string
	body           string
}

func (c call) request() *http.Request {
	if c.method == "" {
		c.method = "POST"
	}
	if c.target == "" {
		c.target = "/"
	}
	r := httptest.NewRequest(c.method, c.target, strings.NewReader(c.body))
	if r.Host = c.host; r.Host == "" {
		r.Host = "127.0.0.1:4566"
	}
	for name, value := range c.header {
		r.Header.Set(name, value)
	}
	return r
}

func jsonCall(target, body string) call {
	return call{header: map[string]string{"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.0"}, body: body}
}

func formCall(body string) call {
	return call{header: map[string]string{"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}, body: body}
}

// signedFor returns the call with a signature, of nobody, for a service.
func (c call) signedFor(service string) call {
	header := map[string]string{
		"X-Amz-Date": "20260101T000000Z",
		"Authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/us-east-1/" + service +
			"/aws4_request, SignedHeaders=host;x-amz-date, Signature=" + strings.Repeat("0", 64),
	}
	for name, value := range c.header {
		header[name] = value
	}
	c.header = header
	return c
}

func (f *Front) answer(c call) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	f.ServeHTTP(w, c.request())
	return w
}

var requestID = regexp.MustCompile(`[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}`)

// bodyOf returns a reply's body with the request's id, which must be the one
// in its header, written as ID.
func bodyOf(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	id := w.Header().Get("X-Amzn-Requestid")
	if requestID.FindString(id) != id || id == "" {
		t.Errorf("the request id is %q", id)
	}
	return strings.ReplaceAll(w.Body.String(), id, "ID")
}

func shapeFor[T any]() *shape { return shapeOf(reflect.TypeFor[T](), false) }

// readJSON decodes text into a T.
func readJSON[T any](text string) (v T, err error) {
	err = decodeJSON([]byte(text), shapeFor[T](), reflect.ValueOf(&v).Elem())
	return v, err
}

func writeJSON[T any](v T) string {
	return string(appendJSON(nil, shapeFor[T](), reflect.ValueOf(&v).Elem()))
}
