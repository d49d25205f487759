// Package delivery brings what rules and schedules send to their targets.
//
// A delivery that was taken is durable. It waits in a content of the queue
// engine until it was made: then it leaves that content and enters its target
// in one batch, so that it arrives once, whatever crashes when. What a target
// does that is not a message of the engine's (a synchronous invocation, a call
// of an API) may be done a second time after a crash.
//
// A delivery that fails for a reason that may pass is tried again, after waits
// that double, until it was tried often enough or is too old. Then, or at once
// if the reason will not pass, it goes to its dead-letter queue.
package delivery

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"naru/internal/wire"
)

// The services that deliveries come from, as principals.
const (
	Events    = "events.amazonaws.com"
	Scheduler = "scheduler.amazonaws.com"
)

// A Delivery is something on its way to a target.
type Delivery struct {
	ID      string // of the event, or of the schedule's execution
	Service string // Events or Scheduler
	Account string // of the source
	Region  string // of the source
	Source  string // ARN of the rule or schedule
	Role    string `json:",omitempty"` // ARN of what is assumed to deliver it; "" for none

	TargetID string `json:",omitempty"` // of a rule's target
	Target   string // ARN
	Payload  string
	GroupID  string  `json:",omitempty"` // of a message in a queue
	Event    *Origin `json:",omitempty"` // of an event that is made of the payload

	At         time.Time // when it came about: an event came in, or a schedule was due
	Due        time.Time // when it is to be made; no later than At means at once
	MaxAge     time.Duration
	MaxRetries int
	DeadLetter string  `json:",omitempty"` // ARN of a queue; "" for none
	Overlap    Overlap `json:",omitempty"`
	Hops       int     `json:",omitempty"` // how many buses the event has come through
	Attempt    int     `json:"-"`          // the number of this attempt, from 1
	Unique     string  `json:"-"`          // no other delivery has it; the same for all attempts
}

// An Origin says where an event comes from that a schedule puts on a bus.
type Origin struct{ Source, DetailType string }

// An Overlap says what becomes of a delivery whose source and target are those
// of one that has arrived but is still being worked off.
type Overlap string

// The overlaps. OverlapQueueOne lets one delivery wait, and drops further ones.
const (
	OverlapAllow    Overlap = ""
	OverlapSkip     Overlap = "skip"
	OverlapQueueOne Overlap = "queue-one"
)

func (d *Delivery) encode() []byte {
	text, err := json.Marshal(d)
	if err != nil {
		panic(err) // a struct of texts and numbers
	}
	return text
}

func parseDelivery(text []byte) (*Delivery, error) {
	d := &Delivery{}
	if err := json.Unmarshal(text, d); err != nil {
		return nil, fmt.Errorf("delivery: %w", err)
	}
	return d, nil
}

// since is what the age of the delivery is counted from.
func (d *Delivery) since() time.Time {
	if d.Due.After(d.At) {
		return d.Due
	}
	return d.At
}

// A Failure is why a delivery could not be made.
type Failure struct {
	Code    string // as dead-letter queues are told it: NO_PERMISSIONS and so on
	Reason  string // the code of the target's service, if it has one
	Message string
	Again   bool // the reason may pass
	Cause   error
}

func (f *Failure) Error() string { return f.Code + ": " + f.Message }

func (f *Failure) Unwrap() error { return f.Cause }

// The codes of failures.
const (
	NoPermissions = "NO_PERMISSIONS"
	NoResource    = "NO_RESOURCE"
	Throttling    = "THROTTLING"
	InternalError = "INTERNAL_ERROR"
	ClientError   = "SDK_CLIENT_ERROR"
)

// failureOf makes a Failure of any error.
func failureOf(err error) *Failure {
	var f *Failure
	if errors.As(err, &f) {
		return f
	}
	var e *wire.Error
	if !errors.As(err, &e) {
		return &Failure{Code: InternalError, Message: "An internal error occurred.", Again: true, Cause: err}
	}
	f = &Failure{Code: ClientError, Reason: e.Code, Message: e.Message, Cause: e}
	switch {
	case strings.HasPrefix(e.Code, "AccessDenied"):
		f.Code = NoPermissions
	case strings.HasSuffix(e.Code, "DoesNotExist") || strings.HasSuffix(e.Code, "NotFoundException"):
		f.Code = NoResource
	case e.Code == "TooManyRequestsException" || e.Code == "OverLimit" || e.Status == 429:
		f.Code, f.Again = Throttling, true
	case e.Code == wire.CodeInternal || e.Status >= 500:
		f.Code, f.Again = InternalError, true
	}
	return f
}
