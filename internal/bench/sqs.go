package bench

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

const (
	contentType = "application/x-amz-json-1.0"
	actions     = "AmazonSQS."
)

// bodyOf returns a random text of n bytes, which does not compress well.
func bodyOf(n int) string {
	random := make([]byte, n)
	rand.Read(random)
	return base64.RawURLEncoding.EncodeToString(random)[:n]
}

// A target is a number of queues that are measured together.
type target struct {
	suffix  string // of what is measured on it
	server  server
	queues  []string // URLs, in JSON
	message string
	groups  int
	fifo    bool
	waiting atomic.Int64 // messages that a step may receive

	turn, serial atomic.Uint64
}

// A server is an endpoint, and how its requests are signed.
type server struct {
	endpoint address
	sign     func() *signer
	pid      int // 0 if unknown
}

// renew replaces the queues of t by new ones, with nothing in them.
func (t *target) renew(ctx context.Context, fifo bool) error {
	if err := t.server.deleteQueues(ctx, t.queues); err != nil {
		return err
	}
	queues, err := t.server.makeQueues(ctx, len(t.queues), fifo)
	t.queues = queues
	t.waiting.Store(0)
	return err
}

func (t *target) queue() string { return t.queues[t.turn.Add(1)%uint64(len(t.queues))] }

// client returns a client for single calls.
func (s server) client(ctx context.Context) (*client, error) {
	c, err := s.endpoint.open(ctx)
	if err != nil {
		return nil, err
	}
	l := newLoad(s)
	out := &client{load: l, connection: c}
	if s.sign != nil {
		out.signer = s.sign()
	}
	return out, c.SetDeadline(time.Now().Add(grace))
}

// call makes one request and reads its reply into out, if that is not nil.
func (s server) call(ctx context.Context, action string, in, out any) error {
	c, err := s.client(ctx)
	if err != nil {
		return err
	}
	defer c.connection.Close()
	if c.body, err = json.Marshal(in); err != nil {
		return err
	}
	body, err := c.do(actions + action)
	if err != nil || out == nil {
		return err
	}
	return json.Unmarshal(body, out)
}

// makeQueues makes n queues.
func (s server) makeQueues(ctx context.Context, n int, fifo bool) (urls []string, err error) {
	for i := range n {
		in := map[string]any{"QueueName": "naru-bench-" + strings.ToLower(rand.Text()) + "-" + strconv.Itoa(i)}
		if fifo {
			in["QueueName"] = in["QueueName"].(string) + ".fifo"
			in["Attributes"] = map[string]string{"FifoQueue": "true", "FifoThroughputLimit": "perMessageGroupId", "DeduplicationScope": "messageGroup"}
		}
		var out struct{ QueueUrl string }
		if err := s.call(ctx, "CreateQueue", in, &out); err != nil {
			return urls, fmt.Errorf("a queue cannot be made: %w", err)
		}
		quoted, err := json.Marshal(out.QueueUrl)
		if err != nil {
			return urls, err
		}
		urls = append(urls, string(quoted))
	}
	return urls, nil
}

func (s server) deleteQueues(ctx context.Context, urls []string) error {
	var errs []error
	for _, url := range urls {
		errs = append(errs, s.call(ctx, "DeleteQueue", map[string]any{"QueueUrl": json.RawMessage(url)}, nil))
	}
	return errors.Join(errs...)
}

// appendMessage appends the members of a message to send.
func (t *target) appendMessage(b []byte) []byte {
	b = append(append(append(b, `"MessageBody":"`...), t.message...), '"')
	if t.groups == 0 {
		return b
	}
	n := t.serial.Add(1)
	b = appendNumber(append(b, `,"MessageGroupId":"group-`...), int(n%uint64(t.groups)))
	if t.fifo {
		b = appendNumber(append(b, `","MessageDeduplicationId":"bench-`...), int(n))
	}
	return append(b, '"')
}

func appendNumber(b []byte, n int) []byte { return strconv.AppendInt(b, int64(n), 10) }

// The works of clients. Each does one thing once.

func (t *target) send(c *client) func() error {
	return func() error {
		b := append(append(append(c.body[:0], `{"QueueUrl":`...), t.queue()...), ',')
		c.body = append(t.appendMessage(b), '}')
		_, err := c.do(actions + "SendMessage")
		if err == nil {
			c.moved(1)
		}
		return err
	}
}

func (t *target) sendBatch(c *client) func() error {
	return func() error {
		b := append(append(append(c.body[:0], `{"QueueUrl":`...), t.queue()...), `,"Entries":[`...)
		for i := range 10 {
			b = append(append(append(b, `{"Id":"`...), byte('0'+i)), `",`...)
			b = append(t.appendMessage(b), '}', ',')
		}
		c.body = append(b[:len(b)-1], "]}"...)
		reply, err := c.do(actions + "SendMessageBatch")
		if err != nil {
			return err
		}
		n := bytes.Count(reply, []byte(`"MessageId"`))
		c.moved(n)
		if n < 10 {
			return &refusal{200, fmt.Sprintf("%d of 10 messages were refused: %s", 10-n, reply)}
		}
		return nil
	}
}

// receiveDelete receives up to most messages and deletes them, until as many
// were received as wait. What it deletes it copies from the reply as it stands,
// in its JSON form.
func (t *target) receiveDelete(most int) func(*client) func() error {
	return func(c *client) func() error {
		var handles []byte
		var ends []int
		var empty time.Time // since when nothing is received
		return func() error {
			if t.waiting.Load() <= 0 {
				return errDone
			}
			queue := t.queue()
			b := append(append(c.body[:0], `{"QueueUrl":`...), queue...)
			c.body = append(appendNumber(append(b, `,"MaxNumberOfMessages":`...), most), '}')
			reply, err := c.do(actions + "ReceiveMessage")
			if err != nil {
				return err
			}
			handles, ends = handlesIn(reply, handles[:0], ends[:0])
			if len(ends) == 0 {
				if empty.IsZero() {
					empty = time.Now()
				}
				if time.Since(empty) > time.Second {
					return errDone // others have what is left
				}
				return nil
			}
			empty = time.Time{}
			t.waiting.Add(-int64(len(ends)))
			return t.delete(c, queue, handles, ends, most > 1)
		}
	}
}

func (t *target) delete(c *client, queue string, handles []byte, ends []int, batch bool) error {
	b := append(append(c.body[:0], `{"QueueUrl":`...), queue...)
	action := actions + "DeleteMessageBatch"
	if !batch {
		action = actions + "DeleteMessage"
		c.body = append(append(append(b, `,"ReceiptHandle":"`...), handles...), `"}`...)
	} else {
		b = append(b, `,"Entries":[`...)
		start := 0
		for i, end := range ends {
			b = append(append(append(b, `{"Id":"`...), byte('0'+i)), `","ReceiptHandle":"`...)
			b = append(append(b, handles[start:end]...), `"},`...)
			start = end
		}
		c.body = append(b[:len(b)-1], "]}"...)
	}
	reply, err := c.do(action)
	if err != nil {
		return err
	}
	if bytes.Contains(reply, []byte(`"Failed":[{`)) {
		return &refusal{200, string(reply)}
	}
	c.moved(len(ends))
	return nil
}

// mixed sends a message, and receives and deletes one.
func (t *target) mixed(c *client) func() error {
	send, receive := t.send(c), t.receiveDelete(1)(c)
	return func() error {
		if err := send(); err != nil {
			return err
		}
		t.waiting.Add(1)
		if err := receive(); !errors.Is(err, errDone) {
			return err
		}
		return nil
	}
}

// handlesIn appends the receipt handles of a reply of ReceiveMessage to
// handles, and where each ends to ends.
func handlesIn(reply, handles []byte, ends []int) ([]byte, []int) {
	name := []byte(`"ReceiptHandle":"`)
	for {
		i := bytes.Index(reply, name)
		if i < 0 {
			return handles, ends
		}
		reply = reply[i+len(name):]
		end := bytes.IndexByte(reply, '"')
		if end < 0 {
			return handles, ends
		}
		handles, ends = append(handles, reply[:end]...), append(ends, len(handles)+end)
	}
}
