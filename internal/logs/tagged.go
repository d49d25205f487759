package logs

import (
	"strings"

	"naru/internal/arn"
)

// TagsOf returns the tags of the group that an ARN means, or whose streams it
// means; nil if there is none.
func (s *Service) TagsOf(a arn.ARN) map[string]string {
	group, ok := strings.CutPrefix(a.Resource, "log-group:")
	if !ok {
		return nil
	}
	group, _, _ = strings.Cut(group, ":")
	g, ok := s.groups.Get(groupName{a.Account, a.Region, group}.key())
	if !ok {
		return nil
	}
	return g.Tags
}
