package pattern

const tooMany = "Too many elements in numeric expression"

// numeric reads the rest of {"numeric": [...]}.
func (c *compiler) numeric() (test, error) {
	if err := c.expect(startArray, "Value of numeric must be an array."); err != nil {
		return nil, err
	}
	r, err := c.comparison()
	if err != nil {
		return nil, err
	}
	return r, c.expect(endObject, tooMany)
}

// comparison reads the rest of the array: an operator and a number, and for a
// range from below two more.
func (c *compiler) comparison() (test, error) {
	t, err := c.next()
	if err != nil {
		return nil, err
	}
	if t != stringToken {
		return nil, c.fail("Invalid member in numeric match: %s", c.words(t))
	}
	operator, err := c.string()
	if err != nil {
		return nil, err
	}
	what := operator
	if operator == "=" {
		what = "equals"
	}
	t, err = c.next()
	switch {
	case err != nil:
		return nil, err
	case operator != "=" && operator != "<" && operator != "<=" && operator != ">" && operator != ">=":
		return nil, c.fail("Unrecognized numeric range operator: %s", operator)
	case t != numberToken:
		return nil, c.fail("Value of %s must be numeric", what)
	}
	n := parseNumber(c.read)
	if t, err = c.next(); err != nil {
		return nil, err
	}
	r := everything
	switch operator {
	case "=":
		r.low, r.high = n, n
	case "<", "<=":
		r.high, r.openHigh = n, operator == "<"
	default:
		r.low, r.openLow = n, operator == ">"
		if t != endArray {
			return r, c.upTo(&r, t)
		}
	}
	if t != endArray {
		return nil, c.fail(tooMany)
	}
	return r, c.checkRange(n, n)
}

// upTo reads the upper bound of a range, whose first token is the current one.
func (c *compiler) upTo(r *numberRange, t token) error {
	if t != stringToken {
		return c.fail("Bad value in numeric range: %s", c.words(t))
	}
	operator, err := c.string()
	if err != nil {
		return err
	}
	if operator != "<" && operator != "<=" {
		return c.fail("Bad numeric range operator: %s", operator)
	}
	if err := c.expect(numberToken, "Value of "+operator+" must be numeric"); err != nil {
		return err
	}
	r.high, r.openHigh = parseNumber(c.read), operator == "<"
	if err := c.expect(endArray, "Too many terms in numeric range expression"); err != nil {
		return err
	}
	if err := c.checkRange(r.low, r.high); err != nil {
		return err
	}
	if r.low.compare(r.high) >= 0 {
		return c.fail("Bottom must be less than top")
	}
	return nil
}

const outOfRange = "Value must be between -5.0E9 and 5.0E9, inclusive"

func (c *compiler) checkRange(low, high number) error {
	if !low.inRange() || !high.inRange() {
		return c.fail(outOfRange)
	}
	return nil
}

// words returns the current token as it is written, as far as it was read.
func (c *compiler) words(t token) string {
	switch t {
	case startObject:
		return "{"
	case endObject:
		return "}"
	case startArray:
		return "["
	case endArray:
		return "]"
	}
	return c.read
}
