package iam

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"naru/internal/arn"
	"naru/internal/policy"
	"naru/internal/store"
	"naru/internal/wire"
)

// Policy is a managed policy.
type Policy struct {
	Entity
	Description *string         `json:",omitempty"`
	Versions    []PolicyVersion // from the oldest on; never none
	Default     string          // id of the version in force
	Last        int             // number of the last version that was made
}

// PolicyVersion is a version of a managed policy.
type PolicyVersion struct {
	ID       string // "v1"
	Document string // as given
	Created  time.Time
}

// What a policy may have.
const (
	maxVersions = 5
	maxManaged  = 6144 // characters of a document
)

// awsAccount owns the policies that AWS manages, in their ARNs.
const awsAccount = "aws"

func (p *Policy) unshare() {
	p.Entity.unshare()
	p.Versions = slices.Clone(p.Versions)
}

// arn returns the policy's ARN.
func (p *Policy) arn() string { return policyKind.arn(&p.Entity) }

// version returns the version of an id; nil if there is none.
func (p *Policy) version(id string) *PolicyVersion {
	if i := slices.IndexFunc(p.Versions, func(v PolicyVersion) bool { return v.ID == id }); i >= 0 {
		return &p.Versions[i]
	}
	return nil
}

// inForce returns the document of the default version.
func (p *Policy) inForce() string { return p.version(p.Default).Document }

// policyAt returns the policy of an ARN, as an account sees it: its own, or
// one of AWS's.
func (s *Service) policyAt(account, text string) (*Policy, bool) {
	if p, ok := s.preloaded[text]; ok {
		return p, true
	}
	p, ok := s.policies.find(text)
	return p, ok && p.Account == account
}

// checkPolicyARN refuses what cannot be the ARN of a policy.
func checkPolicyARN(text string) error {
	if len(text) < 20 {
		return violation(text, "policyArn", "Member must have length greater than or equal to 20")
	}
	if _, err := arn.Parse(text); err != nil {
		return wire.Errorf("ValidationError", "Invalid ARN:  Could not be parsed!")
	}
	return nil
}

func notAttachable(policyARN string) error {
	return wire.Errorf("NoSuchEntity", "Policy %s does not exist or is not attachable.", policyARN)
}

// policy returns the policy that a call names.
func (s *Service) policy(ctx context.Context, policyARN string) (*Policy, error) {
	if err := checkPolicyARN(policyARN); err != nil {
		return nil, err
	}
	p, ok := s.policyAt(wire.CallOf(ctx).Account(), policyARN)
	if !ok {
		return nil, wire.Errorf("NoSuchEntity", policyKind.missing, policyARN)
	}
	return p, nil
}

// ownPolicy returns the policy that a call is to change, which AWS's are not.
func (s *Service) ownPolicy(ctx context.Context, policyARN string) (*Policy, error) {
	p, err := s.policy(ctx, policyARN)
	if err == nil && p.Account == awsAccount {
		err = &wire.Error{Code: wire.CodeAccessDenied, Message: "Policies that AWS manages cannot be changed: " + policyARN}
	}
	return p, err
}

// changePolicy changes a policy of the caller's account.
func (s *Service) changePolicy(ctx context.Context, policyARN string, change func(*Policy) error) error {
	p, err := s.ownPolicy(ctx, policyARN)
	if err != nil {
		return err
	}
	return s.policies.change(ctx, p.Name, change)
}

// PolicyShape is a managed policy in replies.
type PolicyShape struct {
	PolicyName                    string
	PolicyId                      string
	Arn                           string
	Path                          string
	DefaultVersionId              string
	AttachmentCount               int32
	PermissionsBoundaryUsageCount int32
	IsAttachable                  bool
	Description                   *string
	CreateDate                    time.Time
	UpdateDate                    time.Time
	Tags                          []Tag
}

func (p *Policy) shape(u usage) PolicyShape {
	return PolicyShape{
		PolicyName: p.Name, PolicyId: p.ID, Arn: p.arn(), Path: p.Path, DefaultVersionId: p.Default,
		AttachmentCount: u.attached, PermissionsBoundaryUsageCount: u.boundary, IsAttachable: true,
		CreateDate: p.Created, UpdateDate: p.Versions[len(p.Versions)-1].Created,
	}
}

// PolicyVersionShape is a version in replies; the document is percent-encoded.
type PolicyVersionShape struct {
	Document         *string
	VersionId        string
	IsDefaultVersion bool
	CreateDate       time.Time
}

func (p *Policy) versionShape(v PolicyVersion) PolicyVersionShape {
	return PolicyVersionShape{VersionId: v.ID, IsDefaultVersion: v.ID == p.Default, CreateDate: v.Created}
}

// usage is how many identities a policy is attached to, and how many it limits.
type usage struct{ attached, boundary int32 }

// usages returns the usage of all policies by the identities of an account.
func (s *Service) usages(account string) map[string]usage {
	all := map[string]usage{}
	for i := range s.identities(account) {
		for _, arn := range i.Attached {
			u := all[arn]
			u.attached++
			all[arn] = u
		}
		if i.Boundary != "" {
			u := all[i.Boundary]
			u.boundary++
			all[i.Boundary] = u
		}
	}
	return all
}

// identities yields the users, groups and roles of an account.
func (s *Service) identities(account string) func(yield func(*Identity) bool) {
	return func(yield func(*Identity) bool) {
		for _, u := range s.users.all(account, nil) {
			if !yield(&u.Identity) {
				return
			}
		}
		for _, g := range s.groups.all(account, nil) {
			if !yield(&g.Identity) {
				return
			}
		}
		for _, r := range s.roles.all(account, nil) {
			if !yield(&r.Identity) {
				return
			}
		}
	}
}

type CreatePolicyInput struct {
	PolicyName     string
	Path           *string
	PolicyDocument string
	Description    *string
	Tags           []Tag
}

type CreatePolicyOutput struct{ Policy PolicyShape }

// CreatePolicy makes a managed policy with one version.
func (s *Service) CreatePolicy(ctx context.Context, in *CreatePolicyInput) (*CreatePolicyOutput, error) {
	if err := checkManaged(in.PolicyDocument); err != nil {
		return nil, err
	}
	p := &Policy{Entity: Entity{Name: in.PolicyName, Tags: in.Tags}, Description: in.Description}
	p.add(in.PolicyDocument, true, s.clock.Now())
	if err := s.policies.create(ctx, p, in.Path, nothing); err != nil {
		return nil, err
	}
	out := &CreatePolicyOutput{p.shape(usage{})}
	out.Policy.Tags = p.Tags
	return out, nil
}

func checkManaged(document string) error {
	if err := checkDocument(document, policy.Managed); err != nil {
		return err
	}
	if sizeOf(document) > maxManaged {
		return wire.Errorf("LimitExceeded", "Cannot exceed quota for PolicySize: %d", maxManaged)
	}
	return nil
}

// add adds a version and returns it.
func (p *Policy) add(document string, inForce bool, now time.Time) PolicyVersion {
	p.Last++
	v := PolicyVersion{fmt.Sprint("v", p.Last), document, now.Truncate(time.Second)}
	p.Versions = append(p.Versions, v)
	if inForce {
		p.Default = v.ID
	}
	return v
}

type GetPolicyInput struct{ PolicyArn string }

type GetPolicyOutput struct{ Policy PolicyShape }

// GetPolicy returns a managed policy without its document.
func (s *Service) GetPolicy(ctx context.Context, in *GetPolicyInput) (*GetPolicyOutput, error) {
	p, err := s.policy(ctx, in.PolicyArn)
	if err != nil {
		return nil, err
	}
	out := &GetPolicyOutput{p.shape(s.usages(wire.CallOf(ctx).Account())[in.PolicyArn])}
	out.Policy.Description, out.Policy.Tags = p.Description, append([]Tag{}, p.Tags...)
	return out, nil
}

type ListPoliciesInput struct {
	Scope             *string
	OnlyAttached      bool
	PathPrefix        *string
	PolicyUsageFilter *string
	Marker            *string
	MaxItems          *int32
}

type ListPoliciesOutput struct {
	Policies    []PolicyShape
	IsTruncated bool
	Marker      *string
}

// ListPolicies returns managed policies in the order of their names: AWS's,
// the account's own, or both.
func (s *Service) ListPolicies(ctx context.Context, in *ListPoliciesInput) (*ListPoliciesOutput, error) {
	scope := deref(in.Scope)
	if !slices.Contains([]string{"", "All", "AWS", "Local"}, scope) {
		return nil, violation(scope, "scope", "Member must satisfy enum value set: [All, AWS, Local]")
	}
	account := wire.CallOf(ctx).Account()
	var all []*Policy
	if scope != "AWS" {
		all = s.policies.all(account, in.PathPrefix)
	}
	if scope != "Local" {
		for _, p := range s.preloaded {
			if strings.HasPrefix(p.Path, deref(in.PathPrefix)) {
				all = append(all, p)
			}
		}
	}
	used := s.usages(account)
	all = slices.DeleteFunc(all, func(p *Policy) bool {
		u := used[p.arn()]
		switch deref(in.PolicyUsageFilter) {
		case "PermissionsPolicy":
			return u.attached == 0
		case "PermissionsBoundary":
			return u.boundary == 0
		}
		return in.OnlyAttached && u.attached == 0
	})
	key := func(p *Policy) string { return strings.ToLower(p.Name) + " " + p.Account }
	all, page, err := cut(sortedBy(key, all), key, in.Marker, in.MaxItems)
	return &ListPoliciesOutput{shapes(all, func(p *Policy) PolicyShape { return p.shape(used[p.arn()]) }), page.truncated, page.marker}, err
}

type DeletePolicyInput struct{ PolicyArn string }

// DeletePolicy deletes a managed policy that is in use nowhere and has one
// version only.
func (s *Service) DeletePolicy(ctx context.Context, in *DeletePolicyInput) (*wire.None, error) {
	p, err := s.ownPolicy(ctx, in.PolicyArn)
	if err != nil {
		return nil, err
	}
	return &wire.None{}, s.policies.delete(ctx, p.Name, func(_ *store.Tx, p *Policy) error {
		switch {
		case s.usages(p.Account)[in.PolicyArn] != usage{}:
			return wire.Errorf("DeleteConflict", "Cannot delete a policy attached to entities.")
		case len(p.Versions) > 1:
			return wire.Errorf("DeleteConflict", "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.")
		}
		return nil
	})
}

type CreatePolicyVersionInput struct {
	PolicyArn      string
	PolicyDocument string
	SetAsDefault   bool
}

type CreatePolicyVersionOutput struct{ PolicyVersion PolicyVersionShape }

// CreatePolicyVersion adds a version to a managed policy, of which there are
// five at the most.
func (s *Service) CreatePolicyVersion(ctx context.Context, in *CreatePolicyVersionInput) (*CreatePolicyVersionOutput, error) {
	if err := checkManaged(in.PolicyDocument); err != nil {
		return nil, err
	}
	out := &CreatePolicyVersionOutput{}
	err := s.changePolicy(ctx, in.PolicyArn, func(p *Policy) error {
		if len(p.Versions) >= maxVersions {
			return wire.Errorf("LimitExceeded", "A managed policy can have up to %d versions. Before you create a new version, you must delete an existing version.", maxVersions)
		}
		out.PolicyVersion = p.versionShape(p.add(in.PolicyDocument, in.SetAsDefault, s.clock.Now()))
		return nil
	})
	return out, err
}

type GetPolicyVersionInput struct {
	PolicyArn string
	VersionId string
}

type GetPolicyVersionOutput struct{ PolicyVersion PolicyVersionShape }

// GetPolicyVersion returns a version with its document.
func (s *Service) GetPolicyVersion(ctx context.Context, in *GetPolicyVersionInput) (*GetPolicyVersionOutput, error) {
	p, err := s.policy(ctx, in.PolicyArn)
	if err != nil {
		return nil, err
	}
	v := p.version(in.VersionId)
	if v == nil {
		return nil, noVersion(in.PolicyArn, in.VersionId)
	}
	shape := p.versionShape(*v)
	document := percentEncode(v.Document)
	shape.Document = &document
	return &GetPolicyVersionOutput{shape}, nil
}

func noVersion(policyARN, id string) error {
	return wire.Errorf("NoSuchEntity", "Policy %s version %s does not exist or is not attachable.", policyARN, id)
}

type ListPolicyVersionsInput struct {
	PolicyArn string
	Marker    *string
	MaxItems  *int32
}

type ListPolicyVersionsOutput struct {
	Versions    []PolicyVersionShape
	IsTruncated bool
	Marker      *string
}

// ListPolicyVersions returns the versions of a managed policy, the newest
// first.
func (s *Service) ListPolicyVersions(ctx context.Context, in *ListPolicyVersionsInput) (*ListPolicyVersionsOutput, error) {
	p, err := s.policy(ctx, in.PolicyArn)
	if err != nil {
		return nil, err
	}
	all := slices.Clone(p.Versions)
	slices.Reverse(all)
	rank := func(v PolicyVersion) string { return fmt.Sprintf("%04d", 9999-number(v.ID)) }
	all, page, err := cut(all, rank, in.Marker, in.MaxItems)
	return &ListPolicyVersionsOutput{shapes(all, p.versionShape), page.truncated, page.marker}, err
}

// number returns the number of a version.
func number(id string) (n int) {
	fmt.Sscanf(id, "v%d", &n)
	return n
}

type SetDefaultPolicyVersionInput struct {
	PolicyArn string
	VersionId string
}

// SetDefaultPolicyVersion puts a version in force.
func (s *Service) SetDefaultPolicyVersion(ctx context.Context, in *SetDefaultPolicyVersionInput) (*wire.None, error) {
	return &wire.None{}, s.changePolicy(ctx, in.PolicyArn, func(p *Policy) error {
		if p.version(in.VersionId) == nil {
			return noVersion(in.PolicyArn, in.VersionId)
		}
		p.Default = in.VersionId
		return nil
	})
}

type DeletePolicyVersionInput struct {
	PolicyArn string
	VersionId string
}

// DeletePolicyVersion deletes a version that is not in force.
func (s *Service) DeletePolicyVersion(ctx context.Context, in *DeletePolicyVersionInput) (*wire.None, error) {
	return &wire.None{}, s.changePolicy(ctx, in.PolicyArn, func(p *Policy) error {
		switch {
		case p.version(in.VersionId) == nil:
			return noVersion(in.PolicyArn, in.VersionId)
		case in.VersionId == p.Default:
			return wire.Errorf("DeleteConflict", "Cannot delete the default version of a policy.")
		}
		p.Versions = slices.DeleteFunc(p.Versions, func(v PolicyVersion) bool { return v.ID == in.VersionId })
		return nil
	})
}
