package pattern

import (
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A test is one of the matches at a path.
type test interface{ holds(l *leaf) bool }

// equals holds for one value; for one that is an address, however it is
// written.
type equals struct {
	value
	address netip.Addr // the zero Addr if it is none
}

func (t equals) holds(l *leaf) bool {
	if l.value == t.value {
		return true
	}
	if !t.address.IsValid() || l.kind != kindText {
		return false
	}
	a, ok := parseAddress(l.text)
	return ok && a == t.address
}

func equalText(text string) equals {
	a, _ := parseAddress(text)
	return equals{value{kindText, text}, a}
}

// affix holds for text that begins, or with suffix ends, with a text; with
// fold whatever the case.
type affix struct {
	text         string
	suffix, fold bool
}

func (t affix) holds(l *leaf) bool {
	switch {
	case l.kind != kindText:
		return false
	case t.fold && t.suffix:
		return hasSuffixFold(l.text, t.text)
	case t.fold:
		return hasPrefixFold(l.text, t.text)
	case t.suffix:
		return strings.HasSuffix(l.text, t.text)
	}
	return strings.HasPrefix(l.text, t.text)
}

func hasPrefixFold(s, prefix string) bool {
	for _, p := range prefix {
		r, n := utf8.DecodeRuneInString(s)
		if n == 0 || !equalFold(r, p) {
			return false
		}
		s = s[n:]
	}
	return true
}

func hasSuffixFold(s, suffix string) bool {
	for len(suffix) > 0 {
		p, m := utf8.DecodeLastRuneInString(suffix)
		r, n := utf8.DecodeLastRuneInString(s)
		if n == 0 || !equalFold(r, p) {
			return false
		}
		s, suffix = s[:len(s)-n], suffix[:len(suffix)-m]
	}
	return true
}

// equalFold reports whether two characters differ in nothing but their case.
func equalFold(a, b rune) bool {
	if a == b {
		return true
	}
	for r := unicode.SimpleFold(a); r != a; r = unicode.SimpleFold(r) {
		if r == b {
			return true
		}
	}
	return false
}

// ignoreCase holds for a text in any case.
type ignoreCase string

func (t ignoreCase) holds(l *leaf) bool {
	return l.kind == kindText && strings.EqualFold(l.text, string(t))
}

// present holds for every leaf.
type present struct{}

func (present) holds(*leaf) bool { return true }

// not holds for leaves that none of its tests holds for.
type not []test

func (t not) holds(l *leaf) bool {
	for _, inner := range t {
		if inner.holds(l) {
			return false
		}
	}
	return true
}

// addresses holds for texts that are addresses in a range, both ends included.
type addresses struct{ low, high netip.Addr }

func (t addresses) holds(l *leaf) bool {
	if l.kind != kindText {
		return false
	}
	a, ok := parseAddress(l.text)
	return ok && a.BitLen() == t.low.BitLen() && a.Compare(t.low) >= 0 && a.Compare(t.high) <= 0
}

// parseAddress reads an IPv4 or IPv6 address, without a zone and not mixed of
// both forms.
func parseAddress(text string) (netip.Addr, bool) {
	if text == "" || len(text) > 39 || strings.Trim(text, "0123456789abcdefABCDEF:.") != "" {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(text)
	return a, err == nil && !(strings.Contains(text, ":") && strings.Contains(text, "."))
}
