// Package policy is the IAM policy language: it parses a policy document,
// checks it against the rules of the place it is meant for, and answers
// whether a principal may do an action on a resource.
//
// It is pure: no I/O, no clock (the current time is the condition key
// aws:CurrentTime of the request), no state besides the parsed documents.
//
// # Grammar
//
//	document   = { "Version": version, "Id": text, "Statement": statement | [ statement, ... ] }
//	version    = "2008-10-17" | "2012-10-17"                     absent: 2008-10-17
//	statement  = { "Sid": text, "Effect": "Allow" | "Deny",
//	               "Principal" | "NotPrincipal": "*" | { type: text | [ text, ... ], ... },
//	               "Action"    | "NotAction":    text | [ text, ... ],
//	               "Resource"  | "NotResource":  text | [ text, ... ],
//	               "Condition": { operator: { key: value | [ value, ... ], ... }, ... } }
//	type       = "AWS" | "Service" | "Federated" | "CanonicalUser"
//	operator   = [ "ForAllValues:" | "ForAnyValue:" ] name [ "IfExists" ]   Null has no IfExists
//	name       = String{Equals,NotEquals,EqualsIgnoreCase,NotEqualsIgnoreCase,Like,NotLike}
//	           | {Numeric,Date}{Equals,NotEquals,LessThan,LessThanEquals,GreaterThan,GreaterThanEquals}
//	           | Arn{Equals,NotEquals,Like,NotLike} | Bool | BinaryEquals | IpAddress | NotIpAddress | Null
//	value      = text | number | true | false
//
// Element names are case sensitive, come in any order and at most once. In
// Action, Resource, StringLike and the Arn operators * stands for any run of
// characters and ? for exactly one. Actions and names of condition keys are
// compared without regard to case, everything else with it.
//
// # Variables
//
// Under version 2012-10-17, Resource and the values of the String, Arn and
// Bool operators may hold variables:
//
//	variable   = "${" key "}" | "${" key ", '" fallback "'}" | "${*}" | "${?}" | "${$}"
//
// A key stands for its single value in the request, character for character;
// the last three stand for the character itself. Where a key has no value,
// what holds the variable matches nothing.
//
// # Evaluation
//
// See [Evaluate]. The facts follow the IAM User Guide ("Policy evaluation
// logic", "IAM JSON policy elements: Condition operators").
package policy

// The versions of the policy language. Only Version2012 has variables.
const (
	Version2008 = "2008-10-17"
	Version2012 = "2012-10-17"
)

// MaxSize is the longest policy text that Parse accepts, in bytes. It is what
// IAM's parameters allow; the quotas of a role or a queue are much lower.
const MaxSize = 131072

// Kind says where a document is used, and so which rules Validate applies.
type Kind uint8

// The kinds of policy document.
const (
	Identity Kind = iota // inline in a user, group or role, or passed to a session
	Managed              // a managed policy: as Identity, and of Version2012
	Resource             // attached to a resource such as a queue or a function
	Trust                // a role's trust policy: who may assume it
)

// Effect is what a statement does when it applies.
type Effect uint8

// The effects of a statement.
const (
	Deny Effect = iota
	Allow
)

// Document is a parsed policy. It is immutable after Parse and safe for
// concurrent use.
type Document struct {
	Version    string // Version2008 when the text has none
	ID         string // the element Id
	Statements []Statement

	offset    int  // of the document in its text
	versioned bool // the text has a Version
}

// Statement is one rule of a document.
type Statement struct {
	Sid        string
	Effect     Effect
	Principal  Names   // Principal or NotPrincipal
	Action     Element // Action or NotAction
	Resource   Element // Resource or NotResource
	Conditions []Condition

	offset, end int // of the statement in its text
}

// Element is a statement's Action or NotAction, Resource or NotResource.
type Element struct {
	Not    bool     // written with Not: holds for all but its values
	Values []string // as written; nil when the statement has no such element

	globs []glob // one for each value
}

// holds reports whether the element covers text.
func (x *Element) holds(e *env, text string) bool {
	for i := range x.globs {
		if x.globs[i].match(e, text) {
			return !x.Not
		}
	}
	return x.Not && !e.void()
}
