package test

import (
	"archive/zip"
	"bytes"
	"io"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"google.golang.org/protobuf/encoding/protowire"
)

// A collector takes metrics that are exported to it over OTLP/HTTP.
type collector struct {
	mu          sync.Mutex
	invocations map[string]map[string]float64 // by request id and name of the metric
	problem     error
}

// Paths of fields in OTLP's messages.
var (
	otlpMetrics = []protowire.Number{1, 2, 2} // of a request: resource_metrics, scope_metrics, metrics
	otlpPoints  = []protowire.Number{5, 1}    // of a metric: gauge, data_points
	otlpName    = []protowire.Number{1}       // of a metric
	otlpValue   = []protowire.Number{4}       // of a point: as_double
	otlpText    = []protowire.Number{7, 2, 1} // of a point: attributes, value, string_value
)

// fieldsAt returns the values at a path of fields in a message.
func fieldsAt(message []byte, path []protowire.Number) (all [][]byte, err error) {
	for len(message) > 0 {
		number, kind, tag := protowire.ConsumeTag(message)
		if tag < 0 {
			return nil, protowire.ParseError(tag)
		}
		n := protowire.ConsumeFieldValue(number, kind, message[tag:])
		if n < 0 {
			return nil, protowire.ParseError(n)
		}
		value := message[tag : tag+n]
		message = message[tag+n:]
		if kind == protowire.BytesType {
			value, _ = protowire.ConsumeBytes(value)
		}
		switch {
		case number != path[0]:
		case len(path) == 1:
			all = append(all, value)
		default:
			more, err := fieldsAt(value, path[1:])
			if err != nil {
				return nil, err
			}
			all = append(all, more...)
		}
	}
	return all, nil
}

// ServeHTTP takes an export.
func (c *collector) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err == nil && r.URL.Path == "/v1/metrics" {
		err = c.take(body)
	}
	if err != nil {
		c.problem = err
	}
}

func (c *collector) take(body []byte) error {
	metrics, err := fieldsAt(body, otlpMetrics)
	if err != nil {
		return err
	}
	for _, m := range metrics {
		name, err := fieldsAt(m, otlpName)
		if err != nil {
			return err
		}
		points, err := fieldsAt(m, otlpPoints)
		if err != nil {
			return err
		}
		for _, p := range points {
			ids, problem := fieldsAt(p, otlpText)
			values, err := fieldsAt(p, otlpValue)
			if err != nil || problem != nil || len(ids) != 1 || len(values) != 1 {
				continue // another kind of metric
			}
			id := string(ids[0])
			if c.invocations[id] == nil {
				c.invocations[id] = map[string]float64{}
			}
			bits, _ := protowire.ConsumeFixed64(values[0])
			c.invocations[id][string(bytes.Join(name, nil))] = math.Float64frombits(bits)
		}
	}
	return nil
}

func (c *collector) has(ids []string) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !slices.ContainsFunc(ids, func(id string) bool { return c.invocations[id] == nil }), c.problem
}

// TestAPublishedExtensionOfTheTelemetryAPI runs opentelemetry-lambda-extension, as
// published for cargo, which is made with AWS's own library. It makes metrics of
// platform.report, and keeps an invocation from being over until it gets to know of
// platform.runtimeDone.
func TestAPublishedExtensionOfTheTelemetryAPI(t *testing.T) {
	t.Parallel()
	c := &collector{invocations: map[string]map[string]float64{}}
	server := httptest.NewServer(c)
	defer server.Close()
	n := start(t)
	layer, err := n.user().lambda().PublishLayerVersion(background, &lambda.PublishLayerVersionInput{
		LayerName: aws.String("telemetry"), Content: &types.LayerVersionContentInput{ZipFile: telemetryLayer(t)},
	})
	if err != nil {
		t.Fatal(err)
	}
	const timeout = 600 // seconds, at the end of which the extension would wait no longer
	const code = `exports.handler = async (event) => { if (event.fail) throw new Error('as asked'); return 'done'; };`
	function(t, n, "told", code, func(in *lambda.CreateFunctionInput) {
		in.Layers, in.Timeout, in.MemorySize = []string{*layer.LayerVersionArn}, aws.Int32(timeout), aws.Int32(256)
		in.Environment = &types.Environment{Variables: map[string]string{
			"LAMBDA_OTEL_EXPORTER_ENDPOINT": server.URL, "LAMBDA_OTEL_EXPORTER_COMPRESSION": "none", "LAMBDA_OTEL_EXPORTER_TIMEOUT": "10000",
		}}
	})
	var ids []string
	for _, event := range []string{`{}`, `{"fail":true}`, `{}`} {
		out := invoke(t, n, "told", event)
		id, _ := middleware.GetRequestIDMetadata(out.ResultMetadata)
		ids = append(ids, id)
	}
	// Of the last it tells when the environment ends.
	if _, err := n.user().lambda().DeleteFunction(background, &lambda.DeleteFunctionInput{FunctionName: aws.String("told")}); err != nil {
		t.Fatal(err)
	}
	told := poll(patience, func() bool {
		var all bool
		all, err = c.has(ids)
		return all || err != nil
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	if !told || err != nil {
		t.Fatalf("of %v it has told %v; %v", ids, c.invocations, err)
	}
	for i, id := range ids {
		metrics := c.invocations[id]
		names := slices.Sorted(maps.Keys(metrics))
		want := []string{"aws.lambda.billed_duration", "aws.lambda.init_duration", "aws.lambda.max_memory_used", "faas.invocation.duration"}
		if i > 0 {
			want = slices.Delete(want, 1, 2)
		}
		equal(t, "names", names, want)
		if d := metrics["faas.invocation.duration"]; d <= 0 || d > metrics["aws.lambda.billed_duration"] || d > timeout*1000/2 {
			t.Errorf("invocation %d: %v", i, metrics)
		}
		if metrics["aws.lambda.max_memory_used"] < 1<<20 {
			t.Errorf("invocation %d: %v", i, metrics)
		}
	}
}

// telemetryLayer returns a layer with the extension.
func telemetryLayer(t *testing.T) []byte {
	t.Helper()
	const name = "opentelemetry-lambda-extension"
	program, err := os.ReadFile("../.tools/otel/bin/" + name)
	if err != nil {
		t.Fatalf("%v: make test fetches it", err)
	}
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	header := &zip.FileHeader{Name: "extensions/" + name, Method: zip.Deflate}
	header.SetMode(0o755)
	f, err := z.CreateHeader(header)
	if err == nil {
		_, err = f.Write(program)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
