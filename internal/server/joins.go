package server

import (
	"context"
	"strings"

	"naru/internal/delivery"
	"naru/internal/lambda"
	"naru/internal/logs"
	"naru/internal/policy"
	"naru/internal/queue"
	"naru/internal/sqs"
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
	return lambda.Credentials{KeyID: c.ID, Secret: c.Secret, Token: c.Token}, err
}

// writeLog writes a function's lines as far as its role allows it; what it
// does not allow is dropped, as on AWS.
func (h *house) writeLog(ctx context.Context, f lambda.Caller, group, stream string, lines []lambda.Line) error {
	role, err := h.iam.RolePrincipal(lambdaPrincipal, f.Role, f.Function)
	if err != nil {
		return nil // without its role a function has no permission to log
	}
	err = h.iam.Authorize(ctx, role, []policy.Request{
		{Action: "logs:CreateLogStream", Resource: logs.GroupARN(f.Account, f.Region, group) + ":*"},
		{Action: "logs:PutLogEvents", Resource: logs.StreamARN(f.Account, f.Region, group, stream)},
	})
	if err != nil {
		return nil
	}
	out := make([]logs.Line, len(lines))
	for i, l := range lines {
		out[i] = logs.Line(l)
	}
	return h.logs.Write(f.Account, f.Region, group, stream, out)
}
