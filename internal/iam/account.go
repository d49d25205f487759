package iam

import (
	"context"

	"naru/internal/wire"
)

type GetAccountSummaryInput struct{}

type GetAccountSummaryOutput struct {
	SummaryMap map[string]int32 `query:",key,value"`
}

// GetAccountSummary returns how many there are of what, and how many there may
// be.
func (s *Service) GetAccountSummary(ctx context.Context, _ *GetAccountSummaryInput) (*GetAccountSummaryOutput, error) {
	account := wire.CallOf(ctx).Account()
	policies, versions := s.policies.all(account, nil), 0
	for _, p := range policies {
		versions += len(p.Versions)
	}
	return &GetAccountSummaryOutput{map[string]int32{
		"Users": int32(len(s.users.all(account, nil))), "UsersQuota": 5000,
		"Groups": int32(len(s.groups.all(account, nil))), "GroupsQuota": 300,
		"Roles": int32(len(s.roles.all(account, nil))), "RolesQuota": 1000,
		"Policies": int32(len(policies)), "PoliciesQuota": 1500,
		"InstanceProfiles": int32(len(s.profiles.all(account, nil))), "InstanceProfilesQuota": 1000,
		"PolicyVersionsInUse": int32(versions), "PolicyVersionsInUseQuota": 10000,
		"UserPolicySizeQuota": int32(s.users.maxInline), "GroupPolicySizeQuota": int32(s.groups.maxInline), "RolePolicySizeQuota": int32(s.roles.maxInline),
		"PolicySizeQuota": maxManaged, "VersionsPerPolicyQuota": maxVersions, "AssumeRolePolicySizeQuota": maxTrust,
		"AttachedPoliciesPerUserQuota": maxAttached, "AttachedPoliciesPerGroupQuota": maxAttached, "AttachedPoliciesPerRoleQuota": maxAttached,
		"GroupsPerUserQuota": maxGroups, "AccessKeysPerUserQuota": maxAccessKeys, "SigningCertificatesPerUserQuota": 2,
		"AccountAccessKeysPresent": boolean(s.options.Root.ID != "" && account == s.options.Account), "AccountPasswordPresent": 0,
		"AccountMFAEnabled": 0, "MFADevices": 0, "MFADevicesInUse": 0, "AccountSigningCertificatesPresent": 0,
		"Providers": 0, "ServerCertificates": 0, "ServerCertificatesQuota": 20, "GlobalEndpointTokenVersion": 1,
	}}, nil
}

func boolean(b bool) int32 {
	if b {
		return 1
	}
	return 0
}
