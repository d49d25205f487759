package iam

import (
	"slices"

	"naru/internal/wire"
)

// IAM returns IAM's operations.
func (s *Service) IAM() wire.Service {
	return wire.Service{
		Name:   "iam",
		Query:  wire.Query{Version: "2010-05-08", Namespace: "https://iam.amazonaws.com/doc/2010-05-08/"},
		Errors: iamErrors,
		Operations: slices.Concat(
			s.roleOperations(), s.userOperations(), s.keyOperations(), s.groupOperations(), s.policyOperations(), s.profileOperations(),
			s.accountOperations()),
	}
}

var iamErrors = map[string]wire.ErrorForm{
	"NoSuchEntity":            {Status: 404},
	"EntityAlreadyExists":     {Status: 409},
	"DeleteConflict":          {Status: 409},
	"LimitExceeded":           {Status: 409},
	"MalformedPolicyDocument": {Status: 400},
	"ValidationError":         {Status: 400},
	"InvalidInput":            {Status: 400},
}

func (s *Service) roleOperations() []wire.Operation {
	roles := &s.roles.collection
	return []wire.Operation{
		wire.Op("CreateRole", s.CreateRole, with(onNew(roles, func(in *CreateRoleInput) (string, *string) { return in.RoleName, in.Path }),
			"iam:PermissionsBoundary", func(in *CreateRoleInput) string { return deref(in.PermissionsBoundary) })),
		wire.Op("GetRole", s.GetRole, on(roles, func(in *GetRoleInput) string { return in.RoleName })),
		wire.Op("ListRoles", s.ListRoles, onAny),
		wire.Op("UpdateRole", s.UpdateRole, on(roles, func(in *UpdateRoleInput) string { return in.RoleName })),
		wire.Op("UpdateRoleDescription", s.UpdateRoleDescription, on(roles, func(in *UpdateRoleDescriptionInput) string { return in.RoleName })),
		wire.Op("DeleteRole", s.DeleteRole, on(roles, func(in *DeleteRoleInput) string { return in.RoleName })),
		wire.Op("UpdateAssumeRolePolicy", s.UpdateAssumeRolePolicy, on(roles, func(in *UpdateAssumeRolePolicyInput) string { return in.RoleName })),

		wire.Op("PutRolePolicy", s.PutRolePolicy, on(roles, func(in *PutRolePolicyInput) string { return in.RoleName })),
		wire.Op("GetRolePolicy", s.GetRolePolicy, on(roles, func(in *GetRolePolicyInput) string { return in.RoleName })),
		wire.Op("ListRolePolicies", s.ListRolePolicies, on(roles, func(in *ListRolePoliciesInput) string { return in.RoleName })),
		wire.Op("DeleteRolePolicy", s.DeleteRolePolicy, on(roles, func(in *DeleteRolePolicyInput) string { return in.RoleName })),
		wire.Op("AttachRolePolicy", s.AttachRolePolicy, with(on(roles, func(in *AttachRolePolicyInput) string { return in.RoleName }),
			"iam:PolicyARN", func(in *AttachRolePolicyInput) string { return in.PolicyArn })),
		wire.Op("DetachRolePolicy", s.DetachRolePolicy, with(on(roles, func(in *DetachRolePolicyInput) string { return in.RoleName }),
			"iam:PolicyARN", func(in *DetachRolePolicyInput) string { return in.PolicyArn })),
		wire.Op("ListAttachedRolePolicies", s.ListAttachedRolePolicies, on(roles, func(in *ListAttachedRolePoliciesInput) string { return in.RoleName })),
		wire.Op("PutRolePermissionsBoundary", s.PutRolePermissionsBoundary, with(on(roles, func(in *PutRolePermissionsBoundaryInput) string { return in.RoleName }),
			"iam:PermissionsBoundary", func(in *PutRolePermissionsBoundaryInput) string { return in.PermissionsBoundary })),
		wire.Op("DeleteRolePermissionsBoundary", s.DeleteRolePermissionsBoundary, on(roles, func(in *DeleteRolePermissionsBoundaryInput) string { return in.RoleName })),

		wire.Op("TagRole", s.TagRole, on(roles, func(in *TagRoleInput) string { return in.RoleName })),
		wire.Op("UntagRole", s.UntagRole, on(roles, func(in *UntagRoleInput) string { return in.RoleName })),
		wire.Op("ListRoleTags", s.ListRoleTags, on(roles, func(in *ListRoleTagsInput) string { return in.RoleName })),
	}
}

func (s *Service) userOperations() []wire.Operation {
	users := &s.users.collection
	return []wire.Operation{
		wire.Op("CreateUser", s.CreateUser, with(onNew(users, func(in *CreateUserInput) (string, *string) { return in.UserName, in.Path }),
			"iam:PermissionsBoundary", func(in *CreateUserInput) string { return deref(in.PermissionsBoundary) })),
		wire.Op("GetUser", s.GetUser, onUserOr(s, func(in *GetUserInput) *string { return in.UserName })),
		wire.Op("ListUsers", s.ListUsers, onAny),
		wire.Op("UpdateUser", s.UpdateUser, on(users, func(in *UpdateUserInput) string { return in.UserName })),
		wire.Op("DeleteUser", s.DeleteUser, on(users, func(in *DeleteUserInput) string { return in.UserName })),

		wire.Op("PutUserPolicy", s.PutUserPolicy, on(users, func(in *PutUserPolicyInput) string { return in.UserName })),
		wire.Op("GetUserPolicy", s.GetUserPolicy, on(users, func(in *GetUserPolicyInput) string { return in.UserName })),
		wire.Op("ListUserPolicies", s.ListUserPolicies, on(users, func(in *ListUserPoliciesInput) string { return in.UserName })),
		wire.Op("DeleteUserPolicy", s.DeleteUserPolicy, on(users, func(in *DeleteUserPolicyInput) string { return in.UserName })),
		wire.Op("AttachUserPolicy", s.AttachUserPolicy, with(on(users, func(in *AttachUserPolicyInput) string { return in.UserName }),
			"iam:PolicyARN", func(in *AttachUserPolicyInput) string { return in.PolicyArn })),
		wire.Op("DetachUserPolicy", s.DetachUserPolicy, with(on(users, func(in *DetachUserPolicyInput) string { return in.UserName }),
			"iam:PolicyARN", func(in *DetachUserPolicyInput) string { return in.PolicyArn })),
		wire.Op("ListAttachedUserPolicies", s.ListAttachedUserPolicies, on(users, func(in *ListAttachedUserPoliciesInput) string { return in.UserName })),
		wire.Op("PutUserPermissionsBoundary", s.PutUserPermissionsBoundary, with(on(users, func(in *PutUserPermissionsBoundaryInput) string { return in.UserName }),
			"iam:PermissionsBoundary", func(in *PutUserPermissionsBoundaryInput) string { return in.PermissionsBoundary })),
		wire.Op("DeleteUserPermissionsBoundary", s.DeleteUserPermissionsBoundary, on(users, func(in *DeleteUserPermissionsBoundaryInput) string { return in.UserName })),

		wire.Op("TagUser", s.TagUser, on(users, func(in *TagUserInput) string { return in.UserName })),
		wire.Op("UntagUser", s.UntagUser, on(users, func(in *UntagUserInput) string { return in.UserName })),
		wire.Op("ListUserTags", s.ListUserTags, on(users, func(in *ListUserTagsInput) string { return in.UserName })),
		wire.Op("ListGroupsForUser", s.ListGroupsForUser, on(users, func(in *ListGroupsForUserInput) string { return in.UserName })),
	}
}

func (s *Service) keyOperations() []wire.Operation {
	return []wire.Operation{
		wire.Op("CreateAccessKey", s.CreateAccessKey, onUserOr(s, func(in *CreateAccessKeyInput) *string { return in.UserName })),
		wire.Op("UpdateAccessKey", s.UpdateAccessKey, onUserOr(s, func(in *UpdateAccessKeyInput) *string { return in.UserName })),
		wire.Op("DeleteAccessKey", s.DeleteAccessKey, onUserOr(s, func(in *DeleteAccessKeyInput) *string { return in.UserName })),
		wire.Op("ListAccessKeys", s.ListAccessKeys, onUserOr(s, func(in *ListAccessKeysInput) *string { return in.UserName })),
		wire.Op("GetAccessKeyLastUsed", s.GetAccessKeyLastUsed, onAny),
	}
}

func (s *Service) groupOperations() []wire.Operation {
	groups := &s.groups.collection
	return []wire.Operation{
		wire.Op("CreateGroup", s.CreateGroup, onNew(groups, func(in *CreateGroupInput) (string, *string) { return in.GroupName, in.Path })),
		wire.Op("GetGroup", s.GetGroup, on(groups, func(in *GetGroupInput) string { return in.GroupName })),
		wire.Op("ListGroups", s.ListGroups, onAny),
		wire.Op("UpdateGroup", s.UpdateGroup, on(groups, func(in *UpdateGroupInput) string { return in.GroupName })),
		wire.Op("DeleteGroup", s.DeleteGroup, on(groups, func(in *DeleteGroupInput) string { return in.GroupName })),
		wire.Op("AddUserToGroup", s.AddUserToGroup, on(groups, func(in *AddUserToGroupInput) string { return in.GroupName })),
		wire.Op("RemoveUserFromGroup", s.RemoveUserFromGroup, on(groups, func(in *RemoveUserFromGroupInput) string { return in.GroupName })),

		wire.Op("PutGroupPolicy", s.PutGroupPolicy, on(groups, func(in *PutGroupPolicyInput) string { return in.GroupName })),
		wire.Op("GetGroupPolicy", s.GetGroupPolicy, on(groups, func(in *GetGroupPolicyInput) string { return in.GroupName })),
		wire.Op("ListGroupPolicies", s.ListGroupPolicies, on(groups, func(in *ListGroupPoliciesInput) string { return in.GroupName })),
		wire.Op("DeleteGroupPolicy", s.DeleteGroupPolicy, on(groups, func(in *DeleteGroupPolicyInput) string { return in.GroupName })),
		wire.Op("AttachGroupPolicy", s.AttachGroupPolicy, with(on(groups, func(in *AttachGroupPolicyInput) string { return in.GroupName }),
			"iam:PolicyARN", func(in *AttachGroupPolicyInput) string { return in.PolicyArn })),
		wire.Op("DetachGroupPolicy", s.DetachGroupPolicy, with(on(groups, func(in *DetachGroupPolicyInput) string { return in.GroupName }),
			"iam:PolicyARN", func(in *DetachGroupPolicyInput) string { return in.PolicyArn })),
		wire.Op("ListAttachedGroupPolicies", s.ListAttachedGroupPolicies, on(groups, func(in *ListAttachedGroupPoliciesInput) string { return in.GroupName })),
	}
}

func (s *Service) policyOperations() []wire.Operation {
	return []wire.Operation{
		wire.Op("CreatePolicy", s.CreatePolicy, onNew(&s.policies, func(in *CreatePolicyInput) (string, *string) { return in.PolicyName, in.Path })),
		wire.Op("GetPolicy", s.GetPolicy, onARN(func(in *GetPolicyInput) string { return in.PolicyArn })),
		wire.Op("ListPolicies", s.ListPolicies, onAny),
		wire.Op("DeletePolicy", s.DeletePolicy, onARN(func(in *DeletePolicyInput) string { return in.PolicyArn })),
		wire.Op("CreatePolicyVersion", s.CreatePolicyVersion, onARN(func(in *CreatePolicyVersionInput) string { return in.PolicyArn })),
		wire.Op("GetPolicyVersion", s.GetPolicyVersion, onARN(func(in *GetPolicyVersionInput) string { return in.PolicyArn })),
		wire.Op("ListPolicyVersions", s.ListPolicyVersions, onARN(func(in *ListPolicyVersionsInput) string { return in.PolicyArn })),
		wire.Op("SetDefaultPolicyVersion", s.SetDefaultPolicyVersion, onARN(func(in *SetDefaultPolicyVersionInput) string { return in.PolicyArn })),
		wire.Op("DeletePolicyVersion", s.DeletePolicyVersion, onARN(func(in *DeletePolicyVersionInput) string { return in.PolicyArn })),
		wire.Op("ListEntitiesForPolicy", s.ListEntitiesForPolicy, onARN(func(in *ListEntitiesForPolicyInput) string { return in.PolicyArn })),
		wire.Op("TagPolicy", s.TagPolicy, onARN(func(in *TagPolicyInput) string { return in.PolicyArn })),
		wire.Op("UntagPolicy", s.UntagPolicy, onARN(func(in *UntagPolicyInput) string { return in.PolicyArn })),
		wire.Op("ListPolicyTags", s.ListPolicyTags, onARN(func(in *ListPolicyTagsInput) string { return in.PolicyArn })),
	}
}

func (s *Service) profileOperations() []wire.Operation {
	roles := &s.roles.collection
	return []wire.Operation{
		wire.Op("CreateInstanceProfile", s.CreateInstanceProfile, onNew(&s.profiles, func(in *CreateInstanceProfileInput) (string, *string) { return in.InstanceProfileName, in.Path })),
		wire.Op("GetInstanceProfile", s.GetInstanceProfile, on(&s.profiles, func(in *GetInstanceProfileInput) string { return in.InstanceProfileName })),
		wire.Op("ListInstanceProfiles", s.ListInstanceProfiles, onAny),
		wire.Op("ListInstanceProfilesForRole", s.ListInstanceProfilesForRole, on(roles, func(in *ListInstanceProfilesForRoleInput) string { return in.RoleName })),
		wire.Op("DeleteInstanceProfile", s.DeleteInstanceProfile, on(&s.profiles, func(in *DeleteInstanceProfileInput) string { return in.InstanceProfileName })),
		wire.Op("AddRoleToInstanceProfile", s.AddRoleToInstanceProfile, s.needsAddRole),
		wire.Op("RemoveRoleFromInstanceProfile", s.RemoveRoleFromInstanceProfile, on(&s.profiles, func(in *RemoveRoleFromInstanceProfileInput) string { return in.InstanceProfileName })),
		wire.Op("TagInstanceProfile", s.TagInstanceProfile, on(&s.profiles, func(in *TagInstanceProfileInput) string { return in.InstanceProfileName })),
		wire.Op("UntagInstanceProfile", s.UntagInstanceProfile, on(&s.profiles, func(in *UntagInstanceProfileInput) string { return in.InstanceProfileName })),
		wire.Op("ListInstanceProfileTags", s.ListInstanceProfileTags, on(&s.profiles, func(in *ListInstanceProfileTagsInput) string { return in.InstanceProfileName })),
	}
}

func (s *Service) accountOperations() []wire.Operation {
	return []wire.Operation{
		wire.Op("GetAccountSummary", s.GetAccountSummary, onAny),
		wire.Op("SimulateCustomPolicy", s.SimulateCustomPolicy, onAny),
		wire.Op("SimulatePrincipalPolicy", s.SimulatePrincipalPolicy, onARN(func(in *SimulatePrincipalPolicyInput) string { return in.PolicySourceArn })),
		wire.Op("GetContextKeysForCustomPolicy", s.GetContextKeysForCustomPolicy, onAny),
		wire.Op("GetContextKeysForPrincipalPolicy", s.GetContextKeysForPrincipalPolicy, onARN(func(in *GetContextKeysForPrincipalPolicyInput) string { return in.PolicySourceArn })),
	}
}

// STS returns STS's operations.
func (s *Service) STS() wire.Service {
	return wire.Service{
		Name:   "sts",
		Query:  wire.Query{Version: "2011-06-15", Namespace: "https://sts.amazonaws.com/doc/2011-06-15/"},
		Errors: stsErrors,
		Operations: []wire.Operation{
			wire.Op("GetCallerIdentity", s.GetCallerIdentity, onNothing),
			wire.Op("GetSessionToken", s.GetSessionToken, onNothing),
			wire.Op("AssumeRole", s.AssumeRole, s.needsTrust),
			wire.Op("AssumeRoleWithWebIdentity", s.AssumeRoleWithWebIdentity, s.needsWebIdentity).Anonymous(),
		},
	}
}

var stsErrors = map[string]wire.ErrorForm{
	"MalformedPolicyDocument": {Status: 400},
	"ValidationError":         {Status: 400},
	"InvalidParameterValue":   {Status: 400},
	"PackedPolicyTooLarge":    {Status: 400},
	"InvalidIdentityToken":    {Status: 400},
	"ExpiredTokenException":   {Status: 400},
}
