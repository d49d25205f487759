package bench

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"naru/internal/meter"
)

// A row is what was measured of one step, over all rounds.
type row struct {
	name        string
	connections int
	rounds      []sample
	latency     *meter.Sketch // seconds
	errors      int64
	fault       error

	resident int64   // the most bytes of memory that the server had after the step
	share    float64 // of one CPU, that the server took
	seconds  float64 // for what is not a rate
	disk     int64   // bytes
}

// A sample is what one round measured.
type sample struct{ requests, messages float64 } // per second

func (w *row) add(l *load, elapsed time.Duration) {
	seconds := max(elapsed.Seconds(), 1e-9)
	w.rounds = append(w.rounds, sample{float64(l.requests.Load()) / seconds, float64(l.messages.Load()) / seconds})
	w.errors += l.faults.Load()
	if w.fault == nil {
		w.fault = l.fault
	}
}

// observe notes what memory the server has, and returns the CPU time that it
// has taken; zero where the system does not tell.
func (w *row) observe(pid int) time.Duration {
	resident, cpu, err := usage(pid)
	if pid == 0 || err != nil {
		return 0
	}
	w.resident = max(w.resident, resident)
	return cpu
}

// A Result is what one step was measured to do. Rates and ratios are medians
// over the rounds, latencies are of all of them together.
type Result struct {
	Name        string  `json:"name"`
	Connections int     `json:"connections"`
	Requests    float64 `json:"requests_per_second"`
	Messages    float64 `json:"messages_per_second"`
	Ratio       float64 `json:"ratio_to_baseline"` // of the requests; 0 without a baseline
	P50         float64 `json:"p50_ms"`
	P90         float64 `json:"p90_ms"`
	P99         float64 `json:"p99_ms"`
	P999        float64 `json:"p999_ms"`
	Errors      int64   `json:"errors"`

	ResidentMB float64 `json:"resident_mb,omitempty"`    // of the server, at the most
	CPU        float64 `json:"cpu_percent,omitempty"`    // of one CPU, by the server; idle-polls only
	Seconds    float64 `json:"seconds,omitempty"`        // restart-* only
	DiskMB     float64 `json:"disk_mb,omitempty"`        // of the data directory; pass only
	ToPlain    float64 `json:"ratio_to_plain,omitempty"` // messages, to the same on one empty queue
}

func (r *run) results() (all []Result) {
	for _, w := range r.rows {
		ms := func(q float64) float64 { return round(w.latency.Quantile(q)*1000, 3) }
		all = append(all, Result{
			Name: w.name, Connections: w.connections,
			Requests: round(median(w.rounds, func(i int) float64 { return w.rounds[i].requests }), 1),
			Messages: round(median(w.rounds, func(i int) float64 { return w.rounds[i].messages }), 1),
			Ratio:    round(r.ratio(w, "baseline", func(s sample) float64 { return s.requests }), 3),
			ToPlain:  round(r.ratio(w, plainName(w.name), func(s sample) float64 { return s.messages }), 3),
			P50:      ms(.5), P90: ms(.9), P99: ms(.99), P999: ms(.999),
			Errors: w.errors, ResidentMB: round(float64(w.resident)/1e6, 1), CPU: round(w.share*100, 2),
			Seconds: round(w.seconds, 3), DiskMB: round(float64(w.disk)/1e6, 1),
		})
	}
	return all
}

// plainName is the name of what is measured on one empty queue; "" for what is.
func plainName(name string) string {
	for _, s := range Scenarios {
		if len(name) > len(s) && name[:len(s)] == s && (name[len(s):] == "-backlog" || name[len(s):] == "-queues") {
			return s
		}
	}
	return ""
}

// ratio returns the median of the ratios, in each round, of w to the row of
// that name with as many connections; 0 if there is none, or if not the server
// but the run decided upon the rate of w.
func (r *run) ratio(w *row, name string, of func(sample) float64) float64 {
	if strings.HasSuffix(w.name, "-open") {
		return 0
	}
	i := slices.IndexFunc(r.rows, func(b *row) bool { return b.name == name && b.connections == w.connections })
	if i < 0 || len(r.rows[i].rounds) != len(w.rounds) {
		return 0
	}
	return median(w.rounds, func(n int) float64 {
		if b := of(r.rows[i].rounds[n]); b > 0 {
			return of(w.rounds[n]) / b
		}
		return 0
	})
}

func median(rounds []sample, value func(int) float64) float64 {
	if len(rounds) == 0 {
		return 0
	}
	all := make([]float64, len(rounds))
	for i := range rounds {
		all[i] = value(i)
	}
	return middle(all)
}

func round(v float64, digits int) float64 {
	p := math.Pow10(digits)
	return math.Round(v*p) / p
}

// write writes the results, as text or JSON, and the first fault of each step.
func (r *run) write() error {
	if r.Terminal {
		fmt.Fprint(r.Progress, "\x1b[K")
	}
	for _, w := range r.rows {
		if w.fault != nil {
			fmt.Fprintf(r.Progress, "%s, %d connections: %d errors, the first: %v\n", w.name, w.connections, w.errors, w.fault)
		}
	}
	all := r.results()
	if r.JSON {
		out := json.NewEncoder(r.Out)
		out.SetIndent("", "  ")
		return out.Encode(all)
	}
	t := tabwriter.NewWriter(r.Out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tconns\treq/s\tmsg/s\tratio\tp50 ms\tp90\tp99\tp99.9\terrors\tMB\t")
	for _, a := range all {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\n", a.Name, figure(float64(a.Connections), 0),
			figure(a.Requests, 0), figure(a.Messages, 0), figure(a.Ratio, 2),
			figure(a.P50, 2), figure(a.P90, 2), figure(a.P99, 2), figure(a.P999, 2), a.Errors, figure(a.ResidentMB, 0), a.more())
	}
	return t.Flush()
}

// figure writes v, or a dash for what was not measured.
func figure(v float64, digits int) string {
	if v == 0 {
		return "-"
	}
	return strconv.FormatFloat(v, 'f', digits, 64)
}

// more is what only some results have.
func (a Result) more() (text string) {
	if a.ToPlain > 0 {
		text += fmt.Sprintf("  %.2f of an empty queue", a.ToPlain)
	}
	if a.CPU > 0 {
		text += fmt.Sprintf("  %.1f %% CPU", a.CPU)
	}
	if a.Seconds > 0 {
		text += fmt.Sprintf("  %.3f s", a.Seconds)
	}
	if a.DiskMB > 0 {
		text += fmt.Sprintf("  %.0f MB on disk", a.DiskMB)
	}
	return text
}
