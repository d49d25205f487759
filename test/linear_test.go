package test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// hold is the queue's visibility timeout, and how far the clock is moved at a
// time: then all leases have run out, and after three times all deduplication
// ids of before are forgotten. A test must not last as long.
const hold = 100 * time.Second

const forgottenAfter = 3 // holds

// An action is what a client did, as far as it concerns one FIFO group, or one
// message of a standard queue, and what it was told.
type action struct {
	verb string
	// Of "send" and "receive", in order; of "delete" and "release", which makes
	// visible at once, it is one.
	messages []messageRef
	refused  bool
}

// The verbs are send, receive, delete, release and these.
const (
	nothing = "receive nothing" // of a FIFO queue
	leap    = "let all leases run out"
)

type messageRef struct {
	id, once, handle string
	sequence         string // of "send" to a FIFO group
}

// A line is the state of a FIFO group, or of one message of a standard queue.
type line struct {
	fifo     bool
	messages []waiting
	sent     map[string]sending // by deduplication id
	last     string             // sequence number that was given out
}

type waiting struct {
	id     string
	handle string // of its lease, "" if it may be received
}

type sending struct {
	id  string
	age int // in holds
}

func (l line) equal(m line) bool {
	return slices.Equal(l.messages, m.messages) && maps.Equal(l.sent, m.sent)
}

// step tells whether l allows an action, and what follows. It does not change l.
func (l line) step(a action) (bool, line) {
	l.messages, l.sent = slices.Clone(l.messages), maps.Clone(l.sent)
	switch a.verb {
	case "send":
		return l.send(a.messages)
	case "receive":
		return l.receive(a.messages)
	case nothing:
		return len(l.messages) == 0 || l.messages[0].handle != "", l
	case leap:
		for i := range l.messages {
			l.messages[i].handle = ""
		}
		for once, s := range l.sent {
			l.sent[once] = sending{s.id, s.age + 1}
		}
		return true, l
	default:
		return l.settle(a.verb, a.messages[0], a.refused)
	}
}

// send appends messages but duplicates, which are told the first one's id.
func (l line) send(messages []messageRef) (bool, line) {
	for _, m := range messages {
		first, known := l.sent[m.once]
		known = known && l.fifo && first.age < forgottenAfter
		if known != (first.id == m.id) {
			return false, l
		}
		if !known && l.fifo && m.sequence <= l.last {
			return false, l
		}
		if !known {
			l.last = m.sequence
			l.messages = append(l.messages, waiting{id: m.id})
			l.sent[m.once] = sending{id: m.id}
		}
	}
	return true, l
}

// receive gives a FIFO group's first messages, in order, or any one.
func (l line) receive(messages []messageRef) (bool, line) {
	for i, m := range messages {
		if i >= len(l.messages) || l.messages[i].id != m.id || l.messages[i].handle != "" {
			return false, l
		}
		l.messages[i].handle = m.handle
	}
	return true, l
}

// settle deletes or releases a message. In a FIFO queue that takes the handle of
// the lease that stands; in a standard queue an old one does, too.
func (l line) settle(verb string, m messageRef, refused bool) (bool, line) {
	i := slices.IndexFunc(l.messages, func(w waiting) bool { return w.id == m.id })
	switch {
	case i < 0:
		return refused == (verb == "release"), l
	case l.fifo && l.messages[i].handle != m.handle:
		return refused, l
	case refused:
		return false, l
	case verb == "delete":
		l.messages = slices.Delete(l.messages, i, i+1)
	default:
		l.messages[i].handle = ""
	}
	return true, l
}

// model is what porcupine holds a history of actions to.
func model(fifo bool) porcupine.Model {
	return porcupine.Model{
		Init:  func() any { return line{fifo: fifo, sent: map[string]sending{}} },
		Step:  func(state, _, output any) (bool, any) { return state.(line).step(output.(action)) },
		Equal: func(a, b any) bool { return a.(line).equal(b.(line)) },
	}
}

// A historian has clients use a queue and writes down what they did. Each
// history is of one FIFO group, or one message, and tells what concerns that.
type historian struct {
	t    *testing.T
	naru *naru
	url  string
	fifo bool

	begin time.Time
	mu    sync.Mutex
	lines map[string][]porcupine.Operation
	all   []porcupine.Operation // what concerns every line
}

// note writes an action down that ended now.
func (h *historian) note(client int, called int64, line string, a action) {
	h.mu.Lock()
	defer h.mu.Unlock()
	op := porcupine.Operation{ClientId: client, Call: called, Output: a, Return: h.now()}
	if line == "" {
		h.all = append(h.all, op)
	} else {
		h.lines[line] = append(h.lines[line], op)
	}
}

func (h *historian) now() int64 { return time.Since(h.begin).Nanoseconds() }

// call calls and returns whether it was refused for its handle, which is the only
// reason that there may be.
func (h *historian) call(operation string, in, out any) (refused bool) {
	body, err := json.Marshal(in)
	if err != nil {
		h.t.Error(err)
	}
	r, err := h.naru.try(json10(operation, string(body)))
	switch {
	case err == nil && r.status == http.StatusOK && out == nil:
	case err == nil && r.status == http.StatusOK:
		err = json.Unmarshal(r.body, out)
	case err == nil && r.status == http.StatusBadRequest && strings.Contains(string(r.body), "ReceiptHandle is invalid. Reason: "):
		return true
	case err == nil:
		err = fmt.Errorf("%v", r)
	}
	if err != nil {
		h.t.Errorf("%s %s: %v", operation, body, err)
	}
	return false
}

type fields = map[string]any

// A client does one thing after another.
type client struct {
	*historian
	number int
	sent   int
	held   []owned
}

// An owned message was received, whoever has it now.
type owned struct {
	line string
	messageRef
}

func (c *client) act() {
	switch n := rand.IntN(100); {
	case n < 35:
		c.send()
	case n < 65:
		c.receive()
	case n < 98:
		c.settle()
	default:
		called := c.now()
		c.naru.send(request{method: "POST", path: "/_naru/clock", body: fmt.Appendf(nil, `{"advance":%q}`, hold)})
		c.note(c.number, called, "", action{verb: leap})
	}
}

// send sends up to three messages of a group, some of them again.
func (c *client) send() {
	group := fmt.Sprint("group-", rand.IntN(3))
	var refs []messageRef
	var entries []fields
	for i := range 1 + rand.IntN(3) {
		c.sent++
		ref := messageRef{once: fmt.Sprintf("%d-%d", c.number, c.sent)}
		if rand.IntN(4) == 0 {
			ref.once = fmt.Sprint("again-", rand.IntN(5))
		}
		entry := fields{"Id": fmt.Sprint(i), "MessageBody": "x"}
		if c.fifo {
			ref.once += group // deduplication is the queue's, not the group's
			entry["MessageGroupId"], entry["MessageDeduplicationId"] = group, ref.once
		}
		refs, entries = append(refs, ref), append(entries, entry)
	}
	var out struct {
		Successful []struct{ Id, MessageId, SequenceNumber string }
	}
	called := c.now()
	c.call("SendMessageBatch", fields{"QueueUrl": c.url, "Entries": entries}, &out)
	if len(out.Successful) != len(refs) {
		c.t.Errorf("of %d messages %d were sent", len(refs), len(out.Successful))
		return
	}
	for i, s := range out.Successful {
		refs[i].id, refs[i].sequence = s.MessageId, s.SequenceNumber
		if !c.fifo {
			c.note(c.number, called, s.MessageId, action{verb: "send", messages: refs[i : i+1]})
		}
	}
	if c.fifo {
		c.note(c.number, called, group, action{verb: "send", messages: refs})
	}
}

// receive receives up to five messages, and waits a second for them now and then.
func (c *client) receive() {
	var out struct {
		Messages []struct {
			MessageId, ReceiptHandle string
			Attributes               struct{ MessageGroupId string }
		}
	}
	wait := 0
	if rand.IntN(30) == 0 {
		wait = 1
	}
	called := c.now()
	c.call("ReceiveMessage", fields{"QueueUrl": c.url, "MaxNumberOfMessages": 1 + rand.IntN(5), "WaitTimeSeconds": wait, "AttributeNames": []string{"MessageGroupId"}}, &out)
	lines := map[string][]messageRef{}
	for _, m := range out.Messages {
		name := m.MessageId
		if c.fifo {
			name = m.Attributes.MessageGroupId
		}
		ref := messageRef{id: m.MessageId, handle: m.ReceiptHandle}
		lines[name] = append(lines[name], ref)
		c.held = append(c.held, owned{name, ref})
	}
	for name, refs := range lines {
		c.note(c.number, called, name, action{verb: "receive", messages: refs})
	}
	if c.fifo && len(out.Messages) == 0 { // else what it was given may have been deleted by an old handle
		c.note(c.number, called, "", action{verb: nothing})
	}
}

// settle deletes or releases a message that it received.
func (c *client) settle() {
	if len(c.held) == 0 {
		return
	}
	i := rand.IntN(len(c.held))
	m := c.held[i]
	verb, operation, in := "delete", "DeleteMessage", fields{"QueueUrl": c.url, "ReceiptHandle": m.handle}
	if rand.IntN(3) == 0 {
		verb, operation, in["VisibilityTimeout"] = "release", "ChangeMessageVisibility", 0
	} else if rand.IntN(3) > 0 { // else it uses the handle again
		c.held = slices.Delete(c.held, i, i+1)
	}
	called := c.now()
	refused := c.call(operation, in, nil)
	c.note(c.number, called, m.line, action{verb, []messageRef{m.messageRef}, refused})
}

// TestConcurrentCallsAreAsIfOneAfterAnother has clients use a queue all at once,
// and looks for an order of their calls that explains what each was told: in
// which what was sent is received in the order of its group, never while somebody
// has it, nor once it was deleted, and in a FIFO queue nothing is received only if
// there is nothing.
func TestConcurrentCallsAreAsIfOneAfterAnother(t *testing.T) {
	t.Parallel()
	for name, fifo := range map[string]bool{"Standard": false, "FIFO": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := start(t, "--allow-reset")
			end := time.Now().Add(soak(t))
			for round := 0; round == 0 || time.Now().Before(end); round++ {
				useAtOnce(t, n, fifo, fmt.Sprint("round-", round))
			}
		})
	}
}

// useAtOnce makes a queue, has clients use it, and checks what they were told.
func useAtOnce(t *testing.T, n *naru, fifo bool, name string) {
	attributes := fields{"VisibilityTimeout": fmt.Sprint(hold.Seconds())}
	if fifo {
		name += ".fifo"
		attributes["FifoQueue"] = "true"
	}
	h := &historian{t: t, naru: n, url: name, fifo: fifo, begin: time.Now(), lines: map[string][]porcupine.Operation{}}
	h.call("CreateQueue", fields{"QueueName": name, "Attributes": attributes}, nil)
	var work sync.WaitGroup
	for i := range 5 {
		c := &client{historian: h, number: i}
		work.Go(func() {
			for range 150 {
				c.act()
			}
		})
	}
	work.Wait()
	if lasted := time.Since(h.begin); lasted > hold {
		t.Fatalf("it lasted %v: leases ran out that nobody made run out", lasted)
	}
	h.check()
}

// check looks for the order of each history.
func (h *historian) check() {
	verbs := map[string]int{}
	for name, ops := range h.lines {
		for _, op := range ops {
			verbs[op.Output.(action).verb]++
		}
		ops = append(ops, h.all...)
		if result := porcupine.CheckOperationsTimeout(model(h.fifo), ops, time.Minute); result != porcupine.Ok {
			slices.SortFunc(ops, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
			var text strings.Builder
			for _, op := range ops {
				fmt.Fprintf(&text, "%d %12d-%12d %+v\n", op.ClientId, op.Call, op.Return, op.Output)
			}
			h.t.Fatalf("no order explains the history of %s (%s):\n%s", name, result, &text)
		}
	}
	for _, op := range h.all {
		verbs[op.Output.(action).verb]++
	}
	h.t.Logf("%d histories: %v", len(h.lines), verbs)
	for _, verb := range []string{"send", "receive", "delete", "release", nothing, leap} {
		if verbs[verb] == 0 && (h.fifo || verb != nothing) {
			h.t.Errorf("nobody did: %s", verb)
		}
	}
}
