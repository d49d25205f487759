package iam

import (
	"context"
	"strings"
	"time"

	"naru/internal/policy"
	"naru/internal/store"
	"naru/internal/wire"
)

// InstanceProfile is an instance profile: what EC2 would find a role by. Naru
// has no EC2; it keeps them since deploy tools look for those of a role.
type InstanceProfile struct {
	Entity
	Role string `json:",omitempty"` // name
}

// InstanceProfileShape is an instance profile in replies.
type InstanceProfileShape struct {
	Path                string
	InstanceProfileName string
	InstanceProfileId   string
	Arn                 string
	CreateDate          time.Time
	Roles               []RoleShape
	Tags                []Tag
}

func (s *Service) profileShape(p *InstanceProfile) InstanceProfileShape {
	shape := InstanceProfileShape{p.Path, p.Name, p.ID, profileKind.arn(&p.Entity), p.Created, []RoleShape{}, p.Tags}
	if r, err := s.roles.get(p.Account, p.Role); err == nil {
		shape.Roles = append(shape.Roles, r.listShape())
	}
	return shape
}

// profilesOf returns the instance profiles that a role is in.
func (s *Service) profilesOf(r *Role) (all []*InstanceProfile) {
	for _, p := range s.profiles.all(r.Account, nil) {
		if strings.EqualFold(p.Role, r.Name) {
			all = append(all, p)
		}
	}
	return all
}

type CreateInstanceProfileInput struct {
	InstanceProfileName string
	Path                *string
	Tags                []Tag
}

type CreateInstanceProfileOutput struct{ InstanceProfile InstanceProfileShape }

// CreateInstanceProfile makes an instance profile without a role.
func (s *Service) CreateInstanceProfile(ctx context.Context, in *CreateInstanceProfileInput) (*CreateInstanceProfileOutput, error) {
	p := &InstanceProfile{Entity: Entity{Name: in.InstanceProfileName, Tags: in.Tags}}
	err := s.profiles.create(ctx, p, in.Path, nothing)
	return &CreateInstanceProfileOutput{s.profileShape(p)}, err
}

type GetInstanceProfileInput struct{ InstanceProfileName string }

type GetInstanceProfileOutput struct{ InstanceProfile InstanceProfileShape }

// GetInstanceProfile returns an instance profile.
func (s *Service) GetInstanceProfile(ctx context.Context, in *GetInstanceProfileInput) (*GetInstanceProfileOutput, error) {
	p, err := s.profiles.named(ctx, in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	return &GetInstanceProfileOutput{s.profileShape(p)}, nil
}

type ListInstanceProfilesInput struct {
	PathPrefix *string
	Marker     *string
	MaxItems   *int32
}

type ListInstanceProfilesOutput struct {
	InstanceProfiles []InstanceProfileShape
	IsTruncated      bool
	Marker           *string
}

// ListInstanceProfiles returns instance profiles in the order of their names.
func (s *Service) ListInstanceProfiles(ctx context.Context, in *ListInstanceProfilesInput) (*ListInstanceProfilesOutput, error) {
	profiles, page, err := cut(s.profiles.all(wire.CallOf(ctx).Account(), in.PathPrefix), (*InstanceProfile).key, in.Marker, in.MaxItems)
	return &ListInstanceProfilesOutput{shapes(profiles, s.profileShape), page.truncated, page.marker}, err
}

type ListInstanceProfilesForRoleInput struct {
	RoleName string
	Marker   *string
	MaxItems *int32
}

type ListInstanceProfilesForRoleOutput struct {
	InstanceProfiles []InstanceProfileShape
	IsTruncated      bool
	Marker           *string
}

// ListInstanceProfilesForRole returns the instance profiles that a role is in.
func (s *Service) ListInstanceProfilesForRole(ctx context.Context, in *ListInstanceProfilesForRoleInput) (*ListInstanceProfilesForRoleOutput, error) {
	r, err := s.roles.named(ctx, in.RoleName)
	if err != nil {
		return nil, err
	}
	profiles, page, err := cut(s.profilesOf(r), (*InstanceProfile).key, in.Marker, in.MaxItems)
	return &ListInstanceProfilesForRoleOutput{shapes(profiles, s.profileShape), page.truncated, page.marker}, err
}

type DeleteInstanceProfileInput struct{ InstanceProfileName string }

// DeleteInstanceProfile deletes an instance profile that has no role.
func (s *Service) DeleteInstanceProfile(ctx context.Context, in *DeleteInstanceProfileInput) (*wire.None, error) {
	return &wire.None{}, s.profiles.delete(ctx, in.InstanceProfileName, func(_ *store.Tx, p *InstanceProfile) error {
		if p.Role != "" {
			return wire.Errorf("DeleteConflict", "Cannot delete entity, must remove roles from instance profile first.")
		}
		return nil
	})
}

type AddRoleToInstanceProfileInput struct {
	InstanceProfileName string
	RoleName            string
}

// needsAddRole also asks whether the role may be passed to EC2.
func (s *Service) needsAddRole(ctx context.Context, in *AddRoleToInstanceProfileInput) ([]policy.Request, error) {
	role := s.roles.needs(ctx, in.RoleName)[0].Resource
	return append(s.profiles.needs(ctx, in.InstanceProfileName), policy.PassRole(&role, "ec2.amazonaws.com")...), nil
}

// AddRoleToInstanceProfile puts a role into an instance profile, which has one
// at the most.
func (s *Service) AddRoleToInstanceProfile(ctx context.Context, in *AddRoleToInstanceProfileInput) (*wire.None, error) {
	return &wire.None{}, s.profiles.change(ctx, in.InstanceProfileName, func(p *InstanceProfile) error {
		r, err := s.roles.named(ctx, in.RoleName)
		if err != nil {
			return err
		}
		if p.Role != "" {
			return wire.Errorf("LimitExceeded", "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
		}
		p.Role = r.Name
		return nil
	})
}

type RemoveRoleFromInstanceProfileInput struct {
	InstanceProfileName string
	RoleName            string
}

// RemoveRoleFromInstanceProfile takes a role out of an instance profile.
func (s *Service) RemoveRoleFromInstanceProfile(ctx context.Context, in *RemoveRoleFromInstanceProfileInput) (*wire.None, error) {
	return &wire.None{}, s.profiles.change(ctx, in.InstanceProfileName, func(p *InstanceProfile) error {
		if !strings.EqualFold(p.Role, in.RoleName) || p.Role == "" {
			return wire.Errorf("NoSuchEntity", roleKind.missing, in.RoleName)
		}
		p.Role = ""
		return nil
	})
}
