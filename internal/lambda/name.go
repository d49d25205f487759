package lambda

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"naru/internal/wire"
)

// A name names a function, and with a qualifier a version or alias of it.
type name struct{ account, region, function, qualifier string }

func (n name) key() string { return n.account + "/" + n.region + "/" + n.function }

func (n name) arn() string {
	arn := "arn:aws:lambda:" + n.region + ":" + n.account + ":function:" + n.function
	if n.qualifier != "" {
		arn += ":" + n.qualifier
	}
	return arn
}

// at is the function's name with another qualifier.
func (n name) at(qualifier string) name {
	n.qualifier = qualifier
	return n
}

func (n name) unqualified() name { return n.at("") }

// orLatest is n, with the qualifier $LATEST if it has none.
func (n name) orLatest() name {
	if n.qualifier == "" {
		return n.at(latest)
	}
	return n
}

// versionNumber returns the number that the qualifier is, if it is one.
func (n name) versionNumber() (int64, bool) {
	number, err := strconv.ParseInt(n.qualifier, 10, 64)
	return number, err == nil && numberForm.MatchString(n.qualifier)
}

// isAlias reports whether the qualifier can be the name of an alias.
func (n name) isAlias() bool {
	return aliasForm.MatchString(n.qualifier) && !numberForm.MatchString(n.qualifier)
}

// plain is n without the qualifier $LATEST, which the function itself has, too.
func (n name) plain() name {
	if n.qualifier == latest {
		return n.unqualified()
	}
	return n
}

// belonging is the key of what belongs to the function, or to the version or
// alias, in tables of such.
func (n name) belonging() string { return n.key() + "/" + n.plain().qualifier + "/" }

// AddressPrefix begins the engine's addresses of functions' asynchronous
// events.
const AddressPrefix = "lambda:"

func (n name) address() string { return AddressPrefix + n.key() }

var (
	referenceForm = regexp.MustCompile(`^(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?$`)
	qualifierForm = regexp.MustCompile(`^(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_$]+)$`)
)

const (
	maxReference = 140
	maxName      = 64
	referenceRE  = `(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?`
)

// nameOf returns the function that a reference means: a name, name:qualifier,
// account:function:name, or an ARN.
func (s *Service) nameOf(ctx context.Context, reference string, qualifier *string) (name, error) {
	c := wire.CallOf(ctx)
	if !referenceForm.MatchString(reference) {
		return name{}, violation(reference, "functionName", "Member must satisfy regular expression pattern: "+referenceRE)
	}
	if len(reference) > maxReference {
		return name{}, violation(reference, "functionName", fmt.Sprintf("Member must have length less than or equal to %d", maxReference))
	}
	n := name{account: c.Account(), region: c.Region}
	parts := strings.Split(reference, ":")
	if parts[0] == "arn" && len(parts) >= 7 {
		if parts[3] != c.Region {
			return name{}, wire.Errorf("ResourceNotFoundException", "Functions from '%s' are not reachable in this region ('%s')", parts[3], c.Region)
		}
		n.account, parts = parts[4], parts[6:]
	} else if i := indexOf(parts, "function"); i >= 0 && i < len(parts)-1 {
		if i > 0 {
			n.account = parts[i-1]
		}
		parts = parts[i+1:]
	}
	n.function = parts[0]
	if len(parts) > 1 {
		n.qualifier = parts[1]
	}
	return n.qualified(qualifier)
}

// indexOf returns the index of s in parts, but not as the name itself.
func indexOf(parts []string, s string) int {
	for i, p := range parts {
		if p == s {
			return i
		}
	}
	return -1
}

func (n name) qualified(qualifier *string) (name, error) {
	if qualifier == nil {
		return n, nil
	}
	if !qualifierForm.MatchString(*qualifier) || len(*qualifier) > maxQualifier {
		return n, violation(*qualifier, "qualifier", `Member must satisfy regular expression pattern: \$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+`)
	}
	if n.qualifier != "" && n.qualifier != *qualifier {
		return n, invalid("The derived qualifier from the function name does not match the specified qualifier.")
	}
	n.qualifier = *qualifier
	return n, nil
}

// ownsPath reports whether a path is Lambda's, for requests without signature.
func ownsPath(path string) bool {
	return datedPath.MatchString(path)
}

var datedPath = regexp.MustCompile(`^/20\d\d-\d\d-\d\d/`)

// nameIn returns the name of a function that is a name, maybe with ":" and a
// qualifier.
func nameIn(account, region, function string) name {
	function, qualifier, _ := strings.Cut(function, ":")
	return name{account, region, function, qualifier}
}
