package test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

const (
	mostFailures = 1               // of a task that succeeds in the end
	taskLease    = 3 * time.Second // visibility timeout
	inGroup      = 10              // tasks of a group
	mostOpen     = 60              // tasks of a lane that have not succeeded; it is not sent more
)

// obedient is a function that asks the foreman what to do with each batch.
const obedient = `
exports.handler = async (event) => {
  const tasks = event.Records.map((r) => ({ id: r.messageId, body: r.body, group: r.attributes.MessageGroupId ?? '', receives: r.attributes.ApproximateReceiveCount }));
  const verdict = await (await fetch(process.env.FOREMAN, { method: 'POST', body: JSON.stringify(tasks) })).json();
  if (verdict.do === 'throw') throw new Error('as told');
  if (verdict.do === 'exit') process.exit(1);
  return { batchItemFailures: verdict.failed.map((itemIdentifier) => ({ itemIdentifier })) };
};`

// A task is a message that a function works off.
type task struct {
	lane     string
	group    string
	number   int  // in its group, from 0
	poison   bool // it always fails
	sent     bool // acknowledged
	failed   int  // times that it was made to fail
	received int  // times that the function has had it, up to the verdict
	history  []string
	open     bool // its lane waits for it
	done     bool
	dead     int // times that it is in a dead-letter queue
}

// A foreman tells functions what to do with their tasks, and knows what has
// become of each.
type foreman struct {
	t *testing.T

	mu     sync.Mutex
	tasks  map[string]*task // by body
	groups map[string][]*task
	open   map[string]int // by lane: tasks that are to succeed and have not
	judged int            // batches
}

// count returns how many batches were judged.
func (f *foreman) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.judged
}

// add notes that a task is going to be sent, if its lane has room for it.
func (f *foreman) add(body string, k *task) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open[k.lane] >= mostOpen {
		return false
	}
	if k.open = !k.poison; k.open {
		f.open[k.lane]++
	}
	f.tasks[body] = k
	if k.group != "" {
		f.groups[k.group] = append(f.groups[k.group], k)
	}
	return true
}

// note keeps what became of a task, for the case that something is wrong with it.
func (k *task) note(what string, r record) {
	k.history = append(k.history, fmt.Sprintf("%s %s, receive %s", time.Now().Format("05.000"), what, r.Receives))
}

// close notes that a task's lane need not wait for it. It needs f.mu.
func (f *foreman) close(k *task) {
	if k.open {
		f.open[k.lane]--
	}
	k.open = false
}

type record struct{ ID, Body, Group, Receives string }

type ruling struct {
	Do     string   `json:"do"`
	Failed []string `json:"failed"`
}

// ServeHTTP waits a moment, in which the function may be killed, and answers
// with a verdict.
func (f *foreman) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var batch []record
	if err := json.NewDecoder(r.Body).Decode(&batch); err != nil {
		return // killed while it wrote
	}
	select {
	case <-time.After(time.Duration(rand.IntN(40)) * time.Millisecond):
	case <-r.Context().Done():
		return
	}
	_ = json.NewEncoder(w).Encode(f.judge(batch)) // it may be gone by now
}

// judge decides what becomes of a batch. No task fails more often than it may,
// but in a group those do that come after one that has failed.
func (f *foreman) judge(batch []record) ruling {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.judged++
	var tasks []*task
	patient := true // all may fail once more
	for _, r := range batch {
		k := f.tasks[r.Body]
		if k == nil || k.group != r.Group {
			f.t.Errorf("%q of the group %q came, and nobody sent it", r.Body, r.Group)
			return ruling{Do: "throw"}
		}
		k.received++
		patient = patient && (k.poison || k.failed < mostFailures)
		tasks = append(tasks, k)
	}
	chance := rand.IntN(20)
	if patient && chance < 2 {
		for i, k := range tasks {
			k.failed++
			k.note("failed with its batch", batch[i])
		}
		return ruling{Do: []string{"throw", "exit"}[chance]}
	}
	v := ruling{Do: "reply", Failed: []string{}}
	stuck := map[string]bool{}
	for i, k := range tasks {
		f.inOrder(k, batch[i], stuck[k.group])
		if k.poison || stuck[k.group] || chance < 5 && k.failed < mostFailures && rand.IntN(2) == 0 {
			k.failed++
			stuck[k.group] = k.group != ""
			v.Failed = append(v.Failed, batch[i].ID)
			k.note("failed", batch[i])
			continue
		}
		k.note("done", batch[i])
		k.done = true
		f.close(k)
	}
	return v
}

// inOrder wants all that come before a task in its group to have succeeded, or
// failed if they always do, unless one that is in the same batch has just failed.
func (f *foreman) inOrder(k *task, r record, stuck bool) {
	for _, earlier := range f.groups[k.group] {
		settled := earlier.done || earlier.poison && earlier.failed > 0
		if earlier.number < k.number && !settled && !stuck {
			f.t.Errorf("%q came for the %s. time before number %d of its group had succeeded, of which is known: %q", r.Body, r.Receives, earlier.number, earlier.history)
		}
	}
}

// A lane is a queue with its mapping and the tasks that are sent to it.
type lane struct {
	name  string
	batch int32
	// poison returns which of so many tasks always fails. It takes with it those of
	// its group that come after it in the same batch.
	poison func() int
}

func (l lane) fifo() bool { return strings.HasSuffix(l.name, ".fifo") }

func (l lane) dead() string {
	if l.fifo() {
		return "dead.fifo"
	}
	return "dead"
}

var lanes = []lane{
	{"standard", 10, func() int { return rand.IntN(5 * inGroup) }},
	{"single.fifo", 1, func() int { return rand.IntN(4 * inGroup) }},
	{"batched.fifo", 3, func() int { return inGroup - 1 + rand.IntN(4) }},
}

// A crew is a Naru whose queues trigger functions that obey a foreman.
type crew struct {
	*foreman
	*works
	stop chan struct{}
}

// newCrew makes a crew in which a task is dead after so many receives.
func newCrew(t *testing.T, mostReceives int) *crew {
	f := &foreman{t: t, tasks: map[string]*task{}, groups: map[string][]*task{}, open: map[string]int{}}
	office := httptest.NewServer(f)
	t.Cleanup(office.Close)
	c := &crew{foreman: f, works: newWorks(t, "--memtable=2MiB"), stop: make(chan struct{})}
	c.queue("dead", nil)
	c.queue("dead.fifo", map[string]string{"FifoQueue": "true"})
	for _, l := range lanes {
		attributes := map[string]string{
			"VisibilityTimeout": fmt.Sprint(taskLease.Seconds()),
			"RedrivePolicy":     fmt.Sprintf(`{"deadLetterTargetArn":"%s%s","maxReceiveCount":%d}`, sqsARN, l.dead(), mostReceives),
		}
		if l.fifo() {
			attributes["FifoQueue"] = "true"
		}
		name := strings.TrimSuffix(l.name, ".fifo")
		function(t, c.naru, name, obedient, func(in *lambda.CreateFunctionInput) {
			in.Environment = &lambdatypes.Environment{Variables: map[string]string{"FOREMAN": office.URL}}
			in.Timeout = aws.Int32(int32(taskLease.Seconds()))
		})
		c.trigger(name, c.queue(l.name, attributes), func(in *lambda.CreateEventSourceMappingInput) {
			in.BatchSize = &l.batch
			in.FunctionResponseTypes = []lambdatypes.FunctionResponseType{lambdatypes.FunctionResponseTypeReportBatchItemFailures}
		})
	}
	return c
}

func (c *crew) stopped() bool {
	select {
	case <-c.stop:
		return true
	default:
		return false
	}
}

// send sends tasks, some of them poisoned. In a FIFO queue each is sent until that
// is acknowledged.
func (c *crew) send(l lane) {
	poison := 0
	for i := 0; !c.stopped(); i++ {
		if i%inGroup == 0 {
			poison = l.poison()
		}
		k := &task{lane: l.name, number: i % inGroup, poison: i%inGroup == poison}
		body := fmt.Sprintf("%s %d", l.name, i)
		q := fmt.Sprintf(`{"QueueUrl":%q,"MessageBody":%q}`, *urlOf(l.name), body)
		if l.fifo() {
			k.group = fmt.Sprintf("%s-%d", l.name, i/inGroup)
			q = fmt.Sprintf(`{"QueueUrl":%q,"MessageBody":%q,"MessageGroupId":%q,"MessageDeduplicationId":"%d"}`, *urlOf(l.name), body, k.group, i)
		}
		for !c.add(body, k) {
			if passed(20 * time.Millisecond); c.stopped() {
				return
			}
		}
		for !k.sent {
			r, err := c.naru.try(json10("SendMessage", q))
			if err == nil && r.status == http.StatusOK {
				c.mu.Lock()
				k.sent = true
				c.mu.Unlock()
			} else if err == nil && r.status != http.StatusServiceUnavailable {
				c.naru.t.Errorf("%q: %v", body, r)
			}
			passed(20 * time.Millisecond)
			if !l.fifo() || c.stopped() {
				break
			}
		}
		if !k.sent { // it may never come
			c.mu.Lock()
			c.close(k)
			c.mu.Unlock()
		}
	}
}

// killFunction kills a process of a function, if there is one.
func (c *crew) killFunction() bool {
	var nodes []int
	for _, pid := range descendants(c.naru.process.Process.Pid) {
		if name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); err == nil && strings.HasPrefix(string(name), "node") {
			nodes = append(nodes, pid)
		}
	}
	return len(nodes) > 0 && syscall.Kill(nodes[rand.IntN(len(nodes))], syscall.SIGKILL) == nil
}

// descendants returns the processes that a process has started, and those that
// they have.
func descendants(pid int) (all []int) {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // the pattern is good
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue // it has ended
		}
		for _, field := range strings.Fields(string(text)) {
			if child, err := strconv.Atoi(field); err == nil {
				all = append(append(all, child), descendants(child)...)
			}
		}
	}
	return all
}

// left returns how many tasks the queues have, and whether functions have none of
// them.
func (c *crew) left() (n int, idle bool) {
	t := c.naru.t
	for _, l := range lanes {
		out, err := c.GetQueueAttributes(background, &sqs.GetQueueAttributesInput{QueueUrl: urlOf(l.name), AttributeNames: []types.QueueAttributeName{"All"}})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"} {
			k, err := strconv.Atoi(out.Attributes[name])
			if err != nil {
				t.Fatal(err)
			}
			n += k
		}
	}
	sums := map[string]float64{} // over all mappings
	for line := range strings.Lines(string(c.naru.send(request{method: "GET", base: "http://" + c.admin, path: "/metrics"}).body)) {
		name, value, _ := strings.Cut(line, "{")
		if fields := strings.Fields(value); strings.HasPrefix(name, "naru_lambda_event_source_") && len(fields) == 2 {
			k, err := strconv.ParseFloat(fields[1], 64)
			if err != nil {
				t.Fatal(err)
			}
			sums[strings.TrimPrefix(name, "naru_lambda_event_source_")] += k
		}
	}
	return n, sums["polled_total"] == sums["invoked_total"]+sums["dropped_total"]
}

// workOff waits until all tasks are worked off or dead. Whenever functions have
// nothing to do, the time passes until what has failed comes again.
func (c *crew) workOff(atMost time.Duration) {
	left, idle := 0, false
	if !poll(atMost, func() bool {
		if left, idle = c.left(); left > 0 && idle {
			c.advance(taskLease.String())
		}
		passed(50 * time.Millisecond) // so that functions get to run, too
		return left == 0 && idle
	}) {
		c.naru.t.Errorf("after %v there are %d tasks that are neither done nor dead", atMost, left)
	}
}

// settle compares what was sent with what became of it.
func (c *crew) settle(kills, killed int) {
	t := c.naru.t
	for _, name := range []string{"dead", "dead.fifo"} {
		for {
			out, err := c.ReceiveMessage(background, &sqs.ReceiveMessageInput{QueueUrl: urlOf(name), MaxNumberOfMessages: 10, VisibilityTimeout: 3600})
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range out.Messages {
				if k := c.tasks[*m.Body]; k == nil {
					t.Errorf("%q is dead, and nobody sent it", *m.Body)
				} else {
					k.dead++
				}
				if _, err := c.DeleteMessage(background, &sqs.DeleteMessageInput{QueueUrl: urlOf(name), ReceiptHandle: m.ReceiptHandle}); err != nil {
					t.Fatal(err)
				}
			}
			if len(out.Messages) == 0 {
				break
			}
		}
	}
	sent, dead, again := 0, 0, 0
	for body, k := range c.tasks {
		switch {
		case !k.poison && k.dead > 0:
			t.Errorf("%q is dead: it came %d times, and was made to fail %d times", body, k.received, k.failed)
		case k.dead > 1:
			t.Errorf("%q is dead %d times", body, k.dead)
		case k.sent && k.poison && k.dead == 0:
			t.Errorf("%q always failed, %d times, and is not dead", body, k.failed)
		case k.sent && !k.poison && !k.done:
			t.Errorf("%q was acknowledged, and never worked off; it was made to fail %d times", body, k.failed)
		}
		if k.sent {
			sent++
		}
		dead += k.dead
		again += max(0, k.received-1)
	}
	t.Logf("%d kills of Naru, %d of functions; %d tasks acknowledged, %d dead; they came %d times again", kills, killed, sent, dead, again)
	if sent == 0 || dead == 0 || again == 0 {
		t.Error("that shows nothing")
	}
}

// TestEveryTaskIsWorkedOffHoweverOftenAnythingIsKilled kills Naru and functions
// with SIGKILL while queues trigger functions that throw, exit and fail in part.
// In the end all tasks that do not always fail have succeeded, each group in its
// order, and exactly the others are dead.
func TestEveryTaskIsWorkedOffHoweverOftenAnythingIsKilled(t *testing.T) {
	t.Parallel()
	mostReceives, perKill := 8, 20
	if soak(t) > 0 { // in which kills may take more receives
		mostReceives, perKill = 20, 60
	}
	c := newCrew(t, mostReceives)
	var senders sync.WaitGroup
	for _, l := range lanes {
		senders.Go(func() { c.send(l) })
	}
	end := time.Now().Add(soak(t))
	kills, killed := 0, 0
	for ; kills < 3 || time.Now().Before(end); kills++ {
		// Most tasks are judged between kills, so that kills alone make none come too
		// often.
		for enough := c.count() + perKill; c.count() < enough; {
			before := c.count()
			eventually(t, "functions have something to do", func() bool { return c.count() >= before+perKill/3 })
			if passed(time.Duration(rand.IntN(200)) * time.Millisecond); c.killFunction() {
				killed++
			}
		}
		c.kill()
		c.start()
	}
	close(c.stop)
	senders.Wait()
	c.workOff(3*patience + soak(t))
	c.settle(kills, killed)
}
