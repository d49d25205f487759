package pattern

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// An Event is what patterns are matched against: a JSON object, taken apart
// into its leaves. It is immutable and safe for concurrent use.
type Event struct {
	leaves map[string][]leaf // by path
	arrays int               // how many arrays there are
}

// A leaf is a scalar of an event.
type leaf struct {
	value
	number number // of a number
	in     places // of the array elements that it lies in, from outside inwards
}

// A value is a scalar, such that equal values are ==.
type value struct {
	kind kind
	text string // of a text; of a number its one canonical form
}

type kind byte

const (
	kindText kind = iota
	kindNumber
	kindTrue
	kindFalse
	kindNull
)

// A place is an element of an array. Arrays have numbers, in the order in
// which they begin.
type place struct{ array, index int }

type places []place

// Decode reads an event from JSON. It fails if the text is no JSON object.
func Decode(text []byte) (*Event, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var object map[string]any
	if err := d.Decode(&object); err != nil {
		return nil, fmt.Errorf("pattern: the event is no JSON object: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("pattern: there is more after the event")
	}
	if object == nil {
		return nil, errors.New("pattern: the event is null")
	}
	return NewEvent(object), nil
}

// NewEvent returns the event that a decoded JSON object is: a map[string]any
// that holds maps like itself, []any, string, bool, nil and, for numbers,
// json.Number, which keeps them exact, float64 or int. It panics on values of
// other types.
func NewEvent(object map[string]any) *Event {
	e := &Event{leaves: map[string][]leaf{}}
	for name, member := range object {
		e.add(name, member, nil)
	}
	return e
}

// add takes v, which is at a path, apart.
func (e *Event) add(path string, v any, in places) {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			e.add(path+"."+name, member, in)
		}
	case []any:
		array := e.arrays
		e.arrays++
		for i, element := range v {
			switch element.(type) {
			case map[string]any, []any:
				e.add(path, element, append(in[:len(in):len(in)], place{array, i}))
			default:
				e.add(path, element, in) // scalars lie in no element of their own
			}
		}
	default:
		l := scalar(v)
		l.in = in
		e.leaves[path] = append(e.leaves[path], l)
	}
}

func scalar(v any) leaf {
	switch v := v.(type) {
	case nil:
		return leaf{value: value{kind: kindNull}}
	case bool:
		if v {
			return leaf{value: value{kind: kindTrue}}
		}
		return leaf{value: value{kind: kindFalse}}
	case string:
		return leaf{value: value{kindText, v}}
	case json.Number, float64, int:
		n := parseNumber(fmt.Sprint(v))
		return leaf{value: n.value(), number: n}
	}
	panic(fmt.Sprintf("pattern: an event with a %T", v))
}
