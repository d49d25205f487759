package events

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"naru/internal/arn"
	"naru/internal/clock"
	"naru/internal/queue"
	"naru/internal/schedule"
)

// A timing is what is known of an enabled rule's schedule.
type timing struct {
	rule  *Rule
	when  schedule.Schedule
	last  time.Time // when it fired last
	next  time.Time // when it is due; zero if never
	timer *clock.Timer
}

// A rule that was due shortly before Naru started fires then: it was being
// restarted. What was due before that is missed, as on AWS.
const grace = time.Minute

func noteKey(n name) string { return "rule:" + n.key() }

func shardOf(n name) int { return queue.ShardOf(noteKey(n)) }

// Start begins to fire the rules.
func (s *Service) Start() error {
	for _, r := range s.rules.All("") {
		last, err := s.lastFiring(r.name())
		if err != nil {
			return err
		}
		s.mu.Lock()
		s.arm(r, later(last, s.clock.Now().Add(-grace)))
		s.mu.Unlock()
	}
	return nil
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// lastFiring reads when a rule fired last, zero if never.
func (s *Service) lastFiring(n name) (last time.Time, err error) {
	err = s.engine.Notes(shardOf(n), noteKey(n), func(note queue.Note) error {
		if note.Key != noteKey(n) {
			return nil
		}
		ms, err := strconv.ParseInt(string(note.Value), 10, 64)
		last = time.UnixMilli(ms).UTC()
		return err
	})
	return last, err
}

// Close stops firing, and waits for the firings that are under way.
func (s *Service) Close() {
	s.mu.Lock()
	s.closed = true
	for _, t := range s.due {
		t.timer.Stop()
	}
	s.mu.Unlock()
	s.firing.Wait()
}

// schedule takes note of a rule that was made or changed.
func (s *Service) schedule(n name) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.rules.Get(n.key()) // as it is now, whoever changed it last
	if !ok {
		return
	}
	after := r.Since
	if old := s.due[n.key()]; old != nil {
		old.timer.Stop()
		after = later(after, old.last)
	}
	s.arm(r, later(after, s.clock.Now().Add(-time.Second)))
}

// arm sees to it that the rule fires when it is next due after a time. It needs
// s.mu.
func (s *Service) arm(r *Rule, after time.Time) {
	key := r.name().key()
	delete(s.due, key)
	if !r.enabled() || s.closed {
		return
	}
	when, err := schedule.Parse(r.Schedule)
	if err != nil {
		s.log.Error("a rule has a schedule that cannot be read", "rule", r.name().arn(), "err", err)
		return
	}
	t := &timing{rule: r, when: when, last: after, next: when.Next(after, r.Since, time.UTC)}
	if t.next.IsZero() {
		return
	}
	s.due[key] = t
	t.timer = s.clock.AfterFunc(t.next, func() { s.fire(t) })
}

// unschedule forgets a rule that was deleted.
func (s *Service) unschedule(n name) error {
	s.mu.Lock()
	if t := s.due[n.key()]; t != nil {
		t.timer.Stop()
		delete(s.due, n.key())
	}
	s.mu.Unlock()
	return s.engine.Send(shardOf(n), []queue.Note{{Key: noteKey(n)}})
}

// fire sends the event of a rule that is due to its targets, and waits for the
// next time.
func (s *Service) fire(t *timing) {
	n := t.rule.name()
	s.mu.Lock()
	if s.closed || s.due[n.key()] != t {
		s.mu.Unlock()
		return
	}
	s.firing.Add(1)
	s.mu.Unlock()
	defer s.firing.Done()
	// A clock that was moved forward makes many times due: one event is sent,
	// for the last of them.
	t.next = t.latest(s.clock.Now())
	note := queue.Note{Key: noteKey(n), Value: strconv.AppendInt(nil, t.next.UnixMilli(), 10)}
	if err := s.engine.Send(shardOf(n), []queue.Note{note}, s.deliveries(t)...); err != nil {
		s.log.Error("a rule could not fire", "rule", n.arn(), "err", err)
		return
	}
	s.options.Meter.Counter("events_triggered_rules", "rule", n.rule).Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.due[n.key()] == t {
		s.arm(t.rule, t.next)
	}
}

// latest returns the last of the times, from the next one to now, at which the
// rule is due. A day is as far as it looks back.
func (t *timing) latest(now time.Time) time.Time {
	at := t.next
	for next := t.when.Next(later(at, now.Add(-24*time.Hour)), t.rule.Since, time.UTC); !next.IsZero() && !next.After(now); {
		at = next
		next = t.when.Next(at, t.rule.Since, time.UTC)
	}
	return at
}

// scheduledEvent is what a scheduled rule sends, member by member as AWS does.
type scheduledEvent struct {
	Version    string   `json:"version"`
	ID         string   `json:"id"`
	DetailType string   `json:"detail-type"`
	Source     string   `json:"source"`
	Account    string   `json:"account"`
	Time       string   `json:"time"`
	Region     string   `json:"region"`
	Resources  []string `json:"resources"`
	Detail     struct{} `json:"detail"`
}

// deliveries returns what a rule that is due sends to its targets.
func (s *Service) deliveries(t *timing) (out []queue.Outgoing) {
	r := t.rule
	event, err := json.Marshal(scheduledEvent{
		Version: "0", ID: uuid.NewString(), DetailType: "Scheduled Event", Source: "aws.events", Account: r.Account,
		Time: t.next.UTC().Format(time.RFC3339), Region: r.Region, Resources: []string{r.name().arn()},
	})
	if err != nil {
		panic(err) // a struct of texts
	}
	for _, target := range r.Targets {
		d := Delivery{Account: r.Account, RuleARN: r.name().arn(), Target: *target.Arn, Payload: event}
		if target.Input != nil {
			d.Payload = []byte(*target.Input)
		}
		if target.SqsParameters != nil {
			d.GroupID = deref(target.SqsParameters.MessageGroupId)
		}
		m, err := s.options.Address(context.Background(), d)
		if err != nil {
			s.options.Meter.Counter("events_failed_invocations", "rule", r.Name).Add(1)
			s.log.Warn("a rule may not or cannot use its target", "rule", r.name().arn(), "target", *target.Arn, "err", err)
			continue
		}
		s.options.Meter.Counter("events_invocations", "rule", r.Name).Add(1)
		out = append(out, m)
	}
	return out
}

// checkTarget refuses what Naru cannot deliver to.
func checkTarget(text string) error {
	a, err := arn.Parse(text)
	if err != nil {
		return invalid("Parameter %s is not valid. Reason: Provided Arn is not in correct format.", text)
	}
	if !slices.Contains([]string{"lambda", "sqs"}, a.Service) {
		return notYet("targets of the service " + a.Service)
	}
	return nil
}
