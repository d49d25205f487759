package events

import (
	"time"

	"naru/internal/arn"
	"naru/internal/delivery"
	"naru/internal/pattern"
)

// A matcher finds the rules of a bus that match an event. It is immutable.
type matcher struct {
	set   *pattern.Set
	rules []*Rule // of the patterns in set
}

// matcherOf returns the matcher of a bus, which it makes if the rules have
// changed.
func (s *Service) matcherOf(bus busName) *matcher {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.matchers[bus.key()]; m != nil {
		return m
	}
	m := &matcher{}
	var patterns []*pattern.Pattern
	for _, r := range s.rules.All(bus.key() + "/") {
		if r.Pattern == "" || !r.enabled() {
			continue
		}
		p, err := pattern.Parse(r.Pattern)
		if err != nil {
			s.log.Error("a rule has a pattern that cannot be read", "rule", r.name().arn(), "err", err)
			continue
		}
		patterns, m.rules = append(patterns, p), append(m.rules, r)
	}
	m.set = pattern.NewSet(patterns)
	s.matchers[bus.key()] = m
	return m
}

// forgetMatcher has the matcher of a bus made anew: its rules have changed.
func (s *Service) forgetMatcher(bus busName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.matchers, bus.key())
}

// match returns what the rules of its bus send of an event.
func (s *Service) match(a arrival) (all []*delivery.Delivery, err error) {
	m := s.matcherOf(a.bus)
	if len(m.rules) == 0 {
		return nil, nil
	}
	e, err := pattern.Decode(a.text)
	if err != nil {
		return nil, err
	}
	now := s.clock.Now()
	for _, i := range m.set.Match(e) {
		r := m.rules[i]
		s.options.Meter.Counter("events_matched_events", "rule", r.Name).Add(1)
		all = append(all, s.send(sending{r, a.text, now}, a.id, a.hops)...)
	}
	return all, nil
}

// maxHops is how many buses an event comes through. One that a rule sends to
// another bus is sent to no third.
const maxHops = 1

// send returns what a rule sends to its targets.
func (s *Service) send(what sending, id string, hops int) (all []*delivery.Delivery) {
	r := what.rule
	for i := range r.Targets {
		t := &r.Targets[i]
		if a, err := arn.Parse(*t.Arn); err == nil && a.Service == "events" && hops >= maxHops {
			s.log.Warn("an event that came from another bus is not sent to a third", "rule", r.name().arn(), "target", *t.Arn)
			continue
		}
		payload, err := t.payload(what)
		if err != nil {
			s.log.Error("what a rule sends cannot be made", "rule", r.name().arn(), "target", *t.Id, "err", err)
			continue
		}
		d := &delivery.Delivery{
			ID: id, Service: delivery.Events, Account: r.Account, Region: r.Region, Source: r.name().arn(), Role: deref(t.RoleArn),
			TargetID: *t.Id, Target: *t.Arn, Payload: payload, At: what.at, Hops: hops,
			MaxAge: mostAge * time.Second, MaxRetries: mostRetry,
		}
		if p := t.RetryPolicy; p != nil {
			if p.MaximumEventAgeInSeconds != nil {
				d.MaxAge = time.Duration(*p.MaximumEventAgeInSeconds) * time.Second
			}
			if p.MaximumRetryAttempts != nil {
				d.MaxRetries = int(*p.MaximumRetryAttempts)
			}
		}
		if t.SqsParameters != nil {
			d.GroupID = deref(t.SqsParameters.MessageGroupId)
		}
		if t.DeadLetterConfig != nil {
			d.DeadLetter = deref(t.DeadLetterConfig.Arn)
		}
		all = append(all, d)
	}
	return all
}
