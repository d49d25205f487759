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
	"path/filepath"
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
	Serve       []string      // further flags of that Naru
	Node        string        // interpreter of functions
	Bootstrap   []byte        // Go program that is a function; nil leaves its steps out
	Connections []int         // numbers of connections to measure with
	Duration    time.Duration // of each step of a round
	Rounds      int           // that are measured; the median is told
	Starts      int           // cold starts of a round
	Cold        bool          // measures cold starts only
	Idle        int           // measures so many idle environments, and nothing else
	Out         io.Writer     // gets the results
	Progress    io.Writer     // is told what is left out
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
	// the baseline's at more; of cold starts of Node.js, p50 by that of node -e 0.
	Ratio float64 `json:"ratio,omitempty"`
	// Over is by how many milliseconds p50 of a cold start of the Go program is
	// over that of its own start.
	Over float64 `json:"over_own_start,omitempty"`
}

// The steps, but for those at more than one connection.
const (
	stepNode   = "node -e 0"
	stepCold   = "cold"
	stepSpare  = "spare"
	stepBare   = "go"
	stepGoCold = "cold go"
)

// echo is the function that is measured. For an event that says so it waits.
const echo = `exports.handler = async (event) => { if (event.wait) await new Promise((resolve) => setTimeout(resolve, event.wait)); return event; };`

var nodeProgram = program{"nodejs20.x", "index.js", []byte(echo)}

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
	bootstrap := ""
	if o.Bootstrap != nil {
		bootstrap = filepath.Join(dir, "bootstrap")
		// No other thread starts a program yet, which would have the file open for
		// writing.
		if err := os.WriteFile(bootstrap, o.Bootstrap, 0o755); err != nil {
			return err
		}
	}
	baseline, _, stopBaseline, err := lambdaServer(ctx, "bench", LambdaBaselineCommand)
	if err != nil {
		return err
	}
	defer stopBaseline()
	flags := []string{"serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data", filepath.Join(dir, "data"), "--node", o.Node, "--log-level", "error"}
	endpoint, pid, stop, err := lambdaServer(ctx, append(flags, o.Serve...)...)
	if err != nil {
		return err
	}
	defer stop()
	b := &lambdaBench{LambdaOptions: o, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}, endpoint: endpoint, baseline: baseline, bootstrap: bootstrap, pid: pid}
	if err := b.create(ctx, "bench", nodeProgram); err != nil {
		return err
	}
	if o.Idle > 0 {
		return b.idle(ctx)
	}
	if b.bootstrap == "" {
		fmt.Fprintln(o.Progress, "this naru was not built by make, and has no Go program to measure")
	}
	for range o.Rounds {
		if err := b.round(ctx); err != nil {
			return err
		}
	}
	return b.report()
}

// lambdaServer starts this program with arguments, and returns the endpoint
// that it tells, and its process.
func lambdaServer(ctx context.Context, args ...string) (endpoint string, pid int, stop func(), err error) {
	program, err := os.Executable()
	if err != nil {
		return "", 0, nil, err
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
		return "", 0, nil, err
	}
	stop = func() {
		_ = c.Process.Signal(os.Interrupt) // it has ended by itself, then
		_ = c.Wait()                       // whatever it says: nothing is measured any more
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if fields := strings.Fields(lines.Text()); len(fields) > 1 && fields[0] == "endpoint" {
			go io.Copy(io.Discard, out) // ends with the process
			return fields[1], c.Process.Pid, stop, nil
		}
	}
	stop()
	return "", 0, nil, fmt.Errorf("%s does not start", strings.Join(args, " "))
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
	pid                int    // of Naru
	bootstrap          string // file of the Go program; "" for none
	steps              []*lambdaStep
	made               int // functions, and configurations of them
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

// A program is the code of functions: one file, for a runtime.
type program struct {
	runtime, file string
	content       []byte
}

const (
	functionsPath = "/2015-03-31/functions/"
	invocations   = functionsPath + "bench/invocations" // of the function that is measured warm
)

// create makes a function.
func (b *lambdaBench) create(ctx context.Context, name string, p program) error {
	var code bytes.Buffer
	z := zip.NewWriter(&code)
	header := &zip.FileHeader{Name: p.file, Method: zip.Deflate}
	header.SetMode(0o755)
	f, err := z.CreateHeader(header)
	if err == nil {
		_, err = f.Write(p.content)
	}
	if err := errors.Join(err, z.Close()); err != nil {
		return err
	}
	body := fmt.Sprintf(`{"FunctionName":%q,"Role":"arn:aws:iam::000000000000:role/none","Runtime":%q,"Handler":"index.handler","Timeout":300,"Code":{"ZipFile":%q}}`,
		name, p.runtime, base64.StdEncoding.EncodeToString(code.Bytes()))
	return b.call(ctx, "POST", b.endpoint+functionsPath, []byte(body))
}

// round measures each step once.
func (b *lambdaBench) round(ctx context.Context) error {
	for _, n := range b.Connections {
		if b.Cold {
			break
		}
		for name, url := range map[string]string{"baseline": b.baseline, "warm": b.endpoint + invocations} {
			if err := b.loop(ctx, b.step(name, n), url); err != nil {
				return err
			}
		}
	}
	steps := []func(context.Context) error{b.node, func(ctx context.Context) error { return b.cold(ctx, stepCold, nodeProgram) }}
	if b.bootstrap != "" {
		bootstrap := program{"provided.al2023", "bootstrap", b.Bootstrap}
		steps = append(steps, b.bare, func(ctx context.Context) error { return b.cold(ctx, stepGoCold, bootstrap) })
	}
	if !b.Cold {
		steps = append(steps, b.spare)
	}
	for _, measure := range steps {
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
		if err := b.each(s.connections, func() error { return b.call(ctx, "POST", url, payload) }); err != nil {
			return err
		}
	}
	var mu sync.Mutex
	var all []time.Duration
	start := time.Now()
	err := b.each(s.connections, func() error {
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
func (b *lambdaBench) each(n int, f func() error) error {
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

// sleep waits so long.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// middle returns the median.
func middle(all []float64) float64 {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

// result is what a step took, over all rounds.
func (b *lambdaBench) result(s *lambdaStep) LambdaResult {
	r := LambdaResult{Step: s.name, Connections: s.connections, Rate: middle(s.rate), P50: middle(s.p50), P99: middle(s.p99)}
	// compare returns the median of what each round's figures give.
	compare := func(mine, theirs []float64, of func(mine, theirs float64) float64) float64 {
		var all []float64
		for k, v := range mine {
			all = append(all, of(v, theirs[k]))
		}
		return middle(all)
	}
	ratio := func(mine, theirs float64) float64 { return mine / theirs }
	switch {
	case s.name == "warm" && s.connections == 1:
		r.Ratio = compare(s.p50, b.step("baseline", 1).p50, ratio)
	case s.name == "warm":
		r.Ratio = compare(s.rate, b.step("baseline", s.connections).rate, ratio)
	case s.name == stepCold || s.name == stepSpare:
		r.Ratio = compare(s.p50, b.step(stepNode, 1).p50, ratio)
	case s.name == stepGoCold:
		r.Over = compare(s.p50, b.step(stepBare, 1).p50, func(mine, theirs float64) float64 { return mine - theirs })
	}
	return r
}

// comparison says what a result is beside another.
func (r LambdaResult) comparison() string {
	switch {
	case r.Step == "warm" && r.Connections == 1:
		return fmt.Sprintf("%.2f of the baseline's p50", r.Ratio)
	case r.Step == "warm":
		return fmt.Sprintf("%.2f of the baseline's rate", r.Ratio)
	case r.Step == stepGoCold:
		return fmt.Sprintf("%.1f ms over its own start", r.Over)
	case r.Ratio != 0:
		return fmt.Sprintf("%.2f of %s", r.Ratio, stepNode)
	}
	return ""
}

// report writes the results.
func (b *lambdaBench) report() error {
	var results []LambdaResult
	for _, s := range b.steps {
		results = append(results, b.result(s))
	}
	slices.SortStableFunc(results, func(a, b LambdaResult) int { return a.Connections - b.Connections })
	if b.JSON {
		return json.NewEncoder(b.Out).Encode(results)
	}
	fmt.Fprintf(b.Out, "%-12s %11s %12s %10s %10s  %s\n", "", "connections", "per second", "p50 ms", "p99 ms", "compared")
	for _, r := range results {
		fmt.Fprintf(b.Out, "%-12s %11d %12.0f %10.3f %10.3f  %s\n", r.Step, r.Connections, r.Rate, r.P50, r.P99, r.comparison())
	}
	return nil
}
