package events

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"time"

	"naru/internal/pattern"
	"naru/internal/schedule"
	"naru/internal/store"
	"naru/internal/wire"
)

// Rule is a rule as the catalog keeps it, under account, region, bus and name.
// A record is never changed, only replaced.
type Rule struct {
	Account     string
	Region      string
	Bus         string
	Name        string
	Description *string `json:",omitempty"`
	Pattern     string  `json:",omitempty"` // "" for none
	Schedule    string  `json:",omitempty"` // expression; "" for none
	State       string
	RoleArn     *string `json:",omitempty"`
	// Since is when the rule was made, or enabled or given another schedule
	// last: a rate counts from there.
	Since   time.Time
	Targets []Target          `json:",omitempty"`
	Tags    map[string]string `json:",omitempty"`
}

func (r *Rule) name() name { return name{busName{r.Account, r.Region, r.Bus}, r.Name} }

const (
	enabled  = "ENABLED"
	disabled = "DISABLED"
	allTrail = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
)

func (r *Rule) enabled() bool { return r.State != disabled }

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
// is nothing then. Its targets and tags stay.
func (s *Service) PutRule(ctx context.Context, in *PutRuleInput) (*PutRuleOutput, error) {
	n := nameOf(ctx, in.Name, in.EventBusName)
	if err := in.check(n); err != nil {
		return nil, err
	}
	tags, err := tagged(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	r := &Rule{
		Account: n.account, Region: n.region, Bus: n.bus, Name: n.rule, Description: in.Description, Pattern: deref(in.EventPattern),
		Schedule: deref(in.ScheduleExpression), State: enabled, RoleArn: in.RoleArn, Since: s.clock.Now(), Tags: tags,
	}
	if in.State != nil {
		r.State = *in.State
	}
	err = s.store.Catalog().Update(func(tx *store.Tx) error {
		if _, err := s.bus(n.busName); err != nil {
			return err
		}
		if old, ok := s.rules.Get(n.key()); ok {
			r.Targets, r.Tags = old.Targets, old.Tags
			if old.Schedule == r.Schedule && old.enabled() == r.enabled() {
				r.Since = old.Since
			}
		}
		return s.rules.Put(tx, n.key(), r)
	})
	if err != nil {
		return nil, err
	}
	return &PutRuleOutput{n.arn()}, s.changed(n)
}

const maxPattern = 4096

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
	case in.State != nil && !slices.Contains([]string{enabled, disabled, allTrail}, *in.State):
		return violation(*in.State, "state", "Member must satisfy enum value set: [ENABLED, DISABLED, "+allTrail+"]")
	case len(deref(in.EventPattern)) > maxPattern:
		return violation(*in.EventPattern, "eventPattern", "Member must have length less than or equal to "+decimal(maxPattern))
	case deref(in.EventPattern) == "" && deref(in.ScheduleExpression) == "":
		return invalid("Parameter(s) EventPattern or ScheduleExpression must be specified.")
	case deref(in.ScheduleExpression) != "" && n.bus != defaultBus:
		return invalid("ScheduleExpression is supported only on the default event bus.")
	}
	if expression := deref(in.ScheduleExpression); expression != "" {
		if _, err := schedule.Parse(expression); err != nil || len(expression) > 256 {
			return invalid("Parameter ScheduleExpression is not valid.")
		}
	}
	if text := deref(in.EventPattern); text != "" {
		_, err := parsePattern(text)
		return err
	}
	return nil
}

// parsePattern reads an event pattern, and refuses it in AWS's words.
func parsePattern(text string) (*pattern.Pattern, error) {
	p, err := pattern.Parse(text)
	var e *pattern.Error
	if errors.As(err, &e) {
		return nil, wire.Errorf("InvalidEventPatternException", "Event pattern is not valid. Reason: %s", e.Reason)
	}
	return p, err
}

func decimal(n int) string { return strconv.Itoa(n) }

// rule returns a rule.
func (s *Service) rule(n name) (*Rule, error) {
	if _, err := s.bus(n.busName); err != nil {
		return nil, err
	}
	r, ok := s.rules.Get(n.key())
	if !ok {
		return nil, notFound(n)
	}
	return r, nil
}

// change replaces a rule by what change makes of a copy.
func (s *Service) change(n name, change func(*Rule) error) error {
	err := s.store.Catalog().Update(func(tx *store.Tx) error {
		old, err := s.rule(n)
		if err != nil {
			return err
		}
		r := *old
		if err := change(&r); err != nil {
			return err
		}
		return s.rules.Put(tx, n.key(), &r)
	})
	if err != nil {
		return err
	}
	return s.changed(n)
}

// changed takes note of a rule that was made, changed or deleted.
func (s *Service) changed(n name) error {
	s.forgetMatcher(n.busName)
	return s.schedule(n)
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
	r, err := s.rule(nameOf(ctx, in.Name, in.EventBusName))
	if err != nil {
		return nil, err
	}
	return &DescribeRuleOutput{
		Arn: r.name().arn(), CreatedBy: r.Account, Description: r.Description, EventBusName: r.Bus, EventPattern: given(r.Pattern),
		Name: r.Name, RoleArn: r.RoleArn, ScheduleExpression: given(r.Schedule), State: r.State,
	}, nil
}

// given returns nil for a text that is empty.
func given(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

type ListRulesInput struct {
	EventBusName *string
	NamePrefix   *string
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
	most, from, err := page(in.Limit, in.NextToken)
	if err != nil {
		return nil, err
	}
	bus := busOf(ctx, in.EventBusName)
	if _, err := s.bus(bus); err != nil {
		return nil, err
	}
	out := &ListRulesOutput{Rules: []RuleShape{}}
	for _, r := range s.rules.From(bus.key()+"/"+deref(in.NamePrefix), bus.key()+"/"+from) {
		if len(out.Rules) == most {
			out.NextToken = tokenOf(r.Name)
			break
		}
		out.Rules = append(out.Rules, RuleShape{
			Arn: r.name().arn(), Description: r.Description, EventBusName: r.Bus, EventPattern: given(r.Pattern), Name: r.Name,
			RoleArn: r.RoleArn, ScheduleExpression: given(r.Schedule), State: r.State,
		})
	}
	return out, nil
}

type ListRuleNamesByTargetInput struct {
	TargetArn    *string
	EventBusName *string
	Limit        *int32
	NextToken    *string
}

type ListRuleNamesByTargetOutput struct {
	RuleNames []string
	NextToken *string
}

// ListRuleNamesByTarget returns the names of the rules that have a target.
func (s *Service) ListRuleNamesByTarget(ctx context.Context, in *ListRuleNamesByTargetInput) (*ListRuleNamesByTargetOutput, error) {
	most, from, err := page(in.Limit, in.NextToken)
	if err != nil {
		return nil, err
	}
	bus := busOf(ctx, in.EventBusName)
	if _, err := s.bus(bus); err != nil {
		return nil, err
	}
	out := &ListRuleNamesByTargetOutput{RuleNames: []string{}}
	for _, r := range s.rules.From(bus.key()+"/", bus.key()+"/"+from) {
		if !slices.ContainsFunc(r.Targets, func(t Target) bool { return *t.Arn == deref(in.TargetArn) }) {
			continue
		}
		if len(out.RuleNames) == most {
			out.NextToken = tokenOf(r.Name)
			break
		}
		out.RuleNames = append(out.RuleNames, r.Name)
	}
	return out, nil
}

type EnableRuleInput struct {
	Name         *string
	EventBusName *string
}

// EnableRule lets a rule fire.
func (s *Service) EnableRule(ctx context.Context, in *EnableRuleInput) (*wire.None, error) {
	return &wire.None{}, s.change(nameOf(ctx, in.Name, in.EventBusName), func(r *Rule) error {
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
	return &wire.None{}, s.change(nameOf(ctx, in.Name, in.EventBusName), func(r *Rule) error {
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
	n := nameOf(ctx, in.Name, in.EventBusName)
	if _, err := s.bus(n.busName); err != nil {
		return nil, err
	}
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
	return &wire.None{}, s.changed(n)
}
