// Package events is EventBridge: buses, rules, and what they send to targets.
//
// Buses and rules are records of the catalog. An event that is put on a bus is
// matched against the patterns of its rules at once; what they send is taken by
// the post (see delivery), durably, before the event is acknowledged. Rules with
// a schedule are in a timetable (see firing).
package events

import (
	"context"
	"log/slog"
	"strings"
	"sync"

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
}

// Service is EventBridge.
type Service struct {
	options   Options
	store     *store.Store
	post      *delivery.Post
	clock     *clock.Clock
	log       *slog.Logger
	buses     *store.Table[*Bus]
	rules     *store.Table[*Rule]
	timetable *firing.Timetable
	policies  policy.Cache

	mu       sync.Mutex
	matchers map[string]*matcher // of buses, by key; made when they are needed
}

// Open returns the service on its tables in the store.
func Open(options Options) (*Service, error) {
	s := &Service{
		options: options, store: options.Store, post: options.Post, clock: options.Clock, log: options.Log,
		timetable: firing.New(options.Post, options.Clock, options.Log), matchers: map[string]*matcher{},
	}
	var err error
	if s.buses, err = store.OpenTable[*Bus](s.store, "events-buses"); err != nil {
		return nil, err
	}
	s.rules, err = store.OpenTable[*Rule](s.store, "events-rules")
	return s, err
}

// Start begins to fire the rules that have a schedule.
func (s *Service) Start() error {
	for _, r := range s.rules.All("") {
		if err := s.schedule(r.name()); err != nil {
			return err
		}
	}
	return nil
}

// Close stops firing.
func (s *Service) Close() { s.timetable.Close() }

// Service returns EventBridge's operations.
func (s *Service) Service() wire.Service {
	return wire.Service{
		Name:    "events",
		JSON:    wire.JSON{Version: "1.1", Target: "AWSEvents"},
		MaxBody: 8 << 20, // 1 MiB of events, escaped
		Operations: []wire.Operation{
			wire.Op("CreateEventBus", s.CreateEventBus, onBus(s, "CreateEventBus", func(in *CreateEventBusInput) *string { return in.Name })),
			wire.Op("DescribeEventBus", s.DescribeEventBus, onBus(s, "DescribeEventBus", func(in *DescribeEventBusInput) *string { return in.Name })),
			wire.Op("ListEventBuses", s.ListEventBuses, needsListBuses),
			wire.Op("UpdateEventBus", s.UpdateEventBus, onBus(s, "UpdateEventBus", func(in *UpdateEventBusInput) *string { return in.Name })),
			wire.Op("DeleteEventBus", s.DeleteEventBus, onBus(s, "DeleteEventBus", func(in *DeleteEventBusInput) *string { return in.Name })),
			wire.Op("PutPermission", s.PutPermission, onBus(s, "PutPermission", func(in *PutPermissionInput) *string { return in.EventBusName })),
			wire.Op("RemovePermission", s.RemovePermission, onBus(s, "RemovePermission", func(in *RemovePermissionInput) *string { return in.EventBusName })),
			wire.Op("PutEvents", s.PutEvents, s.needsPutEvents),
			wire.Op("TestEventPattern", s.TestEventPattern, needsTestPattern),
			wire.Op("PutRule", s.PutRule, needsPutRule),
			wire.Op("DescribeRule", s.DescribeRule, onRule("DescribeRule", func(in *DescribeRuleInput) (rule, bus *string) { return in.Name, in.EventBusName })),
			wire.Op("ListRules", s.ListRules, needsListRules),
			wire.Op("ListRuleNamesByTarget", s.ListRuleNamesByTarget, needsListRuleNames),
			wire.Op("EnableRule", s.EnableRule, onRule("EnableRule", func(in *EnableRuleInput) (rule, bus *string) { return in.Name, in.EventBusName })),
			wire.Op("DisableRule", s.DisableRule, onRule("DisableRule", func(in *DisableRuleInput) (rule, bus *string) { return in.Name, in.EventBusName })),
			wire.Op("DeleteRule", s.DeleteRule, onRule("DeleteRule", func(in *DeleteRuleInput) (rule, bus *string) { return in.Name, in.EventBusName })),
			wire.Op("PutTargets", s.PutTargets, needsPutTargets),
			wire.Op("ListTargetsByRule", s.ListTargetsByRule, onRule("ListTargetsByRule", func(in *ListTargetsByRuleInput) (rule, bus *string) { return in.Rule, in.EventBusName })),
			wire.Op("RemoveTargets", s.RemoveTargets, onRule("RemoveTargets", func(in *RemoveTargetsInput) (rule, bus *string) { return in.Rule, in.EventBusName })),
			wire.Op("TagResource", s.TagResource, onResource("TagResource", func(in *TagResourceInput) *string { return in.ResourceARN })),
			wire.Op("UntagResource", s.UntagResource, onResource("UntagResource", func(in *UntagResourceInput) *string { return in.ResourceARN })),
			wire.Op("ListTagsForResource", s.ListTagsForResource, onResource("ListTagsForResource", func(in *ListTagsForResourceInput) *string { return in.ResourceARN })),
		},
	}
}

// onRule returns what an operation on one rule needs.
func onRule[In any](action string, rule func(*In) (rule, bus *string)) func(context.Context, *In) ([]policy.Request, error) {
	return func(ctx context.Context, in *In) ([]policy.Request, error) {
		name, bus := rule(in)
		return []policy.Request{{Action: "events:" + action, Resource: nameOf(ctx, name, bus).arn()}}, nil
	}
}

// onBus returns what an operation on one bus needs.
func onBus[In any](s *Service, action string, bus func(*In) *string) func(context.Context, *In) ([]policy.Request, error) {
	return func(ctx context.Context, in *In) ([]policy.Request, error) {
		return s.need("events:"+action, busOf(ctx, bus(in)))
	}
}

// onResource returns what an operation on the tags of a resource needs.
func onResource[In any](action string, resource func(*In) *string) func(context.Context, *In) ([]policy.Request, error) {
	return func(_ context.Context, in *In) ([]policy.Request, error) {
		return []policy.Request{{Action: "events:" + action, Resource: deref(resource(in))}}, nil
	}
}

func needsPutRule(ctx context.Context, in *PutRuleInput) ([]policy.Request, error) {
	return append([]policy.Request{{Action: "events:PutRule", Resource: nameOf(ctx, in.Name, in.EventBusName).arn()}}, policy.PassRole(in.RoleArn, delivery.Events)...), nil
}

func needsPutTargets(ctx context.Context, in *PutTargetsInput) ([]policy.Request, error) {
	needs := []policy.Request{{Action: "events:PutTargets", Resource: nameOf(ctx, in.Rule, in.EventBusName).arn()}}
	for _, t := range in.Targets {
		needs = append(needs, policy.PassRole(t.RoleArn, delivery.Events)...)
	}
	return needs, nil
}

func needsListRules(ctx context.Context, in *ListRulesInput) ([]policy.Request, error) {
	return needsAllRules(ctx, "ListRules", in.EventBusName), nil
}

func needsListRuleNames(ctx context.Context, in *ListRuleNamesByTargetInput) ([]policy.Request, error) {
	return needsAllRules(ctx, "ListRuleNamesByTarget", in.EventBusName), nil
}

func needsAllRules(ctx context.Context, action string, bus *string) []policy.Request {
	all := "*"
	return []policy.Request{{Action: "events:" + action, Resource: nameOf(ctx, &all, bus).arn()}}
}

func needsListBuses(context.Context, *ListEventBusesInput) ([]policy.Request, error) {
	return []policy.Request{{Action: "events:ListEventBuses", Resource: "*"}}, nil
}

func needsTestPattern(context.Context, *TestEventPatternInput) ([]policy.Request, error) {
	return []policy.Request{{Action: "events:TestEventPattern", Resource: "*"}}, nil
}

// A busName names a bus.
type busName struct{ account, region, bus string }

const defaultBus = "default"

// busOf returns the bus that is named, or whose ARN is given; the default one
// if neither is.
func busOf(ctx context.Context, bus *string) busName {
	c := wire.CallOf(ctx)
	n := busName{c.Account(), c.Region, deref(bus)}
	if n.bus == "" {
		n.bus = defaultBus
	}
	if a, err := arn.Parse(n.bus); err == nil && a.Service == "events" {
		if name, ok := strings.CutPrefix(a.Resource, "event-bus/"); ok {
			return busName{a.Account, a.Region, name}
		}
	}
	return n
}

func (b busName) key() string { return b.account + "/" + b.region + "/" + b.bus }

func (b busName) arn() string {
	return "arn:aws:events:" + b.region + ":" + b.account + ":event-bus/" + b.bus
}

// A name names a rule.
type name struct {
	busName
	rule string
}

func nameOf(ctx context.Context, rule, bus *string) name {
	return name{busOf(ctx, bus), deref(rule)}
}

func (n name) key() string { return n.busName.key() + "/" + n.rule }

func (n name) arn() string {
	rule := n.rule
	if n.bus != defaultBus {
		rule = n.bus + "/" + rule
	}
	return "arn:aws:events:" + n.region + ":" + n.account + ":rule/" + rule
}

func notFound(n name) error {
	return wire.Errorf("ResourceNotFoundException", "Rule %s does not exist on EventBus %s.", n.rule, n.bus)
}

func noBus(b busName) error {
	return wire.Errorf("ResourceNotFoundException", "Event bus %s does not exist.", b.bus)
}

func invalid(format string, args ...any) error {
	return wire.Errorf("ValidationException", format, args...)
}

func violation(value any, member, rule string) error {
	return invalid("1 validation error detected: Value '%v' at '%s' failed to satisfy constraint: %s", value, member, rule)
}

func notYet(what string) error { return invalid("Naru does not have %s yet.", what) }

func deref[T any](p *T) (zero T) {
	if p == nil {
		return zero
	}
	return *p
}
