package policy

import (
	"maps"
	"slices"
	"strings"
)

// Span returns where the statement begins and ends, in bytes of its text.
func (s *Statement) Span() (begin, end int) { return s.offset, s.end }

// Applying returns the statements of an effect that apply to the request. In a
// policy that is attached to a resource those count that mean the principal.
func (d *Document) Applying(p Principal, r Request, effect Effect, attached bool) (all []*Statement) {
	e := &env{p: p, r: r, action: strings.ToLower(r.Action)}
	for i := range d.Statements {
		s := &d.Statements[i]
		named := !attached || s.Principal.grantOf(&p, s.Effect) != unnamed
		if s.Effect == effect && named && s.applies(e, attached) {
			all = append(all, s)
		}
	}
	return all
}

// Keys returns the names of the condition keys that the document asks for, in
// conditions and as variables, in order and each once.
func (d *Document) Keys() []string {
	found := map[string]string{}
	add := func(key string) {
		if folded := strings.ToLower(key); found[folded] == "" {
			found[folded] = key
		}
	}
	for i := range d.Statements {
		s := &d.Statements[i]
		texts := slices.Clone(s.Resource.Values)
		for j := range s.Conditions {
			add(s.Conditions[j].Key)
			texts = append(texts, s.Conditions[j].Values...)
		}
		for _, text := range texts {
			if d.Version == Version2012 {
				variables(text, add)
			}
		}
	}
	return slices.Sorted(maps.Values(found))
}

// variables finds the keys of the variables in a text.
func variables(text string, found func(key string)) {
	for {
		at := strings.Index(text, "${")
		if at < 0 {
			return
		}
		v, length, err := parseVariable(text[at:])
		if err != nil {
			return
		}
		if v.key.name != "" {
			found(v.key.name)
		}
		text = text[at+length:]
	}
}
