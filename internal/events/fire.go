package events

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"

	"naru/internal/delivery"
	"naru/internal/firing"
	"naru/internal/schedule"
)

func entryKey(n name) string { return "rule:" + n.key() }

// schedule has a rule fire as it is now: by its schedule, or not at all.
func (s *Service) schedule(n name) error {
	fires := false
	err := s.timetable.Set(entryKey(n), func() *firing.Entry {
		e := s.entry(n)
		fires = e != nil
		return e
	})
	if !fires {
		err = errors.Join(err, s.post.Forget(n.arn()))
	}
	return err
}

// entry returns how a rule fires by its schedule, nil if it has none.
func (s *Service) entry(n name) *firing.Entry {
	r, ok := s.rules.Get(n.key())
	if !ok || r.Schedule == "" {
		return nil
	}
	e := &firing.Entry{Key: entryKey(n), Since: r.Since, Fire: func(at time.Time) []*delivery.Delivery { return s.fire(n, at) }}
	when, err := schedule.Parse(r.Schedule)
	if err != nil {
		s.log.Error("a rule has a schedule that cannot be read", "rule", n.arn(), "err", err)
	}
	if err != nil || !r.enabled() {
		when = schedule.Schedule{} // which never fires
	}
	e.Next = func(after time.Time) time.Time { return when.Next(after, r.Since, time.UTC) }
	options, err := firing.ParseOptions(r.Tags)
	if err != nil {
		s.log.Error("a rule has tags that cannot be read", "rule", n.arn(), "err", err)
	}
	e.CatchUp, e.Spread = options.CatchUp, options.Jitter
	return e
}

// fire returns what a rule that was due sends.
func (s *Service) fire(n name, at time.Time) []*delivery.Delivery {
	r, ok := s.rules.Get(n.key())
	if !ok || !r.enabled() || r.Schedule == "" {
		return nil
	}
	id := uuid.NewString()
	event := marshal(envelope{
		Version: "0", ID: id, DetailType: "Scheduled Event", Source: "aws.events", Account: r.Account,
		Time: at.UTC().Format(time.RFC3339), Region: r.Region, Resources: []string{n.arn()}, Detail: json.RawMessage("{}"),
	})
	s.options.Meter.Counter("events_triggered_rules", "rule", n.rule).Add(1)
	all := s.send(sending{r, event, s.clock.Now()}, id, 0)
	options, err := firing.ParseOptions(r.Tags)
	if err != nil {
		s.log.Error("a rule has tags that cannot be read", "rule", n.arn(), "err", err)
	}
	for _, d := range all {
		d.Overlap = options.Overlap
	}
	return all
}
