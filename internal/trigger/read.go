package trigger

import (
	"context"
	"errors"
	"time"
)

const (
	firstAverage = 64 << 10 // bytes that a message is taken to have at first
	mostBytes    = 8 << 20  // that are asked for at a time, going by the average
	mostMessages = 250      // likewise
	mostReads    = 8        // at a time
	mostAhead    = 32       // batches
)

// places is for how many batches more something could be done, with those that
// are being read already taken off. It needs t.mu.
func (t *Trigger) places() int { return t.flow.free() + t.ahead - len(t.closed) - t.asked }

// read begins to wait for messages if something could be done with them: in one
// read, or in several if there are plenty. It needs t.mu.
func (t *Trigger) read(now time.Time) {
	if !t.settings.Enabled || now.Before(t.pause) {
		return
	}
	reads := 1
	if t.plenty {
		reads = mostReads
	}
	for t.reads < reads && t.places() > 0 {
		t.startRead()
	}
}

// startRead begins a read. Of a FIFO queue it asks for one batch, since a group
// may be in one batch only at a time; of another for all that could run. It needs
// t.mu.
func (t *Trigger) startRead() {
	batches, size := 1, t.settings.BatchSize
	if !t.FIFO {
		batches = min(t.places(), max(1, mostMessages/size))
	}
	most := size * batches
	if t.open != nil {
		most -= len(t.open.handles)
	}
	most = min(most, mostMessages, max(10, int(mostBytes/t.average)))
	t.reads++
	t.asked += batches
	ctx, ended, filters := t.reading, t.flow.ended, t.settings.Filters
	t.work.Go(func() {
		got, err := t.Source.Receive(ctx, most)
		prepared := t.prepare(got, filters)
		t.mu.Lock()
		defer t.mu.Unlock()
		t.reads--
		t.asked -= batches
		switch {
		case err == nil:
			t.received(prepared, len(got.Messages) == most, ended)
		case ctx.Err() == nil:
			t.stumble(err)
		}
		t.step()
	})
}

// received takes what a read has brought, all that it had asked for or not, when
// so many batches had ended. It needs t.mu.
func (t *Trigger) received(p *prepared, all bool, ended int) {
	if t.problem != "" {
		t.Log.Info("a trigger receives again", "queue", t.ARN)
	}
	t.problem, t.trouble = "", 0
	t.plenty, t.ahead = all, 0
	if all {
		t.ahead = min(t.flow.ended-ended, t.flow.width, mostAhead)
	}
	if len(p.records) > 0 {
		t.average += (float64(len(p.text))/float64(len(p.records)) - t.average) / 4
		t.take(p)
	}
}

// stumble notes that nothing can be received, to try it again after a while.
// It needs t.mu.
func (t *Trigger) stumble(err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	if text := err.Error(); text != t.problem {
		t.problem = text
		t.Log.Warn("a trigger does not receive", "queue", t.ARN, "err", err)
	}
	t.pause = t.Clock.Now().Add(min(time.Second<<min(t.trouble, 10), maxTrouble))
	t.trouble++
	t.plenty, t.ahead = false, 0
}

// maxTrouble is how long it may take until receiving is tried again.
const maxTrouble = 8 * time.Second
