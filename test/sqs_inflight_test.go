package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// mostInFlight is how many messages of a standard queue may be in flight.
const mostInFlight = 120_000

// TestAQueueHasManyMessagesInFlight fills a queue up to AWS's limit, in plain
// JSON, since the SDK would take longer than Naru.
func TestAQueueHasManyMessagesInFlight(t *testing.T) {
	t.Parallel()
	n := wired(t)
	batch := make([]string, 10)
	for i := range batch {
		batch[i] = fmt.Sprintf(`{"Id":"%d","MessageBody":"x"}`, i)
	}
	send := json10("SendMessageBatch", `{"QueueUrl":"wire","Entries":[`+strings.Join(batch, ",")+`]}`)
	receive := json10("ReceiveMessage", `{"QueueUrl":"wire","MaxNumberOfMessages":10,"VisibilityTimeout":600}`)
	repeat(t, n, mostInFlight/10+1, send)
	repeat(t, n, mostInFlight/10-50, receive)
	var full reply
	eventually(t, "the queue has as many messages in flight as it may", func() bool {
		full = n.send(receive)
		return full.status != http.StatusOK
	})
	got := refusalIn(t, full)
	got.Message = ""
	equal(t, "one more", got, refusal{Status: 403, Code: "OverLimit", Type: sqsTypes + "OverLimit", Fault: "Sender"})
	poll := json10("ReceiveMessage", `{"QueueUrl":"wire","WaitTimeSeconds":1}`)
	equal(t, "a long poll", fmt.Sprint(n.send(poll)), "200 {}")
	attributes := n.send(json10("GetQueueAttributes", `{"QueueUrl":"wire","AttributeNames":["ApproximateNumberOfMessages","ApproximateNumberOfMessagesNotVisible"]}`))
	equal(t, "the counts", string(attributes.body), `{"Attributes":{"ApproximateNumberOfMessages":"10","ApproximateNumberOfMessagesNotVisible":"120000"}}`)
	n.advance("600s")
	equal(t, "the number received once they are visible", strings.Count(string(n.send(receive).body), `"MessageId"`), 10)
}

// repeat sends a request so many times, several at once.
func repeat(t *testing.T, n *naru, times int, q request) {
	t.Helper()
	var left atomic.Int64
	left.Store(int64(times))
	var work sync.WaitGroup
	for range 8 {
		work.Go(func() {
			for left.Add(-1) >= 0 {
				r, err := n.try(q)
				if err != nil || r.status != http.StatusOK || !json.Valid(r.body) {
					t.Errorf("%v, %v", r, err)
					return
				}
			}
		})
	}
	work.Wait()
}
