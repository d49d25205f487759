package policy

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
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
// aws:PrincipalType, aws:PrincipalTag/..., aws:userid, aws:username,
// aws:PrincipalIsAWSService, aws:PrincipalServiceName, aws:FederatedProvider,
// aws:SourceIdentity, aws:TokenIssueTime and aws:ResourceAccount.
type Context map[string][]string

// The beginnings of the names of keys that hold tags, in lower case.
const (
	PrincipalTag = "aws:principaltag/"
	RequestTag   = "aws:requesttag/"
	ResourceTag  = "aws:resourcetag/"
)

// TagContext returns the keys of a request that sets tags: aws:RequestTag/...
// and aws:TagKeys. keys are those of a request that names tags without values.
func TagContext(tags map[string]string, keys []string) Context {
	c, keys := Context{}, slices.Clone(keys)
	for key, value := range tags {
		c["aws:RequestTag/"+key] = []string{value}
		keys = append(keys, key)
	}
	if len(keys) > 0 {
		slices.Sort(keys)
		c["aws:TagKeys"] = keys
	}
	return c
}

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
	value, ok := e.derive(key.folded)
	if tag, isTag := strings.CutPrefix(key.folded, PrincipalTag); isTag {
		value, ok = e.p.Tags[tag]
	}
	if ok {
		e.derived[0] = value
		return e.derived[:]
	}
	if e.r.More != nil {
		return e.r.More(key.folded)
	}
	return nil
}

// Has reports whether a condition key follows from who the principal is.
func (p *Principal) Has(name string) bool {
	e := env{p: *p}
	return len(e.lookup(newConditionKey(name))) > 0
}

// derive returns the value of a key that follows from the question itself.
func (e *env) derive(folded string) (value string, ok bool) {
	switch folded {
	case "aws:principalarn":
		value = e.p.identityARN()
	case "aws:principalaccount":
		value = e.p.Account
	case "aws:principaltype":
		value = e.p.Kind.awsType()
	case "aws:userid":
		value = e.p.UserID
	case "aws:username":
		value = e.p.username()
	case "aws:principalisawsservice":
		value = strconv.FormatBool(e.p.Kind == Service)
	case "aws:principalservicename":
		value = e.p.Service
	case "aws:federatedprovider":
		value = e.p.Provider
	case "aws:sourceidentity":
		value = e.p.SourceIdentity
	case "aws:tokenissuetime":
		if !e.p.Issued.IsZero() {
			value = e.p.Issued.UTC().Format(time.RFC3339)
		}
	case "aws:resourceaccount":
		value = cmp.Or(e.r.Account, e.p.Account)
	}
	return value, value != ""
}
