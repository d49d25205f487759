package test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

var fifoRules = []rule{
	{"AFIFOQueueHasItsOwnAttributes", fifoAttributes},
	{"NameAndTypeOfAFIFOQueueGoTogether", fifoNames},
	{"AFIFOQueueWantsAGroupAndADeduplicationID", fifoNeeds},
	{"FIFOMessagesComeInOrderWithinTheirGroup", fifoOrder},
	{"AGroupIsLockedUntilAllItsMessagesInFlightAreDeleted", fifoLock},
	{"ADuplicateIsNotTakenForFiveMinutes", fifoDuplicates},
	{"DeduplicationMayBePerGroup", fifoScope},
	{"PurgingForgetsDeduplicationIDs", fifoPurge},
	{"AnExpiredFIFOHandleIsRefused", fifoExpired},
	{"AnAttemptToReceiveCanBeRepeated", fifoAttempt},
	{"DelayHoldsForAWholeFIFOQueue", fifoDelay},
	{"FIFODeadLettersKeepTheirGroupAndID", fifoDeadLetters},
}

// crashRules hold for a Naru that keeps its data, when it is killed.
var crashRules = []rule{
	{"DeduplicationIDsAndLocksSurviveACrash", fifoCrash},
	{"AMoveTaskSurvivesACrash", moveCrashes},
}

func fifoCrash(s *sqsSuite) {
	url := s.fifo()
	s.sendTo(url, "a1", "a2")
	got := s.expect(url, 1, "a1")
	s.naru.kill()
	s.naru.start()
	s.sendTo(url, "a1", "a2", "a3")
	s.expect(url, 10)
	s.remove(url, got["a1"].ReceiptHandle)
	after := s.expect(url, 10, "a2", "a3")
	if a, b := got["a1"].Attributes["SequenceNumber"], after["a3"].Attributes["SequenceNumber"]; b <= a {
		s.Errorf("the sequence number after a crash is %s, and was %s", b, a)
	}
}

var fifoName = func(s *sqsSuite) string { return s.name() + ".fifo" }

// fifo makes a FIFO queue that deduplicates by content.
func (s *sqsSuite) fifo(attributes ...string) string {
	s.Helper()
	return s.create(fifoName(s), append([]string{"FifoQueue", "true", "ContentBasedDeduplication", "true"}, attributes...)...)
}

// sendTo sends messages, whose group is the first letter of the body.
func (s *sqsSuite) sendTo(url string, bodies ...string) {
	s.Helper()
	for _, body := range bodies {
		s.send(url, body, members{"MessageGroupId": body[:1]})
	}
}

func bodiesOf(messages []types.Message) (bodies []string) {
	for _, m := range messages {
		bodies = append(bodies, *m.Body)
	}
	return bodies
}

// expect receives up to max messages, which must be the given ones.
func (s *sqsSuite) expect(url string, max int, bodies ...string) map[string]types.Message {
	s.Helper()
	messages := s.receive(url, members{"MaxNumberOfMessages": max})
	equal(s, "what is received", bodiesOf(messages), bodies)
	byBody := map[string]types.Message{}
	for _, m := range messages {
		byBody[*m.Body] = m
	}
	return byBody
}

func fifoAttributes(s *sqsSuite) {
	url := s.create(fifoName(s), "FifoQueue", "true")
	got := s.attributes(url)
	for name, want := range map[string]string{"FifoQueue": "true", "ContentBasedDeduplication": "false", "DeduplicationScope": "queue", "FifoThroughputLimit": "perQueue"} {
		if got[name] != want {
			s.Errorf("%s is %q, not %q", name, got[name], want)
		}
	}
	s.set(url, "ContentBasedDeduplication", "true", "DeduplicationScope", "messageGroup", "FifoThroughputLimit", "perMessageGroupId", "FifoQueue", "true")
	equal(s, "FifoThroughputLimit", s.attributes(url)["FifoThroughputLimit"], "perMessageGroupId")
	set := func(attributes ...string) *sqs.SetQueueAttributesInput {
		return &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: pairs(attributes)}
	}
	refused(s, set("FifoQueue", "false"), modelled("InvalidAttributeValue", "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported."))
	for _, name := range []string{"ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit"} {
		refused(s, set(name, "perhaps"), invalidValue(name))
	}
	s.play(map[string]recording{
		"a limit per group without its scope": {
			in:   set("DeduplicationScope", "queue"),
			want: modelled("InvalidAttributeValue", "The perMessageGroupId value for FifoThroughputLimit is allowed only when the value for DeduplicationScope is messageGroup."),
		},
		"the same queue with another attribute": {
			in: &sqs.CreateQueueInput{QueueName: text(nameOf(url)), Attributes: pairs([]string{"FifoQueue", "true", "ContentBasedDeduplication", "false"})},
			want: expected{
				status: 400, code: "QueueAlreadyExists", kind: sqsTypes + "QueueNameExists",
				message: "A queue already exists with the same name and a different value for attribute ContentBasedDeduplication",
			},
		},
	})
}

func fifoNames(s *sqsSuite) {
	const form = "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length"
	create := func(name string, attributes ...string) *sqs.CreateQueueInput {
		return &sqs.CreateQueueInput{QueueName: &name, Attributes: pairs(attributes)}
	}
	for _, name := range []string{"plain", ".fifo", "a b.fifo", "a.FIFO", strings.Repeat("a", 76) + ".fifo"} {
		refused(s, create(name, "FifoQueue", "true"), invalidParameter(form))
	}
	refused(s, create("plain.fifo"), invalidParameter("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"))
	s.create(strings.Repeat("f", 75)+".fifo", "FifoQueue", "true")
}

func fifoNeeds(s *sqsSuite) {
	url, plain := s.fifo(), s.create(fifoName(s), "FifoQueue", "true")
	send := func(url, group, once string) *sqs.SendMessageInput {
		in := &sqs.SendMessageInput{QueueUrl: &url, MessageBody: text("x")}
		if group != "" {
			in.MessageGroupId = &group
		}
		if once != "" {
			in.MessageDeduplicationId = &once
		}
		return in
	}
	noOnce := invalidParameter("The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly")
	batch := entries("x", "y")
	batch[1].MessageGroupId = text("g")
	s.play(map[string]recording{
		"no group":              {in: send(url, "", "1"), want: missingParameter("MessageGroupId")},
		"no deduplication id":   {in: send(plain, "g", ""), want: noOnce},
		"a delay":               {in: send(url, "g", "1"), more: members{"DelaySeconds": 2}, want: invalidParameter("Value 2 for parameter DelaySeconds is invalid. Reason: The request include parameter that is not valid for this queue type.")},
		"a batch without group": {in: &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: batch}, want: invalidParameter("The request must contain the parameter MessageGroupId.")},
		"a batch without id":    {in: &sqs.SendMessageBatchInput{QueueUrl: &plain, Entries: batch[1:]}, want: noOnce},
	})
	do[sqs.SendMessageOutput](s, send(plain, "g", "1"), members{"DelaySeconds": 0})
	s.expectCounts(url, 0, 0, 0)
	s.expectCounts(plain, 1, 0, 0)
}

var twentyDigits = regexp.MustCompile(`^\d{20}$`)

func fifoOrder(s *sqsSuite) {
	url := s.fifo()
	s.sendTo(url, "a1", "b1")
	all := entries("a2", "b2", "a3")
	for i := range all {
		all[i].MessageGroupId = text((*all[i].MessageBody)[:1])
	}
	out := s.sendBatch(url, all)
	last := ""
	for _, e := range out.Successful {
		if !twentyDigits.MatchString(*e.SequenceNumber) || *e.SequenceNumber <= last {
			s.Errorf("the sequence number %s follows %s", *e.SequenceNumber, last)
		}
		last = *e.SequenceNumber
	}
	got := s.expect(url, 4, "a1", "a2", "a3", "b1")
	a := got["a2"].Attributes
	equal(s, "attributes of a2", []string{a["MessageGroupId"], a["SequenceNumber"], a["MessageDeduplicationId"]},
		[]string{"a", *out.Successful[0].SequenceNumber, sha256Of("a2")})
	s.expectCounts(url, 1, 4, 0)
	s.expect(url, 10)
}

func fifoLock(s *sqsSuite) {
	url := s.fifo("VisibilityTimeout", "60")
	s.sendTo(url, "a1", "a2", "a3")
	got := s.expect(url, 2, "a1", "a2")
	s.sendTo(url, "a4")
	s.remove(url, got["a1"].ReceiptHandle)
	s.expect(url, 10)
	s.hide(url, got["a2"].ReceiptHandle, 0)
	got = s.expect(url, 1, "a2")
	s.remove(url, got["a2"].ReceiptHandle)
	s.expect(url, 10, "a3", "a4")
}

func fifoDuplicates(s *sqsSuite) {
	url := s.fifo()
	send := func(body string, more ...members) *sqs.SendMessageOutput {
		s.Helper()
		return do[sqs.SendMessageOutput](s, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body, MessageGroupId: text("g")}, more...)
	}
	first, again := send("x"), send("x", members{"MessageGroupId": "another"})
	equal(s, "a duplicate", []string{*again.MessageId, *again.SequenceNumber, *again.MD5OfMessageBody}, []string{*first.MessageId, *first.SequenceNumber, md5Of("x")})
	explicit := send("x", members{"MessageDeduplicationId": "1"})
	other := send("y", members{"MessageDeduplicationId": "1"})
	equal(s, "a duplicate by its id", []string{*other.MessageId, *other.MD5OfMessageBody}, []string{*explicit.MessageId, md5Of("y")})
	s.expectCounts(url, 2, 0, 0)
	for _, m := range s.expect(url, 10, "x", "x") {
		s.remove(url, m.ReceiptHandle)
	}
	s.naru.advance("4m59s")
	equal(s, "a late duplicate", *send("x").MessageId, *first.MessageId)
	s.naru.advance("2s")
	if *send("x").MessageId == *first.MessageId {
		s.Error("a message is a duplicate after five minutes")
	}
}

func fifoScope(s *sqsSuite) {
	url := s.fifo("DeduplicationScope", "messageGroup")
	for _, group := range []string{"a", "b", "a"} {
		s.send(url, "x", members{"MessageGroupId": group})
	}
	s.expectCounts(url, 2, 0, 0)
	s.set(url, "DeduplicationScope", "queue") // which changes nothing about it
	s.send(url, "x", members{"MessageGroupId": "c"})
	s.expectCounts(url, 3, 0, 0)
}

func fifoPurge(s *sqsSuite) {
	url := s.fifo()
	first := do[sqs.SendMessageOutput](s, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: text("x"), MessageGroupId: text("g")})
	do[sqs.PurgeQueueOutput](s, &sqs.PurgeQueueInput{QueueUrl: &url})
	second := do[sqs.SendMessageOutput](s, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: text("x"), MessageGroupId: text("g")})
	if *second.MessageId == *first.MessageId || *second.SequenceNumber <= *first.SequenceNumber {
		s.Errorf("after the purge it is sent as %s, %s; before it was %s, %s", *second.MessageId, *second.SequenceNumber, *first.MessageId, *first.SequenceNumber)
	}
	s.expectCounts(url, 1, 0, 0)
}

func fifoExpired(s *sqsSuite) {
	url := s.fifo("VisibilityTimeout", "10")
	s.sendTo(url, "a1")
	handle := s.expect(url, 1, "a1")["a1"].ReceiptHandle
	s.hide(url, handle, 20)
	s.naru.advance("15s")
	s.hide(url, handle, 10) // it is good for as long as the message is hidden
	s.naru.advance("10s")
	expired := invalidParameter("Value %s for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.", *handle)
	refused(s, &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: handle}, expired)
	refused(s, &sqs.ChangeMessageVisibilityInput{QueueUrl: &url, ReceiptHandle: handle, VisibilityTimeout: 5},
		invalidParameter("Value %s for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.", *handle))
	out := do[sqs.DeleteMessageBatchOutput](s, &sqs.DeleteMessageBatchInput{QueueUrl: &url, Entries: []types.DeleteMessageBatchRequestEntry{{Id: text("0"), ReceiptHandle: handle}}})
	if len(out.Failed) != 1 || *out.Failed[0].Code != "InvalidParameterValue" || *out.Failed[0].Message != expired.message {
		s.Errorf("in a batch: %+v", out)
	}
	handle = s.expect(url, 1, "a1")["a1"].ReceiptHandle
	s.remove(url, handle)
	s.remove(url, handle)
}

func fifoAttempt(s *sqsSuite) {
	url := s.fifo("VisibilityTimeout", "10")
	s.sendTo(url, "a1", "b1")
	attempt := members{"ReceiveRequestAttemptId": "try", "MaxNumberOfMessages": 1}
	first := s.receive(url, attempt)
	s.naru.advance("9s")
	again := s.receive(url, attempt)
	equal(s, "the attempt", []string{*again[0].MessageId, *again[0].ReceiptHandle}, []string{*first[0].MessageId, *first[0].ReceiptHandle})
	s.naru.advance("9s")
	s.expect(url, 10, "b1")
	refused(s, &sqs.ReceiveMessageInput{QueueUrl: &url, ReceiveRequestAttemptId: text("not good")},
		invalidParameter("Value not good for parameter ReceiveRequestAttemptId is invalid. Reason: ReceiveRequestAttemptId can only include alphanumeric and punctuation characters. 1 to 128 in length."))
}

func fifoDelay(s *sqsSuite) {
	url := s.fifo("DelaySeconds", "100")
	s.sendTo(url, "a1", "a2")
	s.expectCounts(url, 0, 0, 2)
	s.expect(url, 10)
	s.set(url, "DelaySeconds", "0")
	eventually(s, "what waits is visible", func() bool { return s.counts(url) == "2 0 0" })
	got := s.receive(url, members{"WaitTimeSeconds": 5})
	equal(s, "what is received", bodiesOf(got), []string{"a1", "a2"})
}

func fifoDeadLetters(s *sqsSuite) {
	dead, standard := s.fifo(), s.queue()
	policy := func(arn string) string { return fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":1}`, arn) }
	url := s.fifo("RedrivePolicy", policy(arnOf(dead)), "VisibilityTimeout", "5")
	set := &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{"RedrivePolicy": policy(arnOf(standard))}}
	if got := failing(s, set); got.Code != "InvalidParameterValue" {
		s.Errorf("a dead-letter queue of another type: %+v", got)
	}
	s.sendTo(url, "a1", "a2")
	sent := s.expect(url, 1, "a1")["a1"]
	s.naru.advance("5s")
	s.expect(url, 1, "a2")
	got := s.receive(dead, members{"WaitTimeSeconds": 20})
	if len(got) != 1 {
		s.Fatalf("%d messages are dead", len(got))
	}
	a := got[0].Attributes
	equal(s, "the dead letter", []string{*got[0].MessageId, *got[0].Body, a["MessageGroupId"], a["MessageDeduplicationId"], a["DeadLetterQueueSourceArn"], a["ApproximateReceiveCount"]},
		[]string{*sent.MessageId, "a1", "a", *sent.MessageId, arnOf(url), "2"})
	if slices.Contains([]string{"", sent.Attributes["SequenceNumber"]}, a["SequenceNumber"]) {
		s.Errorf("its sequence number is %q", a["SequenceNumber"])
	}
}

func sha256Of(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
