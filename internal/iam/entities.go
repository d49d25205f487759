package iam

import (
	"context"
	"slices"
	"strings"

	"naru/internal/wire"
)

type ListEntitiesForPolicyInput struct {
	PolicyArn         string
	EntityFilter      *string
	PathPrefix        *string
	PolicyUsageFilter *string
	Marker            *string
	MaxItems          *int32
}

type ListEntitiesForPolicyOutput struct {
	PolicyGroups []PolicyGroup
	PolicyUsers  []PolicyUser
	PolicyRoles  []PolicyRole
	IsTruncated  bool
	Marker       *string
}

// PolicyGroup names a group that a policy is attached to.
type PolicyGroup struct {
	GroupName string
	GroupId   string
}

// PolicyUser names a user that a policy is attached to.
type PolicyUser struct {
	UserName string
	UserId   string
}

// PolicyRole names a role that a policy is attached to.
type PolicyRole struct {
	RoleName string
	RoleId   string
}

// ListEntitiesForPolicy returns the groups, users and roles that a managed
// policy is attached to, or that it limits.
func (s *Service) ListEntitiesForPolicy(ctx context.Context, in *ListEntitiesForPolicyInput) (*ListEntitiesForPolicyOutput, error) {
	p, err := s.policy(ctx, in.PolicyArn)
	if err != nil {
		return nil, err
	}
	filter := deref(in.EntityFilter)
	if !slices.Contains([]string{"", "User", "Role", "Group", "LocalManagedPolicy", "AWSManagedPolicy"}, filter) {
		return nil, violation(filter, "entityFilter", "Member must satisfy enum value set: [User, Role, Group, LocalManagedPolicy, AWSManagedPolicy]")
	}
	var all []*Identity
	for i := range s.identities(wire.CallOf(ctx).Account()) {
		if i.uses(p.arn(), deref(in.PolicyUsageFilter)) && strings.HasPrefix(i.Path, deref(in.PathPrefix)) && (filter == "" || strings.HasPrefix(i.ID, filterPrefix[filter])) {
			all = append(all, i)
		}
	}
	key := func(i *Identity) string { return i.ID[:4] + strings.ToLower(i.Name) }
	all, page, err := cut(sortedBy(key, all), key, in.Marker, in.MaxItems)
	out := &ListEntitiesForPolicyOutput{
		PolicyGroups: []PolicyGroup{}, PolicyUsers: []PolicyUser{}, PolicyRoles: []PolicyRole{}, IsTruncated: page.truncated, Marker: page.marker,
	}
	for _, i := range all {
		switch i.ID[:4] {
		case groupKind.prefix:
			out.PolicyGroups = append(out.PolicyGroups, PolicyGroup{i.Name, i.ID})
		case userKind.prefix:
			out.PolicyUsers = append(out.PolicyUsers, PolicyUser{i.Name, i.ID})
		case roleKind.prefix:
			out.PolicyRoles = append(out.PolicyRoles, PolicyRole{i.Name, i.ID})
		}
	}
	return out, err
}

// filterPrefix is what the ids begin with of the identities that a filter
// means; of the last two, none.
var filterPrefix = map[string]string{
	"User": userKind.prefix, "Role": roleKind.prefix, "Group": groupKind.prefix, "LocalManagedPolicy": "none", "AWSManagedPolicy": "none",
}

// uses reports whether a policy is attached to the identity or limits it, as
// far as the filter lets either count.
func (i *Identity) uses(policyARN, filter string) bool {
	return filter != "PermissionsBoundary" && slices.Contains(i.Attached, policyARN) ||
		filter != "PermissionsPolicy" && i.Boundary == policyARN
}
