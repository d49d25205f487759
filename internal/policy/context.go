package policy

import (
	"strconv"
	"strings"
)

// Context holds the condition keys of a request: aws:SourceArn, aws:SourceIp,
// aws:CurrentTime, aws:PrincipalTag/team and so on, with their values. Only
// keys like aws:TagKeys have more than one value; a key without values is the
// same as no key. Names are compared without regard to case; of names that
// differ in nothing else, the one spelled as in the policy counts, or else the
// least.
//
// Values are texts: times as in 2026-01-01T00:00:00Z or in seconds of Unix
// time, binary values in base64.
//
// The keys that follow from the question itself need not be given, but are
// taken from here when they are: aws:PrincipalArn, aws:PrincipalAccount,
// aws:PrincipalType, aws:userid, aws:username, aws:PrincipalIsAWSService,
// aws:PrincipalServiceName and aws:ResourceAccount.
type Context map[string][]string

// Get returns the values of a key.
func (c Context) Get(name string) []string {
	if values, ok := c[name]; ok {
		return values
	}
	found := ""
	for other := range c {
		if strings.EqualFold(other, name) && (found == "" || other < found) {
			found = other
		}
	}
	return c[found]
}

// conditionKey is the name of a condition key, as written and in lower case.
type conditionKey struct{ name, folded string }

func newConditionKey(name string) conditionKey {
	return conditionKey{name, strings.ToLower(name)}
}

// env is what statements are evaluated in: the question, and the state of the
// statement at hand.
type env struct {
	p      Principal
	r      Request
	action string // in lower case, as Action elements are compiled

	effect     Effect    // of the statement
	unresolved bool      // one of its variables has no value
	derived    [1]string // room for what lookup returns
}

// void reports that the statement can't claim that something does not match,
// since it doesn't know what it should not match: an Allow then says nothing.
// A Deny goes on, and errs on the safe side.
func (e *env) void() bool {
	return e.unresolved && e.effect == Allow
}

// lookup returns the values of a condition key. They are valid until the next
// call.
func (e *env) lookup(key conditionKey) []string {
	if values := e.r.Context.Get(key.name); len(values) > 0 {
		return values
	}
	if e.derived[0] = e.derive(key.folded); e.derived[0] == "" {
		return nil
	}
	return e.derived[:]
}

// derive returns the value of a key that follows from the question itself.
func (e *env) derive(folded string) string {
	switch folded {
	case "aws:principalarn":
		return e.p.identityARN()
	case "aws:principalaccount":
		return e.p.Account
	case "aws:principaltype":
		return e.p.Kind.awsType()
	case "aws:userid":
		return e.p.UserID
	case "aws:username":
		return e.p.username()
	case "aws:principalisawsservice":
		return strconv.FormatBool(e.p.Kind == Service)
	case "aws:principalservicename":
		return e.p.Service
	case "aws:resourceaccount":
		return e.r.Account
	}
	return ""
}
