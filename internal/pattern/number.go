package pattern

import (
	"cmp"
	"strconv"
	"strings"
)

// A number is a decimal number, exactly: 0.digits × 10^exp. Its digits have no
// zero at either end; those of zero are "".
type number struct {
	negative bool
	digits   string
	exp      int64
}

// parseNumber reads a number as JSON writes it. An exponent that is absurd is
// taken for the largest.
func parseNumber(text string) number {
	n := number{}
	text, n.negative = strings.CutPrefix(text, "-")
	mantissa, exponent := text, ""
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		mantissa, exponent = text[:i], text[i+1:]
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	if digits == "" {
		return number{}
	}
	n.exp = int64(len(digits) - len(fraction))
	if exponent != "" {
		e, _ := strconv.ParseInt(exponent, 10, 32) // out of range gives the largest
		n.exp += e
	}
	n.digits = strings.TrimRight(digits, "0")
	return n
}

// value returns the number's canonical form.
func (n number) value() value {
	sign := ""
	if n.negative {
		sign = "-"
	}
	return value{kindNumber, sign + n.digits + "e" + strconv.FormatInt(n.exp, 10)}
}

// compare returns -1, 0 or 1, as n is less than, equal to or greater than o.
func (n number) compare(o number) int {
	if n.sign() != o.sign() {
		return cmp.Compare(n.sign(), o.sign())
	}
	c := cmp.Or(cmp.Compare(n.exp, o.exp), cmp.Compare(n.digits, o.digits))
	if n.negative {
		return -c
	}
	return c
}

func (n number) sign() int {
	switch {
	case n.digits == "":
		return 0
	case n.negative:
		return -1
	}
	return 1
}

// Numbers that "numeric" and "anything-but" take, and "numeric" holds for.
var (
	leastNumber = number{negative: true, digits: "5", exp: 10}
	mostNumber  = number{digits: "5", exp: 10}
)

func (n number) inRange() bool { return n.compare(leastNumber) >= 0 && n.compare(mostNumber) <= 0 }

// A numberRange holds for the numbers between two others. A bound that is not
// open belongs to the range.
type numberRange struct {
	low, high         number
	openLow, openHigh bool
}

// everything is the range that holds for all numbers that can be compared.
var everything = numberRange{low: leastNumber, high: mostNumber}

func (r numberRange) holds(l *leaf) bool {
	if l.kind != kindNumber {
		return false
	}
	low, high := l.number.compare(r.low), l.number.compare(r.high)
	return (low > 0 || low == 0 && !r.openLow) && (high < 0 || high == 0 && !r.openHigh)
}
