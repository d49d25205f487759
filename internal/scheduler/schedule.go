package scheduler

import (
	"context"
	"strings"
	"time"

	"naru/internal/schedule"
	"naru/internal/store"
	"naru/internal/wire"
)

// Schedule is a schedule as the catalog keeps it, under account, region, group
// and name. A record is never changed, only replaced.
type Schedule struct {
	Account  string
	Region   string
	Group    string
	Name     string
	Settings Settings
	Token    *string           `json:",omitempty"` // of the request that made it
	Tags     map[string]string `json:",omitempty"`
	Created  time.Time
	Modified time.Time
	// Since is when the schedule was made, or enabled or given other times last:
	// a rate counts from there, unless it has a start date.
	Since time.Time
}

func (sc *Schedule) name() name {
	return name{groupName{sc.Account, sc.Region, sc.Group}, sc.Name}
}

// Settings are what a schedule's owner says of it.
type Settings struct {
	Expression  string
	Timezone    string
	Start, End  *time.Time `json:",omitempty"`
	Window      FlexibleTimeWindow
	Target      Target
	State       string
	AtTheEnd    string  // ActionAfterCompletion
	Description *string `json:",omitempty"`
	KmsKeyArn   *string `json:",omitempty"`
}

const (
	enabled  = "ENABLED"
	disabled = "DISABLED"
	off      = "OFF"
	flexible = "FLEXIBLE"
	keep     = "NONE"
	remove   = "DELETE"
)

// FlexibleTimeWindow is the window in which a schedule fires.
type FlexibleTimeWindow struct {
	Mode                   *string
	MaximumWindowInMinutes *int32 `json:",omitempty"`
}

type CreateScheduleInput struct {
	Name                       string `aws:",uri"`
	GroupName                  *string
	ScheduleExpression         *string
	ScheduleExpressionTimezone *string
	StartDate                  *time.Time
	EndDate                    *time.Time
	FlexibleTimeWindow         *FlexibleTimeWindow
	Target                     *Target
	State                      *string
	ActionAfterCompletion      *string
	Description                *string
	KmsKeyArn                  *string
	ClientToken                *string
}

type CreateScheduleOutput struct{ ScheduleArn string }

// CreateSchedule makes a schedule. A request that is repeated, by its token, has
// the reply of the first.
func (s *Service) CreateSchedule(ctx context.Context, in *CreateScheduleInput) (*CreateScheduleOutput, error) {
	n := nameOf(ctx, &in.Name, in.GroupName)
	settings, err := s.settings(in)
	if err != nil {
		return nil, err
	}
	err = s.store.Catalog().Update(func(tx *store.Tx) error {
		if _, err := s.group(n.groupName); err != nil {
			return err
		}
		if old, ok := s.schedules.Get(n.key()); ok {
			if repeats(in.ClientToken, old.Token) {
				return nil
			}
			return wire.Errorf("ConflictException", "Schedule %s already exists.", in.Name)
		}
		now := s.clock.Now()
		return s.schedules.Put(tx, n.key(), &Schedule{
			Account: n.account, Region: n.region, Group: n.group, Name: n.schedule, Settings: *settings,
			Token: in.ClientToken, Created: now, Modified: now, Since: now,
		})
	})
	if err != nil {
		return nil, err
	}
	return &CreateScheduleOutput{n.arn()}, s.arm(n)
}

// settings checks what a schedule is to be, and fills in what was left out.
func (s *Service) settings(in *CreateScheduleInput) (*Settings, error) {
	if err := checkName(in.Name, "name"); err != nil {
		return nil, err
	}
	switch {
	case in.ScheduleExpression == nil:
		return nil, missing("scheduleExpression")
	case in.FlexibleTimeWindow == nil:
		return nil, missing("flexibleTimeWindow")
	case in.Target == nil:
		return nil, missing("target")
	}
	set := &Settings{
		Expression: *in.ScheduleExpression, Timezone: deref(in.ScheduleExpressionTimezone), Start: in.StartDate, End: in.EndDate,
		Window: *in.FlexibleTimeWindow, Target: *in.Target, State: deref(in.State), AtTheEnd: deref(in.ActionAfterCompletion),
		Description: in.Description, KmsKeyArn: in.KmsKeyArn,
	}
	fill(&set.Timezone, "UTC")
	fill(&set.State, enabled)
	fill(&set.AtTheEnd, keep)
	set.Target.fill()
	if err := set.check(); err != nil {
		return nil, err
	}
	return set, s.checkTarget(&set.Target)
}

func fill(text *string, otherwise string) {
	if *text == "" {
		*text = otherwise
	}
}

func (set *Settings) check() error {
	if _, err := schedule.ParseScheduler(set.Expression); err != nil || len(set.Expression) > 256 {
		return invalid("Invalid Schedule Expression %s.", set.Expression)
	}
	if _, err := schedule.Zone(set.Timezone); err != nil {
		return invalid("Invalid Schedule Expression Timezone %s.", set.Timezone)
	}
	switch {
	case set.State != enabled && set.State != disabled:
		return violation(set.State, "state", "Member must satisfy enum value set: [ENABLED, DISABLED]")
	case set.AtTheEnd != keep && set.AtTheEnd != remove:
		return violation(set.AtTheEnd, "actionAfterCompletion", "Member must satisfy enum value set: [NONE, DELETE]")
	case len(deref(set.Description)) > 512:
		return violation(*set.Description, "description", "Member must have length less than or equal to 512")
	case set.Start != nil && set.End != nil && !set.Start.Before(*set.End):
		return invalid("The StartDate you specify must come before the EndDate.")
	}
	return set.Window.check()
}

func (w FlexibleTimeWindow) check() error {
	minutes := deref(w.MaximumWindowInMinutes)
	switch mode := deref(w.Mode); {
	case w.Mode == nil:
		return missing("flexibleTimeWindow.mode")
	case mode != off && mode != flexible:
		return violation(mode, "flexibleTimeWindow.mode", "Member must satisfy enum value set: [OFF, FLEXIBLE]")
	case w.MaximumWindowInMinutes != nil && (minutes < 1 || minutes > 1440):
		return violation(minutes, "flexibleTimeWindow.maximumWindowInMinutes", "Member must have value between 1 and 1440")
	case mode == off && w.MaximumWindowInMinutes != nil:
		return invalid("A MaximumWindowInMinutes must not be specified for a FlexibleTimeWindow that is OFF.")
	case mode == flexible && w.MaximumWindowInMinutes == nil:
		return invalid("A MaximumWindowInMinutes must be specified for a FlexibleTimeWindow that is FLEXIBLE.")
	}
	return nil
}

// UpdateScheduleInput is the input of UpdateSchedule: that of CreateSchedule.
type UpdateScheduleInput CreateScheduleInput

type UpdateScheduleOutput struct{ ScheduleArn string }

// UpdateSchedule replaces what a schedule is: what is not given is as in a new
// one.
func (s *Service) UpdateSchedule(ctx context.Context, in *UpdateScheduleInput) (*UpdateScheduleOutput, error) {
	n := nameOf(ctx, &in.Name, in.GroupName)
	settings, err := s.settings((*CreateScheduleInput)(in))
	if err != nil {
		return nil, err
	}
	err = s.change(n, func(sc *Schedule) error {
		old := sc.Settings
		sc.Settings, sc.Modified = *settings, s.clock.Now()
		if old.Expression != settings.Expression || old.Timezone != settings.Timezone || old.State != settings.State && settings.State == enabled || !same(old.Start, settings.Start) {
			sc.Since = sc.Modified
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &UpdateScheduleOutput{n.arn()}, nil
}

func same(a, b *time.Time) bool { return deref(a).Equal(deref(b)) }

// schedule returns a schedule.
func (s *Service) schedule(n name) (*Schedule, error) {
	if _, err := s.group(n.groupName); err != nil {
		return nil, err
	}
	sc, ok := s.schedules.Get(n.key())
	if !ok {
		return nil, wire.Errorf("ResourceNotFoundException", "Schedule %s does not exist.", n.schedule)
	}
	return sc, nil
}

// change replaces a schedule by what change makes of a copy.
func (s *Service) change(n name, change func(*Schedule) error) error {
	err := s.store.Catalog().Update(func(tx *store.Tx) error {
		old, err := s.schedule(n)
		if err != nil {
			return err
		}
		sc := *old
		if err := change(&sc); err != nil {
			return err
		}
		return s.schedules.Put(tx, n.key(), &sc)
	})
	if err != nil {
		return err
	}
	return s.arm(n)
}

type GetScheduleInput struct {
	Name      string  `aws:",uri"`
	GroupName *string `aws:"groupName,query"`
}

type GetScheduleOutput struct {
	ActionAfterCompletion      string
	Arn                        string
	CreationDate               time.Time
	Description                *string
	EndDate                    *time.Time
	FlexibleTimeWindow         *FlexibleTimeWindow
	GroupName                  string
	KmsKeyArn                  *string
	LastModificationDate       time.Time
	Name                       string
	ScheduleExpression         string
	ScheduleExpressionTimezone string
	StartDate                  *time.Time
	State                      string
	Target                     *Target
}

// GetSchedule returns a schedule.
func (s *Service) GetSchedule(ctx context.Context, in *GetScheduleInput) (*GetScheduleOutput, error) {
	sc, err := s.schedule(nameOf(ctx, &in.Name, in.GroupName))
	if err != nil {
		return nil, err
	}
	set := sc.Settings
	return &GetScheduleOutput{
		ActionAfterCompletion: set.AtTheEnd, Arn: sc.name().arn(), CreationDate: sc.Created, Description: set.Description, EndDate: set.End,
		FlexibleTimeWindow: &set.Window, GroupName: sc.Group, KmsKeyArn: set.KmsKeyArn, LastModificationDate: sc.Modified, Name: sc.Name,
		ScheduleExpression: set.Expression, ScheduleExpressionTimezone: set.Timezone, StartDate: set.Start, State: set.State, Target: &set.Target,
	}, nil
}

type DeleteScheduleInput struct {
	Name        string  `aws:",uri"`
	GroupName   *string `aws:"groupName,query"`
	ClientToken *string `aws:"clientToken,query"`
}

// DeleteSchedule deletes a schedule.
func (s *Service) DeleteSchedule(ctx context.Context, in *DeleteScheduleInput) (*wire.None, error) {
	n := nameOf(ctx, &in.Name, in.GroupName)
	err := s.store.Catalog().Update(func(tx *store.Tx) error {
		_, err := s.schedule(n)
		s.schedules.Delete(tx, n.key())
		return err
	})
	if err != nil {
		return nil, err
	}
	return &wire.None{}, s.arm(n)
}

type ListSchedulesInput struct {
	GroupName  *string `aws:"ScheduleGroup,query"`
	NamePrefix *string `aws:",query"`
	State      *string `aws:",query"`
	MaxResults *int32  `aws:",query"`
	NextToken  *string `aws:",query"`
}

type ListSchedulesOutput struct {
	Schedules []ScheduleSummary
	NextToken *string
}

// ScheduleSummary is a schedule in lists.
type ScheduleSummary struct {
	Arn                  string
	CreationDate         time.Time
	GroupName            string
	LastModificationDate time.Time
	Name                 string
	State                string
	Target               *TargetSummary
}

// TargetSummary is a schedule's target in lists.
type TargetSummary struct{ Arn string }

// ListSchedules returns schedules by group and name, 100 at a time.
func (s *Service) ListSchedules(ctx context.Context, in *ListSchedulesInput) (*ListSchedulesOutput, error) {
	most, from, err := page(in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	if state := deref(in.State); state != "" && state != enabled && state != disabled {
		return nil, violation(state, "state", "Member must satisfy enum value set: [ENABLED, DISABLED]")
	}
	n := groupOf(ctx, deref(in.GroupName))
	prefix := strings.TrimSuffix(n.key(), n.group)
	if in.GroupName != nil {
		if _, err := s.group(n); err != nil {
			return nil, err
		}
		prefix = n.key() + "/"
	}
	out := &ListSchedulesOutput{Schedules: []ScheduleSummary{}}
	for key, sc := range s.schedules.From(prefix, from) {
		if !strings.HasPrefix(sc.Name, deref(in.NamePrefix)) || in.State != nil && sc.Settings.State != *in.State {
			continue
		}
		if len(out.Schedules) == most {
			out.NextToken = tokenOf(key)
			break
		}
		out.Schedules = append(out.Schedules, ScheduleSummary{
			sc.name().arn(), sc.Created, sc.Group, sc.Modified, sc.Name, sc.Settings.State, &TargetSummary{deref(sc.Settings.Target.Arn)},
		})
	}
	return out, nil
}
