package scheduler

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"time"

	"github.com/google/uuid"

	"naru/internal/arn"
	"naru/internal/delivery"
	"naru/internal/firing"
	"naru/internal/schedule"
	"naru/internal/store"
)

func entryKey(n name) string { return "schedule:" + n.key() }

// arm has a schedule fire as it is now, or not at all.
func (s *Service) arm(n name) error {
	gone := false
	err := s.timetable.Set(entryKey(n), func() *firing.Entry {
		e := s.entry(n)
		gone = e == nil
		return e
	})
	if gone {
		err = errors.Join(err, s.options.Post.Forget(n.arn()))
	}
	return err
}

// entry returns how a schedule fires, nil if it is not there.
func (s *Service) entry(n name) *firing.Entry {
	sc, ok := s.schedules.Get(n.key())
	if !ok {
		return nil
	}
	options := s.firingOptions(sc)
	e := &firing.Entry{
		Key: entryKey(n), Since: sc.Since, Next: s.next(sc), CatchUp: options.CatchUp, Spread: options.Jitter,
		Fire: func(at time.Time) []*delivery.Delivery { return s.fire(n, at) },
	}
	if window := sc.Settings.Window; deref(window.Mode) == flexible {
		e.Spread = max(e.Spread, time.Duration(*window.MaximumWindowInMinutes)*time.Minute)
	}
	if sc.Settings.AtTheEnd == remove && sc.Settings.State == enabled {
		e.Ended = func() { s.complete(sc) }
	}
	return e
}

// firingOptions returns what a schedule's tags, and those of its group, say of
// its firings.
func (s *Service) firingOptions(sc *Schedule) firing.Options {
	tags := map[string]string{}
	if g, err := s.group(sc.name().groupName); err == nil {
		maps.Copy(tags, g.Tags)
	}
	maps.Copy(tags, sc.Tags)
	options, err := firing.ParseOptions(tags)
	if err != nil {
		s.log.Error("a schedule has tags that cannot be read", "schedule", sc.name().arn(), "err", err)
	}
	return options
}

// next returns when a schedule is due after a time. What fires once has no start
// or end.
func (s *Service) next(sc *Schedule) func(after time.Time) time.Time {
	set := sc.Settings
	when, err := schedule.ParseScheduler(set.Expression)
	zone, zoneErr := schedule.Zone(set.Timezone)
	if err = errors.Join(err, zoneErr); err != nil {
		s.log.Error("a schedule cannot be read", "schedule", sc.name().arn(), "err", err)
	}
	if err != nil || set.State != enabled {
		return func(time.Time) time.Time { return time.Time{} }
	}
	start := sc.Since
	if set.Start != nil {
		start = *set.Start
	}
	once := strings.HasPrefix(set.Expression, "at(")
	return func(after time.Time) time.Time {
		at := when.Next(after, start, zone)
		if !once && set.End != nil && at.After(*set.End) {
			return time.Time{}
		}
		return at
	}
}

// complete deletes a schedule that has fired for the last time, unless it was
// changed since.
func (s *Service) complete(sc *Schedule) {
	n := sc.name()
	err := s.store.Catalog().Update(func(tx *store.Tx) error {
		if now, ok := s.schedules.Get(n.key()); ok && now == sc {
			s.schedules.Delete(tx, n.key())
		}
		return nil
	})
	if err == nil {
		err = s.arm(n)
	}
	if err != nil {
		s.log.Error("a schedule that is completed could not be deleted", "schedule", n.arn(), "err", err)
	}
}

// fire returns what a schedule that was due sends.
func (s *Service) fire(n name, at time.Time) []*delivery.Delivery {
	sc, ok := s.schedules.Get(n.key())
	if !ok || sc.Settings.State != enabled {
		return nil
	}
	s.options.Meter.Counter("scheduler_triggered_schedules", "schedule", n.schedule).Add(1)
	t := sc.Settings.Target
	id := uuid.New()
	d := &delivery.Delivery{
		ID: hex.EncodeToString(id[:8]), Service: delivery.Scheduler, Account: sc.Account, Region: sc.Region, Source: n.arn(), Role: *t.RoleArn,
		Target: *t.Arn, At: at, Overlap: s.firingOptions(sc).Overlap,
		MaxAge:     time.Duration(*t.RetryPolicy.MaximumEventAgeInSeconds) * time.Second,
		MaxRetries: int(*t.RetryPolicy.MaximumRetryAttempts),
	}
	d.Payload = sc.payload(d.ID, at)
	if t.SqsParameters != nil {
		d.GroupID = deref(t.SqsParameters.MessageGroupId)
	}
	if t.DeadLetterConfig != nil {
		d.DeadLetter = deref(t.DeadLetterConfig.Arn)
	}
	if p := t.EventBridgeParameters; p != nil {
		d.Event = &delivery.Origin{Source: deref(p.Source), DetailType: deref(p.DetailType)}
	}
	return []*delivery.Delivery{d}
}

// notification is what targets get that were not told what to send.
type notification struct {
	Version    string   `json:"version"`
	ID         string   `json:"id"`
	DetailType string   `json:"detail-type"`
	Source     string   `json:"source"`
	Account    string   `json:"account"`
	Time       string   `json:"time"`
	Region     string   `json:"region"`
	Resources  []string `json:"resources"`
	Detail     string   `json:"detail"`
}

// payload returns what a target is sent: its input, in which some words are
// replaced, or else a notification. Calls of an API, and events, have none.
func (sc *Schedule) payload(id string, at time.Time) string {
	t, due := sc.Settings.Target, at.UTC().Format(time.RFC3339)
	if t.Input != nil {
		return strings.NewReplacer(
			"<aws.scheduler.schedule-arn>", sc.name().arn(), "<aws.scheduler.scheduled-time>", due, "<aws.scheduler.execution-id>", id,
		).Replace(*t.Input)
	}
	if a, err := arn.Parse(*t.Arn); err == nil && (a.Service == "scheduler" || a.Service == "events") {
		return "{}"
	}
	text, err := json.Marshal(notification{
		Version: "0", ID: uuid.NewString(), DetailType: "Scheduled Event", Source: "aws.scheduler", Account: sc.Account,
		Time: due, Region: sc.Region, Resources: []string{sc.name().arn()}, Detail: "{}",
	})
	if err != nil {
		panic(err) // a struct of texts
	}
	return string(text)
}
