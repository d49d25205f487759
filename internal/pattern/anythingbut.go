package pattern

// anythingBut reads the rest of {"anything-but": ...}.
func (c *compiler) anythingBut() (test, error) {
	t, err := c.next()
	if err != nil {
		return nil, err
	}
	operator := ""
	if t == startObject {
		if err := c.expect(name, "Anything-But expression name not found"); err != nil {
			return nil, err
		}
		operator = c.read
		if _, ok := excluders[operator]; !ok {
			return nil, c.fail("Unsupported anything-but pattern: %s", operator)
		}
		if t, err = c.next(); err != nil {
			return nil, err
		}
	}
	tests, err := c.excluded(operator, t)
	if err != nil {
		return nil, err
	}
	if err := c.expect(endObject, tooMany); err != nil {
		return nil, err
	}
	if operator != "" {
		err = c.expect(endObject, tooMany)
	}
	return tests, err
}

// excluded reads what is excluded, one value or a list, of which t is the
// first token.
func (c *compiler) excluded(operator string, t token) (not, error) {
	switch t {
	case startArray:
		if operator == "" {
			return c.excludedScalars()
		}
		return c.excludedTexts(operator)
	case stringToken, numberToken:
	default:
		return nil, c.fail("Value of anything-but must be an array or single string/number value.")
	}
	if operator != "" {
		excluded, err := c.excludedText(operator, t)
		return not{excluded}, err
	}
	if t == numberToken && !parseNumber(c.read).inRange() {
		return nil, &Error{outOfRange}
	}
	excluded, err := c.plain(t)
	return not{excluded}, err
}

// plain returns the test for a scalar that is compared as it is, also if it is
// an address.
func (c *compiler) plain(t token) (equals, error) {
	e, err := c.scalar(t)
	return equals{value: e.value}, err
}

func (c *compiler) excludedScalars() (tests not, err error) {
	numbers := 0
	for {
		t, err := c.next()
		if err != nil {
			return nil, c.twice(err)
		}
		switch {
		case t == endArray && numbers > 0 && numbers < len(tests) || t == endArray && len(tests) == 0:
			return nil, c.fail("Inside anything but list, either all values are number or string, mixed type is not supported")
		case t == endArray:
			return tests, nil
		case t == numberToken && !parseNumber(c.read).inRange():
			return nil, c.fail(outOfRange)
		case t == numberToken:
			numbers++
		case t != stringToken:
			return nil, c.twice(c.fail("Inside anything but list, start|null|boolean is not supported."))
		}
		e, err := c.plain(t)
		if err != nil {
			return nil, c.twice(err)
		}
		tests = append(tests, e)
	}
}

func (c *compiler) excludedTexts(operator string) (tests not, err error) {
	for {
		t, err := c.next()
		if err != nil {
			return nil, c.twice(err)
		}
		if t == endArray {
			return tests, nil
		}
		excluded, err := c.excludedText(operator, t)
		if err != nil {
			return nil, c.twice(err)
		}
		tests = append(tests, excluded)
	}
}

// An excluder is what {"anything-but": {operator: ...}} excludes.
type excluder struct {
	noText string // error for what is no text
	test   func(c *compiler, text string) (test, error)
}

const affixText = "prefix/suffix match pattern must be a string"

var excluders = map[string]excluder{
	"prefix": {affixText, func(c *compiler, text string) (test, error) { return c.excludedAffix(affix{text: text}) }},
	"suffix": {affixText, func(c *compiler, text string) (test, error) { return c.excludedAffix(affix{text: text, suffix: true}) }},
	"equals-ignore-case": {
		"Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported.",
		func(_ *compiler, text string) (test, error) { return ignoreCase(text), nil },
	},
	"wildcard": {wildcardText, func(c *compiler, text string) (test, error) { return c.glob(text) }},
}

func (c *compiler) excludedAffix(a affix) (test, error) {
	if a.text == "" {
		return nil, c.fail("Null prefix/suffix not allowed")
	}
	return a, nil
}

func (c *compiler) excludedText(operator string, t token) (test, error) {
	x := excluders[operator]
	if t != stringToken {
		return nil, c.fail("%s", x.noText)
	}
	text, err := c.string()
	if err != nil {
		return nil, err
	}
	return x.test(c, text)
}
