package events

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"naru/internal/arn"
	"naru/internal/wire"
)

// Target is where a rule's events go.
type Target struct {
	Id               *string
	Arn              *string
	RoleArn          *string           `json:",omitempty"`
	Input            *string           `json:",omitempty"`
	InputPath        *string           `json:",omitempty"`
	InputTransformer *InputTransformer `json:",omitempty"`
	RetryPolicy      *RetryPolicy      `json:",omitempty"`
	SqsParameters    *SqsParameters    `json:",omitempty"`
	DeadLetterConfig *DeadLetterConfig `json:",omitempty"`
}

// The parts of a target.
type (
	// InputTransformer makes the payload from parts of the event.
	InputTransformer struct {
		InputPathsMap map[string]string `json:",omitempty"`
		InputTemplate *string
	}
	// RetryPolicy bounds how often and for how long a delivery is tried.
	RetryPolicy struct {
		MaximumEventAgeInSeconds *int32 `json:",omitempty"`
		MaximumRetryAttempts     *int32 `json:",omitempty"`
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

const (
	maxTargets = 5
	maxInput   = 8192
	maxPath    = 256
)

// PutTargets adds targets to a rule, or replaces those of the same ids.
func (s *Service) PutTargets(ctx context.Context, in *PutTargetsInput) (*PutTargetsOutput, error) {
	for i := range in.Targets {
		if err := in.Targets[i].check(i); err != nil {
			return nil, err
		}
	}
	if len(in.Targets) == 0 {
		return nil, violation("[]", "targets", "Member must have length greater than or equal to 1")
	}
	err := s.change(nameOf(ctx, in.Rule, in.EventBusName), func(r *Rule) error {
		r.Targets = append(without(r.Targets, ids(in.Targets)), in.Targets...)
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
	id, member := deref(t.Id), "targets."+decimal(i+1)+".member."
	switch {
	case id == "":
		return violation(id, member+"id", "Member must have length greater than or equal to 1")
	case !nameForm.MatchString(id):
		return violation(id, member+"id", `Member must satisfy regular expression pattern: [\.\-_A-Za-z0-9]+`)
	case len(id) > 64:
		return violation(id, member+"id", "Member must have length less than or equal to 64")
	}
	if err := t.checkInput(member); err != nil {
		return err
	}
	if err := t.checkDelivery(member); err != nil {
		return err
	}
	return t.checkArn()
}

// checkInput checks what the target is sent.
func (t *Target) checkInput(member string) error {
	inputs := 0
	for _, given := range []bool{t.Input != nil, t.InputPath != nil, t.InputTransformer != nil} {
		if given {
			inputs++
		}
	}
	switch {
	case inputs > 1:
		return invalid("Only one of Input, InputPath, or InputTransformer must be provided for target %s.", *t.Id)
	case len(deref(t.Input)) > maxInput:
		return violation(*t.Input, member+"input", "Member must have length less than or equal to "+decimal(maxInput))
	case t.Input != nil && !json.Valid([]byte(*t.Input)):
		return invalid("JSON syntax error in input for target %s.", *t.Id)
	case len(deref(t.InputPath)) > maxPath:
		return violation(*t.InputPath, member+"inputPath", "Member must have length less than or equal to "+decimal(maxPath))
	}
	if t.InputPath != nil {
		if _, err := parsePath(*t.InputPath); err != nil {
			return invalid("Invalid InputPath for target %s: %v.", *t.Id, err)
		}
	}
	if t.InputTransformer != nil {
		return t.InputTransformer.check(*t.Id, member+"inputTransformer.")
	}
	return nil
}

// The bounds and defaults of retries.
const (
	leastAge  = 60
	mostAge   = 86400
	mostRetry = 185
	ageRule   = "Member must have value between 60 and 86400"
	retryRule = "Member must have value between 0 and 185"
)

// checkDelivery checks how what cannot be delivered is retried and given up.
func (t *Target) checkDelivery(member string) error {
	if p := t.RetryPolicy; p != nil {
		if age := p.MaximumEventAgeInSeconds; age != nil && (*age < leastAge || *age > mostAge) {
			return violation(*age, member+"retryPolicy.maximumEventAgeInSeconds", ageRule)
		}
		if n := p.MaximumRetryAttempts; n != nil && (*n < 0 || *n > mostRetry) {
			return violation(*n, member+"retryPolicy.maximumRetryAttempts", retryRule)
		}
	}
	if t.DeadLetterConfig == nil || t.DeadLetterConfig.Arn == nil {
		return nil
	}
	a, err := arn.Parse(*t.DeadLetterConfig.Arn)
	if err != nil || a.Service != "sqs" || strings.HasSuffix(a.Resource, ".fifo") {
		return invalid("Parameter DeadLetterConfig.Arn is not valid. Reason: It must be the Arn of a standard SQS queue.")
	}
	return nil
}

// targetServices are those whose resources can be targets.
var targetServices = []string{"lambda", "sqs", "logs", "events"}

// checkArn refuses what Naru cannot deliver to.
func (t *Target) checkArn() error {
	a, err := arn.Parse(deref(t.Arn))
	switch {
	case err != nil:
		return invalid("Parameter %s is not valid. Reason: Provided Arn is not in correct format.", deref(t.Arn))
	case !slices.Contains(targetServices, a.Service):
		return notYet("targets of the service " + a.Service)
	case a.Service == "sqs" && strings.HasSuffix(a.Resource, ".fifo") && (t.SqsParameters == nil || deref(t.SqsParameters.MessageGroupId) == ""):
		return invalid("Parameter(s) SqsParameters.MessageGroupId must be specified for target: %s.", *t.Id)
	case a.Service == "events" && !strings.HasPrefix(a.Resource, "event-bus/"):
		return invalid("Parameter %s is not valid. Reason: Provided Arn is not in correct format.", *t.Arn)
	}
	return nil
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
	r, err := s.rule(nameOf(ctx, in.Rule, in.EventBusName))
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
	err := s.change(nameOf(ctx, in.Rule, in.EventBusName), func(r *Rule) error {
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
	for _, t := range targets {
		if !slices.Contains(ids, *t.Id) {
			kept = append(kept, t)
		}
	}
	return kept
}
