package policy

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// test reports whether a value of the request fits one value of the policy.
type test func(e *env, value string) bool

// operator is what a condition's operator does, apart from prefix and suffix.
type operator struct {
	compile func(text string, variables bool) (test, error)
	negated bool // holds where the test of the same name without Not does not
	null    bool // asks whether there is a value at all
}

// operators are the operators of the language, by name.
var operators = map[string]operator{
	"StringEquals":              {compile: compileEquals},
	"StringNotEquals":           {compile: compileEquals, negated: true},
	"StringEqualsIgnoreCase":    {compile: compileEqualsFold},
	"StringNotEqualsIgnoreCase": {compile: compileEqualsFold, negated: true},
	"StringLike":                {compile: compileLike},
	"StringNotLike":             {compile: compileLike, negated: true},

	"ArnEquals":    {compile: compileArnLike},
	"ArnLike":      {compile: compileArnLike},
	"ArnNotEquals": {compile: compileArnLike, negated: true},
	"ArnNotLike":   {compile: compileArnLike, negated: true},

	"NumericEquals":            {compile: numeric(equal)},
	"NumericNotEquals":         {compile: numeric(equal), negated: true},
	"NumericLessThan":          {compile: numeric(less)},
	"NumericLessThanEquals":    {compile: numeric(lessOrEqual)},
	"NumericGreaterThan":       {compile: numeric(greater)},
	"NumericGreaterThanEquals": {compile: numeric(greaterOrEqual)},

	"DateEquals":            {compile: date(equal)},
	"DateNotEquals":         {compile: date(equal), negated: true},
	"DateLessThan":          {compile: date(less)},
	"DateLessThanEquals":    {compile: date(lessOrEqual)},
	"DateGreaterThan":       {compile: date(greater)},
	"DateGreaterThanEquals": {compile: date(greaterOrEqual)},

	"Bool":         {compile: compileBool},
	"BinaryEquals": {compile: compileBinary},
	"IpAddress":    {compile: compileAddress},
	"NotIpAddress": {compile: compileAddress, negated: true},
	"Null":         {compile: compileNull, null: true},
}

// The orders that comparisons look for, in the result of cmp.Compare.
func equal(order int) bool          { return order == 0 }
func less(order int) bool           { return order < 0 }
func lessOrEqual(order int) bool    { return order <= 0 }
func greater(order int) bool        { return order > 0 }
func greaterOrEqual(order int) bool { return order >= 0 }

func compileEquals(text string, variables bool) (test, error) {
	g, err := compileGlob(text, false, variables)
	return func(e *env, value string) bool {
		want, ok := g.resolve(e)
		return ok && value == want
	}, err
}

func compileEqualsFold(text string, variables bool) (test, error) {
	g, err := compileGlob(text, false, variables)
	return func(e *env, value string) bool {
		want, ok := g.resolve(e)
		return ok && strings.EqualFold(value, want)
	}, err
}

func compileLike(text string, variables bool) (test, error) {
	g, err := compileGlob(text, true, variables)
	return func(e *env, value string) bool { return g.match(e, value) }, err
}

func compileArnLike(text string, variables bool) (test, error) {
	a, err := compileARN(text, variables)
	return func(e *env, value string) bool { return a.match(e, value) }, err
}

// numeric makes the compiler of a numeric operator.
func numeric(accepts func(order int) bool) func(string, bool) (test, error) {
	return func(text string, _ bool) (test, error) {
		want, err := parseNumber(text)
		return func(_ *env, value string) bool {
			got, err := parseNumber(value)
			return err == nil && accepts(cmp.Compare(got, want))
		}, err
	}
}

// parseNumber parses an integer or decimal number.
func parseNumber(text string) (float64, error) {
	if text == "" || strings.Trim(text, "0123456789+-.eE") != "" { // no inf, nan, hex
		return 0, fmt.Errorf("%q is not a number", text)
	}
	number, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number", text)
	}
	return number, nil
}

var errDate = errors.New("not a date")

// date makes the compiler of a date operator.
func date(accepts func(order int) bool) func(string, bool) (test, error) {
	return func(text string, _ bool) (test, error) {
		want, ok := parseInstant(text)
		if !ok {
			return nil, errDate
		}
		return func(_ *env, value string) bool {
			got, ok := parseInstant(value)
			return ok && accepts(got.compare(want))
		}, nil
	}
}

// instant is a point in time, as seconds of Unix time and nanoseconds. Unlike
// time.Time it has room for every number of seconds that AWS takes.
type instant struct {
	seconds     int64
	nanoseconds int
}

func (i instant) compare(other instant) int {
	return cmp.Or(cmp.Compare(i.seconds, other.seconds), cmp.Compare(i.nanoseconds, other.nanoseconds))
}

// dateLayouts are the profiles of ISO 8601 that W3C's note lists; a fraction
// of a second is understood. A time without zone is in UTC.
var dateLayouts = []string{
	time.RFC3339,
	"2006-01-02T15:04:05Z07",
	"2006-01-02T15:04:05",
	"2006-01-02T15:04Z07:00",
	"2006-01-02T15:04",
	"2006-01-02",
	"2006-01",
}

// parseInstant parses seconds of Unix time or a date of ISO 8601.
func parseInstant(text string) (instant, bool) {
	if !strings.ContainsAny(text, "-tT") {
		seconds, err := strconv.ParseUint(text, 10, 63)
		return instant{seconds: int64(seconds)}, err == nil
	}
	text = strings.ToUpper(text)
	for _, layout := range dateLayouts {
		if t, err := time.Parse(layout, text); err == nil {
			return instant{t.Unix(), t.Nanosecond()}, true
		}
	}
	return instant{}, false
}

// compileBool takes true, false or a variable.
func compileBool(text string, variables bool) (test, error) {
	if variables && strings.HasPrefix(text, "${") {
		return compileEqualsFold(text, variables)
	}
	want, err := parseBool(text)
	return func(_ *env, value string) bool {
		got, err := parseBool(value)
		return err == nil && got == want
	}, err
}

func parseBool(text string) (bool, error) {
	switch {
	case strings.EqualFold(text, "true"):
		return true, nil
	case strings.EqualFold(text, "false"):
		return false, nil
	}
	return false, fmt.Errorf("%q is neither true nor false", text)
}

// compileNull makes a test of whether the key is missing, written as a bool.
func compileNull(text string, _ bool) (test, error) {
	return compileBool(text, false)
}

func compileBinary(text string, _ bool) (test, error) {
	want, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("%q is not base64", text)
	}
	return func(_ *env, value string) bool {
		got, err := base64.StdEncoding.DecodeString(value)
		return err == nil && string(got) == string(want)
	}, nil
}

func compileAddress(text string, _ bool) (test, error) {
	want, err := parsePrefix(text)
	return func(_ *env, value string) bool {
		got, err := netip.ParseAddr(value)
		return err == nil && want.Contains(got.Unmap())
	}, err
}

// parsePrefix parses a range in CIDR notation, or a single address.
func parsePrefix(text string) (netip.Prefix, error) {
	if prefix, err := netip.ParsePrefix(text); err == nil {
		return prefix, nil
	}
	address, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is not an IP address or range", text)
	}
	return netip.PrefixFrom(address, address.BitLen()), nil
}
