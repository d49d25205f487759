package iam

import (
	"fmt"
	"maps"
	"slices"

	"naru/internal/policy"
	"naru/internal/store"
)

// permissions are what the policies of a user or role say, ready to be
// evaluated.
type permissions struct {
	revision uint64 // of everything that they were made from
	trust    *policy.Document
	identity []*policy.Document
	boundary *policy.Document
	tags     map[string]string
}

// nobody is the policy that allows nothing.
var nobody = &policy.Document{Version: policy.Version2012}

// update makes a change to IAM's records. What permissions were made before it
// is made anew from the next call on.
func (s *Service) update(change func(tx *store.Tx) error) error {
	defer s.revision.Add(1)
	return s.store.Catalog().Update(change)
}

// permissionsOf returns the permissions of a user, with those of its groups, or
// of a role, with its trust policy.
func (s *Service) permissionsOf(i *Identity, groups []string, trust string) (*permissions, error) {
	revision := s.revision.Load()
	if p, ok := s.permissions.get(i.ID); ok && p.revision == revision {
		return p, nil
	}
	p := &permissions{revision: revision, tags: folded(i.Tags)}
	err := s.gather(p, i)
	for _, name := range groups {
		if g, missing := s.groups.get(i.Account, name); err == nil && missing == nil {
			err = s.gather(p, &g.Identity)
		}
	}
	if err == nil && i.Boundary != "" {
		p.boundary, err = s.managed(i.Account, i.Boundary)
	}
	if err == nil && trust != "" {
		p.trust, err = s.documents.Parse(trust)
	}
	if err != nil {
		return nil, fmt.Errorf("policies of %s: %w", i.key(), err)
	}
	s.permissions.put(i.ID, p)
	return p, nil
}

// gather adds the policies of an identity.
func (s *Service) gather(p *permissions, i *Identity) error {
	for _, name := range slices.Sorted(maps.Keys(i.Policies)) {
		d, err := s.documents.Parse(i.Policies[name])
		if err != nil {
			return err
		}
		p.identity = append(p.identity, d)
	}
	for _, arn := range i.Attached {
		d, err := s.managed(i.Account, arn)
		if err != nil {
			return err
		}
		p.identity = append(p.identity, d)
	}
	return nil
}

// managed returns the document of a managed policy that is in force; one that
// is not there allows nothing.
func (s *Service) managed(account, arn string) (*policy.Document, error) {
	p, ok := s.policyAt(account, arn)
	if !ok {
		return nobody, nil
	}
	return s.documents.Parse(p.inForce())
}

// says returns a role's permissions.
func (s *Service) says(r *Role) (*permissions, error) {
	return s.permissionsOf(&r.Identity, nil, r.Trust)
}

// userPrincipal returns the caller that a user is, with what it may do now.
func (s *Service) userPrincipal(u *User) (policy.Principal, error) {
	p, err := s.permissionsOf(&u.Identity, u.Groups, "")
	if err != nil {
		return policy.Principal{}, err
	}
	return policy.Principal{
		Kind: policy.User, ARN: u.ARN(), Account: u.Account, UserID: u.ID,
		Identity: p.identity, Boundary: p.boundary, Tags: p.tags,
	}, nil
}
