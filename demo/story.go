package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// A story is told once, against one Naru.
type story struct {
	naru   *naru
	sqs    *sqs.Client
	iam    *iam.Client
	lambda *lambda.Client
	events *eventbridge.Client
	logs   *cloudwatchlogs.Client

	queue    string // URL
	role     string // ARN
	consumer string // ARN
	sent     int
}

const (
	queueName  = "MyFirstQueue"
	roleName   = "TaskRole"
	policyName = "Tasks"
	consumer   = "TaskConsumer"
	worker     = "TaskWorker"
	ruleName   = "EveryMinute"
	visibility = 5 // seconds
)

func newStory(n *naru) *story {
	config := aws.Config{
		Region: "us-east-1", BaseEndpoint: &n.endpoint,
		Credentials: credentials.NewStaticCredentialsProvider("demo", "demo", ""),
	}
	return &story{
		naru: n, sqs: sqs.NewFromConfig(config), iam: iam.NewFromConfig(config), lambda: lambda.NewFromConfig(config),
		events: eventbridge.NewFromConfig(config), logs: cloudwatchlogs.NewFromConfig(config),
	}
}

func (s *story) tell(ctx context.Context) error {
	fmt.Printf("Naru runs at %s, on an empty data directory.\n", s.naru.endpoint)
	for i, chapter := range []struct {
		title string
		tell  func(context.Context) error
	}{
		{"A queue, and tasks in it", s.tasks},
		{"A role that may do what the tasks need", s.permissions},
		{"Two Node.js functions, with require(\"aws-sdk\") and no endpoint anywhere", s.functions},
		{"The Consumer is invoked by hand", s.byHand},
		{"A rule fires the Consumer every minute", s.byRule},
		{"The role loses sqs:DeleteMessage, and gets it back", s.withoutPermission},
		{"kill -9 in the middle of it", s.crash},
	} {
		fmt.Printf("\n%d. %s\n", i+1, chapter.title)
		if err := chapter.tell(ctx); err != nil {
			return fmt.Errorf("chapter %d: %w", i+1, err)
		}
	}
	fmt.Printf("\nAll %d tasks are done, and the queue is drained.\n", s.sent)
	return nil
}

func say(format string, args ...any) { fmt.Printf("   "+format+"\n", args...) }

func (s *story) tasks(ctx context.Context) error {
	q, err := s.sqs.CreateQueue(ctx, &sqs.CreateQueueInput{
		QueueName: aws.String(queueName), Attributes: map[string]string{"VisibilityTimeout": fmt.Sprint(visibility)},
	})
	if err != nil {
		return err
	}
	s.queue = *q.QueueUrl
	say("created %s", s.queue)
	if err := s.send(ctx, "wash the deck", "paint the hull", "mend the net"); err != nil {
		return err
	}
	return s.sayCounts(ctx)
}

// send sends tasks, each with a priority.
func (s *story) send(ctx context.Context, tasks ...string) error {
	for _, task := range tasks {
		out, err := s.sqs.SendMessage(ctx, &sqs.SendMessageInput{
			QueueUrl: &s.queue, MessageBody: &task,
			MessageAttributes: map[string]types.MessageAttributeValue{"priority": {DataType: aws.String("String"), StringValue: aws.String("high")}},
		})
		if err != nil {
			return err
		}
		s.sent++
		say("sent %q as message %s", task, *out.MessageId)
	}
	return nil
}

// counts returns how many messages are visible and in flight.
func (s *story) counts(ctx context.Context) (visible, inFlight string, err error) {
	out, err := s.sqs.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &s.queue, AttributeNames: []types.QueueAttributeName{"All"}})
	if err != nil {
		return "", "", err
	}
	return out.Attributes["ApproximateNumberOfMessages"], out.Attributes["ApproximateNumberOfMessagesNotVisible"], nil
}

func (s *story) sayCounts(ctx context.Context) error {
	visible, inFlight, err := s.counts(ctx)
	if err == nil {
		say("the queue has %s messages waiting and %s in flight", visible, inFlight)
	}
	return err
}

// drained waits until the queue is empty.
func (s *story) drained(ctx context.Context, atMost time.Duration) error {
	return until(ctx, atMost, "the queue did not drain", func() (bool, error) {
		visible, inFlight, err := s.counts(ctx)
		return visible == "0" && inFlight == "0", err
	})
}

// until asks every so often whether it is so.
func until(ctx context.Context, atMost time.Duration, otherwise string, so func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	for {
		if ok, err := so(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.New(otherwise)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

const trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`

// allow sets what the role may do with the queue.
func (s *story) allow(ctx context.Context, queueActions ...string) error {
	document := `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":["` + strings.Join(queueActions, `","`) + `"],"Resource":"*"},
		{"Effect":"Allow","Action":"lambda:InvokeFunction","Resource":"*"},
		{"Effect":"Allow","Action":["logs:CreateLogGroup","logs:CreateLogStream","logs:PutLogEvents"],"Resource":"arn:aws:logs:*:*:*"}]}`
	_, err := s.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String(roleName), PolicyName: aws.String(policyName), PolicyDocument: &document})
	if err == nil {
		say("%s may %s, lambda:InvokeFunction, and write logs", roleName, strings.Join(queueActions, ", "))
	}
	return err
}

func (s *story) permissions(ctx context.Context) error {
	out, err := s.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String(roleName), AssumeRolePolicyDocument: aws.String(trust)})
	if err != nil {
		return err
	}
	s.role = *out.Role.Arn
	say("created %s", s.role)
	return s.allow(ctx, "sqs:ReceiveMessage", "sqs:DeleteMessage")
}

func (s *story) functions(ctx context.Context) error {
	for _, name := range []string{consumer, worker} {
		code, err := zipped(filepath.Join("demo", "functions", name, "index.js"))
		if err != nil {
			return err
		}
		out, err := s.lambda.CreateFunction(ctx, &lambda.CreateFunctionInput{
			FunctionName: aws.String(name), Runtime: "nodejs6.10", Handler: aws.String("index.handler"), Role: &s.role, Timeout: aws.Int32(30),
			Code:        &lambdatypes.FunctionCode{ZipFile: code},
			Environment: &lambdatypes.Environment{Variables: map[string]string{"QUEUE_URL": s.queue}},
		})
		if err != nil {
			return err
		}
		waiter := lambda.NewFunctionActiveV2Waiter(s.lambda)
		if err := waiter.Wait(ctx, &lambda.GetFunctionInput{FunctionName: aws.String(name)}, time.Minute); err != nil {
			return err
		}
		if name == consumer {
			s.consumer = *out.FunctionArn
		}
		say("created %s, %d bytes of code", *out.FunctionArn, out.CodeSize)
	}
	return nil
}

// zipped returns a zip file with one file in it.
func zipped(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	w, err := z.Create(filepath.Base(path))
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// scheduled is a test event: what a rule sends.
const scheduled = `{"version":"0","id":"53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa","detail-type":"Scheduled Event","source":"aws.events","account":"000000000000","time":"2026-01-01T00:00:00Z","region":"us-east-1","resources":["arn:aws:events:us-east-1:000000000000:rule/by-hand"],"detail":{}}`

func (s *story) byHand(ctx context.Context) error {
	if err := s.invokeConsumer(ctx); err != nil {
		return err
	}
	if err := s.drained(ctx, 30*time.Second); err != nil {
		return err
	}
	if err := s.sayCounts(ctx); err != nil {
		return err
	}
	return s.sayLog(ctx, worker, "working on task")
}

func (s *story) invokeConsumer(ctx context.Context) error {
	out, err := s.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String(consumer), Payload: []byte(scheduled), LogType: "Tail"})
	if err != nil {
		return err
	}
	if out.FunctionError != nil {
		return fmt.Errorf("the Consumer failed: %s", out.Payload)
	}
	tail, err := base64.StdEncoding.DecodeString(aws.ToString(out.LogResult))
	if err != nil {
		return err
	}
	say("the reply is %s, the tail of its log:", out.Payload)
	for line := range strings.Lines(string(tail)) {
		say("   | %s", strings.TrimRight(line, "\n"))
	}
	return nil
}

// sayLog shows the lines of a function's log group that hold a text.
func (s *story) sayLog(ctx context.Context, function, text string) error {
	lines, err := s.logLines(ctx, function, text)
	if err == nil {
		say("in the log group /aws/lambda/%s:", function)
		for _, line := range lines {
			say("   | %s", line)
		}
	}
	return err
}

func (s *story) logLines(ctx context.Context, function, text string) (lines []string, err error) {
	pages := cloudwatchlogs.NewFilterLogEventsPaginator(s.logs, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("/aws/lambda/" + function)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, e := range page.Events {
			if strings.Contains(*e.Message, text) {
				lines = append(lines, strings.TrimSpace(*e.Message))
			}
		}
	}
	return lines, nil
}

func (s *story) byRule(ctx context.Context) error {
	rule, err := s.events.PutRule(ctx, &eventbridge.PutRuleInput{Name: aws.String(ruleName), ScheduleExpression: aws.String("rate(1 minute)")})
	if err != nil {
		return err
	}
	_, err = s.lambda.AddPermission(ctx, &lambda.AddPermissionInput{
		FunctionName: aws.String(consumer), StatementId: aws.String(ruleName), Action: aws.String("lambda:InvokeFunction"),
		Principal: aws.String("events.amazonaws.com"), SourceArn: rule.RuleArn,
	})
	if err != nil {
		return err
	}
	_, err = s.events.PutTargets(ctx, &eventbridge.PutTargetsInput{
		Rule: aws.String(ruleName), Targets: []eventtypes.Target{{Id: aws.String("consumer"), Arn: &s.consumer}},
	})
	if err != nil {
		return err
	}
	say("created %s, rate(1 minute), with the Consumer as target", *rule.RuleArn)
	if err := s.send(ctx, "count the passengers", "cast off"); err != nil {
		return err
	}
	say("waiting for the rule to fire, without touching anything ...")
	if err := s.drained(ctx, 90*time.Second); err != nil {
		return err
	}
	if err := s.sayCounts(ctx); err != nil {
		return err
	}
	return s.sayLog(ctx, worker, "count the passengers")
}

func (s *story) withoutPermission(ctx context.Context) error {
	if err := s.allow(ctx, "sqs:ReceiveMessage"); err != nil {
		return err
	}
	if err := s.send(ctx, "a task that cannot be finished yet"); err != nil {
		return err
	}
	if err := s.invokeConsumer(ctx); err != nil {
		return err
	}
	err := until(ctx, 30*time.Second, "the Worker was not refused", func() (bool, error) {
		lines, err := s.logLines(ctx, worker, "is not authorized to perform")
		return len(lines) > 0, err
	})
	if err != nil {
		return err
	}
	if err := s.sayLog(ctx, worker, "is not authorized to perform"); err != nil {
		return err
	}
	say("waiting for the visibility timeout of %d seconds ...", visibility)
	err = until(ctx, 30*time.Second, "the message did not come back", func() (bool, error) {
		visible, _, err := s.counts(ctx)
		return visible == "1", err
	})
	if err != nil {
		return err
	}
	if err := s.sayCounts(ctx); err != nil {
		return err
	}
	if err := s.allow(ctx, "sqs:ReceiveMessage", "sqs:DeleteMessage"); err != nil {
		return err
	}
	if err := s.invokeConsumer(ctx); err != nil {
		return err
	}
	if err := s.drained(ctx, 30*time.Second); err != nil {
		return err
	}
	return s.sayCounts(ctx)
}

func (s *story) crash(ctx context.Context) error {
	if err := s.send(ctx, "survive", "a", "crash"); err != nil {
		return err
	}
	_, err := s.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String(consumer), InvocationType: "Event", Payload: []byte(scheduled)})
	if err != nil {
		return err
	}
	say("the Consumer was invoked asynchronously: that is acknowledged, and now Naru is killed")
	if err := s.naru.kill(); err != nil {
		return err
	}
	if err := s.naru.start(); err != nil {
		return err
	}
	say("it is started again on the same data directory")
	functions, err := s.lambda.ListFunctions(ctx, &lambda.ListFunctionsInput{})
	if err != nil {
		return err
	}
	rules, err := s.events.ListRules(ctx, &eventbridge.ListRulesInput{})
	if err != nil {
		return err
	}
	roles, err := s.iam.ListRoles(ctx, &iam.ListRolesInput{})
	if err != nil {
		return err
	}
	say("it still has %d functions, %d rule and %d role", len(functions.Functions), len(rules.Rules), len(roles.Roles))
	say("waiting for the tasks to be done, by what was acknowledged and by the rule ...")
	if err := s.drained(ctx, 100*time.Second); err != nil {
		return err
	}
	return s.sayCounts(ctx)
}
