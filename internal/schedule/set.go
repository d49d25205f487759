package schedule

import "math/bits"

// set is a set of the numbers base to base+255. The zero set is empty, with base 0.
type set struct {
	base  int
	words [4]uint64
}

// add puts n, which must be in range, into s.
func (s *set) add(n int) {
	i := n - s.base
	s.words[i/64] |= 1 << (i % 64)
}

// has reports whether n is in s.
func (s *set) has(n int) bool {
	m, ok := s.from(n)
	return ok && m == n
}

// from returns the least member of s that is n or more, and whether there is one.
func (s *set) from(n int) (least int, ok bool) {
	i := max(n-s.base, 0)
	mask := ^uint64(0) << (i % 64)
	for w := i / 64; w < len(s.words); w++ {
		if word := s.words[w] & mask; word != 0 {
			return s.base + w*64 + bits.TrailingZeros64(word), true
		}
		mask = ^uint64(0)
	}
	return 0, false
}
