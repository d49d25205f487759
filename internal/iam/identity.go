package iam

import (
	"context"
	"maps"
	"slices"
	"strings"

	"naru/internal/arn"
	"naru/internal/policy"
	"naru/internal/wire"
)

// Identity is what users, groups and roles have in common: policies.
type Identity struct {
	Entity
	Policies map[string]string `json:",omitempty"` // inline policies by name, as given
	Attached []string          `json:",omitempty"` // ARNs of managed policies, in order
	Boundary string            `json:",omitempty"` // ARN of the managed policy that limits it; groups have none
}

func (i *Identity) identity() *Identity { return i }

func (i *Identity) unshare() {
	i.Entity.unshare()
	i.Policies, i.Attached = maps.Clone(i.Policies), slices.Clone(i.Attached)
}

// AttachedPermissionsBoundary is a permissions boundary in replies.
type AttachedPermissionsBoundary struct {
	PermissionsBoundaryType string
	PermissionsBoundaryArn  string
}

func (i *Identity) boundary() *AttachedPermissionsBoundary {
	if i.Boundary == "" {
		return nil
	}
	return &AttachedPermissionsBoundary{"Policy", i.Boundary}
}

// A holder is a record of what holds policies.
type holder[T any] interface {
	record[T]
	identity() *Identity
}

// holders are all users, all groups or all roles.
type holders[T any, P holder[T]] struct {
	collection[T, P]
	maxInline int // characters that the inline policies of one have in all
}

// maxAttached is how many managed policies may be attached to an identity.
const maxAttached = 10

// putPolicy sets an inline policy.
func (h *holders[T, P]) putPolicy(ctx context.Context, name, policyName, document string) (*wire.None, error) {
	if err := checkName("policyName", policyName, 128); err != nil {
		return nil, err
	}
	if err := checkDocument(document, policy.Identity); err != nil {
		return nil, err
	}
	return &wire.None{}, h.change(ctx, name, func(p P) error {
		i := p.identity()
		if i.Policies == nil {
			i.Policies = map[string]string{}
		}
		i.Policies[policyName] = document
		total := 0
		for _, text := range i.Policies {
			total += sizeOf(text)
		}
		if total > h.maxInline {
			return wire.Errorf("LimitExceeded", "Maximum policy size of %d bytes exceeded for %s %s", h.maxInline, h.noun, i.Name)
		}
		return nil
	})
}

// sizeOf returns the length of a document as quotas count it: without white
// space.
func sizeOf(document string) (n int) {
	for field := range strings.FieldsSeq(document) {
		n += len(field)
	}
	return n
}

// getPolicy returns an inline policy, as replies hold it, and its holder's name.
func (h *holders[T, P]) getPolicy(ctx context.Context, name, policyName string) (holderName, document string, err error) {
	p, err := h.named(ctx, name)
	if err != nil {
		return "", "", err
	}
	i := p.identity()
	text, ok := i.Policies[policyName]
	if !ok {
		return "", "", h.noPolicy(policyName)
	}
	return i.Name, percentEncode(text), nil
}

func (h *holders[T, P]) noPolicy(name string) error {
	return wire.Errorf("NoSuchEntity", "The %s policy with name %s cannot be found.", h.noun, name)
}

// ListRolePoliciesOutput and the like are names of inline policies in replies.
type ListRolePoliciesOutput struct {
	PolicyNames []string
	IsTruncated bool
	Marker      *string
}

// listPolicies returns the names of inline policies.
func (h *holders[T, P]) listPolicies(ctx context.Context, name string, marker *string, maxItems *int32) (*ListRolePoliciesOutput, error) {
	p, err := h.named(ctx, name)
	if err != nil {
		return nil, err
	}
	names, page, err := cut(slices.Sorted(maps.Keys(p.identity().Policies)), itself, marker, maxItems)
	return &ListRolePoliciesOutput{names, page.truncated, page.marker}, err
}

// deletePolicy removes an inline policy.
func (h *holders[T, P]) deletePolicy(ctx context.Context, name, policyName string) (*wire.None, error) {
	return &wire.None{}, h.change(ctx, name, func(p P) error {
		if _, ok := p.identity().Policies[policyName]; !ok {
			return h.noPolicy(policyName)
		}
		delete(p.identity().Policies, policyName)
		return nil
	})
}

// attach attaches a managed policy, if it is not yet.
func (h *holders[T, P]) attach(ctx context.Context, name, policyARN string) (*wire.None, error) {
	if err := checkPolicyARN(policyARN); err != nil {
		return nil, err
	}
	return &wire.None{}, h.change(ctx, name, func(p P) error {
		if _, ok := h.service.policyAt(wire.CallOf(ctx).Account(), policyARN); !ok {
			return notAttachable(policyARN)
		}
		i := p.identity()
		if slices.Contains(i.Attached, policyARN) {
			return nil
		}
		if len(i.Attached) >= maxAttached {
			return wire.Errorf("LimitExceeded", "Cannot exceed quota for PoliciesPer%s: %d", upperFirst(h.noun), maxAttached)
		}
		i.Attached = append(i.Attached, policyARN)
		return nil
	})
}

func upperFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// detach takes off a managed policy.
func (h *holders[T, P]) detach(ctx context.Context, name, policyARN string) (*wire.None, error) {
	if err := checkPolicyARN(policyARN); err != nil {
		return nil, err
	}
	return &wire.None{}, h.change(ctx, name, func(p P) error {
		i := p.identity()
		at := slices.Index(i.Attached, policyARN)
		if at < 0 {
			return wire.Errorf("NoSuchEntity", policyKind.missing, policyARN)
		}
		i.Attached = slices.Delete(i.Attached, at, at+1)
		return nil
	})
}

// AttachedPolicy names an attached policy in replies.
type AttachedPolicy struct {
	PolicyName string
	PolicyArn  string
}

// ListAttachedRolePoliciesOutput and the like are attached policies in replies.
type ListAttachedRolePoliciesOutput struct {
	AttachedPolicies []AttachedPolicy
	IsTruncated      bool
	Marker           *string
}

// listAttached returns attached policies in the order of their names.
func (h *holders[T, P]) listAttached(ctx context.Context, name string, path, marker *string, maxItems *int32) (*ListAttachedRolePoliciesOutput, error) {
	p, err := h.named(ctx, name)
	if err != nil {
		return nil, err
	}
	attached := []AttachedPolicy{}
	for _, text := range p.identity().Attached {
		if path == nil || strings.HasPrefix(pathOf(text), *path) {
			attached = append(attached, AttachedPolicy{nameOf(text), text})
		}
	}
	key := func(a AttachedPolicy) string { return a.PolicyName + " " + a.PolicyArn }
	attached, page, err := cut(sortedBy(key, attached), key, marker, maxItems)
	return &ListAttachedRolePoliciesOutput{attached, page.truncated, page.marker}, err
}

// nameOf and pathOf return the parts of an IAM ARN's resource, noun/path/name.
func nameOf(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

func pathOf(text string) string {
	a, err := arn.Parse(text)
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(a.Resource, "/")
	return "/" + rest[:strings.LastIndexByte(rest, '/')+1]
}

// bound sets the permissions boundary, or removes it if it is "".
func (h *holders[T, P]) bound(ctx context.Context, name, boundary string) (*wire.None, error) {
	return &wire.None{}, h.change(ctx, name, func(p P) error {
		if boundary == "" && p.identity().Boundary == "" {
			return wire.Errorf("NoSuchEntity", "%s %s does not have a permissions boundary.", upperFirst(h.noun), p.identity().Name)
		}
		p.identity().Boundary = boundary
		return h.service.checkBoundary(ctx, boundary)
	})
}

// checkBoundary refuses a permissions boundary that is no policy.
func (s *Service) checkBoundary(ctx context.Context, boundary string) error {
	if boundary == "" {
		return nil
	}
	if err := checkPolicyARN(boundary); err != nil {
		return err
	}
	if _, ok := s.policyAt(wire.CallOf(ctx).Account(), boundary); !ok {
		return wire.Errorf("NoSuchEntity", "Scope ARN: %s does not exist or is not attachable.", boundary)
	}
	return nil
}

// deletable refuses to delete an identity that still has policies.
func (i *Identity) deletable() error {
	switch {
	case len(i.Attached) > 0:
		return wire.Errorf("DeleteConflict", "Cannot delete entity, must detach all policies first.")
	case len(i.Policies) > 0:
		return wire.Errorf("DeleteConflict", "Cannot delete entity, must delete policies first.")
	}
	return nil
}

// checkDocument refuses a text that is no policy of the given kind.
func checkDocument(text string, kind policy.Kind) error {
	d, err := policy.Parse(text)
	if err == nil {
		err = d.Validate(kind)
	}
	if err == nil {
		return nil
	}
	return wire.Errorf("MalformedPolicyDocument", "%s", err.(*policy.SyntaxError).Words(kind))
}
