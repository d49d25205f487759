package pattern

import (
	"fmt"
	"slices"
	"testing"
)

func parsed(t testing.TB, text string) *Pattern {
	t.Helper()
	p, err := Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return p
}

func decoded(t testing.TB, text string) *Event {
	t.Helper()
	e, err := Decode([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return e
}

// matches says of patterns which events match and which do not.
var matches = []struct {
	pattern string
	yes, no []string
}{
	{`{"a": ["x", "y"]}`, []string{`{"a": "x"}`, `{"a": "y", "b": 1}`}, []string{`{"a": "X"}`, `{"a": ""}`, `{"b": "x"}`, `{"a": {"x": 1}}`, `{}`}},
	{`{"a": ["x"], "b": ["y"]}`, []string{`{"a": "x", "b": "y"}`}, []string{`{"a": "x"}`, `{"a": "x", "b": "x"}`}},
	{`{"a": {"b": ["x"]}}`, []string{`{"a": {"b": "x"}}`, `{"a.b": "x"}`}, []string{`{"a": "{\"b\": \"x\"}"}`, `{"b": "x"}`}},
	{`{"a.b": ["x"]}`, []string{`{"a": {"b": "x"}}`, `{"a.b": "x"}`}, []string{`{"a": {"b": {"c": "x"}}}`}},
	{`{"a": [true, null]}`, []string{`{"a": true}`, `{"a": null}`}, []string{`{"a": false}`, `{"a": "null"}`, `{"a": []}`, `{}`}},
	{`{"a": ["x"], "a": ["y"]}`, []string{`{"a": "y"}`}, []string{`{"a": "x"}`}},

	{`{"a": [300]}`, []string{`{"a": 300}`, `{"a": 300.0}`, `{"a": 3.0e2}`, `{"a": 30000e-2}`}, []string{`{"a": "300"}`, `{"a": 300.0000000000000001}`}},
	{`{"a": [0]}`, []string{`{"a": 0}`, `{"a": -0.0}`, `{"a": 0e7}`}, []string{`{"a": 1e-300}`}},
	{`{"a": [9007199254740993]}`, []string{`{"a": 9007199254740993}`}, []string{`{"a": 9007199254740992}`}},

	{`{"a": [{"prefix": "ab"}]}`, []string{`{"a": "ab"}`, `{"a": "abc"}`}, []string{`{"a": "Abc"}`, `{"a": "a"}`, `{"a": 1}`}},
	{`{"a": [{"prefix": {"equals-ignore-case": "aB"}}]}`, []string{`{"a": "ABc"}`, `{"a": "abc"}`}, []string{`{"a": "a"}`, `{"a": "cab"}`}},
	{`{"a": [{"suffix": ".png"}]}`, []string{`{"a": "x.png"}`, `{"a": ".png"}`}, []string{`{"a": "x.PNG"}`, `{"a": "png"}`, `{"a": null}`}},
	{`{"a": [{"suffix": {"equals-ignore-case": ".pNG"}}]}`, []string{`{"a": "x.png"}`, `{"a": ".PNG"}`}, []string{`{"a": "png"}`}},
	{`{"a": [{"equals-ignore-case": "Straße"}]}`, []string{`{"a": "STRAßE"}`}, []string{`{"a": "STRASSE"}`, `{"a": ""}`}},
	{`{"a": [{"equals-ignore-case": ""}]}`, []string{`{"a": ""}`}, []string{`{"a": "x"}`}},
	{`{"a": [{"exactly": "x"}]}`, []string{`{"a": "x"}`}, []string{`{"a": "X"}`}},

	{`{"a": [{"wildcard": "/Users/*/dir/dir/dir/dir/dir/doc.txt"}]}`, []string{`{"a": "/Users/u/dir/dir/dir/dir/dir/doc.txt"}`, `{"a": "/Users/u/dir/dir/dir/dir/dir/dir/dir/doc.txt"}`}, []string{`{"a": "/Users/u/dir/doc.txt"}`}},
	{`{"a": [{"wildcard": "arn:aws:events:us-east-1:*:event-bus/*"}]}`, []string{`{"a": "arn:aws:events:us-east-1:1:event-bus/b"}`, `{"a": "arn:aws:events:us-east-1::event-bus/"}`}, []string{`{"a": "arn:aws:events:us-east-1:1:rule/b"}`}},
	{`{"a": [{"wildcard": "*"}]}`, []string{`{"a": ""}`, `{"a": "x"}`}, []string{`{"a": 1}`}},
	{`{"a": [{"wildcard": "a\\*b\\\\"}]}`, []string{`{"a": "a*b\\"}`}, []string{`{"a": "axb\\"}`}},

	{`{"a": [{"anything-but": "x"}]}`, []string{`{"a": "y"}`, `{"a": 1}`, `{"a": null}`, `{"a": ["x", "y"]}`}, []string{`{"a": "x"}`, `{}`, `{"a": {"b": 1}}`, `{"a": []}`}},
	{`{"a": [{"anything-but": ["x", "y"]}]}`, []string{`{"a": "z"}`}, []string{`{"a": "x"}`, `{"a": "y"}`}},
	{`{"a": [{"anything-but": 0}]}`, []string{`{"a": 1}`, `{"a": "0"}`}, []string{`{"a": 0}`, `{"a": 0.0}`}},
	{`{"a": [{"anything-but": [1, 2]}]}`, []string{`{"a": 3}`}, []string{`{"a": 1.0}`, `{"a": 2}`}},
	{`{"a": [{"anything-but": {"prefix": "in"}}]}`, []string{`{"a": "out"}`, `{"a": 12}`, `{"a": null}`}, []string{`{"a": "init"}`, `{}`}},
	{`{"a": [{"anything-but": {"prefix": ["in", "st"]}}]}`, []string{`{"a": "out"}`}, []string{`{"a": "init"}`, `{"a": "stop"}`}},
	{`{"a": [{"anything-but": {"suffix": [".txt", ".rtf"]}}]}`, []string{`{"a": "x.png"}`}, []string{`{"a": "x.txt"}`, `{"a": "x.rtf"}`}},
	{`{"a": [{"anything-but": {"equals-ignore-case": ["INIT", "stop"]}}]}`, []string{`{"a": "run"}`}, []string{`{"a": "init"}`, `{"a": "STOP"}`}},
	{`{"a": [{"anything-but": {"wildcard": "*/lib/*"}}]}`, []string{`{"a": "a/b"}`, `{"a": 1}`}, []string{`{"a": "a/lib/b"}`}},
	{`{"a": [{"anything-but": {"wildcard": ""}}]}`, []string{`{"a": "dir/init/file"}`}, []string{`{"a": ""}`}},
	{`{"a": [{"anything-but": "10.0.0.1"}]}`, []string{`{"a": "10.0.0.2"}`}, []string{`{"a": "10.0.0.1"}`}},

	{`{"a": [{"numeric": ["=", 5]}]}`, []string{`{"a": 5}`, `{"a": 5.0}`}, []string{`{"a": "5"}`, `{"a": 6}`}},
	{`{"a": [{"numeric": ["<", -1.5]}]}`, []string{`{"a": -2}`, `{"a": -1.51}`}, []string{`{"a": -1.5}`, `{"a": 0}`, `{"a": -6000000000}`}},
	{`{"a": [{"numeric": [">", 0, "<=", 5]}]}`, []string{`{"a": 0.1}`, `{"a": 5}`}, []string{`{"a": 0}`, `{"a": 5.1}`, `{"a": true}`}},
	{`{"a": [{"numeric": [">=", 4999999999.5]}]}`, []string{`{"a": 5000000000}`}, []string{`{"a": 5000000000.1}`}},

	{`{"a": [{"exists": true}]}`, []string{`{"a": null}`, `{"a": [1]}`}, []string{`{}`, `{"a": {"b": 1}}`, `{"a": []}`, `{"a": {}}`}},
	{`{"a": [{"exists": false}]}`, []string{`{}`, `{"a": {"b": 1}}`, `{"a": []}`}, []string{`{"a": null}`, `{"a": [1]}`}},
	{`{"a": {"b": [{"exists": false}]}, "c": ["x"]}`, []string{`{"c": "x"}`, `{"a": 1, "c": "x"}`}, []string{`{"a": {"b": 1}, "c": "x"}`, `{"a": {}}`}},
	{`{"a": ["x", {"exists": false}]}`, []string{`{}`, `{"a": "x"}`}, []string{`{"a": "y"}`}},

	{`{"a": [{"cidr": "10.0.0.0/24"}]}`, []string{`{"a": "10.0.0.0"}`, `{"a": "10.0.0.255"}`}, []string{`{"a": "10.0.1.0"}`, `{"a": 123}`, `{"a": "10.0.0.1x"}`, `{"a": "::a00:1"}`}},
	{`{"a": [{"cidr": "10.0.0.7/28"}]}`, []string{`{"a": "10.0.0.7"}`, `{"a": "10.0.0.15"}`}, []string{`{"a": "10.0.0.6"}`, `{"a": "10.0.0.16"}`}},
	{`{"a": [{"cidr": "2001:db8:1234:1a00::/64"}]}`, []string{`{"a": "2001:db8:1234:1a00:0:0:0:1"}`}, []string{`{"a": "2001:db8:1234:1a01::"}`}},
	{`{"a": ["2001:db8::1"]}`, []string{`{"a": "2001:0DB8:0::1"}`}, []string{`{"a": "2001:db8::2"}`}},

	{`{"a": ["x"], "$or": [{"b": [1]}, {"c": [2], "d": [3]}]}`, []string{`{"a": "x", "b": 1}`, `{"a": "x", "c": 2, "d": 3}`}, []string{`{"a": "x", "c": 2}`, `{"b": 1}`}},
	{`{"p": {"$or": [{"a": [1]}, {"b": [2]}]}, "$or": [{"c": [3]}, {"d": [4], "$or": [{"e": [5]}, {"f": [6]}]}]}`,
		[]string{`{"p": {"a": 1}, "c": 3}`, `{"p": {"b": 2}, "d": 4, "f": 6}`}, []string{`{"p": {"a": 1}, "d": 4}`, `{"c": 3}`}},

	{`{"a": ["x"]}`, []string{`{"a": ["w", "x"]}`, `{"a": [["x"]]}`}, []string{`{"a": [{"b": "x"}]}`}},
	{`{"e": {"first": ["Ada"], "last": ["Roe"]}}`, []string{`{"e": [{"first": "Ada", "last": "Doe"}, {"first": "Ada", "last": "Roe"}]}`, `{"e": {"first": "Ada", "last": "Roe"}}`},
		[]string{`{"e": [{"first": "Ada", "last": "Doe"}, {"first": "Bob", "last": "Roe"}]}`}},
	{`{"o": {"i": {"x": [1]}, "y": [2]}}`, []string{`{"o": [{"i": [{"x": 0}, {"x": 1}], "y": 2}]}`}, []string{`{"o": [{"i": [{"x": 1}], "y": 1}, {"i": [{"x": 0}], "y": 2}]}`}},
	{`{"a": {"x": [1]}, "b": {"y": [2]}}`, []string{`{"a": [{"x": 0}, {"x": 1}], "b": [{"y": 2}, {"y": 0}]}`}, nil},
	{`{"a": {"k": ["x"], "v": [{"exists": false}]}}`, []string{`{"a": [{"k": "x"}, {"k": "y", "v": 1}]}`}, []string{`{"a": [{"k": "x", "v": 1}, {"k": "y"}]}`}},
}

func TestMatches(t *testing.T) {
	for _, m := range matches {
		p := parsed(t, m.pattern)
		for _, e := range m.yes {
			if !p.Match(decoded(t, e)) {
				t.Errorf("%s does not match %s", m.pattern, e)
			}
		}
		for _, e := range m.no {
			if p.Match(decoded(t, e)) {
				t.Errorf("%s matches %s", m.pattern, e)
			}
		}
	}
}

func TestASetFindsWhatMatches(t *testing.T) {
	var patterns []*Pattern
	for _, m := range matches {
		patterns = append(patterns, parsed(t, m.pattern))
	}
	s := NewSet(patterns)
	for _, m := range matches {
		for _, text := range append(m.yes, m.no...) {
			e := decoded(t, text)
			var want []int
			for i, p := range patterns {
				if p.Match(e) {
					want = append(want, i)
				}
			}
			if got := s.Match(e); !slices.Equal(got, want) {
				t.Errorf("%s is matched by %v, not %v", text, want, got)
			}
		}
	}
}

func TestWhatIsNoEvent(t *testing.T) {
	for _, text := range []string{``, `"x"`, `[]`, `null`, `{`, `{} x`} {
		if _, err := Decode([]byte(text)); err == nil {
			t.Errorf("%q is an event", text)
		}
	}
}

// Two conditions on large arrays are matched in a time that grows with the
// size of the arrays, not with its square.
func TestConditionsOnLargeArrays(t *testing.T) {
	var elements []any
	for i := range 30_000 {
		elements = append(elements, map[string]any{"k": "x", "v": i})
	}
	e := NewEvent(map[string]any{"a": []any{map[string]any{"b": elements}}, "c": elements})
	for text, want := range map[string]bool{
		`{"a": {"b": {"k": ["x"], "v": [29999]}}, "c": {"k": ["x"], "v": [0]}}`:   true,
		`{"a": {"b": {"k": ["x"], "v": [29999]}}, "c": {"k": ["x"], "v": [-1]}}`:  false,
		`{"a": {"b": {"k": ["x"]}}, "c": {"k": ["x"], "w": [{"exists": false}]}}`: true,
		`{"a": {"b": {"k": ["x"]}}, "c": {"k": ["x"], "v": [{"exists": false}]}}`: false,
	} {
		if parsed(t, text).Match(e) != want {
			t.Errorf("%s: %v", text, !want)
		}
	}
}

// BenchmarkMatchOneEventAgainst10000Rules has rules of the usual kinds: most want
// a source or a type of their own, some a prefix or a number.
func BenchmarkMatchOneEventAgainst10000Rules(b *testing.B) {
	var patterns []*Pattern
	for i := range 10_000 {
		text := fmt.Sprintf(`{"source": ["app"], "detail-type": ["type-%d"], "detail": {"state": [{"anything-but": "done"}]}}`, i/2)
		switch i % 10 {
		case 0:
			text = fmt.Sprintf(`{"source": ["app"], "detail": {"id": [{"prefix": "id-%d-"}], "count": [{"numeric": [">", %d]}]}}`, i, i)
		case 1:
			text = fmt.Sprintf(`{"detail": {"file": [{"suffix": ".%d"}, {"wildcard": "*/%d/*"}]}}`, i, i)
		}
		patterns = append(patterns, parsed(b, text))
	}
	s := NewSet(patterns)
	text := []byte(`{"version":"0","id":"6a7e8feb","detail-type":"type-2501","source":"app","account":"111122223333","time":"2026-01-01T00:00:00Z","region":"us-east-1",
		"resources":["arn:aws:x:us-east-1:111122223333:y"],"detail":{"id":"id-5000-x","state":"running","count":5001,"file":"a/b/c.txt","tags":["a","b"]}}`)
	for b.Loop() {
		e, err := Decode(text)
		if err != nil {
			b.Fatal(err)
		}
		if got := s.Match(e); len(got) != 3 {
			b.Fatalf("%v match", got)
		}
	}
}
