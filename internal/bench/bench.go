// Package bench measures SQS endpoints: Naru's, a peer's, or AWS's.
//
// Its client speaks HTTP/1.1 and JSON 1.0 over persistent connections and
// builds and reads messages in place, so that it costs little beside a server
// on the same machine. Every figure comes with its latencies. In a closed loop
// each connection sends its next request when it has the reply to the last; in
// an open loop requests are due at a constant rate, and their latency counts
// from the moment at which they were due, however late they were sent: a server
// that stalls cannot hide it.
//
// A run has rounds, and each round measures every step once, one after the
// other. So the ratios that a run tells are of steps that had the same machine,
// however noisy it is; each is the median over the rounds.
package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"naru/internal/meter"
)

// Options say what is measured. The zero value of each means its default.
type Options struct {
	// Endpoint is the URL of the server; empty means a Naru that is started
	// for the run, on a temporary data directory below Dir.
	Endpoint string
	Dir      string
	// Serve are further flags of that Naru.
	Serve []string
	// PID is the process whose memory and CPU are told, where Endpoint is
	// given; zero tells none.
	PID int
	// Credentials and Region of signed requests.
	KeyID, Secret, Token, Region string
	Sign                         bool // signs all requests

	// Scenarios are some of the variable of that name; none means the usual
	// ones, unless Polls or Pass are measured.
	Scenarios   []string
	Connections []int
	Size        int           // bytes of a message body
	Duration    time.Duration // of a step
	Requests    int           // of a step, if that ends it earlier; 0 for no bound
	Rounds      int
	Fill        int // messages that are there for a step that receives

	FIFO   bool
	Groups int // message groups of a FIFO queue; 0 uses none on standard queues

	// Rate adds an open loop of sends: requests per second, or with "%" the
	// share of the rate that "send" reached in the same round.
	Rate string
	// Baseline measures a bare HTTP server, Fsync bare 1 KiB writes.
	Baseline, Fsync bool

	// Backlog measures each scenario also on a queue with so many messages
	// waiting, Queues on so many queues that share them.
	Backlog, Queues int
	// Restart measures how soon a killed Naru gives out a message again.
	Restart bool
	// Polls measures so many long polls that get nothing.
	Polls int
	// Pass sends so many messages through a queue and tells the disk use after.
	Pass int

	JSON     bool
	Out      io.Writer // results
	Progress io.Writer // what is going on
	Terminal bool      // Progress can be overwritten
}

// Scenarios are what can be measured.
var Scenarios = []string{"send", "send-signed", "send-batch", "receive-delete", "receive-delete-single", "mixed"}

func (o *Options) complete() error {
	if len(o.Scenarios) == 0 && o.Polls == 0 && o.Pass == 0 {
		o.Scenarios = []string{"send", "send-batch", "receive-delete"}
	}
	if len(o.Connections) == 0 {
		o.Connections = []int{64}
	}
	o.Size = cmp.Or(o.Size, 1024)
	o.Duration = cmp.Or(o.Duration, 5*time.Second)
	o.Rounds = cmp.Or(o.Rounds, 1)
	o.Fill = cmp.Or(o.Fill, 50_000)
	o.Region = cmp.Or(o.Region, "us-east-1")
	if o.FIFO {
		o.Groups = cmp.Or(o.Groups, 100)
	}
	for _, s := range o.Scenarios {
		if !slices.Contains(Scenarios, s) {
			return fmt.Errorf("there is no scenario %q; there are %s", s, strings.Join(Scenarios, ", "))
		}
	}
	for _, n := range append([]int{o.Size, o.Rounds, o.Fill, int(o.Duration)}, o.Connections...) {
		if n < 1 {
			return errors.New("sizes, times and counts must be positive")
		}
	}
	if _, _, err := parseRate(o.Rate); err != nil {
		return err
	}
	if strings.HasSuffix(o.Rate, "%") && !slices.Contains(o.Scenarios, "send") {
		return errors.New("a rate in per cent is one of the scenario send, which is not measured")
	}
	if (o.Sign || slices.Contains(o.Scenarios, "send-signed")) && o.Endpoint != "" && o.KeyID == "" {
		return errors.New("requests cannot be signed without AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
	}
	if o.Endpoint != "" && o.Restart {
		return errors.New("only a Naru that was started for the run can be restarted")
	}
	return nil
}

// parseRate reads "", requests per second, or a share in per cent.
func parseRate(text string) (rate float64, share bool, err error) {
	if text == "" {
		return 0, false, nil
	}
	number, share := strings.CutSuffix(text, "%")
	rate, err = strconv.ParseFloat(number, 64)
	if err != nil || !(rate > 0) {
		return 0, false, fmt.Errorf("the rate %q is neither requests per second nor a share such as 50%%", text)
	}
	return rate, share, nil
}

// A run is one call of Run.
type run struct {
	Options
	server   *process // that was started for the run
	signing  *process // likewise, and verifies signatures
	baseline *process
	message  string // a body of Size
	reply    int    // bytes of the body of a reply to SendMessage
	rows     []*row
	made     []*target // to be deleted
}

// Run measures and writes what it found to o.Out.
func Run(ctx context.Context, o Options) (err error) {
	if err := o.complete(); err != nil {
		return err
	}
	r := &run{Options: o, message: bodyOf(o.Size)}
	defer func() { err = errors.Join(err, r.close()) }()
	if err := r.open(ctx); err != nil {
		return err
	}
	targets, err := r.targets(ctx)
	if err != nil {
		return err
	}
	for range o.Rounds {
		for _, n := range o.Connections {
			if err := r.round(ctx, n, targets); err != nil {
				return err
			}
		}
	}
	for _, once := range []func(context.Context, []*target) error{r.restart, r.polls, r.pass} {
		if err := once(ctx, targets); err != nil {
			return err
		}
	}
	return r.write()
}

// round measures each step at n connections.
func (r *run) round(ctx context.Context, n int, targets []*target) error {
	if r.Baseline {
		if err := r.measureBaseline(ctx, n); err != nil {
			return err
		}
	}
	for _, t := range targets {
		for _, name := range r.Scenarios {
			if err := r.measure(ctx, n, name, t); err != nil {
				return fmt.Errorf("%s: %w", name+t.suffix, err)
			}
		}
	}
	if r.Fsync {
		if err := r.measureFsync(ctx); err != nil {
			return err
		}
	}
	if r.Rate == "" {
		return nil
	}
	if r.Baseline {
		if err := r.measureOpen(ctx, n, "baseline-open", r.baselineTarget()); err != nil {
			return err
		}
	}
	return r.measureOpen(ctx, n, "send-open", targets[0])
}

// row returns the row of that name and number of connections.
func (r *run) row(name string, connections int) *row {
	for _, w := range r.rows {
		if w.name == name && w.connections == connections {
			return w
		}
	}
	w := &row{name: name, connections: connections, latency: &meter.Sketch{}}
	r.rows = append(r.rows, w)
	return w
}

// say tells what is going on.
func (r *run) say(format string, args ...any) {
	end := "\n"
	if r.Terminal {
		end = "\x1b[K\r"
	}
	fmt.Fprintf(r.Progress, format+end, args...)
}
