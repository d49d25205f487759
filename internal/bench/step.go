package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"naru/internal/meter"
)

// fillers is how many connections fill queues.
const fillers = 64

func newLoad(s server) *load {
	return &load{endpoint: s.endpoint, sign: s.sign, latency: &meter.Sketch{}, grace: grace}
}

// targets makes the queues that scenarios are measured on, and fills the
// backlogs.
func (r *run) targets(ctx context.Context) (all []*target, err error) {
	add := func(suffix string, n, backlog int) {
		var t *target
		if err == nil {
			t, err = r.makeTarget(ctx, r.plain(), suffix, n)
		}
		if err == nil {
			all = append(all, t)
			err = r.fill(ctx, t, backlog)
		}
	}
	add("", 1, 0)
	if r.Queues > 0 {
		if r.Backlog > 0 {
			add("-backlog", 1, r.Backlog)
		}
		add("-queues", r.Queues, r.Backlog)
	} else if r.Backlog > 0 {
		add("-backlog", 1, r.Backlog)
	}
	return all, err
}

func (r *run) makeTarget(ctx context.Context, s server, suffix string, n int) (*target, error) {
	queues, err := s.makeQueues(ctx, n, r.FIFO)
	t := &target{suffix: suffix, server: s, queues: queues, message: r.message, groups: r.Groups, fifo: r.FIFO}
	r.made = append(r.made, t)
	return t, err
}

// fill sends until n messages wait.
func (r *run) fill(ctx context.Context, t *target, n int) error {
	missing := n - int(t.waiting.Load())
	if missing <= 0 {
		return nil
	}
	l := newLoad(t.server)
	l.duration, l.limit = 24*time.Hour, int64((missing+9)/10)
	l.progress = func(l *load, elapsed time.Duration) {
		if r.Terminal {
			r.say("filling: %d of %d messages", l.messages.Load(), missing)
		}
	}
	r.say("filling: %d messages", missing)
	_, err := l.run(ctx, fillers, t.sendBatch)
	t.waiting.Add(l.messages.Load())
	if err == nil && l.fault != nil {
		err = fmt.Errorf("a queue cannot be filled: %w", l.fault)
	}
	return err
}

// measure measures a scenario once.
func (r *run) measure(ctx context.Context, n int, name string, t *target) error {
	if name == "send-signed" {
		if t.suffix != "" {
			return nil // it is about signatures, not about queues
		}
		var err error
		if t, err = r.signedTarget(ctx); err != nil {
			return err
		}
	}
	if t.suffix == "" {
		if err := t.renew(ctx, r.FIFO); err != nil {
			return err
		}
	}
	work := map[string]func(*client) func() error{
		"send": t.send, "send-signed": t.send, "send-batch": t.sendBatch,
		"receive-delete": t.receiveDelete(10), "receive-delete-single": t.receiveDelete(1), "mixed": t.mixed,
	}[name]
	receives := strings.HasPrefix(name, "receive")
	if receives {
		fill := r.Fill
		if strings.HasSuffix(name, "single") {
			fill = r.Fill / 5
		}
		if err := r.fill(ctx, t, fill); err != nil {
			return err
		}
	}
	w := r.row(name+t.suffix, n)
	l := r.load(t.server, w)
	l.limit = int64(r.Requests)
	elapsed, err := l.run(ctx, n, work)
	if receives {
		elapsed = time.Duration(l.last.Load()) // those who found nothing more to do do not count
	} else if name != "mixed" {
		t.waiting.Add(l.messages.Load())
	}
	w.add(l, elapsed)
	w.observe(t.server.pid)
	if err != nil {
		return err
	}
	return l.died()
}

// load returns the load of one step, whose latencies go to w.
func (r *run) load(s server, w *row) *load {
	l := newLoad(s)
	l.latency, l.duration = w.latency, r.Duration
	r.say("%s, %d connections", w.name, w.connections)
	l.progress = func(l *load, elapsed time.Duration) {
		if r.Terminal {
			r.say("%s, %d connections: %.0f requests/s, %d errors", w.name, w.connections, float64(l.requests.Load())/elapsed.Seconds(), l.faults.Load())
		}
	}
	return l
}

// died returns the fault of a load that achieved nothing.
func (l *load) died() error {
	if l.requests.Load() > l.faults.Load() {
		return nil
	}
	if l.fault != nil {
		return l.fault
	}
	return errors.New("no request was answered")
}

// baselineTarget is a bare HTTP server that is sent what "send" sends.
func (r *run) baselineTarget() *target {
	return &target{
		server: server{endpoint: r.baseline.endpoint}, message: r.message, groups: r.Groups, fifo: r.FIFO,
		queues: []string{`"http://127.0.0.1:4566/000000000000/naru-bench-aaaaaaaaaaaaaaaaaaaaaaaaaa-0"`},
	}
}

func (r *run) measureBaseline(ctx context.Context, n int) error {
	t, w := r.baselineTarget(), r.row("baseline", n)
	l := r.load(t.server, w)
	l.limit = int64(r.Requests)
	elapsed, err := l.run(ctx, n, t.send)
	w.add(l, elapsed)
	if err != nil {
		return err
	}
	return l.died()
}

// measureOpen measures sends in an open loop, and if that is asked for how long
// bare writes take meanwhile.
func (r *run) measureOpen(ctx context.Context, n int, name string, t *target) error {
	rate, share, err := parseRate(r.Rate)
	if err != nil {
		return err
	}
	if share {
		send := r.row("send", n)
		rate *= send.rounds[len(send.rounds)-1].requests / 100
	}
	beside := func() error { return nil }
	if name == "send-open" {
		if err := t.renew(ctx, r.FIFO); err != nil {
			return err
		}
		if r.Fsync {
			beside = r.fsyncBeside(ctx)
		}
	}
	w := r.row(name, n)
	l := r.load(t.server, w)
	l.rate = rate
	elapsed, err := l.run(ctx, n, t.send)
	t.waiting.Add(l.messages.Load())
	w.add(l, elapsed)
	w.observe(t.server.pid)
	if err := errors.Join(err, beside()); err != nil {
		return err
	}
	return l.died()
}
