package bench

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// TasksOptions say what of queues that trigger functions is measured.
type TasksOptions struct {
	Dir      string        // folder for the data of the Naru that is started; "" for the system's for temporary files
	Serve    []string      // further flags of that Naru
	Node     string        // interpreter of functions
	Tasks    int           // that are drained
	Batch    int           // tasks of a batch
	Size     int           // bytes of a task
	Rate     float64       // tasks per second of the open loop
	Duration time.Duration // of the open loop, and of the time without load
	Mappings int           // functions with a queue each, without load
	Rounds   int           // that are drained; the median is told
	JSON     bool
	Out      io.Writer
	Progress io.Writer
}

// A TasksResult is what was measured of queues that trigger functions.
type TasksResult struct {
	Tasks  int     `json:"tasks"`
	Rate   float64 `json:"tasks_per_second"`     // drained, from when the function was triggered to when the queue was empty
	CPU    float64 `json:"naru_cpu_us_per_task"` // of Naru's own process
	Sent   float64 `json:"sent_per_second"`      // of the open loop
	P50    float64 `json:"start_p50_ms"`         // from when a task was due to be sent to when its handler began
	P99    float64 `json:"start_p99_ms"`
	Idle   int     `json:"idle_mappings"`
	Share  float64 `json:"idle_cpu_share"` // of one processor, without load
	Memory int64   `json:"idle_resident_bytes"`
}

// worker is the function that is measured. Of tasks that say when they were due
// it notes how late they are; asked for it, it tells.
const worker = `
const late = [];
exports.handler = async (event) => {
  const now = (performance.timeOrigin + performance.now()) * 1000;
  if (event.tell) {
    await new Promise((resolve) => setTimeout(resolve, event.tell));
    return late.splice(0);
  }
  for (const r of event.Records) if (r.body[0] === '@') late.push(Math.round(now - Number(r.body.slice(1))));
};`

// Tasks measures how fast functions work off what is in their queues, how soon
// they begin with what is sent, and what it costs to wait.
func Tasks(ctx context.Context, o TasksOptions) (err error) {
	r := &run{Options: Options{Dir: o.Dir, Serve: append(slices.Clone(o.Serve), "--node", o.Node)}}
	p, err := r.startNaru(ctx)
	if p != nil {
		defer func() {
			err = errors.Join(err, p.end(syscall.SIGTERM), os.RemoveAll(filepath.Dir(p.data)))
		}()
	}
	if err != nil {
		return err
	}
	b := &tasksBench{TasksOptions: o, server: server{endpoint: p.endpoint, pid: p.pid()}, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	b.result.Tasks, b.result.Idle = o.Tasks, o.Mappings
	var rates, cpu []float64
	for round := range o.Rounds {
		rate, each, err := b.drain(ctx, fmt.Sprintf("drain-%d", round))
		if err != nil {
			return err
		}
		rates, cpu = append(rates, rate), append(cpu, each)
	}
	b.result.Rate, b.result.CPU = middle(rates), middle(cpu)
	for _, measure := range []func(context.Context) error{b.open, b.idle} {
		if err := measure(ctx); err != nil {
			return err
		}
	}
	return b.report()
}

type tasksBench struct {
	TasksOptions
	server server
	client *http.Client
	result TasksResult
}

func (b *tasksBench) say(format string, args ...any) { fmt.Fprintf(b.Progress, format+"\n", args...) }

// lambda calls an operation of Lambda.
func (b *tasksBench) lambda(ctx context.Context, method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://"+b.server.endpoint.host+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	reply, err := b.client.Do(r)
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		return err
	}
	if reply.StatusCode/100 != 2 || reply.Header.Get("X-Amz-Function-Error") != "" {
		return fmt.Errorf("%s %s: %d %s", method, path, reply.StatusCode, text)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}

// make makes a queue and a function of that name, and a mapping of them.
func (b *tasksBench) make(ctx context.Context, name string, enabled bool) (uuid string, err error) {
	var code bytes.Buffer
	z := zip.NewWriter(&code)
	f, err := z.Create("index.js")
	if err == nil {
		_, err = io.WriteString(f, worker)
	}
	if err = errors.Join(err, z.Close()); err != nil {
		return "", err
	}
	if err := b.server.call(ctx, "CreateQueue", map[string]any{"QueueName": name, "Attributes": map[string]string{"VisibilityTimeout": "300"}}, nil); err != nil {
		return "", err
	}
	err = b.lambda(ctx, "POST", "/2015-03-31/functions", map[string]any{
		"FunctionName": name, "Role": "arn:aws:iam::000000000000:role/none", "Runtime": "nodejs22.x", "Handler": "index.handler", "Timeout": 30,
		"Code": map[string]string{"ZipFile": base64.StdEncoding.EncodeToString(code.Bytes())},
	}, nil)
	if err != nil {
		return "", err
	}
	var made struct{ UUID string }
	err = b.lambda(ctx, "POST", mappingsPath, map[string]any{
		"FunctionName": name, "EventSourceArn": "arn:aws:sqs:us-east-1:000000000000:" + name, "BatchSize": b.Batch, "Enabled": enabled,
	}, &made)
	return made.UUID, err
}

const mappingsPath = "/2015-03-31/event-source-mappings"

func queueURL(name string) string { return "/000000000000/" + name }

// drain fills a queue, and then has it trigger its function. It returns how many
// tasks were worked off in a second, and the microseconds of CPU time that Naru
// took for each.
func (b *tasksBench) drain(ctx context.Context, name string) (rate, cpu float64, err error) {
	uuid, err := b.make(ctx, name, false)
	if err != nil {
		return 0, 0, err
	}
	b.say("filling a queue")
	if err := b.fill(ctx, name); err != nil {
		return 0, 0, err
	}
	b.say("draining it")
	_, before, _ := usage(b.server.pid) // zero where the system does not tell
	start := time.Now()
	if err := b.lambda(ctx, "PUT", mappingsPath+"/"+uuid, map[string]any{"Enabled": true}, nil); err != nil {
		return 0, 0, err
	}
	for left := b.Tasks; left > 0; {
		select {
		case <-ctx.Done():
			return 0, 0, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
		if left, err = b.left(ctx, name); err != nil {
			return 0, 0, err
		}
	}
	took := time.Since(start)
	_, after, _ := usage(b.server.pid)
	return float64(b.Tasks) / took.Seconds(), float64((after - before).Microseconds()) / float64(b.Tasks), nil
}

// fill sends the tasks to a queue.
func (b *tasksBench) fill(ctx context.Context, name string) error {
	const senders = 16
	body := bodyOf(b.Size)
	errs := make([]error, senders)
	var all sync.WaitGroup
	for k := range senders {
		all.Go(func() {
			for at := k * 10; at < b.Tasks && errs[k] == nil; at += senders * 10 {
				var entries []map[string]string
				for i := at; i < min(at+10, b.Tasks); i++ {
					entries = append(entries, map[string]string{"Id": strconv.Itoa(i), "MessageBody": body})
				}
				errs[k] = b.server.call(ctx, "SendMessageBatch", map[string]any{"QueueUrl": queueURL(name), "Entries": entries}, nil)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// left returns how many messages a queue has.
func (b *tasksBench) left(ctx context.Context, name string) (n int, err error) {
	var out struct{ Attributes map[string]string }
	err = b.server.call(ctx, "GetQueueAttributes", map[string]any{"QueueUrl": queueURL(name), "AttributeNames": []string{"All"}}, &out)
	for _, attribute := range []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"} {
		k, parsed := strconv.Atoi(out.Attributes[attribute])
		n, err = n+k, errors.Join(err, parsed)
	}
	return n, err
}

// open sends tasks at a constant rate, each of which says when it was due.
func (b *tasksBench) open(ctx context.Context) error {
	const name, warming = "open", time.Second
	if _, err := b.make(ctx, name, true); err != nil {
		return err
	}
	b.say("sending %.0f tasks a second", b.Rate)
	if err := b.pace(ctx, name, warming, func(time.Time) string { return "warming up" }); err != nil {
		return err
	}
	start := time.Now()
	if err := b.pace(ctx, name, b.Duration, func(due time.Time) string { return "@" + strconv.FormatInt(due.UnixMicro(), 10) }); err != nil {
		return err
	}
	sent := int(b.Rate * b.Duration.Seconds())
	b.result.Sent = float64(sent) / time.Since(start).Seconds()
	var late []float64
	for tries := 0; len(late) < sent; tries++ {
		if tries == 10 {
			return fmt.Errorf("of %d tasks the function tells of %d", sent, len(late))
		}
		more, err := b.collect(ctx, name)
		if err != nil {
			return err
		}
		late = append(late, more...)
	}
	slices.Sort(late)
	b.result.P50, b.result.P99 = late[len(late)/2]/1000, late[len(late)*99/100]/1000
	return nil
}

// pace sends tasks at the rate for so long.
func (b *tasksBench) pace(ctx context.Context, name string, d time.Duration, body func(due time.Time) string) error {
	const senders = 32
	due := make(chan time.Time, 1<<16)
	errs := make([]error, senders)
	var all sync.WaitGroup
	for k := range senders {
		all.Go(func() {
			for at := range due {
				if errs[k] == nil {
					errs[k] = b.server.call(ctx, "SendMessage", map[string]any{"QueueUrl": queueURL(name), "MessageBody": body(at)}, nil)
				}
			}
		})
	}
	start := time.Now()
	for i := range int(b.Rate * d.Seconds()) {
		at := start.Add(time.Duration(float64(i) / b.Rate * float64(time.Second)))
		if wait := time.Until(at); wait > 0 {
			pause(wait)
		}
		due <- at
	}
	close(due)
	all.Wait()
	return errors.Join(errs...)
}

// collect asks all environments of the function at once for what they have
// noted.
func (b *tasksBench) collect(ctx context.Context, name string) (late []float64, err error) {
	const environments = 16
	parts, errs := make([][]float64, environments), make([]error, environments)
	var all sync.WaitGroup
	for k := range environments {
		all.Go(func() {
			errs[k] = b.lambda(ctx, "POST", "/2015-03-31/functions/"+name+"/invocations", map[string]int{"tell": 1000}, &parts[k])
		})
	}
	all.Wait()
	return slices.Concat(parts...), errors.Join(errs...)
}

// idle measures what functions cost whose queues have nothing.
func (b *tasksBench) idle(ctx context.Context) error {
	b.say("having %d queues trigger %d functions, without load", b.Mappings, b.Mappings)
	for i := range b.Mappings {
		if _, err := b.make(ctx, fmt.Sprintf("idle-%d", i), true); err != nil {
			return err
		}
	}
	wait := func(d time.Duration) {
		select {
		case <-ctx.Done():
		case <-time.After(d):
		}
	}
	wait(time.Second)
	_, before, err := usage(b.server.pid)
	if err != nil {
		return nil // the system does not tell
	}
	wait(b.Duration)
	resident, after, err := usage(b.server.pid)
	b.result.Share, b.result.Memory = (after-before).Seconds()/b.Duration.Seconds(), resident
	return errors.Join(err, ctx.Err())
}

func (b *tasksBench) report() error {
	r := b.result
	if b.JSON {
		return json.NewEncoder(b.Out).Encode(r)
	}
	_, err := fmt.Fprintf(b.Out, `%-34s %10.0f a second   (%d tasks of %d bytes, %d a batch; Naru itself %.0f us of CPU each)
%-34s %10.2f ms p50 %8.2f ms p99   (%.0f tasks a second)
%-34s %10.1f %% of one processor   (%d functions; Naru has %d MiB)
`, "drained, with durable deletes", r.Rate, r.Tasks, b.Size, b.Batch, r.CPU,
		"from send to the handler's start", r.P50, r.P99, r.Sent,
		"idle", 100*r.Share, r.Idle, r.Memory>>20)
	return err
}
