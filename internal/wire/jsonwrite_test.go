package wire

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func TestJSONIsWrittenAsItIsRead(t *testing.T) {
	scalars := append([]reflect.Type{timeType}, scalarTypes...)
	rapid.Check(t, func(t *rapid.T) {
		typ := drawStruct(t, 3, scalars)
		want, got := reflect.New(typ), reflect.New(typ)
		drawValue(t, want.Elem())
		s := shapeOf(typ, rapid.Bool().Draw(t, "lower case"))
		text := appendJSON(nil, s, want.Elem())
		if !json.Valid(text) {
			t.Fatalf("not JSON: %s", text)
		}
		if err := decodeJSON(text, s, got.Elem()); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if diff := cmp.Diff(want.Interface(), got.Interface(), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%s: %s", text, diff)
		}
	})
}

func TestEncodingJSONReadsWhatIsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		typ := drawStruct(t, 3, scalarTypes)
		want, got := reflect.New(typ), reflect.New(typ)
		drawValue(t, want.Elem())
		text := appendJSON(nil, shapeOf(typ, false), want.Elem())
		if err := json.Unmarshal(text, got.Interface()); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if diff := cmp.Diff(want.Interface(), got.Interface(), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%s: %s", text, diff)
		}
	})
}

func TestAnyStringIsWrittenAsValidJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
		var got string
		if err := json.Unmarshal(appendJSONString(nil, s), &got); err != nil {
			t.Fatal(err)
		}
		if want := string([]rune(s)); got != want { // as Go ranges over it, U+FFFD for each bad byte
			t.Fatalf("got %q, want %q", got, want)
		}
	})
}

func TestJSONStringsAreEscapedOnlyWhereTheyMustBe(t *testing.T) {
	for s, want := range map[string]string{
		`plain`:               `"plain"`,
		"\"\\/":               `"\"\\/"`,
		"\n\r\t":              `"\n\r\t"`,
		"\x00\b\f\x1f\x7f":    "\"\\u0000\\u0008\\u000c\\u001f\x7f\"",
		"<é>&😀\u2028":         "\"<é>&😀\u2028\"",
		"a\xffb\xed\xa0\x80c": "\"a\ufffdb\ufffd\ufffd\ufffdc\"",
		"\ufffd":              "\"\ufffd\"",
	} {
		if got := string(appendJSONString(nil, s)); got != want {
			t.Errorf("%q is written %s, want %s", s, got, want)
		}
	}
}

func TestAbsentMembersAreLeftOut(t *testing.T) {
	for _, c := range []struct {
		value everything
		want  string
	}{
		{everything{}, `{"String":"","Int":0}`},
		{everything{String: "a", Text: ptr(""), Flag: ptr(false), Blob: []byte{}, List: []string{}, Map: map[string]string{}, Nested: &nested{}},
			`{"String":"a","Text":"","Int":0,"Flag":false,"Blob":"","Nested":{},"List":[],"Map":{}}`},
		{everything{Values: map[string]nested{"b": {}, "a": {Name: ptr("n")}, "": {Inner: []inner{{1.5}}}}},
			`{"String":"","Int":0,"Values":{"":{"Inner":[{"Value":1.5}]},"a":{"Name":"n"},"b":{}}}`},
		{everything{Numbers: [][]int64{{1, 2}, nil, {}}, JSON: json.RawMessage(`{"a": 1}`), Renamed: ptr("r")},
			`{"String":"","Int":0,"Numbers":[[1,2],[],[]],"JSON":{"a": 1},"renamed":"r"}`},
	} {
		if got := writeJSON(c.value); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

func TestNoJSONInAListIsNull(t *testing.T) {
	type list struct{ Values []json.RawMessage }
	v, err := readJSON[list](`{"Values":[null,1,null]}`)
	if err != nil {
		t.Fatal(err)
	}
	if got := writeJSON(v); got != `{"Values":[null,1,null]}` {
		t.Error(got)
	}
}

func TestMembersOfALowerCaseService(t *testing.T) {
	type page struct {
		LogGroupName string
		ARN          string `aws:"arn"`
		Ärger        string
		Items        []struct{ NextToken *string }
	}
	s := shapeOf(reflect.TypeFor[page](), true)
	v := page{"g", "a", "ä", []struct{ NextToken *string }{{ptr("t")}}}
	text := appendJSON(nil, s, reflect.ValueOf(v))
	if want := `{"logGroupName":"g","arn":"a","ärger":"ä","items":[{"nextToken":"t"}]}`; string(text) != want {
		t.Errorf("got %s, want %s", text, want)
	}
	var got page
	if err := decodeJSON(text, s, reflect.ValueOf(&got).Elem()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(v, got); diff != "" {
		t.Error(diff)
	}
}

func TestNumbersInJSON(t *testing.T) {
	for want, f := range map[string]float64{
		"0": 0, "-0": math.Copysign(0, -1), "1.5": 1.5, "1e+21": 1e21, "1e-07": 1e-7, "1.7976931348623157e+308": math.MaxFloat64, "5e-324": math.SmallestNonzeroFloat64,
		`"NaN"`: math.NaN(), `"Infinity"`: math.Inf(1), `"-Infinity"`: math.Inf(-1),
	} {
		if got := writeJSON(inner{f}); got != `{"Value":`+want+`}` {
			t.Errorf("got %s, want %s", got, want)
		}
		back, err := readJSON[inner](writeJSON(inner{f}))
		if diff := cmp.Diff(inner{f}, back, cmpopts.EquateNaNs()); err != nil || diff != "" {
			t.Errorf("%s is not read back: %v, %s", want, err, diff)
		}
	}
}

func TestTypesWithoutAShapeAreFoundWhenTheServiceIsAdded(t *testing.T) {
	for name, typ := range map[string]reflect.Type{
		"Channel":        reflect.TypeFor[struct{ C chan int }](),
		"Unsigned":       reflect.TypeFor[struct{ C uint64 }](),
		"MapOfInts":      reflect.TypeFor[struct{ C map[int]string }](),
		"ListOfPointers": reflect.TypeFor[struct{ C []*string }](),
		"PointerTwice":   reflect.TypeFor[struct{ C **string }](),
		"Any":            reflect.TypeFor[struct{ C any }](),
		"AnUnknownPlace": reflect.TypeFor[struct {
			C string `aws:",cookie"`
		}](),
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if text, ok := recover().(string); !ok || !strings.HasPrefix(text, "wire: ") {
					t.Errorf("panicked with %v", text)
				}
			}()
			shapeOf(typ, false)
			t.Error("the type has a shape")
		})
	}
}

func TestTimesBeyondMillisecondsAreCutInJSON(t *testing.T) {
	for want, at := range map[string]time.Time{
		"0":              time.Unix(0, 999_999),
		"1767225600":     time.Date(2026, 1, 1, 1, 0, 0, 0, time.FixedZone("", 3600)),
		"1767225600.5":   time.Date(2026, 1, 1, 0, 0, 0, 5e8, time.UTC),
		"1767225600.001": time.Date(2026, 1, 1, 0, 0, 0, 1_999_999, time.UTC),
		"-0.5":           time.Unix(-1, 5e8),
	} {
		if got := writeJSON(struct{ Time time.Time }{at}); got != `{"Time":`+want+`}` {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
