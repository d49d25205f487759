package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestOneTenantsBacklogDoesNotDelayAnother has a tenant with a hundred thousand
// messages, of which none or a thousand are in flight, and others with one each,
// which are received within a few receives.
func TestOneTenantsBacklogDoesNotDelayAnother(t *testing.T) {
	t.Parallel()
	n := start(t)
	makeQueue(t, n.user(), "wire")
	batch := make([]string, 10)
	for i := range batch {
		batch[i] = fmt.Sprintf(`{"Id":"%d","MessageBody":"x","MessageGroupId":"many"}`, i)
	}
	repeat(t, n, 100_000/10, json10("SendMessageBatch", `{"QueueUrl":"wire","Entries":[`+strings.Join(batch, ",")+`]}`))
	receive := json10("ReceiveMessage", `{"QueueUrl":"wire","MaxNumberOfMessages":10,"VisibilityTimeout":600}`)
	for _, stage := range []struct {
		name   string
		before func()
	}{
		{"none are in flight", func() {}},
		{"after a restart", func() { n.kill(); n.start() }},
		{"a thousand are in flight", func() { repeat(t, n, 100, receive) }},
	} {
		stage.before()
		for _, most := range []int{1, 10} {
			group := fmt.Sprintf("one-%d-%d", most, len(stage.name))
			n.must(t, "SendMessage", fmt.Sprintf(`{"QueueUrl":"wire","MessageBody":"x","MessageGroupId":%q}`, group))
			receives := n.receivesUntil(t, group, most)
			t.Logf("%s: received with receive %d, of up to %d messages", stage.name, receives, most)
			if receives > 3 {
				t.Errorf("%s: the only message of a tenant is received after %d receives", stage.name, receives)
			}
		}
	}
}

// must makes a call that succeeds.
func (n *naru) must(t *testing.T, operation, body string) reply {
	t.Helper()
	r := n.send(json10(operation, body))
	if r.status != http.StatusOK {
		t.Fatalf("%s: %v", operation, r)
	}
	return r
}

// receivesUntil returns how many receives it took to get a message of a group.
func (n *naru) receivesUntil(t *testing.T, group string, most int) int {
	t.Helper()
	for receives := 1; receives <= 100; receives++ {
		r := n.must(t, "ReceiveMessage", fmt.Sprintf(`{"QueueUrl":"wire","MaxNumberOfMessages":%d,"VisibilityTimeout":600,"AttributeNames":["MessageGroupId"]}`, most))
		var out struct {
			Messages []struct {
				Attributes struct{ MessageGroupId string }
			}
		}
		if err := json.Unmarshal(r.body, &out); err != nil {
			t.Fatal(err)
		}
		for _, m := range out.Messages {
			if m.Attributes.MessageGroupId == group {
				return receives
			}
		}
	}
	t.Fatalf("the message of %s is not received", group)
	return 0
}
