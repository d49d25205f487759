package lambda

import (
	"context"
	"maps"
	"regexp"
	"strings"

	"naru/internal/policy"
	"naru/internal/store"
	"naru/internal/wire"
)

const taggedPattern = `arn:(aws[a-zA-Z-]*):lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:(function:[a-zA-Z0-9-_]+(:(\$LATEST|[a-zA-Z0-9-_]+))?|layer:([a-zA-Z0-9-_]+)|code-signing-config:csc-[a-z0-9]{17}|event-source-mapping:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|capacity-provider:[a-zA-Z0-9-_]+)`

var taggedForm = regexp.MustCompile("^" + taggedPattern + "$")

type TagResourceInput struct {
	Resource string `aws:",uri"`
	Tags     map[string]string
}

// TagResource gives a resource tags, besides those that it has.
func (s *Service) TagResource(_ context.Context, in *TagResourceInput) (*wire.None, error) {
	return &wire.None{}, s.retag(in.Resource, func(tags map[string]string) error {
		if len(in.Tags) == 0 {
			return invalid("An error occurred and the request cannot be processed.")
		}
		maps.Copy(tags, in.Tags)
		if len(tags) > maxTags {
			return tooManyTags()
		}
		return nil
	})
}

type UntagResourceInput struct {
	Resource string   `aws:",uri"`
	TagKeys  []string `aws:"tagKeys,query"`
}

// UntagResource takes tags away. Those that are not there are away already.
func (s *Service) UntagResource(_ context.Context, in *UntagResourceInput) (*wire.None, error) {
	return &wire.None{}, s.retag(in.Resource, func(tags map[string]string) error {
		if len(in.TagKeys) == 0 {
			return violation(nil, "tagKeys", mustNotBeNull)
		}
		for _, key := range in.TagKeys {
			delete(tags, key)
		}
		return nil
	})
}

type ListTagsInput struct {
	Resource string `aws:",uri"`
}

type ListTagsOutput struct{ Tags map[string]string }

// ListTags returns the tags of a resource.
func (s *Service) ListTags(_ context.Context, in *ListTagsInput) (*ListTagsOutput, error) {
	t, err := s.tagged(in.Resource)
	if err != nil {
		return nil, err
	}
	tags := t.tags()
	if tags == nil {
		tags = map[string]string{}
	}
	return &ListTagsOutput{tags}, nil
}

// tagged is something that has tags.
type tagged struct {
	tags func() map[string]string
	set  func(*store.Tx, map[string]string) error
}

// tagged returns what an ARN names, if it can have tags.
func (s *Service) tagged(resource string) (*tagged, error) {
	if !taggedForm.MatchString(resource) {
		return nil, violation(resource, "resource", "Member must satisfy regular expression pattern: "+taggedPattern)
	}
	parts := strings.Split(resource, ":")
	account, region, kind, id := parts[4], parts[3], parts[5], parts[6]
	switch kind {
	case "function":
		if len(parts) > 7 {
			return nil, invalid("Tags on function aliases and versions are not supported. Please specify a function ARN.")
		}
		return s.taggedFunction(name{account, region, id, ""})
	case "code-signing-config":
		return s.taggedCodeSigning(resource)
	case "layer":
		return s.taggedLayer(layerName{account, region, id})
	case "event-source-mapping":
		return s.taggedMapping(resource, account, region, id)
	case "capacity-provider":
		return nil, missing("Capacity provider not found: %s", resource)
	}
	return nil, noResource()
}

func (s *Service) taggedFunction(n name) (*tagged, error) {
	f, err := s.function(n)
	if err != nil {
		return nil, err
	}
	return &tagged{
		tags: func() map[string]string { return f.Tags },
		set: func(tx *store.Tx, tags map[string]string) error {
			changed := *f
			changed.Tags = tags
			return s.functions.Put(tx, n.key(), &changed)
		},
	}, nil
}

// retag changes the tags of a resource.
func (s *Service) retag(resource string, change func(map[string]string) error) error {
	return s.store.Catalog().Update(func(tx *store.Tx) error {
		t, err := s.tagged(resource)
		if err != nil {
			return err
		}
		tags := maps.Clone(t.tags())
		if tags == nil {
			tags = map[string]string{}
		}
		if err := change(tags); err != nil {
			return err
		}
		return t.set(tx, tags)
	})
}

// onTagged returns what an operation on tags needs. keys are those of tags that
// it concerns, with the values that they get, if they do.
func onTagged[In any](s *Service, action string, of func(*In) (string, map[string]string, []string)) needs[In] {
	return func(_ context.Context, in *In) ([]policy.Request, error) {
		resource, tags, keys := of(in)
		if !taggedForm.MatchString(resource) {
			_, err := s.tagged(resource)
			return nil, err
		}
		need := policy.Request{Action: "lambda:" + action, Resource: resource, Account: strings.Split(resource, ":")[4], Context: policy.Context{}}
		for key, value := range tags {
			need.Context["aws:RequestTag/"+key] = []string{value}
			keys = append(keys, key)
		}
		if len(keys) > 0 {
			need.Context["aws:TagKeys"] = keys
		}
		return []policy.Request{need}, nil
	}
}
