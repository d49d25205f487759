package iam

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"naru/internal/policy"
	"naru/internal/store"
	"naru/internal/wire"
)

// Role is a role as the catalog keeps it.
type Role struct {
	Identity
	Trust       string // trust policy, as given
	Description *string
	MaxSession  int32 // seconds
}

// ARN returns the role's ARN.
func (r *Role) ARN() string { return roleKind.arn(&r.Entity) }

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
	PermissionsBoundary      *AttachedPermissionsBoundary
	Tags                     []Tag
	RoleLastUsed             *RoleLastUsed
}

// RoleLastUsed would say when a role was last used.
type RoleLastUsed struct{}

func (r *Role) shape() RoleShape {
	return RoleShape{
		Path: r.Path, RoleName: r.Name, RoleId: r.ID, Arn: r.ARN(), CreateDate: r.Created,
		AssumeRolePolicyDocument: percentEncode(r.Trust), Description: r.Description, PermissionsBoundary: r.boundary(), Tags: r.Tags,
	}
}

// listShape is a role in lists, which leave out some.
func (r *Role) listShape() RoleShape {
	shape := r.shape()
	shape.Tags, shape.PermissionsBoundary, shape.MaxSessionDuration = nil, nil, &r.MaxSession
	return shape
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

type CreateRoleOutput struct{ Role RoleShape }

var (
	nameForm = regexp.MustCompile(`^[\w+=,.@-]+$`)
	pathForm = regexp.MustCompile(`^(/|/[!-~]+/)$`)
)

// maxTrust is how many characters, not counting white space, a trust policy
// may have.
const maxTrust = 2048

// CreateRole makes a role.
func (s *Service) CreateRole(ctx context.Context, in *CreateRoleInput) (*CreateRoleOutput, error) {
	r := &Role{
		Identity: Identity{Entity: Entity{Name: in.RoleName, Tags: in.Tags}, Boundary: deref(in.PermissionsBoundary)},
		Trust:    in.AssumeRolePolicyDocument, Description: in.Description, MaxSession: 3600,
	}
	if in.MaxSessionDuration != nil {
		r.MaxSession = *in.MaxSessionDuration
	}
	if err := checkMaxSession(r.MaxSession); err != nil {
		return nil, err
	}
	if err := checkTrust(r.Trust); err != nil {
		return nil, err
	}
	err := s.roles.create(ctx, r, in.Path, func(tx *store.Tx) error {
		s.deleted.Delete(tx, r.ARN())
		return s.checkBoundary(ctx, r.Boundary)
	})
	return &CreateRoleOutput{r.shape()}, err
}

func checkMaxSession(seconds int32) error {
	if seconds < 3600 || seconds > 43200 {
		return violation(fmt.Sprint(seconds), "maxSessionDuration", "Member must have value between 3600 and 43200")
	}
	return nil
}

func checkTrust(document string) error {
	if err := checkDocument(document, policy.Trust); err != nil {
		return err
	}
	if sizeOf(document) > maxTrust {
		return wire.Errorf("LimitExceeded", "Cannot exceed quota for ACLSizePerRole: %d", maxTrust)
	}
	return nil
}

type GetRoleInput struct{ RoleName string }

type GetRoleOutput struct{ Role RoleShape }

// GetRole returns a role.
func (s *Service) GetRole(ctx context.Context, in *GetRoleInput) (*GetRoleOutput, error) {
	r, err := s.roles.named(ctx, in.RoleName)
	if err != nil {
		return nil, err
	}
	shape := r.shape()
	shape.MaxSessionDuration, shape.RoleLastUsed = &r.MaxSession, &RoleLastUsed{}
	return &GetRoleOutput{shape}, nil
}

type ListRolesInput struct {
	PathPrefix *string
	Marker     *string
	MaxItems   *int32
}

type ListRolesOutput struct {
	Roles       []RoleShape
	IsTruncated bool
	Marker      *string
}

// ListRoles returns roles in the order of their names.
func (s *Service) ListRoles(ctx context.Context, in *ListRolesInput) (*ListRolesOutput, error) {
	roles, page, err := cut(s.roles.all(wire.CallOf(ctx).Account(), in.PathPrefix), (*Role).key, in.Marker, in.MaxItems)
	return &ListRolesOutput{shapes(roles, (*Role).listShape), page.truncated, page.marker}, err
}

type UpdateRoleInput struct {
	RoleName           string
	Description        *string
	MaxSessionDuration *int32
}

type UpdateRoleOutput struct{}

// UpdateRole replaces a role's description and longest session, of which it
// leaves what is not given.
func (s *Service) UpdateRole(ctx context.Context, in *UpdateRoleInput) (*UpdateRoleOutput, error) {
	if in.MaxSessionDuration != nil {
		if err := checkMaxSession(*in.MaxSessionDuration); err != nil {
			return nil, err
		}
	}
	return &UpdateRoleOutput{}, s.roles.change(ctx, in.RoleName, func(r *Role) error {
		if in.Description != nil {
			r.Description = in.Description
		}
		if in.MaxSessionDuration != nil {
			r.MaxSession = *in.MaxSessionDuration
		}
		return nil
	})
}

type UpdateRoleDescriptionInput struct {
	RoleName    string
	Description string
}

type UpdateRoleDescriptionOutput struct{ Role RoleShape }

// UpdateRoleDescription replaces a role's description.
func (s *Service) UpdateRoleDescription(ctx context.Context, in *UpdateRoleDescriptionInput) (*UpdateRoleDescriptionOutput, error) {
	out := &UpdateRoleDescriptionOutput{}
	return out, s.roles.change(ctx, in.RoleName, func(r *Role) error {
		r.Description = &in.Description
		out.Role = r.shape()
		return nil
	})
}

type DeleteRoleInput struct{ RoleName string }

// DeleteRole deletes a role that has no policies and is in no instance profile.
func (s *Service) DeleteRole(ctx context.Context, in *DeleteRoleInput) (*wire.None, error) {
	return &wire.None{}, s.roles.delete(ctx, in.RoleName, func(tx *store.Tx, r *Role) error {
		if err := r.deletable(); err != nil {
			return err
		}
		if len(s.profilesOf(r)) > 0 {
			return wire.Errorf("DeleteConflict", "Cannot delete entity, must remove roles from instance profile first.")
		}
		return s.deleted.Put(tx, r.ARN(), s.clock.Now())
	})
}

type UpdateAssumeRolePolicyInput struct {
	RoleName       string
	PolicyDocument string
}

// UpdateAssumeRolePolicy replaces a role's trust policy.
func (s *Service) UpdateAssumeRolePolicy(ctx context.Context, in *UpdateAssumeRolePolicyInput) (*wire.None, error) {
	if err := checkTrust(in.PolicyDocument); err != nil {
		return nil, err
	}
	return &wire.None{}, s.roles.change(ctx, in.RoleName, func(r *Role) error {
		r.Trust = in.PolicyDocument
		return nil
	})
}
