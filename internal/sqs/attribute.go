package sqs

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"naru/internal/arn"
	"naru/internal/policy"
	"naru/internal/wire"
)

// An attribute is a queue attribute that can be set.
type attribute struct {
	initial string // value of a queue that has it not set; "" means that it is not listed then
	fifo    bool   // of FIFO queues only
	// check returns the value in the form in which it is kept; "" removes the
	// attribute. It may be nil, for any value.
	check func(value string) (string, error)
}

var errBadValue = errors.New("bad value")

// number accepts integers from least to most.
func number(least, most int64) func(string) (string, error) {
	return func(value string) (string, error) {
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < least || n > most {
			return "", errBadValue
		}
		return strconv.FormatInt(n, 10), nil
	}
}

// oneOf accepts the given words.
func oneOf(words ...string) func(string) (string, error) {
	return func(value string) (string, error) {
		if slices.Contains(words, value) {
			return value, nil
		}
		return "", errBadValue
	}
}

func boolean(value string) (string, error) {
	if b := strings.ToLower(value); b == "true" || b == "false" {
		return b, nil
	}
	return "", errBadValue
}

// unlessDefault is check for an attribute that is not listed at its default.
func unlessDefault(initial string, check func(string) (string, error)) func(string) (string, error) {
	return func(value string) (string, error) {
		if value == initial || value == "" {
			return "", nil
		}
		return check(value)
	}
}

func anyText(value string) (string, error) { return value, nil }

// attributes are those that can be set, by name.
var attributes = map[string]attribute{
	"DelaySeconds":                  {initial: "0", check: number(0, 900)},
	"MaximumMessageSize":            {initial: "1048576", check: number(1024, 1048576)},
	"MessageRetentionPeriod":        {initial: "345600", check: number(60, 1209600)},
	"ReceiveMessageWaitTimeSeconds": {initial: "0", check: number(0, 20)},
	"VisibilityTimeout":             {initial: "30", check: number(0, 43200)},
	"SqsManagedSseEnabled":          {initial: "true", check: boolean},
	"KmsMasterKeyId":                {check: anyText},
	"KmsDataKeyReusePeriodSeconds":  {check: unlessDefault("300", number(60, 86400))},
	"Policy":                        {check: checkPolicy},
	"RedrivePolicy":                 {check: checkRedrive},
	"RedriveAllowPolicy":            {check: checkRedriveAllow},
	"FifoQueue":                     {initial: "true", fifo: true, check: boolean},
	"ContentBasedDeduplication":     {initial: "false", fifo: true, check: boolean},
	"DeduplicationScope":            {initial: "queue", fifo: true, check: oneOf("queue", "messageGroup")},
	"FifoThroughputLimit":           {initial: "perQueue", fifo: true, check: oneOf("perQueue", "perMessageGroupId")},
}

// computed are the attributes that can only be read.
var computed = []string{
	"QueueArn", "CreatedTimestamp", "LastModifiedTimestamp",
	"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed",
}

func unknownAttribute(name string) error {
	return wire.Errorf("InvalidAttributeName", "Unknown Attribute %s.", name)
}

func badAttribute(name string) error {
	return wire.Errorf("InvalidAttributeValue", "Invalid value for the parameter %s.", name)
}

// set returns current with the given attributes set. It checks each of them
// and how they go together, and refuses all if it refuses one.
func set(fifo bool, current, given map[string]string) (map[string]string, error) {
	next := maps.Clone(current)
	if next == nil {
		next = map[string]string{}
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		value, err := checkAttribute(fifo, name, given[name])
		if err != nil {
			return nil, err
		}
		if value == "" {
			delete(next, name)
		} else {
			next[name] = value
		}
	}
	if next["FifoThroughputLimit"] == "perMessageGroupId" && next["DeduplicationScope"] != "messageGroup" {
		return nil, wire.Errorf("InvalidAttributeValue", "The perMessageGroupId value for FifoThroughputLimit is allowed only when the value for DeduplicationScope is messageGroup.")
	}
	return next, settleEncryption(next, given)
}

func checkAttribute(fifo bool, name, value string) (string, error) {
	a, ok := attributes[name]
	switch {
	case !ok:
		return "", unknownAttribute(name)
	case a.fifo && !fifo && (name == "DeduplicationScope" || name == "FifoThroughputLimit"):
		return "", wire.Errorf("InvalidAttributeName", "You can specify the %s only when FifoQueue is set to true.", name)
	case a.fifo && !fifo:
		return "", unknownAttribute(name)
	}
	checked, err := a.check(value)
	if name == "FifoQueue" && checked != "true" {
		return "", wire.Errorf("InvalidAttributeValue", "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.")
	}
	if err == errBadValue {
		return "", badAttribute(name)
	}
	return checked, err
}

// settleEncryption sees to it that a queue has one kind of encryption.
func settleEncryption(next, given map[string]string) error {
	if next["KmsMasterKeyId"] == "" {
		return nil
	}
	if strings.EqualFold(given["SqsManagedSseEnabled"], "true") {
		return wire.Errorf("InvalidAttributeName", "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE.")
	}
	if given["KmsMasterKeyId"] != "" {
		next["SqsManagedSseEnabled"] = "false"
	}
	return nil
}

func checkPolicy(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	if len(text) > maxPolicy {
		return "", wire.Errorf("OverLimit", "Submitted policy is over max allowed size.")
	}
	d, err := policy.Parse(text)
	if err == nil {
		err = d.Validate(policy.Resource)
	}
	if err != nil {
		return "", errBadValue
	}
	return text, checkPolicyLimits(d)
}

// What a queue's policy may have at the most.
const (
	maxPolicy     = 8192 // bytes
	maxStatements = 20
	maxPrincipals = 50
	maxConditions = 10
	maxActions    = 7 // of a statement
)

func checkPolicyLimits(d *policy.Document) error {
	principals, conditions := 0, 0
	for _, s := range d.Statements {
		if n := len(s.Action.Values); n > maxActions {
			return wire.Errorf("OverLimit", "%d actions were found in a statement from the submitted policy, max allowed is %d", n, maxActions)
		}
		principals += len(s.Principal.Values)
		conditions += len(s.Conditions)
	}
	for _, l := range []struct {
		what    string
		n, most int
	}{{"statements", len(d.Statements), maxStatements}, {"principals", principals, maxPrincipals}, {"conditions", conditions, maxConditions}} {
		if l.n > l.most {
			return wire.Errorf("OverLimit", "%d %s were found in the submitted policy, max allowed is %d", l.n, l.what, l.most)
		}
	}
	return nil
}

// redrive is a RedrivePolicy.
type redrive struct {
	DeadLetterTargetArn string `json:"deadLetterTargetArn"`
	MaxReceiveCount     int    `json:"maxReceiveCount"`
}

func checkRedrive(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	var given struct {
		DeadLetterTargetArn *string         `json:"deadLetterTargetArn"`
		MaxReceiveCount     json.RawMessage `json:"maxReceiveCount"`
	}
	if err := json.Unmarshal([]byte(text), &given); err != nil {
		return "", invalid(text, "RedrivePolicy", "Redrive policy is not a valid JSON map.")
	}
	if given.DeadLetterTargetArn == nil {
		return "", invalid(text, "RedrivePolicy", "Redrive policy does not contain mandatory attribute: deadLetterTargetArn.")
	}
	if given.MaxReceiveCount == nil {
		return "", invalid(text, "RedrivePolicy", "Redrive policy does not contain mandatory attribute: maxReceiveCount.")
	}
	count := strings.Trim(string(given.MaxReceiveCount), `"`)
	n, err := strconv.Atoi(count)
	if err != nil || n < 1 || n > 1000 {
		return "", invalid(text, "RedrivePolicy", fmt.Sprintf("Invalid value for maxReceiveCount: %s, valid values are from 1 to 1000 both inclusive.", count))
	}
	if a, err := arn.Parse(*given.DeadLetterTargetArn); err != nil || a.Service != "sqs" {
		return "", invalid(text, "RedrivePolicy", "Invalid value for deadLetterTargetArn.")
	}
	canonical, err := json.Marshal(redrive{*given.DeadLetterTargetArn, n})
	return string(canonical), err
}

// redriveAllow is a RedriveAllowPolicy.
type redriveAllow struct {
	RedrivePermission string   `json:"redrivePermission"`
	SourceQueueArns   []string `json:"sourceQueueArns,omitempty"`
}

func checkRedriveAllow(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	var given redriveAllow
	if err := json.Unmarshal([]byte(text), &given); err != nil {
		return "", errBadValue
	}
	byQueue := given.RedrivePermission == "byQueue"
	switch {
	case !byQueue && given.RedrivePermission != "allowAll" && given.RedrivePermission != "denyAll",
		byQueue != (len(given.SourceQueueArns) > 0), len(given.SourceQueueArns) > 10:
		return "", invalid(text, "RedriveAllowPolicy", "Amazon SQS can't create the redrive allow policy, as it’s in an unsupported format.")
	}
	return text, nil
}

// checkTarget refuses a dead-letter queue that is not there, is elsewhere, or
// does not let this queue use it.
func (s *Service) checkTarget(n name, text string) error {
	if text == "" {
		return nil
	}
	var r redrive
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return err
	}
	target, err := arn.Parse(r.DeadLetterTargetArn)
	if err != nil {
		return err
	}
	dead, ok := s.queues.Get(name{target.Account, target.Region, target.Resource}.key())
	if !ok || target.Account != n.account || target.Region != n.region {
		return invalid(text, "RedrivePolicy", "Dead letter target does not exist.")
	}
	if dead.fifo() != n.fifo() {
		return invalid(text, "RedrivePolicy", "Dead-letter queue must be same type of queue as the source.")
	}
	allow := dead.Attributes["RedriveAllowPolicy"]
	if allow == "" {
		return nil
	}
	var a redriveAllow
	if err := json.Unmarshal([]byte(allow), &a); err != nil {
		return err
	}
	if a.RedrivePermission == "denyAll" || a.RedrivePermission == "byQueue" && !slices.Contains(a.SourceQueueArns, n.arn()) {
		return invalid(text, "RedrivePolicy", "Queue does not have permission to use the dead letter queue.")
	}
	return nil
}
