package policy

import "strings"

// Source is the sort of policy that a decision came from.
type Source uint8

// The sources of a decision. Of one that was denied because nothing allows it,
// the source is what should have.
const (
	SourceIdentity Source = iota
	SourceResource
	SourceBoundary
	SourceSession
	SourceTrust
	SourceRoot // no policy: the root user of an account may do everything in it
)

// String returns AWS's name for the sort of policy.
func (s Source) String() string {
	return [...]string{
		"identity-based policy",
		"resource-based policy",
		"permissions boundary",
		"session policy",
		"role trust policy",
		"account root user",
	}[s]
}

// Decision is the answer to a request. The zero Decision is a refusal.
type Decision struct {
	Allowed  bool
	Explicit bool   // a statement says Deny, rather than none saying Allow
	By       Source // the sort of policy that decided
	Sid      string // of the statement that decided, where it has one
}

// Message returns what AWS says to the principal that asked, in the words of
// the IAM User Guide ("Troubleshoot access denied error messages"); "" if it
// was allowed. Action and resource are those of the request, letter by letter:
// services that print them otherwise, as SQS prints the action in lower case,
// ask for them that way.
func (d Decision) Message(p Principal, r Request) string {
	if d.Allowed {
		return ""
	}
	if p.Kind == Federated && r.Trust {
		return "Not authorized to perform " + r.Action
	}
	var b strings.Builder
	b.WriteString("User: " + p.name() + " is not authorized to perform: " + r.Action)
	if r.Resource != "" {
		b.WriteString(" on resource: " + r.Resource)
	}
	b.WriteString(d.reason(r))
	return b.String()
}

// reason returns the end of the message. STS gives none where a role simply
// may not be assumed.
func (d Decision) reason(r Request) string {
	switch {
	case d.Explicit && d.By == SourceTrust:
		return " with an explicit deny in the " + d.By.String()
	case d.Explicit && d.By == SourceIdentity:
		return " with an explicit deny in an " + d.By.String()
	case d.Explicit:
		return " with an explicit deny in a " + d.By.String()
	case r.Trust:
		return ""
	}
	return " because no " + d.By.String() + " allows the " + r.Action + " action"
}

// name returns how AWS names the principal in messages.
func (p *Principal) name() string {
	switch p.Kind {
	case Anonymous:
		return "anonymous"
	case Service:
		return p.Service
	case Federated:
		return p.Provider
	}
	return p.ARN
}
