package lambda

import (
	"context"
	"encoding/json"
	"fmt"

	"naru/internal/policy"
	"naru/internal/store"
	"naru/internal/wire"
)

type AddLayerVersionPermissionInput struct {
	LayerName      string `aws:",uri"`
	VersionNumber  int64  `aws:",uri"`
	StatementId    *string
	Action         *string
	Principal      *string
	OrganizationId *string
	RevisionId     *string `aws:",query"`
}

type AddLayerVersionPermissionOutput struct{ RevisionId, Statement string }

// AddLayerVersionPermission lets an account use a version of a layer.
func (s *Service) AddLayerVersionPermission(ctx context.Context, in *AddLayerVersionPermissionInput) (*AddLayerVersionPermissionOutput, error) {
	l, err := layerOf(ctx, in.LayerName)
	if err != nil {
		return nil, err
	}
	sid := deref(in.StatementId)
	switch {
	case !sidForm.MatchString(sid):
		return nil, violation(sid, "statementId", `Member must satisfy regular expression pattern: ([a-zA-Z0-9-_]+)`)
	case deref(in.Action) != "lambda:GetLayerVersion":
		return nil, violation(deref(in.Action), "action", "Member must satisfy regular expression pattern: lambda:GetLayerVersion")
	}
	st := &statement{Sid: sid, Effect: "Allow", Action: *in.Action, Resource: l.versionARN(in.VersionNumber)}
	if st.Principal, err = principalOf(deref(in.Principal)); err != nil {
		return nil, err
	}
	if in.OrganizationId != nil {
		st.Condition = map[string]map[string]string{"StringEquals": {"aws:PrincipalOrgID": *in.OrganizationId}}
	}
	text, err := json.Marshal(st)
	if err != nil {
		return nil, err
	}
	p, err := s.changeLayerPolicy(l, in.VersionNumber, in.RevisionId, func(p *Policy) (*Policy, error) {
		if p.index(sid) >= 0 {
			return nil, statementExists(sid)
		}
		p = p.with(text)
		return p, p.check()
	})
	if err != nil {
		return nil, err
	}
	return &AddLayerVersionPermissionOutput{p.Revision, string(text)}, nil
}

// changeLayerPolicy replaces the policy of a version of a layer by what change
// makes of it, if it is of the given revision; nil stands for no policy.
func (s *Service) changeLayerPolicy(l layerName, number int64, revision *string, change func(*Policy) (*Policy, error)) (p *Policy, err error) {
	return p, s.store.Catalog().Update(func(tx *store.Tx) error {
		old, err := s.layerPolicy(l, number)
		if err != nil {
			return err
		}
		if p, err = change(old); err != nil {
			return err
		}
		current := ""
		if old != nil {
			current = old.Revision
		}
		if err := checkRevisionOf(revision, current, "GetLayerPolicy"); err != nil {
			return err
		}
		return putPolicy(s.layerPolicies, tx, l.versionKey(number), p)
	})
}

// layerPolicy returns the policy of a version of a layer, nil if it has none.
func (s *Service) layerPolicy(l layerName, number int64) (*Policy, error) {
	if number < 1 {
		return nil, errLayerNumber()
	}
	if _, ok := s.layerVersions.Get(l.versionKey(number)); !ok {
		return nil, missing("Layer version %s does not exist.", l.versionARN(number))
	}
	p, _ := s.layerPolicies.Get(l.versionKey(number))
	return p, nil
}

type RemoveLayerVersionPermissionInput struct {
	LayerName     string  `aws:",uri"`
	VersionNumber int64   `aws:",uri"`
	StatementId   string  `aws:",uri"`
	RevisionId    *string `aws:",query"`
}

// RemoveLayerVersionPermission removes a statement of a layer's policy.
func (s *Service) RemoveLayerVersionPermission(ctx context.Context, in *RemoveLayerVersionPermissionInput) (*wire.None, error) {
	l, err := layerOf(ctx, in.LayerName)
	if err != nil {
		return nil, err
	}
	_, err = s.changeLayerPolicy(l, in.VersionNumber, in.RevisionId, func(p *Policy) (*Policy, error) {
		i := p.index(in.StatementId)
		if i < 0 {
			return nil, noStatement(in.StatementId)
		}
		return p.without(i), nil
	})
	return &wire.None{}, err
}

type GetLayerVersionPolicyInput struct {
	LayerName     string `aws:",uri"`
	VersionNumber int64  `aws:",uri"`
}

// GetLayerVersionPolicy returns the policy of a version of a layer.
func (s *Service) GetLayerVersionPolicy(ctx context.Context, in *GetLayerVersionPolicyInput) (*ResourcePolicy, error) {
	l, err := layerOf(ctx, in.LayerName)
	if err != nil {
		return nil, err
	}
	p, err := s.layerPolicy(l, in.VersionNumber)
	switch {
	case err != nil:
		return nil, err
	case p == nil:
		return nil, noPolicy()
	}
	return &ResourcePolicy{p.text(), p.Revision}, nil
}

// onLayer returns what an operation on a layer needs, or with a number on a
// version of it.
func onLayer[In any](s *Service, action string, of func(*In) (string, *int64)) needs[In] {
	return func(ctx context.Context, in *In) ([]policy.Request, error) {
		reference, number := of(in)
		l, err := layerOf(ctx, reference)
		if err != nil {
			return nil, err
		}
		request := policy.Request{Action: "lambda:" + action, Resource: l.arn(), Account: l.account}
		if number != nil {
			request.Resource = l.versionARN(*number)
			p, _ := s.layerPolicies.Get(l.versionKey(*number))
			if request.Policy, err = p.document(); err != nil {
				return nil, fmt.Errorf("policy of %s: %w", request.Resource, err)
			}
		}
		return []policy.Request{request}, nil
	}
}
