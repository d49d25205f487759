package lambda

import (
	"context"
	"encoding/json"

	"naru/internal/policy"
	"naru/internal/store"
	"naru/internal/wire"
)

type PutResourcePolicyInput struct {
	ResourceArn string `aws:",uri"`
	Policy      *string
	RevisionId  *string
}

// ResourcePolicy is a policy in replies.
type ResourcePolicy struct{ Policy, RevisionId string }

// PutResourcePolicy gives a function, version or alias a policy as a whole.
func (s *Service) PutResourcePolicy(ctx context.Context, in *PutResourcePolicyInput) (*ResourcePolicy, error) {
	n, err := s.nameOf(ctx, in.ResourceArn, nil)
	if err != nil {
		return nil, err
	}
	p, err := parsePolicy(deref(in.Policy))
	if err != nil {
		return nil, err
	}
	err = s.setPolicy(n, in.RevisionId, p)
	if err != nil {
		return nil, err
	}
	revision, err := s.revisionOf(n)
	return &ResourcePolicy{p.text(), revision}, err
}

// parsePolicy returns the policy of a text.
func parsePolicy(text string) (*Policy, error) {
	refused := func(err error) error { return invalid("The provided policy is not valid: %v.", err) }
	d, err := policy.Parse(text)
	if err == nil {
		err = d.Validate(policy.Resource)
	}
	if err != nil {
		return nil, refused(err)
	}
	var document struct {
		Version, Id string
		Statement   json.RawMessage
	}
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		return nil, refused(err)
	}
	p := &Policy{Version: document.Version, ID: document.Id}
	if json.Unmarshal(document.Statement, &p.Statements) != nil {
		p.Statements = []json.RawMessage{document.Statement} // one needs no list
	}
	return p, p.check()
}

// setPolicy replaces a policy; nil removes it.
func (s *Service) setPolicy(n name, revision *string, p *Policy) error {
	return s.store.Catalog().Update(func(tx *store.Tx) error {
		current, err := s.revise(tx, n)
		if err != nil {
			return err
		}
		if err := checkRevisionOf(revision, current, "GetPolicy"); err != nil {
			return err
		}
		if p == nil && s.policyOf(n) == nil {
			return noResource()
		}
		return putPolicy(s.policies, tx, n.belonging(), p)
	})
}

type GetResourcePolicyInput struct {
	ResourceArn string `aws:",uri"`
}

// GetResourcePolicy returns the policy of a function, version or alias.
func (s *Service) GetResourcePolicy(ctx context.Context, in *GetResourcePolicyInput) (*ResourcePolicy, error) {
	out, err := s.GetPolicy(ctx, &GetPolicyInput{FunctionName: in.ResourceArn})
	if err != nil {
		return nil, err
	}
	return &ResourcePolicy{out.Policy, out.RevisionId}, nil
}

type DeleteResourcePolicyInput struct {
	ResourceArn string  `aws:",uri"`
	RevisionId  *string `aws:",query"`
}

// DeleteResourcePolicy removes the policy of a function, version or alias.
func (s *Service) DeleteResourcePolicy(ctx context.Context, in *DeleteResourcePolicyInput) (*wire.None, error) {
	n, err := s.nameOf(ctx, in.ResourceArn, nil)
	if err != nil {
		return nil, err
	}
	return &wire.None{}, s.setPolicy(n, in.RevisionId, nil)
}
