package test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

const (
	mappings = "/2015-03-31/event-source-mappings"
	sqsARN   = "arn:aws:sqs:us-east-1:" + account + ":"
	unknown  = mappings + "/01234567-0123-0123-0123-0123456789ab"
)

// mapBody is the body of a request for a mapping of a queue to a function, with
// more members.
func mapBody(function, queue, more string) string {
	return `{"FunctionName":"` + function + `","EventSourceArn":"SQS:` + queue + `"` + more + `}`
}

// recordedMappings says how AWS refuses mappings; those that are marked so, as
// it is known from elsewhere. There are the queue q, which triggers f by the
// mapping UUID, the queues free, hasty and ordered.fifo, and the function slow.
func recordedMappings() []lambdaError {
	refuse := func(what, body, message string) lambdaError {
		return lambdaError{what, "POST", mappings, body, 400, invalid, message, false}
	}
	pattern := func(text string) lambdaError {
		quoted, err := json.Marshal(text)
		if err != nil {
			panic(err) // a text
		}
		return refuse("the pattern "+text, mapBody("f", "free", `,"FilterCriteria":{"Filters":[{"Pattern":`+string(quoted)+`}]}`), "Invalid filter pattern definition.")
	}
	kinesis, dynamo := "arn:aws:kinesis:us-east-1:"+account+":stream/s", "arn:aws:dynamodb:us-east-1:"+account+":table/t/stream/2025-02-22T03:03:25.490"
	stream := func(arn, position string) string {
		return `{"FunctionName":"f","EventSourceArn":"` + arn + `"` + position + `}`
	}
	const (
		noStart = "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be null."
		window  = "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"
		noQueue = "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does not exist."
	)
	return []lambdaError{
		{"get an unknown mapping", "GET", unknown, "", 404, notFound, noResource, false},
		{"delete an unknown mapping", "DELETE", unknown, "", 404, notFound, noResource, false},
		{"update an unknown mapping", "PUT", unknown, `{"Enabled":false}`, 404, notFound, noResource, false},
		refuse("no source", `{"FunctionName":"doesnotexist"}`, "Unrecognized event source."),
		refuse("no function", mapBody("doesnotexist", "somequeue", ""), "Function does not exist"),
		refuse("destinations", mapBody("doesnotexist", "somequeue", `,"DestinationConfig":{"OnSuccess":{"Destination":"SQS:q"}}`), "Unsupported DestinationConfig parameter for given event source mapping type."),
		refuse("a large batch without a window", mapBody("f", "free", `,"BatchSize":20`), window),
		{"update to a large batch without a window", "PUT", mappings + "/MAPPING", `{"BatchSize":20}`, 400, invalid, window, false},
		pattern("null"), pattern(`"simple string"`), pattern(`{"tags":"string"}`), pattern(`{"filter":null}`), pattern(`[{"eventName": ["INSERT"=123}]`),
		{"a second mapping of the same", "POST", mappings, mapBody("f", "q", ""), 409, conflict,
			`An event source mapping with SQS arn (" SQS:q ") and function (" f ") already exists. Please update or delete the existing mapping with UUID MAPPING`, false},
		refuse("no queue", mapBody("f", "nope", ""), noQueue),
		refuse("a stream without a position", stream(kinesis, ""), noStart),
		{"a stream with a strange position", "POST", mappings, stream(kinesis, `,"StartingPosition":"invalid"`), 400, validation,
			failed + "invalid' at 'startingPosition' failed to satisfy constraint: Member must satisfy enum value set: [LATEST, AT_TIMESTAMP, TRIM_HORIZON]", true},
		refuse("a table with a time", stream(dynamo, `,"StartingPosition":"AT_TIMESTAMP"`), "Unsupported starting position for arn type: "+dynamo),
		refuse("no stream", stream(kinesis, `,"StartingPosition":"LATEST"`), "Stream not found: "+kinesis),
		refuse("no table", stream(dynamo, `,"StartingPosition":"LATEST"`), "Stream not found: "+dynamo),
		refuse("Kafka without access", `{"FunctionName":"f","SelfManagedEventSource":{"Endpoints":{"KAFKA_BOOTSTRAP_SERVERS":["kafka:1000"]}}}`, "Required 'sourceAccessConfigurations' parameter is missing."),
		{"tag an unknown mapping", "POST", "/2017-03-31/tags/ARN:event-source-mapping:01234567-0123-0123-0123-0123456789ab", `{"Tags":{"a":"b"}}`, 404, notFound,
			"Event source mapping not found: ARN:event-source-mapping:01234567-0123-0123-0123-0123456789ab", false},
		{"tag an alias of a mapping", "POST", "/2017-03-31/tags/ARN:event-source-mapping:MAPPING:alias", `{"Tags":{"a":"b"}}`, 400, validation,
			failed + "ARN:event-source-mapping:MAPPING:alias' at 'resource' failed to satisfy constraint: Member must satisfy regular expression pattern: " + taggable, true},

		// Known from elsewhere.
		refuse("a queue that is too hasty", mapBody("slow", "hasty", ""), "Queue visibility timeout: 10 seconds is less than Function timeout: 60 seconds"),
		refuse("a window of a FIFO queue", mapBody("f", "ordered.fifo", `,"MaximumBatchingWindowInSeconds":1`), "Batching window is not supported for FIFO queues"),
		refuse("a large batch of a FIFO queue", mapBody("f", "ordered.fifo", `,"BatchSize":11`), "Maximum batch size must be between 1 and 10 inclusive"),
		{"a batch of 10,001", "POST", mappings, mapBody("f", "free", `,"BatchSize":10001,"MaximumBatchingWindowInSeconds":1`), 400, validation,
			failed + "10001' at 'batchSize' failed to satisfy constraint: Member must have value less than or equal to 10000", true},
		{"a concurrency of one", "POST", mappings, mapBody("f", "free", `,"ScalingConfig":{"MaximumConcurrency":1}`), 400, validation,
			failed + "1' at 'scalingConfig.maximumConcurrency' failed to satisfy constraint: Member must have value greater than or equal to 2", true},
		{"strange responses", "POST", mappings, mapBody("f", "free", `,"FunctionResponseTypes":["All"]`), 400, validation,
			failed + "All' at 'functionResponseTypes' failed to satisfy constraint: Member must satisfy enum value set: [ReportBatchItemFailures]", true},
		refuse("pollers and a concurrency", mapBody("f", "free", `,"ScalingConfig":{"MaximumConcurrency":2},"ProvisionedPollerConfig":{"MinimumPollers":2}`), "ProvisionedPollerConfig and ScalingConfig cannot be used together."),
		refuse("bisection", mapBody("f", "free", `,"BisectBatchOnFunctionError":true`), "Unsupported BisectBatchOnFunctionError parameter for given event source mapping type."),
		refuse("a queue of another region", `{"FunctionName":"f","EventSourceArn":"arn:aws:sqs:eu-west-1:`+account+`:free"}`, noQueue),
	}
}

func TestRecordedErrorsOfEventSourceMappings(t *testing.T) {
	n := start(t)
	code := base64.StdEncoding.EncodeToString(zipped(t, "index.js", "exports.handler = async () => 1;"))
	uuid := ""
	fill := func(text string) string {
		return strings.NewReplacer("SQS:", sqsARN, "ARN:", lambdaARN, "ZIP", code, "MAPPING", uuid).Replace(text)
	}
	rest := func(method, path, body string) (reply, map[string]any) {
		r := n.send(request{method: method, path: fill(path), body: []byte(fill(body)), header: map[string]string{"Content-Type": "application/json"}})
		said := map[string]any{}
		_ = json.Unmarshal(r.body, &said) // told by the comparison below
		return r, said
	}
	for _, f := range []string{"f", "slow"} {
		if r, _ := rest("POST", "/2015-03-31/functions", strings.Replace(newFunctionBody(""), "new", f, 1)); r.status != 201 {
			t.Fatal(r)
		}
	}
	if r, _ := rest("PUT", functions+"slow/configuration", `{"Timeout":60}`); r.status != 200 {
		t.Fatal(r)
	}
	for name, attributes := range map[string]map[string]string{"q": nil, "free": nil, "hasty": {"VisibilityTimeout": "10"}, "ordered.fifo": {"FifoQueue": "true"}} {
		if _, err := n.user().sqs().CreateQueue(background, &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes}); err != nil {
			t.Fatal(err)
		}
	}
	m, err := n.user().lambda().CreateEventSourceMapping(background, &lambda.CreateEventSourceMappingInput{FunctionName: aws.String("f"), EventSourceArn: aws.String(sqsARN + "q")})
	if err != nil {
		t.Fatal(err)
	}
	uuid = *m.UUID
	for _, e := range recordedMappings() {
		r, said := rest(e.method, e.path, e.body)
		message, _ := said["message"].(string)
		if message == "" {
			message, _ = said["Message"].(string)
		}
		whose, _ := said["Type"].(string)
		if r.status != e.status || r.header.Get("X-Amzn-Errortype") != e.code || message != fill(e.message) || (whose == "User") == e.bare {
			t.Errorf("%s (%s %s %s):\n got %d %s %s\nwant %d %s %s", e.what, e.method, e.path, e.body, r.status, r.header.Get("X-Amzn-Errortype"), r.body, e.status, e.code, fill(e.message))
		}
	}
	all, err := n.user().lambda().ListEventSourceMappings(background, &lambda.ListEventSourceMappingsInput{})
	if err != nil || len(all.EventSourceMappings) != 1 {
		t.Errorf("there are %+v, %v", all, err)
	}
}
