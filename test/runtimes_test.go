package test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// A language is one that the same function is written in.
type language struct {
	name    string
	runtime types.Runtime
	handler string
	code    func(t *testing.T) []byte
	fails   string // the payload when it throws; stacks left out
	hog     string // what the log says when it has used up its memory
	sdk     bool   // it lists queues by an SDK that it does not bring along
}

var languages = []language{
	{"NodeCommonJS", types.RuntimeNodejs20x, "index.handler", textCode("index.js"), `{"errorType":"TypeError","errorMessage":"wrong"}`, "", true},
	{"NodeModule", types.RuntimeNodejs20x, "index.handler", textCode("index.mjs"), `{"errorType":"TypeError","errorMessage":"wrong"}`, "", true},
	{"Python", types.RuntimePython311, "function.handler", textCode("function.py"), `{"errorMessage": "wrong", "errorType": "ValueError"}`, "", true},
	{"Ruby", "ruby3.3", "function.handler", textCode("function.rb"), `{"errorMessage":"wrong","errorType":"Function<ArgumentError>"}`, "", false},
	{"Java", types.RuntimeJava17, "Handler", javaCode, `{"errorMessage":"wrong","errorType":"java.lang.IllegalStateException"}`, "", false},
	{"Go", types.RuntimeProvidedal2023, "bootstrap", goCode, `{"errorMessage":"wrong","errorType":"errorString"}`, "", false},
}

// textCode is code of one file of testdata.
func textCode(file string) func(*testing.T) []byte {
	return func(t *testing.T) []byte { return zipped(t, file, functionText(t, file)) }
}

func functionText(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "functions", file))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// sdks is the folder that naru runtime install has filled.
func sdks(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../.tools/sdk")
	if err != nil {
		t.Fatal(err)
	}
	for _, kit := range []string{"nodejs", "python", "java"} {
		if _, err := os.Stat(filepath.Join(dir, kit, "installed")); err != nil {
			t.Fatalf("%v: make test installs it", err)
		}
	}
	return dir
}

// run runs a tool of the tests.
func tool(t *testing.T, dir string, argv ...string) {
	t.Helper()
	c := exec.Command(argv[0], argv[1:]...)
	c.Dir, c.Env = dir, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
}

func javaCode(t *testing.T) []byte {
	out := t.TempDir()
	tool(t, "testdata/functions/java", "javac", "--release", "17", "-cp", filepath.Join(sdks(t), "java", "*"), "-d", out, "Handler.java")
	class, err := os.ReadFile(filepath.Join(out, "Handler.class"))
	if err != nil {
		t.Fatal(err)
	}
	return zipped(t, "Handler.class", string(class))
}

func goCode(t *testing.T) []byte {
	out := filepath.Join(t.TempDir(), "bootstrap")
	tool(t, "testdata/functions/bootstrap", "go", "build", "-ldflags", "-s -w", "-o", out, ".")
	return executableZip(t, "bootstrap", out)
}

// executableZip returns a zip file of one program.
func executableZip(t *testing.T, name, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	header := &zip.FileHeader{Name: name, Method: zip.Deflate}
	header.SetMode(0o755)
	f, err := z.CreateHeader(header)
	if err == nil {
		_, err = f.Write(text)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// stacks are the parts of payloads that tell where an error was.
var stacks = regexp.MustCompile(`, ?"(trace|stackTrace|requestId|causedBy)": ?(\[[^\]]*\]|"[^"]*")`)

// TestTheSameFunctionInEveryLanguage shows what each runtime makes of a function
// that answers, fails, ends, takes too long and uses too much memory.
func TestTheSameFunctionInEveryLanguage(t *testing.T) {
	t.Parallel()
	n := start(t, "--sdk-dir", sdks(t))
	made, err := n.user().sqs().CreateQueue(background, &sqs.CreateQueueInput{QueueName: aws.String("failures")})
	if err != nil {
		t.Fatal(err)
	}
	layer, err := n.user().lambda().PublishLayerVersion(background, &lambda.PublishLayerVersionInput{
		LayerName: aws.String("texts"), Content: &types.LayerVersionContentInput{ZipFile: zipped(t, "text.txt", "of the layer")},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range languages {
		t.Run(l.name, func(t *testing.T) {
			function(t, n, l.name, "", func(in *lambda.CreateFunctionInput) {
				in.Runtime, in.Handler, in.Code = l.runtime, &l.handler, &types.FunctionCode{ZipFile: l.code(t)}
				in.Layers, in.Timeout, in.MemorySize = []string{*layer.LayerVersionArn}, aws.Int32(5), aws.Int32(256)
			})
			l.answers(t, n)
			l.goesWrong(t, n)
			l.byAliasURLAndEvent(t, n, *made.QueueUrl)
		})
	}
}

// answers are what the function gives when all is well.
func (l language) answers(t *testing.T, n *naru) {
	out := invoke(t, n, l.name, `{"value":"é"}`)
	var got struct{ Got any }
	if err := json.Unmarshal(out.Payload, &got); err != nil || got.Got != "é" || out.FunctionError != nil {
		t.Errorf("it answers %s, %v", out.Payload, out.FunctionError)
	}
	text := tail(t, out)
	id := ids.FindString(text)
	if !strings.Contains(text, "START RequestId: "+id) || !strings.Contains(text, "a line of "+id) || !strings.Contains(text, "REPORT RequestId: "+id) {
		t.Errorf("its log is %s", text)
	}
	out = invoke(t, n, l.name, `{"do":"layer"}`)
	if err := json.Unmarshal(out.Payload, &got); err != nil || got.Got != "of the layer" {
		t.Errorf("of the layer it sees %s", out.Payload)
	}
	if l.sdk {
		out = invoke(t, n, l.name, `{"do":"queues"}`)
		if err := json.Unmarshal(out.Payload, &got); err != nil || !strings.HasSuffix(fmt.Sprint(got.Got), "/failures]") {
			t.Errorf("by its SDK it sees %s", out.Payload)
		}
	}
}

// goesWrong are the ways in which a function can fail.
func (l language) goesWrong(t *testing.T, n *naru) {
	for _, c := range []struct{ do, payload, log string }{
		{"fail", l.fails, "Status: error"},
		{"crash", `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ID Error: Runtime exited with error: exit status 3"}`, "Error Type: Runtime.ExitError"},
		{"sleep", `{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: ID Error: Task timed out after 5.00 seconds"}`, "Task timed out after 5.00 seconds"},
		{"hog", "", "Status: error"},
	} {
		out := invoke(t, n, l.name, `{"do":"`+c.do+`"}`)
		got := stacks.ReplaceAllString(ids.ReplaceAllString(string(out.Payload), "ID"), "")
		if aws.ToString(out.FunctionError) != "Unhandled" || c.payload != "" && got != c.payload {
			t.Errorf("%s: %s\nwant %s", c.do, got, c.payload)
		}
		if c.do == "hog" && !l.outOfMemory(got) {
			t.Errorf("out of memory: %s", got)
		}
		if text := tail(t, out); !strings.Contains(text, c.log) {
			t.Errorf("%s: its log is %s", c.do, text)
		}
		if out = invoke(t, n, l.name, `{"value":"again"}`); out.FunctionError != nil {
			t.Errorf("after %s: %s", c.do, out.Payload)
		}
	}
}

var ids = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// outOfMemory reports whether a payload is what a function gives that uses more
// memory than it has: it is killed, or its language says that there is no more.
func (l language) outOfMemory(payload string) bool {
	return strings.Contains(payload, "Runtime exited with error: signal: killed") ||
		strings.Contains(payload, "signal: aborted") || strings.Contains(payload, "OutOfMemoryError")
}

// byAliasURLAndEvent are the other ways to invoke it.
func (l language) byAliasURLAndEvent(t *testing.T, n *naru, queue string) {
	client := n.user().lambda()
	published, err := client.PublishVersion(background, &lambda.PublishVersionInput{FunctionName: &l.name})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.CreateAlias(background, &lambda.CreateAliasInput{FunctionName: &l.name, Name: aws.String("live"), FunctionVersion: published.Version}); err != nil {
		t.Fatal(err)
	}
	if out := invoke(t, n, l.name+":live", `{"value":"alias"}`); out.FunctionError != nil || aws.ToString(out.ExecutedVersion) != "1" {
		t.Errorf("by its alias: %s, %v", out.Payload, out.ExecutedVersion)
	}
	url, err := client.CreateFunctionUrlConfig(background, &lambda.CreateFunctionUrlConfigInput{FunctionName: &l.name, AuthType: types.FunctionUrlAuthTypeNone})
	if err != nil {
		t.Fatal(err)
	}
	if status, body := n.visit(t, *url.FunctionUrl); status != 200 || !strings.HasPrefix(body, "{") {
		t.Errorf("by its URL: %d %s", status, body)
	}
	if _, err := client.PutFunctionEventInvokeConfig(background, &lambda.PutFunctionEventInvokeConfigInput{
		FunctionName: &l.name, MaximumRetryAttempts: aws.Int32(0),
		DestinationConfig: &types.DestinationConfig{OnFailure: &types.OnFailure{Destination: aws.String("arn:aws:sqs:us-east-1:000000000000:failures")}},
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Invoke(background, &lambda.InvokeInput{FunctionName: &l.name, InvocationType: types.InvocationTypeEvent, Payload: []byte(`{"do":"fail"}`)}); err != nil {
		t.Fatal(err)
	}
	received, err := n.user().sqs().ReceiveMessage(background, &sqs.ReceiveMessageInput{QueueUrl: &queue, WaitTimeSeconds: 20})
	if err != nil || len(received.Messages) != 1 {
		t.Fatalf("nothing was told of the failed event: %v", err)
	}
	var record struct {
		RequestContext  struct{ Condition, FunctionArn string }
		ResponsePayload struct{ ErrorMessage string }
	}
	if err := json.Unmarshal([]byte(*received.Messages[0].Body), &record); err != nil || record.RequestContext.Condition != "RetriesExhausted" ||
		record.ResponsePayload.ErrorMessage != "wrong" || !strings.Contains(record.RequestContext.FunctionArn, l.name) {
		t.Errorf("what was told is %s", *received.Messages[0].Body)
	}
	if _, err := n.user().sqs().DeleteMessage(background, &sqs.DeleteMessageInput{QueueUrl: &queue, ReceiptHandle: received.Messages[0].ReceiptHandle}); err != nil {
		t.Error(err)
	}
}

// visit gets a function's URL, whose name this machine need not know.
func (n *naru) visit(t *testing.T, url string) (int, string) {
	t.Helper()
	host := strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/")
	request, err := http.NewRequest("GET", n.endpoint+"/?value=x", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = host
	response, err := n.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}
