package wire

import (
	"encoding/base64"
	"reflect"
	"strconv"
	"time"
	"unicode/utf8"
)

// appendXML appends the members of the structure v as the query protocol's
// elements.
func appendXML(out []byte, s *shape, v reflect.Value) []byte {
	for i := range s.fields {
		f := &s.fields[i]
		value, ok := f.get(v)
		if !ok {
			continue
		}
		switch {
		case f.shape.kind == kindList && f.flat != "":
			for j := range value.Len() {
				out = appendElement(out, f.flat, f.shape.elem, value.Index(j))
			}
		case f.shape.kind == kindMap:
			out = appendEntries(out, f, value)
		default:
			out = appendElement(out, f.name, f.shape, value)
		}
	}
	return out
}

func appendElement(out []byte, name string, s *shape, v reflect.Value) []byte {
	out = append(append(append(out, '<'), name...), '>')
	switch s.kind {
	case kindStruct:
		out = appendXML(out, s, v)
	case kindList:
		for i := range v.Len() {
			out = appendElement(out, "member", s.elem, v.Index(i))
		}
	default:
		out = appendXMLText(out, scalarText(s, v))
	}
	return append(append(append(out, "</"...), name...), '>')
}

// appendEntries appends a map: flattened, an element for each entry, and
// otherwise all entries inside one.
func appendEntries(out []byte, f *field, v reflect.Value) []byte {
	name := f.flat
	if name == "" {
		name = "entry"
		out = append(append(append(out, '<'), f.name...), '>')
	}
	for _, key := range sortedKeys(v) {
		out = append(append(append(out, '<'), name...), '>')
		out = appendElement(out, f.key, &shape{kind: kindString}, reflect.ValueOf(key))
		out = appendElement(out, f.value, f.shape.elem, v.MapIndex(reflect.ValueOf(key).Convert(f.shape.typ.Key())))
		out = append(append(append(out, "</"...), name...), '>')
	}
	if f.flat == "" {
		out = append(append(append(out, "</"...), f.name...), '>')
	}
	return out
}

// scalarText is the reverse of setText.
func scalarText(s *shape, v reflect.Value) string {
	switch s.kind {
	case kindInt:
		return strconv.FormatInt(v.Int(), 10)
	case kindFloat:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	case kindBool:
		return strconv.FormatBool(v.Bool())
	case kindBlob:
		return base64.StdEncoding.EncodeToString(v.Bytes())
	case kindTime:
		return v.Interface().(time.Time).UTC().Format("2006-01-02T15:04:05.999Z")
	}
	return v.String()
}

// appendXMLText escapes s as AWS does. What XML has no place for becomes
// U+FFFD.
func appendXMLText(out []byte, s string) []byte {
	for _, r := range s {
		switch {
		case r == '&':
			out = append(out, "&amp;"...)
		case r == '<':
			out = append(out, "&lt;"...)
		case r == '>':
			out = append(out, "&gt;"...)
		case r == '"':
			out = append(out, "&quot;"...)
		case r == '\r':
			out = append(out, "&#xD;"...)
		case r == '\t' || r == '\n' || r >= ' ' && r != 0xfffe && r != 0xffff:
			out = utf8.AppendRune(out, r)
		default:
			out = utf8.AppendRune(out, utf8.RuneError)
		}
	}
	return out
}
