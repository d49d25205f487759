package test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"
)

// A door is a service in one of its protocols: a call that makes something,
// and how one sees whether it did.
type door struct {
	name    string
	service string                       // as signatures name it
	codes   map[string]verdict           // by what was wrong
	make    func(thing string) request   // makes thing
	made    func(caller, string) error   // nil if thing is there; it may be nil
	read    func(r refusal) (got string) // the code, as this protocol tells it
}

// A verdict is status and code of a refusal.
type verdict struct {
	status int
	code   string
}

// What can be wrong with a request.
const (
	unsigned     = "unsigned"
	unknownKey   = "unknown key"
	badSignature = "bad signature"
	incomplete   = "incomplete signature"
	expiredToken = "expired token"
	denied       = "denied"
)

// Codes of the protocols.
var (
	queryCodes = map[string]verdict{
		unsigned: {403, "MissingAuthenticationToken"}, unknownKey: {403, "InvalidClientTokenId"}, badSignature: {403, "SignatureDoesNotMatch"},
		incomplete: {400, "IncompleteSignature"}, expiredToken: {403, "ExpiredToken"}, denied: {403, "AccessDenied"},
	}
	sqsCodes = map[string]verdict{
		unsigned: {403, "AccessDenied"}, unknownKey: {403, "InvalidClientTokenId"}, badSignature: {403, "SignatureDoesNotMatch"},
		incomplete: {400, "IncompleteSignature"}, expiredToken: {403, "ExpiredToken"}, denied: {403, "AccessDenied"},
	}
	restCodes = map[string]verdict{
		unsigned: {403, "MissingAuthenticationTokenException"}, unknownKey: {403, "UnrecognizedClientException"}, badSignature: {403, "InvalidSignatureException"},
		incomplete: {400, "IncompleteSignatureException"}, expiredToken: {403, "ExpiredTokenException"}, denied: {403, "AccessDeniedException"},
	}
	json11Codes = map[string]verdict{
		unsigned: {400, "MissingAuthenticationTokenException"}, unknownKey: {400, "UnrecognizedClientException"}, badSignature: {400, "InvalidSignatureException"},
		incomplete: {400, "IncompleteSignatureException"}, expiredToken: {400, "ExpiredTokenException"}, denied: {400, "AccessDeniedException"},
	}
)

func byCode(r refusal) string { return r.Code }
func byType(r refusal) string { return r.Type }

// json11 is a request of EventBridge or Logs.
func json11(target, body string) request {
	return request{method: "POST", path: "/", body: []byte(body), header: map[string]string{
		"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": target,
	}}
}

const (
	trustsEverybodyHere = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + account + `:root"},"Action":"sts:AssumeRole"}]}`
	trustsLambda        = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	allowAll            = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
)

func roleARN(name string) string { return "arn:aws:iam::" + account + ":role/" + name }

// doors are all services, each in all its protocols.
func doors() []door {
	return []door{
		{
			name: "SQSInJSON", service: "sqs", codes: sqsCodes, read: byCode, made: madeQueue,
			make: func(thing string) request { return json10("CreateQueue", `{"QueueName":"`+thing+`"}`) },
		},
		{
			name: "SQSInQuery", service: "sqs", codes: sqsCodes, read: byCode, made: madeQueue,
			make: func(thing string) request {
				return form("/", "Action", "CreateQueue", "Version", sqsVersion, "QueueName", thing)
			},
		},
		{name: "Lambda", service: "lambda", codes: restCodes, read: byType, make: createFunction, made: madeFunction},
		{
			name: "EventBridge", service: "events", codes: json11Codes, read: byType, made: madeRule,
			make: func(thing string) request {
				return json11("AWSEvents.PutRule", `{"Name":"`+thing+`","ScheduleExpression":"rate(1 day)"}`)
			},
		},
		{
			name: "Logs", service: "logs", codes: json11Codes, read: byType, made: madeGroup,
			make: func(thing string) request {
				return json11("Logs_20140328.CreateLogGroup", `{"logGroupName":"`+thing+`"}`)
			},
		},
		{
			name: "IAM", service: "iam", codes: queryCodes, read: byCode, made: madeRole,
			make: func(thing string) request {
				return form("/", "Action", "CreateRole", "Version", "2010-05-08", "RoleName", thing, "AssumeRolePolicyDocument", trustsLambda)
			},
		},
		{
			name: "STS", service: "sts", codes: queryCodes, read: byCode,
			make: func(thing string) request {
				return form("/", "Action", "AssumeRole", "Version", "2011-06-15", "RoleArn", roleARN("assumable"), "RoleSessionName", thing)
			},
		},
	}
}

// inHeaders reports whether the operation stands in a header, so that a
// presigned URL alone does not name it.
func (d door) inHeaders() bool { return d.make("").header["X-Amz-Target"] != "" }

func madeQueue(c caller, thing string) error {
	_, err := c.sqs().GetQueueUrl(background, &sqs.GetQueueUrlInput{QueueName: &thing})
	return err
}

func madeFunction(c caller, thing string) error {
	_, err := c.lambda().GetFunction(background, &lambda.GetFunctionInput{FunctionName: &thing})
	return err
}

func madeRule(c caller, thing string) error {
	_, err := c.events().DescribeRule(background, &eventbridge.DescribeRuleInput{Name: &thing})
	return err
}

func madeGroup(c caller, thing string) error {
	out, err := c.logs().DescribeLogGroups(background, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: &thing})
	if err == nil && len(out.LogGroups) == 0 {
		return &smithy.GenericAPIError{Code: "ResourceNotFoundException"}
	}
	return err
}

func madeRole(c caller, thing string) error {
	_, err := c.iam().GetRole(background, &iam.GetRoleInput{RoleName: &thing})
	return err
}

// notThere are the codes of errors by which services say that something is not
// there.
var notThere = map[string]bool{legacy + "NonExistentQueue": true, "ResourceNotFoundException": true, "NoSuchEntity": true}

// expectMade wants thing to be there, or not, as the owner sees it.
func (d door) expectMade(t *testing.T, owner caller, thing string, want bool) {
	t.Helper()
	if d.made == nil {
		return
	}
	err := d.made(owner, thing)
	var told smithy.APIError
	switch {
	case err == nil && !want:
		t.Errorf("%s was made", thing)
	case err != nil && want:
		t.Errorf("%s was not made: %v", thing, err)
	case err != nil && (!errors.As(err, &told) || !notThere[told.ErrorCode()]):
		t.Errorf("it cannot be told whether %s was made: %v", thing, err)
	}
}

// expect checks a reply: a success, or a refusal of the given kind.
func (d door) expect(t *testing.T, r reply, kind string) {
	t.Helper()
	if kind == "" {
		if r.status/100 != 2 {
			t.Errorf("refused: %v", r)
		}
		return
	}
	if r.status/100 == 2 {
		t.Fatalf("not refused: %v", r)
	}
	f := refusalIn(t, r)
	if got := (verdict{f.Status, d.read(f)}); got != d.codes[kind] {
		t.Errorf("%s is refused with %v, not %v", kind, got, d.codes[kind])
	}
	if f.Message == "" {
		t.Error("the refusal has no message")
	}
}

// emptyZip is a zip file without files.
var emptyZip = append([]byte("PK\x05\x06"), make([]byte, 18)...)

func createFunction(thing string) request {
	body, err := json.Marshal(map[string]any{
		"FunctionName": thing, "Role": roleARN("runner"), "Runtime": "nodejs22.x", "Handler": "index.handler",
		"Code": map[string]string{"ZipFile": base64.StdEncoding.EncodeToString(emptyZip)},
	})
	if err != nil {
		panic(err) // texts
	}
	return request{method: "POST", path: "/2015-03-31/functions", body: body, header: map[string]string{"Content-Type": "application/json"}}
}

// makeRole makes a role with an inline policy, if it is not "", and returns
// its id.
func makeRole(t testing.TB, c caller, name, trust, policy string) string {
	t.Helper()
	out, err := c.iam().CreateRole(background, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust})
	if err != nil {
		t.Fatal(err)
	}
	if policy != "" {
		allow(t, c, name, policy)
	}
	return *out.Role.RoleId
}

// allow replaces the inline policy of a role.
func allow(t testing.TB, c caller, role, policy string) {
	t.Helper()
	if _, err := c.iam().PutRolePolicy(background, &iam.PutRolePolicyInput{RoleName: &role, PolicyName: text("policy"), PolicyDocument: &policy}); err != nil {
		t.Fatal(err)
	}
}
