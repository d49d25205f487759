// Package scheduler is EventBridge Scheduler: schedules, their groups, and what
// they send to targets.
//
// Schedules and groups are records of the catalog. An enabled schedule is in a
// timetable (see firing); what it sends is made by the post (see delivery), by
// the role that its target names.
package scheduler

import (
	"context"
	"encoding/base64"
	"log/slog"
	"net/http"
	"regexp"
	"strings"

	"naru/internal/arn"
	"naru/internal/clock"
	"naru/internal/delivery"
	"naru/internal/firing"
	"naru/internal/meter"
	"naru/internal/policy"
	"naru/internal/store"
	"naru/internal/wire"
)

// Options are what the service needs.
type Options struct {
	Store *store.Store
	Post  *delivery.Post
	Clock *clock.Clock
	Log   *slog.Logger
	Meter *meter.Registry
	// Assume fails if EventBridge Scheduler may not assume a role.
	Assume func(role string) error
	// Universal reports whether Naru has an operation, as universal targets name
	// it: "sqs", "sendMessage".
	Universal func(service, action string) bool
}

// Service is EventBridge Scheduler.
type Service struct {
	options   Options
	store     *store.Store
	clock     *clock.Clock
	log       *slog.Logger
	schedules *store.Table[*Schedule]
	groups    *store.Table[*Group]
	timetable *firing.Timetable
}

// Open returns the service on its tables in the store.
func Open(options Options) (*Service, error) {
	s := &Service{
		options: options, store: options.Store, clock: options.Clock, log: options.Log,
		timetable: firing.New(options.Post, options.Clock, options.Log),
	}
	var err error
	if s.schedules, err = store.OpenTable[*Schedule](s.store, "scheduler-schedules"); err != nil {
		return nil, err
	}
	s.groups, err = store.OpenTable[*Group](s.store, "scheduler-groups")
	return s, err
}

// Start begins to fire.
func (s *Service) Start() error {
	for _, sc := range s.schedules.All("") {
		if err := s.arm(sc.name()); err != nil {
			return err
		}
	}
	return nil
}

// Close stops firing.
func (s *Service) Close() { s.timetable.Close() }

// Service returns the operations of EventBridge Scheduler.
func (s *Service) Service() wire.Service {
	return wire.Service{
		Name:   "scheduler",
		Errors: errorForms,
		Owns:   ownsPath,
		Operations: []wire.Operation{
			wire.Op("CreateSchedule", s.CreateSchedule, needsCreate).At("POST", "/schedules/{Name}", http.StatusOK),
			wire.Op("GetSchedule", s.GetSchedule, onSchedule("GetSchedule", func(in *GetScheduleInput) (name, group *string) { return &in.Name, in.GroupName })).At("GET", "/schedules/{Name}", http.StatusOK),
			wire.Op("UpdateSchedule", s.UpdateSchedule, needsUpdate).At("PUT", "/schedules/{Name}", http.StatusOK),
			wire.Op("DeleteSchedule", s.DeleteSchedule, onSchedule("DeleteSchedule", func(in *DeleteScheduleInput) (name, group *string) { return &in.Name, in.GroupName })).At("DELETE", "/schedules/{Name}", http.StatusOK),
			wire.Op("ListSchedules", s.ListSchedules, needsList).At("GET", "/schedules", http.StatusOK),
			wire.Op("CreateScheduleGroup", s.CreateScheduleGroup, onGroup("CreateScheduleGroup", func(in *CreateScheduleGroupInput) string { return in.Name })).At("POST", "/schedule-groups/{Name}", http.StatusOK),
			wire.Op("GetScheduleGroup", s.GetScheduleGroup, onGroup("GetScheduleGroup", func(in *GetScheduleGroupInput) string { return in.Name })).At("GET", "/schedule-groups/{Name}", http.StatusOK),
			wire.Op("DeleteScheduleGroup", s.DeleteScheduleGroup, onGroup("DeleteScheduleGroup", func(in *DeleteScheduleGroupInput) string { return in.Name })).At("DELETE", "/schedule-groups/{Name}", http.StatusOK),
			wire.Op("ListScheduleGroups", s.ListScheduleGroups, needsListGroups).At("GET", "/schedule-groups", http.StatusOK),
			wire.Op("TagResource", s.TagResource, onResource("TagResource", func(in *TagResourceInput) string { return in.ResourceArn })).At("POST", "/tags/{ResourceArn}", http.StatusOK),
			wire.Op("UntagResource", s.UntagResource, onResource("UntagResource", func(in *UntagResourceInput) string { return in.ResourceArn })).At("DELETE", "/tags/{ResourceArn}", http.StatusOK),
			wire.Op("ListTagsForResource", s.ListTagsForResource, onResource("ListTagsForResource", func(in *ListTagsForResourceInput) string { return in.ResourceArn })).At("GET", "/tags/{ResourceArn}", http.StatusOK),
		},
	}
}

var errorForms = map[string]wire.ErrorForm{
	"ValidationException":           {Status: http.StatusBadRequest, Upper: true},
	"ConflictException":             {Status: http.StatusConflict, Upper: true},
	"ResourceNotFoundException":     {Status: http.StatusNotFound, Upper: true},
	"ServiceQuotaExceededException": {Status: http.StatusPaymentRequired, Upper: true},
}

// ownsPath reports whether a path is Scheduler's, for requests without
// signature.
func ownsPath(path string) bool {
	return strings.HasPrefix(path, "/schedules") || strings.HasPrefix(path, "/schedule-groups") || strings.HasPrefix(path, "/tags/arn:aws:scheduler:")
}

func onSchedule[In any](action string, of func(*In) (name, group *string)) func(context.Context, *In) ([]policy.Request, error) {
	return func(ctx context.Context, in *In) ([]policy.Request, error) {
		schedule, group := of(in)
		return []policy.Request{{Action: "scheduler:" + action, Resource: nameOf(ctx, schedule, group).arn()}}, nil
	}
}

func onGroup[In any](action string, group func(*In) string) func(context.Context, *In) ([]policy.Request, error) {
	return func(ctx context.Context, in *In) ([]policy.Request, error) {
		return []policy.Request{{Action: "scheduler:" + action, Resource: groupOf(ctx, group(in)).arn()}}, nil
	}
}

func onResource[In any](action string, resource func(*In) string) func(context.Context, *In) ([]policy.Request, error) {
	return func(_ context.Context, in *In) ([]policy.Request, error) {
		return []policy.Request{{Action: "scheduler:" + action, Resource: resource(in)}}, nil
	}
}

func needsCreate(ctx context.Context, in *CreateScheduleInput) ([]policy.Request, error) {
	return in.needs(ctx, "CreateSchedule"), nil
}

func needsUpdate(ctx context.Context, in *UpdateScheduleInput) ([]policy.Request, error) {
	return (*CreateScheduleInput)(in).needs(ctx, "UpdateSchedule"), nil
}

func (in *CreateScheduleInput) needs(ctx context.Context, action string) []policy.Request {
	needs := []policy.Request{{Action: "scheduler:" + action, Resource: nameOf(ctx, &in.Name, in.GroupName).arn()}}
	if in.Target == nil {
		return needs
	}
	return append(needs, policy.PassRole(in.Target.RoleArn, delivery.Scheduler)...)
}

func needsList(ctx context.Context, in *ListSchedulesInput) ([]policy.Request, error) {
	all, group := "*", in.GroupName
	if group == nil {
		group = &all
	}
	return []policy.Request{{Action: "scheduler:ListSchedules", Resource: nameOf(ctx, &all, group).arn()}}, nil
}

func needsListGroups(ctx context.Context, _ *ListScheduleGroupsInput) ([]policy.Request, error) {
	return []policy.Request{{Action: "scheduler:ListScheduleGroups", Resource: groupOf(ctx, "*").arn()}}, nil
}

// A groupName names a schedule group.
type groupName struct{ account, region, group string }

const defaultGroup = "default"

// groupOf returns the group that is named, the default one for "".
func groupOf(ctx context.Context, group string) groupName {
	c := wire.CallOf(ctx)
	if group == "" {
		group = defaultGroup
	}
	return groupName{c.Account(), c.Region, group}
}

func (g groupName) key() string { return g.account + "/" + g.region + "/" + g.group }

func (g groupName) arn() string {
	return arn.New("scheduler", g.region, g.account, "schedule-group/"+g.group).String()
}

// A name names a schedule.
type name struct {
	groupName
	schedule string
}

func nameOf(ctx context.Context, schedule, group *string) name {
	return name{groupOf(ctx, deref(group)), deref(schedule)}
}

func (n name) key() string { return n.groupName.key() + "/" + n.schedule }

func (n name) arn() string {
	return arn.New("scheduler", n.region, n.account, "schedule/"+n.group+"/"+n.schedule).String()
}

var nameForm = regexp.MustCompile(`^[0-9a-zA-Z-_.]+$`)

// checkName refuses what cannot be the name of a schedule or group.
func checkName(text, member string) error {
	switch {
	case text == "":
		return violation(text, member, "Member must have length greater than or equal to 1")
	case len(text) > 64:
		return violation(text, member, "Member must have length less than or equal to 64")
	case !nameForm.MatchString(text):
		return violation(text, member, "Member must satisfy regular expression pattern: ^[0-9a-zA-Z-_.]+$")
	}
	return nil
}

func invalid(format string, args ...any) error {
	return wire.Errorf("ValidationException", format, args...)
}

func violation(value any, member, rule string) error {
	return invalid("1 validation error detected: Value '%v' at '%s' failed to satisfy constraint: %s", value, member, rule)
}

func missing(member string) error {
	return invalid("1 validation error detected: Value null at '%s' failed to satisfy constraint: Member must not be null", member)
}

func deref[T any](p *T) (zero T) {
	if p == nil {
		return zero
	}
	return *p
}

// page reads the size of a page, 100 if it is not given, and where it begins.
func page(limit *int32, token *string) (most int, from string, err error) {
	most = 100
	if limit != nil {
		switch {
		case *limit < 1:
			return 0, "", violation(*limit, "maxResults", "Member must have value greater than or equal to 1")
		case *limit > 100:
			return 0, "", violation(*limit, "maxResults", "Member must have value less than or equal to 100")
		}
		most = int(*limit)
	}
	text, err := base64.RawURLEncoding.DecodeString(deref(token))
	if err != nil {
		return 0, "", invalid("The NextToken is not valid.")
	}
	return most, string(text), nil
}

func tokenOf(key string) *string {
	token := base64.RawURLEncoding.EncodeToString([]byte(key))
	return &token
}
