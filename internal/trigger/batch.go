package trigger

import (
	"slices"
	"time"

	"naru/internal/queue"
)

// A batch is messages that the function is invoked with together.
type batch struct {
	payload []byte // the event; its end only once the batch is closed
	ids     []string
	handles []queue.Handle
	traces  []string
	until   time.Time // up to when it may be handed on
	due     time.Time // when it is closed
}

// maxEvent is how many bytes an event may have, as the payload of any
// invocation.
const maxEvent = 6_291_456

// prepared are messages that were received, as they become part of events.
type prepared struct {
	records []record
	text    []byte // of all records, one after the other
	until   time.Time
}

// A record is the part of an event that stands for one message.
type record struct {
	id     string
	handle queue.Handle
	trace  string
	length int // of its text
}

// prepare sorts out what is not handed on, and writes the records of the rest.
func (t *Trigger) prepare(got Received, filters []*Filter) *prepared {
	p := &prepared{until: got.Until}
	var unwanted []queue.Handle
	for i := range got.Messages {
		m := &got.Messages[i]
		switch trace := m.system("AWSTraceHeader"); {
		case !matches(filters, m, t.ARN, t.Region):
			unwanted = append(unwanted, m.Handle)
		case trace != "" && t.Function.Stops(trace):
			t.Counters.Dropped.Add(1) // it is left until its time is up, to be dead-lettered in the end
		default:
			start := len(p.text)
			p.text = t.encoder.record(p.text, m)
			p.records = append(p.records, record{m.ID, m.Handle, trace, len(p.text) - start})
		}
	}
	t.Counters.Polled.Add(len(got.Messages))
	if len(unwanted) > 0 {
		t.Counters.FilteredOut.Add(len(unwanted))
		t.work.Go(func() { t.remove(unwanted) })
	}
	return p
}

// take puts what was received into batches. It needs t.mu.
func (t *Trigger) take(p *prepared) {
	text := p.text
	for i, r := range p.records {
		if t.open != nil && len(t.open.payload)+1+r.length+len(eventEnd) > maxEvent {
			t.close()
			if t.FIFO { // the rest must not overtake, nor be handed on if this fails
				t.returnRest(p.records[i:])
				break
			}
		}
		t.join(r, text[:r.length], p.until)
		text = text[r.length:]
		if len(t.open.handles) == t.settings.BatchSize {
			t.close()
		}
	}
	if t.open != nil && (t.settings.Window == 0 || t.FIFO) {
		t.close()
	}
	if t.stopped || !t.settings.Enabled { // only just
		t.giveUp()
	}
}

// join adds a message to the open batch, which is closed before its messages
// have waited for too long, whatever its window. It needs t.mu.
func (t *Trigger) join(r record, text []byte, until time.Time) {
	b, now := t.open, t.Clock.Now()
	due := now.Add(until.Sub(now) * 3 / 4)
	if b == nil {
		b = &batch{until: until, due: earliest(now.Add(t.settings.Window), due)}
		b.payload = append(make([]byte, 0, len(eventBegin)+len(text)+len(eventEnd)), eventBegin...)
		t.open = b
	} else {
		b.payload = append(b.payload, ',')
		b.until, b.due = earliest(b.until, until), earliest(b.due, due)
	}
	b.payload = append(b.payload, text...)
	b.ids = append(b.ids, r.id)
	b.handles = append(b.handles, r.handle)
	if r.trace != "" {
		b.traces = append(b.traces, r.trace)
	}
}

// close closes the open batch. It needs t.mu.
func (t *Trigger) close() {
	t.open.payload = append(t.open.payload, eventEnd...)
	t.closed = append(t.closed, t.open)
	t.open = nil
}

// drop gives back batches that have waited for too long. It needs t.mu.
func (t *Trigger) drop(now time.Time) {
	t.closed = slices.DeleteFunc(t.closed, func(b *batch) bool {
		late := !now.Before(b.until)
		if late {
			t.work.Go(func() { t.giveBack(b.handles) })
		}
		return late
	})
}

func (t *Trigger) returnRest(rest []record) {
	handles := make([]queue.Handle, len(rest))
	for i, r := range rest {
		handles[i] = r.handle
	}
	t.work.Go(func() { t.giveBack(handles) })
}
