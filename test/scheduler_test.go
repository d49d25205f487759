package test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

const trustsScheduler = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"scheduler.amazonaws.com"},"Action":"sts:AssumeRole"}]}`

// schedulerRole makes a role that EventBridge Scheduler may assume, and that may
// do some actions; it returns its ARN.
func schedulerRole(t testing.TB, n *naru, name string, actions ...string) *string {
	t.Helper()
	allowed, err := json.Marshal(actions)
	if err != nil {
		t.Fatal(err)
	}
	c := n.user().iam()
	_, err = c.CreateRole(background, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(trustsScheduler)})
	if err == nil && len(actions) > 0 {
		_, err = c.PutRolePolicy(background, &iam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("p"),
			PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":` + string(allowed) + `,"Resource":"*"}}`)})
	}
	if err != nil {
		t.Fatal(err)
	}
	return aws.String(roleARN(name))
}

// schedule makes a schedule.
func schedule(t testing.TB, n *naru, name, expression string, target types.Target, change func(*scheduler.CreateScheduleInput)) {
	t.Helper()
	in := &scheduler.CreateScheduleInput{
		Name: &name, ScheduleExpression: &expression, Target: &target,
		FlexibleTimeWindow: &types.FlexibleTimeWindow{Mode: types.FlexibleTimeWindowModeOff},
	}
	if change != nil {
		change(in)
	}
	if _, err := n.user().scheduler().CreateSchedule(background, in); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// plainQueue makes a queue without a policy, and returns its ARN.
func plainQueue(t testing.TB, n *naru, name string) *string {
	t.Helper()
	if _, err := n.user().sqs().CreateQueue(background, &sqs.CreateQueueInput{QueueName: &name}); err != nil {
		t.Fatal(err)
	}
	return arnHere("sqs", name)
}

func TestAScheduleReachesEveryKindOfTarget(t *testing.T) {
	needNode(t)
	n := start(t)
	role := schedulerRole(t, n, "all", "sqs:SendMessage", "sqs:CreateQueue", "lambda:InvokeFunction", "events:PutEvents")
	function(t, n, "f", "exports.handler = async (event) => { console.log('got ' + JSON.stringify(event)); };", nil)
	queue := plainQueue(t, n, "q")
	eventRule(t, n, "default", "r", "nightly", eventTarget(openQueue(t, n, "events")))
	once := func(name string, arn *string, input string, change func(*types.Target)) {
		t.Helper()
		target := types.Target{Arn: arn, RoleArn: role, Input: &input}
		if change != nil {
			change(&target)
		}
		schedule(t, n, name, "rate(1 hour)", target, nil)
	}
	once("sqs", queue, "plain text at <aws.scheduler.scheduled-time>", nil)
	if m := taken(t, n, "q"); len(m) != 1 || !strings.HasPrefix(*m[0].Body, "plain text at 20") {
		t.Errorf("the queue has %+v", m)
	}
	once("lambda", arnHere("lambda", "function:f"), `{"by": "template"}`, nil)
	logged(t, n, "/aws/lambda/f", `got {"by":"template"}`)
	once("bus", arnHere("events", "event-bus/default"), `{"a": 1}`, func(target *types.Target) {
		target.EventBridgeParameters = &types.EventBridgeParameters{Source: aws.String("nightly"), DetailType: aws.String("run")}
	})
	if m := taken(t, n, "events"); len(m) != 1 || !strings.Contains(*m[0].Body, `"detail-type":"run","source":"nightly"`) || !strings.Contains(*m[0].Body, `"detail":{"a":1}`) {
		t.Errorf("the rule sent %+v", m)
	}
	once("send", aws.String("arn:aws:scheduler:::aws-sdk:sqs:sendMessage"),
		`{"QueueUrl": "https://sqs.us-east-1.amazonaws.com/`+account+`/q", "MessageBody": "universal", "MessageAttributes": {"k": {"DataType": "String", "StringValue": "v"}}}`, nil)
	if m := taken(t, n, "q"); len(m) != 1 || *m[0].Body != "universal" || *m[0].MessageAttributes["k"].StringValue != "v" {
		t.Errorf("the queue has %+v", m)
	}
	for kind, payload := range map[string]string{"Event": `"{\"by\":\"an event\"}"`, "RequestResponse": `{"by": "a request"}`} {
		once(kind, aws.String("arn:aws:scheduler:::aws-sdk:lambda:invoke"), fmt.Sprintf(`{"FunctionName": "f", "InvocationType": %q, "Payload": %s}`, kind, payload), nil)
	}
	logged(t, n, "/aws/lambda/f", `got {"by":"an event"}`)
	logged(t, n, "/aws/lambda/f", `got {"by":"a request"}`)
	once("any", aws.String("arn:aws:scheduler:::aws-sdk:sqs:createQueue"), `{"QueueName": "made-by-a-schedule"}`, nil)
	eventually(t, "the queue is made", func() bool {
		_, err := n.user().sqs().GetQueueUrl(background, &sqs.GetQueueUrlInput{QueueName: aws.String("made-by-a-schedule")})
		return err == nil
	})
}

func TestARoleMustAllowWhatAScheduleDoes(t *testing.T) {
	n := start(t)
	queue, dead := plainQueue(t, n, "q"), plainQueue(t, n, "dead")
	if _, err := n.user().iam().CreateRole(background, &iam.CreateRoleInput{RoleName: aws.String("lambda"), AssumeRolePolicyDocument: aws.String(trustsLambda)}); err != nil {
		t.Fatal(err)
	}
	_, err := n.user().scheduler().CreateSchedule(background, &scheduler.CreateScheduleInput{
		Name: aws.String("s"), ScheduleExpression: aws.String("rate(1 hour)"), FlexibleTimeWindow: &types.FlexibleTimeWindow{Mode: types.FlexibleTimeWindowModeOff},
		Target: &types.Target{Arn: queue, RoleArn: aws.String(roleARN("lambda"))},
	})
	var invalid *types.ValidationException
	if !errors.As(err, &invalid) || invalid.ErrorMessage() != "The execution role you provide must allow AWS EventBridge Scheduler to assume the role." {
		t.Errorf("a role of functions: %v", err)
	}
	c := n.user().iam()
	role := schedulerRole(t, n, "narrow")
	_, err = c.PutRolePolicy(background, &iam.PutRolePolicyInput{RoleName: aws.String("narrow"), PolicyName: aws.String("p"),
		PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"` + *dead + `"}}`)})
	if err != nil {
		t.Fatal(err)
	}
	for name, arn := range map[string]*string{"templated": queue, "universal": aws.String("arn:aws:scheduler:::aws-sdk:sqs:purgeQueue")} {
		schedule(t, n, name, "rate(1 hour)", types.Target{Arn: arn, RoleArn: role, Input: aws.String(`{"QueueUrl": "/` + account + `/q"}`), DeadLetterConfig: &types.DeadLetterConfig{Arn: dead}}, nil)
		m := taken(t, n, "dead")
		if len(m) != 1 || len(m[0].MessageAttributes) != 8 {
			t.Fatalf("%s: the dead-letter queue has %+v", name, m)
		}
		for attribute, want := range map[string]string{"SCHEDULE_ARN": *arnHere("scheduler", "schedule/default/"+name), "TARGET_ARN": *arn, "ERROR_CODE": "AccessDenied", "RETRY_ATTEMPTS": "0", "IS_PAYLOAD_TRUNCATED": "false"} {
			if got := *m[0].MessageAttributes[attribute].StringValue; got != want {
				t.Errorf("%s: %s is %q, want %q", name, attribute, got, want)
			}
		}
	}
}

// Schedules that catch up fire in a Naru that is killed again and again: for
// every time once.
func TestSchedulesFireOnceHoweverOftenNaruIsKilled(t *testing.T) {
	n := start(t, "--allow-reset")
	role := schedulerRole(t, n, "r", "sqs:SendMessage")
	target := types.Target{Arn: plainQueue(t, n, "q"), RoleArn: role, Input: aws.String("<aws.scheduler.schedule-arn> <aws.scheduler.scheduled-time>")}
	_, err := n.user().scheduler().TagResource(background, &scheduler.TagResourceInput{
		ResourceArn: arnHere("scheduler", "schedule-group/default"), Tags: []types.Tag{{Key: aws.String("naru:catch-up"), Value: aws.String("2h")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	begin := n.now()
	for _, name := range []string{"a", "b", "c"} {
		schedule(t, n, name, "cron(* * * * ? *)", target, func(in *scheduler.CreateScheduleInput) {
			if name == "c" {
				in.FlexibleTimeWindow = &types.FlexibleTimeWindow{Mode: types.FlexibleTimeWindowModeFlexible, MaximumWindowInMinutes: aws.Int32(1)}
			}
		})
	}
	const minutes = 15
	for n.now().Sub(begin) < minutes*time.Minute {
		n.advance(fmt.Sprintf("%ds", 10+rand.IntN(45)))
		if rand.IntN(4) == 0 {
			n.kill()
			n.start()
		}
	}
	end := n.now()
	n.advance("2m")
	fired := map[string]int{}
	eventually(t, "all times have been fired for", func() bool {
		n.advance("5s") // what was being put off while the clock was moved is put off by as much more
		out, err := n.user().sqs().ReceiveMessage(background, &sqs.ReceiveMessageInput{QueueUrl: aws.String("/" + account + "/q"), MaxNumberOfMessages: 10, VisibilityTimeout: 3600})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range out.Messages {
			fired[*m.Body]++
		}
		for at := begin.Truncate(time.Minute).Add(time.Minute); !at.After(end); at = at.Add(time.Minute) {
			for _, name := range []string{"a", "b", "c"} {
				if fired[*arnHere("scheduler", "schedule/default/"+name)+" "+at.UTC().Format(time.RFC3339)] == 0 {
					return false
				}
			}
		}
		return len(out.Messages) == 0
	})
	for what, times := range fired {
		if times != 1 {
			t.Errorf("%s fired %d times", what, times)
		}
	}
}

// The Go SDK makes, lists, changes and deletes all that there is.
func TestSchedulerByTheGoSDK(t *testing.T) {
	n := start(t)
	c := n.user().scheduler()
	role, queue := schedulerRole(t, n, "r"), arnHere("sqs", "q")
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	group, name := aws.String("g"), aws.String("s")
	made, err := c.CreateScheduleGroup(background, &scheduler.CreateScheduleGroupInput{Name: group, Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}})
	if err != nil || *made.ScheduleGroupArn != *arnHere("scheduler", "schedule-group/g") {
		t.Fatalf("%+v, %v", made, err)
	}
	if out, err := c.GetScheduleGroup(background, &scheduler.GetScheduleGroupInput{Name: group}); err != nil || out.State != types.ScheduleGroupStateActive || out.CreationDate == nil {
		t.Errorf("%+v, %v", out, err)
	}
	if out, err := c.ListScheduleGroups(background, &scheduler.ListScheduleGroupsInput{MaxResults: aws.Int32(10)}); err != nil || len(out.ScheduleGroups) != 2 {
		t.Errorf("%+v, %v", out, err)
	}
	must(c.TagResource(background, &scheduler.TagResourceInput{ResourceArn: made.ScheduleGroupArn, Tags: []types.Tag{{Key: aws.String("l"), Value: aws.String("w")}}}))
	must(c.UntagResource(background, &scheduler.UntagResourceInput{ResourceArn: made.ScheduleGroupArn, TagKeys: []string{"k", "x"}}))
	if out, err := c.ListTagsForResource(background, &scheduler.ListTagsForResourceInput{ResourceArn: made.ScheduleGroupArn}); err != nil || len(out.Tags) != 1 || *out.Tags[0].Key != "l" {
		t.Errorf("%+v, %v", out, err)
	}
	begin := time.Now().Add(time.Hour).Truncate(time.Second)
	schedule(t, n, "s", "cron(0 9 ? * MON-FRI *)", types.Target{Arn: queue, RoleArn: role}, func(in *scheduler.CreateScheduleInput) {
		in.GroupName, in.ScheduleExpressionTimezone, in.StartDate, in.Description = group, aws.String("Europe/Berlin"), &begin, aws.String("d")
		in.FlexibleTimeWindow = &types.FlexibleTimeWindow{Mode: types.FlexibleTimeWindowModeFlexible, MaximumWindowInMinutes: aws.Int32(15)}
		in.ActionAfterCompletion = types.ActionAfterCompletionDelete
	})
	got, err := c.GetSchedule(background, &scheduler.GetScheduleInput{Name: name, GroupName: group})
	if err != nil || *got.ScheduleExpressionTimezone != "Europe/Berlin" || !got.StartDate.Equal(begin) || got.EndDate != nil || *got.FlexibleTimeWindow.MaximumWindowInMinutes != 15 ||
		got.ActionAfterCompletion != types.ActionAfterCompletionDelete || got.State != types.ScheduleStateEnabled || *got.Target.RetryPolicy.MaximumRetryAttempts != 185 {
		t.Errorf("%+v, %v", got, err)
	}
	must(c.UpdateSchedule(background, &scheduler.UpdateScheduleInput{
		Name: name, GroupName: group, ScheduleExpression: got.ScheduleExpression, Target: got.Target, State: types.ScheduleStateDisabled,
		FlexibleTimeWindow: &types.FlexibleTimeWindow{Mode: types.FlexibleTimeWindowModeOff},
	}))
	if out, err := c.ListSchedules(background, &scheduler.ListSchedulesInput{GroupName: group, NamePrefix: aws.String("s"), State: types.ScheduleStateDisabled}); err != nil || len(out.Schedules) != 1 || *out.Schedules[0].Target.Arn != *queue {
		t.Errorf("%+v, %v", out, err)
	}
	_, err = c.CreateSchedule(background, &scheduler.CreateScheduleInput{Name: name, GroupName: group, ScheduleExpression: aws.String("rate(10 seconds)"), Target: got.Target, FlexibleTimeWindow: got.FlexibleTimeWindow})
	var invalid *types.ValidationException
	if !errors.As(err, &invalid) || invalid.ErrorMessage() != "Invalid Schedule Expression rate(10 seconds)." {
		t.Errorf("a bad expression: %v", err)
	}
	_, err = c.CreateSchedule(background, &scheduler.CreateScheduleInput{Name: name, GroupName: group, ScheduleExpression: aws.String("rate(10 days)"), Target: got.Target, FlexibleTimeWindow: got.FlexibleTimeWindow})
	var conflict *types.ConflictException
	if !errors.As(err, &conflict) {
		t.Errorf("a schedule that is there: %v", err)
	}
	must(c.DeleteSchedule(background, &scheduler.DeleteScheduleInput{Name: name, GroupName: group}))
	must(c.DeleteScheduleGroup(background, &scheduler.DeleteScheduleGroupInput{Name: group}))
	_, err = c.GetSchedule(background, &scheduler.GetScheduleInput{Name: name})
	var missing *types.ResourceNotFoundException
	if !errors.As(err, &missing) {
		t.Errorf("a schedule that was deleted: %v", err)
	}
	if _, err := n.user().events().PutRule(background, &eventbridge.PutRuleInput{Name: name, ScheduleExpression: aws.String("rate(1 minutes)")}); err == nil {
		t.Error("a rule takes what only a schedule does")
	}
}
