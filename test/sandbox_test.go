package test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// strict starts Naru with its strictest sandbox.
func strict(t *testing.T) *naru {
	t.Helper()
	out, err := command(t.TempDir(), nil, "doctor").Output()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(out), "--sandbox strict  yes") {
		t.Skipf("this machine has no strict sandbox:\n%s", out)
	}
	return start(t, "--sandbox", "strict", "--sdk-dir", sdks(t))
}

// reacher tells for each address of its event whether it can be connected to, and
// what Naru says to a request that is not signed.
const reacher = `
const net = require('net');
const reach = (address) => new Promise((told) => {
  const [host, port] = address.split(':');
  const socket = net.connect({ host, port, timeout: 5000 });
  let got = '';
  socket.on('connect', () => socket.write('GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'));
  socket.on('data', (data) => { got += data; });
  socket.on('timeout', () => socket.destroy());
  socket.on('error', () => {});
  socket.on('close', () => told(got.split('\r\n')[0]));
});
exports.handler = async (event) => {
  const unsigned = await fetch(process.env.AWS_ENDPOINT_URL, { method: 'POST', headers: { 'X-Amz-Target': 'AmazonSQS.ListQueues', 'Content-Type': 'application/x-amz-json-1.0' }, body: '{}' });
  return { reached: await Promise.all(event.addresses.map(reach)), unsigned: unsigned.status };
};`

// reached has the reacher try addresses.
func reached(t *testing.T, n *naru, addresses ...string) (answers []string, unsigned int) {
	t.Helper()
	function(t, n, "reacher", reacher, func(in *lambda.CreateFunctionInput) { in.Timeout = aws.Int32(60) })
	event, err := json.Marshal(map[string]any{"addresses": addresses})
	if err != nil {
		t.Fatal(err)
	}
	out := invoke(t, n, "reacher", string(event))
	var got struct {
		Reached  []string
		Unsigned int
	}
	if err := json.Unmarshal(out.Payload, &got); err != nil || out.FunctionError != nil {
		t.Fatalf("the reacher says %s", out.Payload)
	}
	return got.Reached, got.Unsigned
}

func TestStrictFunctionsReachNaruAndNothingElse(t *testing.T) {
	t.Parallel()
	n := strict(t)
	if _, err := n.user().sqs().CreateQueue(background, &sqs.CreateQueueInput{QueueName: aws.String("failures")}); err != nil {
		t.Fatal(err)
	}
	layer, err := n.user().lambda().PublishLayerVersion(background, &lambda.PublishLayerVersionInput{
		LayerName: aws.String("texts"), Content: &types.LayerVersionContentInput{ZipFile: zipped(t, "text.txt", "of the layer")},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range languages {
		function(t, n, l.name, "", func(in *lambda.CreateFunctionInput) {
			in.Runtime, in.Handler, in.Code = l.runtime, &l.handler, &types.FunctionCode{ZipFile: l.code(t)}
			in.Layers, in.Timeout, in.MemorySize = []string{*layer.LayerVersionArn}, aws.Int32(60), aws.Int32(256)
		})
		l.answers(t, n)
	}
	// The ports at which Naru listens are those of another network.
	answers, unsigned := reached(t, n, n.listen, n.admin)
	if answers[0] != "" || answers[1] != "" || unsigned != 403 {
		t.Errorf("it reaches %q; unsigned requests give %d", answers, unsigned)
	}
}

func TestFunctionsDoNotReachOperatorsPort(t *testing.T) {
	t.Parallel()
	n := start(t, "--sdk-dir", sdks(t))
	answers, unsigned := reached(t, n, n.listen, n.admin)
	if answers[0] == "" || answers[1] != "" || unsigned != 200 {
		t.Errorf("it reaches %q; unsigned requests give %d", answers, unsigned)
	}
}

// TestServicesThatNaruHasNot are refused by name, unless they are let through, and
// functions' own variables win.
func TestServicesThatNaruHasNot(t *testing.T) {
	t.Parallel()
	const code = `
const https = require('https');
const ask = (host) => new Promise((told) => {
  const lookup = (name, options, done) => done(new Error('looks for ' + name));
  https.get({ host, lookup }, () => told('an answer')).on('error', (error) => told(error.message));
});
exports.handler = async () => {
  const shown = ['AWS_ENDPOINT_URL', 'AWS_ENDPOINT_URL_SQS', 'AWS_ENDPOINT_URL_LAMBDA'].map((name) => (process.env[name] ?? '').replace(process.env.NARU_ENDPOINT, 'Naru'));
  return [await ask('bucket.s3.us-east-1.amazonaws.com'), await ask('dynamodb.us-east-1.amazonaws.com'), ...shown];
};`
	refusal := func(service, host string) string {
		return fmt.Sprintf("Naru does not have the AWS service %q (host %s). To let requests for it through to AWS, start Naru with --passthrough %s.", service, host, service)
	}
	const bucket, tables, own = "bucket.s3.us-east-1.amazonaws.com", "dynamodb.us-east-1.amazonaws.com", "http://127.0.0.1:1"
	for _, c := range []struct {
		flags []string
		want  []string
	}{
		{nil, []string{refusal("s3", bucket), refusal("dynamodb", tables), "Naru", own, "Naru"}},
		{[]string{"--passthrough", "s3"}, []string{"looks for " + bucket, refusal("dynamodb", tables), "", own, "Naru"}},
		{[]string{"--passthrough", "s3,dynamodb"}, []string{"looks for " + bucket, "looks for " + tables, "", own, "Naru"}},
	} {
		n := start(t, append(c.flags, "--sdk-dir", sdks(t))...)
		function(t, n, "asks", code, func(in *lambda.CreateFunctionInput) {
			in.Timeout = aws.Int32(60)
			in.Environment = &types.Environment{Variables: map[string]string{"AWS_ENDPOINT_URL_SQS": own}}
		})
		out := invoke(t, n, "asks", `{}`)
		var got []string
		if err := json.Unmarshal(out.Payload, &got); err != nil {
			t.Fatalf("%s: %v", out.Payload, err)
		}
		equal(t, strings.Join(c.flags, " "), got, c.want)
	}
}

// TestAPublishedExtension runs the extension of Sentry's layer, as published in
// @sentry/aws-serverless, beside a function that sends it envelopes.
func TestAPublishedExtension(t *testing.T) {
	t.Parallel()
	n := strict(t) // where the extension's port is nobody else's
	layer, err := n.user().lambda().PublishLayerVersion(background, &lambda.PublishLayerVersionInput{
		LayerName: aws.String("sentry"), Content: &types.LayerVersionContentInput{ZipFile: sentryLayer(t)},
	})
	if err != nil {
		t.Fatal(err)
	}
	const code = `
const send = async (dsn) => {
  const response = await fetch('http://localhost:9000/envelope', { method: 'POST', body: JSON.stringify({ dsn }) + '\n{}' });
  return response.status + ' ' + await response.text();
};
exports.handler = async () => [await send(process.env.SENTRY_DSN), await send('http://key@elsewhere/2')];`
	function(t, n, "watched", code, func(in *lambda.CreateFunctionInput) {
		in.Layers, in.Timeout = []string{*layer.LayerVersionArn}, aws.Int32(60)
		in.Environment = &types.Environment{Variables: map[string]string{"SENTRY_DSN": "http://key@127.0.0.1:1/1"}}
	})
	for range 3 { // it asks for the next event each time
		out := invoke(t, n, "watched", `{}`)
		if got := string(out.Payload); got != `["200 {}","403 {\"error\":\"DSN not allowed\"}"]` {
			t.Fatalf("it says %s\n%s", got, tail(t, out))
		}
	}
}

// sentryLayer returns a layer as Sentry builds it.
func sentryLayer(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for from, to := range map[string]string{"sentry-extension": "extensions/sentry-extension", "index.mjs": "sentry-extension/index.mjs"} {
		text, err := os.ReadFile(filepath.Join("../.tools/sentry/package/build/lambda-extension", from))
		if err != nil {
			t.Fatalf("%v: make test fetches it", err)
		}
		header := &zip.FileHeader{Name: to, Method: zip.Deflate}
		header.SetMode(0o755)
		f, err := z.CreateHeader(header)
		if err == nil {
			_, err = f.Write(text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestALogThatIsFlooded disturbs nobody else.
func TestALogThatIsFlooded(t *testing.T) {
	t.Parallel()
	n := start(t, "--sdk-dir", sdks(t))
	function(t, n, "flood", `const line = 'x'.repeat(999) + '\n';
exports.handler = async () => { for (let i = 0; i < 30000; i++) process.stdout.write(line); return 'done'; };`,
		func(in *lambda.CreateFunctionInput) { in.Timeout = aws.Int32(300) })
	function(t, n, "quiet", `exports.handler = async () => 'quiet';`, func(in *lambda.CreateFunctionInput) { in.Timeout = aws.Int32(60) })
	if _, err := n.user().lambda().Invoke(background, &lambda.InvokeInput{FunctionName: aws.String("flood"), InvocationType: types.InvocationTypeEvent}); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if out := invoke(t, n, "quiet", `{}`); string(out.Payload) != `"quiet"` {
			t.Errorf("meanwhile another function says %s", out.Payload)
		}
	}
	if out := invoke(t, n, "flood", `{}`); string(out.Payload) != `"done"` || len(tail(t, out)) > 4096 {
		t.Errorf("it says %s, and of its log %d bytes are told", out.Payload, len(tail(t, out)))
	}
}
