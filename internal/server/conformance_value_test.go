package server

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/traits"
)

var (
	timeType = reflect.TypeFor[time.Time]()
	jsonType = reflect.TypeFor[json.RawMessage]()
	blobType = reflect.TypeFor[[]byte]()
	fileType = reflect.TypeFor[io.Reader]() // of the SDK: a blob
)

// A naming gives the name of a structure's member; "" for fields that are none.
type naming func(reflect.StructField) string

// ourName is the name of a member of Naru's, its first letter in upper case.
func ourName(f reflect.StructField) string {
	name, where, _ := strings.Cut(f.Tag.Get("aws"), ",")
	if name == "" || where != "" { // outside of the body the tag names a header or parameter
		name = f.Name
	}
	return upperFirst(name)
}

// sdkName is the name of a member of the SDK's.
func sdkName(f reflect.StructField) string {
	if !f.IsExported() || f.Name == "ResultMetadata" {
		return ""
	}
	return f.Name
}

func upperFirst(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[n:]
}

func lowerFirst(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToLower(r)) + s[n:]
}

// placeOf returns where a member of Naru's goes: uri, query, header, payload,
// status, or "" for the body.
func placeOf(f reflect.StructField) string {
	_, where, _ := strings.Cut(f.Tag.Get("aws"), ",")
	return where
}

// A filler fills values: every member, with a value of its own.
type filler struct {
	t *testing.T
	n int
	// plain reports whether text in a member must fit a header or a path.
	plain func(reflect.StructField) bool
}

// unfilled are members that change what a client does: with EndpointId it signs
// for several regions, with an algorithm that Naru does not have.
var unfilled = map[string]bool{"EndpointId": true}

// filled returns a pointer to a filled value.
func filled(t *testing.T, typ reflect.Type, plain func(reflect.StructField) bool) reflect.Value {
	t.Helper()
	f := &filler{t: t, plain: plain}
	v := reflect.New(typ)
	f.fill(v.Elem(), "", false, 0)
	return v
}

// maxNesting ends structures that hold themselves.
const maxNesting = 8

func (f *filler) fill(v reflect.Value, name string, plain bool, depth int) {
	f.n++
	switch v.Type() {
	case timeType:
		v.Set(reflect.ValueOf(time.Date(2026, 1, 1, 0, 0, f.n, 25e7, time.UTC)))
		return
	case blobType:
		v.SetBytes([]byte{0, byte(f.n), 255})
		return
	case fileType:
		v.Set(reflect.ValueOf(bytes.NewReader([]byte{0, byte(f.n), 255})))
		return
	case jsonType:
		v.SetBytes(fmt.Appendf(nil, `{"a":[%d,null]}`, f.n))
		return
	}
	switch v.Kind() {
	case reflect.Func: // the events of a stream
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem(), name, plain, depth)
	case reflect.String:
		v.SetString(f.text(v, name, plain))
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(int64(f.n))
	case reflect.Float32, reflect.Float64:
		v.SetFloat(float64(f.n) + 0.5)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Interface { // unions, of which Naru has none
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		f.fill(v.Index(0), name, plain, depth)
		f.fill(v.Index(1), name, plain, depth)
	case reflect.Map:
		f.entries(v, name, plain, depth)
	case reflect.Struct:
		f.members(v, depth)
	default:
		f.t.Fatalf("%s is of type %v, which cannot be filled", name, v.Type())
	}
}

// text returns a text that no other member has: one of its values for an
// enumeration, else one that has to be escaped wherever that is possible.
func (f *filler) text(v reflect.Value, name string, plain bool) string {
	if values := v.MethodByName("Values"); values.IsValid() {
		list := values.Call(nil)[0]
		return list.Index(f.n % list.Len()).String()
	}
	if plain {
		return fmt.Sprintf("%s %d/é%%2F+&?#:$", name, f.n)
	}
	return fmt.Sprintf("%s %d/é%%2F+&\"'<>\\\t\r\n😀=;]]>", name, f.n)
}

func (f *filler) entries(v reflect.Value, name string, plain bool, depth int) {
	v.Set(reflect.MakeMap(v.Type()))
	for range 2 {
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		f.fill(value, name, plain, depth)
		key.SetString(fmt.Sprintf("key-%d", f.n))
		v.SetMapIndex(key, value)
	}
}

func (f *filler) members(v reflect.Value, depth int) {
	if depth == maxNesting {
		return
	}
	for i, field := range reflect.VisibleFields(v.Type()) {
		switch {
		case sdkName(field) == "" || unfilled[field.Name]:
		case depth == 0 && placeOf(field) == "status":
			v.Field(i).SetInt(202)
		default:
			f.fill(v.Field(i), field.Name, depth == 0 && f.plain(field), depth+1)
		}
	}
}

// boundOutside reports whether the SDK puts a member of a structure anywhere
// but into the body.
func boundOutside(schema *smithy.Schema) func(reflect.StructField) bool {
	return func(f reflect.StructField) bool {
		if schema == nil {
			return false
		}
		for name, member := range schema.Members() {
			if upperFirst(name) == f.Name {
				_, place := bindingOf(member)
				return place != "" && place != "payload"
			}
		}
		return false
	}
}

// bindingOf returns a member's name on the wire, and its place as placeOf has it.
func bindingOf(m *smithy.Schema) (name, place string) {
	name = m.MemberName()
	if t, ok := smithy.SchemaTrait[*traits.HTTPQuery](m); ok {
		return t.Name, "query"
	}
	if t, ok := smithy.SchemaTrait[*traits.HTTPHeader](m); ok {
		return t.Name, "header"
	}
	if t, ok := smithy.SchemaTrait[*traits.HTTPPrefixHeaders](m); ok {
		return t.Prefix, "header"
	}
	if _, ok := smithy.SchemaTrait[*traits.HTTPLabel](m); ok {
		return name, "uri"
	}
	if _, ok := smithy.SchemaTrait[*traits.HTTPPayload](m); ok {
		return name, "payload"
	}
	if _, ok := smithy.SchemaTrait[*traits.HTTPResponseCode](m); ok {
		return name, "status"
	}
	if t, ok := smithy.SchemaTrait[*traits.JSONName](m); ok {
		return t.Name, ""
	}
	return name, ""
}

// A grower makes trees of values, which can be compared whatever types they are
// made of: structures and maps are map[string]any, lists []any, and what is
// absent is not in them.
type grower struct {
	name   naming
	scalar func(reflect.Value) any
	skip   func(path string) bool // leaves out members; paths have no keys and no indices
}

func (g grower) tree(v reflect.Value, path string) any {
	switch {
	case v.Kind() == reflect.Pointer:
		return g.tree(v.Elem(), path)
	case v.Type() == fileType:
		return g.scalar(v)
	case v.Type() == timeType, v.Type() == blobType, v.Type() == jsonType:
		return g.scalar(v)
	}
	switch v.Kind() {
	case reflect.Slice:
		list := make([]any, v.Len())
		for i := range list {
			list[i] = g.tree(v.Index(i), path)
		}
		return list
	case reflect.Map:
		entries := map[string]any{}
		for _, key := range v.MapKeys() {
			entries[key.String()] = g.tree(v.MapIndex(key), path)
		}
		return entries
	case reflect.Struct:
		return g.members(v, path)
	}
	return g.scalar(v)
}

func (g grower) members(v reflect.Value, path string) any {
	members := map[string]any{}
	for i, field := range reflect.VisibleFields(v.Type()) {
		name, f := g.name(field), v.Field(i)
		absent := slices.Contains([]reflect.Kind{reflect.Pointer, reflect.Slice, reflect.Map, reflect.Func}, f.Kind()) && f.IsNil()
		if name == "" || absent || g.skip(joinPath(path, upperFirst(name))) {
			continue
		}
		members[name] = g.tree(f, joinPath(path, upperFirst(name)))
	}
	return members
}

func joinPath(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// plainScalar is a scalar as an any that was read from JSON has it, times apart.
func plainScalar(v reflect.Value) any {
	switch {
	case v.Type() == fileType:
		r := v.Interface().(*bytes.Reader)
		text := make([]byte, r.Size())
		if _, err := r.ReadAt(text, 0); err != nil {
			return err
		}
		return base64.StdEncoding.EncodeToString(text)
	case v.Type() == timeType:
		return v.Interface().(time.Time).UTC().Format(time.RFC3339Nano)
	case v.Type() == jsonType:
		var document any
		if err := json.Unmarshal(v.Bytes(), &document); err != nil {
			return err
		}
		return document
	case v.Type() == blobType:
		return base64.StdEncoding.EncodeToString(v.Bytes())
	case v.CanInt():
		return float64(v.Int())
	case v.CanFloat():
		return v.Float()
	case v.Kind() == reflect.Bool:
		return v.Bool()
	}
	return v.String()
}

// jsonScalar is a scalar as JSON has it.
func jsonScalar(v reflect.Value) any {
	if v.Type() == timeType {
		return float64(v.Interface().(time.Time).UnixMilli()) / 1000
	}
	return plainScalar(v)
}

func nothingSkipped(string) bool { return false }
