package test

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// recordedRules are the errors of standard queues that were recorded from AWS,
// provoked as they were then.
var recordedRules = []rule{
	{"RecordedErrorsOfQueues", recordedOfQueues},
	{"RecordedErrorsOfMessages", recordedOfMessages},
	{"RecordedErrorsOfBatches", recordedOfBatches},
	{"RecordedErrorsOfReceiving", recordedOfReceiving},
}

// A recording is a request and how AWS refused it.
type recording struct {
	in   any
	want expected
	more members
}

func (s *sqsSuite) play(all map[string]recording) {
	for name, r := range all {
		equal(s, name, failing(s, r.in, r.more), r.want.in(s))
	}
}

func recordedOfQueues(s *sqsSuite) {
	name := s.name()
	url := s.create(name, "DelaySeconds", "1")
	missing := strings.TrimSuffix(url, name) + "no-such-queue"
	other := modelled("QueueAlreadyExists", "A queue already exists with the same name and a different value for attribute DelaySeconds")
	other.kind = sqsTypes + "QueueNameExists"
	create := func(attribute, value string) *sqs.CreateQueueInput {
		return &sqs.CreateQueueInput{QueueName: text(s.name()), Attributes: map[string]string{attribute: value}}
	}
	set := func(attribute, value string) *sqs.SetQueueAttributesInput {
		return &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{attribute: value}}
	}
	only := func(attribute string) expected {
		return modelled("InvalidAttributeName", "You can specify the %s only when FifoQueue is set to true.", attribute)
	}
	do[sqs.PurgeQueueOutput](s, &sqs.PurgeQueueInput{QueueUrl: &url})
	s.play(map[string]recording{
		"a queue with other attributes":        {in: &sqs.CreateQueueInput{QueueName: &name, Attributes: map[string]string{"DelaySeconds": "2"}}, want: other},
		"a queue with more attributes":         {in: &sqs.CreateQueueInput{QueueName: &name, Attributes: map[string]string{"DelaySeconds": "0", "VisibilityTimeout": "30"}}, want: other},
		"the URL of a missing queue":           {in: &sqs.GetQueueUrlInput{QueueName: text("no-such-queue")}, want: noQueue},
		"the attributes of a missing queue":    {in: &sqs.GetQueueAttributesInput{QueueUrl: &missing}, want: noQueue},
		"deleting a missing queue":             {in: &sqs.DeleteQueueInput{QueueUrl: &missing}, want: noQueue},
		"a standard queue with FifoQueue":      {in: create("FifoQueue", "false"), want: unknownAttribute("FifoQueue")},
		"a standard queue with deduplication":  {in: create("ContentBasedDeduplication", "false"), want: unknownAttribute("ContentBasedDeduplication")},
		"a standard queue with a scope":        {in: create("DeduplicationScope", "queue"), want: only("DeduplicationScope")},
		"a standard queue with a limit":        {in: create("FifoThroughputLimit", "perQueue"), want: only("FifoThroughputLimit")},
		"FifoQueue set to true":                {in: set("FifoQueue", "true"), want: unknownAttribute("FifoQueue")},
		"FifoQueue set to false":               {in: set("FifoQueue", "false"), want: unknownAttribute("FifoQueue")},
		"purging twice":                        {in: &sqs.PurgeQueueInput{QueueUrl: &url}, want: old(403, "PurgeQueueInProgress", "Only one PurgeQueue operation on %s is allowed every 60 seconds.", name)},
		"a key and SQS's own keys at one time": {in: &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{"KmsMasterKeyId": "k", "SqsManagedSseEnabled": "true"}}, want: modelled("InvalidAttributeName", "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE.")},
	})
}

func recordedOfMessages(s *sqsSuite) {
	url, small := s.queue(), s.queue("MaximumMessageSize", "1024")
	send := func(url, body string) *sqs.SendMessageInput {
		return &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body}
	}
	group := func(id string) recording {
		in := send(url, "x")
		in.MessageGroupId = &id
		return recording{in: in, want: invalidParameter("Value %s for parameter MessageGroupId is invalid. Reason: MessageGroupId can only include alphanumeric and punctuation characters. 1 to 128 in length.", id)}
	}
	deduplication := func(id string) recording {
		in := send(url, "x")
		in.MessageDeduplicationId = &id
		return recording{in: in, want: invalidParameter("Value %s for parameter MessageDeduplicationId is invalid. Reason: MessageDeduplicationId can only include alphanumeric and punctuation characters. 1 to 128 in length.", id)}
	}
	empty := send(url, "x")
	empty.MessageAttributes = map[string]types.MessageAttributeValue{"ErrorDetails": stringValue("String", "")}
	long := strings.Repeat("a", 129)
	s.play(map[string]recording{
		"an empty message":              {in: send(url, ""), want: missingParameter("MessageBody")},
		"an oversized message":          {in: send(url, strings.Repeat("a", 1048577)), want: tooLong(1048576)},
		"a message longer than allowed": {in: send(small, strings.Repeat("a", 1025)), want: tooLong(1024)},
		"an empty attribute":            {in: empty, want: invalidParameter("Message (user) attribute 'ErrorDetails' must contain a non-empty value of type 'String'.")},
		"an empty group":                group(""),
		"a group that is too long":      group(long),
		"a group with a space":          group("group 123"),
		"an empty deduplication id":     deduplication(""),
		"a long deduplication id":       deduplication(long),
		"a deduplication id with space": deduplication("group 123"),
		"a message to a missing queue":  {in: send(strings.TrimSuffix(url, nameOf(url))+"no-such-queue", "x"), want: noQueue},
	})
}

func recordedOfBatches(s *sqsSuite) {
	url := s.queue()
	bad := entries("x")
	bad[0].Id = text(strings.Repeat("i", 81))
	spaced := entries("x")
	spaced[0].Id = text("message:invalid")
	invalidID := old(400, "InvalidBatchEntryId", "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.")
	s.play(map[string]recording{
		"an oversized batch": {
			in:   &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: entries(strings.Repeat("a", 1048576), "b")},
			want: old(400, "BatchRequestTooLong", "Batch requests cannot be longer than 1048576 bytes. You have sent 1048577 bytes."),
		},
		"too many entries": {
			in:   &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: entries(strings.Split(strings.Repeat("x", 20), "")...)},
			want: old(400, "TooManyEntriesInBatchRequest", "Maximum number of entries per request are 10. You have sent 20."),
		},
		"an id that is too long":     {in: &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: bad}, want: invalidID},
		"an id with a bad character": {in: &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: spaced}, want: invalidID},
	})
}

func recordedOfReceiving(s *sqsSuite) {
	url := s.queue()
	in := &sqs.ReceiveMessageInput{QueueUrl: &url}
	s.play(map[string]recording{
		"eleven messages":         {in: in, more: members{"MaxNumberOfMessages": 11}, want: invalidParameter("Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.")},
		"a wait that is too long": {in: in, more: members{"WaitTimeSeconds": 21}, want: invalidParameter("Value 21 for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided.")},
		"a negative wait":         {in: in, more: members{"WaitTimeSeconds": -1}, want: invalidParameter("Value -1 for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided.")},
		"a handle that is none":   {in: &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: text("garbage")}, want: badHandle("garbage")},
	})
}
