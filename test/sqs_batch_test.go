package test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

var batchRules = []rule{
	{"ABatchSendsEveryEntry", batchSends},
	{"ABatchHasOneToTenEntries", batchCounts},
	{"TheIDsOfABatchAreDistinctAndWellFormed", batchIDs},
	{"ABatchOfMessagesIsOfAtMostOneMebibyte", batchSize},
	{"AnEntryOfABatchFailsAlone", batchEntriesFail},
	{"ABatchWithABadEntryCountIsNotSentInPart", batchIsCheckedFirst},
	{"ABatchDeletesEveryEntry", batchDeletes},
	{"ABatchChangesEveryVisibility", batchChanges},
	{"EntriesOfABatchHaveTheirOwnDelay", batchDelays},
}

// entries returns entries for messages, whose ids are "0", "1" and so on.
func entries(bodies ...string) (all []types.SendMessageBatchRequestEntry) {
	for i := range bodies {
		all = append(all, types.SendMessageBatchRequestEntry{Id: text(fmt.Sprint(i)), MessageBody: &bodies[i]})
	}
	return all
}

func (s *sqsSuite) sendBatch(url string, all []types.SendMessageBatchRequestEntry, more ...members) *sqs.SendMessageBatchOutput {
	s.Helper()
	return do[sqs.SendMessageBatchOutput](s, &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: all}, more...)
}

func batchSends(s *sqsSuite) {
	url := s.queue()
	bodies := slices.Clone(oddTexts[:10])
	all := entries(bodies...)
	all[3].MessageAttributes = map[string]types.MessageAttributeValue{"a": binaryValue("Binary", []byte{1})}
	all[4].MessageSystemAttributes = trace
	all[5].MessageGroupId = text("g")
	all[6].Id = text("-_" + strings.Repeat("i", 78))
	out := s.sendBatch(url, all)
	if len(out.Successful) != 10 || out.Failed != nil {
		s.Fatalf("%d entries succeeded, and these failed: %v", len(out.Successful), out.Failed)
	}
	received := map[string]types.Message{}
	for _, m := range s.receive(url) {
		received[*m.MessageId] = m
	}
	for i, r := range out.Successful {
		m := received[*r.MessageId]
		equal(s, fmt.Sprint("entry ", i), []string{*r.Id, *r.MD5OfMessageBody, *m.Body}, []string{*all[i].Id, md5Of(bodies[i]), bodies[i]})
		if has := r.MD5OfMessageAttributes != nil; has != (i == 3) {
			s.Errorf("entry %d has a digest of attributes: %v", i, has)
		}
		if has := r.MD5OfMessageSystemAttributes != nil; has != (i == 4) {
			s.Errorf("entry %d has a digest of system attributes: %v", i, has)
		}
	}
	equal(s, "AWSTraceHeader", received[*out.Successful[4].MessageId].Attributes["AWSTraceHeader"], traceHeader)
	equal(s, "MessageGroupId", received[*out.Successful[5].MessageId].Attributes["MessageGroupId"], "g")
}

// batches returns an input of each batch operation, with so many entries, the
// ids of which id returns.
func batches(url string, count int, id func(i int) *string) map[string]any {
	send := &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: []types.SendMessageBatchRequestEntry{}}
	remove := &sqs.DeleteMessageBatchInput{QueueUrl: &url, Entries: []types.DeleteMessageBatchRequestEntry{}}
	change := &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &url, Entries: []types.ChangeMessageVisibilityBatchRequestEntry{}}
	for i := range count {
		send.Entries = append(send.Entries, types.SendMessageBatchRequestEntry{Id: id(i), MessageBody: text("x")})
		remove.Entries = append(remove.Entries, types.DeleteMessageBatchRequestEntry{Id: id(i), ReceiptHandle: text("x")})
		change.Entries = append(change.Entries, types.ChangeMessageVisibilityBatchRequestEntry{Id: id(i), ReceiptHandle: text("x")})
	}
	return map[string]any{"SendMessageBatch": send, "DeleteMessageBatch": remove, "ChangeMessageVisibilityBatch": change}
}

func numbered(i int) *string { return text(fmt.Sprint(i)) }

func batchCounts(s *sqsSuite) {
	url := s.queue()
	for operation, in := range batches(url, 0, numbered) {
		refused(s, in, old(400, "EmptyBatchRequest", "There should be at least one %sRequestEntry in the request.", operation))
	}
	for _, n := range []int{11, 20} {
		for _, in := range batches(url, n, numbered) {
			refused(s, in, old(400, "TooManyEntriesInBatchRequest", "Maximum number of entries per request are 10. You have sent %d.", n))
		}
	}
	s.expectCounts(url, 0, 0, 0)
}

func batchIDs(s *sqsSuite) {
	url := s.queue()
	bad := old(400, "InvalidBatchEntryId", "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.")
	for _, id := range []string{"", "a b", "a.b", "é", "a:b", strings.Repeat("i", 81), "\n"} {
		for _, in := range batches(url, 2, func(i int) *string { return []*string{text("good"), text(id)}[i] }) {
			refused(s, in, bad)
		}
	}
	for _, in := range batches(url, 3, func(i int) *string { return []*string{text("same"), text("other"), text("same")}[i] }) {
		refused(s, in, old(400, "BatchEntryIdsNotDistinct", "Id same repeated."))
	}
	for _, in := range batches(url, 2, func(i int) *string { return []*string{text("good"), nil}[i] }) {
		if r := failing(s, in); r.Code != "MissingParameter" {
			s.Errorf("%s without an id is refused with %+v", operationOf(in), r)
		}
	}
	s.expectCounts(url, 0, 0, 0)
}

func batchSize(s *sqsSuite) {
	const most = 1 << 20
	for _, limit := range []string{"1048576", "524288"} {
		url := s.queue("MaximumMessageSize", limit)
		all := entries(strings.Repeat("x", most/2), strings.Repeat("é", most/4-1)+"y")
		all[1].MessageSystemAttributes = trace // which does not count
		all[1].MessageAttributes = map[string]types.MessageAttributeValue{"a": stringValue("Number", "1")}
		refused(s, &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: all},
			old(400, "BatchRequestTooLong", "Batch requests cannot be longer than 1048576 bytes. You have sent %d bytes.", most-1+8))
		s.expectCounts(url, 0, 0, 0)
		all[1].MessageBody = text(strings.Repeat("y", most/2-8))
		if out := s.sendBatch(url, all); len(out.Successful) != 2 {
			s.Errorf("a batch of just a mebibyte fails: %v", out.Failed)
		}
	}
}

// failures returns the entries that failed: id, code and message of each.
func failures(failed []types.BatchResultErrorEntry) (all []string) {
	for _, f := range failed {
		all = append(all, fmt.Sprint(*f.Id, " ", f.SenderFault, " ", *f.Code, ": ", *f.Message))
	}
	return all
}

func batchEntriesFail(s *sqsSuite) {
	url := s.queue("MaximumMessageSize", "1024")
	all := entries("good", strings.Repeat("x", 1025), "bad \x01", "", "good too", "bad attribute", "bad group")
	all[5].MessageAttributes = map[string]types.MessageAttributeValue{"a": stringValue("String", "")}
	all[6].MessageGroupId = text("a b")
	out := s.sendBatch(url, all)
	equal(s, "what failed", failures(out.Failed), []string{
		"1 true InvalidParameterValue: One or more parameters cannot be validated. Reason: Message must be shorter than 1024 bytes.",
		"2 true InvalidMessageContents: " + badCharacters,
		"3 true MissingParameter: The request must contain the parameter MessageBody.",
		"5 true InvalidParameterValue: Message (user) attribute 'a' must contain a non-empty value of type 'String'.",
		"6 true InvalidParameterValue: Value a b for parameter MessageGroupId is invalid. Reason: MessageGroupId can only include alphanumeric and punctuation characters. 1 to 128 in length.",
	})
	var succeeded []string
	for _, r := range out.Successful {
		succeeded = append(succeeded, *r.Id)
	}
	equal(s, "what succeeded", succeeded, []string{"0", "4"})
	s.expectCounts(url, 2, 0, 0)
	out = s.sendBatch(url, all[1:3])
	if out.Successful != nil || len(out.Failed) != 2 {
		s.Errorf("a batch of bad entries: %v succeeded, %v failed", out.Successful, failures(out.Failed))
	}
}

func batchIsCheckedFirst(s *sqsSuite) {
	url := s.queue()
	all := entries("a", "b", "c")
	all[2].Id = text("bad id")
	failing(s, &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: all})
	s.expectCounts(url, 0, 0, 0)
	s.sendBatch(url, entries("a", "b"))
	messages := s.receive(url)
	failing(s, &sqs.DeleteMessageBatchInput{QueueUrl: &url, Entries: []types.DeleteMessageBatchRequestEntry{
		{Id: text("1"), ReceiptHandle: messages[0].ReceiptHandle}, {Id: text("1"), ReceiptHandle: messages[1].ReceiptHandle},
	}})
	s.expectCounts(url, 0, 2, 0)
}

func batchDeletes(s *sqsSuite) {
	url := s.queue()
	s.sendBatch(url, entries("a", "b", "c"))
	var all []types.DeleteMessageBatchRequestEntry
	for i, m := range s.receive(url) {
		all = append(all, types.DeleteMessageBatchRequestEntry{Id: numbered(i), ReceiptHandle: m.ReceiptHandle})
	}
	all[1].ReceiptHandle = text("garbage")
	in := &sqs.DeleteMessageBatchInput{QueueUrl: &url, Entries: all}
	for range 2 { // a second time is as good
		out := do[sqs.DeleteMessageBatchOutput](s, in)
		equal(s, "what failed", failures(out.Failed), []string{`1 true ReceiptHandleIsInvalid: The input receipt handle "garbage" is not a valid receipt handle.`})
		if len(out.Successful) != 2 || *out.Successful[0].Id != "0" || *out.Successful[1].Id != "2" {
			s.Errorf("what succeeded: %v", out.Successful)
		}
		s.expectCounts(url, 0, 1, 0)
	}
	in.Entries = all[:1]
	if out := do[sqs.DeleteMessageBatchOutput](s, in); out.Failed != nil {
		s.Errorf("what failed: %v", out.Failed)
	}
}

func batchChanges(s *sqsSuite) {
	url := s.queue()
	s.sendBatch(url, entries("a", "b", "c", "d", "e", "f"))
	var all []types.ChangeMessageVisibilityBatchRequestEntry
	messages := s.receive(url)
	for i, m := range messages {
		all = append(all, types.ChangeMessageVisibilityBatchRequestEntry{Id: numbered(i), ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: 60})
	}
	s.remove(url, all[2].ReceiptHandle)
	all[1].ReceiptHandle = text("garbage")
	all[3].VisibilityTimeout = 43201
	s.naru.advance("1s")
	all[4].VisibilityTimeout = 43200
	out := do[sqs.ChangeMessageVisibilityBatchOutput](s, &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &url, Entries: all}, members{"Entries.6.VisibilityTimeout": 0})
	var codes []string
	for _, f := range out.Failed {
		codes = append(codes, *f.Id+" "+*f.Code)
	}
	slices.Sort(codes)
	equal(s, "what failed", codes, []string{"1 ReceiptHandleIsInvalid", "2 InvalidParameterValue", "3 InvalidParameterValue", "4 InvalidParameterValue"})
	if len(out.Successful) != 2 || *out.Successful[0].Id != "0" || *out.Successful[1].Id != "5" {
		s.Errorf("what succeeded: %v", out.Successful)
	}
	equal(s, "the message that is visible", *s.one(url).MessageId, *messages[5].MessageId)
	s.naru.advance("30s")
	equal(s, "the number of messages after their timeout", len(s.receive(url)), 4)
}

func batchDelays(s *sqsSuite) {
	url := s.queue("DelaySeconds", "30")
	all := entries("of the queue", "long", "none", "bad")
	all[1].DelaySeconds = 60
	all[3].DelaySeconds = 901
	out := s.sendBatch(url, all, members{"Entries.3.DelaySeconds": 0})
	equal(s, "what failed", failures(out.Failed), []string{"3 true InvalidParameterValue: Value 901 for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900."})
	equal(s, "at once", *s.one(url, members{"VisibilityTimeout": 600}).Body, "none")
	s.naru.advance("30s")
	equal(s, "after 30 s", *s.one(url, members{"VisibilityTimeout": 600}).Body, "of the queue")
	s.naru.advance("30s")
	equal(s, "after 60 s", *s.one(url, members{"VisibilityTimeout": 600}).Body, "long")
}

var deadLetterRules = []rule{
	{"AMessageMovesWhenItWasReceivedTooOften", deadLetterMoves},
	{"ADeadLetteredMessageKeepsWhatItIs", deadLetterKeeps},
	{"WithoutItsDeadLetterQueueAMessageStays", deadLetterGone},
	{"ADeadLetterQueueMayHaveItsOwn", deadLetterChain},
	{"ARedrivePolicyHoldsForMessagesThatAreThere", deadLetterLater},
	{"ManyMessagesMoveAtOnce", deadLetterMany},
}

// withDeadLetters makes a queue and its dead-letter queue.
func (s *sqsSuite) withDeadLetters(receives int) (source, dead string) {
	s.Helper()
	dead = s.queue()
	return s.queue("RedrivePolicy", redrive(arnOf(dead), receives)), dead
}

func deadLetterMoves(s *sqsSuite) {
	for _, receives := range []int{1, 3} {
		source, dead := s.withDeadLetters(receives)
		s.send(source, "x")
		for i := 1; i <= receives; i++ {
			equal(s, "ApproximateReceiveCount", s.one(source, members{"VisibilityTimeout": 0}).Attributes["ApproximateReceiveCount"], fmt.Sprint(i))
		}
		s.expectCounts(source, 1, 0, 0)
		s.nothing(source)
		eventually(s, "the message moves", func() bool { return s.counts(dead) == "1 0 0" })
		s.expectCounts(source, 0, 0, 0)
		m := s.one(dead).Attributes
		equal(s, "the attributes", []string{m["ApproximateReceiveCount"], m["DeadLetterQueueSourceArn"]}, []string{fmt.Sprint(receives + 1), arnOf(source)})
	}
}

func deadLetterKeeps(s *sqsSuite) {
	source, dead := s.withDeadLetters(1)
	attributes := map[string]types.MessageAttributeValue{"a": stringValue("String.x", "é"), "b": binaryValue("Binary", []byte{0})}
	do[sqs.SendMessageOutput](s, &sqs.SendMessageInput{
		QueueUrl: &source, MessageBody: text("나루"), MessageAttributes: attributes, MessageSystemAttributes: trace, MessageGroupId: text("g"),
	})
	before := s.one(source)
	s.naru.advance("30s")
	s.nothing(source)
	var after types.Message
	eventually(s, "the message moves", func() bool {
		messages := s.receive(dead)
		if len(messages) == 1 {
			after = messages[0]
		}
		return len(messages) == 1
	})
	equal(s, "id, body and digests", []string{*after.MessageId, *after.Body, *after.MD5OfBody, *after.MD5OfMessageAttributes}, []string{*before.MessageId, "나루", md5Of("나루"), attributesMD5(attributes)})
	want := map[string]string{"ApproximateReceiveCount": "2", "DeadLetterQueueSourceArn": arnOf(source)}
	for _, name := range []string{"SenderId", "SentTimestamp", "AWSTraceHeader", "MessageGroupId", "ApproximateFirstReceiveTimestamp"} {
		want[name] = before.Attributes[name]
	}
	equal(s, "the system attributes", after.Attributes, want)
}

func deadLetterGone(s *sqsSuite) {
	source, dead := s.withDeadLetters(1)
	s.send(source, "x")
	s.one(source, members{"VisibilityTimeout": 0})
	do[sqs.DeleteQueueOutput](s, &sqs.DeleteQueueInput{QueueUrl: &dead})
	eventually(s, "the message is received all the same", func() bool {
		messages := s.receive(source, members{"VisibilityTimeout": 0})
		return len(messages) == 1 && *messages[0].Body == "x"
	})
}

func deadLetterChain(s *sqsSuite) {
	last := s.queue()
	middle := s.queue("RedrivePolicy", redrive(arnOf(last), 3))
	first := s.queue("RedrivePolicy", redrive(arnOf(middle), 1))
	s.send(first, "x")
	s.one(first, members{"VisibilityTimeout": 0})
	s.nothing(first)
	eventually(s, "the message moves on", func() bool {
		s.receive(middle, members{"VisibilityTimeout": 0})
		return s.counts(last) == "1 0 0"
	})
	equal(s, "DeadLetterQueueSourceArn", s.one(last).Attributes["DeadLetterQueueSourceArn"], arnOf(middle))
}

func deadLetterLater(s *sqsSuite) {
	source, dead := s.queue(), s.queue()
	s.send(source, "x")
	for range 4 {
		s.one(source, members{"VisibilityTimeout": 0})
	}
	s.set(source, "RedrivePolicy", redrive(arnOf(dead), 4))
	s.nothing(source)
	eventually(s, "the message moves", func() bool { return s.counts(dead) == "1 0 0" })
}

func deadLetterMany(s *sqsSuite) {
	source, dead := s.withDeadLetters(1)
	for range 5 {
		s.sendBatch(source, entries("0", "1", "2", "3", "4", "5", "6", "7", "8", "9"))
	}
	for range 5 {
		equal(s, "the number received", len(s.receive(source)), 10)
	}
	s.naru.advance("30s")
	s.send(source, "fresh")
	eventually(s, "the fresh message is received", func() bool { return len(s.receive(source)) == 1 })
	eventually(s, "the messages move", func() bool { return s.counts(dead) == "50 0 0" })
	s.expectCounts(source, 0, 1, 0)
}
