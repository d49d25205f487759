package pattern

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// A token is what a scanner finds next.
type token byte

const (
	end token = iota
	startObject
	endObject
	startArray
	endArray
	name
	stringToken
	numberToken
	trueToken
	falseToken
	nullToken
)

// A scanner reads JSON token by token, as the parser does that AWS reads
// patterns with. What it says of errors, and where it takes itself to be, is
// what users see: a string is read only when somebody asks for it, or for what
// comes after it; what begins after a name is looked at with the name.
type scanner struct {
	text  string
	pos   int
	open  []container
	read  string // the current name, number or word
	begun bool   // the current string, or the one after the current name, is not read yet

	ahead     token // after a name: what follows it
	aheadRead string
}

// A container is an object or array whose end has not come.
type container struct {
	array   bool
	start   int
	entries int
}

const maxNesting = 1000

const (
	anyValue    = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
	maxQuoted   = 500 // of the source, in error messages
	unreadEOF   = "Unexpected end-of-input"
	inObject    = "Object"
	inArray     = "Array"
	endOfString = ": was expecting closing quote for a string value"
)

// next moves to the next token and returns it: end at the end of the text.
func (s *scanner) next() (token, error) {
	if t := s.ahead; t != end {
		s.ahead, s.read = end, s.aheadRead
		return t, nil
	}
	if err := s.finish(); err != nil {
		return end, err
	}
	s.space()
	if len(s.open) == 0 {
		if s.pos == len(s.text) {
			return end, nil
		}
		return s.value()
	}
	in := &s.open[len(s.open)-1]
	if s.pos == len(s.text) {
		return end, s.fault(s.pos, unreadEOF+": expected close marker for %s (start marker at %s)", in.kind(), s.location(in.start))
	}
	if c := s.text[s.pos]; c == '}' || c == ']' {
		return s.close(c)
	}
	if in.entries > 0 {
		if s.text[s.pos] != ',' {
			return end, s.unexpected("was expecting comma to separate %s entries", in.kind())
		}
		s.pos++
		s.space()
	}
	in.entries++
	if in.array {
		return s.value()
	}
	return s.member()
}

func (c *container) kind() string {
	if c.array {
		return inArray
	}
	return inObject
}

func (s *scanner) space() {
	for s.pos < len(s.text) && strings.IndexByte(" \t\r\n", s.text[s.pos]) >= 0 {
		s.pos++
	}
}

func (s *scanner) close(c byte) (token, error) {
	in := s.open[len(s.open)-1]
	s.pos++
	t, mark := endObject, byte('}')
	if in.array {
		t, mark = endArray, ']'
	}
	if c != mark {
		return end, s.fault(s.pos-1, "Unexpected close marker '%c': expected '%c' (for %s starting at %s)", c, mark, in.kind(), s.location(in.start))
	}
	s.open = s.open[:len(s.open)-1]
	return t, nil
}

// member reads a member's name, and looks at what follows.
func (s *scanner) member() (token, error) {
	if s.pos == len(s.text) || s.text[s.pos] != '"' {
		return end, s.unexpected("was expecting double-quote to start field name")
	}
	s.pos++
	text, err := s.quoted(" in field name")
	if err != nil {
		return end, err
	}
	s.space()
	if s.pos == len(s.text) || s.text[s.pos] != ':' {
		return end, s.unexpected("was expecting a colon to separate field name and value")
	}
	s.pos++
	s.space()
	if s.ahead, err = s.value(); err != nil {
		return end, err
	}
	s.aheadRead, s.read = s.read, text
	return name, nil
}

// value reads the beginning of a value.
func (s *scanner) value() (token, error) {
	if s.pos == len(s.text) {
		return end, s.fault(s.pos, unreadEOF+" within/between %s entries", s.open[len(s.open)-1].kind())
	}
	switch c := s.text[s.pos]; {
	case c == '"':
		s.pos++
		s.begun = true
		return stringToken, nil
	case c == '{' || c == '[':
		if len(s.open) == maxNesting {
			return end, s.fault(s.pos, "Document nesting depth (%d) exceeds the maximum allowed (%d)", maxNesting+1, maxNesting)
		}
		s.open = append(s.open, container{array: c == '[', start: s.pos})
		s.pos++
		if c == '[' {
			return startArray, nil
		}
		return startObject, nil
	case c == '-' || c >= '0' && c <= '9':
		return s.number()
	}
	return s.word()
}

var words = map[string]token{"true": trueToken, "false": falseToken, "null": nullToken}

// word reads true, false or null.
func (s *scanner) word() (token, error) {
	start := s.pos
	first, _ := utf8.DecodeRuneInString(s.text[s.pos:])
	if !unicode.IsLetter(first) && first != '_' && first != '$' {
		return end, s.unexpected("expected a valid value %s", anyValue)
	}
	for s.pos < len(s.text) {
		r, n := utf8.DecodeRuneInString(s.text[s.pos:])
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' && r != '$' {
			break
		}
		s.pos += n
	}
	s.read = s.text[start:s.pos]
	if t, ok := words[s.read]; ok {
		return t, nil
	}
	return end, s.fault(s.pos, "Unrecognized token '%s': was expecting %s", s.read, anyValue)
}

func (s *scanner) number() (token, error) {
	start := s.pos
	if s.text[s.pos] == '-' {
		s.pos++
	}
	switch {
	case !s.digit():
		return end, s.badNumber("No digit following minus sign")
	case s.text[s.pos] == '0':
		if s.pos++; s.digit() {
			return end, s.fault(s.pos, "Invalid numeric value: Leading zeroes not allowed")
		}
	default:
		s.digits()
	}
	if s.pos < len(s.text) && s.text[s.pos] == '.' {
		if s.pos++; !s.digit() {
			return end, s.badNumber("Decimal point not followed by a digit")
		}
		s.digits()
	}
	if s.pos < len(s.text) && (s.text[s.pos] == 'e' || s.text[s.pos] == 'E') {
		if s.pos++; s.pos < len(s.text) && (s.text[s.pos] == '+' || s.text[s.pos] == '-') {
			s.pos++
		}
		if !s.digit() {
			return end, s.badNumber("Exponent indicator not followed by a digit")
		}
		s.digits()
	}
	s.read = s.text[start:s.pos]
	return numberToken, nil
}

func (s *scanner) digit() bool {
	return s.pos < len(s.text) && s.text[s.pos] >= '0' && s.text[s.pos] <= '9'
}

func (s *scanner) digits() {
	for s.digit() {
		s.pos++
	}
}

func (s *scanner) badNumber(why string) error {
	if s.pos == len(s.text) {
		return s.fault(s.pos, unreadEOF+" in a Number value")
	}
	r, _ := utf8.DecodeRuneInString(s.text[s.pos:])
	return s.fault(s.pos, "Unexpected character (%s) in numeric value: %s", describe(r), why)
}

// string returns the text of the string that is the current token.
func (s *scanner) string() (string, error) {
	err := s.finish()
	return s.read, err
}

// finish reads the current string, if that was not done.
func (s *scanner) finish() (err error) {
	if s.begun {
		s.begun = false
		s.read, err = s.quoted(endOfString)
	}
	return err
}

// quoted reads up to the closing quote and past it.
func (s *scanner) quoted(unended string) (string, error) {
	var out strings.Builder
	for s.pos < len(s.text) {
		c := s.text[s.pos]
		s.pos++
		switch {
		case c == '"':
			return out.String(), nil
		case c < ' ':
			return "", s.fault(s.pos-1, "Illegal unquoted character (%s): has to be escaped using backslash to be included in string value", describe(rune(c)))
		case c != '\\':
			out.WriteByte(c)
		default:
			r, err := s.escape()
			if err != nil {
				return "", err
			}
			out.WriteRune(r)
		}
	}
	return "", s.fault(s.pos, unreadEOF+"%s", unended)
}

var escapes = map[byte]rune{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// escape reads what follows a backslash.
func (s *scanner) escape() (rune, error) {
	if s.pos == len(s.text) {
		return 0, s.fault(s.pos, unreadEOF+" in character escape sequence")
	}
	c := s.text[s.pos]
	s.pos++
	if r, ok := escapes[c]; ok {
		return r, nil
	}
	if c != 'u' {
		return 0, s.fault(s.pos, "Unrecognized character escape %s", describe(rune(c)))
	}
	r, err := s.hex()
	if err != nil || !utf16.IsSurrogate(r) || !strings.HasPrefix(s.text[s.pos:], `\u`) {
		return r, err
	}
	at := s.pos
	s.pos += 2
	low, err := s.hex()
	pair := utf16.DecodeRune(r, low)
	if pair == utf8.RuneError {
		s.pos = at // what follows is no other half
	}
	return pair, err
}

func (s *scanner) hex() (r rune, err error) {
	for range 4 {
		if s.pos == len(s.text) {
			return 0, s.fault(s.pos, unreadEOF+" in character escape sequence")
		}
		digit := strings.IndexByte("0123456789abcdef", s.text[s.pos]|0x20)
		if digit < 0 || s.text[s.pos] < '0' {
			c, _ := utf8.DecodeRuneInString(s.text[s.pos:])
			return 0, s.fault(s.pos, "Unexpected character (%s): expected a hex-digit for character escape sequence", describe(c))
		}
		r = r<<4 | rune(digit)
		s.pos++
	}
	return r, nil
}

// unexpected is the error that the next character has no place here.
func (s *scanner) unexpected(format string, args ...any) error {
	if s.pos == len(s.text) {
		kind := inObject
		if len(s.open) > 0 {
			kind = s.open[len(s.open)-1].kind()
		}
		return s.fault(s.pos, unreadEOF+" within/between %s entries", kind)
	}
	r, _ := utf8.DecodeRuneInString(s.text[s.pos:])
	return s.fault(s.pos, "Unexpected character (%s): %s", describe(r), fmt.Sprintf(format, args...))
}

// describe names a character.
func describe(r rune) string {
	switch {
	case r < ' ':
		return fmt.Sprintf("(CTRL-CHAR, code %d)", r)
	case r > 255:
		return fmt.Sprintf("'%c' (code %d / 0x%x)", r, r, r)
	}
	return fmt.Sprintf("'%c' (code %d)", r, r)
}

// fail returns an error at the place that the scanner is at.
func (s *scanner) fail(format string, args ...any) error { return s.fault(s.pos, format, args...) }

// fault returns an error at a place in the text.
func (s *scanner) fault(at int, format string, args ...any) error {
	return &Error{fmt.Sprintf(format, args...) + "\n at " + s.location(at)}
}

// location describes a place: line and column count from 1, the latter in
// UTF-16.
func (s *scanner) location(at int) string {
	before := s.text[:at]
	line := 1 + strings.Count(before, "\n")
	column := 1 + units(before[strings.LastIndexByte(before, '\n')+1:])
	source, rest := s.text, ""
	if n := units(source); n > maxQuoted {
		source, rest = cut(source, maxQuoted), fmt.Sprintf("[truncated %d chars]", n-maxQuoted)
	}
	return fmt.Sprintf(`[Source: (String)"%s"%s; line: %d, column: %d]`, source, rest, line, column)
}

// units returns how long a text is in UTF-16.
func units(s string) (n int) {
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}

// cut returns the beginning of s, of at most n units of UTF-16.
func cut(s string, n int) string {
	for i, r := range s {
		if n -= utf16.RuneLen(r); n < 0 {
			return s[:i]
		}
	}
	return s
}
