// Package pattern is the language of EventBridge's event patterns, which also
// filters the messages of Lambda's event source mappings. It is pure: a
// pattern is parsed once and then matched against events, by itself or, in a
// Set, together with thousands of others.
//
// # Grammar
//
//	pattern    = { name: pattern | [ match, ... ], ..., "$or": [ pattern, pattern, ... ], ... }
//	match      = text | number | true | false | null
//	           | { "prefix": text | folded }  | { "suffix": text | folded }
//	           | { "equals-ignore-case": text } | { "exactly": text }
//	           | { "wildcard": glob }         | { "cidr": "address/bits" }
//	           | { "numeric": [ "=" | "<" | "<=" | ">" | ">=", number ] }
//	           | { "numeric": [ ">" | ">=", number, "<" | "<=", number ] }
//	           | { "exists": true | false }
//	           | { "anything-but": scalar | [ scalar, ... ] | { affix: text | [ text, ... ] } }
//	folded     = { "equals-ignore-case": text }
//	affix      = "prefix" | "suffix" | "equals-ignore-case" | "wildcard"
//	scalar     = text | number                    a list has only texts or only numbers
//
// In a glob, * stands for any characters, \* and \\ for * and \ themselves;
// two * in a row are refused, and so is a glob that could be at too many of its
// places at once.
//
// # Matching
//
// An event is the leaves of a JSON object: texts, numbers, booleans and nulls,
// each at a path of names with dots between them. A name with dots in it
// is as good as nested objects, in patterns as in events. A leaf in an array
// has the path of the array.
//
// A pattern is a list of paths, of which each must be matched by a leaf that
// one of its matches holds for; with $or it is several such lists, of which one
// must be. Leaves that lie in elements of an array must all lie in the same
// element of it, for one list at a time. {"exists": false} holds if no leaf is
// at the path, or none in the elements that the paths before it, in
// alphabetical order, have chosen. A path that two parts of a list have belongs
// to the later one.
//
// Text is compared as it is, but for addresses (10.0.0.1, 2001:db8::1), which
// are compared as such. Numbers are compared exactly, 300 equals 3.0e2;
// "numeric" holds for numbers from -5e9 to 5e9 only.
//
// See "Amazon EventBridge event patterns" in the EventBridge user guide. The
// texts of errors are those of AWS, recorded.
package pattern

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// A Pattern is a parsed event pattern. It is immutable and safe for concurrent
// use. The zero Pattern matches nothing.
type Pattern struct {
	branches []branch // any of them
}

// A branch is a list of conditions, all of which must hold, in the order of
// their paths.
type branch []condition

// A condition is what must hold at a path.
type condition struct {
	path   string
	tests  []test // any of them
	absent bool   // or there is no leaf
}

// Error says why a text is no pattern, in AWS's words.
type Error struct{ Reason string }

// Error implements error.
func (e *Error) Error() string { return e.Reason }

// Parse parses an event pattern. An error is an *Error.
func Parse(text string) (*Pattern, error) {
	c := &compiler{scanner: scanner{text: text}}
	rules, err := c.pattern()
	if err != nil {
		return nil, err
	}
	p := &Pattern{}
	for _, r := range rules {
		p.branches = append(p.branches, r.branch())
	}
	return p, nil
}

// A rule is a branch in the making, by path.
type rule map[string]condition

func (r rule) branch() branch {
	return slices.SortedFunc(maps.Values(r), func(a, b condition) int { return comparePaths(a.path, b.path) })
}

// comparePaths orders paths name by name, so that those that begin alike are
// next to each other.
func comparePaths(a, b string) int {
	for {
		nameA, restA, moreA := strings.Cut(a, ".")
		nameB, restB, moreB := strings.Cut(b, ".")
		switch c := cmp.Compare(nameA, nameB); {
		case c != 0:
			return c
		case !moreA && !moreB:
			return 0
		case !moreA:
			return -1
		case !moreB:
			return 1
		}
		a, b = restA, restB
	}
}

// Match reports whether the pattern matches an event.
func (p *Pattern) Match(e *Event) bool {
	return slices.ContainsFunc(p.branches, func(b branch) bool { return b.match(e) })
}

// match reports whether all conditions hold. Most do whatever array elements
// the others choose; those that do not are left to agree.
func (b branch) match(e *Event) bool {
	var bound []constraint
	for i := range b {
		c := &b[i]
		leaves := e.leaves[c.path]
		held, free := c.holders(leaves)
		switch {
		case free:
		case len(held) == 0 && !c.absent:
			return false
		default:
			bound = append(bound, constraint{held: held, all: leaves, absent: c.absent})
		}
	}
	return agree(bound)
}

// holders returns the leaves that the condition holds for. It is free if it
// holds wherever the leaves of other conditions lie.
func (c *condition) holders(leaves []leaf) (held []leaf, free bool) {
	if c.absent && len(leaves) == 0 {
		return nil, true
	}
	for i := range leaves {
		if l := &leaves[i]; c.holdsFor(l) {
			if len(l.in) == 0 {
				return nil, true
			}
			held = append(held, *l)
		}
	}
	return held, false
}

func (c *condition) holdsFor(l *leaf) bool {
	for _, t := range c.tests {
		if t.holds(l) {
			return true
		}
	}
	return false
}
