package test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"
)

// tell is code of functions that sends a text to the queue "told".
const tell = `
const tell = async (text) => {
  const reply = await fetch(process.env.AWS_ENDPOINT_URL, {
    method: 'POST',
    headers: { 'Content-Type': 'application/x-amz-json-1.0', 'X-Amz-Target': 'AmazonSQS.SendMessage' },
    body: JSON.stringify({ QueueUrl: '/000000000000/told', MessageBody: text }),
  });
  if (!reply.ok) throw new Error(await reply.text());
};
`

// tellInPython is the same in Python.
const tellInPython = `
import json, os, urllib.request

def tell(text):
    body = json.dumps({"QueueUrl": "/000000000000/told", "MessageBody": text}).encode()
    headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "AmazonSQS.SendMessage"}
    urllib.request.urlopen(urllib.request.Request(os.environ["AWS_ENDPOINT_URL"], body, headers)).read()
`

// A hand is what a function does with its event, in two languages.
type hand struct{ node, python string }

// inBoth runs a test with a function f that has tell, in each language.
func (h hand) inBoth(t *testing.T, test func(t *testing.T, s *works)) {
	t.Run("Node", func(t *testing.T) {
		s := newWorks(t)
		function(t, s.naru, "f", tell+h.node, nil)
		test(t, s)
	})
	t.Run("Python", func(t *testing.T) {
		s := newWorks(t)
		function(t, s.naru, "f", "", func(in *lambda.CreateFunctionInput) {
			in.Runtime, in.Handler = lambdatypes.RuntimePython311, aws.String("function.handler")
			in.Code = &lambdatypes.FunctionCode{ZipFile: zipped(t, "function.py", tellInPython+h.python)}
		})
		test(t, s)
	})
}

// A works is a Naru with the queue "told", to which functions tell what they
// were given.
type works struct {
	*naru
	t testing.TB
	*sqs.Client
	told []string
}

func newWorks(t testing.TB, flags ...string) *works {
	t.Helper()
	needNode(t)
	n := start(t, append([]string{"--allow-reset"}, flags...)...)
	s := &works{naru: n, t: t, Client: n.user().sqs()}
	s.queue("told", nil)
	return s
}

// queue makes a queue and returns its ARN.
func (s *works) queue(name string, attributes map[string]string) *string {
	s.t.Helper()
	if _, err := s.CreateQueue(background, &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes}); err != nil {
		s.t.Fatal(err)
	}
	return aws.String(sqsARN + name)
}

func urlOf(name string) *string { return aws.String("/" + account + "/" + name) }

// send sends messages to a queue, of a group if that is not "".
func (s *works) sendTo(name, group string, bodies ...string) {
	s.t.Helper()
	for _, body := range bodies {
		in := &sqs.SendMessageInput{QueueUrl: urlOf(name), MessageBody: &body}
		if group != "" {
			in.MessageGroupId, in.MessageDeduplicationId = &group, aws.String(strings.ReplaceAll(body, " ", "-"))
		}
		if _, err := s.SendMessage(background, in); err != nil {
			s.t.Fatal(err)
		}
	}
}

// hear takes what functions have told since, and returns all of it.
func (s *works) hear() []string {
	s.t.Helper()
	for {
		out, err := s.ReceiveMessage(background, &sqs.ReceiveMessageInput{QueueUrl: urlOf("told"), MaxNumberOfMessages: 10, VisibilityTimeout: 3600})
		if err != nil {
			s.t.Fatal(err)
		}
		for _, m := range out.Messages {
			s.told = append(s.told, *m.Body)
		}
		if len(out.Messages) == 0 {
			return s.told
		}
	}
}

// trigger has a queue trigger a function.
func (s *works) trigger(function string, queue *string, change func(*lambda.CreateEventSourceMappingInput)) *lambda.CreateEventSourceMappingOutput {
	s.t.Helper()
	in := &lambda.CreateEventSourceMappingInput{FunctionName: &function, EventSourceArn: queue}
	if change != nil {
		change(in)
	}
	m, err := s.user().lambda().CreateEventSourceMapping(background, in)
	if err != nil {
		s.t.Fatal(err)
	}
	return m
}

// figure returns a metric of a mapping, as operators see it.
func (s *works) figure(m *lambda.CreateEventSourceMappingOutput, name string) string {
	s.t.Helper()
	text := string(s.send(request{method: "GET", base: "http://" + s.admin, path: "/metrics"}).body)
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, fmt.Sprintf("naru_lambda_event_source_%s_total{mapping=%q} ", name, *m.UUID)); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// empty reports whether a queue has no messages, in flight or not.
func (s *works) empty(name string) bool {
	s.t.Helper()
	out, err := s.GetQueueAttributes(background, &sqs.GetQueueAttributesInput{QueueUrl: urlOf(name), AttributeNames: []types.QueueAttributeName{"All"}})
	if err != nil {
		s.t.Fatal(err)
	}
	return out.Attributes["ApproximateNumberOfMessages"] == "0" && out.Attributes["ApproximateNumberOfMessagesNotVisible"] == "0"
}

func TestTheEventIsAsOnAWS(t *testing.T) {
	s := newWorks(t)
	function(t, s.naru, "f", tell+`exports.handler = async (event) => { await tell(JSON.stringify(event)); };`, nil)
	s.trigger("f", s.queue("q", nil), nil)
	sent, err := s.SendMessage(background, &sqs.SendMessageInput{
		QueueUrl: urlOf("q"), MessageBody: aws.String(`{"a": "é"}`),
		MessageAttributes:       map[string]types.MessageAttributeValue{"b": {DataType: aws.String("Binary"), BinaryValue: []byte{1}}, "n": {DataType: aws.String("Number"), StringValue: aws.String("5")}},
		MessageSystemAttributes: map[string]types.MessageSystemAttributeValue{"AWSTraceHeader": {DataType: aws.String("String"), StringValue: aws.String("Root=1-5759e988-bd862e3fe1be46a994272793")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the function tells of its event", func() bool { return len(s.hear()) == 1 })
	var event struct{ Records []map[string]any }
	if err := json.Unmarshal([]byte(s.told[0]), &event); err != nil || len(event.Records) != 1 {
		t.Fatalf("%s: %v", s.told[0], err)
	}
	record := event.Records[0]
	if handle, _ := record["receiptHandle"].(string); len(handle) < 20 {
		t.Errorf("the receipt handle is %q", handle)
	}
	attributes, _ := record["attributes"].(map[string]any)
	for _, name := range []string{"SentTimestamp", "ApproximateFirstReceiveTimestamp"} {
		text, _ := attributes[name].(string)
		if ms, err := strconv.ParseInt(text, 10, 64); err != nil || time.Since(time.UnixMilli(ms)).Abs() > time.Hour {
			t.Errorf("%s is %q", name, text)
		}
		delete(attributes, name)
	}
	delete(record, "receiptHandle")
	delete(attributes, "SenderId")
	want := map[string]any{
		"messageId": *sent.MessageId, "body": `{"a": "é"}`, "md5OfBody": *sent.MD5OfMessageBody, "md5OfMessageAttributes": *sent.MD5OfMessageAttributes,
		"attributes":        map[string]any{"ApproximateReceiveCount": "1", "AWSTraceHeader": "Root=1-5759e988-bd862e3fe1be46a994272793"},
		"messageAttributes": map[string]any{"b": attribute("binaryValue", "AQ==", "Binary"), "n": attribute("stringValue", "5", "Number")},
		"eventSource":       "aws:sqs", "eventSourceARN": sqsARN + "q", "awsRegion": "us-east-1",
	}
	if diff := cmp.Diff(want, record); diff != "" {
		t.Error(diff)
	}
	eventually(t, "the message is deleted", func() bool { return s.empty("q") })
}

func attribute(member, value, kind string) map[string]any {
	return map[string]any{member: value, "stringListValues": []any{}, "binaryListValues": []any{}, "dataType": kind}
}

// Messages that always fail end in the dead-letter queue after as many receives
// as the queue allows; the others of their batches are worked off once.
func TestPoisonedMessagesAreDeadLettered(t *testing.T) {
	hand{`
exports.handler = async (event) => {
  const failures = [];
  for (const r of event.Records) {
    await tell(r.body + ' ' + r.attributes.ApproximateReceiveCount);
    if (r.body.startsWith('poison')) failures.push({ itemIdentifier: r.messageId });
  }
  return { batchItemFailures: failures };
};`, `
def handler(event, context):
    for r in event["Records"]:
        tell(r["body"] + " " + r["attributes"]["ApproximateReceiveCount"])
    return {"batchItemFailures": [{"itemIdentifier": r["messageId"]} for r in event["Records"] if r["body"].startswith("poison")]}
`}.inBoth(t, poison)
}

func poison(t *testing.T, s *works) {
	s.queue("dead", nil)
	queue := s.queue("q", map[string]string{"VisibilityTimeout": "60", "RedrivePolicy": `{"deadLetterTargetArn":"` + sqsARN + `dead","maxReceiveCount":"3"}`})
	m := s.trigger("f", queue, func(in *lambda.CreateEventSourceMappingInput) {
		in.FunctionResponseTypes = []lambdatypes.FunctionResponseType{lambdatypes.FunctionResponseTypeReportBatchItemFailures}
	})
	s.sendTo("q", "", "good 1", "poison 1", "good 2", "poison 2", "good 3")
	for _, failed := range []string{"2", "4", "6"} { // each time those that fail are there again
		eventually(t, failed+" have failed, and the good ones are deleted", func() bool { return s.figure(m, "failed_invoke") == failed && s.figure(m, "deleted") == "3" })
		s.advance("61s")
	}
	var dead []string
	eventually(t, "the poisoned ones are dead", func() bool {
		out, err := s.ReceiveMessage(background, &sqs.ReceiveMessageInput{QueueUrl: urlOf("dead"), MaxNumberOfMessages: 10, VisibilityTimeout: 3600})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range out.Messages {
			dead = append(dead, *m.Body)
		}
		return len(dead) == 2
	})
	slices.Sort(dead)
	told := s.hear()
	slices.Sort(told)
	want := []string{"good 1 1", "good 2 1", "good 3 1", "poison 1 1", "poison 1 2", "poison 1 3", "poison 2 1", "poison 2 2", "poison 2 3"}
	if !slices.Equal(dead, []string{"poison 1", "poison 2"}) || !slices.Equal(told, want) {
		t.Errorf("dead are %q; told was %q", dead, told)
	}
	if !s.empty("q") {
		t.Error("the queue is not empty")
	}
}

// A group stays in order whatever fails, and no other group waits for it.
func TestAGroupStaysInOrderWhateverFails(t *testing.T) {
	hand{`
exports.handler = async (event) => {
  for (const r of event.Records) {
    await tell(r.body);
    if (r.body === 'a 2' && r.attributes.ApproximateReceiveCount < 3) throw new Error('not yet');
  }
};`, `
def handler(event, context):
    for r in event["Records"]:
        tell(r["body"])
        if r["body"] == "a 2" and int(r["attributes"]["ApproximateReceiveCount"]) < 3:
            raise ValueError("not yet")
`}.inBoth(t, stayInOrder)
}

func stayInOrder(t *testing.T, s *works) {
	queue := s.queue("q.fifo", map[string]string{"FifoQueue": "true", "VisibilityTimeout": "60"})
	m := s.trigger("f", queue, func(in *lambda.CreateEventSourceMappingInput) { in.BatchSize = aws.Int32(1) })
	for i := range 5 {
		for _, g := range []string{"a", "b"} {
			s.sendTo("q.fifo", g, fmt.Sprintf("%s %d", g, i))
		}
	}
	of := func(group string) (own []string) {
		for _, text := range s.hear() {
			if strings.HasPrefix(text, group) {
				own = append(own, text)
			}
		}
		return own
	}
	eventually(t, "the other group is worked off", func() bool { return s.figure(m, "deleted") == "7" && s.figure(m, "failed_invoke") == "1" })
	if got := of("a"); !slices.Equal(got, []string{"a 0", "a 1", "a 2"}) {
		t.Errorf("until then the failing group has got %q", got)
	}
	s.advance("61s")
	eventually(t, "the failing message is tried again", func() bool { return s.figure(m, "failed_invoke") == "2" })
	s.advance("61s")
	eventually(t, "the failing group is worked off", func() bool { return s.empty("q.fifo") })
	if got := of("a"); !slices.Equal(got, []string{"a 0", "a 1", "a 2", "a 2", "a 2", "a 3", "a 4"}) {
		t.Errorf("the failing group has got %q", got)
	}
	if got := of("b"); !slices.Equal(got, []string{"b 0", "b 1", "b 2", "b 3", "b 4"}) {
		t.Errorf("the other group has got %q", got)
	}
}

// A batch that fails in part stays in the order of its group if the function
// reports all that come after the first that fails.
func TestPartsOfAGroupStayInOrder(t *testing.T) {
	hand{`
exports.handler = async (event) => {
  let failed = false;
  const failures = [];
  for (const r of event.Records) {
    if (!failed) await tell(r.body);
    failed ||= r.body === '2' && r.attributes.ApproximateReceiveCount < 2;
    if (failed) failures.push({ itemIdentifier: r.messageId });
  }
  return { batchItemFailures: failures };
};`, `
def handler(event, context):
    failures = []
    for r in event["Records"]:
        if not failures:
            tell(r["body"])
        if failures or r["body"] == "2" and int(r["attributes"]["ApproximateReceiveCount"]) < 2:
            failures.append({"itemIdentifier": r["messageId"]})
    return {"batchItemFailures": failures}
`}.inBoth(t, failInParts)
}

func failInParts(t *testing.T, s *works) {
	queue := s.queue("q.fifo", map[string]string{"FifoQueue": "true", "VisibilityTimeout": "60"})
	s.sendTo("q.fifo", "a", "0", "1", "2", "3", "4", "5")
	m := s.trigger("f", queue, func(in *lambda.CreateEventSourceMappingInput) {
		in.FunctionResponseTypes = []lambdatypes.FunctionResponseType{lambdatypes.FunctionResponseTypeReportBatchItemFailures}
	})
	eventually(t, "the rest has failed", func() bool { return s.figure(m, "failed_invoke") == "4" && s.figure(m, "deleted") == "2" })
	s.advance("61s")
	eventually(t, "all are worked off", func() bool { return s.empty("q.fifo") })
	if told := s.hear(); !slices.Equal(told, []string{"0", "1", "2", "2", "3", "4", "5"}) {
		t.Errorf("told was %q", told)
	}
}

func TestWindowsAndFilters(t *testing.T) {
	hand{
		`exports.handler = async (event) => { await tell(event.Records.map((r) => JSON.parse(r.body).n).sort().join()); };`,
		`
def handler(event, context):
    tell(",".join(str(n) for n in sorted(json.loads(r["body"])["n"] for r in event["Records"])))
`}.inBoth(t, windowAndFilter)
}

func windowAndFilter(t *testing.T, s *works) {
	s.trigger("f", s.queue("q", nil), func(in *lambda.CreateEventSourceMappingInput) {
		in.BatchSize, in.MaximumBatchingWindowInSeconds = aws.Int32(100), aws.Int32(10)
		in.FilterCriteria = &lambdatypes.FilterCriteria{Filters: []lambdatypes.Filter{{Pattern: aws.String(`{"body":{"n":[{"numeric":["<",5]}]}}`)}}}
	})
	for i := range 8 {
		s.sendTo("q", "", fmt.Sprintf(`{"n":%d}`, i))
	}
	eventually(t, "what is not wanted is deleted", func() bool {
		out, err := s.GetQueueAttributes(background, &sqs.GetQueueAttributesInput{QueueUrl: urlOf("q"), AttributeNames: []types.QueueAttributeName{"All"}})
		if err != nil {
			t.Fatal(err)
		}
		return out.Attributes["ApproximateNumberOfMessagesNotVisible"] == "5" && out.Attributes["ApproximateNumberOfMessages"] == "0"
	})
	if told := s.hear(); len(told) != 0 {
		t.Errorf("before the window is over it was told %q", told)
	}
	s.advance("11s")
	eventually(t, "the function gets the rest", func() bool { return len(s.hear()) == 1 })
	if !slices.Equal(s.told, []string{"0,1,2,3,4"}) {
		t.Errorf("told was %q", s.told)
	}
}

// What a role may not do any more a trigger does not, and it says so.
func TestARevokedPermissionStopsATrigger(t *testing.T) {
	s := newWorks(t)
	user := s.user().iam()
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	if _, err := user.CreateRole(background, &iam.CreateRoleInput{RoleName: aws.String("worker"), AssumeRolePolicyDocument: &trust}); err != nil {
		t.Fatal(err)
	}
	allow := func(actions string) {
		t.Helper()
		text := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":` + actions + `,"Resource":"*"}]}`
		if _, err := user.PutRolePolicy(background, &iam.PutRolePolicyInput{RoleName: aws.String("worker"), PolicyName: aws.String("p"), PolicyDocument: &text}); err != nil {
			t.Fatal(err)
		}
	}
	allow(`["sqs:ReceiveMessage","sqs:GetQueueAttributes"]`)
	function(t, s.naru, "f", tell+`exports.handler = async (event) => { await tell(event.Records[0].body); };`, func(in *lambda.CreateFunctionInput) { in.Role = aws.String(roleARN("worker")) })
	queue := s.queue("q", nil)
	in := &lambda.CreateEventSourceMappingInput{FunctionName: aws.String("f"), EventSourceArn: queue}
	const denied = "The provided execution role does not have permissions to call DeleteMessage on SQS"
	if _, err := s.user().lambda().CreateEventSourceMapping(background, in); err == nil || !strings.Contains(err.Error(), denied) {
		t.Errorf("without a permission: %v", err)
	}
	allow(`["sqs:ReceiveMessage","sqs:GetQueueAttributes","sqs:DeleteMessage","sqs:SendMessage"]`)
	m := s.trigger("f", queue, nil)
	s.sendTo("q", "", "1")
	eventually(t, "it is triggered", func() bool { return len(s.hear()) == 1 && s.empty("q") })
	allow(`["sqs:SendMessage","sqs:GetQueueAttributes","sqs:DeleteMessage"]`)
	s.sendTo("q", "", "2")
	result := func() string {
		out, err := s.user().lambda().GetEventSourceMapping(background, &lambda.GetEventSourceMappingInput{UUID: m.UUID})
		if err != nil {
			t.Fatal(err)
		}
		return aws.ToString(out.LastProcessingResult)
	}
	eventually(t, "it says what it lacks", func() bool { return strings.Contains(result(), "permissions to call ReceiveMessage on SQS") })
	allow(`"sqs:*"`)
	eventually(t, "it is triggered again", func() bool { s.advance("1s"); return len(s.hear()) == 2 && result() == "" })
	if !strings.Contains(s.log.text(), "a trigger does not receive") {
		t.Error("the log does not say so")
	}
}
