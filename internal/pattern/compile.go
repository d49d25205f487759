package pattern

import (
	"errors"
	"maps"
	"slices"
)

// A compiler turns a pattern's text into rules.
type compiler struct{ scanner }

// maxBranches bounds what combinations of $or come to.
const maxBranches = 1000

// reserved are the names that mean something in matches, now or one day. They
// may not be paths inside of $or.
var reserved = []string{
	"exactly", "equals-ignore-case", "prefix", "suffix", "anything-but", "exists", "wildcard", "numeric", "cidr",
	"=", "<", "<=", ">", ">=", "regex", "not-wildcard", "not-equals-ignore-case",
	"date-after", "date-on-or-after", "date-before", "date-on-or-before", "in-date-range",
	"ip-address-in-range", "ip-address-not-in-range",
}

func (c *compiler) pattern() ([]rule, error) {
	t, err := c.next()
	if err != nil {
		return nil, err
	}
	if t != startObject {
		return nil, c.fail("Filter is not an object")
	}
	rules, err := c.object([]rule{{}}, "", false)
	if err != nil {
		return nil, err
	}
	if c.space(); c.pos != len(c.text) {
		return nil, c.unexpected("expected end of input")
	}
	return rules, nil
}

// object reads the rest of an object at a prefix of paths, and adds what it
// says to each of the rules.
func (c *compiler) object(rules []rule, prefix string, inOr bool) ([]rule, error) {
	for entries := 0; ; entries++ {
		t, err := c.next()
		if err != nil {
			return nil, err
		}
		if t == endObject {
			if entries == 0 {
				return nil, c.fail("Empty objects are not allowed")
			}
			return rules, nil
		}
		if rules, err = c.entry(rules, prefix, inOr); err != nil {
			return nil, err
		}
	}
}

// entry reads the rest of an object's member, whose name was just read.
func (c *compiler) entry(rules []rule, prefix string, inOr bool) ([]rule, error) {
	key := c.read
	if key == "$or" {
		return c.or(rules, prefix)
	}
	if inOr && slices.Contains(reserved, key) {
		return nil, c.fail("%s is Ruler reserved fieldName which cannot be used inside $or.", key)
	}
	t, err := c.next()
	if err != nil {
		return nil, err
	}
	switch t {
	case startObject:
		return c.object(rules, prefix+key+".", inOr)
	case startArray:
		cond, err := c.matches(prefix + key)
		if err != nil {
			return nil, err
		}
		for _, r := range rules {
			r[cond.path] = cond
		}
		return rules, nil
	}
	return nil, c.fail(`"%s" must be an object or an array`, key)
}

// or reads the rest of $or: each of its objects makes its own copy of the
// rules.
func (c *compiler) or(rules []rule, prefix string) (all []rule, err error) {
	if t, err := c.next(); err != nil {
		return nil, err
	} else if t != startArray {
		return nil, c.fail("It must be an Array followed with $or.")
	}
	for n := 0; ; n++ {
		t, err := c.next()
		switch {
		case err != nil:
			return nil, err
		case t == endArray && n < 2:
			return nil, c.fail("There must have at least 2 Objects in $or relationship.")
		case t == endArray:
			return all, nil
		case t != startObject:
			return nil, c.fail("Only JSON object is allowed in array of $or relationship.")
		}
		mine := make([]rule, len(rules))
		for i, r := range rules {
			mine[i] = maps.Clone(r)
		}
		if mine, err = c.object(mine, prefix, true); err != nil {
			return nil, err
		}
		if all = append(all, mine...); len(all) > maxBranches {
			return nil, &Error{"Rule is too complex - try using fewer $or relationships"}
		}
	}
}

// matches reads the rest of the array of matches at a path.
func (c *compiler) matches(path string) (condition, error) {
	cond := condition{path: path}
	for {
		t, err := c.next()
		if err != nil {
			return cond, err
		}
		switch t {
		case endArray:
			if len(cond.tests) == 0 && !cond.absent {
				return cond, c.fail("Empty arrays are not allowed")
			}
			return cond, nil
		case startObject:
			err = c.expression(&cond)
		case startArray:
			err = c.fail("Match value must be String, number, true, false, or null")
		default:
			var e equals
			if e, err = c.scalar(t); err == nil {
				cond.tests = append(cond.tests, e)
			}
		}
		if err != nil {
			return cond, err
		}
	}
}

// scalar returns the test for the value that is the current token.
func (c *compiler) scalar(t token) (equals, error) {
	switch t {
	case stringToken:
		text, err := c.string()
		return equalText(text), err
	case numberToken:
		return equals{value: parseNumber(c.read).value()}, nil
	case trueToken:
		return equals{value: value{kind: kindTrue}}, nil
	case falseToken:
		return equals{value: value{kind: kindFalse}}, nil
	}
	return equals{value: value{kind: kindNull}}, nil
}

const oneKey = "Only one key allowed in match expression"

// expression reads the rest of a match that is an object.
func (c *compiler) expression(cond *condition) error {
	if err := c.expect(name, "Match expression name not found"); err != nil {
		return err
	}
	operator := c.read
	read, ok := operators[operator]
	switch {
	case operator == "exists":
		return c.exists(cond)
	case !ok:
		return c.fail("Unrecognized match type %s", operator)
	}
	t, err := read(c)
	cond.tests = append(cond.tests, t)
	return err
}

// expect moves to the next token and fails if it is another one than wanted.
func (c *compiler) expect(want token, otherwise string) error {
	t, err := c.next()
	if err == nil && t != want {
		err = c.fail("%s", otherwise)
	}
	return err
}

// operators read the rest of a match whose name was just read.
var operators = map[string]func(*compiler) (test, error){
	"exactly": func(c *compiler) (test, error) {
		text, err := c.only("exact match pattern must be a string")
		return equals{value: value{kindText, text}}, err
	},
	"prefix":             func(c *compiler) (test, error) { return c.affix("prefix", "Prefix", false) },
	"suffix":             func(c *compiler) (test, error) { return c.affix("suffix", "Suffix", true) },
	"equals-ignore-case": (*compiler).ignoreCase,
	"wildcard":           (*compiler).wildcard,
	"cidr":               (*compiler).cidr,
	"numeric":            (*compiler).numeric,
	"anything-but":       (*compiler).anythingBut,
}

// only reads a string, and the end of its match.
func (c *compiler) only(otherwise string) (string, error) {
	if err := c.expect(stringToken, otherwise); err != nil {
		return "", err
	}
	text, err := c.string()
	if err != nil {
		return "", err
	}
	return text, c.expect(endObject, oneKey)
}

func (c *compiler) affix(lower, upper string, suffix bool) (test, error) {
	t, err := c.next()
	if err != nil {
		return nil, err
	}
	a := affix{suffix: suffix}
	switch t {
	case stringToken:
		a.text, err = c.string()
	case startObject:
		a.fold = true
		a.text, err = c.folded(lower, upper)
	default:
		err = c.fail("%s match pattern must be a string", lower)
	}
	if err != nil {
		return nil, err
	}
	return a, c.expect(endObject, oneKey)
}

// folded reads {"equals-ignore-case": text}, whose brace was just read.
func (c *compiler) folded(lower, upper string) (string, error) {
	if err := c.expect(name, upper+" expression name not found"); err != nil {
		return "", err
	}
	if c.read != "equals-ignore-case" {
		return "", c.fail("Unsupported %s pattern: %s", lower, c.read)
	}
	return c.only("equals-ignore-case match pattern must be a string")
}

func (c *compiler) ignoreCase() (test, error) {
	text, err := c.only("equals-ignore-case match pattern must be a string")
	return ignoreCase(text), err
}

const wildcardText = "wildcard match pattern must be a string"

func (c *compiler) wildcard() (test, error) {
	if err := c.expect(stringToken, wildcardText); err != nil {
		return nil, err
	}
	text, err := c.string()
	if err != nil {
		return nil, err
	}
	g, err := c.glob(text)
	if err != nil {
		return nil, err
	}
	return g, c.expect(endObject, oneKey)
}

func (c *compiler) glob(text string) (glob, error) {
	g, err := parseGlob(text)
	if err != nil {
		return nil, c.twice(err)
	}
	if g.tooComplex() {
		return nil, &Error{"Rule is too complex - try using fewer wildcard characters or fewer repeating character sequences after a wildcard character"}
	}
	return g, nil
}

func (c *compiler) cidr() (test, error) {
	if err := c.expect(stringToken, "prefix match pattern must be a string"); err != nil {
		return nil, err
	}
	text, err := c.string()
	if err != nil {
		return nil, err
	}
	a, err := parseCIDR(text)
	if err != nil {
		return nil, err
	}
	return a, c.expect(endObject, oneKey)
}

func (c *compiler) exists(cond *condition) error {
	t, err := c.next()
	switch {
	case err != nil:
		return err
	case t == trueToken:
		cond.tests = append(cond.tests, present{})
	case t == falseToken:
		cond.absent = true
	default:
		return c.fail("exists match pattern must be either true or false.")
	}
	return c.expect(endObject, oneKey)
}

// twice gives an error the place that the compiler is at, also if it has one:
// so AWS does with what comes up inside of a list.
func (c *compiler) twice(err error) error {
	var e *Error
	if errors.As(err, &e) {
		return c.fail("%s", e.Reason)
	}
	return err
}
