package test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

var manageRules = []rule{
	{"TagsAreAddedReplacedAndRemoved", tagsOfQueues},
	{"TagsHaveLimits", tagLimits},
	{"PermissionsAreStatementsOfThePolicy", permissions},
	{"BadPermissionsAreRefused", badPermissions},
	{"SourcesOfADeadLetterQueueAreListed", deadLetterSources},
	{"AMoveTaskBringsMessagesBack", moveBack},
	{"AMoveTaskBringsMessagesElsewhereAtItsRate", moveElsewhere},
	{"AMoveTaskIsCancelled", moveCancelled},
	{"AMoveTaskWithNowhereToGoFails", moveFails},
	{"BadMoveTasksAreRefused", badMoves},
}

func (s *sqsSuite) tags(url string) map[string]string {
	s.Helper()
	return do[sqs.ListQueueTagsOutput](s, &sqs.ListQueueTagsInput{QueueUrl: &url}).Tags
}

func tagsOfQueues(s *sqsSuite) {
	url := *do[sqs.CreateQueueOutput](s, &sqs.CreateQueueInput{QueueName: text(s.name()), Tags: map[string]string{"a": "1", "ü": ""}}).QueueUrl
	equal(s, "tags of a new queue", s.tags(url), map[string]string{"a": "1", "ü": ""})
	do[sqs.TagQueueOutput](s, &sqs.TagQueueInput{QueueUrl: &url, Tags: map[string]string{"a": "2", "b": "3"}})
	equal(s, "tags", s.tags(url), map[string]string{"a": "2", "b": "3", "ü": ""})
	do[sqs.UntagQueueOutput](s, &sqs.UntagQueueInput{QueueUrl: &url, TagKeys: []string{"a", "ü", "none"}})
	equal(s, "tags", s.tags(url), map[string]string{"b": "3"})
	plain := s.queue()
	if tags := s.tags(plain); len(tags) > 0 {
		s.Errorf("a queue without tags has %v", tags)
	}
	missing := strings.TrimSuffix(plain, nameOf(plain)) + "no-such-queue"
	refused(s, &sqs.TagQueueInput{QueueUrl: &missing, Tags: map[string]string{"a": "1"}}, noQueue)
	refused(s, &sqs.ListQueueTagsInput{QueueUrl: &missing}, noQueue)
}

func tagLimits(s *sqsSuite) {
	url := s.queue()
	many := map[string]string{}
	for i := range 50 {
		many[fmt.Sprint("key", i)] = "value"
	}
	do[sqs.TagQueueOutput](s, &sqs.TagQueueInput{QueueUrl: &url, Tags: many})
	tooMany := invalidParameter("Too many tags added for queue %s.", nameOf(url))
	refused(s, &sqs.TagQueueInput{QueueUrl: &url, Tags: map[string]string{"another": ""}}, tooMany)
	do[sqs.TagQueueOutput](s, &sqs.TagQueueInput{QueueUrl: &url, Tags: map[string]string{"key7": "another"}})
	for name, c := range map[string]struct{ key, value string }{
		"a long key": {strings.Repeat("k", 129), ""}, "a long value": {"key1", strings.Repeat("v", 257)}, "AWS's own": {"aws:thing", ""},
	} {
		if got := failing(s, &sqs.TagQueueInput{QueueUrl: &url, Tags: map[string]string{c.key: c.value}}); got.Code != "InvalidParameterValue" {
			s.Errorf("%s: %+v", name, got)
		}
	}
	equal(s, "how many tags there are", len(s.tags(url)), 50)
}

func permissions(s *sqsSuite) {
	url := s.queue()
	add := func(label string, accounts []string, actions ...string) {
		s.Helper()
		do[sqs.AddPermissionOutput](s, &sqs.AddPermissionInput{QueueUrl: &url, Label: &label, AWSAccountIds: accounts, Actions: actions})
	}
	add("one", []string{"111111111111"}, "ReceiveMessage")
	want := `{"Version":"2008-10-17","Id":"ARN/SQSDefaultPolicy","Statement":[{"Sid":"one","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:root"},"Action":"SQS:ReceiveMessage","Resource":"ARN"}]}`
	equal(s, "the policy", s.attributes(url)["Policy"], strings.ReplaceAll(want, "ARN", arnOf(url)))
	add("more", []string{"111111111111", "222222222222"}, "SendMessage", "*")
	var policy struct{ Statement []map[string]any }
	if err := json.Unmarshal([]byte(s.attributes(url)["Policy"]), &policy); err != nil || len(policy.Statement) != 2 {
		s.Fatalf("the policy has %d statements, %v", len(policy.Statement), err)
	}
	equal(s, "the second statement", fmt.Sprint(policy.Statement[1]["Principal"], policy.Statement[1]["Action"]),
		"map[AWS:[arn:aws:iam::111111111111:root arn:aws:iam::222222222222:root]] [SQS:SendMessage SQS:*]")
	for _, label := range []string{"one", "more"} {
		do[sqs.RemovePermissionOutput](s, &sqs.RemovePermissionInput{QueueUrl: &url, Label: &label})
	}
	if policy, ok := s.attributes(url)["Policy"]; ok {
		s.Errorf("without permissions the queue has the policy %s", policy)
	}

	own := strings.ReplaceAll(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"sqs:SendMessage","Resource":"ARN","Condition":{"Bool":{"aws:SecureTransport":"true"}}}}`, "ARN", arnOf(url))
	s.set(url, "Policy", own)
	add("one", []string{"111111111111"}, "ReceiveMessage")
	if got := s.attributes(url)["Policy"]; !strings.Contains(got, `{"Bool":{"aws:SecureTransport":"true"}}`) || !strings.Contains(got, `"Sid":"one"`) {
		s.Errorf("the policy is %s", got)
	}
}

func badPermissions(s *sqsSuite) {
	url := s.queue()
	in := func(label string, accounts, actions []string) *sqs.AddPermissionInput {
		return &sqs.AddPermissionInput{QueueUrl: &url, Label: &label, AWSAccountIds: accounts, Actions: actions}
	}
	one, receive := []string{"111111111111"}, []string{"ReceiveMessage"}
	do[sqs.AddPermissionOutput](s, in("there", one, receive))
	s.play(map[string]recording{
		"a label that is there": {in: in("there", one, receive), want: invalidParameter("Value there for parameter Label is invalid. Reason: Already exists.")},
		"a label that is not":   {in: &sqs.RemovePermissionInput{QueueUrl: &url, Label: text("none")}, want: invalidParameter("Value none for parameter Label is invalid. Reason: can't find label.")},
		"eight actions": {
			in:   in("x", one, slices.Repeat(receive, 8)),
			want: expected{status: 403, code: "OverLimit", kind: sqsTypes + "OverLimit", message: "8 Actions were found, maximum allowed is 7."},
		},
		"an unknown action":   {in: in("x", one, []string{"Fly"}), want: invalidParameter("Value SQS:Fly for parameter ActionName is invalid. Reason: Please refer to the appropriate WSDL for a list of valid actions. ")},
		"the owner's action":  {in: in("x", one, []string{"DeleteQueue"}), want: invalidParameter("Value SQS:DeleteQueue for parameter ActionName is invalid. Reason: Only the queue owner is allowed to invoke this action.")},
		"a bad account":       {in: in("x", []string{"me"}, receive), want: invalidParameter("Value [me] for parameter PrincipalId is invalid. Reason: Unable to verify.")},
		"a bad label":         {in: in("a b", one, receive), want: invalidParameter("Value a b for parameter Label is invalid. Reason: Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")},
		"no actions":          {in: in("x", one, []string{}), want: missingParameter("Actions")},
		"a queue that is not": {in: &sqs.RemovePermissionInput{QueueUrl: text(url + "-no"), Label: text("x")}, want: noQueue},
	})
	equal(s, "how many statements there are", strings.Count(s.attributes(url)["Policy"], "Sid"), 1)
}

// deadLetterQueue makes a dead-letter queue and sources of it that receive a
// message once.
func (s *sqsSuite) deadLetterQueue(sources int) (dead string, urls []string) {
	s.Helper()
	dead = s.queue()
	for range sources {
		urls = append(urls, s.queue("VisibilityTimeout", "0", "RedrivePolicy", fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":1}`, arnOf(dead))))
	}
	return dead, urls
}

// bury sends messages to a queue and has them end in its dead-letter queue.
func (s *sqsSuite) bury(dead, url string, bodies ...string) {
	s.Helper()
	before := s.attributes(dead)["ApproximateNumberOfMessages"]
	for chunk := range slices.Chunk(bodies, 10) {
		s.sendBatch(url, entries(chunk...))
		s.receive(url)
		s.nothing(url)
	}
	eventually(s, "all are dead", func() bool {
		var had, has int
		fmt.Sscan(before, &had)
		fmt.Sscan(s.attributes(dead)["ApproximateNumberOfMessages"], &has)
		return has == had+len(bodies)
	})
}

func deadLetterSources(s *sqsSuite) {
	dead, urls := s.deadLetterQueue(3)
	list := func(more ...members) *sqs.ListDeadLetterSourceQueuesOutput {
		s.Helper()
		return do[sqs.ListDeadLetterSourceQueuesOutput](s, &sqs.ListDeadLetterSourceQueuesInput{QueueUrl: &dead}, more...)
	}
	slices.Sort(urls)
	equal(s, "sources", list().QueueUrls, urls)
	first := list(members{"MaxResults": 2})
	second := list(members{"MaxResults": 2, "NextToken": *first.NextToken})
	equal(s, "pages", append(first.QueueUrls, second.QueueUrls...), urls)
	if list().NextToken != nil || second.NextToken != nil {
		s.Error("there is a token for nothing")
	}
	s.set(urls[0], "RedrivePolicy", "")
	equal(s, "sources", list().QueueUrls, urls[1:])
	if got := do[sqs.ListDeadLetterSourceQueuesOutput](s, &sqs.ListDeadLetterSourceQueuesInput{QueueUrl: &urls[0]}).QueueUrls; len(got) > 0 {
		s.Errorf("sources of a queue that is no dead-letter queue: %v", got)
	}
}

func (s *sqsSuite) startMove(dead string, more ...members) *string {
	s.Helper()
	return do[sqs.StartMessageMoveTaskOutput](s, &sqs.StartMessageMoveTaskInput{SourceArn: text(arnOf(dead))}, more...).TaskHandle
}

// moves returns the newest move task of a queue.
func (s *sqsSuite) move(dead string) types.ListMessageMoveTasksResultEntry {
	s.Helper()
	all := do[sqs.ListMessageMoveTasksOutput](s, &sqs.ListMessageMoveTasksInput{SourceArn: text(arnOf(dead))}).Results
	if len(all) != 1 {
		s.Fatalf("%d tasks are listed", len(all))
	}
	return all[0]
}

// ended waits until the newest move task of a queue has ended, and returns it.
func (s *sqsSuite) ended(dead string) (task types.ListMessageMoveTasksResultEntry) {
	s.Helper()
	eventually(s, "the task has ended", func() bool {
		task = s.move(dead)
		return *task.Status != "RUNNING" && *task.Status != "CANCELLING"
	})
	return task
}

// drain receives and deletes all messages and returns their bodies, sorted.
func (s *sqsSuite) drain(url string) (bodies []string) {
	s.Helper()
	for got := s.receive(url); len(got) > 0; got = s.receive(url) {
		for _, m := range got {
			bodies = append(bodies, *m.Body)
			s.remove(url, m.ReceiptHandle)
		}
	}
	slices.Sort(bodies)
	return bodies
}

func lettered(prefix string, n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("%s%03d", prefix, i))
	}
	return all
}

func moveBack(s *sqsSuite) {
	dead, urls := s.deadLetterQueue(2)
	s.bury(dead, urls[0], lettered("a", 12)...)
	s.bury(dead, urls[1], lettered("b", 3)...)
	began := s.naru.now().UnixMilli()
	s.startMove(dead)
	task := s.ended(dead)
	if *task.Status != "COMPLETED" || task.ApproximateNumberOfMessagesMoved != 15 || *task.ApproximateNumberOfMessagesToMove != 15 ||
		*task.SourceArn != arnOf(dead) || task.DestinationArn != nil || task.TaskHandle != nil || task.StartedTimestamp < began {
		s.Errorf("the task ended as %+v", task)
	}
	s.expectCounts(dead, 0, 0, 0)
	for _, m := range s.receive(urls[1]) {
		if m.Attributes["ApproximateReceiveCount"] != "1" || m.Attributes["DeadLetterQueueSourceArn"] != "" {
			s.Errorf("it came back with %v", m.Attributes)
		}
	}
	equal(s, "what came back", s.drain(urls[0]), lettered("a", 12))
}

func moveElsewhere(s *sqsSuite) {
	dead, urls := s.deadLetterQueue(1)
	to := s.queue()
	s.bury(dead, urls[0], lettered("a", 30)...)
	handle := s.startMove(dead, members{"DestinationArn": arnOf(to), "MaxNumberOfMessagesPerSecond": 10})
	eventually(s, "the first are moved", func() bool { return s.move(dead).ApproximateNumberOfMessagesMoved == 10 })
	task := s.move(dead)
	if *task.Status != "RUNNING" || *task.TaskHandle != *handle || *task.DestinationArn != arnOf(to) || *task.MaxNumberOfMessagesPerSecond != 10 {
		s.Errorf("it runs as %+v", task)
	}
	refused(s, &sqs.StartMessageMoveTaskInput{SourceArn: text(arnOf(dead))},
		invalidParameter("There is already a task running. Only one active task is allowed for a source queue arn at a given time."))
	s.naru.advance("1s")
	eventually(s, "the next are moved", func() bool { return s.move(dead).ApproximateNumberOfMessagesMoved >= 20 })
	s.naru.advance("5s")
	equal(s, "how the task ended", *s.ended(dead).Status, "COMPLETED")
	eventually(s, "all have arrived", func() bool { return s.counts(to) == "30 0 0" })
	equal(s, "what came", s.drain(to), lettered("a", 30))
}

func moveCancelled(s *sqsSuite) {
	dead, urls := s.deadLetterQueue(1)
	s.bury(dead, urls[0], lettered("a", 20)...)
	handle := s.startMove(dead, members{"MaxNumberOfMessagesPerSecond": 1})
	eventually(s, "the first is moved", func() bool { return s.move(dead).ApproximateNumberOfMessagesMoved > 0 })
	moved := do[sqs.CancelMessageMoveTaskOutput](s, &sqs.CancelMessageMoveTaskInput{TaskHandle: handle}).ApproximateNumberOfMessagesMoved
	task := s.ended(dead)
	if *task.Status != "CANCELLED" || task.ApproximateNumberOfMessagesMoved < moved {
		s.Errorf("cancelled after %d it is %+v", moved, task)
	}
	eventually(s, "all are somewhere", func() bool {
		return s.counts(dead) == fmt.Sprint(20-task.ApproximateNumberOfMessagesMoved, 0, 0)
	})
	refused(s, &sqs.CancelMessageMoveTaskInput{TaskHandle: handle}, moveNotFound("Task does not exist."))
	s.startMove(dead)
	equal(s, "how the next one ended", *s.ended(dead).Status, "COMPLETED")
	equal(s, "what came back", s.drain(urls[0]), lettered("a", 20))
	all := do[sqs.ListMessageMoveTasksOutput](s, &sqs.ListMessageMoveTasksInput{SourceArn: text(arnOf(dead))}, members{"MaxResults": 10}).Results
	if len(all) != 2 || *all[0].Status != "COMPLETED" || *all[1].Status != "CANCELLED" {
		s.Errorf("the tasks are %+v", all)
	}
}

// moveCrashes kills Naru again and again while a task runs.
func moveCrashes(s *sqsSuite) {
	dead, urls := s.deadLetterQueue(1)
	to := s.queue()
	const n = 400
	s.bury(dead, urls[0], lettered("a", n)...)
	s.startMove(dead, members{"DestinationArn": arnOf(to)})
	for range 5 {
		passed(time.Duration(time.Now().UnixNano()%20) * time.Millisecond) // any moment is as good as another
		s.naru.kill()
		s.naru.start()
	}
	task := s.ended(dead)
	if *task.Status != "COMPLETED" || task.ApproximateNumberOfMessagesMoved != n {
		s.Errorf("the task ended as %+v", task)
	}
	eventually(s, "all have arrived", func() bool { return s.counts(to) == fmt.Sprint(n, 0, 0) })
	equal(s, "what came", s.drain(to), lettered("a", n))
	s.expectCounts(dead, 0, 0, 0)
}

func moveFails(s *sqsSuite) {
	dead, urls := s.deadLetterQueue(2)
	s.bury(dead, urls[0], "a", "b")
	do[sqs.DeleteQueueOutput](s, &sqs.DeleteQueueInput{QueueUrl: &urls[0]})
	s.startMove(dead)
	if task := s.ended(dead); *task.Status != "FAILED" || *task.FailureReason != legacy+"NonExistentQueue" {
		s.Errorf("to a deleted queue it ended as %+v", task)
	}
	equal(s, "what is left", s.drain(dead), []string{"a", "b"})
	s.send(dead, "from nowhere")
	s.startMove(dead)
	if task := s.ended(dead); *task.Status != "FAILED" || *task.FailureReason != "CouldNotDetermineMessageSource" {
		s.Errorf("from nowhere it ended as %+v", task)
	}
	equal(s, "what is left", s.drain(dead), []string{"from nowhere"})
}

func moveNotFound(message string) expected {
	e := modelled("ResourceNotFoundException", "%s", message)
	e.status = 404
	return e
}

func badMoves(s *sqsSuite) {
	dead, urls := s.deadLetterQueue(1)
	handle := func(id, arn string) *string {
		return text(base64.StdEncoding.EncodeToString(fmt.Appendf(nil, `{"taskId":%q,"sourceArn":%q}`, id, arn)))
	}
	start := func(from, to string) *sqs.StartMessageMoveTaskInput {
		in := &sqs.StartMessageMoveTaskInput{SourceArn: &from}
		if to != "" {
			in.DestinationArn = &to
		}
		return in
	}
	noSource := moveNotFound("The resource that you specified for the SourceArn parameter doesn't exist.")
	s.play(map[string]recording{
		"a source that is not":        {in: start(arnOf("none"), ""), want: noSource},
		"a source that is none":       {in: start("garbage", ""), want: noSource},
		"no dead-letter queue":        {in: start(arnOf(urls[0]), ""), want: invalidParameter("Source queue must be configured as a Dead Letter Queue.")},
		"a destination that is not":   {in: start(arnOf(dead), arnOf("none")), want: moveNotFound("The resource that you specified for the DestinationArn parameter doesn't exist.")},
		"a handle of nothing":         {in: &sqs.CancelMessageMoveTaskInput{TaskHandle: text("garbage")}, want: invalidParameter("Value for parameter TaskHandle is invalid.")},
		"a handle of another source":  {in: &sqs.CancelMessageMoveTaskInput{TaskHandle: handle("x", arnOf("none"))}, want: noSource},
		"a handle of no task":         {in: &sqs.CancelMessageMoveTaskInput{TaskHandle: handle("x", arnOf(dead))}, want: moveNotFound("Task does not exist.")},
		"tasks of a queue that isn't": {in: &sqs.ListMessageMoveTasksInput{SourceArn: text(arnOf("none"))}, want: noSource},
	})
	for _, rate := range []int{0, 501} {
		if got := failing(s, start(arnOf(dead), ""), members{"MaxNumberOfMessagesPerSecond": rate}); got.Code != "InvalidParameterValue" {
			s.Errorf("at %d messages a second: %+v", rate, got)
		}
	}
	for _, to := range []string{arnOf(dead), arnOf(s.fifo())} {
		if got := failing(s, start(arnOf(dead), to)); got.Code != "InvalidParameterValue" {
			s.Errorf("to %s: %+v", to, got)
		}
	}
	if all := do[sqs.ListMessageMoveTasksOutput](s, &sqs.ListMessageMoveTasksInput{SourceArn: text(arnOf(dead))}).Results; len(all) > 0 {
		s.Errorf("there are tasks: %+v", all)
	}
}
