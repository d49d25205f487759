package test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// Asynchronous events, some of which fail, while Naru is killed again and
// again: each that was acknowledged ends exactly once, in the record of its
// success, or in that of its failure and the dead letter.
func TestEachEventEndsOnceHoweverOftenNaruIsKilled(t *testing.T) {
	needNode(t)
	n := start(t, "--allow-reset")
	urls := map[string]string{}
	queue := func(name string) *string {
		t.Helper()
		if _, err := n.user().sqs().CreateQueue(background, &sqs.CreateQueueInput{QueueName: &name}); err != nil {
			t.Fatal(err)
		}
		urls[name] = "/" + account + "/" + name
		return aws.String("arn:aws:sqs:us-east-1:" + account + ":" + name)
	}
	good, bad, dead := queue("good"), queue("bad"), queue("dead")
	function(t, n, "f", "exports.handler = async (event) => { if (event.bad) throw new Error('bad'); return event.id; };", func(in *lambda.CreateFunctionInput) {
		in.DeadLetterConfig = &types.DeadLetterConfig{TargetArn: dead}
		in.Timeout = aws.Int32(900) // what runs while the clock is advanced is not to end by that
	})
	_, err := n.user().lambda().PutFunctionEventInvokeConfig(background, &lambda.PutFunctionEventInvokeConfigInput{
		FunctionName: aws.String("f"), MaximumRetryAttempts: aws.Int32(1),
		DestinationConfig: &types.DestinationConfig{OnSuccess: &types.OnSuccess{Destination: good}, OnFailure: &types.OnFailure{Destination: bad}},
	})
	if err != nil {
		t.Fatal(err)
	}
	l := &ledger{tried: map[string]bool{}, acknowledged: map[string]bool{}}
	for round := range 5 {
		var senders sync.WaitGroup
		for sender := range 2 {
			senders.Go(func() { l.send(n, fmt.Sprintf("%d-%d", round, sender)) })
		}
		eventually(t, "events are acknowledged", func() bool { return l.count() >= 8*(round+1) })
		n.advance("61s") // so that second tries are due
		<-time.After(time.Duration(rand.IntN(150)) * time.Millisecond)
		n.kill()
		senders.Wait()
		n.start()
	}
	got := map[string][]string{}
	eventually(t, "every event has ended", func() bool {
		n.advance("61s")
		passed(200 * time.Millisecond) // or events would grow too old before they can run
		for name := range urls {
			got[name] = append(got[name], eventsIn(t, n, urls[name], name == "dead")...)
		}
		return l.ended(got)
	})
	for name, ids := range got {
		slices.Sort(ids)
		if once := slices.Compact(slices.Clone(ids)); len(once) != len(ids) {
			t.Errorf("%s has some twice: %v", name, ids)
		}
		for _, id := range ids {
			if failing := id[len(id)-1]%2 == 1; !l.tried[id] || failing != (name != "good") {
				t.Errorf("%s has %s", name, id)
			}
		}
	}
}

// A ledger knows which events were sent. The last digit of an odd one's id says
// that it fails.
type ledger struct {
	mu                  sync.Mutex
	tried, acknowledged map[string]bool
}

// send sends events until Naru is gone.
func (l *ledger) send(n *naru, prefix string) {
	c := n.user().lambda()
	for k := 0; ; k++ {
		id := fmt.Sprintf("%s-%d", prefix, k)
		l.mu.Lock()
		l.tried[id] = true
		l.mu.Unlock()
		payload := fmt.Sprintf(`{"id":%q,"bad":%v}`, id, k%2 == 1)
		if _, err := c.Invoke(background, &lambda.InvokeInput{FunctionName: aws.String("f"), InvocationType: types.InvocationTypeEvent, Payload: []byte(payload)}); err != nil {
			return
		}
		l.mu.Lock()
		l.acknowledged[id] = true
		l.mu.Unlock()
		<-time.After(10 * time.Millisecond)
	}
}

func (l *ledger) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acknowledged)
}

// ended reports whether every event that was acknowledged is where it belongs.
func (l *ledger) ended(got map[string][]string) bool {
	for id := range l.acknowledged {
		places := []string{"good"}
		if id[len(id)-1]%2 == 1 {
			places = []string{"bad", "dead"}
		}
		for _, place := range places {
			if !slices.Contains(got[place], id) {
				return false
			}
		}
	}
	return true
}

// eventsIn takes all messages out of a queue, and returns the ids of the events
// that they tell of.
func eventsIn(t *testing.T, n *naru, path string, letters bool) (ids []string) {
	t.Helper()
	q := n.user().sqs()
	url := n.endpoint + path
	for {
		out, err := q.ReceiveMessage(background, &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Messages) == 0 {
			return ids
		}
		for _, m := range out.Messages {
			var event struct{ ID string }
			var record struct{ RequestPayload struct{ ID string } }
			err := json.Unmarshal([]byte(*m.Body), &event)
			if !letters {
				err = json.Unmarshal([]byte(*m.Body), &record)
				event.ID = record.RequestPayload.ID
			}
			if err != nil || event.ID == "" {
				t.Fatalf("%s: %v", *m.Body, err)
			}
			ids = append(ids, event.ID)
			if _, err := q.DeleteMessage(background, &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle}); err != nil {
				t.Fatal(err)
			}
		}
	}
}
