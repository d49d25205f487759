package pattern

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// naive matches a pattern, decoded but not compiled, against an event in the
// plainest way: it tries every leaf at every path.
func naive(pattern, event map[string]any) bool {
	leaves := map[string][]naiveLeaf{}
	arrays := 0
	for name, v := range event {
		naiveLeaves(leaves, &arrays, name, v, map[int]int{})
	}
	return slices.ContainsFunc(naiveBranches([]map[string][]any{{}}, "", pattern), func(b map[string][]any) bool {
		paths := slices.SortedFunc(maps.Keys(b), func(a, b string) int { return slices.Compare(strings.Split(a, "."), strings.Split(b, ".")) })
		return naiveAll(b, paths, leaves, map[int]int{})
	})
}

type naiveLeaf struct {
	value any
	in    map[int]int
}

func naiveLeaves(leaves map[string][]naiveLeaf, arrays *int, path string, v any, in map[int]int) {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			naiveLeaves(leaves, arrays, path+"."+name, member, in)
		}
	case []any:
		*arrays++
		array := *arrays
		for i, element := range v {
			inside := maps.Clone(in)
			switch element.(type) {
			case map[string]any, []any:
				inside[array] = i
			}
			naiveLeaves(leaves, arrays, path, element, inside)
		}
	default:
		leaves[path] = append(leaves[path], naiveLeaf{v, in})
	}
}

// naiveBranches multiplies out $or. Members are taken in the order of their
// names, in which the test writes them.
func naiveBranches(branches []map[string][]any, prefix string, pattern map[string]any) []map[string][]any {
	for _, name := range slices.Sorted(maps.Keys(pattern)) {
		switch v := pattern[name].(type) {
		case map[string]any:
			branches = naiveBranches(branches, prefix+name+".", v)
		case []any:
			if name != "$or" {
				for _, b := range branches {
					b[prefix+name] = v
				}
				continue
			}
			var all []map[string][]any
			for _, alternative := range v {
				var mine []map[string][]any
				for _, b := range branches {
					mine = append(mine, maps.Clone(b))
				}
				all = append(all, naiveBranches(mine, prefix, alternative.(map[string]any))...)
			}
			branches = all
		}
	}
	return branches
}

func naiveAll(b map[string][]any, paths []string, leaves map[string][]naiveLeaf, in map[int]int) bool {
	if len(paths) == 0 {
		return true
	}
	found := false
	for _, l := range leaves[paths[0]] {
		merged, ok := maps.Clone(in), true
		for array, index := range l.in {
			if chosen, was := merged[array]; was && chosen != index {
				ok = false
			}
			merged[array] = index
		}
		found = found || ok
		if ok && slices.ContainsFunc(b[paths[0]], func(m any) bool { return naiveHolds(m, l.value) }) && naiveAll(b, paths[1:], leaves, merged) {
			return true
		}
	}
	absent := slices.ContainsFunc(b[paths[0]], func(m any) bool {
		o, _ := m.(map[string]any)
		return o["exists"] == false
	})
	return absent && !found && naiveAll(b, paths[1:], leaves, in)
}

func naiveHolds(m, v any) bool {
	object, ok := m.(map[string]any)
	if !ok {
		return naiveEqual(m, v, true)
	}
	text, isText := v.(string)
	for operator, operand := range object {
		switch operator {
		case "exists":
			return operand == true
		case "anything-but":
			return !naiveExcluded(operand, v)
		case "numeric":
			return naiveNumeric(operand.([]any), v)
		}
		return isText && naiveText(operator, operand, text)
	}
	panic("an empty match")
}

func naiveEqual(a, b any, addresses bool) bool {
	if x, ok := a.(json.Number); ok {
		y, ok := b.(json.Number)
		return ok && rational(x).Cmp(rational(y)) == 0
	}
	if a == b {
		return true
	}
	x, okX := a.(string)
	y, okY := b.(string)
	if !addresses || !okX || !okY {
		return false
	}
	p, errX := netip.ParseAddr(x)
	q, errY := netip.ParseAddr(y)
	return errX == nil && errY == nil && p == q
}

func rational(n json.Number) *big.Rat {
	r, ok := new(big.Rat).SetString(string(n))
	if !ok {
		panic(n)
	}
	return r
}

func naiveText(operator string, operand any, text string) bool {
	if inner, ok := operand.(map[string]any); ok {
		operand, text = strings.ToLower(inner["equals-ignore-case"].(string)), strings.ToLower(text)
	}
	want := operand.(string)
	switch operator {
	case "prefix":
		return strings.HasPrefix(text, want)
	case "suffix":
		return strings.HasSuffix(text, want)
	case "equals-ignore-case":
		return strings.EqualFold(text, want)
	case "wildcard":
		return regexp.MustCompile("(?s)^" + strings.ReplaceAll(regexp.QuoteMeta(want), `\*`, ".*") + "$").MatchString(text)
	case "cidr":
		a, err := netip.ParseAddr(text)
		return err == nil && netip.MustParsePrefix(want).Contains(a)
	}
	panic(operator)
}

func naiveExcluded(operand, v any) bool {
	if o, ok := operand.(map[string]any); ok {
		for operator, inner := range o {
			text, isText := v.(string)
			list, isList := inner.([]any)
			if !isList {
				list = []any{inner}
			}
			return isText && slices.ContainsFunc(list, func(x any) bool { return naiveText(operator, x, text) })
		}
	}
	list, isList := operand.([]any)
	if !isList {
		list = []any{operand}
	}
	return slices.ContainsFunc(list, func(x any) bool { return naiveEqual(x, v, false) })
}

func naiveNumeric(operand []any, v any) bool {
	n, ok := v.(json.Number)
	if !ok || rational(n).Cmp(big.NewRat(5e9, 1)) > 0 || rational(n).Cmp(big.NewRat(-5e9, 1)) < 0 {
		return false
	}
	for i := 0; i < len(operand); i += 2 {
		c := rational(n).Cmp(rational(operand[i+1].(json.Number)))
		holds := map[string]bool{"=": c == 0, "<": c < 0, "<=": c <= 0, ">": c > 0, ">=": c >= 0}
		if !holds[operand[i].(string)] {
			return false
		}
	}
	return true
}

// A maker makes patterns and events out of bytes.
type maker struct{ data []byte }

func (m *maker) n(most int) int {
	if len(m.data) == 0 {
		return 0
	}
	b := m.data[0]
	m.data = m.data[1:]
	return int(b) % most
}

func pick[T any](m *maker, from ...T) T { return from[m.n(len(from))] }

func (m *maker) text() string {
	return pick(m, "", "a", "ab", "AB", "abc", "b", "10.0.0.1", "10.0.0.9", "::1", "0:0::1")
}

func (m *maker) number() json.Number {
	return pick[json.Number](m, "0", "-0.0", "1", "1.0", "10e-1", "1.5", "-2", "1e3", "1000", "5000000001")
}

func (m *maker) small() json.Number {
	return pick[json.Number](m, "0", "1", "1.0", "1.5", "-2", "1e3")
}

func (m *maker) name() string { return pick(m, "a", "b", "c", "a.b", "b.c", "a-b") }

func (m *maker) value(depth int) any {
	switch m.n(9) {
	case 0, 1:
		return m.number()
	case 2:
		return pick[any](m, true, false, nil)
	case 3, 4:
		if depth > 0 {
			return m.object(depth - 1)
		}
	case 5, 6:
		list := []any{}
		for range m.n(4) {
			if depth > 0 {
				list = append(list, m.value(depth-1))
			}
		}
		return list
	}
	return m.text()
}

func (m *maker) object(depth int) map[string]any {
	o := map[string]any{}
	for range 1 + m.n(3) {
		o[m.name()] = m.value(depth)
	}
	return o
}

func (m *maker) pattern(depth int) map[string]any {
	o := map[string]any{}
	for range 1 + m.n(3) {
		switch kind := m.n(5); {
		case kind == 0 && depth > 0:
			o["$or"] = []any{m.pattern(depth - 1), m.pattern(depth - 1)}
		case kind == 1 && depth > 0:
			o[m.name()] = m.pattern(depth - 1)
		default:
			list := []any{m.match()}
			for range m.n(3) {
				list = append(list, m.match())
			}
			o[m.name()] = list
		}
	}
	return o
}

func (m *maker) match() any {
	switch m.n(13) {
	case 0:
		return m.number()
	case 1:
		return pick[any](m, true, false, nil)
	case 2:
		return map[string]any{pick(m, "prefix", "suffix"): m.text()}
	case 3:
		return map[string]any{pick(m, "prefix", "suffix"): map[string]any{"equals-ignore-case": m.text()}}
	case 4:
		return map[string]any{"equals-ignore-case": m.text()}
	case 5:
		return map[string]any{"wildcard": pick(m, "*", "a*", "*b", "a*c", "*b*", "")}
	case 6:
		return map[string]any{"cidr": pick(m, "10.0.0.0/29", "10.0.0.8/31", "::/127", "0.0.0.0/0")}
	case 7:
		return map[string]any{"exists": pick(m, true, false)}
	case 8:
		return map[string]any{"numeric": []any{pick(m, "=", "<", "<=", ">", ">="), m.small()}}
	case 9:
		return map[string]any{"numeric": []any{pick(m, ">", ">="), pick[json.Number](m, "-3", "0", "1"), pick(m, "<", "<="), pick[json.Number](m, "1.5", "1001")}}
	case 10:
		return map[string]any{"anything-but": pick[any](m, m.text(), m.small(), []any{m.text(), m.text()}, []any{m.small(), m.small()})}
	case 11:
		operator := pick(m, "prefix", "suffix", "equals-ignore-case", "wildcard")
		return map[string]any{"anything-but": map[string]any{operator: pick[any](m, "a", []any{"b", "ab"})}}
	}
	return m.text()
}

func FuzzMatch(f *testing.F) {
	for i := range 64 {
		f.Add([]byte(fmt.Sprintf("%d: %x", i, i*i*7919)), []byte(strings.Repeat(string(rune('a'+i)), 40)))
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		m := &maker{a}
		pattern := m.pattern(2)
		m.data = b
		event := m.object(3)
		text, err := json.Marshal(pattern)
		if err != nil {
			t.Fatal(err)
		}
		p := parsed(t, string(text))
		e := NewEvent(event)
		want := naive(pattern, event)
		if got := p.Match(e); got != want {
			shown, _ := json.Marshal(event)
			t.Errorf("%s against %s: %v, not %v", text, shown, got, want)
		}
		if found := NewSet([]*Pattern{p}).Match(e); (len(found) == 1) != want {
			t.Errorf("the set of %s finds %v, not %v", text, found, want)
		}
	})
}
