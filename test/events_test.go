package test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
)

// arnHere returns the ARN of something in the default account.
func arnHere(service, resource string) *string {
	return aws.String("arn:aws:" + service + ":" + region + ":" + account + ":" + resource)
}

// openQueue makes a queue that EventBridge may send to, and returns its ARN.
func openQueue(t testing.TB, n *naru, name string, attributes ...string) *string {
	t.Helper()
	all := map[string]string{"Policy": `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"*"}}`}
	for i := 0; i < len(attributes); i += 2 {
		all[attributes[i]] = attributes[i+1]
	}
	if _, err := n.user().sqs().CreateQueue(background, &sqs.CreateQueueInput{QueueName: &name, Attributes: all}); err != nil {
		t.Fatal(err)
	}
	return arnHere("sqs", name)
}

// taken receives and deletes the messages of a queue, at least one.
func taken(t testing.TB, n *naru, queue string) (all []sqstypes.Message) {
	t.Helper()
	q, url := n.user().sqs(), aws.String("/"+account+"/"+queue)
	eventually(t, "a message is in "+queue, func() bool {
		out, err := q.ReceiveMessage(background, &sqs.ReceiveMessageInput{
			QueueUrl: url, MaxNumberOfMessages: 10, MessageAttributeNames: []string{"All"}, MessageSystemAttributeNames: []sqstypes.MessageSystemAttributeName{"All"},
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range out.Messages {
			if _, err := q.DeleteMessage(background, &sqs.DeleteMessageInput{QueueUrl: url, ReceiptHandle: m.ReceiptHandle}); err != nil {
				t.Fatal(err)
			}
		}
		all = append(all, out.Messages...)
		return len(all) > 0
	})
	return all
}

// logged waits until a log group has an event with a text in it.
func logged(t testing.TB, n *naru, group, text string) {
	t.Helper()
	eventually(t, group+" has "+text, func() bool {
		out, err := n.user().logs().FilterLogEvents(background, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: &group})
		if err != nil {
			return false
		}
		return slices.ContainsFunc(out.Events, func(e cwtypes.FilteredLogEvent) bool { return strings.Contains(aws.ToString(e.Message), text) })
	})
}

// eventRule makes a rule of a bus for the events of a source, with targets.
func eventRule(t testing.TB, n *naru, bus, name, source string, targets ...types.Target) {
	t.Helper()
	c := n.user().events()
	_, err := c.PutRule(background, &eventbridge.PutRuleInput{Name: &name, EventBusName: &bus, EventPattern: aws.String(fmt.Sprintf(`{"source": [%q]}`, source))})
	if err == nil {
		_, err = c.PutTargets(background, &eventbridge.PutTargetsInput{Rule: &name, EventBusName: &bus, Targets: targets})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// eventTarget is a target that is sent whole events.
func eventTarget(arn *string) types.Target { return types.Target{Id: aws.String("t"), Arn: arn} }

func putEvent(t testing.TB, n *naru, bus, source, detail string) string {
	t.Helper()
	out, err := n.user().events().PutEvents(background, &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{
		{EventBusName: &bus, Source: &source, DetailType: aws.String("test"), Detail: &detail},
	}})
	if err != nil || out.FailedEntryCount != 0 {
		t.Fatalf("%+v, %v", out, err)
	}
	return *out.Entries[0].EventId
}

func TestAnEventReachesEveryKindOfTarget(t *testing.T) {
	needNode(t)
	n := start(t)
	c := n.user().events()
	for _, bus := range []string{"orders", "audit"} {
		if _, err := c.CreateEventBus(background, &eventbridge.CreateEventBusInput{Name: &bus}); err != nil {
			t.Fatal(err)
		}
	}
	function(t, n, "f", "exports.handler = async (event) => { console.log('handled ' + event.detail.id); };", nil)
	_, err := n.user().lambda().AddPermission(background, &lambda.AddPermissionInput{
		FunctionName: aws.String("f"), StatementId: aws.String("s"), Action: aws.String("lambda:InvokeFunction"), Principal: aws.String("events.amazonaws.com"), SourceArn: arnHere("events", "rule/orders/r"),
	})
	if err == nil {
		_, err = n.user().logs().CreateLogGroup(background, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String("/aws/events/orders")})
	}
	if err != nil {
		t.Fatal(err)
	}
	eventRule(t, n, "audit", "a", "app", types.Target{Id: aws.String("q"), Arn: openQueue(t, n, "audited")})
	eventRule(t, n, "orders", "r", "app",
		types.Target{Id: aws.String("queue"), Arn: openQueue(t, n, "plain"), InputPath: aws.String("$.detail.id")},
		types.Target{Id: aws.String("fifo"), Arn: openQueue(t, n, "ordered.fifo", "FifoQueue", "true", "ContentBasedDeduplication", "true"), SqsParameters: &types.SqsParameters{MessageGroupId: aws.String("g")}},
		types.Target{Id: aws.String("function"), Arn: arnHere("lambda", "function:f")},
		types.Target{Id: aws.String("logs"), Arn: arnHere("logs", "log-group:/aws/events/orders")},
		types.Target{Id: aws.String("bus"), Arn: arnHere("events", "event-bus/audit")},
	)
	id := putEvent(t, n, "orders", "app", `{"id": "o-17"}`)
	if m := taken(t, n, "plain"); len(m) != 1 || *m[0].Body != `"o-17"` || m[0].Attributes["SenderId"] != "events.amazonaws.com" {
		t.Errorf("the queue has %+v", m)
	}
	if m := taken(t, n, "ordered.fifo"); len(m) != 1 || !strings.Contains(*m[0].Body, id) || m[0].Attributes["MessageGroupId"] != "g" {
		t.Errorf("the FIFO queue has %+v", m)
	}
	if m := taken(t, n, "audited"); len(m) != 1 || !strings.Contains(*m[0].Body, id) {
		t.Errorf("the queue of the other bus has %+v", m)
	}
	logged(t, n, "/aws/lambda/f", "handled o-17")
	logged(t, n, "/aws/events/orders", id)
}

// TestRulesWithTheSameTargetsAllDeliver: an event that several rules match is
// several events in a log group, whatever the ids of their targets are.
func TestRulesWithTheSameTargetsAllDeliver(t *testing.T) {
	n := start(t)
	group := "/aws/events/app"
	if _, err := n.user().logs().CreateLogGroup(background, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &group}); err != nil {
		t.Fatal(err)
	}
	if _, err := n.user().events().CreateEventBus(background, &eventbridge.CreateEventBusInput{Name: aws.String("b")}); err != nil {
		t.Fatal(err)
	}
	eventRule(t, n, "b", "last", "app", eventTarget(arnHere("logs", "log-group:"+group)))
	for _, rule := range []string{"r1", "r2"} {
		eventRule(t, n, "default", rule, "app", eventTarget(arnHere("logs", "log-group:"+group)))
		eventRule(t, n, "default", rule+"-on", "app", eventTarget(arnHere("events", "event-bus/b")))
	}
	id := putEvent(t, n, "default", "app", "{}")
	eventually(t, "the group has four events", func() bool {
		out, err := n.user().logs().FilterLogEvents(background, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: &group})
		if err != nil {
			t.Fatal(err)
		}
		return len(out.Events) == 4 && strings.Contains(*out.Events[0].Message, id)
	})
}

func TestWhatCannotBeDeliveredIsDeadLettered(t *testing.T) {
	n := start(t)
	dead := &types.DeadLetterConfig{Arn: openQueue(t, n, "dead")}
	if _, err := n.user().sqs().CreateQueue(background, &sqs.CreateQueueInput{QueueName: aws.String("closed")}); err != nil {
		t.Fatal(err)
	}
	ruleARN := *arnHere("events", "rule/r")
	for target, want := range map[string]string{*arnHere("sqs", "closed"): "NO_PERMISSIONS", *arnHere("sqs", "missing"): "NO_RESOURCE", *arnHere("lambda", "function:missing"): "NO_RESOURCE"} {
		eventRule(t, n, "default", "r", "app", types.Target{Id: aws.String("t"), Arn: &target, DeadLetterConfig: dead})
		id := putEvent(t, n, "default", "app", `{}`)
		m := taken(t, n, "dead")
		got := map[string]string{}
		for name, a := range m[0].MessageAttributes {
			got[name] = *a.StringValue
		}
		if message := got["ERROR_MESSAGE"]; len(m) != 1 || !strings.Contains(*m[0].Body, id) || message == "" {
			t.Errorf("%s: the dead-letter queue has %+v", target, m)
		}
		delete(got, "ERROR_MESSAGE")
		if want := map[string]string{"RULE_ARN": ruleARN, "TARGET_ARN": target, "ERROR_CODE": want, "RETRY_ATTEMPTS": "0"}; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: the attributes are %v, want %v", target, got, want)
		}
	}
}

func TestABusOfAnotherAccountMustLetEventsIn(t *testing.T) {
	n := start(t)
	other := n.of("111122223333")
	eventRule(t, n, "default", "r", "app", types.Target{Id: aws.String("q"), Arn: openQueue(t, n, "in")})
	put := func() error {
		_, err := other.events().PutEvents(background, &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{
			{EventBusName: arnHere("events", "event-bus/default"), Source: aws.String("app"), DetailType: aws.String("test"), Detail: aws.String("{}")},
		}})
		return err
	}
	var refused smithy.APIError
	if err := put(); !errors.As(err, &refused) || refused.ErrorCode() != "AccessDeniedException" {
		t.Errorf("before: %v", err)
	}
	_, err := n.user().events().PutPermission(background, &eventbridge.PutPermissionInput{Action: aws.String("events:PutEvents"), Principal: aws.String("111122223333"), StatementId: aws.String("s")})
	if err == nil {
		err = put()
	}
	if err != nil {
		t.Fatal(err)
	}
	var event struct{ Account string }
	if m := taken(t, n, "in"); len(m) != 1 || json.Unmarshal([]byte(*m[0].Body), &event) != nil || event.Account != "111122223333" {
		t.Errorf("the queue has %+v", m)
	}
}

// Events are put while Naru is killed again and again: each that was
// acknowledged reaches each target once.
func TestEventsReachTheirTargetsOnceHoweverOftenNaruIsKilled(t *testing.T) {
	n := start(t)
	eventRule(t, n, "default", "r", "app",
		types.Target{Id: aws.String("a"), Arn: openQueue(t, n, "a"), InputPath: aws.String("$.detail.id")}, types.Target{Id: aws.String("b"), Arn: openQueue(t, n, "b"), InputPath: aws.String("$.detail.id")})
	var mu sync.Mutex
	acknowledged := map[string]bool{}
	for round := range 5 {
		var senders sync.WaitGroup
		for sender := range 2 {
			senders.Go(func() {
				for k := 0; ; k++ {
					id := fmt.Sprintf("%d-%d-%d", round, sender, k)
					_, err := n.user().events().PutEvents(background, &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{
						{Source: aws.String("app"), DetailType: aws.String("test"), Detail: aws.String(fmt.Sprintf(`{"id": %q}`, id))},
					}})
					if err != nil {
						return
					}
					mu.Lock()
					acknowledged[id] = true
					mu.Unlock()
				}
			})
		}
		eventually(t, "events are acknowledged", func() bool { mu.Lock(); defer mu.Unlock(); return len(acknowledged) >= 20*(round+1) })
		<-time.After(time.Duration(rand.IntN(100)) * time.Millisecond)
		n.kill()
		senders.Wait()
		n.start()
	}
	for _, queue := range []string{"a", "b"} {
		times := map[string]int{}
		eventually(t, "every event has reached "+queue, func() bool {
			out, err := n.user().sqs().ReceiveMessage(background, &sqs.ReceiveMessageInput{QueueUrl: aws.String("/" + account + "/" + queue), MaxNumberOfMessages: 10, VisibilityTimeout: 3600})
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range out.Messages {
				times[strings.Trim(*m.Body, `"`)]++
			}
			for id := range acknowledged {
				if times[id] == 0 {
					return false
				}
			}
			return len(out.Messages) == 0
		})
		for id, n := range times {
			if n != 1 {
				t.Errorf("%s has %s %d times", queue, id, n)
			}
		}
	}
}

// The Go SDK makes, lists, changes and deletes all that there is.
func TestEventBridgeByTheGoSDK(t *testing.T) {
	n := start(t)
	c := n.user().events()
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	name, bus := aws.String("r"), aws.String("orders")
	must(c.CreateEventBus(background, &eventbridge.CreateEventBusInput{Name: bus, Description: aws.String("d"), Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}}))
	must(c.UpdateEventBus(background, &eventbridge.UpdateEventBusInput{Name: bus, Description: aws.String("e")}))
	if out, err := c.DescribeEventBus(background, &eventbridge.DescribeEventBusInput{Name: bus}); err != nil || *out.Description != "e" || out.CreationTime == nil {
		t.Errorf("%+v, %v", out, err)
	}
	if out, err := c.ListEventBuses(background, &eventbridge.ListEventBusesInput{NamePrefix: aws.String("o")}); err != nil || len(out.EventBuses) != 1 {
		t.Errorf("%+v, %v", out, err)
	}
	must(c.PutRule(background, &eventbridge.PutRuleInput{Name: name, EventBusName: bus, EventPattern: aws.String(`{"source": ["app"]}`)}))
	must(c.PutTargets(background, &eventbridge.PutTargetsInput{Rule: name, EventBusName: bus, Targets: []types.Target{{
		Id: aws.String("t"), Arn: arnHere("sqs", "q"), RetryPolicy: &types.RetryPolicy{MaximumRetryAttempts: aws.Int32(0), MaximumEventAgeInSeconds: aws.Int32(60)},
		InputTransformer: &types.InputTransformer{InputPathsMap: map[string]string{"id": "$.id"}, InputTemplate: aws.String(`"<id>"`)},
	}}}))
	if out, err := c.ListTargetsByRule(background, &eventbridge.ListTargetsByRuleInput{Rule: name, EventBusName: bus}); err != nil || len(out.Targets) != 1 || *out.Targets[0].RetryPolicy.MaximumRetryAttempts != 0 || *out.Targets[0].InputTransformer.InputTemplate != `"<id>"` {
		t.Errorf("%+v, %v", out, err)
	}
	if out, err := c.ListRuleNamesByTarget(background, &eventbridge.ListRuleNamesByTargetInput{TargetArn: arnHere("sqs", "q"), EventBusName: bus}); err != nil || len(out.RuleNames) != 1 {
		t.Errorf("%+v, %v", out, err)
	}
	if out, err := c.ListTagsForResource(background, &eventbridge.ListTagsForResourceInput{ResourceARN: arnHere("events", "event-bus/orders")}); err != nil || len(out.Tags) != 1 {
		t.Errorf("%+v, %v", out, err)
	}
	must(c.TagResource(background, &eventbridge.TagResourceInput{ResourceARN: arnHere("events", "rule/orders/r"), Tags: []types.Tag{{Key: aws.String("naru:overlap"), Value: aws.String("skip")}}}))
	must(c.UntagResource(background, &eventbridge.UntagResourceInput{ResourceARN: arnHere("events", "rule/orders/r"), TagKeys: []string{"naru:overlap"}}))
	must(c.PutPermission(background, &eventbridge.PutPermissionInput{EventBusName: bus, Action: aws.String("events:PutEvents"), Principal: aws.String("*"), StatementId: aws.String("s")}))
	must(c.RemovePermission(background, &eventbridge.RemovePermissionInput{EventBusName: bus, StatementId: aws.String("s")}))
	if out, err := c.TestEventPattern(background, &eventbridge.TestEventPatternInput{EventPattern: aws.String(`{"source": [{"prefix": "a"}]}`),
		Event: aws.String(`{"id":"1","account":"1","source":"app","time":"2026-01-01T00:00:00Z","region":"r","resources":[],"detail-type":"t"}`)}); err != nil || !out.Result {
		t.Errorf("%+v, %v", out, err)
	}
	_, err := c.PutRule(background, &eventbridge.PutRuleInput{Name: name, EventPattern: aws.String(`{"int": 42}`)})
	var invalid *types.InvalidEventPatternException
	if !errors.As(err, &invalid) || invalid.ErrorMessage() != "Event pattern is not valid. Reason: \"int\" must be an object or an array\n at [Source: (String)\"{\"int\": 42}\"; line: 1, column: 11]" {
		t.Errorf("a bad pattern: %v", err)
	}
	must(c.DisableRule(background, &eventbridge.DisableRuleInput{Name: name, EventBusName: bus}))
	must(c.EnableRule(background, &eventbridge.EnableRuleInput{Name: name, EventBusName: bus}))
	must(c.RemoveTargets(background, &eventbridge.RemoveTargetsInput{Rule: name, EventBusName: bus, Ids: []string{"t"}}))
	must(c.DeleteRule(background, &eventbridge.DeleteRuleInput{Name: name, EventBusName: bus}))
	must(c.DeleteEventBus(background, &eventbridge.DeleteEventBusInput{Name: bus}))
	_, err = c.DescribeEventBus(background, &eventbridge.DescribeEventBusInput{Name: bus})
	var missing *types.ResourceNotFoundException
	if !errors.As(err, &missing) || missing.ErrorMessage() != "Event bus orders does not exist." {
		t.Errorf("a bus that was deleted: %v", err)
	}
}
