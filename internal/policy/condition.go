package policy

import (
	"errors"
	"strconv"
	"strings"
)

// Condition is one key of one operator of a statement's Condition element,
// with the values that it is compared to. All conditions of a statement must
// hold for it to apply.
type Condition struct {
	Operator string   // as written, with prefix and suffix
	Key      string   // as written
	Values   []string // numbers and booleans as text

	op       operator
	set      quantifier
	ifExists bool
	key      conditionKey
	tests    []test // one for each value
	offset   int    // of the values in their text
}

// quantifier says how a key with several values is judged.
type quantifier uint8

const (
	single    quantifier = iota // Equals: any value may fit; NotEquals: none may
	anyValue                    // ForAnyValue: some value makes the operator hold
	allValues                   // ForAllValues: every value makes the operator hold
)

// bind looks the operator up. It fails when there is none of that name.
func (c *Condition) bind() bool {
	c.key = newConditionKey(c.Key)
	name := c.Operator
	if rest, ok := strings.CutPrefix(name, "ForAnyValue:"); ok {
		name, c.set = rest, anyValue
	} else if rest, ok := strings.CutPrefix(name, "ForAllValues:"); ok {
		name, c.set = rest, allValues
	}
	name, c.ifExists = strings.CutSuffix(name, "IfExists")
	var ok bool
	c.op, ok = operators[name]
	return ok && !(c.op.null && c.ifExists)
}

// compile prepares the values. AWS words a bad date in its own way.
func (c *Condition) compile(variables bool) error {
	for _, text := range c.Values {
		t, err := c.op.compile(text, variables)
		if errors.Is(err, errDate) {
			return &SyntaxError{c.offset, strconv.Quote(text) + " is not a date", legacy}
		}
		if err != nil {
			return &SyntaxError{c.offset, err.Error(), ungrammatical}
		}
		c.tests = append(c.tests, t)
	}
	return nil
}

// holds reports whether the condition holds for the request. A missing key
// fits nothing, so that negated operators hold, and is the empty set to the
// quantifiers.
func (c *Condition) holds(e *env) bool {
	values := e.lookup(c.key)
	switch {
	case c.op.null:
		return c.fits(e, strconv.FormatBool(len(values) == 0))
	case len(values) == 0 && c.ifExists:
		return true
	case c.set == allValues, c.set == single && c.op.negated:
		return c.every(e, values)
	}
	return c.some(e, values)
}

// some reports whether the operator holds for some value.
func (c *Condition) some(e *env, values []string) bool {
	for _, value := range values {
		if c.counts(value) && c.holdsFor(e, value) {
			return true
		}
	}
	return false
}

// every reports whether the operator holds for every value.
func (c *Condition) every(e *env, values []string) bool {
	for _, value := range values {
		if c.counts(value) && !c.holdsFor(e, value) {
			return false
		}
	}
	return true
}

// counts reports whether the text is a value: to a quantifier "" is none.
func (c *Condition) counts(value string) bool {
	return value != "" || c.set == single
}

// holdsFor reports whether the operator holds for one value of the request.
func (c *Condition) holdsFor(e *env, value string) bool {
	if !c.op.negated {
		return c.fits(e, value)
	}
	return !c.fits(e, value) && !e.void()
}

// fits reports whether the value fits any value of the policy.
func (c *Condition) fits(e *env, value string) bool {
	for _, t := range c.tests {
		if t(e, value) {
			return true
		}
	}
	return false
}
