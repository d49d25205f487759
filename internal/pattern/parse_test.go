package pattern

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// at is how an error ends whose place in the pattern is in the given column.
func at(pattern string, column int) string {
	return fmt.Sprintf("\n at [Source: (String)\"%s\"; line: 1, column: %d]", pattern, column)
}

const badToken = ": was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')"

// recorded are errors as AWS was recorded to give them, with the column that
// they name, 0 for none; those in lists name it twice.
var recorded = []struct {
	pattern string
	reason  string
	column  int
	twice   bool
}{
	{`{"int": 42}`, `"int" must be an object or an array`, 11, false},
	{`{"string": "my-value"}`, `"string" must be an object or an array`, 13, false},
	{`{"resources": []}`, `Empty arrays are not allowed`, 17, false},
	{`{"my_key": [{"EXISTS": true}]}`, `Unrecognized match type EXISTS`, 28, false},
	{`{"detail": {"equal": [{"NUMERIC": ["=", 5]}]}}`, `Unrecognized match type NUMERIC`, 36, false},
	{`{"detail": {"c-count": [{"numeric": [">", 0, ">", 0]}]}}`, `Bad numeric range operator: >`, 49, false},
	{`{"detail": {"c-count": [{"numeric": [">", 0, "<"]}]}}`, `Value of < must be numeric`, 50, false},
	{`{"detail": {"c-count": [{"numeric": 10}]}}`, `Value of numeric must be an array.`, 39, false},
	{`{"EventBusArn": [{"wildcard": "*:*:*:*:*:event-bus/*"}]}`, `Rule is too complex - try using fewer wildcard characters or fewer repeating character sequences after a wildcard character`, 0, false},
	{`{"EventBusArn": [{"wildcard": "arn:aws:events:us-east-1:**:event-bus/*"}]}`, `Consecutive wildcard characters at pos 26`, 72, false},
	{`{"EventBusArn": [{"wildcard": 123}]}`, `wildcard match pattern must be a string`, 34, false},
	{`{"EventBusArn": [{"wildcard": ["arn:aws:events:us-east-1:**:event-bus/*"]}]}`, `wildcard match pattern must be a string`, 32, false},
	{`{"detail": {"FilePath": [{"anything-but": {"wildcard": 123}}]}}`, `wildcard match pattern must be a string`, 59, false},
	{`{"detail": {"state": [{"anything-but": {"wildcard": [123, "*/dir/*"]}}]}}`, `wildcard match pattern must be a string`, 57, true},
	{`{"detail-type": [{"equals-ignore-case": ["ec2 instance state-change notification"]}]}`, `equals-ignore-case match pattern must be a string`, 42, false},
	{`{"detail-type": [{"equals-ignore-case": {"prefix": "ec2"}}]}`, `equals-ignore-case match pattern must be a string`, 42, false},
	{`{"detail": {"state": [{"anything-but": {"equals-ignore-case": 123}}]}}`, `Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported.`, 66, false},
	{`{"detail": {"state": [{"anything-but": {"equals-ignore-case": [123, 456]}}]}}`, `Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported.`, 67, true},
	{`{"detail": {"FileName": [{"anything-but": {"suffix": 123}}]}}`, `prefix/suffix match pattern must be a string`, 57, false},
	{`{"detail": {"FileName": [{"anything-but": {"suffix": [123, ".txt"]}}]}}`, `prefix/suffix match pattern must be a string`, 58, true},
	{`{"detail": {"FileName": [{"anything-but": {"suffix": [null, ".txt"]}}]}}`, `prefix/suffix match pattern must be a string`, 59, true},
	{`{"detail": {"state": [{"anything-but": {"prefix": 123}}]}}`, `prefix/suffix match pattern must be a string`, 54, false},
	{`{"detail": {"state": [{"anything-but": {"prefix": [123, "test"]}}]}}`, `prefix/suffix match pattern must be a string`, 55, true},
	{`{"detail": {"FileName": [{"anything-but": {"prefix": ""}}]}}`, `Null prefix/suffix not allowed`, 56, false},
	{`{"detail": {"FileName": [{"anything-but": {"suffix": ""}}]}}`, `Null prefix/suffix not allowed`, 56, false},
	{`{"detail": {"FileName": [{"anything-but": {"prefix": {"equals-ignore-case": "file"}}}]}}`, `Value of anything-but must be an array or single string/number value.`, 55, false},
	{`{"detail": {"FileName": [{"anything-but": {"suffix": {"equals-ignore-case": ".png"}}}]}}`, `Value of anything-but must be an array or single string/number value.`, 55, false},
	{`{"detail": {"state": [{"anything-but": null}]}}`, `Value of anything-but must be an array or single string/number value.`, 44, false},
	{`{"detail": {"state": [{"anything-but": ["stopped", null]}]}}`, `Inside anything but list, start|null|boolean is not supported.`, 56, true},
	{`{"time": [{"prefix": ["2022-07-13"]}]}`, `prefix match pattern must be a string`, 23, false},
	{`{"time": [{"prefix": 123}]}`, `prefix match pattern must be a string`, 25, false},
	{`{"FileName": [{"suffix": 123}]}`, `suffix match pattern must be a string`, 29, false},
	{`{"FileName": [{"suffix": [".png"]}]}`, `suffix match pattern must be a string`, 27, false},
	{`{"detail": {"sourceIPAddress": [{"cidr": ["bad-type"]}]}}`, `prefix match pattern must be a string`, 43, false},
	{`{"detail": {"sourceIPAddress": [{"cidr": "10.0.0.0"}]}}`, `Malformed CIDR, one '/' required`, 0, false},
	{`{"detail": {"sourceIPAddress": [{"cidr": "10.0.0.0/xx"}]}}`, `Malformed CIDR, mask bits must be an integer`, 0, false},
	{`{"detail": {"sourceIPAddress": [{"cidr": "xx.11.xx/8"}]}}`, `Nonstandard IP address: xx.11.xx`, 0, false},
	{`{"detail": {"sourceIPAddress": [{"cidr": "xxxx:db8:1234:1a00::/64"}]}}`, `Nonstandard IP address: xxxx:db8:1234:1a00::`, 0, false},
	{`this is valid json but not a dict`, `Unrecognized token 'this'` + badToken, 5, false},
	{`{'bad': 'quotation'}`, `Unexpected character (''' (code 39)): was expecting double-quote to start field name`, 2, false},
	{`{"not": closed mark"`, `Unrecognized token 'closed'` + badToken, 15, false},
	{`["not", "a", "dict", "but valid json"]`, `Filter is not an object`, 2, false},
}

func TestErrorsAreWordedAsAWSWasRecordedToWordThem(t *testing.T) {
	for _, r := range recorded {
		want := r.reason
		if r.column > 0 {
			want += at(r.pattern, r.column)
		}
		if r.twice {
			want += at(r.pattern, r.column)
		}
		var e *Error
		if _, err := Parse(r.pattern); !errors.As(err, &e) || e.Reason != want {
			t.Errorf("%s\n got %v\nwant %s", r.pattern, err, want)
		}
	}
}

func TestWhatElseIsNoPattern(t *testing.T) {
	for pattern, want := range map[string]string{
		``:                                 "Filter is not an object",
		`{}`:                               "Empty objects are not allowed",
		`{"a": {}}`:                        "Empty objects are not allowed",
		`{"a": ["b"]`:                      "Unexpected end-of-input: expected close marker for Object (start marker at [Source: (String)\"{\"a\": [\"b\"]\"; line: 1, column: 1])",
		`{"a": ["b"}`:                      "Unexpected close marker '}': expected ']' (for Array starting at",
		`{"a": ["b" "c"]}`:                 "Unexpected character ('\"' (code 34)): was expecting comma to separate Array entries",
		`{"a" ["b"]}`:                      "Unexpected character ('[' (code 91)): was expecting a colon to separate field name and value",
		`{"a": ["b"],}`:                    "Unexpected character ('}' (code 125)): was expecting double-quote to start field name",
		`{"a": ["b"]} x`:                   "Unexpected character ('x' (code 120))",
		`{"a": ["b]}`:                      "Unexpected end-of-input: was expecting closing quote for a string value",
		`{"a": [01]}`:                      "Invalid numeric value: Leading zeroes not allowed",
		`{"a": [-]}`:                       "Unexpected character (']' (code 93)) in numeric value: No digit following minus sign",
		`{"a": ["\x"]}`:                    "Unrecognized character escape 'x' (code 120)",
		"{\"a\": [\"\n\"]}":                "Illegal unquoted character ((CTRL-CHAR, code 10))",
		`{"a": [["b"]]}`:                   "Match value must be String, number, true, false, or null",
		`{"a": [{}]}`:                      "Match expression name not found",
		`{"a": [{"prefix": "b", "c": 1}]}`: "Only one key allowed in match expression",
		`{"a": [{"exists": "true"}]}`:      "exists match pattern must be either true or false.",
		`{"a": [{"prefix": {"x": "b"}}]}`:  "Unsupported prefix pattern: x",
		`{"a": [{"suffix": {"equals-ignore-case": 1}}]}`: "equals-ignore-case match pattern must be a string",
		`{"a": [{"anything-but": []}]}`:                  "Inside anything but list, either all values are number or string, mixed type is not supported",
		`{"a": [{"anything-but": [1, "b"]}]}`:            "Inside anything but list, either all values are number or string, mixed type is not supported",
		`{"a": [{"anything-but": {"exists": true}}]}`:    "Unsupported anything-but pattern: exists",
		`{"a": [{"numeric": [1]}]}`:                      "Invalid member in numeric match: 1",
		`{"a": [{"numeric": ["!", 1]}]}`:                 "Unrecognized numeric range operator: !",
		`{"a": [{"numeric": ["=", 1, 2]}]}`:              "Too many elements in numeric expression",
		`{"a": [{"numeric": [">", 2, "<", 1]}]}`:         "Bottom must be less than top",
		`{"a": [{"numeric": [">", 5000000001]}]}`:        "Value must be between -5.0E9 and 5.0E9, inclusive",
		`{"a": [{"wildcard": "\\a"}]}`:                   "Invalid escape character at pos 1",
		`{"a": [{"cidr": "10.0.0.0/33"}]}`:               "IPv4 mask bits must be < 33",
		`{"$or": {"a": ["b"]}}`:                          "It must be an Array followed with $or.",
		`{"$or": [{"a": ["b"]}]}`:                        "There must have at least 2 Objects in $or relationship.",
		`{"$or": ["a", "b"]}`:                            "Only JSON object is allowed in array of $or relationship.",
		`{"$or": [{"prefix": ["b"]}, {"a": ["b"]}]}`:     "prefix is Ruler reserved fieldName which cannot be used inside $or.",
	} {
		var e *Error
		if _, err := Parse(pattern); !errors.As(err, &e) || !strings.HasPrefix(e.Reason, want) {
			t.Errorf("%s\n got %v\nwant %s", pattern, err, want)
		}
	}
}

func TestAPatternOfTooManyCombinationsIsRefused(t *testing.T) {
	var parts []string
	for i := range 10 {
		parts = append(parts, fmt.Sprintf(`"p%d": {"$or": [{"a": [1]}, {"b": [2]}]}`, i))
	}
	if _, err := Parse("{" + strings.Join(parts, ",") + "}"); err == nil || !strings.HasPrefix(err.Error(), "Rule is too complex") {
		t.Errorf("1024 combinations: %v", err)
	}
	if _, err := Parse("{" + strings.Join(parts[1:], ",") + "}"); err != nil {
		t.Errorf("512 combinations: %v", err)
	}
}

func TestErrorsInLongPatternsQuoteTheirBeginning(t *testing.T) {
	text := `{"é": "` + strings.Repeat("x", 600) + "\",\n\"b\": 1}"
	_, err := Parse(text)
	want := `"é" must be an object or an array` + "\n at [Source: (String)\"" + string([]rune(text)[:500]) + `"[truncated 117 chars]; line: 1, column: 8]`
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	_, err = Parse("{\"a\": [1],\n \"b\": 1}")
	if err == nil || !strings.HasSuffix(err.Error(), "line: 2, column: 8]") {
		t.Errorf("on the second line: %v", err)
	}
}

// FuzzParse wants of whatever it is given an *Error or a pattern, and a pattern
// only for JSON.
func FuzzParse(f *testing.F) {
	for _, r := range recorded {
		f.Add(r.pattern)
	}
	for _, m := range matches {
		f.Add(m.pattern)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Parse(text)
		var e *Error
		switch {
		case err != nil && !errors.As(err, &e):
			t.Errorf("the error is a %T: %v", err, err)
		case err == nil && !json.Valid([]byte(text)):
			t.Errorf("a pattern that is no JSON")
		case err == nil:
			p.Match(NewEvent(map[string]any{"a": "b"}))
		}
	})
}
