package wire

import (
	"encoding/base64"
	"errors"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A form is the parameters of the query protocol as a tree: the parameter
// "Entry.1.Id" is the node Id of the node 1 of the node Entry.
type form struct {
	value string
	set   bool
	parts map[string]*form
}

// maxParameters bounds the parameters of a request, and maxParts the parts of
// all their names, each of which may become a node.
const (
	maxParameters = 20_000
	maxParts      = 100_000
)

func parseForm(values url.Values) (*form, error) {
	root, n, parts := &form{}, 0, 0
	for name, all := range values {
		depth := strings.Count(name, ".")
		n, parts = n+len(all), parts+depth+1
		if n > maxParameters || parts > maxParts || depth > maxDepth {
			return nil, Errorf(CodeMalformed, "The request has too many parameters.")
		}
		node := root
		for part := range strings.SplitSeq(name, ".") {
			node = node.child(part)
		}
		node.value, node.set = all[len(all)-1], true
	}
	return root, nil
}

func (f *form) child(part string) *form {
	if f.parts == nil {
		f.parts = map[string]*form{}
	}
	c := f.parts[part]
	if c == nil {
		c = &form{}
		f.parts[part] = c
	}
	return c
}

// elements returns the nodes that numbers name, in their order.
func (f *form) elements() (nodes []*form) {
	numbers := map[int]*form{}
	for part, node := range f.parts {
		if n, err := strconv.Atoi(part); err == nil && n > 0 && strconv.Itoa(n) == part { // neither 01 nor +1
			numbers[n] = node
		}
	}
	for _, n := range slices.Sorted(maps.Keys(numbers)) {
		nodes = append(nodes, numbers[n])
	}
	return nodes
}

// decodeStruct reads the members of s into v.
func (f *form) decodeStruct(s *shape, v reflect.Value) error {
	for i := range s.fields {
		m := &s.fields[i]
		name := m.name
		if m.flat != "" {
			name = m.flat
		}
		node := f.parts[name]
		if node == nil {
			continue
		}
		if err := node.decodeField(m, v, name); err != nil {
			return err
		}
	}
	return nil
}

func (f *form) decodeField(m *field, v reflect.Value, name string) error {
	switch m.shape.kind {
	case kindList:
		nodes := f
		if m.flat == "" {
			nodes = f.parts["member"]
		}
		if f.set && f.value == "" && f.parts == nil { // "Name=" is an empty list
			m.slot(v).Set(reflect.MakeSlice(m.shape.typ, 0, 0))
			return nil
		}
		if nodes == nil {
			return nil
		}
		return nodes.decodeList(m.shape, m.slot(v), name)
	case kindMap:
		nodes := f
		if m.flat == "" {
			nodes = f.parts["entry"]
		}
		if nodes == nil {
			return nil
		}
		return nodes.decodeMap(m, m.slot(v))
	case kindStruct:
		return f.decodeStruct(m.shape, m.slot(v))
	}
	if !f.set {
		return nil
	}
	return f.decodeScalar(m.shape, m.slot(v), name)
}

func (f *form) decodeList(s *shape, v reflect.Value, name string) error {
	list := reflect.MakeSlice(s.typ, 0, len(f.parts))
	for _, node := range f.elements() {
		elem := reflect.New(s.elem.typ).Elem()
		if err := node.decode(s.elem, elem, name); err != nil {
			return err
		}
		list = reflect.Append(list, elem)
	}
	v.Set(list)
	return nil
}

func (f *form) decodeMap(m *field, v reflect.Value) error {
	v.Set(reflect.MakeMap(m.shape.typ))
	for _, node := range f.elements() {
		key, value := node.parts[m.key], node.parts[m.value]
		if key == nil {
			return Errorf("MissingParameter", "The request must contain the parameter %s.", m.key)
		}
		name := reflect.New(m.shape.typ.Key()).Elem()
		if err := key.decodeScalar(&shape{kind: kindString}, name, m.key); err != nil {
			return err
		}
		elem := reflect.New(m.shape.elem.typ).Elem()
		if value != nil {
			if err := value.decode(m.shape.elem, elem, key.value); err != nil {
				return err
			}
		}
		v.SetMapIndex(name, elem)
	}
	return nil
}

func (f *form) decode(s *shape, v reflect.Value, name string) error {
	if s.kind == kindStruct {
		return f.decodeStruct(s, v)
	}
	return f.decodeScalar(s, v, name)
}

func (f *form) decodeScalar(s *shape, v reflect.Value, name string) error {
	if err := setText(s, v, f.value); err != nil {
		return Errorf(CodeMalformed, "The parameter %s has a bad value: %s", name, err)
	}
	return nil
}

// setText reads a scalar from its text, as forms, URIs and headers hold it.
func setText(s *shape, v reflect.Value, text string) error {
	switch s.kind {
	case kindString:
		if !utf8.ValidString(text) {
			return errors.New("it is not UTF-8")
		}
		v.SetString(strings.Clone(text)) // it may be kept; its request is not to be
		return nil
	case kindInt:
		n, err := strconv.ParseInt(text, 10, s.typ.Bits())
		if err != nil {
			return errors.New("it is no integer")
		}
		v.SetInt(n)
		return nil
	case kindFloat:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return errors.New("it is no number")
		}
		v.SetFloat(n)
		return nil
	case kindBool:
		if text != "true" && text != "false" {
			return errors.New("it is neither true nor false")
		}
		v.SetBool(text == "true")
		return nil
	case kindBlob:
		blob, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return errors.New("it is not base64")
		}
		v.SetBytes(blob)
		return nil
	case kindTime:
		t, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return errors.New("it is no ISO 8601 time")
		}
		v.Set(reflect.ValueOf(t.UTC()))
		return nil
	}
	return errors.New("it is no scalar")
}
