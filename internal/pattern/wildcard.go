package pattern

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// A glob is a parsed wildcard: literal bytes, and any for the *.
type glob []int16

const anyText = -1

// parseGlob reads a wildcard. Positions in errors count the quote that the
// text begins with.
func parseGlob(text string) (glob, error) {
	var g glob
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '*' && i+1 < len(text) && text[i+1] == '*':
			return nil, &Error{fmt.Sprintf("Consecutive wildcard characters at pos %d", i+1)}
		case c == '*':
			g = append(g, anyText)
		case c == '\\' && i+1 < len(text) && (text[i+1] == '*' || text[i+1] == '\\'):
			i++
			g = append(g, int16(text[i]))
		case c == '\\':
			return nil, &Error{fmt.Sprintf("Invalid escape character at pos %d", i+1)}
		default:
			g = append(g, int16(c))
		}
	}
	return g, nil
}

func (g glob) holds(l *leaf) bool { return l.kind == kindText && g.match(l.text) }

// match reports whether the whole text fits. Where it does not, the last *
// takes one byte more.
func (g glob) match(text string) bool {
	at, i := 0, 0
	star, taken := -1, 0
	for i < len(text) {
		switch {
		case at < len(g) && g[at] == anyText:
			star, taken = at, i
			at++
		case at < len(g) && g[at] == int16(text[i]):
			at++
			i++
		case star >= 0:
			taken++
			at, i = star+1, taken
		default:
			return false
		}
	}
	for at < len(g) && g[at] == anyText {
		at++
	}
	return at == len(g)
}

// maxPlaces bounds the places of a wildcard at which the reading of some text
// could be at once. AWS does not tell its bound: it was recorded to take
// /Users/*/dir/dir/dir/dir/dir/doc.txt, which has 8, and to refuse
// *:*:*:*:*:event-bus/*, which has 11.
const maxPlaces = 9

// maxStates bounds the search for the worst text.
const maxStates = 4096

// tooComplex reports whether there is a text that could be read in too many
// ways: it follows all texts at once, by the set of places that each may be at.
func (g glob) tooComplex() bool {
	const other = anyText - 1 // a byte that is nowhere in g
	alphabet := append(slices.Clone(g), other)
	slices.Sort(alphabet)
	alphabet = slices.Compact(alphabet)
	start := g.reach([]uint16{0})
	seen := map[string]bool{}
	for queue := [][]uint16{start}; len(queue) > 0; queue = queue[1:] {
		for _, c := range alphabet {
			if c == anyText {
				continue
			}
			next := g.read(queue[0], c)
			if len(next) > maxPlaces || len(seen) > maxStates {
				return true
			}
			if key := keyOf(next); !seen[key] {
				seen[key] = true
				queue = append(queue, next)
			}
		}
	}
	return false
}

// read returns the places at which reading is after c, from any of some.
func (g glob) read(from []uint16, c int16) []uint16 {
	var to []uint16
	for _, at := range from {
		switch {
		case int(at) == len(g):
		case g[at] == anyText:
			to = append(to, at)
		case g[at] == c:
			to = append(to, at+1)
		}
	}
	return g.reach(to)
}

// reach adds the places after a *, which may stand for nothing.
func (g glob) reach(at []uint16) []uint16 {
	for _, i := range at {
		if int(i) < len(g) && g[i] == anyText {
			at = append(at, i+1)
		}
	}
	slices.Sort(at)
	return slices.Compact(at)
}

func keyOf(set []uint16) string {
	var key []byte
	for _, at := range set {
		key = binary.BigEndian.AppendUint16(key, at)
	}
	return string(key)
}
