package delivery

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"naru/internal/queue"
)

// attempts is what the engine's note says of a delivery.
type attempts struct {
	Failed int `json:"f,omitempty"` // how often it failed
}

func (a attempts) note() []byte {
	text, err := json.Marshal(a)
	if err != nil {
		panic(err) // a struct of a number
	}
	return text
}

// handle makes a delivery that is due, and settles it.
func (p *Post) handle(m *queue.Delivery) error {
	d, err := parseDelivery(m.Payload)
	if err != nil {
		return err
	}
	var a attempts
	if len(m.Note) > 0 {
		if err := json.Unmarshal(m.Note, &a); err != nil {
			return fmt.Errorf("note of a delivery from %s: %w", d.Source, err)
		}
	}
	if wait := d.Due.Sub(p.clock.Now()); wait > 0 {
		wait = (wait + time.Millisecond - 1).Truncate(time.Millisecond) // the engine's resolution
		return p.settled(p.queue.Release(m.Handle, wait, m.Note, false))
	}
	if d.Overlap != OverlapAllow {
		free := p.lines.enter(d.line())
		if free {
			defer p.lines.leave(d.line())
		}
		if done, err := p.overlaps(m, d, !free); done || err != nil {
			return p.settled(err)
		}
	}
	d.Attempt, d.Unique = a.Failed+1, fmt.Sprintf("%x-%x", m.Handle.Sent, m.Handle.Sequence)
	messages, err := p.options.Deliver(p.ctx, d)
	switch {
	case p.ctx.Err() != nil:
		return p.ctx.Err() // the next start takes it up again
	case err != nil:
		return p.settled(p.fail(m, d, a, failureOf(err)))
	}
	notes := p.follow(d, messages)
	if err := p.queue.Forward(m.Handle, notes, messages...); err != nil {
		return p.settled(err)
	}
	p.count("invocations", d)
	return nil
}

// settled returns err, unless it says that the delivery was settled meanwhile:
// its lease had ended.
func (p *Post) settled(err error) error {
	if errors.Is(err, queue.ErrNoMessage) {
		return nil
	}
	return err
}

const (
	firstWait = time.Second
	mostWait  = 10 * time.Minute
)

// waitAfter returns how long to wait after the nth failure: a time that
// doubles, up to a bound, less up to a half of it.
func waitAfter(n int) time.Duration {
	wait := min(firstWait<<min(n-1, 20), mostWait)
	return wait - rand.N(wait/2)
}

// fail has a delivery tried again later, or gives it up.
func (p *Post) fail(m *queue.Delivery, d *Delivery, a attempts, f *Failure) error {
	a.Failed++
	wait := waitAfter(a.Failed)
	condition := ""
	switch {
	case !f.Again:
	case a.Failed > d.MaxRetries:
		condition = "MaximumRetryAttempts"
	case p.clock.Now().Add(wait).Sub(d.since()) > d.MaxAge:
		condition = "MaximumEventAgeInSeconds"
	default:
		p.count("retried_invocations", d)
		p.log.Warn("a delivery failed and is tried again", "from", d.Source, "to", d.Target, "in", wait, "err", f, "cause", f.Cause)
		return p.queue.Release(m.Handle, wait, a.note(), true)
	}
	p.count("failed_invocations", d)
	p.log.Warn("a delivery failed", "from", d.Source, "to", d.Target, "err", f, "cause", f.Cause)
	if d.DeadLetter == "" {
		return p.queue.Forward(m.Handle, nil)
	}
	letter, err := p.options.DeadLetter(p.ctx, d, d.attributes(f, condition, a.Failed-1))
	if p.ctx.Err() != nil {
		return p.ctx.Err()
	}
	if err != nil {
		p.log.Warn("a delivery that failed is lost: its dead-letter queue cannot be used", "from", d.Source, "to", d.DeadLetter, "err", err)
		return p.queue.Forward(m.Handle, nil)
	}
	p.count("invocations_sent_to_dlq", d)
	return p.queue.Forward(m.Handle, nil, letter)
}

// attributes are those of the message in a dead-letter queue.
func (d *Delivery) attributes(f *Failure, condition string, retries int) map[string]string {
	all := map[string]string{
		"TARGET_ARN":     d.Target,
		"ERROR_CODE":     f.Code,
		"ERROR_MESSAGE":  f.Message,
		"RETRY_ATTEMPTS": strconv.Itoa(retries),
	}
	if condition != "" {
		all["EXHAUSTED_RETRY_CONDITION"] = condition
	}
	if d.Service == Events {
		all["RULE_ARN"] = d.Source
		return all
	}
	all["SCHEDULE_ARN"] = d.Source
	all["EXECUTION_ID"] = d.ID
	all["SCHEDULED_TIME"] = d.At.UTC().Format(time.RFC3339)
	all["IS_PAYLOAD_TRUNCATED"] = "false"
	if f.Reason != "" {
		all["ERROR_CODE"] = f.Reason
	}
	return all
}
