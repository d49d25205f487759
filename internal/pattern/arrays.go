package pattern

import (
	"encoding/binary"
	"maps"
	"slices"
)

// A constraint is a condition whose leaves all lie in array elements.
type constraint struct {
	held   []leaf // those that it holds for
	all    []leaf // and all at its path
	absent bool   // it holds, too, where there is none
}

// A choice says which elements of arrays have been chosen, in the order of the
// arrays.
type choice []place

// index returns which element of an array has been chosen, if one was.
func (c choice) index(array int) (index int, chosen bool) {
	for _, p := range c {
		if p.array == array {
			return p.index, true
		}
	}
	return 0, false
}

// with returns the choice and one more.
func (c choice) with(p place) choice {
	i, _ := slices.BinarySearchFunc(c, p.array, func(p place, array int) int { return p.array - array })
	return slices.Insert(c[:len(c):len(c)], i, p)
}

func (c choice) key() string {
	var key []byte
	for _, p := range c {
		key = binary.AppendUvarint(binary.AppendUvarint(key, uint64(p.array)), uint64(p.index))
	}
	return string(key)
}

// agree reports whether a leaf can be chosen for each of the constraints such
// that those that lie in one array lie in one element of it. It goes through
// the constraints with all choices that are possible so far, and forgets of
// each what no later constraint has to do with: so there are never many more
// of them than leaves.
func agree(constraints []constraint) bool {
	if len(constraints) == 0 || len(constraints) == 1 && !constraints[0].absent {
		return true
	}
	last := map[int]int{} // array → constraint
	for i, c := range constraints {
		for _, l := range c.all {
			for _, p := range l.in {
				last[p.array] = i
			}
		}
	}
	choices := []choice{nil}
	for i, c := range constraints {
		next := map[string]choice{}
		keep := func(made choice) {
			made = slices.DeleteFunc(slices.Clone(made), func(p place) bool { return last[p.array] <= i })
			next[made.key()] = made
		}
		c.follow(choices, keep)
		if len(next) == 0 {
			return false
		}
		choices = slices.Collect(maps.Values(next))
	}
	return true
}

// follow calls yield for the choices that the constraint leaves of some.
func (c constraint) follow(choices []choice, yield func(choice)) {
	held, all := newForest(c.held), &forest{}
	if c.absent {
		all = newForest(c.all)
	}
	for _, made := range choices {
		held.each(made, yield)
		if c.absent && !all.any(made) {
			yield(made)
		}
	}
}

// A forest holds leaves by the array elements that they lie in.
type forest struct {
	here  bool                    // a leaf that lies in no more elements
	below map[int]map[int]*forest // array → index → what lies there
}

func newForest(leaves []leaf) *forest {
	root := &forest{}
	for _, l := range leaves {
		f := root
		for _, p := range l.in {
			if f.below == nil {
				f.below = map[int]map[int]*forest{}
			}
			elements := f.below[p.array]
			if elements == nil {
				elements = map[int]*forest{}
				f.below[p.array] = elements
			}
			if elements[p.index] == nil {
				elements[p.index] = &forest{}
			}
			f = elements[p.index]
		}
		f.here = true
	}
	return root
}

// each calls yield for the choices that follow from made by choosing one of
// the leaves.
func (f *forest) each(made choice, yield func(choice)) {
	if f.here {
		yield(made)
	}
	for array, elements := range f.below {
		if index, chosen := made.index(array); chosen {
			if below := elements[index]; below != nil {
				below.each(made, yield)
			}
			continue
		}
		for index, below := range elements {
			below.each(made.with(place{array, index}), yield)
		}
	}
}

// any reports whether a leaf could be chosen.
func (f *forest) any(made choice) bool {
	if f.here {
		return true
	}
	for array, elements := range f.below {
		if index, chosen := made.index(array); chosen {
			if below := elements[index]; below != nil && below.any(made) {
				return true
			}
			continue
		}
		for _, below := range elements {
			if below.any(made) {
				return true
			}
		}
	}
	return false
}
