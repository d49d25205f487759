package trigger

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"naru/internal/queue"
)

// run invokes the function with a batch, and settles what becomes of it.
func (t *Trigger) run(b *batch) {
	begun := false
	reply, err := t.Function.Invoke(t.ctx, &Run{Payload: b.payload, Traces: b.traces, Until: b.until, Begun: func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		begun = true
		t.flow.begin(t.Clock.Now())
		t.step()
	}})
	b.payload = nil
	t.mu.Lock()
	partial := t.settings.Partial
	t.ended(begun, reply.Failed && !partial, err)
	t.step()
	t.mu.Unlock()
	if err != nil {
		t.giveBack(b.handles)
		return
	}
	t.Counters.Invoked.Add(len(b.handles))
	t.settle(b, reply, partial)
}

// ended notes how a run went. It needs t.mu.
func (t *Trigger) ended(begun, failed bool, err error) {
	now := t.Clock.Now()
	t.flow.end(now, begun, failed)
	switch {
	case errors.Is(err, ErrNoRoom):
		t.flow.refused(now)
	case t.ctx.Err() != nil:
	case err != nil:
		t.stumble(err)
	case !failed:
		t.failures = 0
	default:
		if t.failures++; t.failures > 1 {
			t.pause = later(t.pause, now.Add(min(firstBackoff<<min(t.failures-2, 10), maxBackoff)))
		}
	}
}

// After more than one failure in a row the trigger takes a rest, the longer the
// more there were.
const (
	firstBackoff = 50 * time.Millisecond
	maxBackoff   = time.Second
)

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// settle deletes the messages of a batch that did not fail. Those that did are
// left: they are received again once their time is up.
func (t *Trigger) settle(b *batch, reply Reply, partial bool) {
	done := b.handles
	switch {
	case reply.Failed:
		done = nil
	case partial:
		done = succeeded(b, reply.Payload)
	}
	t.Counters.FailedInvoke.Add(len(b.handles) - len(done))
	t.remove(done)
}

// mostDeleted bounds the messages that are deleted at a time, so that others do
// not have to wait for the queue.
const mostDeleted = 500

// remove deletes messages.
func (t *Trigger) remove(handles []queue.Handle) {
	for some := range slices.Chunk(handles, mostDeleted) {
		n, err := t.Source.Delete(some)
		t.Counters.Deleted.Add(n)
		if err != nil && !errors.Is(err, queue.ErrClosed) {
			t.Log.Warn("messages that were worked off cannot be deleted", "queue", t.ARN, "messages", len(some), "err", err)
		}
	}
}

// giveBack gives back messages that were not handed on.
func (t *Trigger) giveBack(handles []queue.Handle) {
	t.Counters.Dropped.Add(len(handles))
	for some := range slices.Chunk(handles, mostDeleted) {
		if err := t.Source.Return(some); err != nil && !errors.Is(err, queue.ErrClosed) && !errors.Is(err, context.Canceled) {
			t.Log.Warn("messages cannot be given back before their time", "queue", t.ARN, "messages", len(some), "err", err)
		}
	}
}

// succeeded returns the messages of a batch that a reply does not name as
// failed:
//
//	{"batchItemFailures": [{"itemIdentifier": "the id of a message"}, ...]}
//
// Nothing, null, {} and an empty list name none. A reply that cannot be
// understood, or names a message that is not of the batch, means all of them.
func succeeded(b *batch, reply []byte) []queue.Handle {
	if text := string(reply); text == "" || text == `""` {
		return b.handles
	}
	var said map[string]json.RawMessage // names count as they are written
	var failures []map[string]json.RawMessage
	if json.Unmarshal(reply, &said) != nil {
		return nil
	}
	if list := said["batchItemFailures"]; list != nil && json.Unmarshal(list, &failures) != nil {
		return nil
	}
	if len(failures) == 0 {
		return b.handles
	}
	place := make(map[string]int, len(b.ids))
	for i, id := range b.ids {
		place[id] = i
	}
	failed := make([]bool, len(b.ids))
	for _, f := range failures {
		var id string
		if json.Unmarshal(f["itemIdentifier"], &id) != nil {
			return nil
		}
		i, ok := place[id]
		if !ok {
			return nil
		}
		failed[i] = true
	}
	var done []queue.Handle
	for i, h := range b.handles {
		if !failed[i] {
			done = append(done, h)
		}
	}
	return done
}
