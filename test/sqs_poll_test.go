package test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

var pollRules = []rule{
	{"ALongPollEndsWithTheFirstMessage", pollEndsWithMessage},
	{"ALongPollEndsWithNothingWhenItsTimeIsUp", pollEndsEmpty},
	{"TheQueuesWaitTimeHoldsForReceivesWithoutTheirOwn", waitOfQueue},
	{"ALongPollSeesAMessageWhoseTimeHasCome", pollSeesDue},
	{"LongPollsAreServedInTheirOrder", pollsInOrder},
	{"ALongPollWhoseClientHasGoneGetsNothing", goneClientGetsNothing},
	{"ALongPollEndsWhenItsQueueIsDeleted", pollEndsWithQueue},
}

// A polling is a long poll under way.
type polling struct {
	done     chan struct{}
	messages []types.Message
	err      error
}

// poll begins a long poll and returns once Naru has it.
func (s *sqsSuite) poll(url string, seconds int32) *polling {
	s.Helper()
	p := &polling{done: make(chan struct{})}
	before := s.naru.polls()
	client := s.caller.sqs()
	go func() {
		defer close(p.done)
		out, err := client.ReceiveMessage(background, &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10, WaitTimeSeconds: seconds})
		if p.err = err; err == nil {
			p.messages = out.Messages
		}
	}()
	eventually(s, "the long poll waits", func() bool { return s.naru.polls() > before || p.over() })
	return p
}

// polls returns how many calls of ReceiveMessage are waiting in Naru, which
// the stacks of its goroutines tell.
func (n *naru) polls() (count int) {
	n.t.Helper()
	r := n.send(request{method: "GET", base: "http://" + n.admin, path: "/debug/pprof/goroutine?debug=2"})
	for stack := range strings.SplitSeq(string(r.body), "\n\n") {
		head, calls, _ := strings.Cut(stack, "\n")
		if strings.Contains(head, "[select") && strings.Contains(calls, ".ReceiveMessage(") {
			count++
		}
	}
	return count
}

func (p *polling) over() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// bodies waits for the poll to end and returns what it got.
func (p *polling) bodies(s *sqsSuite) (bodies []string) {
	s.Helper()
	within(s, "the long poll ends", p.done)
	if p.err != nil {
		s.Fatal(p.err)
	}
	for _, m := range p.messages {
		bodies = append(bodies, *m.Body)
	}
	return bodies
}

func pollEndsWithMessage(s *sqsSuite) {
	url := s.queue()
	p := s.poll(url, 20)
	begin := time.Now()
	s.send(url, "at last")
	equal(s, "the bodies", p.bodies(s), []string{"at last"})
	if took := time.Since(begin); took > 5*time.Second {
		s.Errorf("that took %v", took)
	}
	begin = time.Now()
	s.send(url, "there already")
	equal(s, "the bodies", s.poll(url, 20).bodies(s), []string{"there already"})
	if took := time.Since(begin); took > 5*time.Second {
		s.Errorf("that took %v", took)
	}
}

func pollEndsEmpty(s *sqsSuite) {
	url := s.queue()
	p := s.poll(url, 20)
	s.naru.advance("10s")
	if p.over() {
		s.Error("the long poll ended too early")
	}
	s.naru.advance("10s")
	if got := p.bodies(s); len(got) > 0 {
		s.Errorf("received %q", got)
	}
	begin := time.Now()
	do[sqs.ReceiveMessageOutput](s, &sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 1})
	if took := time.Since(begin); took < 990*time.Millisecond || took > 3*time.Second {
		s.Errorf("a wait of one second took %v", took)
	}
}

func waitOfQueue(s *sqsSuite) {
	url := s.queue("ReceiveMessageWaitTimeSeconds", "20")
	p := s.poll(url, 0) // the SDK leaves 0 out
	s.send(url, "x")
	equal(s, "the bodies", p.bodies(s), []string{"x"})
	begin := time.Now()
	if got := s.receive(url, members{"WaitTimeSeconds": 0}); len(got) > 0 {
		s.Errorf("received %d messages", len(got))
	}
	if took := time.Since(begin); took > 5*time.Second {
		s.Errorf("a wait of 0 seconds took %v", took)
	}
}

func pollSeesDue(s *sqsSuite) {
	url := s.queue()
	s.send(url, "delayed", members{"DelaySeconds": 10})
	p := s.poll(url, 20)
	s.naru.advance("10s")
	equal(s, "the bodies", p.bodies(s), []string{"delayed"})
	p = s.poll(url, 20) // until the receive above ends at 30 s
	s.naru.advance("15s")
	if p.over() {
		s.Error("the long poll ended too early")
	}
	s.naru.advance("5s")
	if got := p.bodies(s); len(got) > 0 {
		s.Errorf("received %q, which was in flight", got)
	}
	p = s.poll(url, 20)
	s.naru.advance("10s")
	equal(s, "the bodies", p.bodies(s), []string{"delayed"})
	handle := p.messages[0].ReceiptHandle
	p = s.poll(url, 20)
	s.hide(url, handle, 0)
	equal(s, "the bodies", p.bodies(s), []string{"delayed"})
}

func pollsInOrder(s *sqsSuite) {
	url := s.queue()
	var polls []*polling
	for range 4 {
		polls = append(polls, s.poll(url, 20))
	}
	for i, p := range polls {
		body := fmt.Sprint(i)
		s.send(url, body)
		equal(s, "the bodies", p.bodies(s), []string{body})
	}
}

func goneClientGetsNothing(s *sqsSuite) {
	url := s.queue()
	ctx, cancel := context.WithCancel(background)
	gone := make(chan error, 1)
	before := s.naru.polls()
	go func() {
		_, err := s.caller.sqs().ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 20})
		gone <- err
	}()
	eventually(s, "the long poll waits", func() bool { return s.naru.polls() > before })
	cancel()
	if err := within(s, "the client gives up", gone); err == nil {
		s.Error("a cancelled call succeeded")
	}
	eventually(s, "Naru forgets the poll", func() bool { return s.naru.polls() == before })
	s.send(url, "for somebody else")
	m := s.one(url)
	equal(s, "body and count", []string{*m.Body, m.Attributes["ApproximateReceiveCount"]}, []string{"for somebody else", "1"})
}

func pollEndsWithQueue(s *sqsSuite) {
	url := s.queue()
	p := s.poll(url, 20)
	begin := time.Now()
	do[sqs.DeleteQueueOutput](s, &sqs.DeleteQueueInput{QueueUrl: &url})
	within(s, "the long poll ends", p.done)
	if took := time.Since(begin); took > 5*time.Second {
		s.Errorf("that took %v", took)
	}
	if len(p.messages) > 0 {
		s.Errorf("received %d messages of a deleted queue", len(p.messages))
	}
}
