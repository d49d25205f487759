package wire

import (
	"encoding/base64"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// appendJSON appends the structure, list, map or scalar v as JSON, members in
// the order of their fields, maps in the order of their keys.
func appendJSON(out []byte, s *shape, v reflect.Value) []byte {
	switch s.kind {
	case kindString:
		return appendJSONString(out, v.String())
	case kindInt:
		return strconv.AppendInt(out, v.Int(), 10)
	case kindFloat:
		return appendFloat(out, v.Float())
	case kindBool:
		return strconv.AppendBool(out, v.Bool())
	case kindBlob:
		out = append(out, '"')
		out = base64.StdEncoding.AppendEncode(out, v.Bytes())
		return append(out, '"')
	case kindTime:
		return appendEpoch(out, v.Interface().(time.Time))
	case kindJSON:
		if v.Len() == 0 {
			return append(out, "null"...)
		}
		return append(out, v.Bytes()...)
	case kindStruct:
		return appendMembers(out, s, v)
	case kindMap:
		return appendMap(out, s, v)
	default:
		out = append(out, '[')
		for i := range v.Len() {
			if i > 0 {
				out = append(out, ',')
			}
			out = appendJSON(out, s.elem, v.Index(i))
		}
		return append(out, ']')
	}
}

// appendMembers appends the members of a structure that belong in the body.
func appendMembers(out []byte, s *shape, v reflect.Value) []byte {
	out = append(out, '{')
	first := true
	for i := range s.fields {
		f := &s.fields[i]
		value, ok := f.get(v)
		if !ok || f.place != inBody {
			continue
		}
		if !first {
			out = append(out, ',')
		}
		first = false
		out = append(appendJSONString(out, f.name), ':')
		out = appendJSON(out, f.shape, value)
	}
	return append(out, '}')
}

func appendMap(out []byte, s *shape, v reflect.Value) []byte {
	out = append(out, '{')
	for i, key := range sortedKeys(v) {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(appendJSONString(out, key), ':')
		out = appendJSON(out, s.elem, v.MapIndex(reflect.ValueOf(key).Convert(s.typ.Key())))
	}
	return append(out, '}')
}

func sortedKeys(v reflect.Value) []string {
	keys := map[string]struct{}{}
	for _, key := range v.MapKeys() {
		keys[key.String()] = struct{}{}
	}
	return slices.Sorted(maps.Keys(keys))
}

// appendFloat writes what has no place in JSON as the strings that Smithy uses.
func appendFloat(out []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(out, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(out, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(out, `"-Infinity"`...)
	}
	return strconv.AppendFloat(out, f, 'g', -1, 64)
}

// appendEpoch writes seconds since the epoch, to the millisecond.
func appendEpoch(out []byte, t time.Time) []byte {
	ms := t.UnixMilli()
	if ms%1000 == 0 {
		return strconv.AppendInt(out, ms/1000, 10)
	}
	return strconv.AppendFloat(out, float64(ms)/1000, 'f', -1, 64)
}

const hexDigits = "0123456789abcdef"

// appendJSONString quotes s. What is not UTF-8 becomes U+FFFD.
func appendJSONString(out []byte, s string) []byte {
	out = append(out, '"')
	start := 0
	for i := 0; i < len(s); {
		if i+8 <= len(s) && isVerbatim(s[i:i+8]) {
			i += 8
			continue
		}
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError || n > 1 {
				i += n
				continue
			}
		}
		out = append(out, s[start:i]...)
		out = appendEscape(out, c)
		i++
		start = i
	}
	return append(append(out, s[start:]...), '"')
}

// isVerbatim reports whether eight bytes are ASCII that stands for itself in a
// string. See unescaped.
func isVerbatim(b string) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	eight := uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 | uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
	quote, backslash := eight^'"'*ones, eight^'\\'*ones
	return (eight|(eight-' '*ones)|(quote-ones)&^quote|(backslash-ones)&^backslash)&highs == 0
}

func appendEscape(out []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(out, '\\', c)
	case '\n':
		return append(out, `\n`...)
	case '\r':
		return append(out, `\r`...)
	case '\t':
		return append(out, `\t`...)
	}
	if c >= utf8.RuneSelf {
		return append(out, "\ufffd"...)
	}
	return append(out, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}
