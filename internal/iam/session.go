package iam

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"naru/internal/arn"
	"naru/internal/policy"
	"naru/internal/wire"
)

// A parsedRole is a role's policies ready to be evaluated.
type parsedRole struct {
	role     *Role // that it was made from
	trust    *policy.Document
	identity []*policy.Document
}

// parsed returns the role's policies, parsed once for each change of the role.
func (s *Service) parsed(r *Role) (*parsedRole, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.documents[r.ARN()]; p != nil && p.role == r {
		return p, nil
	}
	p := &parsedRole{role: r}
	var err error
	if p.trust, err = policy.Parse(r.Trust); err != nil {
		return nil, fmt.Errorf("trust policy of %s: %w", r.ARN(), err)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Policies)) {
		d, err := policy.Parse(r.Policies[name])
		if err != nil {
			return nil, fmt.Errorf("policy %s of %s: %w", name, r.ARN(), err)
		}
		p.identity = append(p.identity, d)
	}
	s.documents[r.ARN()] = p
	return p, nil
}

// roleByARN returns the role that an ARN names.
func (s *Service) roleByARN(text string) (*Role, bool) {
	a, err := arn.Parse(text)
	if err != nil || a.Service != "iam" {
		return nil, false
	}
	name := a.Resource[strings.LastIndexByte(a.Resource, '/')+1:]
	r, ok := s.roles.Get(roleKey(a.Account, name))
	return r, ok && r.ARN() == text
}

// sessionPrincipal returns the caller that a session stands for, with what its
// role may do now.
func (s *Service) sessionPrincipal(session session) (policy.Principal, error) {
	r, ok := s.roleByARN(session.Role)
	if !ok || r.ID != session.RoleID {
		return policy.Principal{}, unknownKey() // the role was deleted since
	}
	documents, err := s.parsed(r)
	if err != nil {
		return policy.Principal{}, err
	}
	p := policy.Principal{
		Kind: policy.Session, ARN: sessionARN(r, session.Name), Role: r.ARN(), Account: r.Account,
		UserID: r.ID + ":" + session.Name, Identity: documents.identity,
	}
	if session.Policy != "" {
		d, err := policy.Parse(session.Policy)
		if err != nil {
			return policy.Principal{}, err
		}
		p.Session = []*policy.Document{d}
	}
	return p, nil
}

func sessionARN(r *Role, name string) string {
	return "arn:aws:sts::" + r.Account + ":assumed-role/" + r.Name + "/" + name
}

// ErrCannotAssume is returned by ServiceSession for a role whose trust policy
// does not allow the service to assume it, or that is not there.
var ErrCannotAssume = errors.New("the role cannot be assumed")

// ServiceSession returns credentials with which a service of AWS acts as a
// role on somebody's behalf: those of a function, for instance. In open mode a
// role that never existed gives those of the account's root.
func (s *Service) ServiceSession(service, roleARN, name string, lasting time.Duration) (Credentials, error) {
	r, ok := s.roleByARN(roleARN)
	if !ok {
		return s.withoutRole(roleARN)
	}
	documents, err := s.parsed(r)
	if err != nil {
		return Credentials{}, err
	}
	d := policy.Evaluate(ServicePrincipal(service, r.Account), policy.Request{
		Action: "sts:AssumeRole", Resource: roleARN, Account: r.Account, Policy: documents.trust, Trust: true,
	})
	if !d.Allowed {
		return Credentials{}, ErrCannotAssume
	}
	return s.keys.issue(session{Role: roleARN, RoleID: r.ID, Name: name, Expires: s.clock.Real().Add(lasting).Truncate(time.Second)}), nil
}

// RolePrincipal returns the caller that a service's session of a role is.
func (s *Service) RolePrincipal(service, roleARN, name string) (policy.Principal, error) {
	c, err := s.ServiceSession(service, roleARN, name, time.Hour)
	if err != nil {
		return policy.Principal{}, err
	}
	if session, ok := s.keys.session(c.Token); ok {
		return s.sessionPrincipal(session)
	}
	return root(c.ID), nil
}

// withoutRole returns the credentials for a role that is not there.
func (s *Service) withoutRole(roleARN string) (Credentials, error) {
	a, err := arn.Parse(roleARN)
	if _, was := s.deleted.Get(roleARN); was || s.options.Mode == ModeEnforce || err != nil || !isAccount(a.Account) {
		return Credentials{}, ErrCannotAssume
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.warned[roleARN] {
		s.warned[roleARN] = true
		s.log.Warn("a role does not exist: whoever acts as it acts as the account's root, since Naru is in open mode", "role", roleARN)
	}
	return Credentials{KeyPair: KeyPair{ID: a.Account, Secret: "none"}}, nil
}

type GetCallerIdentityInput struct{}

type GetCallerIdentityOutput struct {
	UserId  string
	Account string
	Arn     string
}

// GetCallerIdentity tells the caller who it is.
func (s *Service) GetCallerIdentity(ctx context.Context, _ *GetCallerIdentityInput) (*GetCallerIdentityOutput, error) {
	c := wire.CallOf(ctx).Caller
	return &GetCallerIdentityOutput{c.UserID, c.Account, c.ARN}, nil
}

type AssumeRoleInput struct {
	RoleArn           string
	RoleSessionName   string
	DurationSeconds   *int32
	Policy            *string
	PolicyArns        []PolicyDescriptor
	ExternalId        *string
	Tags              []Tag
	TransitiveTagKeys []string
	SourceIdentity    *string
	SerialNumber      *string
	TokenCode         *string
}

// PolicyDescriptor names a managed policy.
type PolicyDescriptor struct {
	Arn *string `aws:"arn"`
}

type AssumeRoleOutput struct {
	Credentials      *CredentialsShape
	AssumedRoleUser  *AssumedRoleUser
	PackedPolicySize *int32
}

// CredentialsShape are credentials in replies.
type CredentialsShape struct {
	AccessKeyId     string
	SecretAccessKey string
	SessionToken    string
	Expiration      time.Time
}

// AssumedRoleUser names a role session.
type AssumedRoleUser struct {
	AssumedRoleId string
	Arn           string
}

// needsTrust asks the role's trust policy. A role that does not exist is
// refused in the same words as one that may not be assumed.
func (s *Service) needsTrust(ctx context.Context, in *AssumeRoleInput) ([]policy.Request, error) {
	if _, err := arn.Parse(in.RoleArn); err != nil {
		return nil, wire.Errorf("ValidationError", "%s is invalid", in.RoleArn)
	}
	request := policy.Request{Action: "sts:AssumeRole", Resource: in.RoleArn, Trust: true, Context: policy.Context{}}
	if in.ExternalId != nil {
		request.Context["sts:ExternalId"] = []string{*in.ExternalId}
	}
	request.Context["sts:RoleSessionName"] = []string{in.RoleSessionName}
	if r, ok := s.roleByARN(in.RoleArn); ok {
		documents, err := s.parsed(r)
		if err != nil {
			return nil, err
		}
		request.Policy, request.Account = documents.trust, r.Account
	}
	return []policy.Request{request}, nil
}

var sessionNameForm = regexp.MustCompile(`^[\w+=,.@-]*$`)

// AssumeRole begins a session of a role.
func (s *Service) AssumeRole(ctx context.Context, in *AssumeRoleInput) (*AssumeRoleOutput, error) {
	r, ok := s.roleByARN(in.RoleArn)
	if !ok {
		return nil, fmt.Errorf("the role %s went away", in.RoleArn)
	}
	if err := in.validate(wire.CallOf(ctx).Caller, r); err != nil {
		return nil, err
	}
	lasting := time.Hour
	if in.DurationSeconds != nil {
		lasting = time.Duration(*in.DurationSeconds) * time.Second
	}
	begun := session{Role: in.RoleArn, RoleID: r.ID, Name: in.RoleSessionName, Expires: s.clock.Real().Add(lasting).Truncate(time.Second)}
	out := &AssumeRoleOutput{AssumedRoleUser: &AssumedRoleUser{r.ID + ":" + begun.Name, sessionARN(r, begun.Name)}}
	if in.Policy != nil {
		begun.Policy = *in.Policy
		size := int32(len(begun.Policy) * 100 / maxSessionPolicy)
		out.PackedPolicySize = &size
	}
	c := s.keys.issue(begun)
	out.Credentials = &CredentialsShape{c.ID, c.Secret, c.Token, c.Expires}
	return out, nil
}

const maxSessionPolicy = 2048

func (in *AssumeRoleInput) validate(caller policy.Principal, r *Role) error {
	name := in.RoleSessionName
	switch {
	case len(in.PolicyArns) > 0 || len(in.Tags) > 0 || len(in.TransitiveTagKeys) > 0 || in.SourceIdentity != nil:
		return wire.Errorf("ValidationError", "Naru does not have managed policies, tags and source identities of sessions yet.")
	case in.SerialNumber != nil || in.TokenCode != nil:
		return wire.Errorf("ValidationError", "Naru does not have MFA devices.")
	case !sessionNameForm.MatchString(name):
		return violation(name, "roleSessionName", `Member must satisfy regular expression pattern: [\w+=,.@-]*`)
	case len(name) < 2:
		return violation(name, "roleSessionName", "Member must have length greater than or equal to 2")
	case len(name) > 64:
		return violation(name, "roleSessionName", "Member must have length less than or equal to 64")
	}
	if d := in.DurationSeconds; d != nil {
		switch {
		case *d < 900:
			return violation(fmt.Sprint(*d), "durationSeconds", "Member must have value greater than or equal to 900")
		case *d > 43200:
			return violation(fmt.Sprint(*d), "durationSeconds", "Member must have value less than or equal to 43200")
		case *d > r.MaxSession:
			return wire.Errorf("ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
		case caller.Kind == policy.Session && *d > 3600:
			return wire.Errorf("ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
		}
	}
	if in.Policy == nil {
		return nil
	}
	if len(*in.Policy) > maxSessionPolicy {
		return violation(*in.Policy, "policy", fmt.Sprintf("Member must have length less than or equal to %d", maxSessionPolicy))
	}
	return checkDocument(*in.Policy, policy.Identity)
}
