package server

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/traits"

	"naru/internal/wire"
)

// A comparison is of Naru's input or output of an operation with the SDK's.
type comparison struct {
	t         *testing.T
	service   wire.Service
	operation string
	direction string // "in" or "out"
	exempter  *exempter
}

func (c *comparison) errorf(path, format string, args ...any) {
	c.t.Helper()
	c.t.Errorf("%s.%s.%s.%s %s", c.service.Name, c.operation, c.direction, path, fmt.Sprintf(format, args...))
}

func TestMembersAreThoseOfTheSDK(t *testing.T) {
	e := &exempter{used: map[string]bool{}}
	eachOperation(t, func(t *testing.T, s wire.Service, op wire.Operation) {
		theirIn, theirOut, ok := sdks[s.Name].types(op.Name)
		if !ok {
			t.Fatalf("the SDK has no operation %s", op.Name)
		}
		ourIn, ourOut := op.Types()
		in := &comparison{t, s, op.Name, "in", e}
		in.structures("", ourIn, theirIn, schemaOf(theirIn))
		out := &comparison{t, s, op.Name, "out", e}
		out.structures("", ourOut, theirOut, schemaOf(theirOut))
	})
	e.check(t)
}

// structures compares two structures member by member. schema is nil where the
// SDK has none.
func (c *comparison) structures(path string, ours, theirs reflect.Type, schema *smithy.Schema) {
	theirFields := map[string]reflect.StructField{}
	for _, f := range reflect.VisibleFields(theirs) {
		if name := sdkName(f); name != "" {
			theirFields[name] = f
		}
	}
	for _, f := range reflect.VisibleFields(ours) {
		name := ourName(f)
		at := joinPath(path, name)
		their, ok := theirFields[name]
		delete(theirFields, name)
		switch {
		case ok:
			c.members(at, f, their, memberOf(schema, name))
		case !c.exempter.exempt(c.service.Name, c.operation, c.direction, at):
			c.errorf(at, "is no member of the SDK's")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(theirFields)) {
		if at := joinPath(path, name); !c.exempter.exempt(c.service.Name, c.operation, c.direction, at) {
			c.errorf(at, "is a member of the SDK's that Naru does not have")
		}
	}
}

// memberOf returns a member's schema by its name, with a first letter of any case.
func memberOf(schema *smithy.Schema, name string) *smithy.Schema {
	if schema == nil {
		return nil
	}
	for member, s := range schema.Members() {
		if upperFirst(member) == name {
			return s
		}
	}
	return nil
}

func (c *comparison) members(path string, ours, theirs reflect.StructField, schema *smithy.Schema) {
	if schema != nil {
		c.bindings(path, ours, schema)
	}
	c.values(path, ours.Type, theirs.Type, schema)
}

// bindings compares name and place of a member on the wire.
func (c *comparison) bindings(path string, f reflect.StructField, schema *smithy.Schema) {
	wantName, wantPlace := bindingOf(schema)
	name, _, _ := strings.Cut(f.Tag.Get("aws"), ",")
	if name == "" {
		if name = f.Name; c.service.Lower {
			name = lowerFirst(name)
		}
	}
	nested := strings.Contains(path, ".")
	switch place := placeOf(f); {
	case nested && name != schema.MemberName() && place == "":
		c.errorf(path, "is called %q, and by the SDK %q", name, schema.MemberName())
	case nested:
	case place != wantPlace:
		c.errorf(path, "is at the place %q, and in the SDK at %q", place, wantPlace)
	case place == "header" && !strings.EqualFold(name, wantName), (place == "" || place == "query") && name != wantName:
		c.errorf(path, "is called %q, and by the SDK %q", name, wantName)
	}
	if c.service.Query.Version != "" {
		c.flattening(path, f, schema)
	}
}

// flattening compares under which name a list or map is flattened.
func (c *comparison) flattening(path string, f reflect.StructField, schema *smithy.Schema) {
	want := ""
	if _, ok := smithy.SchemaTrait[*traits.XMLFlattened](schema); ok {
		want = schema.MemberName()
		if t, ok := smithy.SchemaTrait[*traits.XMLName](schema); ok {
			want = t.Name
		}
	}
	got, _, _ := strings.Cut(f.Tag.Get("query"), ",")
	if got != want && !c.exempter.exempt(c.service.Name, c.operation, c.direction, path+".(flattened)") {
		c.errorf(path, "is flattened as %q, and by the SDK as %q", got, want)
	}
}

// values compares two types of a member, of an element or of a map's values.
func (c *comparison) values(path string, ours, theirs reflect.Type, schema *smithy.Schema) {
	ours, theirs = dereferenced(ours), dereferenced(theirs)
	our, their := kindOf(ours), kindOf(theirs)
	switch {
	case our == "document" && c.direction == "in": // takes whatever comes
	case our != their:
		c.errorf(path, "is a %s, and in the SDK a %s", our, their)
	case our == "integer" && ours.Bits() < theirs.Bits():
		c.errorf(path, "has %d bits, and in the SDK %d", ours.Bits(), theirs.Bits())
	case our == "list":
		c.values(path, ours.Elem(), theirs.Elem(), schemaElement(schema, (*smithy.Schema).ListMember))
	case our == "map":
		c.values(path, ours.Elem(), theirs.Elem(), schemaElement(schema, (*smithy.Schema).MapValue))
	case our == "structure":
		c.structures(path, ours, theirs, schema)
	}
}

func schemaElement(schema *smithy.Schema, element func(*smithy.Schema) *smithy.Schema) *smithy.Schema {
	if schema == nil {
		return nil
	}
	return element(schema)
}

func dereferenced(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}

// kindOf returns what AWS calls a type.
func kindOf(t reflect.Type) string {
	switch t {
	case timeType:
		return "timestamp"
	case blobType, fileType:
		return "blob"
	case jsonType:
		return "document"
	}
	switch t.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "integer"
	case reflect.Float32, reflect.Float64:
		return "double"
	case reflect.Slice:
		return "list"
	case reflect.Struct:
		return "structure"
	case reflect.Interface:
		return "document"
	}
	return map[reflect.Kind]string{reflect.Bool: "boolean", reflect.Map: "map", reflect.String: "string"}[t.Kind()]
}
