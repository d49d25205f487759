// Package events is EventBridge: rules, their schedules and targets.
//
// A rule's record is in the catalog. When it last fired is a note in the queue
// engine's shard of the rule, written in one batch with what it sent to its
// targets: a firing happens whole or not at all, and not twice.
package events

import (
	"context"
	"log/slog"
	"sync"

	"naru/internal/clock"
	"naru/internal/meter"
	"naru/internal/policy"
	"naru/internal/queue"
	"naru/internal/store"
	"naru/internal/wire"
)

// Delivery is an event on its way from a rule to a target.
type Delivery struct {
	Account string // of the rule
	RuleARN string
	Target  string // ARN
	GroupID string // of a message in an SQS queue
	Payload []byte
}

// Options are what the service needs.
type Options struct {
	Store  *store.Store
	Engine *queue.Engine
	Clock  *clock.Clock
	Log    *slog.Logger
	Meter  *meter.Registry
	// Address returns the message that brings a delivery to its target. It
	// fails if the target is not there or does not let the rule use it.
	Address func(context.Context, Delivery) (queue.Outgoing, error)
}

// Service is EventBridge.
type Service struct {
	options Options
	store   *store.Store
	engine  *queue.Engine
	clock   *clock.Clock
	log     *slog.Logger
	rules   *store.Table[*Rule]

	mu     sync.Mutex
	due    map[string]*timing // enabled rules with a schedule, by key
	closed bool
	firing sync.WaitGroup
}

// Open returns the service on its table in the store.
func Open(options Options) (*Service, error) {
	s := &Service{
		options: options, store: options.Store, engine: options.Engine, clock: options.Clock, log: options.Log,
		due: map[string]*timing{},
	}
	var err error
	s.rules, err = store.OpenTable[*Rule](s.store, "events-rules")
	return s, err
}

// Service returns EventBridge's operations.
func (s *Service) Service() wire.Service {
	return wire.Service{
		Name: "events",
		JSON: wire.JSON{Version: "1.1", Target: "AWSEvents"},
		Operations: []wire.Operation{
			wire.Op("PutRule", s.PutRule, needsPutRule),
			wire.Op("DescribeRule", s.DescribeRule, onRule("DescribeRule", func(in *DescribeRuleInput) *string { return in.Name })),
			wire.Op("ListRules", s.ListRules, needsListRules),
			wire.Op("EnableRule", s.EnableRule, onRule("EnableRule", func(in *EnableRuleInput) *string { return in.Name })),
			wire.Op("DisableRule", s.DisableRule, onRule("DisableRule", func(in *DisableRuleInput) *string { return in.Name })),
			wire.Op("DeleteRule", s.DeleteRule, onRule("DeleteRule", func(in *DeleteRuleInput) *string { return in.Name })),
			wire.Op("PutTargets", s.PutTargets, needsPutTargets),
			wire.Op("ListTargetsByRule", s.ListTargetsByRule, onRule("ListTargetsByRule", func(in *ListTargetsByRuleInput) *string { return in.Rule })),
			wire.Op("RemoveTargets", s.RemoveTargets, onRule("RemoveTargets", func(in *RemoveTargetsInput) *string { return in.Rule })),
		},
	}
}

// onRule returns what an operation on one rule needs.
func onRule[In any](action string, rule func(*In) *string) func(context.Context, *In) ([]policy.Request, error) {
	return func(ctx context.Context, in *In) ([]policy.Request, error) {
		return []policy.Request{{Action: "events:" + action, Resource: nameOf(ctx, rule(in)).arn()}}, nil
	}
}

func needsPutRule(ctx context.Context, in *PutRuleInput) ([]policy.Request, error) {
	return append([]policy.Request{{Action: "events:PutRule", Resource: nameOf(ctx, in.Name).arn()}}, policy.PassRole(in.RoleArn, "events.amazonaws.com")...), nil
}

func needsPutTargets(ctx context.Context, in *PutTargetsInput) ([]policy.Request, error) {
	needs := []policy.Request{{Action: "events:PutTargets", Resource: nameOf(ctx, in.Rule).arn()}}
	for _, t := range in.Targets {
		needs = append(needs, policy.PassRole(t.RoleArn, "events.amazonaws.com")...)
	}
	return needs, nil
}

func needsListRules(ctx context.Context, _ *ListRulesInput) ([]policy.Request, error) {
	all := "*"
	return []policy.Request{{Action: "events:ListRules", Resource: nameOf(ctx, &all).arn()}}, nil
}

// A name names a rule on the default bus.
type name struct{ account, region, rule string }

func nameOf(ctx context.Context, rule *string) name {
	c := wire.CallOf(ctx)
	return name{c.Account(), c.Region, deref(rule)}
}

func (n name) key() string { return n.account + "/" + n.region + "/" + n.rule }

func (n name) arn() string { return "arn:aws:events:" + n.region + ":" + n.account + ":rule/" + n.rule }

func notFound(n name) error {
	return wire.Errorf("ResourceNotFoundException", "Rule %s does not exist on EventBus default.", n.rule)
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
