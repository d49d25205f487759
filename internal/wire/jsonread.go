package wire

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonReader decodes JSON straight into shapes. It takes what RFC 8259 allows,
// of members only those that the shape has, by their exact names, and of a
// member given twice the last. It refuses text that is not UTF-8, and half
// surrogate pairs, rather than change what somebody sent.
type jsonReader struct {
	text  []byte
	pos   int
	depth int
}

// maxDepth bounds how deep values may be nested.
const maxDepth = 100

// decodeJSON reads text into the structure v. Empty text is an empty object.
func decodeJSON(text []byte, s *shape, v reflect.Value) error {
	r := &jsonReader{text: text}
	r.space()
	if r.pos == len(text) {
		return nil
	}
	if err := r.value(s, v); err != nil {
		return err
	}
	if r.space(); r.pos != len(text) {
		return r.fault("there is more after the value")
	}
	return nil
}

func (r *jsonReader) fault(format string, args ...any) error {
	return Errorf(CodeMalformed, "%s (at byte %d)", fmt.Sprintf(format, args...), r.pos)
}

func (r *jsonReader) space() {
	for r.pos < len(r.text) {
		switch r.text[r.pos] {
		case ' ', '\t', '\n', '\r':
			r.pos++
		default:
			return
		}
	}
}

// peek returns the next byte that is no space, 0 at the end.
func (r *jsonReader) peek() byte {
	if r.space(); r.pos == len(r.text) {
		return 0
	}
	return r.text[r.pos]
}

// take consumes c if it comes next.
func (r *jsonReader) take(c byte) bool {
	if r.peek() != c {
		return false
	}
	r.pos++
	return true
}

func (r *jsonReader) literal(word string) bool {
	if r.peek(); len(r.text)-r.pos < len(word) || string(r.text[r.pos:r.pos+len(word)]) != word {
		return false
	}
	r.pos += len(word)
	return true
}

var kindNames = [...]string{"String", "Integer", "Double", "Boolean", "Blob", "Timestamp", "structure", "list", "map", "document", "Blob"}

// found names what comes next, in AWS's words.
func (r *jsonReader) found() string {
	switch c := r.peek(); {
	case c == '"':
		return "STRING_VALUE"
	case c == 't':
		return "TRUE_VALUE"
	case c == 'f':
		return "FALSE_VALUE"
	case c == '{':
		return "START_OBJECT"
	case c == '[':
		return "START_ARRAY"
	case c == '-' || c >= '0' && c <= '9':
		return "NUMBER_VALUE"
	}
	return ""
}

func (r *jsonReader) mismatch(s *shape) error {
	if found := r.found(); found != "" {
		return Errorf(CodeMalformed, "%s can not be converted to %s", found, kindNames[s.kind])
	}
	return r.fault("unexpected character or end of input")
}

// value reads the next value into v, which a null leaves as it is.
func (r *jsonReader) value(s *shape, v reflect.Value) error {
	if r.literal("null") {
		return nil
	}
	switch s.kind {
	case kindString, kindBlob:
		return r.stringValue(s, v)
	case kindInt, kindFloat, kindTime:
		return r.numberValue(s, v)
	case kindBool:
		switch {
		case r.literal("true"):
			v.SetBool(true)
		case r.literal("false"):
			v.SetBool(false)
		default:
			return r.mismatch(s)
		}
		return nil
	case kindText:
		return r.textValue(v)
	case kindJSON:
		r.space()
		start := r.pos
		if err := r.skip(); err != nil {
			return err
		}
		v.SetBytes(append([]byte{}, r.text[start:r.pos]...))
		return nil
	}
	if r.depth++; r.depth > maxDepth {
		return r.fault("values are nested too deep")
	}
	defer func() { r.depth-- }()
	switch s.kind {
	case kindStruct:
		return r.structValue(s, v)
	case kindMap:
		return r.mapValue(s, v)
	default:
		return r.listValue(s, v)
	}
}

func (r *jsonReader) stringValue(s *shape, v reflect.Value) error {
	if r.peek() != '"' {
		return r.mismatch(s)
	}
	text, err := r.string()
	if err != nil {
		return err
	}
	if s.kind == kindString {
		v.SetString(text)
		return nil
	}
	blob, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return r.fault("a blob is not base64")
	}
	v.SetBytes(blob)
	return nil
}

func (r *jsonReader) numberValue(s *shape, v reflect.Value) error {
	if s.kind == kindFloat && r.notANumber(v) {
		return nil
	}
	if r.found() != "NUMBER_VALUE" {
		return r.mismatch(s)
	}
	text, err := r.number()
	if err != nil {
		return err
	}
	if s.kind == kindInt {
		return r.intValue(text, v)
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return r.fault("a number is out of range")
	}
	if s.kind == kindFloat {
		v.SetFloat(f)
		return nil
	}
	if math.Abs(f) > 1e12 {
		return r.fault("a timestamp is out of range")
	}
	v.Set(reflect.ValueOf(time.UnixMilli(int64(math.Round(f * 1000))).UTC()))
	return nil
}

// notANumber reads the strings that Smithy has for what JSON has no numbers for.
func (r *jsonReader) notANumber(v reflect.Value) bool {
	switch {
	case r.literal(`"NaN"`):
		v.SetFloat(math.NaN())
	case r.literal(`"Infinity"`):
		v.SetFloat(math.Inf(1))
	case r.literal(`"-Infinity"`):
		v.SetFloat(math.Inf(-1))
	default:
		return false
	}
	return true
}

func (r *jsonReader) intValue(text string, v reflect.Value) error {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil { // 1e3 and 1.0 are integers too
		f, ferr := strconv.ParseFloat(text, 64)
		if ferr != nil || f != math.Trunc(f) || math.Abs(f) >= 1<<53 {
			return r.fault("a number is no integer or out of range")
		}
		n = int64(f)
	}
	if v.OverflowInt(n) {
		return r.fault("an integer is out of range")
	}
	v.SetInt(n)
	return nil
}

// number returns the text of the next number, as RFC 8259 has it.
func (r *jsonReader) number() (string, error) {
	start := r.pos
	if r.pos < len(r.text) && r.text[r.pos] == '-' {
		r.pos++
	}
	if r.pos < len(r.text) && r.text[r.pos] == '0' {
		r.pos++
	} else if !r.digits() {
		return "", r.fault("a number has no digits")
	}
	if r.pos < len(r.text) && r.text[r.pos] == '.' {
		if r.pos++; !r.digits() {
			return "", r.fault("a number has no digits after its point")
		}
	}
	if r.pos < len(r.text) && (r.text[r.pos] == 'e' || r.text[r.pos] == 'E') {
		r.pos++
		if r.pos < len(r.text) && (r.text[r.pos] == '+' || r.text[r.pos] == '-') {
			r.pos++
		}
		if !r.digits() {
			return "", r.fault("a number has no digits in its exponent")
		}
	}
	return string(r.text[start:r.pos]), nil
}

func (r *jsonReader) digits() bool {
	start := r.pos
	for r.pos < len(r.text) && r.text[r.pos] >= '0' && r.text[r.pos] <= '9' {
		r.pos++
	}
	return r.pos > start
}

// members calls member for each member of the object that comes next, before
// its value, which member reads.
func (r *jsonReader) members(member func(name string) error) error {
	r.pos++ // the brace
	if r.take('}') {
		return nil
	}
	for {
		if r.peek() != '"' {
			return r.fault("an object's member has no name")
		}
		name, err := r.string()
		if err != nil {
			return err
		}
		if !r.take(':') {
			return r.fault("an object's member has no value")
		}
		if err := member(name); err != nil {
			return err
		}
		if r.take('}') {
			return nil
		}
		if !r.take(',') {
			return r.fault("an object does not end")
		}
	}
}

func (r *jsonReader) structValue(s *shape, v reflect.Value) error {
	if r.peek() != '{' {
		return r.mismatch(s)
	}
	return r.members(func(name string) error {
		i, ok := s.byName[name]
		if !ok {
			return r.skip()
		}
		f := &s.fields[i]
		v.Field(f.index).SetZero() // of what an earlier member of this name said
		if r.literal("null") {
			return nil
		}
		return r.value(f.shape, f.slot(v))
	})
}

func (r *jsonReader) mapValue(s *shape, v reflect.Value) error {
	if r.peek() != '{' {
		return r.mismatch(s)
	}
	v.Set(reflect.MakeMap(s.typ))
	return r.members(func(name string) error {
		key := reflect.ValueOf(name).Convert(s.typ.Key())
		if r.literal("null") {
			v.SetMapIndex(key, reflect.Value{})
			return nil
		}
		elem := reflect.New(s.elem.typ).Elem()
		if err := r.value(s.elem, elem); err != nil {
			return err
		}
		v.SetMapIndex(key, elem)
		return nil
	})
}

// elements calls element before each element of the array that comes next.
func (r *jsonReader) elements(element func() error) error {
	r.pos++ // the bracket
	if r.take(']') {
		return nil
	}
	for {
		if err := element(); err != nil {
			return err
		}
		if r.take(']') {
			return nil
		}
		if !r.take(',') {
			return r.fault("an array does not end")
		}
	}
}

func (r *jsonReader) listValue(s *shape, v reflect.Value) error {
	if r.peek() != '[' {
		return r.mismatch(s)
	}
	list := reflect.MakeSlice(s.typ, 0, 0)
	err := r.elements(func() error {
		elem := reflect.New(s.elem.typ).Elem()
		err := r.value(s.elem, elem)
		list = reflect.Append(list, elem)
		return err
	})
	v.Set(list)
	return err
}

// skip reads past the next value.
func (r *jsonReader) skip() (err error) {
	if r.depth++; r.depth > maxDepth {
		return r.fault("values are nested too deep")
	}
	defer func() { r.depth-- }()
	switch c := r.peek(); {
	case c == '"':
		_, err = r.string()
	case c == '{':
		err = r.members(func(string) error { return r.skip() })
	case c == '[':
		err = r.elements(r.skip)
	case r.literal("true") || r.literal("false") || r.literal("null"):
	case r.found() == "NUMBER_VALUE":
		_, err = r.number()
	default:
		err = r.fault("unexpected character or end of input")
	}
	return err
}

// string reads the string that comes next, its quotes included.
func (r *jsonReader) string() (string, error) {
	r.pos++
	start := r.pos
	r.pos += unescaped(r.text[r.pos:])
	switch { // most strings have no escapes
	case r.pos == len(r.text):
		return "", r.fault("a string does not end")
	case r.text[r.pos] == '\\':
		return r.escaped(start)
	case r.text[r.pos] != '"':
		return "", r.fault("a string holds a control character")
	}
	s := r.text[start:r.pos]
	if r.pos++; !utf8.Valid(s) {
		return "", r.fault("a string is not UTF-8")
	}
	return string(s), nil
}

// unescaped returns how many bytes text begins with that stand for themselves in
// a string. It looks at eight at a time, as bodies are long: a byte is 0 after
// an exclusive or with what is looked for, and only then, or if it is below
// what is taken away, does taking that away set a high bit that it did not have.
func unescaped(text []byte) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(text); i += 8 {
		eight := binary.LittleEndian.Uint64(text[i:])
		quote, backslash := eight^'"'*ones, eight^'\\'*ones
		if ((quote-ones)&^quote|(backslash-ones)&^backslash|(eight-' '*ones)&^eight)&highs != 0 {
			break
		}
	}
	for ; i < len(text); i++ {
		if c := text[i]; c == '"' || c == '\\' || c < ' ' {
			break
		}
	}
	return i
}

// escaped goes on with a string that began at start and has an escape here.
func (r *jsonReader) escaped(start int) (string, error) {
	out := append([]byte{}, r.text[start:r.pos]...)
	for {
		plain := unescaped(r.text[r.pos:])
		out = append(out, r.text[r.pos:r.pos+plain]...)
		if r.pos += plain; r.pos == len(r.text) {
			return "", r.fault("a string does not end")
		}
		c := r.text[r.pos]
		r.pos++
		switch {
		case c == '"':
			if !utf8.Valid(out) {
				return "", r.fault("a string is not UTF-8")
			}
			return string(out), nil
		case c < ' ':
			return "", r.fault("a string holds a control character")
		case c == '\\':
			var err error
			if out, err = r.escape(out); err != nil {
				return "", err
			}
		}
	}
}

var escapes = map[byte]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// escape appends what the escape after the backslash stands for.
func (r *jsonReader) escape(out []byte) ([]byte, error) {
	if r.pos == len(r.text) {
		return nil, r.fault("a string does not end")
	}
	c := r.text[r.pos]
	r.pos++
	if c != 'u' {
		plain, ok := escapes[c]
		if !ok {
			return nil, r.fault("a string has an unknown escape")
		}
		return append(out, plain), nil
	}
	first, ok := r.hex4()
	if !ok {
		return nil, r.fault("a \\u escape has no four digits")
	}
	if !utf16.IsSurrogate(first) {
		return utf8.AppendRune(out, first), nil
	}
	if len(r.text)-r.pos >= 6 && r.text[r.pos] == '\\' && r.text[r.pos+1] == 'u' {
		r.pos += 2
		second, ok := r.hex4()
		if pair := utf16.DecodeRune(first, second); ok && pair != utf8.RuneError {
			return utf8.AppendRune(out, pair), nil
		}
	}
	return nil, r.fault("a string has half a surrogate pair")
}

func (r *jsonReader) hex4() (rune, bool) {
	if len(r.text)-r.pos < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(r.text[r.pos:r.pos+4]), 16, 16)
	r.pos += 4
	return rune(n), err == nil
}
