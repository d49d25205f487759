package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// json10 is a request of SQS in JSON.
func json10(operation, body string) request {
	return request{method: "POST", path: "/", body: []byte(body), header: map[string]string{
		"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "AmazonSQS." + operation,
	}}
}

// form is a request of the query protocol.
func form(path string, parameters ...string) request {
	values := url.Values{}
	for i := 0; i+1 < len(parameters); i += 2 {
		values.Set(parameters[i], parameters[i+1])
	}
	header := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	return request{method: "POST", path: path, header: header, body: []byte(values.Encode())}
}

const (
	sqsVersion = "2012-11-05"
	queuePath  = "/" + account + "/wire"
)

// wired starts a Naru with a queue called wire.
func wired(t *testing.T, flags ...string) *naru {
	t.Helper()
	n := start(t, append([]string{"--data", "mem:", "--allow-reset"}, flags...)...)
	makeQueue(t, n.user(), "wire")
	return n
}

func makeQueue(t testing.TB, c caller, name string) string {
	t.Helper()
	out, err := c.sqs().CreateQueue(background, &sqs.CreateQueueInput{QueueName: &name})
	if err != nil {
		t.Fatal(err)
	}
	return *out.QueueUrl
}

func TestSQSRepliesInJSONHaveAWSsForm(t *testing.T) {
	t.Parallel()
	n := wired(t)
	queue := `"QueueUrl":"` + n.endpoint + queuePath + `"`
	for _, c := range []struct {
		name, operation, body, want string
	}{
		{"NothingReceived", "ReceiveMessage", `{` + queue + `}`, `^\{\}$`},
		{"NoAttributesAskedFor", "GetQueueAttributes", `{` + queue + `}`, `^\{\}$`},
		{"NoOutput", "SetQueueAttributes", `{` + queue + `,"Attributes":{"DelaySeconds":"0"}}`, `^(\{\})?$`},
		{"NoQueuesFound", "ListQueues", `{"QueueNamePrefix":"none"}`, `^(\{\}|\{"QueueUrls":\[\]\})$`},
		{"OnlySuccesses", "SendMessageBatch", `{` + queue + `,"Entries":[{"Id":"1","MessageBody":"x"}]}`, `^\{"Successful":\[\{[^]]*\}\]\}$`},
		{"OnlyFailures", "DeleteMessageBatch", `{` + queue + `,"Entries":[{"Id":"1","ReceiptHandle":"x"}]}`, `^\{"Failed":\[\{[^]]*\}\]\}$`},
		{"UnknownMembersAreIgnored", "GetQueueUrl", `{"QueueName":"wire","Another":{"deep":[1,null]}}`, `^\{"QueueUrl":"http://[^"]*/wire"\}$`},
		{"NullIsAsGoodAsNothing", "GetQueueUrl", `{"QueueName":"wire","QueueOwnerAWSAccountId":null}`, `/wire"\}$`},
		{"TagsInLowerCase", "CreateQueue", `{"QueueName":"tagged","tags":{"a":"b"}}`, `/tagged"\}$`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := n.send(json10(c.operation, c.body))
			if r.status != 200 || !regexp.MustCompile(c.want).Match(r.body) {
				t.Errorf("%v, want %s", r, c.want)
			}
			equal(t, "the content type", r.header.Get("Content-Type"), "application/x-amz-json-1.0")
			if id := r.header.Get("X-Amzn-Requestid"); !regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`).MatchString(id) {
				t.Errorf("the request id is %q", id)
			}
		})
	}
}

func TestSQSErrorsInJSONHaveAWSsForm(t *testing.T) {
	t.Parallel()
	n := wired(t)
	malformed := refusal{Status: 400, Type: coralTypes + "SerializationException", Code: "MalformedInput", Fault: "Sender"}
	unknown := refusal{Status: 400, Type: coralTypes + "UnknownOperationException", Code: "InvalidAction", Fault: "Sender"}
	for name, c := range map[string]struct {
		q    request
		want refusal
	}{
		"AnUnknownOperation":  {json10("FooBar", "{}"), unknown},
		"NoOperation":         {json10("", "{}"), unknown},
		"NoJSON":              {json10("ListQueues", "{"), malformed},
		"AList":               {json10("ListQueues", "[]"), malformed},
		"ATextForANumber":     {json10("ListQueues", `{"MaxResults":"3"}`), malformed},
		"ANumberForAText":     {json10("GetQueueUrl", `{"QueueName":3}`), malformed},
		"AFraction":           {json10("ListQueues", `{"MaxResults":1.5}`), malformed},
		"ANumberTooLarge":     {json10("ListQueues", `{"MaxResults":99999999999}`), malformed},
		"InvalidUTF8":         {json10("GetQueueUrl", "{\"QueueName\":\"\xff\"}"), malformed},
		"SomethingBehindIt":   {json10("ListQueues", `{} {}`), malformed},
		"BadBase64":           {json10("SendMessage", `{"QueueUrl":"wire","MessageBody":"x","MessageAttributes":{"a":{"DataType":"Binary","BinaryValue":"!"}}}`), malformed},
		"HalfASurrogatePair":  {json10("SendMessage", `{"QueueUrl":"wire","MessageBody":"\ud800"}`), malformed},
		"AttributesAsNumbers": {json10("CreateQueue", `{"QueueName":"x","Attributes":{"DelaySeconds":5}}`), malformed},
	} {
		t.Run(name, func(t *testing.T) {
			got := refusalIn(t, n.send(c.q))
			got.Message = ""
			equal(t, "the refusal", got, c.want)
		})
	}
}

func TestSQSTakesJSONAtAnyPath(t *testing.T) {
	t.Parallel()
	n := wired(t)
	for _, path := range []string{queuePath, "/", "/anything/at/all"} {
		q := json10("SendMessage", `{"QueueUrl":"http://elsewhere`+queuePath+`","MessageBody":"x"}`)
		q.path = path
		equal(t, "the status at "+path, n.send(q).status, 200)
	}
	q := json10("SendMessage", `{"MessageBody":"to the path"}`)
	q.path = queuePath
	equal(t, "the status without QueueUrl", n.send(q).status, 200)
	out, err := n.user().sqs().GetQueueAttributes(background, &sqs.GetQueueAttributesInput{QueueUrl: text("wire"), AttributeNames: []types.QueueAttributeName{"All"}})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "the number of messages", out.Attributes["ApproximateNumberOfMessages"], "4")
}

// TestSQSTakesEscapedMessages sends a mebibyte the way that clients write it
// which escape whatever is not ASCII.
func TestSQSTakesEscapedMessages(t *testing.T) {
	t.Parallel()
	n := wired(t)
	r := n.send(json10("SendMessage", `{"QueueUrl":"wire","MessageBody":"`+strings.Repeat(`\u00e9`, 1<<19)+`"}`))
	var sent struct{ MD5OfMessageBody string }
	if err := json.Unmarshal(r.body, &sent); err != nil || r.status != 200 {
		t.Fatalf("%v: %v", r, err)
	}
	equal(t, "the digest", sent.MD5OfMessageBody, md5Of(strings.Repeat("é", 1<<19)))
}

func TestSQSRepliesInXMLHaveAWSsForm(t *testing.T) {
	t.Parallel()
	n := wired(t)
	const head, tail = `<?xml version="1.0"?><%sResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/">`, `<ResponseMetadata><RequestId>%s</RequestId></ResponseMetadata></%sResponse>`
	expect := func(operation, result string, q request) {
		t.Helper()
		r := n.send(q)
		want := fmt.Sprintf(head, operation) + result + fmt.Sprintf(tail, r.header.Get("X-Amzn-Requestid"), operation)
		equal(t, operation, strings.Join(strings.Split(string(r.body), "\n"), ""), want)
		equal(t, "the content type", r.header.Get("Content-Type"), "text/xml")
	}
	expect("ReceiveMessage", "<ReceiveMessageResult/>", form(queuePath, "Action", "ReceiveMessage", "Version", sqsVersion))
	expect("SetQueueAttributes", "", form(queuePath, "Action", "SetQueueAttributes", "Version", sqsVersion, "Attribute.Name", "x", "Attribute.1.Name", "DelaySeconds", "Attribute.1.Value", "0"))
	expect("GetQueueUrl", "<GetQueueUrlResult><QueueUrl>"+n.endpoint+queuePath+"</QueueUrl></GetQueueUrlResult>", form("/", "Action", "GetQueueUrl", "Version", sqsVersion, "QueueName", "wire"))
	expect("ListQueues", "<ListQueuesResult/>", form("/", "Action", "ListQueues", "Version", sqsVersion, "QueueNamePrefix", "none"))
	n.send(form(queuePath, "Action", "SendMessage", "Version", sqsVersion, "MessageBody", "a\"b'<&>\r\n"))
	r := n.send(form(queuePath, "Action", "ReceiveMessage", "Version", sqsVersion))
	if !strings.Contains(string(r.body), "<Body>a&quot;b") || !regexp.MustCompile(`<Body>a&quot;b('|&apos;|&#39;)&lt;&amp;(>|&gt;)&#xD;(\n|&#xA;|&#10;)</Body>`).Match(r.body) {
		t.Errorf("the body is not written as AWS does: %s", r.body)
	}
}

func TestSQSErrorsInXMLHaveAWSsForm(t *testing.T) {
	t.Parallel()
	n := wired(t)
	r := n.send(form("/", "Action", "FooBar", "Version", sqsVersion))
	want := `<?xml version="1.0"?><ErrorResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/"><Error><Type>Sender</Type><Code>InvalidAction</Code>` +
		`<Message>The action FooBar is not valid for this endpoint.</Message><Detail/></Error><RequestId>` + r.header.Get("X-Amzn-Requestid") + `</RequestId></ErrorResponse>`
	equal(t, "the error", string(r.body), want)
	equal(t, "the status", r.status, 400)
	for name, c := range map[string]struct {
		q      request
		status int
		code   string
	}{
		"NoAction":                     {form("/", "Version", sqsVersion), 400, "MissingAction"},
		"AnActionOfAnotherService":     {form("/", "Action", "GetCallerIdentity", "Version", sqsVersion), 400, "InvalidAction"},
		"CreateQueueAtAQueue":          {request{method: "GET", path: queuePath + "?Action=CreateQueue&QueueName=no&Version=" + sqsVersion}, 400, "InvalidAction"},
		"ListQueuesAtAQueue":           {request{method: "GET", path: queuePath + "?Action=ListQueues&Version=" + sqsVersion}, 400, "InvalidAction"},
		"ATextForANumber":              {form(queuePath, "Action", "ReceiveMessage", "Version", sqsVersion, "MaxNumberOfMessages", "x"), 400, "MalformedInput"},
		"BadBase64":                    {form(queuePath, "Action", "SendMessage", "Version", sqsVersion, "MessageBody", "x", "MessageAttribute.1.Name", "a", "MessageAttribute.1.Value.DataType", "Binary", "MessageAttribute.1.Value.BinaryValue", "!"), 400, "MalformedInput"},
		"InvalidUTF8":                  {form(queuePath, "Action", "SendMessage", "Version", sqsVersion, "MessageBody", "\xff"), 400, "MalformedInput"},
		"AMissingQueueByItsPath":       {form("/"+account+"/none", "Action", "ReceiveMessage", "Version", sqsVersion), 400, legacy + "NonExistentQueue"},
		"AMissingQueueByPathAndByName": {form("/"+account+"/none", "Action", "GetQueueUrl", "Version", sqsVersion, "QueueName", "none"), 400, legacy + "NonExistentQueue"},
	} {
		t.Run(name, func(t *testing.T) {
			got := xmlRefusal(t, n.send(c.q))
			equal(t, "status and code", fmt.Sprint(got.Status, got.Code, got.Fault), fmt.Sprint(c.status, c.code, "Sender"))
		})
	}
}

func TestSQSAtTheQueuesURL(t *testing.T) {
	t.Parallel()
	n := wired(t)
	makeQueue(t, n.user(), "another")
	r := n.send(request{method: "GET", path: queuePath})
	equal(t, "a bare GET", fmt.Sprint(r), "404 <UnknownOperationException/>")
	r = n.send(request{method: "GET", path: queuePath + "?Action=GetQueueUrl&QueueName=another&Version=" + sqsVersion})
	if !strings.Contains(string(r.body), "/another</QueueUrl>") {
		t.Errorf("GetQueueUrl at another queue: %v", r)
	}
	r = n.send(form(queuePath, "Action", "SendMessage", "Version", sqsVersion, "MessageBody", "x", "QueueUrl", n.endpoint+"/"+account+"/another"))
	equal(t, "the status of sending elsewhere", r.status, 200)
	for queue, want := range map[string]string{"wire": "0", "another": "1"} {
		r := n.send(request{method: "GET", path: "/" + account + "/" + queue + "?Action=GetQueueAttributes&AttributeName.1=ApproximateNumberOfMessages&Version=" + sqsVersion})
		if !strings.Contains(string(r.body), "<Value>"+want+"</Value>") {
			t.Errorf("%s does not have %s messages: %s", queue, want, r.body)
		}
	}
}

func TestSQSRoutesQueryRequestsWithoutSignature(t *testing.T) {
	t.Parallel()
	n := wired(t)
	for name, q := range map[string]request{
		"ByVersion":             form("/", "Action", "ListQueues", "Version", sqsVersion),
		"ByVersionInTheURL":     {method: "GET", path: "/?Action=ListQueues&Version=" + sqsVersion},
		"ByThePath":             form(queuePath, "Action", "GetQueueAttributes"),
		"ByTheLegacyPath":       form("/queue/us-east-1"+queuePath, "Action", "GetQueueAttributes"),
		"ByTheHost":             {method: "POST", path: "/", host: "sqs.us-east-1.amazonaws.com", header: form("/").header, body: []byte("Action=ListQueues")},
		"InURLAndBodyTogether":  {method: "POST", path: "/?Version=" + sqsVersion, header: form("/").header, body: []byte("Action=ListQueues")},
		"WithACharsetInTheType": {method: "POST", path: "/", header: map[string]string{"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}, body: []byte("Action=ListQueues&Version=" + sqsVersion)},
	} {
		t.Run(name, func(t *testing.T) {
			if r := n.send(q); r.status != http.StatusOK || !strings.HasPrefix(string(r.body), "<?xml") {
				t.Errorf("%v", r)
			}
		})
	}
}

func TestSQSQueueURLsFollowTheCallersHost(t *testing.T) {
	t.Parallel()
	n := wired(t)
	port := n.listen[strings.LastIndexByte(n.listen, ':'):]
	for host, want := range map[string]string{
		"localhost" + port: "http://localhost" + port, "naru.localhost": "http://naru.localhost", "[::1]" + port: "http://[::1]" + port,
		"sqs.us-east-1.amazonaws.com": n.endpoint, "queue.amazonaws.com:443": n.endpoint, "": n.endpoint,
	} {
		q := json10("GetQueueUrl", `{"QueueName":"wire"}`)
		q.host = host
		equal(t, "the URL for "+host, string(n.send(q).body), `{"QueueUrl":"`+want+queuePath+`"}`)
	}
}

func TestSQSWithoutCooldown(t *testing.T) {
	t.Parallel()
	n := wired(t, "--no-cooldown")
	client, queue := n.user().sqs(), text("wire")
	for i := range 3 {
		if _, err := client.PurgeQueue(background, &sqs.PurgeQueueInput{QueueUrl: queue}); err != nil {
			t.Errorf("purge %d: %v", i, err)
		}
		if _, err := client.DeleteQueue(background, &sqs.DeleteQueueInput{QueueUrl: queue}); err != nil {
			t.Errorf("deletion %d: %v", i, err)
		}
		makeQueue(t, n.user(), "wire")
	}
}

// TestListQueuesReturnsAThousandAtMost needs more queues than the suites have.
func TestListQueuesReturnsAThousandAtMost(t *testing.T) {
	t.Parallel()
	n := start(t, "--data", "mem:")
	client := n.user().sqs()
	var work sync.WaitGroup
	for worker := range 8 {
		work.Go(func() {
			for i := worker; i < 1003; i += 8 {
				if _, err := client.CreateQueue(background, &sqs.CreateQueueInput{QueueName: aws.String(fmt.Sprintf("q%04d", i))}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	work.Wait()
	all, err := client.ListQueues(background, &sqs.ListQueuesInput{})
	if err != nil {
		t.Fatal(err)
	}
	if len(all.QueueUrls) != 1000 || all.NextToken != nil {
		t.Errorf("without MaxResults there are %d queues and the token %v", len(all.QueueUrls), all.NextToken)
	}
	pages := sqs.NewListQueuesPaginator(client, &sqs.ListQueuesInput{MaxResults: aws.Int32(1000)})
	var names []string
	for pages.HasMorePages() {
		page, err := pages.NextPage(background)
		if err != nil {
			t.Fatal(err)
		}
		for _, url := range page.QueueUrls {
			names = append(names, nameOf(url))
		}
	}
	if len(names) != 1003 || names[1002] != "q1002" || names[1000] != "q1000" {
		t.Errorf("page by page there are %d queues", len(names))
	}
}
