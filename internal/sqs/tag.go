package sqs

import (
	"context"
	"maps"
	"strings"
	"unicode/utf8"

	"naru/internal/store"
	"naru/internal/wire"
)

const maxTags = 50

// checkTags checks tags that are given to a queue, which has total of them then.
func checkTags(n name, tags map[string]string, total int) error {
	for key, value := range tags {
		switch {
		case key == "" || utf8.RuneCountInString(key) > 128:
			return wire.Errorf("InvalidParameterValue", "Tag keys must be between 1 and 128 characters in length.")
		case utf8.RuneCountInString(value) > 256:
			return wire.Errorf("InvalidParameterValue", "Tag values must be between 0 and 256 characters in length.")
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return wire.Errorf("InvalidParameterValue", "Tag keys must not begin with aws:, which is reserved.")
		}
	}
	if total > maxTags {
		return wire.Errorf("InvalidParameterValue", "Too many tags added for queue %s.", n.queue)
	}
	return nil
}

// change replaces a queue's record by one that change makes of a copy.
func (s *Service) change(ctx context.Context, url *string, change func(*Queue) error) error {
	n, err := s.nameOf(ctx, url)
	if err != nil {
		return err
	}
	return s.store.Catalog().Update(func(tx *store.Tx) error {
		old, ok := s.queues.Get(n.key())
		if !ok {
			return errNoQueue()
		}
		q := *old
		if err := change(&q); err != nil {
			return err
		}
		return s.queues.Put(tx, n.key(), &q)
	})
}

type TagQueueInput struct {
	QueueUrl *string
	Tags     map[string]string `query:"Tag,Key,Value"`
}

// TagQueue adds tags to a queue, in place of those of the same keys.
func (s *Service) TagQueue(ctx context.Context, in *TagQueueInput) (*wire.None, error) {
	if len(in.Tags) == 0 {
		return nil, missing("Tags")
	}
	return &wire.None{}, s.change(ctx, in.QueueUrl, func(q *Queue) error {
		tags := maps.Clone(q.Tags)
		if tags == nil {
			tags = map[string]string{}
		}
		maps.Copy(tags, in.Tags)
		q.Tags = tags
		return checkTags(q.name(), in.Tags, len(tags))
	})
}

type UntagQueueInput struct {
	QueueUrl *string
	TagKeys  []string `query:"TagKey"`
}

// UntagQueue removes the tags of the given keys, as far as the queue has them.
func (s *Service) UntagQueue(ctx context.Context, in *UntagQueueInput) (*wire.None, error) {
	if len(in.TagKeys) == 0 {
		return nil, wire.Errorf("InvalidParameterValue", "Tag keys must be between 1 and 128 characters in length.")
	}
	return &wire.None{}, s.change(ctx, in.QueueUrl, func(q *Queue) error {
		q.Tags = maps.Clone(q.Tags)
		for _, key := range in.TagKeys {
			delete(q.Tags, key)
		}
		return nil
	})
}

type ListQueueTagsInput struct{ QueueUrl *string }

type ListQueueTagsOutput struct {
	Tags map[string]string `query:"Tag,Key,Value"`
}

// ListQueueTags returns a queue's tags.
func (s *Service) ListQueueTags(ctx context.Context, in *ListQueueTagsInput) (*ListQueueTagsOutput, error) {
	q, err := s.queueAt(ctx, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	out := &ListQueueTagsOutput{}
	if len(q.Tags) > 0 {
		out.Tags = q.Tags
	}
	return out, nil
}
