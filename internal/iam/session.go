package iam

import (
	"context"
	"errors"
	"maps"
	"strings"
	"time"

	"naru/internal/arn"
	"naru/internal/policy"
)

// sessionPrincipal returns the caller that a session stands for, with what its
// role or user may do now.
func (s *Service) sessionPrincipal(of *openSession) (p policy.Principal, err error) {
	switch {
	case of.Role != "":
		return s.roleSession(of)
	case of.UserID != "":
		u, ok := s.users.find(of.User)
		if !ok || u.ID != of.UserID {
			return p, unknownKey()
		}
		p, err = s.userPrincipal(u)
	default:
		p = root(of.Account)
	}
	p.Issued = of.Begun
	return p, err
}

// roleSession returns the caller that a session of a role is.
func (s *Service) roleSession(of *openSession) (policy.Principal, error) {
	r, ok := s.roles.find(of.Role)
	if !ok || r.ID != of.RoleID {
		return policy.Principal{}, unknownKey() // the role was deleted since
	}
	says, err := s.says(r)
	if err != nil {
		return policy.Principal{}, err
	}
	if last := of.last.Load(); last != nil && last.from == says {
		return last.principal, nil
	}
	p := s.principalOf(r, of.Name, says)
	p.Issued = of.Begun
	if err := s.narrow(&p, &of.session); err != nil {
		return p, err
	}
	of.last.Store(&made{says, p})
	return p, nil
}

// rolePrincipal returns the caller that a session of a role is.
func (s *Service) rolePrincipal(r *Role, name string) (policy.Principal, error) {
	says, err := s.says(r)
	if err != nil {
		return policy.Principal{}, err
	}
	return s.principalOf(r, name, says), nil
}

func (s *Service) principalOf(r *Role, name string, says *permissions) policy.Principal {
	return policy.Principal{
		Kind: policy.Session, ARN: sessionARN(r, name), Role: r.ARN(), Account: r.Account,
		UserID: r.ID + ":" + name, Identity: says.identity, Boundary: says.boundary, Tags: says.tags,
	}
}

// narrow gives a principal what its session was begun with: policies that limit
// it, and tags that override those of its role.
func (s *Service) narrow(p *policy.Principal, of *session) error {
	p.SourceIdentity, p.Transitive, p.Provider = of.SourceIdentity, of.Transitive, of.Provider
	if of.Policy != "" {
		d, err := s.documents.Parse(of.Policy)
		if err != nil {
			return err
		}
		p.Session = append(p.Session, d)
	}
	for _, policyARN := range of.PolicyARNs {
		d, err := s.managed(p.Account, policyARN)
		if err != nil {
			return err
		}
		p.Session = append(p.Session, d)
	}
	if len(of.Tags) > 0 {
		tags := make(map[string]string, len(p.Tags)+len(of.Tags))
		maps.Copy(tags, p.Tags)
		for key, value := range of.Tags {
			tags[strings.ToLower(key)] = value
		}
		p.Tags = tags
	}
	return nil
}

func sessionARN(r *Role, name string) string {
	return "arn:aws:sts::" + r.Account + ":assumed-role/" + r.Name + "/" + name
}

// ErrCannotAssume is returned by ServiceSession for a role whose trust policy
// does not allow the service to assume it, or that is not there.
var ErrCannotAssume = errors.New("the role cannot be assumed")

// ServiceSession returns credentials with which a service of AWS acts as a
// role on somebody's behalf: those of a function, for instance. In open mode a
// role that never existed gives those of the account's root, which do not run
// out.
func (s *Service) ServiceSession(service, roleARN, name string, lasting time.Duration) (Credentials, error) {
	r, ok := s.roles.find(roleARN)
	if !ok {
		account, err := s.withoutRole(roleARN)
		return Credentials{KeyPair: KeyPair{ID: account, Secret: "none"}}, err
	}
	if err := s.trusts(r, service); err != nil {
		return Credentials{}, err
	}
	return s.begin(session{Role: roleARN, RoleID: r.ID, Name: name}, lasting), nil
}

// RolePrincipal returns the caller that a service's session of a role is.
func (s *Service) RolePrincipal(service, roleARN, name string) (policy.Principal, error) {
	r, ok := s.roles.find(roleARN)
	if !ok {
		account, err := s.withoutRole(roleARN)
		return root(account), err
	}
	if err := s.trusts(r, service); err != nil {
		return policy.Principal{}, err
	}
	return s.rolePrincipal(r, name)
}

// trusts returns ErrCannotAssume unless the role's trust policy lets a service
// assume it, for the role's own account.
func (s *Service) trusts(r *Role, service string) error {
	says, err := s.says(r)
	if err != nil {
		return err
	}
	need := policy.Request{
		Action: "sts:AssumeRole", Resource: r.ARN(), Account: r.Account, Policy: says.trust, Trust: true,
		Context: policy.Context{"aws:SourceAccount": {r.Account}},
	}
	if s.Authorize(context.Background(), ServicePrincipal(service, r.Account), []policy.Request{need}) != nil {
		return ErrCannotAssume
	}
	return nil
}

// withoutRole returns the account whose root acts in place of a role that is
// not there, if any may.
func (s *Service) withoutRole(roleARN string) (account string, err error) {
	a, err := arn.Parse(roleARN)
	if _, was := s.deleted.Get(roleARN); was || s.options.Mode == ModeEnforce || err != nil || !isAccount(a.Account) {
		return "", ErrCannotAssume
	}
	if _, ok := s.warned.get(roleARN); !ok {
		s.warned.put(roleARN, true)
		s.log.Warn("a role does not exist: whoever acts as it acts as the account's root, since Naru is in open mode", "role", roleARN)
	}
	return a.Account, nil
}

// begin issues the credentials of a session.
func (s *Service) begin(of session, lasting time.Duration) Credentials {
	now := s.clock.Real().UTC().Truncate(time.Second)
	of.Begun, of.Expires = now, now.Add(lasting)
	return s.keys.issue(of)
}
