package wire

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// A shape is how a Go type looks on the wire, for all protocols. Inputs and
// outputs of operations are structs whose fields are named as AWS names the
// members. A field is present if its pointer, slice or map is not nil; a field
// of any other type is always present.
//
//	Go                          AWS
//	string, int*, float64, bool string, integer, double, boolean
//	[]byte                      blob
//	time.Time                   timestamp
//	struct, []T, map[string]T   structure, list, map
//	json.RawMessage             JSON as it is
//
// The tag aws:"name,place" gives the name on the wire, where it differs from
// the field's, and in REST the place: uri, query, header (with a name that
// ends in "-" for a map of headers), payload or status. A member of type Events
// makes an output a stream. The tag
// query:"name,key,value" gives, for the query protocol, the name under which a
// list or map is flattened, and for a map the names of its entries' parts.
type shape struct {
	kind   kind
	typ    reflect.Type
	fields []field        // of a structure, in order
	events int            // index of the field with a structure's events, -1 for none
	byName map[string]int // indices into fields of those in the body
	elem   *shape         // of a list or map
}

type kind byte

const (
	kindString kind = iota
	kindInt
	kindFloat
	kindBool
	kindBlob
	kindTime
	kindStruct
	kindList
	kindMap
	kindJSON
	kindText // a blob as text: see Front.Do
)

// A field is a member of a structure.
type field struct {
	name    string
	index   int
	pointer bool
	shape   *shape
	place   place
	flat    string // name of a flattened list or map in the query protocol
	key     string // names of a map entry's parts
	value   string
}

type place byte

const (
	inBody place = iota
	inURI
	inQuery
	inHeader
	inPayload
	inStatus
)

var places = map[string]place{"": inBody, "uri": inURI, "query": inQuery, "header": inHeader, "payload": inPayload, "status": inStatus}

var (
	timeType = reflect.TypeFor[time.Time]()
	jsonType = reflect.TypeFor[json.RawMessage]()
	blobType = reflect.TypeFor[[]byte]()
)

// shapeOf returns t's shape. With lower, members are named with a lower-case
// first letter. It panics on a type that has none: types are fixed when Naru
// is built, and every operation's are compiled when it starts.
func shapeOf(t reflect.Type, lower bool) *shape {
	switch {
	case t == timeType:
		return &shape{kind: kindTime, typ: t}
	case t == jsonType:
		return &shape{kind: kindJSON, typ: t}
	case t == blobType:
		return &shape{kind: kindBlob, typ: t}
	}
	switch t.Kind() {
	case reflect.String:
		return &shape{kind: kindString, typ: t}
	case reflect.Int, reflect.Int32, reflect.Int64:
		return &shape{kind: kindInt, typ: t}
	case reflect.Float64:
		return &shape{kind: kindFloat, typ: t}
	case reflect.Bool:
		return &shape{kind: kindBool, typ: t}
	case reflect.Slice:
		return &shape{kind: kindList, typ: t, elem: shapeOf(t.Elem(), lower)}
	case reflect.Map:
		if t.Key().Kind() == reflect.String {
			return &shape{kind: kindMap, typ: t, elem: shapeOf(t.Elem(), lower)}
		}
	case reflect.Struct:
		return structShape(t, lower)
	}
	panic(fmt.Sprintf("wire: type %v has no shape", t))
}

func structShape(t reflect.Type, lower bool) *shape {
	s := &shape{kind: kindStruct, typ: t, byName: map[string]int{}, events: -1}
	for i := range t.NumField() {
		if t.Field(i).Type == eventsType {
			s.events = i
			continue
		}
		f := fieldOf(t.Field(i), lower)
		f.index = i
		s.fields = append(s.fields, f)
		if f.place == inBody {
			s.byName[f.name] = len(s.fields) - 1
		}
	}
	return s
}

func fieldOf(sf reflect.StructField, lower bool) field {
	f := field{name: sf.Name}
	if lower {
		r, n := utf8.DecodeRuneInString(sf.Name)
		f.name = string(unicode.ToLower(r)) + sf.Name[n:]
	}
	name, where, _ := strings.Cut(sf.Tag.Get("aws"), ",")
	if name != "" {
		f.name = name
	}
	var ok bool
	if f.place, ok = places[where]; !ok {
		panic(fmt.Sprintf("wire: field %s is at an unknown place %q", sf.Name, where))
	}
	parts := strings.Split(sf.Tag.Get("query")+",Name,Value", ",")
	f.flat, f.key, f.value = parts[0], parts[1], parts[2]
	t := sf.Type
	if t.Kind() == reflect.Pointer {
		f.pointer, t = true, t.Elem()
	}
	f.shape = shapeOf(t, lower)
	return f
}

// get returns the field's value in the structure v, without its pointer, and
// whether it is present.
func (f *field) get(v reflect.Value) (reflect.Value, bool) {
	v = v.Field(f.index)
	switch {
	case f.pointer:
		return v.Elem(), !v.IsNil()
	case v.Kind() == reflect.Slice || v.Kind() == reflect.Map:
		return v, !v.IsNil()
	}
	return v, true
}

// slot returns where the field's value goes in the structure v.
func (f *field) slot(v reflect.Value) reflect.Value {
	v = v.Field(f.index)
	if f.pointer {
		if v.IsNil() {
			v.Set(reflect.New(f.shape.typ))
		}
		v = v.Elem()
	}
	return v
}
