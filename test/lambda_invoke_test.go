package test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

func TestWhatFunctionsDoWrongIsTold(t *testing.T) {
	needNode(t)
	n := start(t)
	function(t, n, "f", `
		exports.handler = async (event) => {
			switch (event) {
			case 'throw': throw new TypeError('wrong');
			case 'exit 3': process.exit(3);
			case 'exit 0': process.exit(0);
			case 'large': return 'x'.repeat(6291557);
			case 'nothing': return;
			case 'hang': await new Promise((resolve) => setTimeout(resolve, 60000));
			}
			return event;
		};`, func(in *lambda.CreateFunctionInput) { in.Timeout = aws.Int32(1) })
	for event, want := range map[string]string{
		"throw":  `{"errorType":"TypeError","errorMessage":"wrong","trace":[`,
		"exit 3": `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ID Error: Runtime exited with error: exit status 3"}`,
		"exit 0": `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ID Error: Runtime exited without providing a reason"}`,
		"large":  `{"errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes).","errorType":"Function.ResponseSizeTooLarge"}`,
		"hang":   `{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: ID Error: Task timed out after 1.00 seconds"}`,
	} {
		out := invoke(t, n, "f", fmt.Sprintf("%q", event))
		id, _, _ := strings.Cut(strings.SplitN(tail(t, out), "RequestId: ", 2)[1], "\t")
		id, _, _ = strings.Cut(id, " ")
		id, _, _ = strings.Cut(id, "\n")
		if got := strings.ReplaceAll(string(out.Payload), id, "ID"); !strings.HasPrefix(got, want) || aws.ToString(out.FunctionError) != "Unhandled" || out.StatusCode != 200 {
			t.Errorf("%s: %d %s", event, out.StatusCode, got)
		}
	}
	for event, want := range map[string]string{"nothing": "null", "fine": `"fine"`} {
		if out := invoke(t, n, "f", fmt.Sprintf("%q", event)); string(out.Payload) != want || out.FunctionError != nil {
			t.Errorf("%s: %s", event, out.Payload)
		}
	}
}

func TestResponsesAreStreamed(t *testing.T) {
	needNode(t)
	n := start(t)
	function(t, n, "f", `
		exports.handler = awslambda.streamifyResponse(async (event, stream) => {
			stream.write('one ');
			stream.write(JSON.stringify(event));
			if (event.fail) throw new Error('in between');
			stream.end();
		});`, nil)
	function(t, n, "plain", "exports.handler = async () => 'plain';", nil)
	for _, c := range []struct{ name, event, want, code string }{
		{"f", `{"a":1}`, `one {"a":1}`, ""}, {"f", `{"fail":true}`, `one {"fail":true}`, "Error"}, {"plain", "{}", `"plain"`, ""},
	} {
		out, err := n.user().lambda().InvokeWithResponseStream(background, &lambda.InvokeWithResponseStreamInput{
			FunctionName: &c.name, Payload: []byte(c.event), LogType: types.LogTypeTail,
		})
		if err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		code, log := "none", ""
		for event := range out.GetStream().Events() {
			switch e := event.(type) {
			case *types.InvokeWithResponseStreamResponseEventMemberPayloadChunk:
				got.Write(e.Value.Payload)
			case *types.InvokeWithResponseStreamResponseEventMemberInvokeComplete:
				code, log = aws.ToString(e.Value.ErrorCode), aws.ToString(e.Value.LogResult)
			}
		}
		if err := errors.Join(out.GetStream().Err(), out.GetStream().Close()); err != nil || got.String() != c.want || code != c.code || log == "" {
			t.Errorf("%s %s: %q, %q, log %q, %v", c.name, c.event, got.String(), code, log, err)
		}
	}
	if out := invoke(t, n, "f", "{}"); string(out.Payload) != "one {}" {
		t.Errorf("without a stream: %s", out.Payload)
	}
}

func TestAFunctionThatInvokesItselfIsStopped(t *testing.T) {
	needNode(t)
	n := start(t)
	function(t, n, "f", `
		const http = require('http');
		exports.handler = async (event) => new Promise((resolve) => {
			const url = new URL('/2015-03-31/functions/f/invocations', process.env.AWS_ENDPOINT_URL);
			const headers = { 'X-Amzn-Trace-Id': process.env._X_AMZN_TRACE_ID }; // as SDKs do
			http.request(url, { method: 'POST', headers }, (r) => {
				let text = '';
				r.on('data', (d) => text += d);
				r.on('end', () => resolve(r.statusCode === 200 ? { deep: JSON.parse(text).deep + 1 } : { deep: 1, error: text }));
			}).end('{}');
		});`, func(in *lambda.CreateFunctionInput) { in.Timeout, in.MemorySize = aws.Int32(60), aws.Int32(128) })
	var got struct{ Deep int }
	out := invoke(t, n, "f", "{}")
	if err := json.Unmarshal(out.Payload, &got); err != nil || got.Deep != 16 {
		t.Errorf("it went %s, %v", out.Payload, err)
	}
}

func TestCodeInAFolderIsReloaded(t *testing.T) {
	needNode(t)
	root := t.TempDir()
	n := start(t, "--hot-reload", root)
	folder := filepath.Join(root, "app")
	write := func(name, text string) {
		t.Helper()
		if err := errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(folder, name)), 0o755), os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	write("index.js", "exports.handler = async () => require('./lib/text.js');")
	write("lib/text.js", "module.exports = 'one';")
	code := func(path string) *types.FunctionCode {
		return &types.FunctionCode{S3Bucket: aws.String("hot-reload"), S3Key: &path}
	}
	function(t, n, "f", "", func(in *lambda.CreateFunctionInput) { in.Code = code(folder) })
	answers := func(want string) func() bool {
		return func() bool { return string(invoke(t, n, "f", "{}").Payload) == want }
	}
	if !answers(`"one"`)() {
		t.Fatal("the code does not run")
	}
	write("lib/text.js", "module.exports = 'two';")
	eventually(t, "a changed file is reloaded", answers(`"two"`))
	write("more/deep.js", "module.exports = 'three';")
	write("lib/text.js", "module.exports = require('../more/deep.js');")
	eventually(t, "a new folder is used", answers(`"three"`))
	write("more/deep.js", "module.exports = 'four';")
	eventually(t, "a file in a new folder is reloaded", answers(`"four"`))

	if err := os.Symlink("/", filepath.Join(root, "out")); err != nil {
		t.Fatal(err)
	}
	for what, path := range map[string]string{
		"outside": os.TempDir(), "a way out": filepath.Join(root, "out"), "dots": root + "/../x", "relative": "app", "missing": filepath.Join(root, "no"),
	} {
		_, err := n.user().lambda().UpdateFunctionCode(background, &lambda.UpdateFunctionCodeInput{FunctionName: aws.String("f"), S3Bucket: aws.String("hot-reload"), S3Key: &path})
		var refused *types.InvalidParameterValueException
		if !errors.As(err, &refused) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestNarusOwnDataIsNoCode(t *testing.T) {
	dir := t.TempDir()
	n := start(t, "--hot-reload", dir, "--data", filepath.Join(dir, "data"))
	n.data = filepath.Join(dir, "data")
	for _, path := range []string{dir, n.data, filepath.Join(n.data, "blobs")} {
		_, err := n.user().lambda().CreateFunction(background, &lambda.CreateFunctionInput{
			FunctionName: aws.String("f"), Role: &anyRole, Runtime: types.RuntimeNodejs20x, Handler: aws.String("index.handler"),
			Code: &types.FunctionCode{S3Bucket: aws.String("hot-reload"), S3Key: &path},
		})
		if err == nil || !strings.Contains(err.Error(), "Naru keeps data in it") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// visit sends a request to a function's URL: whose host is a name that leads
// here, which not every system knows.
func visit(t *testing.T, n *naru, functionURL string, change func(*http.Request)) reply {
	t.Helper()
	u, err := url.Parse(functionURL)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequest("GET", n.endpoint+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = u.Host
	change(r)
	answer, err := n.exchange(r)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func TestFunctionsHaveURLs(t *testing.T) {
	needNode(t)
	n := start(t)
	function(t, n, "f", `
		exports.handler = async (event) => {
			if (event.rawPath === '/fail') throw new Error('no');
			if (event.rawPath === '/plain') return { path: event.rawPath };
			return { statusCode: '201', headers: { 'X-Own': 'a', 'Content-Type': 'text/plain' }, cookies: ['a=1', 'b=2'],
				body: Buffer.from(JSON.stringify(event)).toString('base64'), isBase64Encoded: true };
		};`, nil)
	create := func(change func(*lambda.CreateFunctionUrlConfigInput)) string {
		t.Helper()
		in := &lambda.CreateFunctionUrlConfigInput{FunctionName: aws.String("f"), AuthType: types.FunctionUrlAuthTypeNone}
		change(in)
		out, err := n.user().lambda().CreateFunctionUrlConfig(background, in)
		if err != nil {
			t.Fatal(err)
		}
		return *out.FunctionUrl
	}
	open := create(func(in *lambda.CreateFunctionUrlConfigInput) {
		in.Cors = &types.Cors{AllowOrigins: []string{"https://page.example"}, AllowMethods: []string{"*"}, AllowCredentials: aws.Bool(true)}
	})
	if port := n.endpoint[strings.LastIndex(n.endpoint, ":"):]; !strings.HasSuffix(open, ".lambda-url.localhost"+port+"/") {
		t.Errorf("the URL is %s", open)
	}
	r := visit(t, n, open, func(r *http.Request) {
		r.Method = "POST"
		r.URL.Path, r.URL.RawQuery = "/a/b", "x=1&x=2&y=%20"
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Cookie", "c=1; d=2")
		r.Header.Set("Origin", "https://page.example")
		r.Body = io.NopCloser(strings.NewReader(`{"in":1}`))
	})
	var event struct {
		Version, RawPath, RawQueryString, Body string
		Cookies                                []string
		QueryStringParameters                  map[string]string
		RequestContext                         struct {
			AccountID, DomainPrefix, Stage string
			HTTP                           struct{ Method, Path, SourceIP string }
		}
		IsBase64Encoded bool
	}
	if err := json.Unmarshal(r.body, &event); err != nil {
		t.Fatalf("%v: %v", r, err)
	}
	if r.status != 201 || r.header.Get("X-Own") != "a" || len(r.header.Values("Set-Cookie")) != 2 || r.header.Get("Access-Control-Allow-Origin") != "https://page.example" {
		t.Errorf("the reply is %d %v", r.status, r.header)
	}
	if event.Version != "2.0" || event.RawPath != "/a/b" || event.Body != `{"in":1}` || event.QueryStringParameters["x"] != "1,2" || event.QueryStringParameters["y"] != " " ||
		len(event.Cookies) != 2 || event.RequestContext.HTTP.Method != "POST" || event.RequestContext.AccountID != "anonymous" || event.IsBase64Encoded {
		t.Errorf("the event is %+v", event)
	}
	path := func(p string) func(*http.Request) { return func(r *http.Request) { r.URL.Path = p } }
	if r := visit(t, n, open, path("/plain")); r.status != 200 || string(r.body) != `{"path":"/plain"}` || r.header.Get("Content-Type") != "application/json" {
		t.Errorf("a plain response: %v %v", r, r.header)
	}
	if r := visit(t, n, open, path("/fail")); r.status != 502 || string(r.body) != "Internal Server Error" {
		t.Errorf("a failure: %v", r)
	}
	for _, own := range []string{"/_naru/console/", "/_naru/health", "/2015-03-31/functions"} {
		if r := visit(t, n, open, path(own)); r.status != 201 {
			t.Errorf("%s at a function's host: %v", own, r)
		}
	}
	preflight := visit(t, n, open, func(r *http.Request) {
		r.Method = "OPTIONS"
		r.Header.Set("Origin", "https://page.example")
		r.Header.Set("Access-Control-Request-Method", "PUT")
		r.Header.Set("Sec-Fetch-Site", "cross-site")
	})
	if preflight.status != 200 || preflight.header.Get("Access-Control-Allow-Methods") != "*" {
		t.Errorf("the preflight: %v %v", preflight, preflight.header)
	}
	if r := visit(t, n, "http://"+strings.Repeat("a", 32)+".lambda-url.localhost/", path("/")); r.status != 404 {
		t.Errorf("no URL: %v", r)
	}
}

func TestAURLThatMustBeSignedFor(t *testing.T) {
	needNode(t)
	n := start(t)
	function(t, n, "f", "exports.handler = async (event) => event.requestContext.authorizer.iam.accessKey;", nil)
	out, err := n.user().lambda().CreateFunctionUrlConfig(background, &lambda.CreateFunctionUrlConfigInput{FunctionName: aws.String("f"), AuthType: types.FunctionUrlAuthTypeAwsIam})
	if err != nil {
		t.Fatal(err)
	}
	if r := visit(t, n, *out.FunctionUrl, func(*http.Request) {}); r.status != 403 || string(r.body) != `{"Message":"Forbidden"}` {
		t.Errorf("unsigned: %v", r)
	}
	signed := visit(t, n, *out.FunctionUrl, func(r *http.Request) { n.of(account).sign(t, r, nil, "lambda", time.Now()) })
	if signed.status != 200 || string(signed.body) != `"`+account+`"` {
		t.Errorf("signed: %v", signed)
	}
}

func TestURLsStream(t *testing.T) {
	needNode(t)
	n := start(t)
	function(t, n, "f", `
		exports.handler = awslambda.streamifyResponse(async (event, stream) => {
			if (event.rawPath === '/http') stream = awslambda.HttpResponseStream.from(stream, { statusCode: 202, headers: { 'X-Own': 'a' }, cookies: ['a=1'] });
			else stream.setContentType('text/plain');
			stream.write('one ');
			stream.end('two');
		});`, nil)
	for _, mode := range []types.InvokeMode{types.InvokeModeResponseStream, types.InvokeModeBuffered} {
		c := n.user().lambda()
		out, err := c.CreateFunctionUrlConfig(background, &lambda.CreateFunctionUrlConfigInput{FunctionName: aws.String("f"), AuthType: types.FunctionUrlAuthTypeNone, InvokeMode: mode})
		if err != nil {
			t.Fatal(err)
		}
		if r := visit(t, n, *out.FunctionUrl, func(r *http.Request) { r.URL.Path = "/http" }); r.status != 202 || string(r.body) != "one two" || r.header.Get("X-Own") != "a" || r.header.Get("Set-Cookie") != "a=1" {
			t.Errorf("%s, with a prelude: %v %v", mode, r, r.header)
		}
		if r := visit(t, n, *out.FunctionUrl, func(*http.Request) {}); r.status != 200 || string(r.body) != "one two" || r.header.Get("Content-Type") != "text/plain" {
			t.Errorf("%s, without: %v %v", mode, r, r.header)
		}
		if _, err := c.DeleteFunctionUrlConfig(background, &lambda.DeleteFunctionUrlConfigInput{FunctionName: aws.String("f")}); err != nil {
			t.Fatal(err)
		}
	}
}

// What became of an event reaches a bus, and by its rule a queue.
func TestDestinationsReachEventBuses(t *testing.T) {
	needNode(t)
	n := start(t)
	told := openQueue(t, n, "told")
	bus, err := n.user().events().CreateEventBus(background, &eventbridge.CreateEventBusInput{Name: aws.String("results")})
	if err != nil {
		t.Fatal(err)
	}
	eventRule(t, n, "results", "all", "lambda", eventTarget(told))
	function(t, n, "f", "exports.handler = async (event) => { if (event.bad) throw new Error('bad'); return 'good'; };", nil)
	c := n.user().lambda()
	_, err = c.PutFunctionEventInvokeConfig(background, &lambda.PutFunctionEventInvokeConfigInput{
		FunctionName: aws.String("f"), MaximumRetryAttempts: aws.Int32(0), DestinationConfig: &types.DestinationConfig{
			OnSuccess: &types.OnSuccess{Destination: bus.EventBusArn}, OnFailure: &types.OnFailure{Destination: bus.EventBusArn},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, payload := range []string{`{"good":1}`, `{"bad":1}`} {
		if _, err := c.Invoke(background, &lambda.InvokeInput{FunctionName: aws.String("f"), InvocationType: types.InvocationTypeEvent, Payload: []byte(payload)}); err != nil {
			t.Fatal(err)
		}
	}
	got := map[string]string{}
	for len(got) < 2 {
		for _, m := range taken(t, n, "told") {
			var event struct {
				DetailType string `json:"detail-type"`
				Source     string
				Resources  []string
				Detail     struct{ RequestPayload json.RawMessage }
			}
			if err := json.Unmarshal([]byte(*m.Body), &event); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(event.Resources, []string{*bus.EventBusArn, "arn:aws:lambda:us-east-1:" + account + ":function:f:$LATEST"}) {
				t.Errorf("the event is about %q", event.Resources)
			}
			got[event.DetailType] = string(event.Detail.RequestPayload)
		}
	}
	want := map[string]string{
		"Lambda Function Invocation Result - Success": `{"good":1}`,
		"Lambda Function Invocation Result - Failure": `{"bad":1}`,
	}
	if !maps.Equal(got, want) {
		t.Errorf("there are events %q", got)
	}
}

func TestDestinationsAndDeadLettersReachQueues(t *testing.T) {
	needNode(t)
	n := start(t, "--allow-reset")
	q := n.user().sqs()
	queue := func(name string) (string, string) {
		t.Helper()
		out, err := q.CreateQueue(background, &sqs.CreateQueueInput{QueueName: &name})
		if err != nil {
			t.Fatal(err)
		}
		return *out.QueueUrl, "arn:aws:sqs:us-east-1:" + account + ":" + name
	}
	done, doneARN := queue("done")
	dead, deadARN := queue("dead")
	function(t, n, "f", "exports.handler = async (event) => { if (event.bad) throw new Error('bad'); return 'good'; };", func(in *lambda.CreateFunctionInput) {
		in.DeadLetterConfig = &types.DeadLetterConfig{TargetArn: &deadARN}
	})
	c := n.user().lambda()
	_, err := c.PutFunctionEventInvokeConfig(background, &lambda.PutFunctionEventInvokeConfigInput{
		FunctionName: aws.String("f"), MaximumRetryAttempts: aws.Int32(0), DestinationConfig: &types.DestinationConfig{OnSuccess: &types.OnSuccess{Destination: &doneARN}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, payload := range []string{`{"good":1}`, `{"bad":1}`} {
		if _, err := c.Invoke(background, &lambda.InvokeInput{FunctionName: aws.String("f"), InvocationType: types.InvocationTypeEvent, Payload: []byte(payload)}); err != nil {
			t.Fatal(err)
		}
	}
	receive := func(url string) *sqs.ReceiveMessageOutput {
		t.Helper()
		out, err := q.ReceiveMessage(background, &sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 20, MessageAttributeNames: []string{"All"}})
		if err != nil || len(out.Messages) != 1 {
			t.Fatalf("received %+v, %v", out, err)
		}
		return out
	}
	if body := *receive(done).Messages[0].Body; !strings.Contains(body, `"condition":"Success"`) || !strings.Contains(body, `"responsePayload":"good"`) {
		t.Errorf("the record is %s", body)
	}
	letter := receive(dead).Messages[0]
	attributes := letter.MessageAttributes
	if *letter.Body != `{"bad":1}` || *attributes["ErrorCode"].StringValue != "200" || *attributes["ErrorCode"].DataType != "Number" || *attributes["ErrorMessage"].StringValue != "bad" {
		t.Errorf("the dead letter is %s with %+v", *letter.Body, attributes)
	}
}
