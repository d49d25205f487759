package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"naru/internal/meter"
)

// A load is a number of clients at work for a step.
type load struct {
	endpoint address
	sign     func() *signer // nil for requests without signatures
	latency  *meter.Sketch
	duration time.Duration
	limit    int64         // of requests; 0 for none
	rate     float64       // requests per second of an open loop; 0 for a closed one
	grace    time.Duration // how long exchanges that are under way when the step ends may take
	progress func(l *load, elapsed time.Duration)

	requests, messages, faults atomic.Int64
	cycles                     atomic.Int64
	last                       atomic.Int64 // when the last message was moved, since the start
	start                      time.Time
	stop                       context.Context
	finish                     context.CancelFunc
	due                        chan time.Time

	mu    sync.Mutex
	fault error // the first one
}

// errDone ends a client's work in good order.
var errDone = errors.New("there is nothing more to do")

// grace is how long a server usually has for a reply.
const grace = 30 * time.Second

// run has n clients do their work again and again until the step ends, and
// returns how long that took. work makes a client's work.
func (l *load) run(ctx context.Context, n int, work func(*client) func() error) (time.Duration, error) {
	clients := make([]*client, n)
	for i := range clients {
		c, err := l.endpoint.open(ctx)
		if err != nil {
			return 0, err
		}
		defer c.Close()
		clients[i] = &client{load: l, connection: c}
		if l.sign != nil {
			clients[i].signer = l.sign()
		}
	}
	l.start = time.Now()
	l.stop, l.finish = context.WithTimeout(ctx, l.duration)
	defer l.finish()
	var background, working sync.WaitGroup
	if l.rate > 0 {
		l.due = make(chan time.Time, 1<<16)
		background.Go(l.pace)
	}
	ended := make(chan struct{})
	background.Go(func() { l.watch(ended, clients) })
	for _, c := range clients {
		working.Go(func() { l.work(c, work(c)) })
	}
	working.Wait()
	elapsed := time.Since(l.start)
	l.finish()
	close(ended)
	background.Wait()
	return elapsed, ctx.Err()
}

// watch tells the progress, and cuts off what takes too long to end.
func (l *load) watch(ended chan struct{}, clients []*client) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for l.stop.Err() == nil {
		select {
		case <-l.stop.Done():
		case <-tick.C:
			if l.progress != nil {
				l.progress(l, time.Since(l.start))
			}
		}
	}
	select {
	case <-ended:
	case <-time.After(l.grace):
		for _, c := range clients {
			c.cut()
		}
	}
}

// pace gives out when requests are due.
func (l *load) pace() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(l.due)
	for i := 0; l.stop.Err() == nil; i++ {
		at := l.start.Add(time.Duration(float64(i) / l.rate * float64(time.Second)))
		if wait := time.Until(at); wait > 0 {
			pause(min(wait, 100*time.Millisecond))
			i--
			continue
		}
		select {
		case l.due <- at:
		case <-l.stop.Done():
		}
	}
}

// work does a client's work until the step ends. In an open loop, what was due
// by then is done all the same: its latency is part of the truth.
func (l *load) work(c *client, do func() error) {
	for {
		if l.due != nil {
			at, ok := <-l.due
			if !ok {
				return
			}
			c.due = at
		} else if l.stop.Err() != nil {
			return
		}
		if l.limit > 0 && l.cycles.Add(1) > l.limit {
			return
		}
		err := do()
		switch {
		case errors.Is(err, errDone), l.grace == 0 && l.stop.Err() != nil:
			return
		case err != nil && !l.recover(c, err):
			return
		}
	}
}

// recover counts a fault, and has a broken connection made anew. It reports
// whether the client can go on.
func (l *load) recover(c *client, err error) bool {
	l.faults.Add(1)
	l.mu.Lock()
	if l.fault == nil {
		l.fault = err
	}
	l.mu.Unlock()
	var refused *refusal
	if errors.As(err, &refused) {
		return true
	}
	return c.reopen(l.stop) == nil
}

// A refusal is a reply that is an error.
type refusal struct {
	status int
	body   string
}

func (r *refusal) Error() string { return fmt.Sprintf("%d %s", r.status, r.body) }

// A client makes requests over one connection.
type client struct {
	load       *load
	connection *connection
	signer     *signer
	due        time.Time // of the next request, in an open loop

	mu      sync.Mutex // held while the connection is replaced or cut
	body    []byte
	request []byte
}

// do makes a request of the action named target, with the client's body, and
// returns the reply's body, good until the next request.
func (c *client) do(target string) ([]byte, error) {
	r := append(c.request[:0], "POST "...)
	r = append(append(r, c.load.endpoint.path...), " HTTP/1.1\r\nHost: "...)
	r = append(append(r, c.load.endpoint.host...), "\r\nContent-Type: "+contentType+"\r\nX-Amz-Target: "...)
	r = append(append(r, target...), "\r\n"...)
	if c.signer != nil {
		r = c.signer.append(r, c.load.endpoint, target, c.body)
	}
	r = append(appendNumber(append(r, "Content-Length: "...), len(c.body)), "\r\n\r\n"...)
	c.request = append(r, c.body...)

	begin := time.Now()
	if !c.due.IsZero() {
		begin, c.due = c.due, time.Time{}
	}
	status, body, err := c.connection.exchange(c.request)
	if err != nil {
		return nil, err
	}
	c.load.latency.Observe(time.Since(begin).Seconds())
	c.load.requests.Add(1)
	if status != 200 {
		return nil, &refusal{status, string(body)}
	}
	return body, nil
}

// moved counts messages that were sent or deleted.
func (c *client) moved(n int) {
	c.load.messages.Add(int64(n))
	c.load.last.Store(int64(time.Since(c.load.start)))
}

func (c *client) reopen(ctx context.Context) error {
	c.connection.Close()
	fresh, err := c.load.endpoint.open(ctx)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.connection = fresh
	return nil
}

func (c *client) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.connection.Close()
}
