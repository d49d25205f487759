package events

import (
	"context"
	"maps"
	"slices"
	"strings"

	"naru/internal/arn"
	"naru/internal/firing"
	"naru/internal/wire"
)

// Tag is a key with a value.
type Tag struct{ Key, Value string }

const maxTags = 50

// tagged returns old tags with others added.
func tagged(old map[string]string, added []Tag) (map[string]string, error) {
	tags := maps.Clone(old)
	for i, t := range added {
		switch {
		case t.Key == "" || len(t.Key) > 128:
			return nil, violation(t.Key, "tags."+decimal(i+1)+".member.key", "Member must have length between 1 and 128")
		case len(t.Value) > 256:
			return nil, violation(t.Value, "tags."+decimal(i+1)+".member.value", "Member must have length less than or equal to 256")
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

// taggerOf returns the tagger of the resource that an ARN names.
func (s *Service) taggerOf(a arn.ARN) (tagger, error) {
	in := busName{a.Account, a.Region, defaultBus}
	kind, rest, _ := strings.Cut(a.Resource, "/")
	switch {
	case a.Service != "events":
	case kind == "event-bus":
		in.bus = rest
		return s.busTagger(in), nil
	case kind == "rule":
		if i := strings.LastIndexByte(rest, '/'); i >= 0 {
			in.bus, rest = rest[:i], rest[i+1:]
		}
		return s.ruleTagger(name{in, rest}), nil
	}
	return nil, invalid("Parameter ResourceARN is not valid. Reason: Provided Arn is not in correct format.")
}

// tagger returns the tagger of the resource whose ARN a request gives.
func (s *Service) tagger(text *string) (tagger, error) {
	a, _ := arn.Parse(deref(text))
	return s.taggerOf(a)
}

func (s *Service) busTagger(n busName) tagger {
	return func(change func(map[string]string) (map[string]string, error)) (map[string]string, error) {
		if change == nil {
			b, err := s.bus(n)
			if err != nil {
				return nil, err
			}
			return b.Tags, nil
		}
		_, err := s.changeBus(n, func(b *Bus) (err error) {
			b.Tags, err = change(b.Tags)
			return err
		})
		return nil, err
	}
}

func (s *Service) ruleTagger(n name) tagger {
	return func(change func(map[string]string) (map[string]string, error)) (map[string]string, error) {
		if change == nil {
			r, err := s.rule(n)
			if err != nil {
				return nil, err
			}
			return r.Tags, nil
		}
		return nil, s.change(n, func(r *Rule) (err error) {
			r.Tags, err = change(r.Tags)
			return err
		})
	}
}

// TagsOf returns the tags of a bus or rule, or nil.
func (s *Service) TagsOf(a arn.ARN) map[string]string {
	tagger, err := s.taggerOf(a)
	if err != nil {
		return nil
	}
	tags, _ := tagger(nil)
	return tags
}

type TagResourceInput struct {
	ResourceARN *string
	Tags        []Tag
}

// TagResource gives a bus or rule tags.
func (s *Service) TagResource(ctx context.Context, in *TagResourceInput) (*wire.None, error) {
	tags, err := s.tagger(in.ResourceARN)
	if err != nil {
		return nil, err
	}
	_, err = tags(func(old map[string]string) (map[string]string, error) { return tagged(old, in.Tags) })
	return &wire.None{}, err
}

type UntagResourceInput struct {
	ResourceARN *string
	TagKeys     []string
}

// UntagResource removes tags. Keys that are not there do no harm.
func (s *Service) UntagResource(ctx context.Context, in *UntagResourceInput) (*wire.None, error) {
	tags, err := s.tagger(in.ResourceARN)
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

type ListTagsForResourceInput struct{ ResourceARN *string }

type ListTagsForResourceOutput struct{ Tags []Tag }

// ListTagsForResource returns the tags of a bus or rule, by key.
func (s *Service) ListTagsForResource(ctx context.Context, in *ListTagsForResourceInput) (*ListTagsForResourceOutput, error) {
	tagger, err := s.tagger(in.ResourceARN)
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
