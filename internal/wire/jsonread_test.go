package wire

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func TestJSONIsReadAsEncodingJSONReadsIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		typ := drawStruct(t, 3, scalarTypes)
		text := drawDocument(t, typ)
		got, want := reflect.New(typ), reflect.New(typ)
		gotErr := decodeJSON([]byte(text), shapeOf(typ, false), got.Elem())
		wantErr := json.Unmarshal([]byte(text), want.Interface())
		if (gotErr == nil) != (wantErr == nil) {
			t.Fatalf("%v of %s: got the error %v, encoding/json %v", typ, text, gotErr, wantErr)
		}
		if diff := cmp.Diff(want.Interface(), got.Interface(), cmpopts.EquateEmpty()); wantErr == nil && diff != "" {
			t.Fatalf("%v of %s: %s", typ, text, diff)
		}
	})
}

// changed returns text with a few of its bytes removed, replaced or added.
func changed(t *rapid.T, text string) string {
	b := []byte(text)
	alphabet := rapid.SampledFrom([]byte("{}[]\",:\\untrfalse0123456789+-.eEdD8 \n\x00\x1f\x7f\x80\xc3\xa9\xed\xa0"))
	for range rapid.IntRange(0, 4).Draw(t, "changes") {
		at := rapid.IntRange(0, len(b)).Draw(t, "at")
		switch c := alphabet.Draw(t, "byte"); rapid.IntRange(0, 2).Draw(t, "change") {
		case 0:
			b = append(b[:at:at], append([]byte{c}, b[at:]...)...)
		case 1:
			b = append(b[:at:at], b[min(at+1, len(b)):]...)
		case 2:
			b = append(append(b[:at:at], c), b[min(at+1, len(b)):]...)
		}
	}
	return string(b)
}

// intact reports whether valid JSON is UTF-8 and has no half surrogate pair,
// which encoding/json replaces by U+FFFD.
func intact(text string) bool {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	for {
		token, err := d.Token()
		if err != nil {
			return utf8.ValidString(text)
		}
		if s, ok := token.(string); ok && strings.ContainsRune(s, utf8.RuneError) {
			return false
		}
	}
}

func TestJSONIsAcceptedAsRFC8259Says(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := changed(t, drawDocument(t, drawType(t, 3, scalarTypes)))
		if strings.Contains(text, "\ufffd") || strings.Contains(strings.ToLower(text), `\ufffd`) {
			return // intact could not tell
		}
		want := json.Valid([]byte(text)) && intact(text)
		for _, document := range []string{`{"JSON":` + text + `}`, `{"unknown":` + text + `}`} {
			_, err := readJSON[everything](document)
			if (err == nil) != want {
				t.Fatalf("%q: error %v, want acceptance: %v", document, err, want)
			}
		}
	})
}

func TestJSONThatIsRefused(t *testing.T) {
	for rule, text := range map[string]string{
		"Truncated":               `{"String":"a`,
		"NothingButSpaceAndComma": ` ,`,
		"MoreAfterTheValue":       `{} {}`,
		"TrailingComma":           `{"String":"a",}`,
		"TrailingCommaInAList":    `{"List":["a",]}`,
		"NoColon":                 `{"String" "a"}`,
		"NamesWithoutQuotes":      `{String:"a"}`,
		"SingleQuotes":            `{'String':'a'}`,
		"Comments":                `{/**/}`,
		"LeadingZero":             `{"Int":01}`,
		"LeadingPlus":             `{"Int":+1}`,
		"BarePoint":               `{"Float":1.}`,
		"NoDigitsBeforeThePoint":  `{"Float":.5}`,
		"EmptyExponent":           `{"Float":1e}`,
		"Hexadecimal":             `{"Int":0x10}`,
		"BareNaN":                 `{"Float":NaN}`,
		"ControlCharacters":       "{\"String\":\"a\nb\"}",
		"ControlAfterAnEscape":    "{\"String\":\"\\t\x00\"}",
		"UnknownEscapes":          `{"String":"\x41"}`,
		"ShortEscapes":            `{"String":"\u12"}`,
		"SignedEscapes":           `{"String":"\u+123"}`,
		"BadUTF8":                 "{\"String\":\"\xff\"}",
		"OverlongUTF8":            "{\"String\":\"\xc0\xaf\"}",
		"BadUTF8AfterAnEscape":    "{\"String\":\"\\n\xff\"}",
		"BadUTF8InANameOfNoOne":   "{\"\xff\":1}",
		"BadUTF8InASkippedValue":  "{\"x\":[\"\xff\"]}",
		"SurrogateInUTF8":         "{\"String\":\"\xed\xa0\x80\"}",
		"HighSurrogateAlone":      `{"String":"\ud83d"}`,
		"HighSurrogateThenText":   `{"String":"\ud83dx"}`,
		"TwoHighSurrogates":       `{"String":"\ud83d\ud83d"}`,
		"LowSurrogateAlone":       `{"String":"\ude00"}`,
		"SurrogateInAKey":         `{"Map":{"\ud83d":""}}`,
		"BadBase64":               `{"Blob":"a"}`,
		"URLBase64":               `{"Blob":"-_-_"}`,
		"AFractionForAnInteger":   `{"Int":1.5}`,
		"AnIntegerBeyondInt64":    `{"Int":9223372036854775808}`,
		"AnIntegerBeyondInt32":    `{"Count":2147483648}`,
		"AnIntegerWrittenLarge":   `{"Int":1e19}`,
		"AnIntegerBeyondDoubles":  `{"Int":9007199254740993.0}`,
		"AFloatOutOfRange":        `{"Float":1e999}`,
		"ATimeOutOfRange":         `{"Time":1e13}`,
		"TopLevelList":            `[]`,
		"TopLevelString":          `"x"`,
	} {
		t.Run(rule, func(t *testing.T) {
			v, err := readJSON[everything](text)
			var e *Error
			if !errors.As(err, &e) || e.Code != CodeMalformed {
				t.Errorf("got %+v and the error %v", v, err)
			}
		})
	}
}

func TestJSONThatIsAccepted(t *testing.T) {
	count := int32(1000)
	for rule, c := range map[string]struct {
		text string
		want everything
	}{
		"NoBodyAtAll":                 {"", everything{}},
		"NothingButSpace":             {" \r\n\t", everything{}},
		"Null":                        {"null", everything{}},
		"UnknownMembers":              {`{"x":{"y":[1,{"z":null}]},"String":"a"}`, everything{String: "a"}},
		"MembersByTheirExactNameOnly": {`{"string":"a","STRING":"b","Renamed":"c"}`, everything{}},
		"RenamedMembers":              {`{"renamed":"c"}`, everything{Renamed: ptr("c")}},
		"NamesWithEscapes":            {`{"Str\u0069ng":"a"}`, everything{String: "a"}},
		"NullsLikeAbsentMembers":      {`{"String":null,"Text":null,"List":null,"Map":null,"JSON":null,"Nested":null}`, everything{}},
		"NullsInMapsLikeAbsentKeys":   {`{"Map":{"a":null,"b":"c"}}`, everything{Map: map[string]string{"b": "c"}}},
		"NullsInListsLikeZeros":       {`{"List":["a",null]}`, everything{List: []string{"a", ""}}},
		"IntegersWithAnExponent":      {`{"Int":1e3,"Count":10.0e2}`, everything{Int: 1000, Count: &count}},
		"TheLeastInteger":             {`{"Int":-9223372036854775808}`, everything{Int: math.MinInt64}},
		"NegativeZero":                {`{"Int":-0,"Float":-0}`, everything{Float: ptr(math.Copysign(0, -1))}},
		"EscapesOfAllKinds":           {`{"String":"\"\\\/\b\f\n\r\t\u0041\u00e9\ud83d\ude00"}`, everything{String: "\"\\/\b\f\n\r\tAé😀"}},
		"TheReplacementCharacter":     {`{"String":"\ufffd�"}`, everything{String: "\ufffd\ufffd"}},
		"Noncharacters":               {"{\"String\":\"\\uffff\uffff\\u0000\"}", everything{String: "\uffff\uffff\x00"}},
		"EmptyListsAsLists":           {`{"List":[],"Entries":[]}`, everything{List: []string{}, Entries: []nested{}}},
		"EmptyBlobs":                  {`{"Blob":""}`, everything{Blob: []byte{}}},
		"JSONAsItStands":              {`{"JSON": {"a" : [1.50, "\u0041"]} }`, everything{JSON: json.RawMessage(`{"a" : [1.50, "\u0041"]}`)}},
		"FloatsThatAreNoNumbers":      {`{"Float":"-Infinity"}`, everything{Float: ptr(math.Inf(-1))}},
	} {
		t.Run(rule, func(t *testing.T) {
			got, err := readJSON[everything](c.text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestOfAMemberGivenTwiceTheLastCounts(t *testing.T) {
	for rule, c := range map[string]struct {
		text string
		want everything
	}{
		"Scalars":      {`{"String":"a","String":"b"}`, everything{String: "b"}},
		"Null":         {`{"String":"a","Text":"a","Text":null,"String":null}`, everything{}},
		"Lists":        {`{"List":["a","b"],"List":["c"]}`, everything{List: []string{"c"}}},
		"Maps":         {`{"Map":{"a":"1"},"Map":{"b":"2"}}`, everything{Map: map[string]string{"b": "2"}}},
		"KeysOfMaps":   {`{"Map":{"a":"1","a":"2","b":"3","b":null}}`, everything{Map: map[string]string{"a": "2"}}},
		"Structures":   {`{"Nested":{"Name":"a"},"Nested":{"Inner":[]}}`, everything{Nested: &nested{Inner: []inner{}}}},
		"NamesEscaped": {`{"String":"a","\u0053tring":"b"}`, everything{String: "b"}},
		"JSON":         {`{"JSON":1,"JSON":2}`, everything{JSON: json.RawMessage("2")}},
		"Integers":     {`{"Int":1,"Int":2}`, everything{Int: 2}},
	} {
		t.Run(rule, func(t *testing.T) {
			got, err := readJSON[everything](c.text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestMismatchesAreToldInAWSsWords(t *testing.T) {
	for text, want := range map[string]string{
		`{"String":1}`:          "NUMBER_VALUE can not be converted to String",
		`{"String":-1}`:         "NUMBER_VALUE can not be converted to String",
		`{"String":true}`:       "TRUE_VALUE can not be converted to String",
		`{"String":{}}`:         "START_OBJECT can not be converted to String",
		`{"String":["a"]}`:      "START_ARRAY can not be converted to String",
		`{"Int":"1"}`:           "STRING_VALUE can not be converted to Integer",
		`{"Float":"1"}`:         "STRING_VALUE can not be converted to Double",
		`{"Flag":"true"}`:       "STRING_VALUE can not be converted to Boolean",
		`{"Flag":0}`:            "NUMBER_VALUE can not be converted to Boolean",
		`{"Int":false}`:         "FALSE_VALUE can not be converted to Integer",
		`{"Blob":[1]}`:          "START_ARRAY can not be converted to Blob",
		`{"Time":"2026"}`:       "STRING_VALUE can not be converted to Timestamp",
		`{"Nested":[]}`:         "START_ARRAY can not be converted to structure",
		`{"List":"a"}`:          "STRING_VALUE can not be converted to list",
		`{"Map":[]}`:            "START_ARRAY can not be converted to map",
		`{"Map":{"a":{}}}`:      "START_OBJECT can not be converted to String",
		`[]`:                    "START_ARRAY can not be converted to structure",
		`{"String":x}`:          "unexpected character or end of input (at byte 10)",
		`{"String":`:            "unexpected character or end of input (at byte 10)",
		`{"Numbers":[[1,"a"]]}`: "STRING_VALUE can not be converted to Integer",
	} {
		t.Run(text, func(t *testing.T) {
			_, err := readJSON[everything](text)
			var e *Error
			if !errors.As(err, &e) || e.Message != want {
				t.Errorf("got the error %v, want %q", err, want)
			}
		})
	}
}

func TestJSONIsBoundedInDepth(t *testing.T) {
	for _, c := range []struct {
		depth int
		ok    bool
	}{{1, true}, {maxDepth - 2, true}, {maxDepth + 1, false}, {1 << 20, false}} {
		lists := strings.Repeat("[", c.depth) + strings.Repeat("]", c.depth)
		maps := strings.Repeat(`{"a":`, c.depth) + "1" + strings.Repeat("}", c.depth)
		for _, text := range []string{`{"JSON":` + lists + `}`, `{"x":` + maps + `}`, `{"x":` + lists} {
			whole := strings.HasSuffix(text, "}")
			if _, err := readJSON[everything](text); (err == nil) != (c.ok && whole) {
				t.Errorf("depth %d: %.20s… gives the error %v", c.depth, text, err)
			}
		}
	}
}

func TestDecodedValuesDoNotShareMemoryWithTheBody(t *testing.T) {
	body := []byte(`{"String":"abc","JSON":[1],"Blob":"YWJj","Map":{"k":"v"}}`)
	var v everything
	if err := decodeJSON(body, shapeFor[everything](), reflect.ValueOf(&v).Elem()); err != nil {
		t.Fatal(err)
	}
	clear(body)
	want := everything{String: "abc", JSON: json.RawMessage("[1]"), Blob: []byte("abc"), Map: map[string]string{"k": "v"}}
	if diff := cmp.Diff(want, v); diff != "" {
		t.Error(diff)
	}
}

func TestJSONTimesAreReadToTheMillisecond(t *testing.T) {
	for text, want := range map[string]time.Time{
		"0":                 time.Unix(0, 0),
		"1767225600":        time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		"1767225600.5":      time.Date(2026, 1, 1, 0, 0, 0, 5e8, time.UTC),
		"1767225600.1234":   time.Date(2026, 1, 1, 0, 0, 0, 123e6, time.UTC),
		"1767225600.9996":   time.Date(2026, 1, 1, 0, 0, 1, 0, time.UTC),
		"1.767225600123E+9": time.Date(2026, 1, 1, 0, 0, 0, 123e6, time.UTC),
		"-1.25":             time.Date(1969, 12, 31, 23, 59, 58, 75e7, time.UTC),
	} {
		v, err := readJSON[everything](`{"Time":` + text + `}`)
		if err != nil || !v.Time.Equal(want) || v.Time.Location() != time.UTC {
			t.Errorf("%s: got %v and %v, want %v", text, v.Time, err, want)
		}
	}
}
