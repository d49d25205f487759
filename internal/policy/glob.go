package policy

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// In a compiled pattern the wildcards are bytes that UTF-8 text never holds,
// so that a literal * or ? needs no escape.
const (
	anyRun = '\xff' // *: any characters, also none
	anyOne = '\xfe' // ?: one character
)

// glob is a compiled text of a policy: a pattern, or a plain string when it
// was compiled without wildcards.
type glob struct {
	text    string // the whole pattern, when parts is nil
	literal int    // bytes of text before the first wildcard
	parts   []part // the pattern in pieces, when it holds variables
}

// part is a piece of pattern and the variable after it.
type part struct {
	text     string
	key      conditionKey // none after the last part
	fallback string
	optional bool // fallback stands in for a missing value
}

// compileGlob compiles a text of a policy.
func compileGlob(text string, wildcards, variables bool) (glob, error) {
	var g glob
	var b strings.Builder
	for i := 0; i < len(text); {
		if variables && strings.HasPrefix(text[i:], "${") {
			v, length, err := parseVariable(text[i:])
			if err != nil {
				return g, err
			}
			if i += length; v.key.name == "" {
				b.WriteString(v.text)
				continue
			}
			v.text = b.String()
			g.parts = append(g.parts, v)
			b.Reset()
			continue
		}
		b.WriteByte(compileByte(text[i], wildcards))
		i++
	}
	if g.text = b.String(); g.parts != nil {
		g.parts = append(g.parts, part{text: g.text})
	}
	for g.literal < len(g.text) && g.text[g.literal] < anyOne {
		g.literal++
	}
	return g, nil
}

func compileByte(c byte, wildcards bool) byte {
	switch {
	case wildcards && c == '*':
		return anyRun
	case wildcards && c == '?':
		return anyOne
	}
	return c
}

var errVariable = errors.New(`malformed variable: want ${key}, ${key, 'default'}, ${*}, ${?} or ${$}`)

// parseVariable parses the variable that text starts with and returns its
// length. A special character comes back as the text of a part without key.
func parseVariable(text string) (v part, length int, err error) {
	name, rest, ok := cutAny(text[len("${"):], ",}")
	if name = strings.TrimSpace(name); !ok || name == "" {
		return v, 0, errVariable
	}
	if rest[0] == ',' {
		rest = strings.TrimLeft(rest[1:], " ")
		if v.fallback, rest, ok = cutQuoted(rest); !ok {
			return v, 0, errVariable
		}
		v.optional = true
		rest = strings.TrimLeft(rest, " ")
	}
	if !strings.HasPrefix(rest, "}") {
		return v, 0, errVariable
	}
	length = len(text) - len(rest) + 1
	if len(name) == 1 && strings.Contains("*?$", name) {
		return part{text: name}, length, nil
	}
	v.key = newConditionKey(name)
	return v, length, nil
}

// cutAny splits text before the first of the characters.
func cutAny(text, characters string) (before, rest string, ok bool) {
	i := strings.IndexAny(text, characters)
	if i < 0 {
		return "", "", false
	}
	return text[:i], text[i:], true
}

// cutQuoted splits text after the 'quoted' string that it starts with.
func cutQuoted(text string) (quoted, rest string, ok bool) {
	if !strings.HasPrefix(text, "'") {
		return "", "", false
	}
	return strings.Cut(text[1:], "'")
}

// resolve returns the pattern with its variables replaced. It fails, and the
// request remembers that, when a key has no value, several, or one that can't
// stand in a pattern.
func (g *glob) resolve(e *env) (pattern string, ok bool) {
	if g.parts == nil {
		return g.text, true
	}
	var b strings.Builder
	for i := range g.parts {
		p := &g.parts[i]
		b.WriteString(p.text)
		if p.key.name == "" {
			continue
		}
		values := e.lookup(p.key)
		switch {
		case len(values) == 1 && strings.IndexByte(values[0], anyRun) < 0 && strings.IndexByte(values[0], anyOne) < 0:
			b.WriteString(values[0])
		case len(values) == 0 && p.optional:
			b.WriteString(p.fallback)
		default:
			e.unresolved = true
			return "", false
		}
	}
	return b.String(), true
}

// match reports whether text fits the pattern, given the request's variables.
func (g *glob) match(e *env, text string) bool {
	if g.parts != nil {
		pattern, ok := g.resolve(e)
		return ok && matchGlob(pattern, text)
	}
	return strings.HasPrefix(text, g.text[:g.literal]) && matchGlob(g.text[g.literal:], text[g.literal:])
}

// matchGlob reports whether text fits a resolved pattern. On a mismatch only
// the last * is retried, one character further, which is enough: the time is
// at most the product of the two lengths.
func matchGlob(pattern, text string) bool {
	p, t := 0, 0
	retryP, retryT := -1, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == anyRun:
			if p++; p == len(pattern) {
				return true
			}
			retryP, retryT = p, t
		case p < len(pattern) && pattern[p] == anyOne:
			p, t = p+1, t+width(text[t:])
		case p < len(pattern) && pattern[p] == text[t]:
			p, t = p+1, t+1
		case retryP >= 0:
			retryT += width(text[retryT:])
			p, t = retryP, retryT
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == anyRun {
		p++
	}
	return p == len(pattern)
}

// width returns the length of the first character of text.
func width(text string) int {
	_, n := utf8.DecodeRuneInString(text)
	return n
}

// arnGlob is a pattern for ARNs, compared part by part: a wildcard does not
// reach over a colon, except in the last part.
type arnGlob struct {
	parts [arnParts]glob
	all   bool // the pattern is a lone *
}

// arnParts is the number of parts of an ARN:
// arn:partition:service:region:account:resource.
const arnParts = 6

// compileARN compiles the value of an Arn operator. A text that isn't an ARN
// pattern matches nothing, like a variable without value.
func compileARN(text string, variables bool) (*arnGlob, error) {
	if text == anyone {
		return &arnGlob{all: true}, nil
	}
	texts, ok := splitARN(text, variables)
	if !ok {
		return nil, nil
	}
	var a arnGlob
	for i := range a.parts {
		var err error
		if a.parts[i], err = compileGlob(texts[i], true, variables); err != nil {
			return nil, fmt.Errorf("in %q: %w", text, err)
		}
	}
	return &a, nil
}

// match reports whether text is an ARN that fits.
func (a *arnGlob) match(e *env, text string) bool {
	if a == nil {
		return false
	}
	texts, ok := splitARN(text, false)
	if !ok || a.all {
		return ok
	}
	for i := range a.parts {
		if !a.parts[i].match(e, texts[i]) {
			return false
		}
	}
	return true
}

// splitARN splits an ARN into its parts, passing over the colons that belong
// to the names of variables.
func splitARN(text string, variables bool) (parts [arnParts]string, ok bool) {
	n, start, inside := 0, 0, false
	for i := 0; i < len(text) && n < arnParts-1; i++ {
		switch {
		case variables && strings.HasPrefix(text[i:], "${"):
			inside = true
		case inside && text[i] == '}':
			inside = false
		case !inside && text[i] == ':':
			parts[n], start = text[start:i], i+1
			n++
		}
	}
	parts[n] = text[start:]
	return parts, n == arnParts-1
}
