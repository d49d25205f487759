package wire

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// readQuery decodes the body of a form into a T.
func readQuery[T any](body string) (v T, err error) {
	values, err := url.ParseQuery(body)
	if err != nil {
		return v, err
	}
	f, err := parseForm(values)
	if err == nil {
		err = f.decodeStruct(shapeFor[T](), reflect.ValueOf(&v).Elem())
	}
	return v, err
}

// lines makes a form of lines "name=value".
func lines(text string) string {
	values := url.Values{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			values.Add(name, value)
		}
	}
	return values.Encode()
}

func TestFlattenedListsAndMapsInQueries(t *testing.T) {
	for rule, c := range map[string]struct {
		form string
		want flat
	}{
		"Scalars":              {`Url=http://a/b?c=d`, flat{Url: ptr("http://a/b?c=d")}},
		"AnEmptyScalarIsThere": {`Url=`, flat{Url: ptr("")}},
		"Lists": {`Name.1=a
			Name.2=b`, flat{Names: []string{"a", "b"}}},
		"ByNumberAndNotByText": {`Name.10=c
			Name.9=b
			Name.1=a`, flat{Names: []string{"a", "b", "c"}}},
		"GapsAreClosed": {`Name.3=b
			Name.2=a`, flat{Names: []string{"a", "b"}}},
		"WhatIsNoNumberIsNoElement": {`Name.1=a
			Name.0=x
			Name.01=x
			Name.+1=x
			Name.-1=x
			Name.x=x
			Name.99999999999999999999=x`, flat{Names: []string{"a"}}},
		"AnEmptyList":       {`Name=`, flat{Names: []string{}}},
		"NotUnderItsMember": {`Names.1=x`, flat{}},
		"Maps": {`Tag.1.Key=k
			Tag.1.Value=v
			Tag.2.Key=l
			Tag.2.Value=`, flat{Tags: map[string]string{"k": "v", "l": ""}}},
		"AMapsEntryWithoutAValue": {`Tag.1.Key=k`, flat{Tags: map[string]string{"k": ""}}},
		"OfAKeyTwiceTheLast": {`Tag.1.Key=k
			Tag.1.Value=v
			Tag.2.Key=k
			Tag.2.Value=w`, flat{Tags: map[string]string{"k": "w"}}},
		"MapsOfStructures": {`Attribute.1.Name=a
			Attribute.1.Value.Text=t
			Attribute.1.Value.Blob=YWJj
			Attribute.2.Name=b
			Attribute.2.Value.ListText.1=x
			Attribute.2.Value.ListText.2=y
			Attribute.2.Value.ListBlob.1=YQ==`,
			flat{Attribs: map[string]attribute{"a": {Text: ptr("t"), Blob: []byte("abc")}, "b": {Texts: []string{"x", "y"}, Blobs: [][]byte{[]byte("a")}}}}},
		"ListsOfStructuresWithMaps": {`FlatEntry.1.Id=i
			FlatEntry.1.Delay=-5
			FlatEntry.1.Attribute.1.Name=a
			FlatEntry.1.Attribute.1.Value.Text=t
			FlatEntry.2.Id=j`,
			flat{Entries: []flatEntry{{Id: ptr("i"), Delay: ptr(int32(-5)), Attribs: map[string]attribute{"a": {Text: ptr("t")}}}, {Id: ptr("j")}}}},
		"UnknownParameters": {`Action=Echo
			Version=2012-11-05
			Other.1.Thing=x
			.=x
			Url.x=y
			FlatEntry.x.Id=y`, flat{Entries: []flatEntry{}}},
		"OfAParameterTwiceTheLast": {`Url=a
			Url=b`, flat{Url: ptr("b")}},
	} {
		t.Run(rule, func(t *testing.T) {
			got, err := readQuery[flat](lines(c.form))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestMemberAndEntryListsInQueries(t *testing.T) {
	for rule, c := range map[string]struct {
		form string
		want deep
	}{
		"Scalars": {`Name=n
			Max=2147483647
			Flag=true
			Rate=1.5e3
			When=2026-01-01T00:00:00Z`, deep{Name: "n", Max: ptr(int32(2147483647)), Flag: true, Rate: ptr(1500.), When: ptr(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))}},
		"Lists": {`Keys.member.2=b
			Keys.member.1=a`, deep{Keys: []string{"a", "b"}}},
		"ListsOfStructures": {`Tags.member.1.Key=k
			Tags.member.1.Value=v
			Tags.member.2.Key=l`, deep{Tags: []tag{{"k", "v"}, {Key: "l"}}}},
		"Structures": {`Owner.Path=/
			Owner.Tags.member.1.Key=k`, deep{Owner: &owner{Path: ptr("/"), Tags: []tag{{Key: "k"}}}}},
		"Maps": {`Context.entry.1.key=k
			Context.entry.1.value=v
			Context.entry.2.key=l
			Context.entry.2.value=w`, deep{Context: map[string]string{"k": "v", "l": "w"}}},
		"AnEmptyList":         {`Tags=`, deep{Tags: []tag{}}},
		"ListsWithoutMembers": {`Keys.1=a`, deep{}},
		"MapsWithoutEntries":  {`Context.1.key=a`, deep{}},
	} {
		t.Run(rule, func(t *testing.T) {
			got, err := readQuery[deep](lines(c.form))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestQueriesThatAreRefused(t *testing.T) {
	for rule, c := range map[string]struct{ form, code string }{
		"AnIntegerOfText":        {"Max=x", CodeMalformed},
		"AnIntegerTooLarge":      {"Max=2147483648", CodeMalformed},
		"AnEmptyInteger":         {"Max=", CodeMalformed},
		"AnIntegerInAnotherBase": {"Max=0x10", CodeMalformed},
		"AFraction":              {"Max=1.0", CodeMalformed},
		"AFloatOfText":           {"Rate=x", CodeMalformed},
		"ABooleanOfAnotherWord":  {"Flag=True", CodeMalformed},
		"ATimeInSeconds":         {"When=1767225600", CodeMalformed},
		"AMapsEntryWithoutAKey":  {"Context.entry.1.value=v", "MissingParameter"},
		"TextThatIsNotUTF8":      {"Name=%ff", CodeMalformed},
		"KeysThatAreNotUTF8":     {"Context.entry.1.key=%c3", CodeMalformed},
		"TooDeep":                {strings.Repeat("a.", maxDepth+1) + "a=b", CodeMalformed},
		"TooManyParts":           {manyParts(), CodeMalformed},
	} {
		t.Run(rule, func(t *testing.T) {
			_, err := readQuery[deep](c.form)
			if e := asError(err); e.Code != c.code {
				t.Errorf("got the error %v, want %s", err, c.code)
			}
		})
	}
	for _, blob := range []string{"a", "-_-_"} {
		if _, err := readQuery[flat]("Attribute.1.Name=a&Attribute.1.Value.Blob=" + blob); asError(err).Code != CodeMalformed {
			t.Errorf("the blob %q gives the error %v", blob, err)
		}
	}
}

func TestQueriesAreBoundedInTheirParameters(t *testing.T) {
	for n, ok := range map[int]bool{maxParameters: true, maxParameters + 1: false} {
		if _, err := parseForm(url.Values{"Name.1": make([]string, n)}); (err == nil) != ok {
			t.Errorf("%d parameters give the error %v", n, err)
		}
	}
}

// manyParts is a form of few parameters that would make a tree of many nodes.
func manyParts() string {
	var form strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&form, "&%d%s=", i, strings.Repeat(".a", 50))
	}
	return form.String()[1:]
}

// A formWriter writes forms by AWS's rules, in any order and, for the numbers of
// elements, with gaps.
type formWriter struct {
	form   url.Values
	random *rand.Rand
}

// numbers returns n rising numbers as text.
func (w *formWriter) numbers(n int) (texts []string) {
	at := 0
	for range n {
		at += 1 + w.random.IntN(3)
		texts = append(texts, strconv.Itoa(at))
	}
	return texts
}

func (w *formWriter) value(name string, v reflect.Value, tag reflect.StructTag) {
	flattened, parts, _ := strings.Cut(tag.Get("query"), ",")
	switch {
	case v.Kind() == reflect.Pointer:
		if !v.IsNil() {
			w.value(name, v.Elem(), tag)
		}
	case v.Type() == timeType:
		w.form.Set(name, v.Interface().(time.Time).Format(time.RFC3339Nano))
	case v.Type() == blobType:
		if !v.IsNil() {
			w.form.Set(name, base64.StdEncoding.EncodeToString(v.Bytes()))
		}
	case v.Kind() == reflect.Struct:
		w.members(name+".", v)
	case v.Kind() == reflect.Slice && !v.IsNil():
		w.list(name, v, flattened != "")
	case v.Kind() == reflect.Map && !v.IsNil():
		w.entries(name, v, flattened != "", parts)
	case v.Kind() != reflect.Slice && v.Kind() != reflect.Map:
		w.form.Set(name, fmt.Sprint(v.Interface()))
	}
}

func (w *formWriter) members(prefix string, v reflect.Value) {
	for i, f := range reflect.VisibleFields(v.Type()) {
		name, _, _ := strings.Cut(f.Tag.Get("query"), ",")
		if name == "" {
			name = f.Name
		}
		w.value(prefix+name, v.Field(i), f.Tag)
	}
}

func (w *formWriter) list(name string, v reflect.Value, flattened bool) {
	if v.Len() == 0 {
		w.form.Set(name, "")
		return
	}
	if !flattened {
		name += ".member"
	}
	for i, number := range w.numbers(v.Len()) {
		w.value(name+"."+number, v.Index(i), "")
	}
}

func (w *formWriter) entries(name string, v reflect.Value, flattened bool, parts string) {
	if !flattened {
		name += ".entry"
	}
	keyName, valueName, ok := strings.Cut(parts, ",")
	if !ok {
		keyName, valueName = "Name", "Value"
	}
	numbers := w.numbers(v.Len())
	for i, key := range v.MapKeys() {
		w.form.Set(name+"."+numbers[i]+"."+keyName, key.String())
		w.value(name+"."+numbers[i]+"."+valueName, v.MapIndex(key), "")
	}
}

func TestQueriesAreReadAsTheyAreWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for _, typ := range []reflect.Type{reflect.TypeFor[flat](), reflect.TypeFor[deep]()} {
			want, got := reflect.New(typ), reflect.New(typ)
			drawValue(t, want.Elem())
			if f, ok := want.Interface().(*flat); ok {
				for i := range f.Entries {
					f.Entries[i].Id = ptr("there") // a form has no way to say that an empty structure is there
				}
			}
			w := formWriter{url.Values{}, rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))}
			w.members("", want.Elem())
			f, err := parseForm(w.form)
			if err != nil {
				t.Fatal(err)
			}
			if err := f.decodeStruct(shapeOf(typ, false), got.Elem()); err != nil {
				t.Fatalf("%v: %v", w.form, err)
			}
			if diff := cmp.Diff(want.Interface(), got.Interface(), cmpopts.EquateEmpty(), emptyStructs); diff != "" {
				t.Fatalf("%v: %s", w.form, diff)
			}
		}
	})
}

// emptyStructs says that a structure without members is as good as none.
var emptyStructs = cmp.Transformer("owner", func(o *owner) owner {
	if o == nil {
		return owner{}
	}
	return *o
})
