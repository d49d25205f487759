package schedule

import (
	"fmt"
	"strings"
)

// span is a part of an expression that remembers where in it it stands, so that
// every error can say its offset. It is the bytes [from, to) of expr.
type span struct {
	expr     string
	from, to int
}

func (s span) text() string { return s.expr[s.from:s.to] }

// cut slices s around the first sep, as strings.Cut does. Without one, all of s
// is before.
func (s span) cut(sep byte) (before, after span, found bool) {
	i := strings.IndexByte(s.text(), sep)
	if i < 0 {
		return s, span{expr: s.expr, from: s.to, to: s.to}, false
	}
	before, after = s, s
	before.to = s.from + i
	after.from = before.to + 1
	return before, after, true
}

// trimSuffix returns s without the suffix, and whether it was there.
func (s span) trimSuffix(suffix string) (span, bool) {
	if !strings.HasSuffix(s.text(), suffix) {
		return s, false
	}
	s.to -= len(suffix)
	return s, true
}

// errorf returns an *Error at the start of s.
func (s span) errorf(format string, args ...any) error {
	return &Error{Expr: s.expr, Offset: s.from, Reason: fmt.Sprintf(format, args...)}
}
