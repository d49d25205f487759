package iam

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"naru/internal/wire"
)

// Tag is a key with a value.
type Tag struct{ Key, Value string }

// maxTags is how many tags an entity may have.
const maxTags = 50

// checkTags refuses tags that an entity cannot have.
func checkTags(tags []Tag) error {
	if len(tags) > maxTags {
		return wire.Errorf("LimitExceeded", "The number of tags has reached the maximum limit of %d.", maxTags)
	}
	for i, t := range tags {
		switch {
		case t.Key == "":
			return violation("", fmt.Sprintf("tags.%d.member.key", i+1), "Member must have length greater than or equal to 1")
		case len([]rune(t.Key)) > 128:
			return violation(t.Key, fmt.Sprintf("tags.%d.member.key", i+1), "Member must have length less than or equal to 128")
		case len([]rune(t.Value)) > 256:
			return violation(t.Value, fmt.Sprintf("tags.%d.member.value", i+1), "Member must have length less than or equal to 256")
		case strings.HasPrefix(strings.ToLower(t.Key), "aws:"):
			return wire.Errorf("InvalidInput", "Tag keys that begin with aws: are reserved for AWS.")
		case tagIndex(tags[:i], t.Key) >= 0:
			return wire.Errorf("InvalidInput", duplicateTags)
		}
	}
	return nil
}

const duplicateTags = "Duplicate tag keys found. Please note that Tag keys are case insensitive."

// tagIndex returns where the tag of a key is, whose case does not matter; -1 if
// there is none.
func tagIndex(tags []Tag, key string) int {
	return slices.IndexFunc(tags, func(t Tag) bool { return strings.EqualFold(t.Key, key) })
}

// folded returns tags by their keys in lower case, as policies ask for them.
func folded(tags []Tag) map[string]string {
	if len(tags) == 0 {
		return nil
	}
	all := make(map[string]string, len(tags))
	for _, t := range tags {
		all[strings.ToLower(t.Key)] = t.Value
	}
	return all
}

// tag sets tags of an entity.
func (c *collection[T, P]) tag(ctx context.Context, name string, tags []Tag) (*wire.None, error) {
	if err := checkTags(tags); err != nil {
		return nil, err
	}
	return &wire.None{}, c.change(ctx, name, func(p P) error {
		e := p.entity()
		for _, t := range tags {
			if i := tagIndex(e.Tags, t.Key); i >= 0 {
				e.Tags[i] = t
			} else {
				e.Tags = append(e.Tags, t)
			}
		}
		return checkTags(e.Tags)
	})
}

// untag removes tags of an entity; those that it does not have are no error.
func (c *collection[T, P]) untag(ctx context.Context, name string, keys []string) (*wire.None, error) {
	return &wire.None{}, c.change(ctx, name, func(p P) error {
		e := p.entity()
		for _, key := range keys {
			if i := tagIndex(e.Tags, key); i >= 0 {
				e.Tags = slices.Delete(e.Tags, i, i+1)
			}
		}
		return nil
	})
}

// ListRoleTagsOutput and the like are tags in replies.
type ListRoleTagsOutput struct {
	Tags        []Tag
	IsTruncated bool
	Marker      *string
}

// listTags returns tags of an entity in the order of their keys.
func (c *collection[T, P]) listTags(ctx context.Context, name string, marker *string, maxItems *int32) (*ListRoleTagsOutput, error) {
	p, err := c.named(ctx, name)
	if err != nil {
		return nil, err
	}
	return listTags(p.entity().Tags, marker, maxItems)
}

func listTags(tags []Tag, marker *string, maxItems *int32) (*ListRoleTagsOutput, error) {
	key := func(t Tag) string { return strings.ToLower(t.Key) }
	tags, page, err := cut(sortedBy(key, tags), key, marker, maxItems)
	return &ListRoleTagsOutput{tags, page.truncated, page.marker}, err
}
