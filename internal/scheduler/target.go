package scheduler

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"naru/internal/arn"
)

// Target is where a schedule's payload goes, and as which role.
type Target struct {
	Arn                   *string
	RoleArn               *string
	Input                 *string                `json:",omitempty"`
	RetryPolicy           *RetryPolicy           `json:",omitempty"`
	DeadLetterConfig      *DeadLetterConfig      `json:",omitempty"`
	SqsParameters         *SqsParameters         `json:",omitempty"`
	EventBridgeParameters *EventBridgeParameters `json:",omitempty"`
}

// The parts of a target.
type (
	// RetryPolicy bounds how often and for how long a delivery is tried.
	RetryPolicy struct {
		MaximumEventAgeInSeconds *int32
		MaximumRetryAttempts     *int32
	}
	// DeadLetterConfig names where deliveries go that failed.
	DeadLetterConfig struct {
		Arn *string `json:",omitempty"`
	}
	// SqsParameters go with messages.
	SqsParameters struct {
		MessageGroupId *string `json:",omitempty"`
	}
	// EventBridgeParameters are those of an event that is put on a bus.
	EventBridgeParameters struct {
		DetailType *string
		Source     *string
	}
)

// The bounds and defaults of retries.
const (
	leastAge  = 60
	mostAge   = 86400
	mostRetry = 185
)

// fill gives the target AWS's retry policy, as far as it has none.
func (t *Target) fill() {
	age, attempts := int32(mostAge), int32(mostRetry)
	p := RetryPolicy{&age, &attempts}
	if given := t.RetryPolicy; given != nil {
		if given.MaximumEventAgeInSeconds != nil {
			p.MaximumEventAgeInSeconds = given.MaximumEventAgeInSeconds
		}
		if given.MaximumRetryAttempts != nil {
			p.MaximumRetryAttempts = given.MaximumRetryAttempts
		}
	}
	t.RetryPolicy = &p
}

var (
	roleForm  = regexp.MustCompile(`^arn:aws(-[a-z]+)?:iam::\d{12}:role/[\w+=,.@/-]+$`)
	queueForm = regexp.MustCompile(`^arn:aws(-[a-z]+)?:sqs:[a-z0-9\-]+:\d{12}:[a-zA-Z0-9\-_]+$`)
)

func (s *Service) checkTarget(t *Target) error {
	age, attempts, queue := *t.RetryPolicy.MaximumEventAgeInSeconds, *t.RetryPolicy.MaximumRetryAttempts, ""
	if t.DeadLetterConfig != nil {
		queue = deref(t.DeadLetterConfig.Arn)
	}
	switch {
	case t.Arn == nil:
		return missing("target.arn")
	case t.RoleArn == nil:
		return missing("target.roleArn")
	case !roleForm.MatchString(*t.RoleArn):
		return violation(*t.RoleArn, "target.roleArn", `Member must satisfy regular expression pattern: ^arn:aws(-[a-z]+)?:iam::\d{12}:role\/[\w+=,.@\/-]+$`)
	case t.Input != nil && *t.Input == "":
		return violation("", "target.input", "Member must have length greater than or equal to 1")
	case age < leastAge || age > mostAge:
		return violation(age, "target.retryPolicy.maximumEventAgeInSeconds", "Member must have value between 60 and 86400")
	case attempts < 0 || attempts > mostRetry:
		return violation(attempts, "target.retryPolicy.maximumRetryAttempts", "Member must have value between 0 and 185")
	case queue != "" && !queueForm.MatchString(queue):
		return violation(queue, "target.deadLetterConfig.arn", `Member must satisfy regular expression pattern: ^arn:aws(-[a-z]+)?:sqs:[a-z0-9\-]+:\d{12}:[a-zA-Z0-9\-_]+$`)
	}
	if err := s.checkArn(t); err != nil {
		return err
	}
	if err := s.options.Assume(*t.RoleArn); err != nil {
		return invalid("The execution role you provide must allow AWS EventBridge Scheduler to assume the role.")
	}
	return nil
}

// checkArn refuses what Naru cannot deliver to.
func (s *Service) checkArn(t *Target) error {
	a, err := arn.Parse(*t.Arn)
	if err != nil {
		return violation(*t.Arn, "target.arn", "Member must be an Arn")
	}
	needsJSON := true
	switch {
	case a.Service == "lambda" && strings.HasPrefix(a.Resource, "function:"):
	case a.Service == "sqs":
		needsJSON = false
		if strings.HasSuffix(a.Resource, ".fifo") && (t.SqsParameters == nil || t.SqsParameters.MessageGroupId == nil) {
			return invalid("A MessageGroupId must be specified for a FIFO queue.")
		}
	case a.Service == "events" && strings.HasPrefix(a.Resource, "event-bus/"):
		if p := t.EventBridgeParameters; p == nil || deref(p.DetailType) == "" || deref(p.Source) == "" {
			return invalid("EventBridgeParameters with DetailType and Source must be specified for an event bus.")
		}
	case a.Service == "scheduler":
		service, action, ok := universal(a)
		if !ok || !s.options.Universal(service, action) {
			return invalid("%s is not a supported universal target: Naru does not have it.", *t.Arn)
		}
		if readsOnly(action) {
			return invalid("%s is not a supported universal target: it only reads.", *t.Arn)
		}
	default:
		return invalid("%s is not a supported target: Naru does not have it.", *t.Arn)
	}
	if needsJSON && t.Input != nil && !json.Valid([]byte(*t.Input)) {
		return invalid("The Input of %s must be valid JSON.", *t.Arn)
	}
	return nil
}

// universal returns the service and action of a universal target:
// arn:aws:scheduler:::aws-sdk:sqs:sendMessage.
func universal(a arn.ARN) (service, action string, ok bool) {
	rest, ok := strings.CutPrefix(a.Resource, "aws-sdk:")
	service, action, more := strings.Cut(rest, ":")
	return service, action, ok && more && action != ""
}

// reading are what the names of actions begin with that universal targets do
// not have.
var reading = []string{
	"get", "describe", "list", "poll", "receive", "search", "scan", "query", "select", "read", "lookup", "discover",
	"validate", "batchGet", "retrieve", "test", "filter",
}

func readsOnly(action string) bool {
	return slices.ContainsFunc(reading, func(prefix string) bool { return strings.HasPrefix(action, prefix) })
}
