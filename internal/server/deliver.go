package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"naru/internal/arn"
	"naru/internal/delivery"
	"naru/internal/events"
	"naru/internal/iam"
	"naru/internal/logs"
	"naru/internal/policy"
	"naru/internal/queue"
	"naru/internal/sqs"
	"naru/internal/wire"
)

// deliver brings what a rule or schedule sends to its target, if the target is
// there and may be used: by the role that the delivery names, or else by the
// service, which the policy of the target must let do so on behalf of the rule.
func (h *house) deliver(ctx context.Context, d *delivery.Delivery) ([]queue.Outgoing, error) {
	a, err := arn.Parse(d.Target)
	if err != nil {
		return nil, err
	}
	if d.Service == delivery.Scheduler {
		d.Payload = strings.ReplaceAll(d.Payload, "<aws.scheduler.attempt-number>", strconv.Itoa(d.Attempt))
	}
	function, isFunction := strings.CutPrefix(a.Resource, "function:")
	group, isGroup := strings.CutPrefix(a.Resource, "log-group:")
	bus, isBus := strings.CutPrefix(a.Resource, "event-bus/")
	switch {
	case a.Service == "sqs":
		return h.deliverToQueue(ctx, d, a, &sqs.SendMessageInput{MessageBody: &d.Payload, MessageGroupId: optional(d.GroupID)})
	case a.Service == "lambda" && isFunction:
		return h.deliverToFunction(ctx, d, a, function)
	case a.Service == "logs" && isGroup:
		return nil, h.deliverToLogs(d, a, strings.TrimSuffix(group, ":*"))
	case a.Service == "events" && isBus && d.Event != nil:
		return h.deliverNewEvent(ctx, d)
	case a.Service == "events" && isBus:
		return h.deliverToBus(ctx, d, a, bus)
	case a.Service == "scheduler":
		return h.deliverByAPI(ctx, d, a)
	}
	return nil, &delivery.Failure{Code: delivery.NoResource, Message: "Nothing can be delivered to " + d.Target + "."}
}

func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// sender returns who makes a delivery.
func (h *house) sender(d *delivery.Delivery) (policy.Principal, error) {
	if d.Role == "" {
		p := iam.ServicePrincipal(d.Service, d.Account)
		p.UserID = d.Service
		return p, nil
	}
	p, err := h.iam.RolePrincipal(d.Service, d.Role, d.ID)
	if errors.Is(err, iam.ErrCannotAssume) {
		return p, &delivery.Failure{Code: delivery.NoPermissions, Message: d.Service + " cannot assume the role " + d.Role + ".", Cause: err}
	}
	return p, err
}

// mayDeliver returns nil if the sender of a delivery may do what is needed.
func (h *house) mayDeliver(ctx context.Context, d *delivery.Delivery, sender policy.Principal, needs []policy.Request) error {
	for i := range needs {
		if sender.Kind != policy.Service {
			continue
		}
		if needs[i].Context == nil {
			needs[i].Context = policy.Context{}
		}
		needs[i].Context["aws:SourceArn"] = []string{d.Source}
		needs[i].Context["aws:SourceAccount"] = []string{d.Account}
	}
	return h.iam.Authorize(ctx, sender, needs)
}

func (h *house) deliverToQueue(ctx context.Context, d *delivery.Delivery, a arn.ARN, in *sqs.SendMessageInput) ([]queue.Outgoing, error) {
	sender, err := h.sender(d)
	if err != nil {
		return nil, err
	}
	needs, err := h.sqs.SendNeeds(a.Account, a.Region, a.Resource)
	if err != nil {
		return nil, err
	}
	if err := h.mayDeliver(ctx, d, sender, needs); err != nil {
		return nil, err
	}
	path := "/" + a.Account + "/" + a.Resource
	in.QueueUrl = &path
	out, delay, err := h.sqs.Prepare(wire.WithCall(ctx, &wire.Call{
		Service: "sqs", Operation: "SendMessage", RequestID: d.ID, Region: a.Region, Caller: sender, Header: http.Header{},
	}), in)
	out.Delay = delay
	return []queue.Outgoing{out}, err
}

func (h *house) deliverToFunction(ctx context.Context, d *delivery.Delivery, a arn.ARN, function string) ([]queue.Outgoing, error) {
	sender, err := h.sender(d)
	if err != nil {
		return nil, err
	}
	needs, err := h.lambda.InvokeNeeds(a.Account, a.Region, function)
	if err != nil {
		return nil, err
	}
	if err := h.mayDeliver(ctx, d, sender, needs); err != nil {
		return nil, err
	}
	if !json.Valid([]byte(d.Payload)) {
		return nil, wire.Errorf("InvalidRequestContentException", "Could not parse request body into json.")
	}
	out, err := h.lambda.Outgoing(a.Account, a.Region, function, []byte(d.Payload))
	return []queue.Outgoing{out}, err
}

// deliverToLogs writes an event into a stream of its own. The rules of an
// account may write to all of its groups: Naru has no policies of Logs yet that
// could say otherwise.
func (h *house) deliverToLogs(d *delivery.Delivery, a arn.ARN, group string) error {
	if a.Account != d.Account {
		return &delivery.Failure{Code: delivery.NoPermissions, Message: "The log group is of another account."}
	}
	line := logs.Line{Time: d.At, Text: d.Payload}
	var made struct {
		Timestamp *int64  `json:"timestamp"`
		Message   *string `json:"message"`
	}
	if json.Unmarshal([]byte(d.Payload), &made) == nil && made.Timestamp != nil && made.Message != nil {
		line = logs.Line{Time: time.UnixMilli(*made.Timestamp), Text: *made.Message}
	}
	return h.logs.Deliver(a.Account, a.Region, group, d.ID+"-"+d.Unique, line)
}

// deliverToBus puts an event on another bus. Without a role it is the account of
// the rule that does so.
func (h *house) deliverToBus(ctx context.Context, d *delivery.Delivery, a arn.ARN, bus string) ([]queue.Outgoing, error) {
	var e struct {
		Source     string `json:"source"`
		DetailType string `json:"detail-type"`
	}
	if err := json.Unmarshal([]byte(d.Payload), &e); err != nil {
		return nil, &delivery.Failure{Code: delivery.ClientError, Message: "What is sent is no event.", Cause: err}
	}
	sender, err := h.sender(d)
	if err != nil {
		return nil, err
	}
	if d.Role == "" {
		sender = policy.Principal{Kind: policy.Root, ARN: "arn:aws:iam::" + d.Account + ":root", Account: d.Account, UserID: d.Account}
	}
	needs, err := h.events.PutNeeds(a.Account, a.Region, bus, events.Event{Source: e.Source, DetailType: e.DetailType})
	if err != nil {
		return nil, err
	}
	if err := h.mayDeliver(ctx, d, sender, needs); err != nil {
		return nil, err
	}
	return h.events.Forward(a.Account, a.Region, bus, d.ID, d.Payload, d.Hops+1)
}

// putEvent returns the messages that put an event on a bus, for whoever puts
// it there, if it may: it is the join for destinations of functions, and for
// whatever else in Naru tells of something by an event. account is that of the
// event. The messages go out in a batch of the caller's own.
func (h *house) putEvent(ctx context.Context, sender policy.Principal, account, busARN string, e events.Event) ([]queue.Outgoing, error) {
	a, err := arn.Parse(busARN)
	bus, isBus := strings.CutPrefix(a.Resource, "event-bus/")
	if err != nil || a.Service != "events" || !isBus {
		return nil, wire.Errorf("ValidationException", "%s is no event bus.", busARN)
	}
	needs, err := h.events.PutNeeds(a.Account, a.Region, bus, e)
	if err != nil {
		return nil, err
	}
	if err := h.iam.Authorize(ctx, sender, needs); err != nil {
		return nil, err
	}
	return h.events.Outgoing(account, a.Region, bus, e)
}

// deadLetter returns the message that brings a delivery to its dead-letter
// queue.
func (h *house) deadLetter(ctx context.Context, d *delivery.Delivery, attributes map[string]string) (queue.Outgoing, error) {
	a, err := arn.Parse(d.DeadLetter)
	if err != nil {
		return queue.Outgoing{}, err
	}
	out, err := h.deliverToQueue(ctx, d, a, &sqs.SendMessageInput{MessageBody: &d.Payload, MessageAttributes: sqs.Texts(attributes)})
	if err != nil {
		return queue.Outgoing{}, err
	}
	return out[0], nil
}
