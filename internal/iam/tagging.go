package iam

import (
	"context"

	"naru/internal/wire"
)

// The operations on tags.

type TagRoleInput struct {
	RoleName string
	Tags     []Tag
}

// TagRole sets tags of a role.
func (s *Service) TagRole(ctx context.Context, in *TagRoleInput) (*wire.None, error) {
	return s.roles.tag(ctx, in.RoleName, in.Tags)
}

type UntagRoleInput struct {
	RoleName string
	TagKeys  []string
}

// UntagRole removes tags of a role.
func (s *Service) UntagRole(ctx context.Context, in *UntagRoleInput) (*wire.None, error) {
	return s.roles.untag(ctx, in.RoleName, in.TagKeys)
}

type ListRoleTagsInput struct {
	RoleName string
	Marker   *string
	MaxItems *int32
}

// ListRoleTags returns the tags of a role.
func (s *Service) ListRoleTags(ctx context.Context, in *ListRoleTagsInput) (*ListRoleTagsOutput, error) {
	return s.roles.listTags(ctx, in.RoleName, in.Marker, in.MaxItems)
}

type TagUserInput struct {
	UserName string
	Tags     []Tag
}

// TagUser sets tags of a user.
func (s *Service) TagUser(ctx context.Context, in *TagUserInput) (*wire.None, error) {
	return s.users.tag(ctx, in.UserName, in.Tags)
}

type UntagUserInput struct {
	UserName string
	TagKeys  []string
}

// UntagUser removes tags of a user.
func (s *Service) UntagUser(ctx context.Context, in *UntagUserInput) (*wire.None, error) {
	return s.users.untag(ctx, in.UserName, in.TagKeys)
}

type ListUserTagsInput struct {
	UserName string
	Marker   *string
	MaxItems *int32
}

// ListUserTags returns the tags of a user.
func (s *Service) ListUserTags(ctx context.Context, in *ListUserTagsInput) (*ListRoleTagsOutput, error) {
	return s.users.listTags(ctx, in.UserName, in.Marker, in.MaxItems)
}

type TagInstanceProfileInput struct {
	InstanceProfileName string
	Tags                []Tag
}

// TagInstanceProfile sets tags of an instance profile.
func (s *Service) TagInstanceProfile(ctx context.Context, in *TagInstanceProfileInput) (*wire.None, error) {
	return s.profiles.tag(ctx, in.InstanceProfileName, in.Tags)
}

type UntagInstanceProfileInput struct {
	InstanceProfileName string
	TagKeys             []string
}

// UntagInstanceProfile removes tags of an instance profile.
func (s *Service) UntagInstanceProfile(ctx context.Context, in *UntagInstanceProfileInput) (*wire.None, error) {
	return s.profiles.untag(ctx, in.InstanceProfileName, in.TagKeys)
}

type ListInstanceProfileTagsInput struct {
	InstanceProfileName string
	Marker              *string
	MaxItems            *int32
}

// ListInstanceProfileTags returns the tags of an instance profile.
func (s *Service) ListInstanceProfileTags(ctx context.Context, in *ListInstanceProfileTagsInput) (*ListRoleTagsOutput, error) {
	return s.profiles.listTags(ctx, in.InstanceProfileName, in.Marker, in.MaxItems)
}

type TagPolicyInput struct {
	PolicyArn string
	Tags      []Tag
}

// TagPolicy sets tags of a managed policy.
func (s *Service) TagPolicy(ctx context.Context, in *TagPolicyInput) (*wire.None, error) {
	p, err := s.ownPolicy(ctx, in.PolicyArn)
	if err != nil {
		return nil, err
	}
	return s.policies.tag(ctx, p.Name, in.Tags)
}

type UntagPolicyInput struct {
	PolicyArn string
	TagKeys   []string
}

// UntagPolicy removes tags of a managed policy.
func (s *Service) UntagPolicy(ctx context.Context, in *UntagPolicyInput) (*wire.None, error) {
	p, err := s.ownPolicy(ctx, in.PolicyArn)
	if err != nil {
		return nil, err
	}
	return s.policies.untag(ctx, p.Name, in.TagKeys)
}

type ListPolicyTagsInput struct {
	PolicyArn string
	Marker    *string
	MaxItems  *int32
}

// ListPolicyTags returns the tags of a managed policy.
func (s *Service) ListPolicyTags(ctx context.Context, in *ListPolicyTagsInput) (*ListRoleTagsOutput, error) {
	p, err := s.policy(ctx, in.PolicyArn)
	if err != nil {
		return nil, err
	}
	return listTags(p.Tags, in.Marker, in.MaxItems)
}
