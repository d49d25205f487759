package iam

import (
	"context"

	"naru/internal/wire"
)

// The operations that attach managed policies, and that set boundaries.

type AttachRolePolicyInput struct {
	RoleName  string
	PolicyArn string
}

// AttachRolePolicy attaches a managed policy to a role.
func (s *Service) AttachRolePolicy(ctx context.Context, in *AttachRolePolicyInput) (*wire.None, error) {
	return s.roles.attach(ctx, in.RoleName, in.PolicyArn)
}

type DetachRolePolicyInput struct {
	RoleName  string
	PolicyArn string
}

// DetachRolePolicy takes a managed policy off a role.
func (s *Service) DetachRolePolicy(ctx context.Context, in *DetachRolePolicyInput) (*wire.None, error) {
	return s.roles.detach(ctx, in.RoleName, in.PolicyArn)
}

type ListAttachedRolePoliciesInput struct {
	RoleName   string
	PathPrefix *string
	Marker     *string
	MaxItems   *int32
}

// ListAttachedRolePolicies returns the managed policies of a role.
func (s *Service) ListAttachedRolePolicies(ctx context.Context, in *ListAttachedRolePoliciesInput) (*ListAttachedRolePoliciesOutput, error) {
	return s.roles.listAttached(ctx, in.RoleName, in.PathPrefix, in.Marker, in.MaxItems)
}

type AttachUserPolicyInput struct {
	UserName  string
	PolicyArn string
}

// AttachUserPolicy attaches a managed policy to a user.
func (s *Service) AttachUserPolicy(ctx context.Context, in *AttachUserPolicyInput) (*wire.None, error) {
	return s.users.attach(ctx, in.UserName, in.PolicyArn)
}

type DetachUserPolicyInput struct {
	UserName  string
	PolicyArn string
}

// DetachUserPolicy takes a managed policy off a user.
func (s *Service) DetachUserPolicy(ctx context.Context, in *DetachUserPolicyInput) (*wire.None, error) {
	return s.users.detach(ctx, in.UserName, in.PolicyArn)
}

type ListAttachedUserPoliciesInput struct {
	UserName   string
	PathPrefix *string
	Marker     *string
	MaxItems   *int32
}

// ListAttachedUserPolicies returns the managed policies of a user.
func (s *Service) ListAttachedUserPolicies(ctx context.Context, in *ListAttachedUserPoliciesInput) (*ListAttachedRolePoliciesOutput, error) {
	return s.users.listAttached(ctx, in.UserName, in.PathPrefix, in.Marker, in.MaxItems)
}

type AttachGroupPolicyInput struct {
	GroupName string
	PolicyArn string
}

// AttachGroupPolicy attaches a managed policy to a group.
func (s *Service) AttachGroupPolicy(ctx context.Context, in *AttachGroupPolicyInput) (*wire.None, error) {
	return s.groups.attach(ctx, in.GroupName, in.PolicyArn)
}

type DetachGroupPolicyInput struct {
	GroupName string
	PolicyArn string
}

// DetachGroupPolicy takes a managed policy off a group.
func (s *Service) DetachGroupPolicy(ctx context.Context, in *DetachGroupPolicyInput) (*wire.None, error) {
	return s.groups.detach(ctx, in.GroupName, in.PolicyArn)
}

type ListAttachedGroupPoliciesInput struct {
	GroupName  string
	PathPrefix *string
	Marker     *string
	MaxItems   *int32
}

// ListAttachedGroupPolicies returns the managed policies of a group.
func (s *Service) ListAttachedGroupPolicies(ctx context.Context, in *ListAttachedGroupPoliciesInput) (*ListAttachedRolePoliciesOutput, error) {
	return s.groups.listAttached(ctx, in.GroupName, in.PathPrefix, in.Marker, in.MaxItems)
}

type PutRolePermissionsBoundaryInput struct {
	RoleName            string
	PermissionsBoundary string
}

// PutRolePermissionsBoundary limits a role to what a managed policy allows.
func (s *Service) PutRolePermissionsBoundary(ctx context.Context, in *PutRolePermissionsBoundaryInput) (*wire.None, error) {
	if err := checkPolicyARN(in.PermissionsBoundary); err != nil {
		return nil, err
	}
	return s.roles.bound(ctx, in.RoleName, in.PermissionsBoundary)
}

type DeleteRolePermissionsBoundaryInput struct{ RoleName string }

// DeleteRolePermissionsBoundary lifts the limit.
func (s *Service) DeleteRolePermissionsBoundary(ctx context.Context, in *DeleteRolePermissionsBoundaryInput) (*wire.None, error) {
	return s.roles.bound(ctx, in.RoleName, "")
}

type PutUserPermissionsBoundaryInput struct {
	UserName            string
	PermissionsBoundary string
}

// PutUserPermissionsBoundary limits a user to what a managed policy allows.
func (s *Service) PutUserPermissionsBoundary(ctx context.Context, in *PutUserPermissionsBoundaryInput) (*wire.None, error) {
	if err := checkPolicyARN(in.PermissionsBoundary); err != nil {
		return nil, err
	}
	return s.users.bound(ctx, in.UserName, in.PermissionsBoundary)
}

type DeleteUserPermissionsBoundaryInput struct{ UserName string }

// DeleteUserPermissionsBoundary lifts the limit.
func (s *Service) DeleteUserPermissionsBoundary(ctx context.Context, in *DeleteUserPermissionsBoundaryInput) (*wire.None, error) {
	return s.users.bound(ctx, in.UserName, "")
}
