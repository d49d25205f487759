package lambda

import (
	"strings"

	"naru/internal/arn"
)

// TagsOf returns the tags of the function that an ARN means; nil if there is
// none.
func (s *Service) TagsOf(a arn.ARN) map[string]string {
	function, ok := strings.CutPrefix(a.Resource, "function:")
	if !ok {
		return nil
	}
	function, _, _ = strings.Cut(function, ":")
	f, ok := s.functions.Get(name{a.Account, a.Region, function, ""}.key())
	if !ok {
		return nil
	}
	return f.Tags
}
