package lambda

import (
	"fmt"
	"strings"

	"naru/internal/wire"
)

var errorForms = map[string]wire.ErrorForm{
	"ResourceNotFoundException":                     {Status: 404, Upper: true},
	"ResourceConflictException":                     {Status: 409},
	"ResourceInUseException":                        {Status: 400},
	"ResourceNotReadyException":                     {Status: 502},
	"InvalidParameterValueException":                {Status: 400},
	"ValidationException":                           {Status: 400, Bare: true},
	"InvalidRequestContentException":                {Status: 400},
	"RequestTooLargeException":                      {Status: 413},
	"RequestEntityTooLargeException":                {Status: 413, Bare: true},
	"TooManyRequestsException":                      {Status: 429},
	"PreconditionFailedException":                   {Status: 412},
	"PolicyLengthExceededException":                 {Status: 400},
	"CodeStorageExceededException":                  {Status: 400},
	"InvalidRuntimeException":                       {Status: 502, Upper: true},
	"InvalidZipFileException":                       {Status: 502, Upper: true},
	"ServiceException":                              {Status: 500, Upper: true},
	"UnsupportedMediaTypeException":                 {Status: 415},
	"ProvisionedConcurrencyConfigNotFoundException": {Status: 404},
	"RecursiveInvocationException":                  {Status: 400, Upper: true},
	"CodeSigningConfigNotFoundException":            {Status: 404, Upper: true},
}

func invalid(format string, args ...any) error {
	return wire.Errorf("InvalidParameterValueException", format, args...)
}

// bareInvalid is invalid without a word on whose fault it is.
func bareInvalid(format string, args ...any) error {
	e := wire.Errorf("InvalidParameterValueException", format, args...)
	e.Bare = true
	return e
}

func missing(format string, args ...any) error {
	return wire.Errorf("ResourceNotFoundException", format, args...)
}

func conflict(format string, args ...any) error {
	return wire.Errorf("ResourceConflictException", format, args...)
}

func notFound(n name) error { return missing("Function not found: %s", n.arn()) }

// noResource is what is said of much that is not there.
func noResource() error { return missing("The resource you requested does not exist.") }

// violations are the members of a request that break the model's constraints.
type violations []string

// add notes that the value of a member breaks a rule. A nil value is none.
func (v *violations) add(value any, member, rule string) {
	said := "null"
	if value != nil {
		said = fmt.Sprintf("'%v'", value)
	}
	*v = append(*v, fmt.Sprintf("Value %s at '%s' failed to satisfy constraint: %s", said, member, rule))
}

// err returns the refusal; nil if there is nothing to refuse.
func (v violations) err() error {
	if len(v) == 0 {
		return nil
	}
	s := "s"
	if len(v) == 1 {
		s = ""
	}
	return wire.Errorf("ValidationException", "%d validation error%s detected: %s", len(v), s, strings.Join(v, "; "))
}

// violation is the refusal of a member whose value breaks one of the model's
// constraints.
func violation(value any, member, rule string) error {
	var v violations
	v.add(value, member, rule)
	return v.err()
}

const mustNotBeNull = "Member must not be null"

// outside is the refusal of a number that is not within its bounds; nil if it
// is, or was not given.
func outside[N int32 | int64 | float64](given *N, member string, least, most N) error {
	switch {
	case given == nil:
	case *given < least:
		return violation(*given, member, fmt.Sprintf("Member must have value greater than or equal to %v", least))
	case *given > most:
		return violation(*given, member, fmt.Sprintf("Member must have value less than or equal to %v", most))
	}
	return nil
}

// enumerated is the refusal of a value that is none of those allowed; nil if
// it is one, or was not given.
func enumerated(given *string, member string, allowed ...string) error {
	if given == nil {
		return nil
	}
	for _, a := range allowed {
		if a == *given {
			return nil
		}
	}
	return violation(*given, member, "Member must satisfy enum value set: ["+strings.Join(allowed, ", ")+"]")
}

func deref[T any](p *T) (zero T) {
	if p == nil {
		return zero
	}
	return *p
}

func notYet(what string) error { return invalid("Naru does not have %s yet.", what) }

// checkRevision refuses a change that was meant for another revision.
func checkRevision(given *string, current string) error {
	return checkRevisionOf(given, current, "GetFunction/GetAlias")
}

func checkRevisionOf(given *string, current, operation string) error {
	if given != nil && *given != current {
		return wire.Errorf("PreconditionFailedException", "The Revision Id provided does not match the latest Revision Id. Call the %s API to retrieve the latest Revision Id", operation)
	}
	return nil
}
