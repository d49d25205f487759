package lambda

import (
	"strings"

	"naru/internal/arn"
)

// TagsOf returns the tags of the function or event source mapping that an ARN
// means; nil if there is none.
func (s *Service) TagsOf(a arn.ARN) map[string]string {
	if uuid, ok := strings.CutPrefix(a.Resource, "event-source-mapping:"); ok {
		if m, ok := s.mappings.Get(mappingKey(a.Account, a.Region, uuid)); ok {
			return m.Tags
		}
		return nil
	}
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
