package iam

import (
	"context"
	"fmt"

	"naru/internal/arn"
	"naru/internal/policy"
)

type AssumeRoleWithWebIdentityInput struct {
	RoleArn          string
	RoleSessionName  string
	WebIdentityToken string
	ProviderId       *string
	DurationSeconds  *int32
	Policy           *string
	PolicyArns       []PolicyDescriptor
}

type AssumeRoleWithWebIdentityOutput struct {
	Credentials                 *CredentialsShape
	AssumedRoleUser             *AssumedRoleUser
	SubjectFromWebIdentityToken *string
	Audience                    *string
	Provider                    *string
	PackedPolicySize            *int32
	SourceIdentity              *string
}

// needsWebIdentity asks the role's trust policy about whoever the token says.
func (s *Service) needsWebIdentity(_ context.Context, in *AssumeRoleWithWebIdentityInput) ([]policy.Request, error) {
	p, said, err := s.webIdentity(in.WebIdentityToken)
	if err != nil {
		return nil, err
	}
	keys := policy.Context{p.name() + ":aud": said.audiences(), p.name() + ":sub": {said.Subject}, p.name() + ":amr": said.Methods}
	if said.Authorized != "" {
		keys[p.name()+":oaud"], keys[p.name()+":azp"] = said.Audience, []string{said.Authorized}
	}
	actions := []string{"sts:AssumeRoleWithWebIdentity"}
	if tags := said.tags(); len(tags) > 0 {
		actions = append(actions, "sts:TagSession")
		given := map[string]string{}
		for _, t := range tags {
			given[t.Key] = t.Value
		}
		for name, values := range policy.TagContext(given, nil) {
			keys[name] = values
		}
	}
	if said.SourceIdentity != "" {
		actions = append(actions, "sts:SetSourceIdentity")
		keys["sts:SourceIdentity"] = []string{said.SourceIdentity}
	}
	needs, err := s.trustOf(in.RoleArn, in.RoleSessionName, keys, actions...)
	account := ""
	if a, err := arn.Parse(in.RoleArn); err == nil {
		account = a.Account
	}
	for i := range needs {
		needs[i].By = &policy.Principal{Kind: policy.Federated, Provider: p.arn(account)}
	}
	return needs, err
}

// AssumeRoleWithWebIdentity begins a session of a role for whoever a web
// identity provider vouches for. It needs no signature.
func (s *Service) AssumeRoleWithWebIdentity(_ context.Context, in *AssumeRoleWithWebIdentityInput) (*AssumeRoleWithWebIdentityOutput, error) {
	p, said, err := s.webIdentity(in.WebIdentityToken)
	if err != nil {
		return nil, err
	}
	r, ok := s.roles.find(in.RoleArn)
	if !ok {
		return nil, fmt.Errorf("the role %s went away", in.RoleArn)
	}
	begun, lasting, err := s.prepare(r, sessionStart{in.RoleSessionName, in.DurationSeconds, in.Policy, in.PolicyArns}, false)
	if err != nil {
		return nil, err
	}
	if err := begun.tag(said.tags(), said.Tags.Transitive, nil); err != nil {
		return nil, err
	}
	begun.Provider, begun.SourceIdentity = p.arn(r.Account), said.SourceIdentity
	packed, err := begun.packed()
	if err != nil {
		return nil, err
	}
	out := &AssumeRoleWithWebIdentityOutput{
		Credentials: s.begin(begun, lasting).shape(), AssumedRoleUser: begun.user(r), PackedPolicySize: packed,
		SubjectFromWebIdentityToken: &said.Subject, Audience: &said.audiences()[0], Provider: &begun.Provider,
	}
	if begun.SourceIdentity != "" {
		out.SourceIdentity = &begun.SourceIdentity
	}
	return out, nil
}
