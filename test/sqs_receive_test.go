package test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

var receiveRules = []rule{
	{"ReceiveMessageReturnsUpToTenMessages", receiveMost},
	{"ReceiveMessageChecksItsNumbers", receiveNumbers},
	{"ReceiveMessageOfAnEmptyQueueReturnsNothing", receiveNothing},
	{"OnlyAttributesAskedForAreReturned", receiveFilters},
	{"TheDigestCoversTheAttributesThatAreReturned", receiveDigest},
	{"SystemAttributesTellOfTheMessage", receiveSystemAttributes},
	{"SystemAttributesAreReturnedByName", receiveSystemNames},
	{"TheTraceHeaderOfTheRequestIsTheMessages", receiveTrace},
	{"AnAttemptIDIsIgnoredOnAStandardQueue", receiveAttempt},
}

func receiveMost(s *sqsSuite) {
	url := s.queue()
	for i := range 12 {
		s.send(url, fmt.Sprint(i))
	}
	first := do[sqs.ReceiveMessageOutput](s, &sqs.ReceiveMessageInput{QueueUrl: &url}).Messages
	equal(s, "the number of messages by default", len(first), 1)
	bodies := map[string]bool{*first[0].Body: true}
	for _, m := range s.receive(url) {
		bodies[*m.Body] = true
	}
	equal(s, "the number of different messages", len(bodies), 11)
	equal(s, "the number that is left", len(s.receive(url)), 1)
}

func receiveNumbers(s *sqsSuite) {
	url := s.queue()
	s.send(url, "untouched")
	for _, n := range []int{0, -1, 11} {
		refused(s, &sqs.ReceiveMessageInput{QueueUrl: &url}, invalidParameter("Value %d for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.", n), members{"MaxNumberOfMessages": n})
	}
	for _, n := range []int{-1, 21} {
		refused(s, &sqs.ReceiveMessageInput{QueueUrl: &url}, invalidParameter("Value %d for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided.", n), members{"WaitTimeSeconds": n})
	}
	for _, n := range []int{-1, 43201} {
		r := failing(s, &sqs.ReceiveMessageInput{QueueUrl: &url}, members{"VisibilityTimeout": n})
		if r.Code != "InvalidParameterValue" || !strings.HasPrefix(r.Message, fmt.Sprintf("Value %d for parameter VisibilityTimeout is invalid.", n)) {
			s.Errorf("a VisibilityTimeout of %d is refused with %+v", n, r)
		}
	}
	equal(s, "ApproximateReceiveCount", s.one(url).Attributes["ApproximateReceiveCount"], "1")
}

func receiveNothing(s *sqsSuite) {
	url := s.queue()
	if out := do[sqs.ReceiveMessageOutput](s, &sqs.ReceiveMessageInput{QueueUrl: &url}); out.Messages != nil {
		s.Errorf("received %v", out.Messages)
	}
}

func receiveFilters(s *sqsSuite) {
	url := s.queue("VisibilityTimeout", "0")
	attributes := map[string]types.MessageAttributeValue{}
	for _, name := range []string{"col", "color", "col.or", "Col", "size", "all"} {
		attributes[name] = stringValue("String", name)
	}
	all := slices.Sorted(maps.Keys(attributes))
	do[sqs.SendMessageOutput](s, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: text("x"), MessageAttributes: attributes})
	for _, c := range []struct{ names, want []string }{
		{nil, nil}, {[]string{"All"}, all}, {[]string{".*"}, all}, {[]string{"*"}, all}, {[]string{"col"}, []string{"col"}},
		{[]string{"col.*"}, []string{"col", "col.or", "color"}}, {[]string{"col.", "co", "COL"}, nil}, {[]string{"size", "nothing", "color"}, []string{"color", "size"}},
		{[]string{"AWS.x", "", "bad name!", "size"}, []string{"size"}}, {[]string{"all"}, []string{"all"}}, {[]string{"size", "All"}, all},
	} {
		m := do[sqs.ReceiveMessageOutput](s, &sqs.ReceiveMessageInput{QueueUrl: &url, MessageAttributeNames: c.names}).Messages
		if len(m) != 1 {
			s.Fatalf("received %d messages", len(m))
		}
		equal(s, fmt.Sprintf("asked for %q", c.names), slices.Sorted(maps.Keys(m[0].MessageAttributes)), c.want)
		if has := m[0].MD5OfMessageAttributes != nil; has != (len(c.want) > 0) {
			s.Errorf("asked for %q: there is a digest: %v", c.names, has)
		}
	}
}

func receiveDigest(s *sqsSuite) {
	url := s.queue()
	attributes := map[string]types.MessageAttributeValue{"a": stringValue("String", "1"), "b": stringValue("Number", "2"), "c": binaryValue("Binary", []byte{3})}
	do[sqs.SendMessageOutput](s, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: text("x"), MessageAttributes: attributes})
	m := do[sqs.ReceiveMessageOutput](s, &sqs.ReceiveMessageInput{QueueUrl: &url, MessageAttributeNames: []string{"a", "c"}}).Messages[0]
	delete(attributes, "b")
	equal(s, "MD5OfMessageAttributes", *m.MD5OfMessageAttributes, attributesMD5(attributes))
}

func receiveSystemAttributes(s *sqsSuite) {
	url := s.queue()
	before := s.naru.now().UnixMilli()
	s.send(url, "x")
	after := s.naru.now().UnixMilli()
	between := func(what, value string, from, to int64) int64 {
		at, err := strconv.ParseInt(value, 10, 64)
		if err != nil || at < from || at > to {
			s.Errorf("%s is %s, not between %d and %d", what, value, from, to)
		}
		return at
	}
	s.naru.advance("10s")
	first := s.one(url).Attributes
	sent := between("SentTimestamp", first["SentTimestamp"], before, after)
	received := between("ApproximateFirstReceiveTimestamp", first["ApproximateFirstReceiveTimestamp"], sent+10_000, s.naru.now().UnixMilli())
	want := map[string]string{
		"SenderId": account, "SentTimestamp": fmt.Sprint(sent), "ApproximateReceiveCount": "1", "ApproximateFirstReceiveTimestamp": fmt.Sprint(received),
	}
	equal(s, "the system attributes", first, want)
	s.naru.advance("30s")
	want["ApproximateReceiveCount"] = "2"
	equal(s, "the system attributes when it is received again", s.one(url).Attributes, want)
}

func receiveSystemNames(s *sqsSuite) {
	url := s.queue("VisibilityTimeout", "0")
	do[sqs.SendMessageOutput](s, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: text("x"), MessageSystemAttributes: trace, MessageGroupId: text("g")})
	all := []string{"AWSTraceHeader", "ApproximateFirstReceiveTimestamp", "ApproximateReceiveCount", "MessageGroupId", "SenderId", "SentTimestamp"}
	for _, c := range []struct {
		old  []types.QueueAttributeName
		new  []types.MessageSystemAttributeName
		want []string
	}{
		{nil, nil, nil}, {[]types.QueueAttributeName{"All"}, nil, all}, {nil, []types.MessageSystemAttributeName{"All"}, all},
		{[]types.QueueAttributeName{"SenderId"}, nil, []string{"SenderId"}}, {nil, []types.MessageSystemAttributeName{"SentTimestamp"}, []string{"SentTimestamp"}},
		{[]types.QueueAttributeName{"SenderId"}, []types.MessageSystemAttributeName{"SentTimestamp", "AWSTraceHeader"}, []string{"AWSTraceHeader", "SenderId", "SentTimestamp"}},
		{nil, []types.MessageSystemAttributeName{"DeadLetterQueueSourceArn", "SequenceNumber"}, nil},
	} {
		//lint:ignore SA1019 it is what older SDKs send
		m := do[sqs.ReceiveMessageOutput](s, &sqs.ReceiveMessageInput{QueueUrl: &url, AttributeNames: c.old, MessageSystemAttributeNames: c.new}).Messages
		if len(m) != 1 {
			s.Fatalf("received %d messages", len(m))
		}
		equal(s, fmt.Sprintf("asked for %q, %q", c.old, c.new), slices.Sorted(maps.Keys(m[0].Attributes)), c.want)
	}
}

func receiveTrace(s *sqsSuite) {
	url := s.queue()
	form := "Action=SendMessage&Version=2012-11-05&MessageBody=traced"
	r := s.naru.send(request{
		method: "POST", path: "/" + account + "/" + nameOf(url), body: []byte(form),
		header: map[string]string{"Content-Type": "application/x-www-form-urlencoded", "X-Amzn-Trace-Id": traceHeader},
	})
	equal(s, "the status", r.status, 200)
	equal(s, "AWSTraceHeader", s.one(url).Attributes["AWSTraceHeader"], traceHeader)
}

func receiveAttempt(s *sqsSuite) {
	url := s.queue()
	s.send(url, "x")
	in := &sqs.ReceiveMessageInput{QueueUrl: &url, ReceiveRequestAttemptId: text("attempt-1")}
	equal(s, "the number of messages", len(do[sqs.ReceiveMessageOutput](s, in).Messages), 1)
	equal(s, "the number of messages at the second attempt", len(do[sqs.ReceiveMessageOutput](s, in).Messages), 0)
}

var handleRules = []rule{
	{"EveryReceiveGivesAnotherHandle", handlesDiffer},
	{"AnyHandleOfAMessageDeletesIt", anyHandleDeletes},
	{"DeletingTwiceIsNoError", deleteTwice},
	{"AHandleThatNaruDidNotGiveOutIsRefused", foreignHandles},
	{"AHandleOfAnotherQueueDeletesNothing", handleOfAnotherQueue},
}

// receivedTwice sends a message and receives it twice; the second receive
// hides it.
func receivedTwice(s *sqsSuite) (url string, first, second types.Message) {
	s.Helper()
	url = s.queue()
	s.send(url, "x")
	first = s.one(url, members{"VisibilityTimeout": 0})
	return url, first, s.one(url)
}

func handlesDiffer(s *sqsSuite) {
	_, first, second := receivedTwice(s)
	equal(s, "the ids", *first.MessageId, *second.MessageId)
	if *first.ReceiptHandle == *second.ReceiptHandle {
		s.Error("both receives gave the same handle")
	}
	if len(*first.ReceiptHandle) > 1024 {
		s.Errorf("a handle is of %d bytes", len(*first.ReceiptHandle))
	}
}

func anyHandleDeletes(s *sqsSuite) {
	url, first, second := receivedTwice(s)
	s.naru.advance("31s")
	s.remove(url, second.ReceiptHandle)
	s.nothing(url)
	s.expectCounts(url, 0, 0, 0)
	url, first, _ = receivedTwice(s)
	s.remove(url, first.ReceiptHandle)
	s.expectCounts(url, 0, 0, 0)
	s.naru.advance("31s")
	s.nothing(url)
}

func deleteTwice(s *sqsSuite) {
	url, first, second := receivedTwice(s)
	for _, handle := range []*string{second.ReceiptHandle, second.ReceiptHandle, first.ReceiptHandle} {
		s.remove(url, handle)
		s.expectCounts(url, 0, 0, 0)
	}
}

func foreignHandles(s *sqsSuite) {
	url := s.queue()
	s.send(url, "x")
	real := *s.one(url).ReceiptHandle
	changed := []byte(real)
	changed[len(changed)/2] ^= 1
	for _, handle := range []string{"garbage", string(changed), real + "A", real[:len(real)-4], strings.ToUpper(real), "나루", "a b"} {
		refused(s, &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: &handle}, badHandle(handle))
		refused(s, &sqs.ChangeMessageVisibilityInput{QueueUrl: &url, ReceiptHandle: &handle, VisibilityTimeout: 5}, badHandle(handle))
	}
	refused(s, &sqs.DeleteMessageInput{QueueUrl: &url}, missingParameter("ReceiptHandle"))
	refused(s, &sqs.ChangeMessageVisibilityInput{QueueUrl: &url, VisibilityTimeout: 5}, missingParameter("ReceiptHandle"))
	s.expectCounts(url, 0, 1, 0)
}

func handleOfAnotherQueue(s *sqsSuite) {
	url, other := s.queue(), s.queue()
	s.send(url, "x")
	s.send(other, "y")
	handle := s.one(url).ReceiptHandle
	do[sqs.DeleteMessageOutput](s, &sqs.DeleteMessageInput{QueueUrl: &other, ReceiptHandle: handle})
	s.expectCounts(url, 0, 1, 0)
	s.expectCounts(other, 1, 0, 0)
}

var visibilityRules = []rule{
	{"AReceivedMessageIsHiddenForTheVisibilityTimeout", hiddenForTimeout},
	{"ReceiveMessageMaySetTheVisibilityTimeout", receiveSetsTimeout},
	{"AVisibilityTimeoutOfZeroHidesNothing", zeroHidesNothing},
	{"ChangeMessageVisibilityCountsFromNow", changeCountsFromNow},
	{"ChangeMessageVisibilityHoldsForOneReceive", changeHoldsOnce},
	{"ChangeMessageVisibilityTakesOldHandles", changeTakesOldHandles},
	{"ChangeMessageVisibilityNeedsAMessage", changeNeedsMessage},
	{"ChangeMessageVisibilityChecksItsTimeout", changeChecksTimeout},
	{"AMessageIsHiddenForTwelveHoursInAll", twelveHours},
	{"TheQueuesVisibilityTimeoutHoldsForLaterReceives", timeoutOfQueue},
}

func hiddenForTimeout(s *sqsSuite) {
	url := s.queue()
	s.send(url, "x")
	s.one(url)
	s.naru.advance("20s")
	s.nothing(url)
	s.expectCounts(url, 0, 1, 0)
	s.naru.advance("10s")
	s.expectCounts(url, 1, 0, 0)
	equal(s, "ApproximateReceiveCount", s.one(url).Attributes["ApproximateReceiveCount"], "2")
}

func receiveSetsTimeout(s *sqsSuite) {
	url := s.queue()
	s.send(url, "x")
	s.one(url, members{"VisibilityTimeout": 100})
	s.naru.advance("80s")
	s.nothing(url)
	s.naru.advance("20s")
	s.one(url, members{"VisibilityTimeout": 43200})
	s.naru.advance("11h59m")
	s.nothing(url)
	s.naru.advance("1m")
	s.one(url)
}

func zeroHidesNothing(s *sqsSuite) {
	url := s.queue()
	s.send(url, "x")
	for i := 1; i <= 3; i++ {
		equal(s, "ApproximateReceiveCount", s.one(url, members{"VisibilityTimeout": 0}).Attributes["ApproximateReceiveCount"], fmt.Sprint(i))
		s.expectCounts(url, 1, 0, 0)
	}
	s.remove(url, s.one(url, members{"VisibilityTimeout": 0}).ReceiptHandle)
	s.nothing(url)
}

func changeCountsFromNow(s *sqsSuite) {
	url := s.queue()
	s.send(url, "x")
	m := s.one(url)
	s.naru.advance("20s")
	s.hide(url, m.ReceiptHandle, 60)
	s.naru.advance("50s")
	s.nothing(url)
	s.naru.advance("10s")
	m = s.one(url)
	s.hide(url, m.ReceiptHandle, 5)
	s.naru.advance("5s")
	m = s.one(url)
	s.hide(url, m.ReceiptHandle, 0)
	s.one(url)
}

func changeHoldsOnce(s *sqsSuite) {
	url := s.queue()
	s.send(url, "x")
	s.hide(url, s.one(url).ReceiptHandle, 100)
	s.naru.advance("100s")
	s.one(url)
	s.naru.advance("30s")
	s.one(url)
}

func changeTakesOldHandles(s *sqsSuite) {
	url, first, second := receivedTwice(s)
	s.hide(url, first.ReceiptHandle, 0)
	third := s.one(url)
	s.naru.advance("31s")
	s.expectCounts(url, 1, 0, 0)
	s.hide(url, second.ReceiptHandle, 60) // its time had passed
	s.expectCounts(url, 0, 1, 0)
	s.nothing(url)
	s.naru.advance("60s")
	s.one(url)
	s.remove(url, third.ReceiptHandle)
	s.expectCounts(url, 0, 0, 0)
}

func notAvailable(handle *string) expected {
	return invalidParameter("Value %s for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.", *handle)
}

func changeNeedsMessage(s *sqsSuite) {
	url, first, second := receivedTwice(s)
	s.remove(url, second.ReceiptHandle)
	for _, handle := range []*string{first.ReceiptHandle, second.ReceiptHandle} {
		for _, seconds := range []int32{0, 10} {
			refused(s, &sqs.ChangeMessageVisibilityInput{QueueUrl: &url, ReceiptHandle: handle, VisibilityTimeout: seconds}, notAvailable(handle))
		}
	}
}

func changeChecksTimeout(s *sqsSuite) {
	url := s.queue()
	s.send(url, "x")
	handle := s.one(url).ReceiptHandle
	for _, seconds := range []int32{-1, 43201} {
		r := failing(s, &sqs.ChangeMessageVisibilityInput{QueueUrl: &url, ReceiptHandle: handle, VisibilityTimeout: seconds})
		if r.Code != "InvalidParameterValue" || !strings.HasPrefix(r.Message, fmt.Sprintf("Value %d for parameter VisibilityTimeout is invalid.", seconds)) {
			s.Errorf("a VisibilityTimeout of %d is refused with %+v", seconds, r)
		}
	}
	refused(s, &sqs.ChangeMessageVisibilityInput{QueueUrl: &url, ReceiptHandle: handle}, missingParameter("VisibilityTimeout"), members{"VisibilityTimeout": nil})
}

func beyondLimit(seconds int) expected {
	return invalidParameter("Value %d for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message is beyond the limit [43200 seconds]", seconds)
}

func twelveHours(s *sqsSuite) {
	url := s.queue()
	s.send(url, "x")
	handle := s.one(url).ReceiptHandle
	in := func(seconds int32) *sqs.ChangeMessageVisibilityInput {
		return &sqs.ChangeMessageVisibilityInput{QueueUrl: &url, ReceiptHandle: handle, VisibilityTimeout: seconds}
	}
	s.naru.advance("10s")
	refused(s, in(43200), beyondLimit(43200))
	s.hide(url, handle, 43180)
	s.naru.advance("6h")
	refused(s, in(21600), beyondLimit(21600))
	s.hide(url, handle, 21580)
	s.naru.advance("21580s")
	handle = s.one(url).ReceiptHandle // another receive counts anew
	s.naru.advance("1h")
	s.hide(url, handle, 39590)
	s.nothing(url)
}

func timeoutOfQueue(s *sqsSuite) {
	url := s.queue("VisibilityTimeout", "100")
	s.send(url, "x")
	s.one(url)
	s.set(url, "VisibilityTimeout", "10")
	s.naru.advance("80s")
	s.nothing(url)
	s.naru.advance("20s")
	s.one(url)
	s.naru.advance("10s")
	s.one(url)
}

var delayRules = []rule{
	{"ADelayedMessageIsNotReceivedBeforeItsDelay", delayedMessage},
	{"TheQueuesDelayHoldsForMessagesWithoutTheirOwn", delayOfQueue},
	{"DelaySecondsGoesToFifteenMinutes", delayRange},
}

func delayedMessage(s *sqsSuite) {
	url := s.queue()
	s.send(url, "x", members{"DelaySeconds": 900})
	s.naru.advance("880s")
	s.nothing(url)
	s.expectCounts(url, 0, 0, 1)
	s.naru.advance("20s")
	equal(s, "ApproximateReceiveCount", s.one(url).Attributes["ApproximateReceiveCount"], "1")
}

func delayOfQueue(s *sqsSuite) {
	url := s.queue("DelaySeconds", "60")
	s.send(url, "at once", members{"DelaySeconds": 0})
	s.send(url, "in a minute")
	s.set(url, "DelaySeconds", "0")
	s.send(url, "at once")
	s.expectCounts(url, 2, 0, 1) // the change is for new messages
	equal(s, "the number of messages", len(s.receive(url, members{"VisibilityTimeout": 600})), 2)
	s.naru.advance("60s")
	equal(s, "the body", *s.one(url).Body, "in a minute")
}

func delayRange(s *sqsSuite) {
	url := s.queue()
	for _, n := range []int{-1, 901} {
		refused(s, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: text("x")},
			invalidParameter("Value %d for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.", n), members{"DelaySeconds": n})
	}
	s.expectCounts(url, 0, 0, 0)
}
