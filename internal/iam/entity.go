package iam

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"naru/internal/arn"
	"naru/internal/policy"
	"naru/internal/store"
	"naru/internal/wire"
)

// Entity is what users, groups, roles, managed policies and instance profiles
// have in common. The catalog keeps each under its account and its name in
// lower case: names that differ in case only are the same.
type Entity struct {
	Account string
	Name    string
	Path    string // "/", or "/of/more/"
	ID      string // AROA… and so on; another one of the same name has another
	Created time.Time
	Tags    []Tag `json:",omitempty"`
}

func entityKey(account, name string) string { return account + "/" + strings.ToLower(name) }

func (e *Entity) entity() *Entity { return e }

func (e *Entity) key() string { return entityKey(e.Account, e.Name) }

// unshare makes what is in e its own, so that it may be changed.
func (e *Entity) unshare() { e.Tags = slices.Clone(e.Tags) }

// A kind is a sort of entity, and how it is spoken of.
type kind struct {
	noun    string // in ARNs
	prefix  string // of ids
	member  string // of the inputs that name one
	most    int    // characters of a name
	missing string // format of a message: there is none of that name
	exists  string // format of a message: there is one of that name already
}

var (
	userKind    = kind{"user", "AIDA", "userName", 64, "The user with name %s cannot be found.", "User with name %s already exists."}
	groupKind   = kind{"group", "AGPA", "groupName", 128, "The group with name %s cannot be found.", "Group with name %s already exists."}
	roleKind    = kind{"role", "AROA", "roleName", 64, "The role with name %s cannot be found.", "Role with name %s already exists."}
	policyKind  = kind{"policy", "ANPA", "policyName", 128, "Policy %s was not found.", "A policy called %s already exists. Duplicate names are not allowed."}
	profileKind = kind{"instance-profile", "AIPA", "instanceProfileName", 128, "Instance Profile %s cannot be found.", "Instance Profile %s already exists."}
)

// arn returns the ARN of an entity of the kind.
func (k *kind) arn(e *Entity) string {
	return "arn:aws:iam::" + e.Account + ":" + k.noun + e.Path + e.Name
}

// A record is a pointer to what the catalog keeps of an entity.
type record[T any] interface {
	*T
	entity() *Entity
	unshare()
}

// A collection is all entities of a kind.
type collection[T any, P record[T]] struct {
	kind
	service *Service
	table   *store.Table[P]
}

// open opens the collection's table.
func (c *collection[T, P]) open(s *Service, k kind, table string) (err error) {
	c.kind, c.service = k, s
	c.table, err = store.OpenTable[P](s.store, table)
	return err
}

// get returns the entity of a name, or NoSuchEntity.
func (c *collection[T, P]) get(account, name string) (P, error) {
	if e, ok := c.table.Get(entityKey(account, name)); ok {
		return e, nil
	}
	return nil, wire.Errorf("NoSuchEntity", c.missing, name)
}

// named returns the entity of the caller's account.
func (c *collection[T, P]) named(ctx context.Context, name string) (P, error) {
	return c.get(wire.CallOf(ctx).Account(), name)
}

// find returns the entity that an ARN names.
func (c *collection[T, P]) find(text string) (P, bool) {
	a, err := arn.Parse(text)
	if err != nil || a.Service != "iam" {
		return nil, false
	}
	e, ok := c.table.Get(entityKey(a.Account, a.Resource[strings.LastIndexByte(a.Resource, '/')+1:]))
	if !ok || c.arn(e.entity()) != text {
		return nil, false
	}
	return e, true
}

// create adds an entity to the caller's account, which gives it what is not
// given: id, account and time. also may look further, and change more.
func (c *collection[T, P]) create(ctx context.Context, p P, path *string, also func(*store.Tx) error) error {
	e := p.entity()
	e.Account, e.ID, e.Created = wire.CallOf(ctx).Account(), newID(c.prefix), c.service.clock.Now().Truncate(time.Second)
	e.Path = "/"
	if path != nil {
		e.Path = *path
	}
	if err := c.check(e); err != nil {
		return err
	}
	return c.service.update(func(tx *store.Tx) error {
		if _, ok := c.table.Get(e.key()); ok {
			return wire.Errorf("EntityAlreadyExists", c.exists, e.Name)
		}
		if err := also(tx); err != nil {
			return err
		}
		return c.table.Put(tx, e.key(), p)
	})
}

// nothing is no further change.
func nothing(*store.Tx) error { return nil }

func (c *collection[T, P]) check(e *Entity) error {
	if err := checkName(c.member, e.Name, c.most); err != nil {
		return err
	}
	if !pathForm.MatchString(e.Path) || len(e.Path) > 512 {
		return wire.Errorf("ValidationError", "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.")
	}
	return checkTags(e.Tags)
}

// change replaces an entity of the caller's account by what change makes of a
// copy of it.
func (c *collection[T, P]) change(ctx context.Context, name string, change func(P) error) error {
	return c.service.update(func(tx *store.Tx) error {
		old, err := c.named(ctx, name)
		if err != nil {
			return err
		}
		p := copied(old)
		if err := change(p); err != nil {
			return err
		}
		return c.table.Put(tx, p.entity().key(), p)
	})
}

func copied[T any, P record[T]](old P) P {
	t := *old
	p := P(&t)
	p.unshare()
	return p
}

// delete removes an entity of the caller's account if unused says that it may
// go, which may change more.
func (c *collection[T, P]) delete(ctx context.Context, name string, unused func(*store.Tx, P) error) error {
	return c.service.update(func(tx *store.Tx) error {
		p, err := c.named(ctx, name)
		if err != nil {
			return err
		}
		c.table.Delete(tx, p.entity().key())
		return unused(tx, p)
	})
}

// all returns the entities of an account below a path, in the order of their
// names.
func (c *collection[T, P]) all(account string, path *string) (all []P) {
	for _, p := range c.table.All(account + "/") {
		if path == nil || strings.HasPrefix(p.entity().Path, *path) {
			all = append(all, p)
		}
	}
	return all
}

// on returns what an operation on one entity needs: the action of its own
// name, on the entity's ARN.
func on[In, T any, P record[T]](c *collection[T, P], name func(*In) string) func(context.Context, *In) ([]policy.Request, error) {
	return func(ctx context.Context, in *In) ([]policy.Request, error) {
		return c.needs(ctx, name(in)), nil
	}
}

// needs returns what the call needs on the entity of a name, which need not be
// there.
func (c *collection[T, P]) needs(ctx context.Context, name string) []policy.Request {
	e := &Entity{Account: wire.CallOf(ctx).Account(), Path: "/", Name: name}
	if p, err := c.named(ctx, name); err == nil {
		e = p.entity()
	}
	return needsOn(ctx, c.arn(e))
}

// onNew returns what an operation needs that makes an entity.
func onNew[In, T any, P record[T]](c *collection[T, P], name func(*In) (name string, path *string)) func(context.Context, *In) ([]policy.Request, error) {
	return func(ctx context.Context, in *In) ([]policy.Request, error) {
		name, path := name(in)
		e := &Entity{Account: wire.CallOf(ctx).Account(), Path: "/", Name: name}
		if path != nil {
			e.Path = *path
		}
		return needsOn(ctx, c.arn(e)), nil
	}
}

// needsOn returns that the call needs the action of its own name on a resource.
func needsOn(ctx context.Context, resource string) []policy.Request {
	c := wire.CallOf(ctx)
	return []policy.Request{{Action: c.Service + ":" + c.Operation, Resource: resource}}
}

// onARN returns what an operation needs whose input has the ARN that it is
// about.
func onARN[In any](text func(*In) string) func(context.Context, *In) ([]policy.Request, error) {
	return func(ctx context.Context, in *In) ([]policy.Request, error) { return needsOn(ctx, text(in)), nil }
}

// onAny returns what an operation without a resource needs.
func onAny[In any](ctx context.Context, _ *In) ([]policy.Request, error) {
	return needsOn(ctx, "*"), nil
}

// onNothing is for operations that everybody may call.
func onNothing[In any](context.Context, *In) ([]policy.Request, error) { return nil, nil }

// with returns what needs returns, with a further condition key where value is
// not "".
func with[In any](needs func(context.Context, *In) ([]policy.Request, error), key string, value func(*In) string) func(context.Context, *In) ([]policy.Request, error) {
	return func(ctx context.Context, in *In) ([]policy.Request, error) {
		requests, err := needs(ctx, in)
		if v := value(in); err == nil && v != "" {
			requests[0].Context = policy.Context{key: {v}}
		}
		return requests, err
	}
}

func checkName(member, name string, most int) error {
	switch {
	case name == "":
		return violation(name, member, "Member must have length greater than or equal to 1")
	case len(name) > most:
		return violation(name, member, fmt.Sprintf("Member must have length less than or equal to %d", most))
	case !nameForm.MatchString(name):
		return wire.Errorf("ValidationError", "The specified value for %s is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-", member)
	}
	return nil
}

func violation(value, member, rule string) error {
	return wire.Errorf("ValidationError", "1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: %s", value, member, rule)
}

func deref[T any](p *T) (zero T) {
	if p == nil {
		return zero
	}
	return *p
}
