package server

import (
	"context"
	"errors"
	"time"

	"naru/internal/arn"
	"naru/internal/iam"
	"naru/internal/lambda"
	"naru/internal/queue"
	"naru/internal/sqs"
	"naru/internal/trigger"
	"naru/internal/wire"
)

// A source is a queue that triggers functions: the join of lambda and sqs. What
// a trigger does passes the gate, as its function's role.
type source struct {
	house *house
	queue *sqs.Source
}

// queueOf returns the queue that an ARN names.
func (h *house) queueOf(text string) lambda.Queue {
	a, err := arn.Parse(text)
	if err != nil {
		a = arn.ARN{} // of which there is no queue
	}
	return &source{h, h.sqs.SourceOf(a.Account, a.Region, a.Resource)}
}

// operations are what a trigger does, by the actions that it needs.
var operations = map[string]string{
	"sqs:receivemessage": "ReceiveMessage", "sqs:deletemessage": "DeleteMessage", "sqs:getqueueattributes": "GetQueueAttributes",
}

// may returns nil if the function's role may do all that is named.
func (s *source) may(ctx context.Context, as lambda.Caller, actions ...string) error {
	role, err := s.house.iam.RolePrincipal(lambdaPrincipal, as.Role, as.Function)
	if errors.Is(err, iam.ErrCannotAssume) {
		return &wire.Error{Code: "InvalidParameterValueException", Message: "The role defined for the function cannot be assumed by Lambda.", Cause: err}
	}
	if err != nil {
		return err
	}
	for _, action := range actions {
		needs, err := s.queue.Needs(action)
		if err != nil {
			return absent(err)
		}
		if s.house.iam.Authorize(ctx, role, needs) != nil {
			return lambda.Denied{Operation: operations[action]}
		}
	}
	return nil
}

// absent is lambda's error for a queue that is not there.
func absent(err error) error {
	var e *wire.Error
	if errors.As(err, &e) && e.Code == "QueueDoesNotExist" {
		return lambda.ErrNoQueue
	}
	return err
}

// Check implements lambda.Queue.
func (s *source) Check(ctx context.Context, as lambda.Caller) (time.Duration, error) {
	if err := s.may(ctx, as, "sqs:receivemessage", "sqs:deletemessage", "sqs:getqueueattributes"); err != nil {
		return 0, err
	}
	visibility, err := s.queue.Visibility()
	return visibility, absent(err)
}

// Receive implements lambda.Queue. Whoever has waited must still be allowed to
// receive.
func (s *source) Receive(ctx context.Context, as lambda.Caller, most int, visibility, wait time.Duration) ([]trigger.Message, error) {
	got, err := s.queue.Receive(ctx, most, visibility, wait)
	if err != nil || len(got) == 0 {
		return nil, absent(err)
	}
	if err := s.may(ctx, as, "sqs:receivemessage"); err != nil {
		handles := make([]queue.Handle, len(got))
		for i := range got {
			handles[i] = got[i].Handle
		}
		return nil, errors.Join(err, s.queue.Return(handles))
	}
	all := make([]trigger.Message, len(got))
	for i := range got {
		m := &got[i]
		all[i] = trigger.Message{
			Handle: m.Handle, ReceiptHandle: m.ReceiptHandle, ID: m.ID, Body: m.Body, MD5: m.MD5, AttributesMD5: m.AttributesMD5,
			System: make([]trigger.SystemAttribute, len(m.System)), Attributes: make([]trigger.Attribute, len(m.Attributes)),
		}
		for k, a := range m.System {
			all[i].System[k] = trigger.SystemAttribute(a)
		}
		for k, a := range m.Attributes {
			all[i].Attributes[k] = trigger.Attribute(a)
		}
	}
	return all, nil
}

// Delete implements lambda.Queue.
func (s *source) Delete(ctx context.Context, as lambda.Caller, handles []queue.Handle) (int, error) {
	if err := s.may(ctx, as, "sqs:deletemessage"); err != nil {
		return 0, err
	}
	n, err := s.queue.Delete(handles)
	return n, absent(err)
}

// Return implements lambda.Queue.
func (s *source) Return(handles []queue.Handle) error { return absent(s.queue.Return(handles)) }
