package bench

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"time"
)

// restart kills the server that was started for the run, and measures how soon
// after its next start a message is received from the last target: the one
// with the backlog, if there is one.
func (r *run) restart(ctx context.Context, targets []*target) error {
	if !r.Restart {
		return nil
	}
	t := targets[len(targets)-1]
	if err := r.fill(ctx, t, 1); err != nil {
		return err
	}
	if err := r.server.end(os.Kill); err != nil {
		return err
	}
	r.say("restarting")
	begin := time.Now()
	if err := r.server.start(ctx); err != nil {
		return err
	}
	serving := time.Since(begin)
	for _, t := range r.made {
		if t.server.sign == nil || r.Sign {
			t.server.endpoint, t.server.pid = r.server.endpoint, r.server.pid()
		}
	}
	var out struct{ Messages []struct{ MessageId string } }
	err := t.server.call(ctx, "ReceiveMessage", map[string]any{"QueueUrl": json.RawMessage(t.queues[0])}, &out)
	if err == nil && len(out.Messages) == 0 {
		err = errors.New("nothing was received after the restart")
	}
	r.row("restart-to-serving", 0).seconds = serving.Seconds()
	r.row("restart-to-receive"+t.suffix, 0).seconds = time.Since(begin).Seconds()
	return err
}

// polls measures what idle long polls cost.
func (r *run) polls(ctx context.Context, targets []*target) error {
	if r.Polls == 0 {
		return nil
	}
	t := targets[0]
	if err := t.renew(ctx, r.FIFO); err != nil {
		return err
	}
	w := r.row("idle-polls", r.Polls)
	l := r.load(t.server, w)
	l.grace = 0 // polls that have not ended by then are of no use
	var since time.Time
	var before, after time.Duration
	l.progress = func(l *load, elapsed time.Duration) {
		switch {
		case since.IsZero() && elapsed > r.Duration/4: // the polls have begun
			since, before = time.Now(), w.observe(t.server.pid)
		case !since.IsZero():
			after = w.observe(t.server.pid)
			w.share = (after - before).Seconds() / time.Since(since).Seconds()
		}
	}
	elapsed, err := l.run(ctx, r.Polls, t.poll)
	w.add(l, elapsed)
	return err
}

// poll waits for messages that nobody sends.
func (t *target) poll(c *client) func() error {
	return func() error {
		c.body = append(append(append(c.body[:0], `{"QueueUrl":`...), t.queue()...), `,"WaitTimeSeconds":20}`...)
		_, err := c.do(actions + "ReceiveMessage")
		return err
	}
}

// pass sends messages through a queue, as many as are deleted at the same time,
// and tells the disk use after.
func (r *run) pass(ctx context.Context, targets []*target) error {
	if r.Pass == 0 {
		return nil
	}
	t := targets[0]
	if err := t.renew(ctx, r.FIFO); err != nil {
		return err
	}
	if err := r.fill(ctx, t, min(r.Pass, 1000)); err != nil {
		return err
	}
	w := r.row("pass", fillers)
	l := r.load(t.server, w)
	l.duration, l.limit = 24*time.Hour, int64(r.Pass/10)
	elapsed, err := l.run(ctx, fillers, t.passBatch)
	w.add(l, elapsed)
	w.observe(t.server.pid)
	if err != nil || r.server == nil {
		return err
	}
	w.disk, err = diskUse(r.server.data)
	return err
}

// passBatch sends a batch, and receives and deletes one.
func (t *target) passBatch(c *client) func() error {
	send, receive := t.sendBatch(c), t.receiveDelete(10)(c)
	return func() error {
		if err := send(); err != nil {
			return err
		}
		t.waiting.Add(10)
		if err := receive(); !errors.Is(err, errDone) {
			return err
		}
		return nil
	}
}
