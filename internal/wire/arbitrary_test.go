package wire

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	"pgregory.net/rapid"
)

// Arbitrary types, values of them, and JSON that fits them.

var scalarTypes = []reflect.Type{
	reflect.TypeFor[string](), reflect.TypeFor[int32](), reflect.TypeFor[int64](), reflect.TypeFor[int](),
	reflect.TypeFor[float64](), reflect.TypeFor[bool](), blobType, jsonType,
}

// drawType returns a type that has a shape.
func drawType(t *rapid.T, depth int, scalars []reflect.Type) reflect.Type {
	kind := 0
	if depth > 0 {
		kind = rapid.IntRange(0, 4).Draw(t, "kind of type")
	}
	switch kind {
	case 1:
		return reflect.SliceOf(drawType(t, depth-1, scalars))
	case 2:
		return reflect.MapOf(reflect.TypeFor[string](), drawType(t, depth-1, scalars))
	case 3, 4:
		return drawStruct(t, depth-1, scalars)
	}
	return rapid.SampledFrom(scalars).Draw(t, "scalar type")
}

func drawStruct(t *rapid.T, depth int, scalars []reflect.Type) reflect.Type {
	var fields []reflect.StructField
	for i := range rapid.IntRange(0, 4).Draw(t, "members") {
		typ := drawType(t, depth, scalars)
		if isSliceOrMap := typ.Kind() == reflect.Slice || typ.Kind() == reflect.Map; !isSliceOrMap && rapid.Bool().Draw(t, "optional") {
			typ = reflect.PointerTo(typ)
		}
		fields = append(fields, reflect.StructField{Name: string(rune('A' + i)), Type: typ})
	}
	return reflect.StructOf(fields)
}

// drawValue fills v, whose type drawType made. What may be absent sometimes is.
func drawValue(t *rapid.T, v reflect.Value) {
	switch {
	case v.Type() == timeType:
		ms := rapid.Int64Range(-62135596800000, 253402300799999).Draw(t, "time") // the years 1 to 9999
		v.Set(reflect.ValueOf(time.UnixMilli(ms).UTC()))
		return
	case v.Type() == blobType:
		v.SetBytes(rapid.SliceOf(rapid.Byte()).Draw(t, "blob"))
		return
	case v.Type() == jsonType:
		v.SetBytes([]byte(drawJSON(t, 2)))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(rapid.String().Draw(t, "string"))
	case reflect.Int32:
		v.SetInt(int64(rapid.Int32().Draw(t, "int")))
	case reflect.Int, reflect.Int64:
		v.SetInt(rapid.Int64().Draw(t, "int"))
	case reflect.Float64:
		v.SetFloat(rapid.Float64().Draw(t, "float"))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "bool"))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), rapid.IntRange(0, 3).Draw(t, "length"), 3))
		for i := range v.Len() {
			drawValue(t, v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range rapid.IntRange(0, 3).Draw(t, "entries") {
			value := reflect.New(v.Type().Elem()).Elem()
			drawValue(t, value)
			v.SetMapIndex(reflect.ValueOf(rapid.String().Draw(t, "key")), value)
		}
	case reflect.Struct:
		drawMembers(t, v)
	}
}

func drawMembers(t *rapid.T, v reflect.Value) {
	for i := range v.NumField() {
		f := v.Field(i)
		switch optional := f.Kind() == reflect.Pointer || f.Kind() == reflect.Slice || f.Kind() == reflect.Map; {
		case optional && rapid.Bool().Draw(t, "absent"):
		case f.Kind() == reflect.Pointer:
			f.Set(reflect.New(f.Type().Elem()))
			drawValue(t, f.Elem())
		default:
			drawValue(t, f)
		}
	}
}

// A document is JSON being written, in one of the many ways there are.
type document struct {
	t *rapid.T
	strings.Builder
}

func drawDocument(t *rapid.T, typ reflect.Type) string {
	d := &document{t: t}
	d.value(typ, true)
	d.space()
	return d.String()
}

func (d *document) space() {
	d.WriteString(rapid.SampledFrom([]string{"", "", "", " ", "\t\r\n", "  "}).Draw(d.t, "space"))
}

// value writes a value that fits typ, but for a few that do not.
func (d *document) value(typ reflect.Type, null bool) {
	d.space()
	switch chance := rapid.IntRange(0, 40).Draw(d.t, "chance"); {
	case chance == 0 && typ != blobType: // encoding/json reads lists of numbers into these
		d.WriteString(rapid.SampledFrom([]string{`true`, `false`, `12`, `-1.5`, `1e400`, `"x"`, `"e30="`, `{}`, `[]`, `[{"A":1}]`}).Draw(d.t, "misfit"))
		return
	case chance == 1 && null && typ != jsonType:
		d.WriteString("null")
		return
	}
	switch {
	case typ == blobType:
		d.text(base64.StdEncoding.EncodeToString(rapid.SliceOf(rapid.Byte()).Draw(d.t, "blob")))
		return
	case typ == jsonType:
		d.WriteString(drawJSON(d.t, 2))
		return
	}
	switch typ.Kind() {
	case reflect.Pointer:
		d.value(typ.Elem(), true)
	case reflect.String:
		d.text(rapid.String().Draw(d.t, "string"))
	case reflect.Int32, reflect.Int64, reflect.Int:
		d.WriteString(strconv.FormatInt(rapid.Int64().Draw(d.t, "int")>>rapid.SampledFrom([]int{0, 30, 60}).Draw(d.t, "shift"), 10))
	case reflect.Float64:
		format := rapid.SampledFrom([]byte("gef")).Draw(d.t, "format")
		d.WriteString(strconv.FormatFloat(rapid.Float64().Draw(d.t, "float"), format, -1, 64))
	case reflect.Bool:
		fmt.Fprint(d, rapid.Bool().Draw(d.t, "bool"))
	case reflect.Slice:
		d.sequence('[', ']', rapid.IntRange(0, 3).Draw(d.t, "length"), func(int) { d.value(typ.Elem(), true) })
	case reflect.Map:
		keys := rapid.SliceOfDistinct(rapid.String(), rapid.ID).Draw(d.t, "keys")
		d.sequence('{', '}', len(keys), func(i int) { d.member(keys[i], typ.Elem(), false) })
	case reflect.Struct:
		d.structure(typ)
	}
}

func (d *document) structure(typ reflect.Type) {
	fields := reflect.VisibleFields(typ)
	fields = append(fields, reflect.StructField{Name: "z", Type: jsonType}, reflect.StructField{Name: "\u00e9", Type: reflect.TypeFor[[]bool]()})
	fields = rapid.Permutation(fields).Draw(d.t, "order")
	fields = fields[rapid.IntRange(0, len(fields)).Draw(d.t, "left out"):]
	d.sequence('{', '}', len(fields), func(i int) { d.member(fields[i].Name, fields[i].Type, true) })
}

func (d *document) member(name string, typ reflect.Type, null bool) {
	d.space()
	d.text(name)
	d.space()
	d.WriteByte(':')
	d.value(typ, null)
}

func (d *document) sequence(open, end byte, n int, element func(int)) {
	d.WriteByte(open)
	for i := range n {
		if i > 0 {
			d.WriteByte(',')
		}
		element(i)
		d.space()
	}
	d.WriteByte(end)
}

// text writes a string, some of its characters escaped.
func (d *document) text(s string) {
	escaped := rapid.Bool().Draw(d.t, "escaped")
	d.WriteByte('"')
	for _, r := range s {
		if !escaped && r >= ' ' && r != '"' && r != '\\' {
			d.WriteRune(r)
			continue
		}
		if short := strings.IndexRune("\"\\/\b\f\n\r\t", r); short >= 0 && r%2 == 0 {
			d.WriteString(`\` + `"\/bfnrt`[short:short+1])
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(d, rapid.SampledFrom([]string{`\u%04x`, `\u%04X`}).Draw(d.t, "case"), unit)
		}
	}
	d.WriteByte('"')
}

// drawJSON returns some JSON that is not null, without spaces around it.
func drawJSON(t *rapid.T, depth int) string {
	typ := drawType(t, depth, []reflect.Type{reflect.TypeFor[string](), reflect.TypeFor[float64](), reflect.TypeFor[bool]()})
	v := reflect.New(typ)
	drawValue(t, v.Elem())
	text, err := json.Marshal(v.Interface())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
