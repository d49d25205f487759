package server

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"naru/internal/arn"
	"naru/internal/delivery"
	"naru/internal/events"
	"naru/internal/queue"
	"naru/internal/sqs"
	"naru/internal/wire"
)

// Universal targets of schedules are calls of the API. Every operation of
// Naru's is one, made as the role that the schedule names.

// universalNames are the services whose names in universal targets are not
// those of their signatures.
var universalNames = map[string]string{"eventbridge": "events", "cloudwatchlogs": "logs"}

// operationOf returns the operation that a universal target names.
func operationOf(service, action string) (name, operation string) {
	if other, ok := universalNames[service]; ok {
		service = other
	}
	r, n := utf8.DecodeRuneInString(action)
	return service, string(unicode.ToUpper(r)) + action[n:]
}

func (h *house) hasUniversal(service, action string) bool {
	return h.front.Has(operationOf(service, action))
}

// assumeForSchedules fails if EventBridge Scheduler may not assume a role.
func (h *house) assumeForSchedules(role string) error {
	_, err := h.iam.RolePrincipal(delivery.Scheduler, role, "scheduler")
	return err
}

// deliverByAPI makes the call that a schedule's universal target is. What only
// sends a message goes the way of all deliveries, and so arrives once.
func (h *house) deliverByAPI(ctx context.Context, d *delivery.Delivery, a arn.ARN) ([]queue.Outgoing, error) {
	service, action, _ := strings.Cut(strings.TrimPrefix(a.Resource, "aws-sdk:"), ":")
	switch service + ":" + action {
	case "sqs:sendMessage":
		return h.deliverSend(ctx, d)
	case "lambda:invoke":
		if out, asynchronous, err := h.deliverInvoke(ctx, d); asynchronous || err != nil {
			return out, err
		}
	}
	sender, err := h.sender(d)
	if err != nil {
		return nil, err
	}
	service, operation := operationOf(service, action)
	return nil, h.front.Do(ctx, &wire.Call{
		Service: service, Operation: operation, RequestID: d.ID, Region: d.Region, Caller: sender, Header: http.Header{},
	}, []byte(d.Payload))
}

// deliverSend sends the message of a SendMessage.
func (h *house) deliverSend(ctx context.Context, d *delivery.Delivery) ([]queue.Outgoing, error) {
	var in sqs.SendMessageInput
	if err := json.Unmarshal([]byte(d.Payload), &in); err != nil || in.QueueUrl == nil {
		return nil, &delivery.Failure{Code: delivery.ClientError, Reason: "SerializationException", Message: "The input is not that of SendMessage.", Cause: err}
	}
	to := arn.New("sqs", d.Region, d.Account, *in.QueueUrl)
	if account, name, ok := sqs.SplitURL(*in.QueueUrl); ok {
		to.Account, to.Resource = account, name
	}
	return h.deliverToQueue(ctx, d, to, &in)
}

// deliverInvoke invokes a function, if that is to be done asynchronously.
func (h *house) deliverInvoke(ctx context.Context, d *delivery.Delivery) (out []queue.Outgoing, asynchronous bool, err error) {
	var in struct {
		FunctionName, InvocationType, Qualifier string
		Payload                                 json.RawMessage
	}
	if json.Unmarshal([]byte(d.Payload), &in) != nil || in.InvocationType != "Event" {
		return nil, false, nil
	}
	to, err := arn.Parse(in.FunctionName)
	if err != nil {
		to = arn.New("lambda", d.Region, d.Account, "function:"+in.FunctionName)
	}
	function := strings.TrimPrefix(to.Resource, "function:")
	if in.Qualifier != "" {
		function += ":" + in.Qualifier
	}
	call := *d
	call.Payload = "{}"
	var text string
	if err := json.Unmarshal(in.Payload, &text); err != nil && len(in.Payload) > 0 {
		call.Payload = string(in.Payload)
	} else if text != "" {
		call.Payload = text
	}
	out, err = h.deliverToFunction(ctx, &call, to, function)
	return out, true, err
}

// deliverNewEvent puts the event of a schedule on a bus.
func (h *house) deliverNewEvent(ctx context.Context, d *delivery.Delivery) ([]queue.Outgoing, error) {
	sender, err := h.sender(d)
	if err != nil {
		return nil, err
	}
	return h.putEvent(ctx, sender, d.Account, d.Target, events.Event{
		Source: d.Event.Source, DetailType: d.Event.DetailType, Resources: []string{d.Source}, Detail: d.Payload, Time: d.At,
	})
}
