package wire

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// routed returns service, protocol and operation that a request is routed to.
func routed(c call) string {
	x := &exchange{front: everyFront(), r: c.request()}
	if err := x.route(); err != nil {
		return asError(err).Code
	}
	return x.service.Name + " " + [...]string{"JSON", "query", "REST"}[x.protocol] + " " + x.name()
}

func TestRequestsAreRouted(t *testing.T) {
	jsonEcho := jsonCall("AWSEvents.Echo", "{}")
	formEcho := formCall("Action=Echo&Version=2010-05-08")
	for rule, c := range map[string]struct {
		call call
		want string
	}{
		"ByTheScopeOfTheSignature":             {jsonCall("AmazonSQS.Echo", "{}").signedFor("sqs"), "sqs JSON Echo"},
		"ByTheScopeRatherThanTheVersion":       {formCall("Action=Echo&Version=2012-11-05").signedFor("iam"), "iam query Echo"},
		"ByTheScopeRatherThanThePath":          {call{method: "GET", target: "/2015-03-31/functions"}.signedFor("iam"), "iam query unknown"},
		"ByTheScopeRatherThanTheHost":          {call{host: "sqs.us-east-1.amazonaws.com", header: formEcho.header, body: formEcho.body}.signedFor("iam"), "iam query Echo"},
		"ByAPresignedScope":                    {call{method: "GET", target: "/?Action=Echo&Version=2012-11-05" + presigned("iam")}, "iam query Echo"},
		"ATargetOfAnotherServiceIsNoOperation": {jsonEcho.signedFor("sqs"), "sqs JSON unknown"},
		"ByTheTarget":                          {jsonEcho, "events JSON Echo"},
		"ByTheTargetRatherThanTheHost":         {call{host: "sqs.us-east-1.amazonaws.com", header: jsonEcho.header}, "events JSON Echo"},
		"ByTheTargetAtAnyPath":                 {call{target: "/000000000000/q", header: jsonCall("AmazonSQS.Echo", "").header}, "sqs JSON Echo"},
		"ByTheTargetRatherThanTheAction":       {call{target: "/?Action=Nothing&Version=2010-05-08", header: jsonEcho.header}, "events JSON Echo"},
		"ByTheVersionOfAForm":                  {formEcho, "iam query Echo"},
		"ByTheVersionInTheURL":                 {call{method: "GET", target: "/?Action=Echo&Version=2010-05-08"}, "iam query Echo"},
		"ByTheVersionRatherThanThePath":        {call{target: "/000000000000/q", header: formEcho.header, body: formEcho.body}, "iam query Echo"},
		"TheFormComesBeforeTheURL":             {call{target: "/?Action=Nothing", header: formEcho.header, body: formEcho.body}, "iam query Echo"},
		"ByThePathOfAForm":                     {call{target: "/000000000000/q", header: formEcho.header, body: "Action=EchoFlat"}, "sqs query EchoFlat"},
		"ByThePath":                            {call{method: "GET", target: "/2015-03-31/functions"}, "lambda REST List"},
		"ByThePathRatherThanTheHost":           {call{method: "GET", target: "/2015-03-31/functions", host: "sqs.us-east-1.amazonaws.com"}, "lambda REST List"},
		"ByTheHost":                            {call{method: "GET", host: "iam.amazonaws.com", target: "/?Action=Echo"}, "iam query Echo"},
		"ByTheHostAlone":                       {call{method: "GET", host: "sqs.us-east-1.amazonaws.com"}, "sqs query unknown"},
		"ABareQueueURL":                        {call{method: "GET", target: "/000000000000/q"}, "sqs query unknown"},
		"AnUnknownOperationOfATarget":          {jsonCall("AWSEvents.Fly", ""), "events JSON unknown"},
		"ATargetWithoutAnOperation":            {jsonCall("AWSEvents", ""), "events JSON unknown"},
		"AnUnknownAction":                      {formCall("Action=Fly&Version=2010-05-08"), "iam query unknown"},
		"NoAction":                             {formCall("Version=2010-05-08"), "iam query unknown"},
		"AnUnknownPath":                        {call{method: "GET", target: "/2015-03-31/things"}, "lambda REST unknown"},
		"AnUnknownScope":                       {jsonEcho.signedFor("s3"), CodeUnknown},
		"AnUnknownTarget":                      {jsonCall("DynamoDB_20120810.GetItem", ""), CodeUnknown},
		"AnUnknownVersion":                     {formCall("Action=Echo&Version=2000-01-01"), CodeUnknown},
		"NothingToGoBy":                        {call{method: "GET"}, CodeUnknown},
		"AMalformedQueryString":                {call{method: "GET", target: "/2015-03-31/functions?a=%zz"}, CodeMalformed},
		"ASemicolonInTheQueryString":           {call{method: "GET", target: "/?Action=Echo;Version=2010-05-08"}, CodeMalformed},
		"AMalformedForm":                       {formCall("Action=Echo&a=%zz"), CodeMalformed},
		"AMalformedSignature":                  {call{header: map[string]string{"Authorization": "AWS4-HMAC-SHA256 x", "X-Amz-Target": "AWSEvents.Echo"}}, "events JSON Echo"},
		"AnotherKindOfAuthorization":           {call{header: map[string]string{"Authorization": "Basic eDp5", "X-Amz-Target": "AWSEvents.Echo"}}, "events JSON Echo"},
	} {
		t.Run(rule, func(t *testing.T) {
			if got := routed(c.call); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// presigned is the rest of a query string that is signed for a service.
func presigned(service string) string {
	return "&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20260101%2Fus-east-1%2F" + service +
		"%2Faws4_request&X-Amz-Date=20260101T000000Z&X-Amz-SignedHeaders=host&X-Amz-Signature=" + strings.Repeat("0", 64)
}

func TestRequestsForNoOperation(t *testing.T) {
	const roles = `<?xml version="1.0"?><ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type><Code>`
	const end = `</Message><Detail/></Error><RequestId>ID</RequestId></ErrorResponse>`
	for rule, c := range map[string]struct {
		call   call
		status int
		header string
		body   string
	}{
		"JSON10": {jsonCall("AmazonSQS.Fly", "{}"), 400, "X-Amzn-Query-Error: InvalidAction;Sender",
			`{"__type":"com.amazon.coral.service#UnknownOperationException","Message":"The requested operation is not recognized."}`},
		"JSON11": {jsonCall("AWSEvents.Fly", "{}"), 400, "Content-Type: application/x-amz-json-1.1",
			`{"__type":"UnknownOperationException","Message":"The requested operation is not recognized."}`},
		"Query": {formCall("Action=FooBar&Version=2010-05-08"), 400, "Content-Type: text/xml",
			roles + `InvalidAction</Code><Message>The action FooBar is not valid for this endpoint.` + end},
		"QueryInTheURL": {call{method: "GET", target: "/000000000000/q?Action=%3Cx%3E"}, 400, "Content-Type: text/xml",
			`<?xml version="1.0"?><ErrorResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/"><Error><Type>Sender</Type><Code>InvalidAction</Code><Message>The action &lt;x&gt; is not valid for this endpoint.` + end},
		"QueryWithoutAnAction": {formCall("Version=2010-05-08"), 400, "Content-Type: text/xml",
			roles + `MissingAction</Code><Message>The request must contain the parameter Action.` + end},
		"AQueueURLInABrowser": {call{method: "GET", target: "/000000000000/q"}, 404, "Content-Type: text/xml", `<UnknownOperationException/>`},
		"AQueueURLWithABody":  {call{target: "/000000000000/q", body: "x"}, 404, "Content-Type: text/xml", `<UnknownOperationException/>`},
		"REST": {call{method: "GET", target: "/2015-03-31/things"}, 404, "X-Amzn-Errortype: UnknownOperationException",
			`{"Message":"There is no operation at GET /2015-03-31/things"}`},
		"NoService": {call{method: "GET", target: "/favicon.ico"}, 404, "Content-Type: application/json",
			`{"__type":"UnknownOperationException","Message":"Naru does not have the service that this request is for."}`},
		"AServiceThatNaruLacks": {jsonCall("DynamoDB_20120810.GetItem", "").signedFor("dynamodb"), 404, "Content-Type: application/json",
			`{"__type":"UnknownOperationException","Message":"Naru does not have the service that this request is for: \"dynamodb\"."}`},
		"AMalformedQueryString": {call{method: "GET", target: "/2015-03-31/functions?a=%zz"}, 400, "Content-Type: application/json",
			`{"__type":"SerializationException","Message":"The query string is malformed."}`},
		"AMalformedForm": {formCall("Action=Echo&a=%zz"), 400, "Content-Type: application/json",
			`{"__type":"SerializationException","Message":"The request's body is no valid form."}`},
	} {
		t.Run(rule, func(t *testing.T) {
			w := everyFront().answer(c.call)
			if body := bodyOf(t, w); w.Code != c.status || body != c.body {
				t.Errorf("got  %d %s\nwant %d %s", w.Code, body, c.status, c.body)
			}
			name, value, _ := strings.Cut(c.header, ": ")
			if got := w.Header().Get(name); got != value {
				t.Errorf("%s is %q, want %q", name, got, value)
			}
		})
	}
}

func TestReplies(t *testing.T) {
	const queues = ` xmlns="http://queue.amazonaws.com/doc/2012-11-05/">`
	const end = `<ResponseMetadata><RequestId>ID</RequestId></ResponseMetadata></`
	for rule, c := range map[string]struct {
		call       call
		kind, body string
	}{
		"JSON10":              {jsonCall("AmazonSQS.EchoFlat", `{"Url":"u"}`), "application/x-amz-json-1.0", `{"Url":"u"}`},
		"JSON11":              {jsonCall("AWSEvents.Echo", `{"String":"s"}`), "application/x-amz-json-1.1", `{"String":"s","Int":0}`},
		"JSONWithoutMembers":  {jsonCall("AmazonSQS.EchoFlat", ""), "application/x-amz-json-1.0", `{}`},
		"JSONWithoutOutput":   {jsonCall("AmazonSQS.Nothing", ""), "application/x-amz-json-1.0", ``},
		"Query":               {formCall("Action=EchoFlat&Version=2012-11-05&Url=u"), "text/xml", `<?xml version="1.0"?><EchoFlatResponse` + queues + `<EchoFlatResult><Url>u</Url></EchoFlatResult>` + end + `EchoFlatResponse>`},
		"QueryWithoutMembers": {formCall("Action=EchoFlat&Version=2012-11-05"), "text/xml", `<?xml version="1.0"?><EchoFlatResponse` + queues + `<EchoFlatResult/>` + end + `EchoFlatResponse>`},
		"QueryWithoutOutput":  {formCall("Action=Nothing&Version=2012-11-05"), "text/xml", `<?xml version="1.0"?><NothingResponse` + queues + end + `NothingResponse>`},
		"QueryInTheURL":       {call{method: "GET", target: "/000000000000/q?Action=EchoFlat&Url=u"}, "text/xml", `<?xml version="1.0"?><EchoFlatResponse` + queues + `<EchoFlatResult><Url>u</Url></EchoFlatResult>` + end + `EchoFlatResponse>`},
	} {
		t.Run(rule, func(t *testing.T) {
			w := everyFront().answer(c.call)
			if body := bodyOf(t, w); w.Code != 200 || body != c.body || w.Header().Get("Content-Type") != c.kind {
				t.Errorf("got  %d %s %s\nwant 200 %s %s", w.Code, w.Header().Get("Content-Type"), body, c.kind, c.body)
			}
		})
	}
}

func TestEveryReplyHasARequestIDOfItsOwn(t *testing.T) {
	front, seen := everyFront(), map[string]bool{}
	for _, c := range []call{jsonCall("AmazonSQS.Nothing", ""), jsonCall("AmazonSQS.Fly", ""), {method: "GET"}, {method: "GET", target: "/%zz"}} {
		if c.target == "/%zz" {
			c.target = "/?%zz"
		}
		w := front.answer(c)
		bodyOf(t, w)
		seen[w.Header().Get("X-Amzn-Requestid")] = true
	}
	if len(seen) != 4 {
		t.Errorf("the ids are %v", seen)
	}
}

func TestAnUnreadableSignatureIsRefusedByItsService(t *testing.T) {
	for rule, c := range map[string]struct {
		authorization string
		status        int
		kind          string
	}{
		"Incomplete":     {"AWS4-HMAC-SHA256 Credential=x", 400, "IncompleteSignatureException"},
		"OfAnotherDay":   {strings.Replace(call{}.signedFor("events").header["Authorization"], "20260101", "20250101", 1), 403, "InvalidSignatureException"},
		"OfAnotherScope": {strings.Replace(call{}.signedFor("events").header["Authorization"], "aws4_request", "aws5_request", 1), 403, "InvalidSignatureException"},
	} {
		t.Run(rule, func(t *testing.T) {
			signed := call{target: "/2015-03-31/functions", method: "GET"}.signedFor("lambda")
			signed.header["Authorization"] = c.authorization
			w := everyFront().answer(signed)
			if w.Code != c.status || w.Header().Get("X-Amzn-Errortype") != c.kind {
				t.Errorf("got %d %q, want %d %q", w.Code, w.Header().Get("X-Amzn-Errortype"), c.status, c.kind)
			}
		})
	}
}

func TestRequestsAreCounted(t *testing.T) {
	front := everyFront()
	for _, c := range []call{jsonCall("AmazonSQS.Nothing", ""), jsonCall("AmazonSQS.Nothing", ""), jsonCall("AmazonSQS.Echo", "["), jsonCall("AmazonSQS.Fly", "")} {
		front.answer(c)
	}
	for _, c := range []struct {
		operation, code string
		want            int64
	}{
		{"Nothing", "", 2}, {"Nothing", coral + "SerializationException", 0},
		{"Echo", coral + "SerializationException", 1}, {"unknown", coral + "UnknownOperationException", 1},
	} {
		if got := front.Meter.Counter("api_requests", "service", "sqs", "operation", c.operation, "error", c.code).Value(); got != c.want {
			t.Errorf("%s with the error %q was counted %d times, want %d", c.operation, c.code, got, c.want)
		}
	}
}

func TestTheNamesOfTheServices(t *testing.T) {
	if got := strings.Join(everyFront().Services(), " "); got != "sqs events iam lambda" {
		t.Error(got)
	}
}

// overHTTP sends a request, as text, to a server and returns the reply.
func overHTTP(t *testing.T, front http.Handler, method, path, body string) *http.Response {
	t.Helper()
	server := httptest.NewServer(front)
	t.Cleanup(server.Close)
	r, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Body.Close() })
	return w
}

func TestRepliesOverARealConnection(t *testing.T) {
	w := overHTTP(t, everyFront(), "DELETE", "/2015-03-31/things/a", "")
	if w.StatusCode != 204 || w.Header.Get("X-Amzn-Requestid") == "" {
		t.Errorf("got %v", w)
	}
	w = overHTTP(t, everyFront(), "POST", "/2015-03-31/functions/f/invocations", "<html>\x00")
	if body, err := io.ReadAll(w.Body); err != nil || string(body) != "<html>\x00" || w.StatusCode != 202 || w.Header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("got %v, %q, %v", w, body, err)
	}
}
