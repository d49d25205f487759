package server

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"naru/internal/arn"
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
	out := make([]logs.Line, len(lines))
	for i, l := range lines {
		out[i] = logs.Line(l)
	}
	return h.logs.Write(f.Account, f.Region, group, stream, out)
}

// outgoing returns the message by which a function sends something to a queue
// or function, if its role may.
func (h *house) outgoing(ctx context.Context, m lambda.Message) (queue.Outgoing, error) {
	a, err := arn.Parse(m.Target)
	if err != nil {
		return queue.Outgoing{}, err
	}
	role, err := h.iam.RolePrincipal(lambdaPrincipal, m.From.Role, m.From.Function)
	if err != nil {
		return queue.Outgoing{}, err
	}
	function, isFunction := strings.CutPrefix(a.Resource, "function:")
	var needs []policy.Request
	switch {
	case a.Service == "lambda" && isFunction:
		needs, err = h.lambda.InvokeNeeds(a.Account, a.Region, function)
	case a.Service == "sqs":
		needs, err = h.sqs.SendNeeds(a.Account, a.Region, a.Resource)
	default:
		err = fmt.Errorf("nothing can be sent to %s", m.Target)
	}
	if err != nil {
		return queue.Outgoing{}, err
	}
	if err := h.iam.Authorize(ctx, role, needs); err != nil {
		return queue.Outgoing{}, err
	}
	if isFunction {
		return h.lambda.OutgoingWithin(m.Trace, a.Account, a.Region, function, m.Payload)
	}
	out := h.sqs.Outgoing(a.Account, a.Region, a.Resource, role.UserID, "", m.Payload)
	out.Payload = withAttributes(out.Payload, m.Attributes)
	return out, nil
}

// withAttributes adds attributes to the payload of a message to a queue that
// has none: they are at its end, in the form that docs/KEYS.md gives.
func withAttributes(payload []byte, attributes map[string]lambda.Attribute) []byte {
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		for _, text := range []string{name, attributes[name].Type, attributes[name].Value} {
			payload = append(binary.AppendUvarint(payload, uint64(len(text))), text...)
		}
	}
	return payload
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

const eventsPrincipal = "events.amazonaws.com"

// address returns the message that brings a rule's event to its target, if the
// target is there and its policy lets the rule use it.
func (h *house) address(ctx context.Context, d events.Delivery) (queue.Outgoing, error) {
	a, err := arn.Parse(d.Target)
	if err != nil {
		return queue.Outgoing{}, err
	}
	function, isFunction := strings.CutPrefix(a.Resource, "function:")
	var needs []policy.Request
	switch {
	case a.Service == "lambda" && isFunction:
		needs, err = h.lambda.InvokeNeeds(a.Account, a.Region, function)
	case a.Service == "sqs":
		needs, err = h.sqs.SendNeeds(a.Account, a.Region, a.Resource)
	default:
		err = fmt.Errorf("nothing can be delivered to %s", d.Target)
	}
	if err != nil {
		return queue.Outgoing{}, err
	}
	for i := range needs {
		needs[i].Context = policy.Context{"aws:SourceArn": {d.RuleARN}, "aws:SourceAccount": {d.Account}}
	}
	if err := h.iam.Authorize(ctx, iam.ServicePrincipal(eventsPrincipal, d.Account), needs); err != nil {
		return queue.Outgoing{}, err
	}
	if isFunction {
		return h.lambda.Outgoing(a.Account, a.Region, function, d.Payload)
	}
	return h.sqs.Outgoing(a.Account, a.Region, a.Resource, eventsPrincipal, d.GroupID, d.Payload), nil
}

// tagsOf returns the tags of a resource, for the conditions of policies.
func (h *house) tagsOf(a arn.ARN) map[string]string {
	switch a.Service {
	case "sqs":
		return h.sqs.TagsOf(a)
	case "lambda":
		return h.lambda.TagsOf(a)
	case "logs":
		return h.logs.TagsOf(a)
	}
	return nil
}
