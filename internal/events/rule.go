package events

import (
	"context"
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
	"time"

	"naru/internal/schedule"
	"naru/internal/store"
	"naru/internal/wire"
)

// Rule is a rule as the catalog keeps it, under account, region and name. A
// record is never changed, only replaced.
type Rule struct {
	Account     string
	Region      string
	Name        string
	Description *string
	Schedule    string // expression
	State       string
	RoleArn     *string
	// Since is when the rule was made, or enabled or given another schedule
	// last: a rate counts from there.
	Since   time.Time
	Targets []Target
}

func (r *Rule) name() name { return name{r.Account, r.Region, r.Name} }

const (
	enabled  = "ENABLED"
	disabled = "DISABLED"
	allTrail = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
)

func (r *Rule) enabled() bool { return r.State != disabled }

// Tag is a key with a value.
type Tag struct{ Key, Value string }

// PutRuleInput and the like are the inputs and outputs of the operations of the
// same name.
type PutRuleInput struct {
	Name               *string
	Description        *string
	EventBusName       *string
	EventPattern       *string
	RoleArn            *string
	ScheduleExpression *string
	State              *string
	Tags               []Tag
}

type PutRuleOutput struct{ RuleArn string }

var nameForm = regexp.MustCompile(`^[.\-_A-Za-z0-9]+$`)

// PutRule makes a rule, or replaces what it says of itself: what is not given
// is nothing then. Its targets stay.
func (s *Service) PutRule(ctx context.Context, in *PutRuleInput) (*PutRuleOutput, error) {
	n := nameOf(ctx, in.Name)
	if err := in.check(n); err != nil {
		return nil, err
	}
	r := &Rule{
		Account: n.account, Region: n.region, Name: n.rule, Description: in.Description,
		Schedule: deref(in.ScheduleExpression), State: enabled, RoleArn: in.RoleArn, Since: s.clock.Now(),
	}
	if in.State != nil {
		r.State = *in.State
	}
	err := s.store.Catalog().Update(func(tx *store.Tx) error {
		if old, ok := s.rules.Get(n.key()); ok {
			r.Targets = old.Targets
			if old.Schedule == r.Schedule && old.enabled() == r.enabled() {
				r.Since = old.Since
			}
		}
		return s.rules.Put(tx, n.key(), r)
	})
	if err != nil {
		return nil, err
	}
	s.schedule(n)
	return &PutRuleOutput{n.arn()}, nil
}

func (in *PutRuleInput) check(n name) error {
	switch {
	case n.rule == "":
		return violation(n.rule, "name", "Member must have length greater than or equal to 1")
	case len(n.rule) > 64:
		return violation(n.rule, "name", "Member must have length less than or equal to 64")
	case !nameForm.MatchString(n.rule):
		return violation(n.rule, "name", `Member must satisfy regular expression pattern: [\.\-_A-Za-z0-9]+`)
	case len(deref(in.Description)) > 512:
		return violation(*in.Description, "description", "Member must have length less than or equal to 512")
	case in.State != nil && *in.State != enabled && *in.State != disabled && *in.State != allTrail:
		return violation(*in.State, "state", "Member must satisfy enum value set: [ENABLED, DISABLED, "+allTrail+"]")
	}
	if err := onlyDefault(in.EventBusName); err != nil {
		return err
	}
	if deref(in.EventPattern) != "" {
		return notYet("event patterns")
	}
	if deref(in.ScheduleExpression) == "" {
		return invalid("Parameter(s) EventPattern or ScheduleExpression must be specified.")
	}
	if _, err := schedule.Parse(*in.ScheduleExpression); err != nil || len(*in.ScheduleExpression) > 256 {
		return invalid("Parameter ScheduleExpression is not valid.")
	}
	return nil
}

// onlyDefault refuses buses other than the default one.
func onlyDefault(bus *string) error {
	if bus == nil || *bus == "default" || strings.HasSuffix(*bus, ":event-bus/default") {
		return nil
	}
	return wire.Errorf("ResourceNotFoundException", "Event bus %s does not exist.", *bus)
}

func (s *Service) rule(n name, bus *string) (*Rule, error) {
	if err := onlyDefault(bus); err != nil {
		return nil, err
	}
	r, ok := s.rules.Get(n.key())
	if !ok {
		return nil, notFound(n)
	}
	return r, nil
}

// change replaces a rule by what change makes of a copy.
func (s *Service) change(n name, bus *string, change func(*Rule) error) error {
	err := s.store.Catalog().Update(func(tx *store.Tx) error {
		old, err := s.rule(n, bus)
		if err != nil {
			return err
		}
		r := *old
		if err := change(&r); err != nil {
			return err
		}
		return s.rules.Put(tx, n.key(), &r)
	})
	if err == nil {
		s.schedule(n)
	}
	return err
}

type DescribeRuleInput struct {
	Name         *string
	EventBusName *string
}

type DescribeRuleOutput struct {
	Arn                string
	CreatedBy          string
	Description        *string
	EventBusName       string
	EventPattern       *string
	Name               string
	RoleArn            *string
	ScheduleExpression *string
	State              string
}

// DescribeRule returns a rule.
func (s *Service) DescribeRule(ctx context.Context, in *DescribeRuleInput) (*DescribeRuleOutput, error) {
	r, err := s.rule(nameOf(ctx, in.Name), in.EventBusName)
	if err != nil {
		return nil, err
	}
	return &DescribeRuleOutput{
		Arn: r.name().arn(), CreatedBy: r.Account, Description: r.Description, EventBusName: "default",
		Name: r.Name, RoleArn: r.RoleArn, ScheduleExpression: &r.Schedule, State: r.State,
	}, nil
}

type ListRulesInput struct {
	EventBusName *string
	NamePrefix   string
	Limit        *int32
	NextToken    *string
}

type ListRulesOutput struct {
	Rules     []RuleShape
	NextToken *string
}

// RuleShape is a rule in lists.
type RuleShape struct {
	Arn                string
	Description        *string
	EventBusName       string
	EventPattern       *string
	Name               string
	RoleArn            *string
	ScheduleExpression *string
	State              string
}

// ListRules returns rules by name, 100 at a time.
func (s *Service) ListRules(ctx context.Context, in *ListRulesInput) (*ListRulesOutput, error) {
	if err := onlyDefault(in.EventBusName); err != nil {
		return nil, err
	}
	most, from, err := page(in.Limit, in.NextToken)
	if err != nil {
		return nil, err
	}
	all := nameOf(ctx, nil).key()
	out := &ListRulesOutput{Rules: []RuleShape{}}
	for _, r := range s.rules.From(all+in.NamePrefix, all+from) {
		if len(out.Rules) == most {
			out.NextToken = tokenOf(r.Name)
			break
		}
		out.Rules = append(out.Rules, RuleShape{
			Arn: r.name().arn(), Description: r.Description, EventBusName: "default", Name: r.Name,
			RoleArn: r.RoleArn, ScheduleExpression: &r.Schedule, State: r.State,
		})
	}
	return out, nil
}

func page(limit *int32, token *string) (most int, from string, err error) {
	most = 100
	if limit != nil {
		if *limit < 1 || *limit > 100 {
			return 0, "", violation(*limit, "limit", "Member must have value between 1 and 100")
		}
		most = int(*limit)
	}
	text, err := base64.RawURLEncoding.DecodeString(deref(token))
	if err != nil {
		return 0, "", invalid("Parameter NextToken is not valid.")
	}
	return most, string(text), nil
}

func tokenOf(key string) *string {
	token := base64.RawURLEncoding.EncodeToString([]byte(key))
	return &token
}

type EnableRuleInput struct {
	Name         *string
	EventBusName *string
}

// EnableRule lets a rule fire.
func (s *Service) EnableRule(ctx context.Context, in *EnableRuleInput) (*wire.None, error) {
	return &wire.None{}, s.change(nameOf(ctx, in.Name), in.EventBusName, func(r *Rule) error {
		if !r.enabled() {
			r.State, r.Since = enabled, s.clock.Now()
		}
		return nil
	})
}

type DisableRuleInput struct {
	Name         *string
	EventBusName *string
}

// DisableRule keeps a rule from firing.
func (s *Service) DisableRule(ctx context.Context, in *DisableRuleInput) (*wire.None, error) {
	return &wire.None{}, s.change(nameOf(ctx, in.Name), in.EventBusName, func(r *Rule) error {
		r.State = disabled
		return nil
	})
}

type DeleteRuleInput struct {
	Name         *string
	EventBusName *string
	Force        bool
}

// DeleteRule deletes a rule that has no targets. One that is not there is as
// good as deleted.
func (s *Service) DeleteRule(ctx context.Context, in *DeleteRuleInput) (*wire.None, error) {
	if err := onlyDefault(in.EventBusName); err != nil {
		return nil, err
	}
	n := nameOf(ctx, in.Name)
	err := s.store.Catalog().Update(func(tx *store.Tx) error {
		r, ok := s.rules.Get(n.key())
		if ok && len(r.Targets) > 0 {
			return invalid("Rule can't be deleted since it has targets.")
		}
		s.rules.Delete(tx, n.key())
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &wire.None{}, s.unschedule(n)
}

// Target is where a rule's events go.
type Target struct {
	Id               *string
	Arn              *string
	RoleArn          *string
	Input            *string
	InputPath        *string
	InputTransformer *InputTransformer
	RetryPolicy      *RetryPolicy
	SqsParameters    *SqsParameters
	DeadLetterConfig *DeadLetterConfig
}

// The parts of a target.
type (
	// InputTransformer makes the payload from parts of the event.
	InputTransformer struct {
		InputPathsMap map[string]string
		InputTemplate *string
	}
	// RetryPolicy bounds how often and for how long a delivery is tried.
	RetryPolicy struct {
		MaximumEventAgeInSeconds *int32
		MaximumRetryAttempts     *int32
	}
	// SqsParameters go with messages.
	SqsParameters struct{ MessageGroupId *string }
	// DeadLetterConfig names where deliveries go that failed.
	DeadLetterConfig struct{ Arn *string }
)

type PutTargetsInput struct {
	Rule         *string
	EventBusName *string
	Targets      []Target
}

type PutTargetsOutput struct {
	FailedEntryCount int32
	FailedEntries    []FailedEntry
}

// FailedEntry says what was wrong with a target.
type FailedEntry struct {
	TargetId     string
	ErrorCode    string
	ErrorMessage string
}

const maxTargets = 5

// PutTargets adds targets to a rule, or replaces those of the same ids.
func (s *Service) PutTargets(ctx context.Context, in *PutTargetsInput) (*PutTargetsOutput, error) {
	for i, t := range in.Targets {
		if err := t.check(i); err != nil {
			return nil, err
		}
	}
	if len(in.Targets) == 0 {
		return nil, violation("[]", "targets", "Member must have length greater than or equal to 1")
	}
	err := s.change(nameOf(ctx, in.Rule), in.EventBusName, func(r *Rule) error {
		r.Targets = without(r.Targets, ids(in.Targets))
		r.Targets = append(r.Targets, in.Targets...)
		if len(r.Targets) > maxTargets {
			return wire.Errorf("LimitExceededException", "The requested resource exceeds the maximum number allowed.")
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &PutTargetsOutput{FailedEntries: []FailedEntry{}}, nil
}

func (t *Target) check(i int) error {
	id, member := deref(t.Id), fmt.Sprintf("targets.%d.member.", i+1)
	inputs := 0
	for _, given := range []bool{t.Input != nil, t.InputPath != nil, t.InputTransformer != nil} {
		if given {
			inputs++
		}
	}
	switch {
	case id == "" || len(id) > 64 || !nameForm.MatchString(id):
		return violation(id, member+"id", `Member must satisfy regular expression pattern: [\.\-_A-Za-z0-9]+`)
	case inputs > 1:
		return invalid("Only one of Input, InputPath, or InputTransformer must be provided for target %s.", id)
	case len(deref(t.Input)) > 8192:
		return violation(*t.Input, member+"input", "Member must have length less than or equal to 8192")
	case t.InputPath != nil || t.InputTransformer != nil:
		return notYet("input paths and transformers")
	case t.DeadLetterConfig != nil && t.DeadLetterConfig.Arn != nil:
		return notYet("dead-letter queues of targets")
	}
	return checkTarget(deref(t.Arn))
}

func ids(targets []Target) (all []string) {
	for _, t := range targets {
		all = append(all, *t.Id)
	}
	return all
}

type ListTargetsByRuleInput struct {
	Rule         *string
	EventBusName *string
	Limit        *int32
	NextToken    *string
}

type ListTargetsByRuleOutput struct {
	Targets   []Target
	NextToken *string
}

// ListTargetsByRule returns a rule's targets.
func (s *Service) ListTargetsByRule(ctx context.Context, in *ListTargetsByRuleInput) (*ListTargetsByRuleOutput, error) {
	r, err := s.rule(nameOf(ctx, in.Rule), in.EventBusName)
	if err != nil {
		return nil, err
	}
	most, from, err := page(in.Limit, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &ListTargetsByRuleOutput{Targets: []Target{}}
	for _, t := range r.Targets {
		switch {
		case from != "" && *t.Id != from:
			continue
		case len(out.Targets) == most:
			out.NextToken = tokenOf(*t.Id)
			return out, nil
		}
		from = ""
		out.Targets = append(out.Targets, t)
	}
	return out, nil
}

type RemoveTargetsInput struct {
	Rule         *string
	EventBusName *string
	Ids          []string
	Force        bool
}

type RemoveTargetsOutput struct {
	FailedEntryCount int32
	FailedEntries    []FailedEntry
}

// RemoveTargets removes targets of a rule. Ids that it does not have do no harm.
func (s *Service) RemoveTargets(ctx context.Context, in *RemoveTargetsInput) (*RemoveTargetsOutput, error) {
	err := s.change(nameOf(ctx, in.Rule), in.EventBusName, func(r *Rule) error {
		r.Targets = without(r.Targets, in.Ids)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &RemoveTargetsOutput{FailedEntries: []FailedEntry{}}, nil
}

// without returns the targets that do not have any of the ids.
func without(targets []Target, ids []string) (kept []Target) {
	drop := map[string]bool{}
	for _, id := range ids {
		drop[id] = true
	}
	for _, t := range targets {
		if !drop[*t.Id] {
			kept = append(kept, t)
		}
	}
	return kept
}
