package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"

	"naru/internal/arn"
	"naru/internal/queue"
	"naru/internal/wire"
)

// An outcome is what became of an asynchronous event in the end.
type outcome struct {
	name      name // that it was meant for
	version   *Version
	event     *event
	config    *EventConfig // nil for the defaults
	condition string
	invokes   int     // how often the function was invoked
	result    *result // of the last time; nil if it was not invoked, or there was no room
}

// The conditions, as records name them.
const (
	succeeded        = "Success"
	retriesExhausted = "RetriesExhausted"
	eventAgeExceeded = "EventAgeExceeded"
	zeroReserved     = "ZeroReservedConcurrency"
)

// record is what destinations get of an event.
type record struct {
	Version        string          `json:"version"`
	Timestamp      string          `json:"timestamp"`
	RequestContext requestContext  `json:"requestContext"`
	RequestPayload json.RawMessage `json:"requestPayload"`
	Response       *response       `json:"responseContext,omitempty"`
	Payload        json.RawMessage `json:"responsePayload,omitempty"`
}

type requestContext struct {
	RequestID   string `json:"requestId"`
	FunctionARN string `json:"functionArn"`
	Condition   string `json:"condition"`
	Invokes     int    `json:"approximateInvokeCount"`
}

type response struct {
	StatusCode      int    `json:"statusCode"`
	ExecutedVersion string `json:"executedVersion"`
	FunctionError   string `json:"functionError,omitempty"`
}

func (s *Service) record(o *outcome) ([]byte, error) {
	r := record{
		Version: "1.0", Timestamp: s.clock.Now().Format("2006-01-02T15:04:05.000Z"), RequestPayload: o.event.Payload,
		RequestContext: requestContext{o.event.RequestID, o.name.orLatest().arn(), o.condition, o.invokes},
	}
	if o.result != nil {
		r.Response = &response{StatusCode: 200, ExecutedVersion: o.version.number()}
		if o.result.failed {
			r.Response.FunctionError = "Unhandled"
		}
		if r.Payload = o.result.payload; !json.Valid(r.Payload) { // of a runtime that may return any text
			text, err := json.Marshal(string(r.Payload))
			if err != nil {
				return nil, err
			}
			r.Payload = text
		}
	}
	return json.Marshal(r)
}

// The detail types of what became of an event, on an event bus.
const (
	successEvent = "Lambda Function Invocation Result - Success"
	failureEvent = "Lambda Function Invocation Result - Failure"
)

// tell settles an event for good, and sends what is told of it: in one batch,
// so that it is told once, whatever crashes when.
func (s *Service) tell(q *queue.Queue, d *queue.Delivery, o *outcome) error {
	target, detailType := "", failureEvent
	if o.condition == succeeded {
		detailType = successEvent
	}
	if o.config != nil {
		target = o.config.OnFailure
		if o.condition == succeeded {
			target = o.config.OnSuccess
		}
	}
	var messages []queue.Outgoing
	if target != "" {
		text, err := s.record(o)
		if err != nil {
			return err
		}
		messages = s.address(messages, o, "lambda_destination_delivery_failures", Message{
			Target: target, Payload: text, DetailType: detailType, Resources: []string{target, o.name.orLatest().arn()},
		})
	}
	if o.condition != succeeded {
		s.options.Meter.Counter("lambda_async_dropped", "function", o.name.function).Add(1)
		if o.version.DeadLetter != "" {
			messages = s.address(messages, o, "lambda_dead_letter_errors", o.deadLetter())
		}
	}
	return s.conclude(q, d, messages...)
}

// conclude deletes an event and sends messages.
func (s *Service) conclude(q *queue.Queue, d *queue.Delivery, messages ...queue.Outgoing) error {
	return settled(q.Forward(d.Handle, nil, messages...))
}

// settled returns err, unless it says that somebody else has the event by now.
func settled(err error) error {
	if errors.Is(err, queue.ErrNoMessage) {
		return nil
	}
	return err
}

// address adds a message to others, if it can be sent; if not, that is counted
// and logged, as it is the end of what AWS does, too.
func (s *Service) address(messages []queue.Outgoing, o *outcome, counter string, m Message) []queue.Outgoing {
	m.From, m.Trace = o.version.caller(), passing(o.name, o.event.Trace)
	out, err := s.options.Outgoing(context.Background(), m)
	if err == nil && len(m.Payload) > maxAsync {
		err = errors.New("it is larger than a message may be")
	}
	if err != nil {
		s.options.Meter.Counter(counter, "function", o.name.function).Add(1)
		s.log.Warn("what became of an event cannot be sent", "function", o.name.arn(), "requestId", o.event.RequestID, "target", m.Target, "err", err)
		return messages
	}
	return append(messages, out...)
}

// maxErrorMessage bounds the text of an error in a dead letter, in bytes.
const maxErrorMessage = 1024

// deadLetter returns the event itself, with why it failed.
func (o *outcome) deadLetter() Message {
	code, text := "429", "Rate Exceeded."
	if o.result != nil {
		code = "200"
		var e struct {
			ErrorMessage string `json:"errorMessage"`
		}
		if text = string(o.result.payload); json.Unmarshal(o.result.payload, &e) == nil && e.ErrorMessage != "" {
			text = e.ErrorMessage
		}
	}
	return Message{Target: o.version.DeadLetter, Payload: o.event.Payload, Attributes: map[string]Attribute{
		"RequestID":    {"String", o.event.RequestID},
		"ErrorCode":    {"Number", code},
		"ErrorMessage": {"String", shortened(text, maxErrorMessage)},
	}}
}

// shortened cuts a text to at most so many bytes, between characters.
func shortened(text string, most int) string {
	text = strings.ToValidUTF8(text, "?")
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}

// checkDeadLetter refuses a queue for failed events that the function's role
// may not send to.
func (s *Service) checkDeadLetter(ctx context.Context, v *Version) error {
	if v.DeadLetter == "" {
		return nil
	}
	if _, err := s.options.Outgoing(ctx, Message{From: v.caller(), Target: v.DeadLetter, Probe: true}); err != nil {
		var e *wire.Error
		if a, parsed := arn.Parse(v.DeadLetter); errors.As(err, &e) && e.Code == wire.CodeAccessDenied || parsed != nil || a.Service != "sqs" {
			return invalid("The provided execution role does not have permissions to call SendMessage on SQS")
		}
		return invalid("The destination ARN %s is invalid.", v.DeadLetter)
	}
	return nil
}
