package server

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"naru/internal/arn"
	"naru/internal/delivery"
	"naru/internal/events"
	"naru/internal/iam"
	"naru/internal/lambda"
	"naru/internal/logs"
	"naru/internal/policy"
	"naru/internal/queue"
	"naru/internal/sigv4"
	"naru/internal/sqs"
	"naru/internal/wire"
)

// The joins between services. Each passes the gate that requests from outside
// pass, with the principal that stands behind it.

// resolve tells the engine what stands at an address.
func (h *house) resolve(address string) (queue.Ref, bool) {
	switch {
	case strings.HasPrefix(address, sqs.AddressPrefix):
		return h.sqs.Resolve(address)
	case strings.HasPrefix(address, lambda.AddressPrefix):
		return h.lambda.Resolve(address)
	case strings.HasPrefix(address, delivery.AddressPrefix):
		return h.post.Resolve(address)
	}
	return queue.Ref{}, false
}

const lambdaPrincipal = "lambda.amazonaws.com"

// assume gives a function the credentials of its role.
func (h *house) assume(role, session string) (lambda.Credentials, error) {
	c, err := h.iam.ServiceSession(lambdaPrincipal, role, session, functionSession)
	if errors.Is(err, iam.ErrCannotAssume) {
		err = &wire.Error{Code: wire.CodeAccessDenied, Message: "The role defined for the function cannot be assumed by Lambda.", Cause: err}
	}
	return lambda.Credentials{KeyID: c.ID, Secret: c.Secret, Token: c.Token, Expires: c.Expires}, err
}

// writeLog writes a function's lines as far as its role allows it; what it
// does not allow is dropped, as on AWS.
func (h *house) writeLog(ctx context.Context, f lambda.Caller, group, stream string, lines []lambda.Line) error {
	role, err := h.iam.RolePrincipal(lambdaPrincipal, f.Role, f.Function)
	if err != nil {
		return nil // without its role a function has no permission to log
	}
	groupARN := logs.GroupARN(f.Account, f.Region, group)
	needs := []policy.Request{
		{Action: "logs:CreateLogStream", Resource: groupARN + ":*"},
		{Action: "logs:PutLogEvents", Resource: logs.StreamARN(f.Account, f.Region, group, stream)},
	}
	if !h.logs.HasGroup(f.Account, f.Region, group) {
		needs = append(needs, policy.Request{Action: "logs:CreateLogGroup", Resource: groupARN})
	}
	if h.iam.Authorize(ctx, role, needs) != nil {
		return nil
	}
	if h.store.RoomToGrow() != nil {
		return nil // a function is not to fail for want of a log
	}
	out := make([]logs.Line, len(lines))
	for i, l := range lines {
		out[i] = logs.Line(l)
	}
	return h.logs.Write(f.Account, f.Region, group, stream, out)
}

// outgoing returns the messages by which a function sends something to a queue,
// function or event bus, if its role may.
func (h *house) outgoing(ctx context.Context, m lambda.Message) ([]queue.Outgoing, error) {
	a, err := arn.Parse(m.Target)
	if err != nil {
		return nil, err
	}
	role, err := h.iam.RolePrincipal(lambdaPrincipal, m.From.Role, m.From.Function)
	if err != nil {
		return nil, err
	}
	function, isFunction := strings.CutPrefix(a.Resource, "function:")
	bus, isBus := strings.CutPrefix(a.Resource, "event-bus/")
	event := events.Event{Source: "lambda", DetailType: m.DetailType, Resources: m.Resources, Detail: string(m.Payload)}
	var needs []policy.Request
	switch {
	case a.Service == "lambda" && isFunction:
		needs, err = h.lambda.InvokeNeeds(a.Account, a.Region, function)
	case a.Service == "sqs":
		needs, err = h.sqs.SendNeeds(a.Account, a.Region, a.Resource)
	case a.Service == "events" && isBus:
		needs, err = h.events.PutNeeds(a.Account, a.Region, bus, event)
	default:
		err = fmt.Errorf("nothing can be sent to %s", m.Target)
	}
	if err != nil {
		return nil, err
	}
	if err := h.iam.Authorize(ctx, role, needs); err != nil || m.Probe {
		return nil, err
	}
	switch {
	case isBus:
		return h.events.Outgoing(a.Account, a.Region, bus, event)
	case isFunction:
		out, err := h.lambda.OutgoingWithin(m.Trace, a.Account, a.Region, function, m.Payload)
		return []queue.Outgoing{out}, err
	}
	path, text := "/"+a.Account+"/"+a.Resource, string(m.Payload)
	in := &sqs.SendMessageInput{QueueUrl: &path, MessageBody: &text, MessageAttributes: map[string]sqs.MessageAttributeValue{}}
	for name, attribute := range m.Attributes {
		in.MessageAttributes[name] = sqs.MessageAttributeValue{DataType: &attribute.Type, StringValue: &attribute.Value}
	}
	out, delay, err := h.sqs.Prepare(wire.WithCall(ctx, &wire.Call{
		Service: "sqs", Operation: "SendMessage", Region: a.Region, Caller: role, Header: http.Header{},
	}), in)
	out.Delay = delay
	return []queue.Outgoing{out}, err
}

// admit lets in who may use the URL of a function: one that must be signed for,
// or that its policy lets everybody use. In open mode an unsigned request is the
// account's root, as everywhere.
func (h *house) admit(ctx context.Context, v lambda.Visit) (policy.Principal, string, error) {
	var caller policy.Principal
	signature, err := sigv4.Parse(v.Request)
	switch {
	case v.Signed && err != nil:
		return caller, "", &wire.Error{Code: wire.CodeUnsigned, Message: "Forbidden", Cause: err}
	case v.Signed:
		if caller, _, err = h.iam.Authenticate(v.Request, signature, func() sigv4.Payload { return sigv4.Payload{Sum: sha256.Sum256(v.Body)} }); err != nil {
			return caller, "", err
		}
		return caller, signature.KeyID, h.iam.Authorize(ctx, caller, v.Needs)
	case iam.Mode(h.config.Auth) == iam.ModeOpen:
		caller = policy.Principal{Kind: policy.Root, Account: v.Account, ARN: "arn:aws:iam::" + v.Account + ":root", UserID: v.Account}
	}
	return caller, "", h.iam.Authorize(ctx, caller, v.Needs)
}

// tagsOf returns the tags of a resource, for the conditions of policies.
func (h *house) tagsOf(a arn.ARN) map[string]string {
	switch a.Service {
	case "sqs":
		return h.sqs.TagsOf(a)
	case "lambda":
		return h.lambda.TagsOf(a)
	case "events":
		return h.events.TagsOf(a)
	case "scheduler":
		return h.scheduler.TagsOf(a)
	case "logs":
		return h.logs.TagsOf(a)
	}
	return nil
}
