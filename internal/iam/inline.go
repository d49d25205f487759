package iam

import (
	"context"

	"naru/internal/wire"
)

// The operations on inline policies.

type PutRolePolicyInput struct {
	RoleName       string
	PolicyName     string
	PolicyDocument string
}

// PutRolePolicy sets an inline policy of a role.
func (s *Service) PutRolePolicy(ctx context.Context, in *PutRolePolicyInput) (*wire.None, error) {
	return s.roles.putPolicy(ctx, in.RoleName, in.PolicyName, in.PolicyDocument)
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
	name, document, err := s.roles.getPolicy(ctx, in.RoleName, in.PolicyName)
	return &GetRolePolicyOutput{name, in.PolicyName, document}, err
}

type ListRolePoliciesInput struct {
	RoleName string
	Marker   *string
	MaxItems *int32
}

// ListRolePolicies returns the names of a role's inline policies.
func (s *Service) ListRolePolicies(ctx context.Context, in *ListRolePoliciesInput) (*ListRolePoliciesOutput, error) {
	return s.roles.listPolicies(ctx, in.RoleName, in.Marker, in.MaxItems)
}

type DeleteRolePolicyInput struct {
	RoleName   string
	PolicyName string
}

// DeleteRolePolicy removes an inline policy of a role.
func (s *Service) DeleteRolePolicy(ctx context.Context, in *DeleteRolePolicyInput) (*wire.None, error) {
	return s.roles.deletePolicy(ctx, in.RoleName, in.PolicyName)
}

type PutUserPolicyInput struct {
	UserName       string
	PolicyName     string
	PolicyDocument string
}

// PutUserPolicy sets an inline policy of a user.
func (s *Service) PutUserPolicy(ctx context.Context, in *PutUserPolicyInput) (*wire.None, error) {
	return s.users.putPolicy(ctx, in.UserName, in.PolicyName, in.PolicyDocument)
}

type GetUserPolicyInput struct {
	UserName   string
	PolicyName string
}

type GetUserPolicyOutput struct {
	UserName       string
	PolicyName     string
	PolicyDocument string
}

// GetUserPolicy returns an inline policy of a user.
func (s *Service) GetUserPolicy(ctx context.Context, in *GetUserPolicyInput) (*GetUserPolicyOutput, error) {
	name, document, err := s.users.getPolicy(ctx, in.UserName, in.PolicyName)
	return &GetUserPolicyOutput{name, in.PolicyName, document}, err
}

type ListUserPoliciesInput struct {
	UserName string
	Marker   *string
	MaxItems *int32
}

// ListUserPolicies returns the names of a user's inline policies.
func (s *Service) ListUserPolicies(ctx context.Context, in *ListUserPoliciesInput) (*ListRolePoliciesOutput, error) {
	return s.users.listPolicies(ctx, in.UserName, in.Marker, in.MaxItems)
}

type DeleteUserPolicyInput struct {
	UserName   string
	PolicyName string
}

// DeleteUserPolicy removes an inline policy of a user.
func (s *Service) DeleteUserPolicy(ctx context.Context, in *DeleteUserPolicyInput) (*wire.None, error) {
	return s.users.deletePolicy(ctx, in.UserName, in.PolicyName)
}

type PutGroupPolicyInput struct {
	GroupName      string
	PolicyName     string
	PolicyDocument string
}

// PutGroupPolicy sets an inline policy of a group.
func (s *Service) PutGroupPolicy(ctx context.Context, in *PutGroupPolicyInput) (*wire.None, error) {
	return s.groups.putPolicy(ctx, in.GroupName, in.PolicyName, in.PolicyDocument)
}

type GetGroupPolicyInput struct {
	GroupName  string
	PolicyName string
}

type GetGroupPolicyOutput struct {
	GroupName      string
	PolicyName     string
	PolicyDocument string
}

// GetGroupPolicy returns an inline policy of a group.
func (s *Service) GetGroupPolicy(ctx context.Context, in *GetGroupPolicyInput) (*GetGroupPolicyOutput, error) {
	name, document, err := s.groups.getPolicy(ctx, in.GroupName, in.PolicyName)
	return &GetGroupPolicyOutput{name, in.PolicyName, document}, err
}

type ListGroupPoliciesInput struct {
	GroupName string
	Marker    *string
	MaxItems  *int32
}

// ListGroupPolicies returns the names of a group's inline policies.
func (s *Service) ListGroupPolicies(ctx context.Context, in *ListGroupPoliciesInput) (*ListRolePoliciesOutput, error) {
	return s.groups.listPolicies(ctx, in.GroupName, in.Marker, in.MaxItems)
}

type DeleteGroupPolicyInput struct {
	GroupName  string
	PolicyName string
}

// DeleteGroupPolicy removes an inline policy of a group.
func (s *Service) DeleteGroupPolicy(ctx context.Context, in *DeleteGroupPolicyInput) (*wire.None, error) {
	return s.groups.deletePolicy(ctx, in.GroupName, in.PolicyName)
}
