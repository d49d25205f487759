// Package bench measures Naru's services beside a bare HTTP server, in the same
// run: figures of different machines and moments are not to be compared, but
// their ratios are.
package bench

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"
)

// LambdaBaselineCommand is the hidden command that serves the baseline.
const LambdaBaselineCommand = "lambda-baseline"

// LambdaOptions say what of Lambda is measured.
type LambdaOptions struct {
	Dir         string        // folder for the data of the Naru that is started; "" for the system's for temporary files
	Node        string        // interpreter of functions
	Connections []int         // numbers of connections to measure with
	Duration    time.Duration // of each step of a round
	Rounds      int           // that are measured; the median is told
	Cold        int           // cold starts of a round
	Out         io.Writer     // gets the results
	JSON        bool          // as JSON
}

// A LambdaResult is what one step took, over all rounds.
type LambdaResult struct {
	Step        string  `json:"step"`
	Connections int     `json:"connections"`
	Rate        float64 `json:"rate"` // requests per second, median of the rounds
	P50         float64 `json:"p50"`  // milliseconds, likewise
	P99         float64 `json:"p99"`
	// Ratio is p50 by that of the baseline at one connection, and the rate by
	// the baseline's at more; of cold starts, p50 by that of node -e 0.
	Ratio float64 `json:"ratio,omitempty"`
}

// echo is the function that is measured. For an event that says so it waits.
const echo = `exports.handler = async (event) => { if (event.wait) await new Promise((resolve) => setTimeout(resolve, event.wait)); return event; };`

// Lambda measures warm and cold invocations of a function of a Naru that it
// starts, beside a bare HTTP server and node -e 0.
func Lambda(ctx context.Context, o LambdaOptions) (err error) {
	dir, err := os.MkdirTemp(o.Dir, "naru-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	baseline, stopBaseline, err := lambdaServer(ctx, "bench", LambdaBaselineCommand)
	if err != nil {
		return err
	}
	defer stopBaseline()
	endpoint, stop, err := lambdaServer(ctx, "serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data", dir+"/data", "--node", o.Node, "--log-level", "error")
	if err != nil {
		return err
	}
	defer stop()
	b := &lambdaBench{LambdaOptions: o, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}, endpoint: endpoint, baseline: baseline}
	if err := b.create(ctx); err != nil {
		return err
	}
	for range o.Rounds {
		if err := b.round(ctx); err != nil {
			return err
		}
	}
	return b.report()
}

// lambdaServer starts this program with arguments, and returns the endpoint
// that it tells.
func lambdaServer(ctx context.Context, args ...string) (endpoint string, stop func(), err error) {
	program, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	c := exec.CommandContext(ctx, program, args...)
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	c.WaitDelay = 20 * time.Second
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = c.Process.Signal(os.Interrupt) // it has ended by itself, then
		_ = c.Wait()                       // whatever it says: nothing is measured any more
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if fields := strings.Fields(lines.Text()); len(fields) > 1 && fields[0] == "endpoint" {
			go io.Copy(io.Discard, out) // ends with the process
			return fields[1], stop, nil
		}
	}
	stop()
	return "", nil, fmt.Errorf("%s does not start", strings.Join(args, " "))
}

// ServeLambdaBaseline serves, on a port of loopback that it writes to out, what
// HTTP itself costs: a reply with the body of the request. It returns when ctx
// is done.
func ServeLambdaBaseline(ctx context.Context, out io.Writer) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the client has gone
		}
		w.Write(body)
	})}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	fmt.Fprintf(out, "endpoint http://%s\n", listener.Addr())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

type lambdaBench struct {
	LambdaOptions
	client             *http.Client
	endpoint, baseline string
	steps              []*lambdaStep
	builds             int
}

// A lambdaStep holds the figures of each round of a step.
type lambdaStep struct {
	name           string
	connections    int
	rate, p50, p99 []float64
}

func (b *lambdaBench) step(name string, connections int) *lambdaStep {
	for _, s := range b.steps {
		if s.name == name && s.connections == connections {
			return s
		}
	}
	s := &lambdaStep{name: name, connections: connections}
	b.steps = append(b.steps, s)
	return s
}

func (s *lambdaStep) add(took []time.Duration, over time.Duration) {
	slices.Sort(took)
	at := func(share float64) float64 {
		return float64(took[min(len(took)-1, int(share*float64(len(took))))]) / 1e6
	}
	s.rate = append(s.rate, float64(len(took))/over.Seconds())
	s.p50, s.p99 = append(s.p50, at(0.5)), append(s.p99, at(0.99))
}

const invocations = "/2015-03-31/functions/bench/invocations"

// call sends a request and reads its reply, which must be good.
func (b *lambdaBench) call(ctx context.Context, method, url string, body []byte) error {
	r, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	reply, err := b.client.Do(r)
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err == nil && (reply.StatusCode/100 != 2 || reply.Header.Get("X-Amz-Function-Error") != "") {
		err = fmt.Errorf("%s %s: %d %s", method, url, reply.StatusCode, text)
	}
	return err
}

func (b *lambdaBench) create(ctx context.Context) error {
	var code bytes.Buffer
	z := zip.NewWriter(&code)
	f, err := z.Create("index.js")
	if err != nil {
		return err
	}
	if _, err := io.WriteString(f, echo); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	body := fmt.Sprintf(`{"FunctionName":"bench","Role":"arn:aws:iam::000000000000:role/none","Runtime":"nodejs20.x","Handler":"index.handler","Timeout":60,"Code":{"ZipFile":%q}}`,
		base64.StdEncoding.EncodeToString(code.Bytes()))
	return b.call(ctx, "POST", b.endpoint+"/2015-03-31/functions", []byte(body))
}

// round measures each step once.
func (b *lambdaBench) round(ctx context.Context) error {
	for _, n := range b.Connections {
		for name, url := range map[string]string{"baseline": b.baseline, "warm": b.endpoint + invocations} {
			if err := b.loop(ctx, b.step(name, n), url); err != nil {
				return err
			}
		}
	}
	for _, measure := range []func(context.Context) error{b.node, b.cold, b.spare} {
		if err := measure(ctx); err != nil {
			return err
		}
	}
	return nil
}

// payload is about what an event is.
var payload = []byte(`{"key1":"value1","key2":"value2","key3":"value3"}`)

// loop sends requests over a step's connections, each when the one before it
// was answered.
func (b *lambdaBench) loop(ctx context.Context, s *lambdaStep, url string) error {
	for range s.connections { // connections and environments are there before
		if err := b.each(ctx, s.connections, func() error { return b.call(ctx, "POST", url, payload) }); err != nil {
			return err
		}
	}
	var mu sync.Mutex
	var all []time.Duration
	start := time.Now()
	err := b.each(ctx, s.connections, func() error {
		var took []time.Duration
		for time.Since(start) < b.Duration {
			begin := time.Now()
			if err := b.call(ctx, "POST", url, payload); err != nil {
				return err
			}
			took = append(took, time.Since(begin))
		}
		mu.Lock()
		all = append(all, took...)
		mu.Unlock()
		return nil
	})
	if err == nil {
		s.add(all, time.Since(start))
	}
	return err
}

// each calls f n times at once.
func (b *lambdaBench) each(_ context.Context, n int, f func() error) error {
	errs := make([]error, n)
	var all sync.WaitGroup
	for k := range n {
		all.Go(func() { errs[k] = f() })
	}
	all.Wait()
	return errors.Join(errs...)
}

// times measures f so many times, one after the other. before is not measured.
func (b *lambdaBench) times(s *lambdaStep, n int, before, f func() error) error {
	var took []time.Duration
	start := time.Now()
	for range n {
		if err := before(); err != nil {
			return err
		}
		begin := time.Now()
		if err := f(); err != nil {
			return err
		}
		took = append(took, time.Since(begin))
	}
	s.add(took, time.Since(start))
	return nil
}

func nothing() error { return nil }

// node measures the interpreter, from its start to its end.
func (b *lambdaBench) node(ctx context.Context) error {
	return b.times(b.step("node -e 0", 1), b.Cold, nothing, func() error { return exec.CommandContext(ctx, b.Node, "-e", "0").Run() })
}

// rebuild makes the environments that there are of no more use.
func (b *lambdaBench) rebuild(ctx context.Context) error {
	b.builds++
	body := fmt.Sprintf(`{"Environment":{"Variables":{"BUILD":"%d"}}}`, b.builds)
	return b.call(ctx, "PUT", b.endpoint+"/2015-03-31/functions/bench/configuration", []byte(body))
}

// cold measures first invocations.
func (b *lambdaBench) cold(ctx context.Context) error {
	return b.times(b.step("cold", 1), b.Cold, func() error { return b.rebuild(ctx) }, func() error {
		return b.call(ctx, "POST", b.endpoint+invocations, payload)
	})
}

// spare measures first invocations of an environment that was started since all
// others were busy.
func (b *lambdaBench) spare(ctx context.Context) error {
	const held = 2 * time.Second
	var busy sync.WaitGroup
	errs := make([]error, b.Cold)
	k := 0
	prepare := func() error {
		busy.Wait()
		if err := b.rebuild(ctx); err != nil {
			return err
		}
		busy.Go(func() {
			errs[k] = b.call(ctx, "POST", b.endpoint+invocations, fmt.Appendf(nil, `{"wait":%d}`, held.Milliseconds()))
		})
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(held * 3 / 4):
		}
		return nil
	}
	err := b.times(b.step("spare", 1), min(b.Cold, 3), prepare, func() error { return b.call(ctx, "POST", b.endpoint+invocations, payload) })
	busy.Wait()
	return errors.Join(append(errs, err)...)
}

// middle returns the median.
func middle(all []float64) float64 {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

// report writes the results.
func (b *lambdaBench) report() error {
	var results []LambdaResult
	for _, s := range b.steps {
		r := LambdaResult{Step: s.name, Connections: s.connections, Rate: middle(s.rate), P50: middle(s.p50), P99: middle(s.p99)}
		ratio := func(to string, mine, theirs func(*lambdaStep) []float64) {
			base := theirs(b.step(to, s.connections))
			var all []float64
			for k, v := range mine(s) {
				all = append(all, v/base[k])
			}
			r.Ratio = middle(all)
		}
		p50 := func(s *lambdaStep) []float64 { return s.p50 }
		rate := func(s *lambdaStep) []float64 { return s.rate }
		switch {
		case s.name == "warm" && s.connections == 1:
			ratio("baseline", p50, p50)
		case s.name == "warm":
			ratio("baseline", rate, rate)
		case s.name == "cold" || s.name == "spare":
			ratio("node -e 0", p50, p50)
		}
		results = append(results, r)
	}
	slices.SortStableFunc(results, func(a, b LambdaResult) int { return a.Connections - b.Connections })
	if b.JSON {
		return json.NewEncoder(b.Out).Encode(results)
	}
	fmt.Fprintf(b.Out, "%-12s %11s %12s %10s %10s  %s\n", "", "connections", "per second", "p50 ms", "p99 ms", "ratio")
	for _, r := range results {
		what := ""
		switch {
		case r.Ratio == 0:
		case r.Step == "warm" && r.Connections == 1:
			what = fmt.Sprintf("%.2f of the baseline's p50", r.Ratio)
		case r.Step == "warm":
			what = fmt.Sprintf("%.2f of the baseline's rate", r.Ratio)
		default:
			what = fmt.Sprintf("%.2f of node -e 0", r.Ratio)
		}
		fmt.Fprintf(b.Out, "%-12s %11d %12.0f %10.3f %10.3f  %s\n", r.Step, r.Connections, r.Rate, r.P50, r.P99, what)
	}
	return nil
}
