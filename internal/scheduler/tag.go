package scheduler

import (
	"context"
	"maps"
	"slices"
	"strings"

	"naru/internal/arn"
	"naru/internal/firing"
	"naru/internal/store"
	"naru/internal/wire"
)

// Tag is a key with a value.
type Tag struct{ Key, Value string }

const maxTags = 200

// tagged returns old tags with others added.
func tagged(old map[string]string, added []Tag) (map[string]string, error) {
	tags := maps.Clone(old)
	for _, t := range added {
		switch {
		case t.Key == "" || len(t.Key) > 128:
			return nil, violation(t.Key, "tags.member.key", "Member must have length between 1 and 128")
		case t.Value == "" || len(t.Value) > 256:
			return nil, violation(t.Value, "tags.member.value", "Member must have length between 1 and 256")
		case strings.HasPrefix(strings.ToLower(t.Key), "aws:"):
			return nil, invalid("aws: prefixed tag key names are not allowed for external use.")
		}
		if tags == nil {
			tags = map[string]string{}
		}
		tags[t.Key] = t.Value
	}
	if len(tags) > maxTags {
		return nil, invalid("A resource has at most %d tags.", maxTags)
	}
	if _, err := firing.ParseOptions(tags); err != nil {
		return nil, invalid("%v.", err)
	}
	return tags, nil
}

// A tagger changes the tags of a resource, or only returns them if change is
// nil.
type tagger func(change func(map[string]string) (map[string]string, error)) (map[string]string, error)

// taggerOf returns the tagger of the group or, which AWS does not have, the
// schedule that an ARN names.
func (s *Service) taggerOf(a arn.ARN) (tagger, error) {
	in := groupName{a.Account, a.Region, ""}
	parts := strings.Split(a.Resource, "/")
	switch {
	case a.Service != "scheduler":
	case parts[0] == "schedule-group" && len(parts) == 2:
		in.group = parts[1]
		return s.groupTagger(in), nil
	case parts[0] == "schedule" && len(parts) == 3:
		in.group = parts[1]
		return s.scheduleTagger(name{in, parts[2]}), nil
	}
	return nil, invalid("%s is not the Arn of a schedule group or schedule.", a)
}

// tagger returns the tagger of the resource whose ARN a request gives.
func (s *Service) tagger(text string) (tagger, error) {
	a, err := arn.Parse(text)
	if err != nil {
		return nil, invalid("%s is not the Arn of a schedule group or schedule.", text)
	}
	return s.taggerOf(a)
}

// TagsOf returns the tags of a group or schedule, or nil.
func (s *Service) TagsOf(a arn.ARN) map[string]string {
	tagger, err := s.taggerOf(a)
	if err != nil {
		return nil
	}
	tags, _ := tagger(nil)
	return tags
}

func (s *Service) groupTagger(n groupName) tagger {
	return func(change func(map[string]string) (map[string]string, error)) (tags map[string]string, err error) {
		if change == nil {
			g, err := s.group(n)
			if err != nil {
				return nil, err
			}
			return g.Tags, nil
		}
		err = s.store.Catalog().Update(func(tx *store.Tx) error {
			old, err := s.group(n)
			if err != nil {
				return err
			}
			g := *old
			if g.Tags, err = change(g.Tags); err != nil {
				return err
			}
			return s.groups.Put(tx, n.key(), &g)
		})
		if err != nil {
			return nil, err
		}
		for _, sc := range s.schedules.All(n.key() + "/") { // whose firings they are about
			if err := s.arm(sc.name()); err != nil {
				return nil, err
			}
		}
		return nil, nil
	}
}

func (s *Service) scheduleTagger(n name) tagger {
	return func(change func(map[string]string) (map[string]string, error)) (map[string]string, error) {
		if change == nil {
			sc, err := s.schedule(n)
			if err != nil {
				return nil, err
			}
			return sc.Tags, nil
		}
		return nil, s.change(n, func(sc *Schedule) (err error) {
			sc.Tags, err = change(sc.Tags)
			return err
		})
	}
}

type TagResourceInput struct {
	ResourceArn string `aws:",uri"`
	Tags        []Tag
}

// TagResource gives a group or schedule tags.
func (s *Service) TagResource(_ context.Context, in *TagResourceInput) (*wire.None, error) {
	tags, err := s.tagger(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	_, err = tags(func(old map[string]string) (map[string]string, error) { return tagged(old, in.Tags) })
	return &wire.None{}, err
}

type UntagResourceInput struct {
	ResourceArn string   `aws:",uri"`
	TagKeys     []string `aws:",query"`
}

// UntagResource removes tags. Keys that are not there do no harm.
func (s *Service) UntagResource(_ context.Context, in *UntagResourceInput) (*wire.None, error) {
	tags, err := s.tagger(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	_, err = tags(func(old map[string]string) (map[string]string, error) {
		kept := maps.Clone(old)
		maps.DeleteFunc(kept, func(key, _ string) bool { return slices.Contains(in.TagKeys, key) })
		return kept, nil
	})
	return &wire.None{}, err
}

type ListTagsForResourceInput struct {
	ResourceArn string `aws:",uri"`
}

type ListTagsForResourceOutput struct{ Tags []Tag }

// ListTagsForResource returns the tags of a group or schedule, by key.
func (s *Service) ListTagsForResource(_ context.Context, in *ListTagsForResourceInput) (*ListTagsForResourceOutput, error) {
	tagger, err := s.tagger(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	tags, err := tagger(nil)
	if err != nil {
		return nil, err
	}
	out := &ListTagsForResourceOutput{Tags: []Tag{}}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		out.Tags = append(out.Tags, Tag{key, tags[key]})
	}
	return out, nil
}
