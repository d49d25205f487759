package iam

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"time"

	"naru/internal/arn"
	"naru/internal/policy"
	"naru/internal/wire"
)

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
	SourceIdentity   *string
}

// AssumedRoleUser names a role session.
type AssumedRoleUser struct {
	AssumedRoleId string
	Arn           string
}

// needsTrust asks the role's trust policy. A role that does not exist is
// refused in the same words as one that may not be assumed.
func (s *Service) needsTrust(ctx context.Context, in *AssumeRoleInput) ([]policy.Request, error) {
	keys := policy.Context{}
	if in.ExternalId != nil {
		keys["sts:ExternalId"] = []string{*in.ExternalId}
	}
	if len(in.TransitiveTagKeys) > 0 {
		keys["sts:TransitiveTagKeys"] = in.TransitiveTagKeys
	}
	actions := []string{"sts:AssumeRole"}
	if len(in.Tags) > 0 {
		actions = append(actions, "sts:TagSession")
	}
	if in.SourceIdentity != nil {
		actions = append(actions, "sts:SetSourceIdentity")
		keys["sts:SourceIdentity"] = []string{*in.SourceIdentity}
	}
	return s.trustOf(in.RoleArn, in.RoleSessionName, keys, actions...)
}

// trustOf returns that the trust policy of a role must allow actions.
func (s *Service) trustOf(roleARN, sessionName string, keys policy.Context, actions ...string) ([]policy.Request, error) {
	if _, err := arn.Parse(roleARN); err != nil {
		return nil, wire.Errorf("ValidationError", "%s is invalid", roleARN)
	}
	keys["sts:RoleSessionName"] = []string{sessionName}
	request := policy.Request{Resource: roleARN, Trust: true, Context: keys}
	if r, ok := s.roles.find(roleARN); ok {
		says, err := s.says(r)
		if err != nil {
			return nil, err
		}
		request.Policy, request.Account = says.trust, r.Account
	}
	var needs []policy.Request
	for _, action := range actions {
		request.Action = action
		needs = append(needs, request)
	}
	return needs, nil
}

// AssumeRole begins a session of a role.
func (s *Service) AssumeRole(ctx context.Context, in *AssumeRoleInput) (*AssumeRoleOutput, error) {
	r, ok := s.roles.find(in.RoleArn)
	if !ok {
		return nil, fmt.Errorf("the role %s went away", in.RoleArn)
	}
	if in.SerialNumber != nil || in.TokenCode != nil {
		return nil, noMFA()
	}
	caller := wire.CallOf(ctx).Caller
	start := sessionStart{in.RoleSessionName, in.DurationSeconds, in.Policy, in.PolicyArns}
	begun, lasting, err := s.prepare(r, start, caller.Kind == policy.Session)
	if err != nil {
		return nil, err
	}
	if err := begun.tag(in.Tags, in.TransitiveTagKeys, caller.Transitive); err != nil {
		return nil, err
	}
	if begun.SourceIdentity, err = sourceIdentity(in.SourceIdentity, caller.SourceIdentity); err != nil {
		return nil, err
	}
	packed, err := begun.packed()
	if err != nil {
		return nil, err
	}
	out := &AssumeRoleOutput{Credentials: s.begin(begun, lasting).shape(), AssumedRoleUser: begun.user(r), PackedPolicySize: packed}
	if begun.SourceIdentity != "" {
		out.SourceIdentity = &begun.SourceIdentity
	}
	return out, nil
}

// user names the session, which is one of r.
func (of *session) user(r *Role) *AssumedRoleUser {
	return &AssumedRoleUser{r.ID + ":" + of.Name, sessionARN(r, of.Name)}
}

// A sessionStart is what is asked of a new session of a role.
type sessionStart struct {
	name       string
	seconds    *int32
	policy     *string
	policyARNs []PolicyDescriptor
}

// The bounds of sessions.
const (
	maxSessionPolicy = 2048 // characters
	maxSessionARNs   = 10
	maxPacked        = 8192 // characters of policies, their ARNs and tags together
	maxChained       = 3600 // seconds of a session that a session begins
)

var sessionNameForm = regexp.MustCompile(`^[\w+=,.@-]*$`)

// prepare returns a session of a role, and how long it lasts.
func (s *Service) prepare(r *Role, start sessionStart, chained bool) (session, time.Duration, error) {
	if err := checkSessionName("roleSessionName", start.name); err != nil {
		return session{}, 0, err
	}
	begun := session{Role: r.ARN(), RoleID: r.ID, Name: start.name, Policy: deref(start.policy)}
	lasting, err := start.lasting(r, chained)
	if err != nil {
		return session{}, 0, err
	}
	if start.policy != nil {
		if len(*start.policy) > maxSessionPolicy {
			return session{}, 0, violation(*start.policy, "policy", fmt.Sprintf("Member must have length less than or equal to %d", maxSessionPolicy))
		}
		if err := checkDocument(*start.policy, policy.Identity); err != nil {
			return session{}, 0, err
		}
	}
	if len(start.policyARNs) > maxSessionARNs {
		return session{}, 0, wire.Errorf("ValidationError", "The number of policy ARNs must be less than or equal to %d.", maxSessionARNs)
	}
	for _, d := range start.policyARNs {
		if _, ok := s.policyAt(r.Account, deref(d.Arn)); !ok {
			return session{}, 0, wire.Errorf("ValidationError", "The policy %s does not exist or cannot be used in a session.", deref(d.Arn))
		}
		begun.PolicyARNs = append(begun.PolicyARNs, *d.Arn)
	}
	return begun, lasting, nil
}

// checkSessionName refuses what cannot name a session or a source identity.
func checkSessionName(member, name string) error {
	switch {
	case !sessionNameForm.MatchString(name):
		return violation(name, member, `Member must satisfy regular expression pattern: [\w+=,.@-]*`)
	case len(name) < 2:
		return violation(name, member, "Member must have length greater than or equal to 2")
	case len(name) > 64:
		return violation(name, member, "Member must have length less than or equal to 64")
	}
	return nil
}

// lasting returns how long the session is to last: an hour, if nothing is said.
func (start *sessionStart) lasting(r *Role, chained bool) (time.Duration, error) {
	d := int32(3600)
	if start.seconds != nil {
		d = *start.seconds
	}
	switch {
	case d < 900:
		return 0, violation(fmt.Sprint(d), "durationSeconds", "Member must have value greater than or equal to 900")
	case d > 43200:
		return 0, violation(fmt.Sprint(d), "durationSeconds", "Member must have value less than or equal to 43200")
	case d > r.MaxSession:
		return 0, wire.Errorf("ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	case chained && d > maxChained:
		return 0, wire.Errorf("ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	}
	return time.Duration(d) * time.Second, nil
}

// tag gives the session its tags: those that are asked for, and those that the
// calling session hands on. What is transitive goes on from it.
func (of *session) tag(tags []Tag, transitive []string, handedOn map[string]string) error {
	of.Tags, of.Transitive = maps.Clone(handedOn), maps.Clone(handedOn)
	if of.Tags == nil {
		of.Tags, of.Transitive = map[string]string{}, map[string]string{}
	}
	for i, t := range tags {
		if tagIndex(tags[:i], t.Key) >= 0 {
			return wire.Errorf("InvalidParameterValue", duplicateTags)
		}
		of.Tags[t.Key] = t.Value
	}
	if err := checkTags(tags); err != nil {
		return err
	}
	for key := range handedOn {
		if tagIndex(tags, key) >= 0 {
			return wire.Errorf("InvalidParameterValue", "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.")
		}
	}
	for _, key := range transitive {
		i := tagIndex(tags, key)
		if i < 0 {
			return wire.Errorf("InvalidParameterValue", "The specified transitive tag key must be included in the requested tags.")
		}
		of.Transitive[tags[i].Key] = tags[i].Value
	}
	return nil
}

// sourceIdentity returns the source identity of a new session. One that the
// calling session has goes on and cannot be changed.
func sourceIdentity(asked *string, calling string) (string, error) {
	if asked == nil {
		return calling, nil
	}
	if err := checkSessionName("sourceIdentity", *asked); err != nil {
		return "", err
	}
	if calling != "" && calling != *asked {
		return "", &wire.Error{Code: wire.CodeAccessDenied, Message: "The source identity of the calling session cannot be changed."}
	}
	return *asked, nil
}

// packed returns how many percent of the room for policies and tags the session
// takes, nil if it has none; and an error if they are too many.
func (of *session) packed() (*int32, error) {
	size := len(of.Policy)
	for _, policyARN := range of.PolicyARNs {
		size += len(policyARN)
	}
	for key, value := range of.Tags {
		size += len(key) + len(value)
	}
	if size == 0 {
		return nil, nil
	}
	percent := int32((size*100 + maxPacked - 1) / maxPacked)
	if percent > 100 {
		return nil, wire.Errorf("PackedPolicyTooLarge", "Packed size of session tags and policies consumes %d%% of allotted space.", percent)
	}
	return &percent, nil
}
