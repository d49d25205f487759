package events

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
)

// A path is a parsed JSON path:
//
//	path = "$" { "." name | "[" number "]" | "[*]" | ".*" }
//
// Names have letters, digits and - _ / $ : @ # and space.
type path []step

// A step leads to a member of an object, or an element of an array; or, with
// all, to all of either.
type step struct {
	name  string
	index int // of an element; -1 for none
	all   bool
}

var errPath = errors.New("it must be a JSON path such as $.detail.items[0]")

func parsePath(text string) (p path, err error) {
	rest, ok := strings.CutPrefix(text, "$")
	if !ok {
		return nil, errPath
	}
	for rest != "" {
		var s step
		switch rest[0] {
		case '.':
			end := strings.IndexAny(rest[1:], ".[") + 1
			if end == 0 {
				end = len(rest)
			}
			s, rest = step{name: rest[1:end], index: -1}, rest[end:]
			if s.all = s.name == "*"; s.name == "" || !s.all && !isPathName(s.name) {
				return nil, errPath
			}
		case '[':
			inner, after, ok := strings.Cut(rest[1:], "]")
			if s, rest = (step{all: inner == "*"}), after; !s.all {
				s.index, err = strconv.Atoi(inner)
			}
			if !ok || err != nil || s.index < 0 {
				return nil, errPath
			}
		default:
			return nil, errPath
		}
		p = append(p, s)
	}
	return p, nil
}

func isPathName(name string) bool {
	return strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_/$:@# ") == ""
}

// find returns what the path leads to in a value, as it is written there; nil
// if that is nothing. With a * it is an array of all that it leads to.
func (p path) find(value json.RawMessage) json.RawMessage {
	if len(p) == 0 {
		return value
	}
	s, rest := p[0], p[1:]
	if s.all {
		found := []json.RawMessage{}
		for _, v := range s.each(value) {
			if v = rest.find(v); v != nil {
				found = append(found, v)
			}
		}
		text, err := json.Marshal(found)
		if err != nil {
			return nil // it was no JSON
		}
		return text
	}
	if s.index >= 0 {
		var elements []json.RawMessage
		if json.Unmarshal(value, &elements) != nil || s.index >= len(elements) {
			return nil
		}
		return rest.find(elements[s.index])
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(value, &members) != nil || members[s.name] == nil {
		return nil
	}
	return rest.find(members[s.name])
}

// each returns the elements of an array.
func (s step) each(value json.RawMessage) (all []json.RawMessage) {
	if json.Unmarshal(value, &all) != nil {
		return nil
	}
	return all
}
