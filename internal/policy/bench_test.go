package policy

import "testing"

// lambdaRole is what a typical function's role may do.
const lambdaRole = `{"Version":"2012-10-17","Statement":[
	{"Sid":"Logs","Effect":"Allow","Action":["logs:CreateLogGroup","logs:CreateLogStream","logs:PutLogEvents"],"Resource":"*"},
	{"Sid":"Poll","Effect":"Allow","Action":["sqs:ReceiveMessage","sqs:DeleteMessage","sqs:GetQueueAttributes","sqs:ChangeMessageVisibility"],
	 "Resource":["arn:aws:sqs:*:111122223333:jobs","arn:aws:sqs:*:111122223333:jobs-dlq"]},
	{"Sid":"Tagged","Effect":"Allow","Action":"sqs:*","Resource":"arn:aws:sqs:*:*:${aws:PrincipalTag/team}-*"},
	{"Sid":"Send","Effect":"Allow","Action":"sqs:SendMessage","Resource":"arn:aws:sqs:us-east-1:111122223333:*",
	 "Condition":{"StringEquals":{"aws:RequestedRegion":["us-east-1","eu-west-1"]},"Bool":{"aws:SecureTransport":"true"}}},
	{"Sid":"NotElsewhere","Effect":"Deny","NotAction":["iam:*","sts:*"],"Resource":"*",
	 "Condition":{"NotIpAddress":{"aws:SourceIp":["10.0.0.0/8","192.168.0.0/16"]},"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/admin/*"}}}
]}`

var lambdaContext = Context{
	"aws:CurrentTime": {"2026-03-01T12:00:00Z"}, "aws:EpochTime": {"1772366400"}, "aws:SourceIp": {"10.1.2.3"},
	"aws:SecureTransport": {"true"}, "aws:RequestedRegion": {"us-east-1"}, "aws:UserAgent": {"aws-sdk-go-v2/1.41"},
	"aws:PrincipalTag/team": {"red"}, "aws:TokenIssueTime": {"2026-03-01T11:00:00Z"},
}

func BenchmarkEvaluate(b *testing.B) {
	role, err := Parse(lambdaRole)
	if err != nil {
		b.Fatal(err)
	}
	p := worker.with(role)
	r := Request{Action: send, Resource: queueARN, Account: home, Context: lambdaContext}
	if d := Evaluate(p, r); d != permitted(SourceIdentity, "Send") {
		b.Fatalf("%+v", d)
	}
	b.ReportAllocs()
	for b.Loop() {
		Evaluate(p, r)
	}
}

func BenchmarkEvaluateServiceByQueuePolicy(b *testing.B) {
	queue := parse(b, `{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"`+queueARN+`",
		"Condition":{"ArnEquals":{"aws:SourceArn":"arn:aws:events:us-east-1:111122223333:rule/nightly"}}}`)
	r := Request{Action: send, Resource: queueARN, Account: home, Policy: queue,
		Context: Context{"aws:SourceArn": {"arn:aws:events:us-east-1:111122223333:rule/nightly"}}}
	if !Evaluate(events, r).Allowed {
		b.Fatal("denied")
	}
	b.ReportAllocs()
	for b.Loop() {
		Evaluate(events, r)
	}
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(lambdaRole); err != nil {
			b.Fatal(err)
		}
	}
}
