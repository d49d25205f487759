package policy

import (
	"fmt"
	"strings"
)

// Validate checks the document against the rules of its use. An error is a
// *SyntaxError, the offset that of a statement or of the document, the Reason
// in AWS's own words. The rules are those of IAM for Identity, Managed and
// Trust; Resource has only what the language demands, since each service adds
// its own.
//
//	            Principal    Action      Resource
//	Identity    none         required    required
//	Managed     none         required    required    Version2012
//	Resource    required     required    optional
//	Trust       required     sts: only   none
func (d *Document) Validate(kind Kind) error {
	if kind == Managed && (!d.versioned || d.Version != Version2012) {
		return invalid(d.offset, "Policy document must be version 2012-10-17 or greater.")
	}
	if err := d.validateSids(kind); err != nil {
		return err
	}
	for _, check := range rules[kind] {
		for i := range d.Statements {
			if reason := check(&d.Statements[i]); reason != "" {
				return invalid(d.Statements[i].offset, reason)
			}
		}
	}
	return nil
}

// rules are the checks of a statement, which return what is wrong, if
// anything. IAM makes each on all statements before the next.
var rules = [...][]func(*Statement) string{
	Identity: {noPrincipal, alphanumericSid, someAction, resourceARNs, vendors, someResource},
	Managed:  {noPrincipal, alphanumericSid, someAction, resourceARNs, vendors, someResource},
	Resource: {somePrincipal, knownPrincipals, someAction, vendors},
	Trust:    {noNotPrincipal, somePrincipal, knownPrincipals, assumeActions, noResource},
}

func invalid(offset int, reason string) error {
	return &SyntaxError{Offset: offset, Reason: reason}
}

// validateSids refuses a Sid that comes twice.
func (d *Document) validateSids(kind Kind) error {
	seen := map[string]bool{"": false}
	for _, s := range d.Statements {
		if seen[s.Sid] && kind == Trust {
			return invalid(s.offset, "The Statement Ids in the policy are not unique")
		}
		if seen[s.Sid] {
			return invalid(s.offset, "Statement IDs (SID) in a single policy must be unique.")
		}
		seen[s.Sid] = s.Sid != ""
	}
	return nil
}

func alphanumericSid(s *Statement) string {
	if isAlphanumeric(s.Sid, "") {
		return ""
	}
	return "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"
}

// isAlphanumeric reports whether text has only ASCII letters and digits, and
// characters of others.
func isAlphanumeric(text, others string) bool {
	for _, c := range text {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune(others, c)) {
			return false
		}
	}
	return true
}

func noPrincipal(s *Statement) string {
	if s.Principal.Values == nil {
		return ""
	}
	return "Policy document should not specify a principal."
}

func noNotPrincipal(s *Statement) string {
	switch {
	case !s.Principal.Not:
		return ""
	case s.Effect == Allow:
		return "Allow with NotPrincipal is not allowed."
	}
	return "AssumeRole policy must not contain NotPrincipal field."
}

func somePrincipal(s *Statement) string {
	switch {
	case s.Principal.Values == nil:
		return "Missing required field Principal"
	case len(s.Principal.Values) == 0:
		return "Missing required field Principal cannot be empty!"
	}
	return ""
}

// knownPrincipals refuses AWS principals that are neither everyone, an
// account, an ARN nor a unique id. A wildcard inside of one is no wildcard.
func knownPrincipals(s *Statement) string {
	for _, n := range s.Principal.Values {
		if !n.wellFormed() {
			return fmt.Sprintf("Invalid principal in policy: %q:%q", n.Type, n.Value)
		}
	}
	return ""
}

func (n *Name) wellFormed() bool {
	if n.Type != "AWS" || n.Value == anyone || isAccount(n.Value) {
		return n.Value != ""
	}
	parts, isARN := splitARN(n.Value, false)
	if isARN {
		return parts[0] == "arn" && (parts[2] == "iam" || parts[2] == "sts") &&
			isAccount(parts[4]) && !strings.ContainsAny(n.Value, "*?")
	}
	id, _, _ := strings.Cut(n.Value, ":")
	return len(id) >= 16 && strings.HasPrefix(id, "A") && isAlphanumeric(id, "")
}

func someAction(s *Statement) string {
	if len(s.Action.Values) > 0 {
		return ""
	}
	return "Policy statement must contain actions."
}

func assumeActions(s *Statement) string {
	if len(s.Action.Values) == 0 {
		return "Missing required field Action"
	}
	for _, action := range s.Action.Values {
		if vendor, _, _ := strings.Cut(action, ":"); !strings.EqualFold(vendor, "sts") {
			return "AssumeRole policy may only specify STS AssumeRole actions."
		}
	}
	return ""
}

// vendors refuses actions that are not of the form service:Name.
func vendors(s *Statement) string {
	for _, action := range s.Action.Values {
		vendor, name, ok := strings.Cut(action, ":")
		switch {
		case action == anyone:
		case !ok:
			return "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
		case strings.Contains(name, ":"):
			return "Actions/Condition can contain only one colon."
		case vendor != anyone && (vendor == "" || !isAlphanumeric(vendor, "-.")):
			return fmt.Sprintf("Vendor %s is not valid", vendor)
		}
	}
	return ""
}

func noResource(s *Statement) string {
	switch {
	case s.Resource.Values == nil:
		return ""
	case s.Resource.Not:
		return "AssumeRole policy must not contain resources."
	}
	return "Has prohibited field Resource"
}

func someResource(s *Statement) string {
	if len(s.Resource.Values) > 0 {
		return ""
	}
	return "Policy statement must contain resources."
}

// resourceARNs refuses resources that are neither * nor shaped like an ARN, as
// far as IAM looks at their shape.
func resourceARNs(s *Statement) string {
	for _, resource := range s.Resource.Values {
		if reason := checkResource(resource); reason != "" {
			return reason
		}
	}
	return ""
}

func checkResource(resource string) string {
	if resource == anyone {
		return ""
	}
	_, rest, ok := strings.Cut(resource, ":")
	if !ok {
		return fmt.Sprintf("Resource %s must be in ARN format or \"*\".", resource)
	}
	partition, rest, ok := strings.Cut(rest, ":")
	switch vendor, region, _ := strings.Cut(rest, ":"); {
	case !isPartition(partition):
		return fmt.Sprintf("Partition %q is not valid for resource %q.", partition, completeARN(partition, rest))
	case !ok, strings.ContainsAny(vendor, "*?"):
		return "Resource vendor must be fully qualified and cannot contain regexes."
	case vendor == "", strings.Count(resource, ":") < arnParts-1 && strings.Contains(resource, "::"):
		return "The policy failed legacy parsing"
	case vendor == "iam" && region != "" && region[0] != ':':
		return fmt.Sprintf("IAM resource %s cannot contain region information.", resource)
	}
	return ""
}

// isPartition reports whether text is a partition of AWS: aws, aws-cn and so
// on, or a pattern of them.
func isPartition(text string) bool {
	return text == "aws" || strings.HasPrefix(text, "aws-") || strings.ContainsAny(text, "*?")
}

// completeARN returns the ARN that IAM takes a text for, with * for the parts
// after the partition that it lacks.
func completeARN(partition, rest string) string {
	parts := []string{"arn", partition}
	if rest != "" {
		parts = append(parts, strings.SplitN(rest, ":", arnParts-2)...)
	}
	for len(parts) < arnParts {
		parts = append(parts, "*")
	}
	return strings.Join(parts, ":")
}
