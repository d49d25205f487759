package iam

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"naru/internal/policy"
	"naru/internal/store"
	"naru/internal/wire"
)

// Role is a role as the catalog keeps it, under its account and name.
type Role struct {
	Account     string
	Name        string
	Path        string
	ID          string // AROA…; another role of the same name has another
	Created     time.Time
	Trust       string // trust policy, as given
	Description *string
	MaxSession  int32 // seconds
	Tags        []Tag
	Policies    map[string]string // inline policies by name, as given
}

// Tag is a key with a value.
type Tag struct{ Key, Value string }

func roleKey(account, name string) string { return account + "/" + strings.ToLower(name) }

func roleARN(account, path, name string) string {
	return "arn:aws:iam::" + account + ":role" + path + name
}

// ARN returns the role's ARN.
func (r *Role) ARN() string { return roleARN(r.Account, r.Path, r.Name) }

// clone returns a copy whose policies may be changed.
func (r *Role) clone() *Role {
	c := *r
	c.Policies = maps.Clone(r.Policies)
	if c.Policies == nil {
		c.Policies = map[string]string{}
	}
	return &c
}

// pathOf returns the role's path, "/" if there is no such role.
func (s *Service) pathOf(account, name string) string {
	if r, ok := s.roles.Get(roleKey(account, name)); ok {
		return r.Path
	}
	return "/"
}

// role returns the role, or NoSuchEntity.
func (s *Service) role(account, name string) (*Role, error) {
	if r, ok := s.roles.Get(roleKey(account, name)); ok {
		return r, nil
	}
	return nil, wire.Errorf("NoSuchEntity", "The role with name %s cannot be found.", name)
}

// change replaces a role by what change makes of a copy.
func (s *Service) change(ctx context.Context, name string, change func(*Role) error) error {
	account := wire.CallOf(ctx).Account()
	return s.store.Catalog().Update(func(tx *store.Tx) error {
		old, err := s.role(account, name)
		if err != nil {
			return err
		}
		r := old.clone()
		if err := change(r); err != nil {
			return err
		}
		return s.roles.Put(tx, roleKey(account, name), r)
	})
}

// RoleShape is a role in replies. Documents are percent-encoded.
type RoleShape struct {
	Path                     string
	RoleName                 string
	RoleId                   string
	Arn                      string
	CreateDate               time.Time
	AssumeRolePolicyDocument string
	Description              *string
	MaxSessionDuration       *int32
	Tags                     []Tag
	RoleLastUsed             *RoleLastUsed
}

// RoleLastUsed would say when a role was last used.
type RoleLastUsed struct{}

func (r *Role) shape() *RoleShape {
	return &RoleShape{
		Path: r.Path, RoleName: r.Name, RoleId: r.ID, Arn: r.ARN(), CreateDate: r.Created,
		AssumeRolePolicyDocument: percentEncode(r.Trust), Description: r.Description, Tags: r.Tags,
	}
}

// percentEncode encodes a document as RFC 3986 has it, the way replies hold it.
func percentEncode(document string) string {
	return strings.ReplaceAll(url.QueryEscape(document), "+", "%20")
}

// CreateRoleInput and the like are the inputs and outputs of the operations of
// the same name.
type CreateRoleInput struct {
	RoleName                 string
	AssumeRolePolicyDocument string
	Path                     *string
	Description              *string
	MaxSessionDuration       *int32
	PermissionsBoundary      *string
	Tags                     []Tag
}

type CreateRoleOutput struct{ Role *RoleShape }

var (
	nameForm = regexp.MustCompile(`^[\w+=,.@-]+$`)
	pathForm = regexp.MustCompile(`^(/|/[!-~]+/)$`)
)

// CreateRole makes a role.
func (s *Service) CreateRole(ctx context.Context, in *CreateRoleInput) (*CreateRoleOutput, error) {
	r := &Role{
		Account: wire.CallOf(ctx).Account(), Name: in.RoleName, Path: "/", ID: newID("AROA"),
		Created: s.clock.Now().Truncate(time.Second), Trust: in.AssumeRolePolicyDocument,
		Description: in.Description, MaxSession: 3600, Tags: in.Tags,
	}
	if in.Path != nil {
		r.Path = *in.Path
	}
	if in.MaxSessionDuration != nil {
		r.MaxSession = *in.MaxSessionDuration
	}
	if err := r.validate(in); err != nil {
		return nil, err
	}
	key := roleKey(r.Account, r.Name)
	err := s.store.Catalog().Update(func(tx *store.Tx) error {
		if _, ok := s.roles.Get(key); ok {
			return wire.Errorf("EntityAlreadyExists", "Role with name %s already exists.", r.Name)
		}
		s.deleted.Delete(tx, r.ARN())
		return s.roles.Put(tx, key, r)
	})
	if err != nil {
		return nil, err
	}
	return &CreateRoleOutput{r.shape()}, nil
}

func (r *Role) validate(in *CreateRoleInput) error {
	if in.PermissionsBoundary != nil {
		return wire.Errorf("NotImplemented", "Naru does not have permissions boundaries yet.")
	}
	if err := checkName("roleName", r.Name, 64); err != nil {
		return err
	}
	if !pathForm.MatchString(r.Path) || len(r.Path) > 512 {
		return wire.Errorf("ValidationError", "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.")
	}
	if r.MaxSession < 3600 || r.MaxSession > 43200 {
		return violation(fmt.Sprint(r.MaxSession), "maxSessionDuration", "Member must have value between 3600 and 43200")
	}
	if len(r.Tags) > 50 {
		return wire.Errorf("LimitExceeded", "Cannot exceed quota for TagsPerRole: 50")
	}
	return checkDocument(r.Trust, policy.Trust)
}

func checkName(member, name string, most int) error {
	switch {
	case name == "":
		return violation(name, member, "Member must have length greater than or equal to 1")
	case len(name) > most:
		return violation(name, member, fmt.Sprintf("Member must have length less than or equal to %d", most))
	case !nameForm.MatchString(name):
		return wire.Errorf("ValidationError", "The specified value for %s is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-", member)
	}
	return nil
}

func violation(value, member, rule string) error {
	return wire.Errorf("ValidationError", "1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: %s", value, member, rule)
}

// checkDocument refuses a text that is no policy of the given kind.
func checkDocument(text string, kind policy.Kind) error {
	d, err := policy.Parse(text)
	if err == nil {
		err = d.Validate(kind)
	}
	if err == nil {
		return nil
	}
	return wire.Errorf("MalformedPolicyDocument", "%s", err.(*policy.SyntaxError).Words(kind))
}

type GetRoleInput struct{ RoleName string }

type GetRoleOutput struct{ Role *RoleShape }

// GetRole returns a role.
func (s *Service) GetRole(ctx context.Context, in *GetRoleInput) (*GetRoleOutput, error) {
	r, err := s.role(wire.CallOf(ctx).Account(), in.RoleName)
	if err != nil {
		return nil, err
	}
	shape := r.shape()
	shape.MaxSessionDuration, shape.RoleLastUsed = &r.MaxSession, &RoleLastUsed{}
	return &GetRoleOutput{shape}, nil
}

type ListRolesInput struct {
	PathPrefix string
	Marker     *string
	MaxItems   *int32
}

type ListRolesOutput struct {
	Roles       []RoleShape
	IsTruncated bool
	Marker      *string
}

// ListRoles returns roles ordered by name, at most MaxItems (100) at a time.
func (s *Service) ListRoles(ctx context.Context, in *ListRolesInput) (*ListRolesOutput, error) {
	from, limit, err := page(in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	prefix := wire.CallOf(ctx).Account() + "/"
	out := &ListRolesOutput{Roles: []RoleShape{}}
	for key, r := range s.roles.From(prefix, prefix+from) {
		if !strings.HasPrefix(r.Path, cmp.Or(in.PathPrefix, "/")) {
			continue
		}
		if len(out.Roles) == limit {
			marker := encodeMarker(strings.TrimPrefix(key, prefix))
			out.IsTruncated, out.Marker = true, &marker
			break
		}
		shape := *r.shape()
		shape.Tags, shape.MaxSessionDuration = nil, &r.MaxSession
		out.Roles = append(out.Roles, shape)
	}
	return out, nil
}

type DeleteRoleInput struct{ RoleName string }

// DeleteRole deletes a role that has no inline policies.
func (s *Service) DeleteRole(ctx context.Context, in *DeleteRoleInput) (*wire.None, error) {
	account := wire.CallOf(ctx).Account()
	return &wire.None{}, s.store.Catalog().Update(func(tx *store.Tx) error {
		r, err := s.role(account, in.RoleName)
		if err != nil {
			return err
		}
		if len(r.Policies) > 0 {
			return wire.Errorf("DeleteConflict", "Cannot delete entity, must delete policies first.")
		}
		s.roles.Delete(tx, roleKey(account, in.RoleName))
		return s.deleted.Put(tx, r.ARN(), s.clock.Now())
	})
}

type UpdateAssumeRolePolicyInput struct {
	RoleName       string
	PolicyDocument string
}

// UpdateAssumeRolePolicy replaces a role's trust policy.
func (s *Service) UpdateAssumeRolePolicy(ctx context.Context, in *UpdateAssumeRolePolicyInput) (*wire.None, error) {
	if err := checkDocument(in.PolicyDocument, policy.Trust); err != nil {
		return nil, err
	}
	return &wire.None{}, s.change(ctx, in.RoleName, func(r *Role) error {
		r.Trust = in.PolicyDocument
		return nil
	})
}

type PutRolePolicyInput struct {
	RoleName       string
	PolicyName     string
	PolicyDocument string
}

// maxInline is how many characters, not counting white space, the inline
// policies of a role may have in all.
const maxInline = 10240

// PutRolePolicy sets an inline policy of a role.
func (s *Service) PutRolePolicy(ctx context.Context, in *PutRolePolicyInput) (*wire.None, error) {
	if err := checkName("policyName", in.PolicyName, 128); err != nil {
		return nil, err
	}
	if err := checkDocument(in.PolicyDocument, policy.Identity); err != nil {
		return nil, err
	}
	return &wire.None{}, s.change(ctx, in.RoleName, func(r *Role) error {
		r.Policies[in.PolicyName] = in.PolicyDocument
		total := 0
		for _, text := range r.Policies {
			total += len(strings.Join(strings.Fields(text), ""))
		}
		if total > maxInline {
			return wire.Errorf("LimitExceeded", "Maximum policy size of %d bytes exceeded for role %s", maxInline, r.Name)
		}
		return nil
	})
}

type GetRolePolicyInput struct {
	RoleName   string
	PolicyName string
}

type GetRolePolicyOutput struct {
	RoleName       string
	PolicyName     string
	PolicyDocument string
}

// GetRolePolicy returns an inline policy of a role.
func (s *Service) GetRolePolicy(ctx context.Context, in *GetRolePolicyInput) (*GetRolePolicyOutput, error) {
	r, err := s.role(wire.CallOf(ctx).Account(), in.RoleName)
	if err != nil {
		return nil, err
	}
	text, ok := r.Policies[in.PolicyName]
	if !ok {
		return nil, noRolePolicy(in.PolicyName)
	}
	return &GetRolePolicyOutput{r.Name, in.PolicyName, percentEncode(text)}, nil
}

func noRolePolicy(name string) error {
	return wire.Errorf("NoSuchEntity", "The role policy with name %s cannot be found.", name)
}

type ListRolePoliciesInput struct {
	RoleName string
	Marker   *string
	MaxItems *int32
}

type ListRolePoliciesOutput struct {
	PolicyNames []string
	IsTruncated bool
	Marker      *string
}

// ListRolePolicies returns the names of a role's inline policies.
func (s *Service) ListRolePolicies(ctx context.Context, in *ListRolePoliciesInput) (*ListRolePoliciesOutput, error) {
	r, err := s.role(wire.CallOf(ctx).Account(), in.RoleName)
	if err != nil {
		return nil, err
	}
	from, limit, err := page(in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	names := slices.Sorted(maps.Keys(r.Policies))
	i, _ := slices.BinarySearch(names, from)
	out := &ListRolePoliciesOutput{PolicyNames: append([]string{}, names[i:]...)}
	if len(out.PolicyNames) > limit {
		marker := encodeMarker(out.PolicyNames[limit])
		out.PolicyNames, out.IsTruncated, out.Marker = out.PolicyNames[:limit], true, &marker
	}
	return out, nil
}

type DeleteRolePolicyInput struct {
	RoleName   string
	PolicyName string
}

// DeleteRolePolicy removes an inline policy of a role.
func (s *Service) DeleteRolePolicy(ctx context.Context, in *DeleteRolePolicyInput) (*wire.None, error) {
	return &wire.None{}, s.change(ctx, in.RoleName, func(r *Role) error {
		if _, ok := r.Policies[in.PolicyName]; !ok {
			return noRolePolicy(in.PolicyName)
		}
		delete(r.Policies, in.PolicyName)
		return nil
	})
}
