package wire

import (
	"encoding/xml"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func writeXML[T any](v T) string {
	return string(appendXML(nil, shapeFor[T](), reflect.ValueOf(v)))
}

func TestFlattenedListsAndMapsInXML(t *testing.T) {
	for rule, c := range map[string]struct {
		value flat
		want  string
	}{
		"Nothing": {flat{}, ``},
		"Scalars": {flat{Url: ptr("u")}, `<Url>u</Url>`},
		"Lists":   {flat{Names: []string{"a", "b"}}, `<Name>a</Name><Name>b</Name>`},
		"Empty":   {flat{Names: []string{}, Tags: map[string]string{}}, ``},
		"MapsByKey": {flat{Tags: map[string]string{"l": "w", "k": "v"}},
			`<Tag><Key>k</Key><Value>v</Value></Tag><Tag><Key>l</Key><Value>w</Value></Tag>`},
		"MapsOfStructures": {flat{Attribs: map[string]attribute{"a": {Text: ptr("t"), Blob: []byte("abc"), Texts: []string{"x", "y"}}}},
			`<Attribute><Name>a</Name><Value><Text>t</Text><Blob>YWJj</Blob><ListText>x</ListText><ListText>y</ListText></Value></Attribute>`},
		"ListsOfStructures": {flat{Entries: []flatEntry{{Id: ptr("i"), Delay: ptr(int32(-1)), Attribs: map[string]attribute{"a": {}}}, {}}},
			`<FlatEntry><Id>i</Id><Delay>-1</Delay><Attribute><Name>a</Name><Value></Value></Attribute></FlatEntry><FlatEntry></FlatEntry>`},
	} {
		t.Run(rule, func(t *testing.T) {
			if got := writeXML(c.value); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestMemberAndEntryListsInXML(t *testing.T) {
	for rule, c := range map[string]struct {
		value deep
		want  string
	}{
		"WhatIsAlwaysThere": {deep{}, `<Name></Name><Flag>false</Flag>`},
		"Scalars": {deep{Name: "n", Max: ptr(int32(5)), Flag: true, Rate: ptr(1.5), When: ptr(time.Date(2026, 1, 1, 0, 0, 0, 5e8, time.UTC))},
			`<Name>n</Name><Max>5</Max><Flag>true</Flag><Rate>1.5</Rate><When>2026-01-01T00:00:00.5Z</When>`},
		"Lists":      {deep{Keys: []string{"a", "b"}}, `<Name></Name><Flag>false</Flag><Keys><member>a</member><member>b</member></Keys>`},
		"EmptyLists": {deep{Keys: []string{}}, `<Name></Name><Flag>false</Flag><Keys></Keys>`},
		"ListsOfStructures": {deep{Tags: []tag{{"k", "v"}}},
			`<Name></Name><Flag>false</Flag><Tags><member><Key>k</Key><Value>v</Value></member></Tags>`},
		"Structures": {deep{Owner: &owner{Path: ptr("/")}}, `<Name></Name><Flag>false</Flag><Owner><Path>/</Path></Owner>`},
		"Maps": {deep{Context: map[string]string{"k": "v", "l": "w"}},
			`<Name></Name><Flag>false</Flag><Context><entry><key>k</key><value>v</value></entry><entry><key>l</key><value>w</value></entry></Context>`},
	} {
		t.Run(rule, func(t *testing.T) {
			if got := writeXML(c.value); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestTextInXMLIsEscapedAsAWSDoes(t *testing.T) {
	for text, want := range map[string]string{
		`plain`:                `plain`,
		`<a b="c">&amp;'`:      `&lt;a b=&quot;c&quot;&gt;&amp;amp;'`,
		"a\r\n\tb":             "a&#xD;\n\tb",
		"é😀\u2028":             "é😀\u2028",
		"\x00\x1b\ufffe\uffff": "\ufffd\ufffd\ufffd\ufffd",
		"a\xff\xed\xa0\x80b":   "a\ufffd\ufffd\ufffd\ufffdb",
		"]]>":                  "]]&gt;",
	} {
		if got := string(appendXMLText(nil, text)); got != want {
			t.Errorf("%q is written %q, want %q", text, got, want)
		}
	}
}

// legible returns s with U+FFFD for what XML has no place for.
func legible(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff {
			return '\ufffd'
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
}

func TestTextInXMLIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.StringOf(rapid.SampledFrom([]rune("<>&\"'\r\n\t\x00 a\ufffe")))).Draw(t, "text")
		var got string
		if err := xml.Unmarshal([]byte("<a>"+string(appendXMLText(nil, s))+"</a>"), &got); err != nil {
			t.Fatal(err)
		}
		if want := legible(s); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	})
}

// The output of everything that XML can hold, as encoding/xml reads it.
type readDeep struct {
	Name    string
	Max     *int32
	Flag    bool
	Rate    *float64
	When    *time.Time
	Keys    []string    `xml:"Keys>member"`
	Tags    []tag       `xml:"Tags>member"`
	Entries []readEntry `xml:"Context>entry"`
	Owner   *readOwner
}

type readEntry struct {
	Key   string `xml:"key"`
	Value string `xml:"value"`
}

type readOwner struct {
	Path *string
	Tags []tag `xml:"Tags>member"`
}

func (r readDeep) deep() deep {
	d := deep{Name: r.Name, Max: r.Max, Flag: r.Flag, Rate: r.Rate, When: r.When, Keys: r.Keys, Tags: r.Tags}
	for _, e := range r.Entries {
		if d.Context == nil {
			d.Context = map[string]string{}
		}
		d.Context[e.Key] = e.Value
	}
	if r.Owner != nil {
		d.Owner = &owner{r.Owner.Path, r.Owner.Tags}
	}
	return d
}

// legibly compares strings as XML can hold them.
var legibly = cmp.FilterValues(func(a, b string) bool { return true }, cmp.Comparer(func(a, b string) bool { return legible(a) == legible(b) }))

func TestEncodingXMLReadsWhatIsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var want deep
		drawValue(t, reflect.ValueOf(&want).Elem())
		for key, value := range want.Context { // keys that differ in XML, too
			delete(want.Context, key)
			want.Context[legible(key)] = value
		}
		var got readDeep
		if err := xml.Unmarshal([]byte("<r>"+writeXML(want)+"</r>"), &got); err != nil {
			t.Fatalf("%s: %v", writeXML(want), err)
		}
		if diff := cmp.Diff(want, got.deep(), cmpopts.EquateEmpty(), legibly); diff != "" {
			t.Fatalf("%s: %s", writeXML(want), diff)
		}
	})
}
