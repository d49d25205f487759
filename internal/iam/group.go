package iam

import (
	"context"
	"slices"
	"time"

	"naru/internal/store"
	"naru/internal/wire"
)

// Group is a group of users as the catalog keeps it. Who is in it stands with
// the users.
type Group struct{ Identity }

// ARN returns the group's ARN.
func (g *Group) ARN() string { return groupKind.arn(&g.Entity) }

// GroupShape is a group in replies.
type GroupShape struct {
	Path       string
	GroupName  string
	GroupId    string
	Arn        string
	CreateDate time.Time
}

func (g *Group) shape() GroupShape { return GroupShape{g.Path, g.Name, g.ID, g.ARN(), g.Created} }

// members returns the users of a group.
func (s *Service) members(g *Group) []*User {
	return slices.DeleteFunc(s.users.all(g.Account, nil), func(u *User) bool { return u.groupIndex(g.Name) < 0 })
}

type CreateGroupInput struct {
	GroupName string
	Path      *string
}

type CreateGroupOutput struct{ Group GroupShape }

// CreateGroup makes a group.
func (s *Service) CreateGroup(ctx context.Context, in *CreateGroupInput) (*CreateGroupOutput, error) {
	g := &Group{Identity{Entity: Entity{Name: in.GroupName}}}
	err := s.groups.create(ctx, g, in.Path, nothing)
	return &CreateGroupOutput{g.shape()}, err
}

type GetGroupInput struct {
	GroupName string
	Marker    *string
	MaxItems  *int32
}

type GetGroupOutput struct {
	Group       GroupShape
	Users       []UserShape
	IsTruncated bool
	Marker      *string
}

// GetGroup returns a group and its users.
func (s *Service) GetGroup(ctx context.Context, in *GetGroupInput) (*GetGroupOutput, error) {
	g, err := s.groups.named(ctx, in.GroupName)
	if err != nil {
		return nil, err
	}
	users, page, err := cut(s.members(g), (*User).key, in.Marker, in.MaxItems)
	return &GetGroupOutput{g.shape(), shapes(users, (*User).listShape), page.truncated, page.marker}, err
}

type ListGroupsInput struct {
	PathPrefix *string
	Marker     *string
	MaxItems   *int32
}

type ListGroupsOutput struct {
	Groups      []GroupShape
	IsTruncated bool
	Marker      *string
}

// ListGroups returns groups in the order of their names.
func (s *Service) ListGroups(ctx context.Context, in *ListGroupsInput) (*ListGroupsOutput, error) {
	groups, page, err := cut(s.groups.all(wire.CallOf(ctx).Account(), in.PathPrefix), (*Group).key, in.Marker, in.MaxItems)
	return &ListGroupsOutput{shapes(groups, (*Group).shape), page.truncated, page.marker}, err
}

type ListGroupsForUserInput struct {
	UserName string
	Marker   *string
	MaxItems *int32
}

type ListGroupsForUserOutput struct {
	Groups      []GroupShape
	IsTruncated bool
	Marker      *string
}

// ListGroupsForUser returns the groups of a user.
func (s *Service) ListGroupsForUser(ctx context.Context, in *ListGroupsForUserInput) (*ListGroupsForUserOutput, error) {
	u, err := s.users.named(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	groups, page, err := cut(s.groupsOf(u), (*Group).key, in.Marker, in.MaxItems)
	return &ListGroupsForUserOutput{shapes(groups, (*Group).shape), page.truncated, page.marker}, err
}

// groupsOf returns the groups of a user in the order of their names.
func (s *Service) groupsOf(u *User) (groups []*Group) {
	for _, name := range u.Groups {
		if g, err := s.groups.get(u.Account, name); err == nil {
			groups = append(groups, g)
		}
	}
	return sortedBy((*Group).key, groups)
}

type UpdateGroupInput struct {
	GroupName    string
	NewPath      *string
	NewGroupName *string
}

// UpdateGroup gives a group another name or path. Its users stay in it.
func (s *Service) UpdateGroup(ctx context.Context, in *UpdateGroupInput) (*wire.None, error) {
	return &wire.None{}, s.groups.rename(ctx, in.GroupName, in.NewGroupName, in.NewPath, func(tx *store.Tx, old, renamed *Group) error {
		for _, u := range s.members(old) {
			moved := copied(u)
			moved.Groups[moved.groupIndex(old.Name)] = renamed.Name
			if err := s.users.table.Put(tx, moved.key(), moved); err != nil {
				return err
			}
		}
		return nil
	})
}

type DeleteGroupInput struct{ GroupName string }

// DeleteGroup deletes a group that has no users and policies.
func (s *Service) DeleteGroup(ctx context.Context, in *DeleteGroupInput) (*wire.None, error) {
	return &wire.None{}, s.groups.delete(ctx, in.GroupName, func(_ *store.Tx, g *Group) error {
		if len(s.members(g)) > 0 {
			return wire.Errorf("DeleteConflict", "Cannot delete entity, must remove users from group first.")
		}
		return g.deletable()
	})
}

type AddUserToGroupInput struct {
	GroupName string
	UserName  string
}

// AddUserToGroup puts a user into a group, if it is not there yet.
func (s *Service) AddUserToGroup(ctx context.Context, in *AddUserToGroupInput) (*wire.None, error) {
	return &wire.None{}, s.users.change(ctx, in.UserName, func(u *User) error {
		g, err := s.groups.named(ctx, in.GroupName)
		if err != nil {
			return err
		}
		if u.groupIndex(g.Name) >= 0 {
			return nil
		}
		if len(u.Groups) >= maxGroups {
			return wire.Errorf("LimitExceeded", "Cannot exceed quota for GroupsPerUser: %d", maxGroups)
		}
		u.Groups = append(u.Groups, g.Name)
		return nil
	})
}

type RemoveUserFromGroupInput struct {
	GroupName string
	UserName  string
}

// RemoveUserFromGroup takes a user out of a group, if it is there.
func (s *Service) RemoveUserFromGroup(ctx context.Context, in *RemoveUserFromGroupInput) (*wire.None, error) {
	return &wire.None{}, s.users.change(ctx, in.UserName, func(u *User) error {
		g, err := s.groups.named(ctx, in.GroupName)
		if err != nil {
			return err
		}
		if i := u.groupIndex(g.Name); i >= 0 {
			u.Groups = slices.Delete(u.Groups, i, i+1)
		}
		return nil
	})
}
