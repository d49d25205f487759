package iam

import (
	"context"

	"naru/internal/policy"
	"naru/internal/wire"
)

// A need is an action on a resource.
type need struct{ action, resource string }

func (n need) requests() []policy.Request {
	return []policy.Request{{Action: n.action, Resource: n.resource}}
}

// needs returns what an operation on one role needs.
func needs[In any](on func(account, role string) need, role func(*In) string) func(context.Context, *In) ([]policy.Request, error) {
	return func(ctx context.Context, in *In) ([]policy.Request, error) {
		return on(wire.CallOf(ctx).Account(), role(in)).requests(), nil
	}
}

// needsAny returns what an operation without a resource needs.
func needsAny[In any](action string) func(context.Context, *In) ([]policy.Request, error) {
	return func(context.Context, *In) ([]policy.Request, error) { return need{action, "*"}.requests(), nil }
}

// needsNothing is for operations that everybody may call.
func needsNothing[In any](context.Context, *In) ([]policy.Request, error) { return nil, nil }

func needsNewRole(ctx context.Context, in *CreateRoleInput) ([]policy.Request, error) {
	path := "/"
	if in.Path != nil {
		path = *in.Path
	}
	return need{"iam:CreateRole", roleARN(wire.CallOf(ctx).Account(), path, in.RoleName)}.requests(), nil
}
