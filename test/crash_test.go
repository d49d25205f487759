package test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"
)

// soak returns how long the long form of a test lasts, by NARU_SOAK; zero means
// the short form.
func soak(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("NARU_SOAK")
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("NARU_SOAK: %v", err)
	}
	return d
}

// A register knows what became of each message: what was acknowledged of it, and
// what may have happened although nobody said so.
type register struct {
	t *testing.T

	mu    sync.Mutex
	books map[string]*entry
	order map[string]int // by group: the number of the last message that was received for the first time
}

type entry struct {
	number   int  // in its group
	sent     bool // acknowledged
	received int  // replies that had it
	deleted  bool // acknowledged
	deleting bool // tried; it may have happened
}

func (l *register) entry(body string) *entry {
	e := l.books[body]
	if e == nil {
		e = &entry{}
		l.books[body] = e
	}
	return e
}

// note changes what is known of a message.
func (l *register) note(body string, change func(e *entry)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(l.entry(body))
}

// receive notes that a reply had the message. again says that all leases have
// run out.
func (l *register) receive(m delivered, again bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, group := l.books[m.Body], m.Attributes.MessageGroupId
	switch {
	case e == nil:
		l.t.Errorf("%q was received, and nobody sent it", m.Body)
		return
	case e.deleted:
		l.t.Errorf("%q was received after its deletion was acknowledged", m.Body)
	case e.received > 0 && !again:
		l.t.Errorf("%q was received a second time while its lease stood", m.Body)
	case e.received == 0 && group != "" && e.number != l.order[group]+1:
		l.t.Errorf("%q was received after number %d of its group", m.Body, l.order[group])
	}
	if e.received == 0 {
		l.order[group] = e.number
	}
	e.received++
}

// A hammer uses a queue while Naru is killed again and again.
type hammer struct {
	*register
	naru     *naru
	endpoint string
	url      string
	fifo     bool
	stop     chan struct{}
	work     sync.WaitGroup
}

// lease is longer than the test.
const lease = 6 * 60 * 60

// call returns the reply, or false if there is none, or one that says nothing
// of what became of the call.
func (h *hammer) call(operation, body string) ([]byte, bool) {
	q := json10(operation, body)
	q.base = h.endpoint
	r, err := h.naru.try(q)
	if err != nil || r.status == http.StatusServiceUnavailable {
		<-time.After(5 * time.Millisecond)
		return nil, false
	}
	if r.status != http.StatusOK {
		h.t.Errorf("%s: %v", operation, r)
		return nil, false
	}
	return r.body, true
}

func (h *hammer) stopped() bool {
	select {
	case <-h.stop:
		return true
	default:
		return false
	}
}

// send sends messages, each until it is acknowledged in a FIFO queue, where that
// makes no second one.
func (h *hammer) send(sender int) {
	for i := 0; !h.stopped(); i++ {
		body := fmt.Sprintf("message %d of %d", i, sender)
		h.note(body, func(e *entry) { e.number = i%20 + 1 })
		group := ""
		if h.fifo { // a group is stuck once a kill has left its first messages leased
			group = fmt.Sprintf(`,"MessageGroupId":"%d-%d","MessageDeduplicationId":"%d-%d"`, sender, i/20, sender, i)
		}
		for acknowledged := false; !acknowledged && !h.stopped(); {
			if _, acknowledged = h.call("SendMessage", fmt.Sprintf(`{"QueueUrl":%q,"MessageBody":%q%s}`, h.url, body, group)); acknowledged {
				h.note(body, func(e *entry) { e.sent = true })
			} else if !h.fifo {
				break
			}
		}
	}
}

type delivered struct {
	Body, ReceiptHandle string
	Attributes          struct{ MessageGroupId string }
}

// receive receives up to ten messages and deletes most of them; it reports
// whether there were any.
func (h *hammer) receive(again bool) (any bool) {
	reply, ok := h.call("ReceiveMessage", fmt.Sprintf(`{"QueueUrl":%q,"MaxNumberOfMessages":10,"VisibilityTimeout":%d,"AttributeNames":["MessageGroupId"]}`, h.url, lease))
	if !ok {
		return false
	}
	var out struct{ Messages []delivered }
	if err := json.Unmarshal(reply, &out); err != nil {
		h.t.Errorf("%v: %s", err, reply)
	}
	for _, m := range out.Messages {
		h.register.receive(m, again)
	}
	for _, m := range out.Messages {
		if !again && !h.fifo && rand.IntN(10) == 0 {
			continue // it comes again when its lease runs out
		}
		h.note(m.Body, func(e *entry) { e.deleting = true })
		if _, ok := h.call("DeleteMessage", fmt.Sprintf(`{"QueueUrl":%q,"ReceiptHandle":%q}`, h.url, m.ReceiptHandle)); ok {
			h.note(m.Body, func(e *entry) { e.deleted = true })
		} else if h.fifo {
			break // what follows in its group comes after it
		}
	}
	return len(out.Messages) > 0
}

// TestNothingIsLostHoweverOftenNaruIsKilled kills Naru with SIGKILL in the midst
// of sends, receives and deletes, and starts it again. In the end everything
// acknowledged must be there, once.
func TestNothingIsLostHoweverOftenNaruIsKilled(t *testing.T) {
	t.Parallel()
	for name, fifo := range map[string]bool{"Standard": false, "FIFO": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			killAgainAndAgain(t, fifo)
		})
	}
}

func killAgainAndAgain(t *testing.T, fifo bool) {
	n := start(t, "--allow-reset", "--memtable=2MiB")
	create := `{"QueueName":"hammered"}`
	if fifo {
		create = `{"QueueName":"hammered.fifo","Attributes":{"FifoQueue":"true"}}`
	}
	var made struct{ QueueUrl string }
	if r := n.send(json10("CreateQueue", create)); json.Unmarshal(r.body, &made) != nil || made.QueueUrl == "" {
		t.Fatal(r)
	}
	h := &hammer{register: &register{t: t, books: map[string]*entry{}, order: map[string]int{}}, naru: n, endpoint: n.endpoint, url: made.QueueUrl, fifo: fifo, stop: make(chan struct{})}
	for i := range 6 {
		h.work.Go(func() { h.send(i) })
		h.work.Go(func() {
			for !h.stopped() {
				h.receive(false)
			}
		})
	}
	end := time.Now().Add(soak(t))
	kills := 0
	for ; kills < 4 || time.Now().Before(end); kills++ {
		<-time.After(time.Duration(50+rand.IntN(800)) * time.Millisecond)
		n.kill()
		n.start()
	}
	close(h.stop)
	h.work.Wait()
	for { // in a FIFO queue a group gives out more once its first messages are gone
		n.advance((lease * time.Second).String())
		if !h.receive(true) {
			break
		}
		for h.receive(true) {
		}
	}
	h.settle(kills)
}

// settle compares what was acknowledged with what was received.
func (h *hammer) settle(kills int) {
	sent, lost, left, twice := 0, 0, 0, 0
	for body, e := range h.books {
		if e.sent {
			sent++
			if e.received == 0 {
				lost++
			}
		}
		if e.received > 0 && !e.deleting {
			left++
			h.t.Errorf("%q was received, was not deleted, and did not come again", body)
		}
		if e.received > 1 {
			twice++
		}
	}
	h.t.Logf("%d kills, %d messages acknowledged, %d received again after their lease", kills, sent, twice)
	if lost > 0 || sent == 0 {
		h.t.Errorf("%d of %d acknowledged messages are lost", lost, sent)
	}
}
