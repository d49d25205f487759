package sqs

import "naru/internal/arn"

// TagsOf returns the tags of the queue that an ARN means; nil if there is none.
func (s *Service) TagsOf(a arn.ARN) map[string]string {
	q, ok := s.queues.Get(name{a.Account, a.Region, a.Resource}.key())
	if !ok {
		return nil
	}
	return q.Tags
}
