package test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

var queueRules = []rule{
	{"AQueueHasTheURLByWhichItIsReached", aQueueHasAURL},
	{"CreateQueueReturnsAQueueThatHasTheGivenAttributes", createIsIdempotent},
	{"CreateQueueRefusesOtherAttributesThanTheQueueHas", createRefusesDifferences},
	{"CreateQueueTakesFiftyTags", createTakesTags},
	{"GetQueueUrlFindsQueuesByNameAndOwner", getQueueURL},
	{"ListQueuesFindsByPrefixInOrder", listByPrefix},
	{"ListQueuesGoesPageByPage", listByPage},
	{"ListQueuesChecksItsLimits", listLimits},
	{"ADeletedQueueIsGone", deletedIsGone},
	{"AQueueURLIsKnownByItsPath", urlForms},
	{"AnUnknownQueueDoesNotExistForAnyOperation", unknownQueue},
}

func aQueueHasAURL(s *sqsSuite) {
	name := s.name()
	equal(s, "the URL", s.create(name), s.naru.endpoint+"/"+account+"/"+name)
}

func createIsIdempotent(s *sqsSuite) {
	name := s.name()
	url := s.create(name, "DelaySeconds", "5", "VisibilityTimeout", "40")
	s.send(url, "kept")
	for _, attributes := range [][]string{
		nil, {"DelaySeconds", "5"}, {"VisibilityTimeout", "40"}, {"MaximumMessageSize", "1048576"}, {"SqsManagedSseEnabled", "true"},
		{"DelaySeconds", "5", "VisibilityTimeout", "40", "ReceiveMessageWaitTimeSeconds", "0"},
	} {
		equal(s, fmt.Sprint("the URL of a queue asked for with ", attributes), s.create(name, attributes...), url)
	}
	s.expectCounts(url, 0, 0, 1)
	equal(s, "DelaySeconds", s.attributes(url)["DelaySeconds"], "5")
}

func createRefusesDifferences(s *sqsSuite) {
	name := s.name()
	url := s.create(name, "DelaySeconds", "5")
	for _, different := range [][]string{
		{"DelaySeconds", "0"}, {"DelaySeconds", "6"}, {"VisibilityTimeout", "31"}, {"MaximumMessageSize", "1024"},
		{"MessageRetentionPeriod", "60"}, {"ReceiveMessageWaitTimeSeconds", "1"}, {"SqsManagedSseEnabled", "false"}, {"KmsMasterKeyId", "alias/mine"},
	} {
		want := modelled("QueueAlreadyExists", "A queue already exists with the same name and a different value for attribute %s", different[0])
		want.kind = sqsTypes + "QueueNameExists"
		refused(s, &sqs.CreateQueueInput{QueueName: &name, Attributes: pairs(different)}, want)
	}
	equal(s, "DelaySeconds", s.attributes(url)["DelaySeconds"], "5")
}

func createTakesTags(s *sqsSuite) {
	tags := map[string]string{}
	for i := range 50 {
		tags[fmt.Sprintf("key %d é", i)] = strings.Repeat("v", i)
	}
	do[sqs.CreateQueueOutput](s, &sqs.CreateQueueInput{QueueName: text(s.name()), Tags: tags})
	tags["one more"] = ""
	r := failing(s, &sqs.CreateQueueInput{QueueName: text(s.name()), Tags: tags})
	equal(s, "the code for 51 tags", r.Code, "InvalidParameterValue")
}

func getQueueURL(s *sqsSuite) {
	name := s.name()
	url := s.create(name)
	for _, owner := range []*string{nil, text(account)} {
		got := do[sqs.GetQueueUrlOutput](s, &sqs.GetQueueUrlInput{QueueName: &name, QueueOwnerAWSAccountId: owner})
		equal(s, "the URL", *got.QueueUrl, url)
	}
	refused(s, &sqs.GetQueueUrlInput{QueueName: text("no-such-queue")}, noQueue)
	refused(s, &sqs.GetQueueUrlInput{}, missingParameter("QueueName"))
}

// list returns the names of all queues with a prefix.
func (s *sqsSuite) list(prefix string) (names []string) {
	s.Helper()
	for _, url := range do[sqs.ListQueuesOutput](s, &sqs.ListQueuesInput{QueueNamePrefix: &prefix}).QueueUrls {
		names = append(names, nameOf(url))
	}
	return names
}

func listByPrefix(s *sqsSuite) {
	prefix := s.name() + "-"
	var names []string
	for _, end := range []string{"b", "a", "aa", "c", "B"} {
		names = append(names, prefix+end)
		s.create(prefix + end)
	}
	slices.Sort(names)
	equal(s, "all", s.list(prefix), names)
	equal(s, "those with a", s.list(prefix+"a"), []string{prefix + "a", prefix + "aa"})
	if got := s.list("no such prefix"); got != nil {
		s.Errorf("there are %v", got)
	}
}

func listByPage(s *sqsSuite) {
	prefix := s.name() + "-"
	var want, got []string
	for i := range 7 {
		want = append(want, prefix+strconv.Itoa(i))
		s.create(want[i])
	}
	in := &sqs.ListQueuesInput{QueueNamePrefix: &prefix, MaxResults: aws.Int32(3)}
	for pages := 1; ; pages++ {
		out := do[sqs.ListQueuesOutput](s, in)
		if len(out.QueueUrls) > 3 {
			s.Fatalf("a page has %d queues", len(out.QueueUrls))
		}
		for _, url := range out.QueueUrls {
			got = append(got, nameOf(url))
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			equal(s, "the number of pages", pages, 3)
			break
		}
	}
	equal(s, "the queues", got, want)
	in.MaxResults = aws.Int32(7)
	if out := do[sqs.ListQueuesOutput](s, in); out.NextToken != nil || len(out.QueueUrls) != 7 {
		s.Errorf("a page for all has %d queues and the token %v", len(out.QueueUrls), out.NextToken)
	}
}

func listLimits(s *sqsSuite) {
	for _, n := range []int32{-1, 1001} {
		r := failing(s, &sqs.ListQueuesInput{MaxResults: aws.Int32(n)})
		equal(s, fmt.Sprint("the code for MaxResults ", n), r.Code, "InvalidParameterValue")
	}
	r := failing(s, &sqs.ListQueuesInput{}, members{"MaxResults": 0})
	equal(s, "the code for MaxResults 0", r.Code, "InvalidParameterValue")
	for _, junk := range []string{"no token!", "anVuaw=="} {
		r = failing(s, &sqs.ListQueuesInput{MaxResults: aws.Int32(2), NextToken: &junk})
		equal(s, "the code for the token "+junk, r.Code, "InvalidParameterValue")
	}
}

func deletedIsGone(s *sqsSuite) {
	name := s.name()
	url := s.create(name)
	s.send(url, "gone with it")
	do[sqs.DeleteQueueOutput](s, &sqs.DeleteQueueInput{QueueUrl: &url})
	if got := s.list(name); got != nil {
		s.Errorf("ListQueues still has %v", got)
	}
	refused(s, &sqs.GetQueueUrlInput{QueueName: &name}, noQueue)
	refused(s, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: text("late")}, noQueue)
	refused(s, &sqs.DeleteQueueInput{QueueUrl: &url}, noQueue)
}

func urlForms(s *sqsSuite) {
	name := s.name()
	s.create(name)
	for i, url := range []string{
		s.naru.endpoint + "/" + account + "/" + name,
		"https://sqs.us-east-1.amazonaws.com/" + account + "/" + name,
		"https://queue.amazonaws.com/" + account + "/" + name,
		"http://elsewhere.example:1/" + account + "/" + name,
		"/" + account + "/" + name,
		"/queue/us-east-1/" + account + "/" + name,
		name,
	} {
		s.send(url, fmt.Sprint(i))
		s.expectCounts(name, i+1, 0, 0)
	}
	for _, url := range []string{"", "/", "/" + name, "/123/" + name, "https://example.com", "::", "/" + account + "/"} {
		refused(s, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: text("lost")}, noQueue)
	}
	if s.protocol != (queryProtocol{atQueue: true}) && s.protocol != (queryProtocol{atQueue: true, get: true}) {
		refused(s, &sqs.SendMessageInput{MessageBody: text("lost")}, noQueue)
	}
}

// onQueue returns an input of every operation on a queue.
func onQueue(url *string) []any {
	handle, id := text("handle"), text("1")
	return []any{
		&sqs.DeleteQueueInput{QueueUrl: url}, &sqs.PurgeQueueInput{QueueUrl: url}, &sqs.GetQueueAttributesInput{QueueUrl: url},
		&sqs.SetQueueAttributesInput{QueueUrl: url, Attributes: map[string]string{"DelaySeconds": "0"}},
		&sqs.SendMessageInput{QueueUrl: url, MessageBody: text("lost")},
		&sqs.SendMessageBatchInput{QueueUrl: url, Entries: []types.SendMessageBatchRequestEntry{{Id: id, MessageBody: text("lost")}}},
		&sqs.ReceiveMessageInput{QueueUrl: url}, &sqs.DeleteMessageInput{QueueUrl: url, ReceiptHandle: handle},
		&sqs.DeleteMessageBatchInput{QueueUrl: url, Entries: []types.DeleteMessageBatchRequestEntry{{Id: id, ReceiptHandle: handle}}},
		&sqs.ChangeMessageVisibilityInput{QueueUrl: url, ReceiptHandle: handle},
		&sqs.ChangeMessageVisibilityBatchInput{QueueUrl: url, Entries: []types.ChangeMessageVisibilityBatchRequestEntry{{Id: id, ReceiptHandle: handle}}},
	}
}

func unknownQueue(s *sqsSuite) {
	for _, in := range onQueue(text(s.naru.endpoint + "/" + account + "/no-such-queue")) {
		refused(s, in, noQueue)
	}
}

var nameRules = []rule{
	{"AQueueNameIsOfEightyCharactersAtMost", nameLengths},
	{"AQueueNameHasLettersDigitsHyphensAndUnderscores", nameCharacters},
	{"AttributesOfFIFOQueuesAreUnknownToStandardQueues", foreignAttributes},
}

const badName = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"

func nameLengths(s *sqsSuite) {
	longest := fmt.Sprintf("%080d", s.queues.Add(1))
	equal(s, "the URL's name", nameOf(s.create(longest)), longest)
	one := string("ABCDEFGHIJ"[s.queues.Add(1)%10])
	s.create(one)
	for _, name := range []string{"", longest + "0"} {
		refused(s, &sqs.CreateQueueInput{QueueName: &name}, invalidParameter(badName))
	}
	refused(s, &sqs.CreateQueueInput{}, missingParameter("QueueName"))
}

func nameCharacters(s *sqsSuite) {
	s.create("-_" + s.name() + "ABCXYZabcxyz0189")
	for _, name := range []string{"a b", "a.b", "a/b", "a:b", "é", "a\nb", "a,b", "a\x00", "..", "a.fifo", "*"} {
		refused(s, &sqs.CreateQueueInput{QueueName: &name}, invalidParameter(badName))
	}
}

func foreignAttributes(s *sqsSuite) {
	url := s.queue()
	for _, attribute := range []string{"FifoQueue", "ContentBasedDeduplication"} {
		for _, value := range []string{"true", "false"} {
			if attribute == "FifoQueue" && value == "true" {
				continue // that asks for a FIFO queue
			}
			refused(s, &sqs.CreateQueueInput{QueueName: text(s.name()), Attributes: map[string]string{attribute: value}}, unknownAttribute(attribute))
		}
		refused(s, &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{attribute: "true"}}, unknownAttribute(attribute))
	}
	for attribute, value := range map[string]string{"DeduplicationScope": "queue", "FifoThroughputLimit": "perQueue"} {
		want := modelled("InvalidAttributeName", "You can specify the %s only when FifoQueue is set to true.", attribute)
		refused(s, &sqs.CreateQueueInput{QueueName: text(s.name()), Attributes: map[string]string{attribute: value}}, want)
	}
}

var cooldownRules = []rule{
	{"PurgeQueueRemovesAllMessagesInWhateverState", purgeRemovesAll},
	{"PurgeQueueIsAllowedOnceInSixtySeconds", purgeCooldown},
	{"PurgeQueueLeavesLaterMessages", purgeLeavesLater},
	{"AQueueMayBeMadeAgainSixtySecondsAfterItWasDeleted", recreateCooldown},
}

func purgeRemovesAll(s *sqsSuite) {
	url := s.queue()
	s.send(url, "in flight")
	handle := s.one(url).ReceiptHandle
	s.send(url, "visible")
	s.send(url, "delayed", members{"DelaySeconds": 10})
	s.expectCounts(url, 1, 1, 1)
	do[sqs.PurgeQueueOutput](s, &sqs.PurgeQueueInput{QueueUrl: &url})
	s.expectCounts(url, 0, 0, 0)
	s.remove(url, handle)
	s.naru.advance("60s")
	s.nothing(url)
}

func purgeCooldown(s *sqsSuite) {
	url := s.queue()
	in := &sqs.PurgeQueueInput{QueueUrl: &url}
	want := old(403, "PurgeQueueInProgress", "Only one PurgeQueue operation on %s is allowed every 60 seconds.", nameOf(url))
	do[sqs.PurgeQueueOutput](s, in)
	refused(s, in, want)
	s.naru.advance("40s")
	s.send(url, "not purged")
	refused(s, in, want)
	s.expectCounts(url, 1, 0, 0)
	s.naru.advance("20s")
	do[sqs.PurgeQueueOutput](s, in)
	s.expectCounts(url, 0, 0, 0)
}

func purgeLeavesLater(s *sqsSuite) {
	url := s.queue("DelaySeconds", "7")
	created := s.attributes(url)["CreatedTimestamp"]
	s.send(url, "earlier")
	do[sqs.PurgeQueueOutput](s, &sqs.PurgeQueueInput{QueueUrl: &url})
	s.send(url, "later", members{"DelaySeconds": 0})
	equal(s, "the body", *s.one(url).Body, "later")
	equal(s, "CreatedTimestamp", s.attributes(url)["CreatedTimestamp"], created)
	equal(s, "DelaySeconds", s.attributes(url)["DelaySeconds"], "7")
}

func recreateCooldown(s *sqsSuite) {
	name := s.name()
	url := s.create(name, "DelaySeconds", "3")
	s.send(url, "of the first queue")
	do[sqs.DeleteQueueOutput](s, &sqs.DeleteQueueInput{QueueUrl: &url})
	in := &sqs.CreateQueueInput{QueueName: &name}
	want := old(400, "QueueDeletedRecently", "You must wait 60 seconds after deleting a queue before you can create another with the same name.")
	refused(s, in, want)
	s.naru.advance("40s")
	refused(s, in, want)
	s.naru.advance("20s")
	before := s.naru.now().Unix()
	do[sqs.CreateQueueOutput](s, in)
	s.expectCounts(url, 0, 0, 0)
	a := s.attributes(url)
	equal(s, "DelaySeconds", a["DelaySeconds"], "0")
	if made, err := strconv.ParseInt(a["CreatedTimestamp"], 10, 64); err != nil || made < before {
		s.Errorf("the second queue was created at %s, %v", a["CreatedTimestamp"], err)
	}
}
