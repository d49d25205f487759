package pattern

import "slices"

// A Set finds those of many patterns that match an event, in a time that
// depends on how many could. Of each branch of a pattern it chooses one
// condition: if possible one that wants certain values, and of those the one
// whose values the fewest branches want. An event asks only for the branches
// whose condition one of its leaves fits. A Set is immutable and safe for
// concurrent use.
type Set struct {
	patterns []*Pattern
	values   map[key][]reference    // branches by a value that they want
	paths    map[string][]reference // by a path at which they want some leaf
	others   []reference            // that want no leaf
}

// A key is a value at a path.
type key struct {
	path  string
	value value
}

// A reference means a branch of a pattern of the set.
type reference struct{ pattern, branch int }

// NewSet returns the set of some patterns.
func NewSet(patterns []*Pattern) *Set {
	s := &Set{patterns: patterns, values: map[key][]reference{}, paths: map[string][]reference{}}
	wanted := map[key]int{}
	for _, p := range patterns {
		for _, b := range p.branches {
			for _, c := range b {
				for _, v := range c.values() {
					wanted[key{c.path, v}]++
				}
			}
		}
	}
	for i, p := range patterns {
		for j, b := range p.branches {
			s.add(reference{i, j}, b, wanted)
		}
	}
	return s
}

// values returns the values that the condition wants one of; none if others
// do as well.
func (c *condition) values() (values []value) {
	if c.absent {
		return nil
	}
	for _, t := range c.tests {
		e, ok := t.(equals)
		if !ok || e.address.IsValid() {
			return nil
		}
		values = append(values, e.value)
	}
	return values
}

func (s *Set) add(r reference, b branch, wanted map[key]int) {
	best, rivals := -1, 0
	path := ""
	for i := range b {
		c := &b[i]
		if c.absent {
			continue
		}
		path = c.path
		values := c.values()
		n := 0
		for _, v := range values {
			n += wanted[key{c.path, v}]
		}
		if len(values) > 0 && (best < 0 || n < rivals) {
			best, rivals = i, n
		}
	}
	switch {
	case best >= 0:
		for _, v := range b[best].values() {
			k := key{b[best].path, v}
			s.values[k] = append(s.values[k], r)
		}
	case path != "":
		s.paths[path] = append(s.paths[path], r)
	default:
		s.others = append(s.others, r)
	}
}

// Match returns the indices of the patterns that match, in order.
func (s *Set) Match(e *Event) (matched []int) {
	try := func(references []reference) {
		for _, r := range references {
			if s.patterns[r.pattern].branches[r.branch].match(e) {
				matched = append(matched, r.pattern)
			}
		}
	}
	for path, leaves := range e.leaves {
		for i := range leaves {
			try(s.values[key{path, leaves[i].value}])
		}
		try(s.paths[path])
	}
	try(s.others)
	slices.Sort(matched)
	return slices.Compact(matched)
}
