package server

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqsschemas "github.com/aws/aws-sdk-go-v2/service/sqs/schemas"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/transport/http/protocol/awsquery"

	"naru/internal/clock"
	"naru/internal/meter"
	"naru/internal/wire"
)

// An sdk is the SDK's module for a service.
type sdk struct {
	module string // its last element
	client func(aws.Config) any
	query  func(aws.Config) any // a client that speaks the query protocol, where client does not
	// unsnapped says why the module has no snapshots, if it has none.
	unsnapped string
}

// sdks are the SDK's modules by the names that services have in the scope of a
// signature. A service that is added to Naru needs a line here.
var sdks = map[string]sdk{
	"sqs": {
		module: "sqs",
		client: func(c aws.Config) any { return sqs.NewFromConfig(c, unsummed) },
		query: func(c aws.Config) any {
			return sqs.NewFromConfig(c, unsummed, func(o *sqs.Options) { o.Protocol = awsquery.New(sqsschemas.AmazonSQS) })
		},
	},
	"iam":    {module: "iam", client: func(c aws.Config) any { return iam.NewFromConfig(c) }},
	"sts":    {module: "sts", client: func(c aws.Config) any { return sts.NewFromConfig(c) }},
	"lambda": {module: "lambda", client: func(c aws.Config) any { return lambda.NewFromConfig(c) }},
	"events": {module: "eventbridge", client: func(c aws.Config) any { return eventbridge.NewFromConfig(c) }},
	"logs":   {module: "cloudwatchlogs", client: func(c aws.Config) any { return cloudwatchlogs.NewFromConfig(c) }},
	"scheduler": {
		module: "scheduler", unsnapped: "its module is of an older make than the others, and has no snapshots",
		client: func(c aws.Config) any { return scheduler.NewFromConfig(c) },
	},
}

// unsummed lets replies have sums that are not those of their messages.
func unsummed(o *sqs.Options) { o.DisableMessageChecksumValidation = true }

// clients returns the SDK's clients by the protocols that the service speaks.
func (s sdk) clients(t *testing.T, of wire.Service) map[string]func(aws.Config) any {
	t.Helper()
	clients := map[string]func(aws.Config) any{}
	switch {
	case of.JSON.Target != "":
		clients["JSON"] = s.client
	case of.Query.Version != "":
		clients["query"] = s.client
	default:
		clients["REST"] = s.client
	}
	if of.JSON.Target != "" && of.Query.Version != "" {
		if clients["query"] = s.query; s.query == nil {
			t.Fatalf("%s has no client that speaks the query protocol", of.Name)
		}
	}
	return clients
}

// types returns the SDK's types of an operation's input and output.
func (s sdk) types(operation string) (in, out reflect.Type, ok bool) {
	method, ok := reflect.TypeOf(s.client(aws.Config{})).MethodByName(operation)
	if !ok {
		return nil, nil, false
	}
	return method.Type.In(2).Elem(), method.Type.Out(0).Elem(), true
}

// dir returns the directory of the module.
func (s sdk) dir(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/aws/aws-sdk-go-v2/service/"+s.module).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// probe is a serializer that wants to know the schema of what is serialized.
type probe struct {
	smithy.ShapeSerializer
	schema *smithy.Schema
}

// WriteStruct is the first that the SDK's types do.
func (p *probe) WriteStruct(s *smithy.Schema) {
	p.schema = s
	panic(p)
}

// schemaOf returns the schema of the SDK's type of an input or output; nil if
// the SDK has none, as for query services.
func schemaOf(t reflect.Type) (schema *smithy.Schema) {
	v, ok := reflect.New(t).Interface().(smithy.Serializable)
	if !ok {
		return nil
	}
	p := &probe{}
	defer func() {
		if recover() == any(p) {
			schema = p.schema
		}
	}()
	v.Serialize(p)
	return nil
}

// services returns the services of a Naru in memory.
func services(t *testing.T) []wire.Service {
	t.Helper()
	nowhere := func() string { return "http://127.0.0.1:4566" }
	h, err := openHouse(place{
		config: Config{Data: InMemory, Region: "us-east-1", Account: "000000000000", Auth: "open", Log: slog.New(slog.DiscardHandler)},
		clock:  &clock.Clock{}, meter: &meter.Registry{}, public: nowhere, internal: nowhere,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return h.services()
}

// eachOperation runs a test for each operation of each service.
func eachOperation(t *testing.T, test func(*testing.T, wire.Service, wire.Operation)) {
	for _, s := range services(t) {
		if _, ok := sdks[s.Name]; !ok {
			t.Errorf("%s has no line in sdks", s.Name)
			continue
		}
		for _, op := range s.Operations {
			t.Run(s.Name+"."+op.Name, func(t *testing.T) { test(t, s, op) })
		}
	}
}

// A stage serves services whose operations keep what arrives and return what
// they are told to.
type stage struct {
	front  *wire.Front
	config aws.Config // of the SDK
	called string     // operation that was called last
	in     any        // its input
	out    any        // of the next call: its type's pointer
	err    error
}

func newStage(t *testing.T, services ...wire.Service) *stage {
	t.Helper()
	st := &stage{front: &wire.Front{
		Gate: gatekeeper{}, Settle: func(context.Context) error { return nil },
		Log: slog.New(slog.DiscardHandler), Meter: &meter.Registry{}, Clock: (&clock.Clock{}).Real,
	}}
	for _, s := range services {
		operations := make([]wire.Operation, len(s.Operations))
		for i, op := range s.Operations {
			operations[i] = op.WithCall(func(_ context.Context, in any) (any, error) {
				st.called, st.in = s.Name+"."+op.Name, in
				return st.out, st.err
			})
		}
		s.Operations = operations
		st.front.Add(s)
	}
	server := httptest.NewServer(st.front)
	t.Cleanup(server.Close)
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) { // whatever host a client makes up
		return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
	}
	transport := &http.Transport{DialContext: dial}
	t.Cleanup(transport.CloseIdleConnections)
	st.config = aws.Config{
		Region: "us-east-1", BaseEndpoint: &server.URL, RetryMaxAttempts: 1, HTTPClient: &http.Client{Transport: whole{transport}},
		Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", ""),
	}
	return st
}

// A whole sends requests whose body nobody else can close. The SDK closes its own
// as soon as a response begins, and from then on the body's WriteTo fails with
// io.EOF; if the transport has yet to look whether the body has ended, it takes
// that for a failure and closes the connection, with the rest of the response.
type whole struct{ http.RoundTripper }

func (w whole) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	return w.RoundTripper.RoundTrip(r)
}

// call calls an operation of a client with an input, and returns its output.
func call(t *testing.T, client any, operation string, in reflect.Value) (out reflect.Value, err error) {
	t.Helper()
	results := reflect.ValueOf(client).MethodByName(operation).Call([]reflect.Value{reflect.ValueOf(t.Context()), in})
	err, _ = results[1].Interface().(error)
	return results[0], err
}
