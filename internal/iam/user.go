package iam

import (
	"context"
	"slices"
	"strings"
	"time"

	"naru/internal/policy"
	"naru/internal/store"
	"naru/internal/wire"
)

// User is a user as the catalog keeps it.
type User struct {
	Identity
	Groups []string `json:",omitempty"` // names of its groups
}

// ARN returns the user's ARN.
func (u *User) ARN() string { return userKind.arn(&u.Entity) }

func (u *User) unshare() {
	u.Identity.unshare()
	u.Groups = slices.Clone(u.Groups)
}

// groupIndex returns where a group is among the user's; -1 if it is not.
func (u *User) groupIndex(name string) int {
	return slices.IndexFunc(u.Groups, func(g string) bool { return strings.EqualFold(g, name) })
}

// UserShape is a user in replies.
type UserShape struct {
	Path                string
	UserName            *string
	UserId              string
	Arn                 string
	CreateDate          time.Time
	PermissionsBoundary *AttachedPermissionsBoundary
	Tags                []Tag
}

func (u *User) shape() UserShape {
	shape := u.listShape()
	shape.PermissionsBoundary, shape.Tags = u.boundary(), u.Tags
	return shape
}

// listShape is a user in lists, which leave out some.
func (u *User) listShape() UserShape {
	return UserShape{Path: u.Path, UserName: &u.Name, UserId: u.ID, Arn: u.ARN(), CreateDate: u.Created}
}

// maxGroups is how many groups a user may be in.
const maxGroups = 10

// userOr returns the name of the user that a call is about: the caller, if it
// names none.
func userOr(ctx context.Context, name *string) (string, error) {
	caller := wire.CallOf(ctx).Caller
	switch {
	case name != nil:
		return *name, nil
	case caller.Kind == policy.User:
		return nameOf(caller.ARN), nil
	}
	return "", wire.Errorf("ValidationError", "Must specify userName when calling with non-User credentials")
}

// onUserOr returns what an operation on a user needs, which is the caller if
// none is named.
func onUserOr[In any](s *Service, name func(*In) *string) func(context.Context, *In) ([]policy.Request, error) {
	return func(ctx context.Context, in *In) ([]policy.Request, error) {
		user, err := userOr(ctx, name(in))
		if err != nil {
			return needsOn(ctx, wire.CallOf(ctx).Caller.ARN), nil
		}
		return s.users.needs(ctx, user), nil
	}
}

type CreateUserInput struct {
	UserName            string
	Path                *string
	PermissionsBoundary *string
	Tags                []Tag
}

type CreateUserOutput struct{ User UserShape }

// CreateUser makes a user.
func (s *Service) CreateUser(ctx context.Context, in *CreateUserInput) (*CreateUserOutput, error) {
	u := &User{Identity: Identity{Entity: Entity{Name: in.UserName, Tags: in.Tags}, Boundary: deref(in.PermissionsBoundary)}}
	err := s.users.create(ctx, u, in.Path, func(*store.Tx) error { return s.checkBoundary(ctx, u.Boundary) })
	return &CreateUserOutput{u.shape()}, err
}

type GetUserInput struct{ UserName *string }

type GetUserOutput struct{ User UserShape }

// GetUser returns a user, or the caller if none is named.
func (s *Service) GetUser(ctx context.Context, in *GetUserInput) (*GetUserOutput, error) {
	if caller := wire.CallOf(ctx).Caller; in.UserName == nil && caller.Kind == policy.Root {
		return &GetUserOutput{UserShape{Path: "/", UserId: caller.UserID, Arn: caller.ARN, CreateDate: time.Unix(0, 0).UTC()}}, nil
	}
	name, err := userOr(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	u, err := s.users.named(ctx, name)
	if err != nil {
		return nil, err
	}
	return &GetUserOutput{u.shape()}, nil
}

type ListUsersInput struct {
	PathPrefix *string
	Marker     *string
	MaxItems   *int32
}

type ListUsersOutput struct {
	Users       []UserShape
	IsTruncated bool
	Marker      *string
}

// ListUsers returns users in the order of their names.
func (s *Service) ListUsers(ctx context.Context, in *ListUsersInput) (*ListUsersOutput, error) {
	users, page, err := cut(s.users.all(wire.CallOf(ctx).Account(), in.PathPrefix), (*User).key, in.Marker, in.MaxItems)
	return &ListUsersOutput{shapes(users, (*User).listShape), page.truncated, page.marker}, err
}

type UpdateUserInput struct {
	UserName    string
	NewPath     *string
	NewUserName *string
}

// UpdateUser gives a user another name or path. Its keys go with it.
func (s *Service) UpdateUser(ctx context.Context, in *UpdateUserInput) (*wire.None, error) {
	return &wire.None{}, s.users.rename(ctx, in.UserName, in.NewUserName, in.NewPath, func(tx *store.Tx, old, renamed *User) error {
		for _, k := range s.keysOf(old) {
			moved := *k
			moved.User = renamed.Name
			if err := s.accessKeys.Put(tx, k.ID, &moved); err != nil {
				return err
			}
		}
		return nil
	})
}

// rename gives an entity another name or path; also changes what speaks of it.
func (c *collection[T, P]) rename(ctx context.Context, name string, newName, newPath *string, also func(tx *store.Tx, old, renamed P) error) error {
	return c.service.update(func(tx *store.Tx) error {
		old, err := c.named(ctx, name)
		if err != nil {
			return err
		}
		p := copied(old)
		e := p.entity()
		if newName != nil {
			e.Name = *newName
		}
		if newPath != nil {
			e.Path = *newPath
		}
		if err := c.check(e); err != nil {
			return err
		}
		if e.key() != old.entity().key() {
			if _, ok := c.table.Get(e.key()); ok {
				return wire.Errorf("EntityAlreadyExists", c.exists, e.Name)
			}
			c.table.Delete(tx, old.entity().key())
		}
		if err := c.table.Put(tx, e.key(), p); err != nil {
			return err
		}
		return also(tx, old, p)
	})
}

type DeleteUserInput struct{ UserName string }

// DeleteUser deletes a user that has no policies, keys and groups.
func (s *Service) DeleteUser(ctx context.Context, in *DeleteUserInput) (*wire.None, error) {
	return &wire.None{}, s.users.delete(ctx, in.UserName, func(_ *store.Tx, u *User) error {
		switch {
		case len(u.Groups) > 0:
			return wire.Errorf("DeleteConflict", "Cannot delete entity, must remove users from group first.")
		case len(s.keysOf(u)) > 0:
			return wire.Errorf("DeleteConflict", "Cannot delete entity, must delete access keys first.")
		}
		return u.deletable()
	})
}
