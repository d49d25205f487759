package policy

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestParseKeepsWhatIsWritten(t *testing.T) {
	got, err := Parse(`{"Id":"queue","Statement":[
		{"Sid":"A","Effect":"Allow","Principal":{"AWS":["111122223333","*"],"Service":"x.amazonaws.com"},
		 "Action":"SQS:SendMessage","NotResource":["arn:aws:sqs:::q"],
		 "Condition":{"ForAnyValue:NumericLessThanIfExists":{"k":[1.50,"2"]},"Bool":{"b":true}}},
		{"Effect":"Deny","NotPrincipal":"*","NotAction":[],"Resource":"*"}
	],"Version":"2012-10-17"}`)
	if err != nil {
		t.Fatal(err)
	}
	want := &Document{Version: Version2012, ID: "queue", Statements: []Statement{
		{Sid: "A", Effect: Allow,
			Principal: Names{Values: []Name{{Type: "AWS", Value: "111122223333"}, {Type: "AWS", Value: "*"}, {Type: "Service", Value: "x.amazonaws.com"}}},
			Action:    Element{Values: []string{"SQS:SendMessage"}},
			Resource:  Element{Not: true, Values: []string{"arn:aws:sqs:::q"}},
			Conditions: []Condition{
				{Operator: "ForAnyValue:NumericLessThanIfExists", Key: "k", Values: []string{"1.50", "2"}},
				{Operator: "Bool", Key: "b", Values: []string{"true"}},
			}},
		{Effect: Deny,
			Principal: Names{Not: true, Values: []Name{{Type: "AWS", Value: "*"}}},
			Action:    Element{Not: true, Values: []string{}},
			Resource:  Element{Values: []string{"*"}}},
	}}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Document{}, Statement{}, Element{}, Name{}, Condition{})); diff != "" {
		t.Error(diff)
	}
}

func TestVersionDefaultsTo2008(t *testing.T) {
	d, err := Parse(`{"Statement":{"Effect":"Deny"}}`)
	if err != nil || d.Version != Version2008 {
		t.Errorf("%+v, %v", d, err)
	}
}

// statement wraps elements of a statement into a policy. They start at byte 29.
func statement(elements string) string {
	return `{"Statement":{"Effect":"Deny"` + elements + `},"Version":"2012-10-17"}`
}

func TestParseAccepts(t *testing.T) {
	for rule, text := range map[string]string{
		"WhiteSpace":                   " {\n\t\"Statement\" : [ { \"Effect\" : \"Deny\" } ] }\r\n",
		"EscapesInNames":               `{"St\u0061tement":{"Effect":"Deny"}}`,
		"AnyOrder":                     `{"Statement":{"Action":"*","Effect":"Allow"},"Version":"2008-10-17"}`,
		"SeveralStatements":            `{"Statement":[{"Effect":"Deny"},{"Effect":"Allow"}]}`,
		"EmptyLists":                   statement(`,"Action":[],"Resource":[],"Condition":{}`),
		"AnUnknownOperatorWithoutKeys": statement(`,"Condition":{"x":{}}`),
		"EveryOperator":                statement(`,"Condition":{` + everyOperator() + `}`),
	} {
		t.Run(rule, func(t *testing.T) {
			if _, err := Parse(text); err != nil {
				t.Error(err)
			}
		})
	}
}

// everyOperator returns conditions with all operators, prefixes and suffixes.
func everyOperator() string {
	var b strings.Builder
	for name, op := range operators {
		value := `"1"`
		switch {
		case name == "Bool" || op.null:
			value = `"true"`
		case name == "BinaryEquals":
			value = `"AAAA"`
		case strings.HasSuffix(name, "IpAddress"):
			value = `"10.0.0.1"`
		}
		for _, prefix := range []string{"", "ForAnyValue:", "ForAllValues:"} {
			b.WriteString(`"` + prefix + name + `":{"k":` + value + `},`)
			if !op.null {
				b.WriteString(`"` + prefix + name + `IfExists":{"k":` + value + `},`)
			}
		}
	}
	return strings.TrimSuffix(b.String(), ",")
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct {
		rule, text, reason string
		offset             int
	}{
		{"Nothing", ``, "not JSON: unexpected EOF", 0},
		{"Prose", `allow all`, "not JSON: invalid character 'a' looking for beginning of value", 0},
		{"AnArray", ` []`, `[ where "{" belongs`, 1},
		{"AnUnfinishedText", `{"Statement":[`, "not JSON: unexpected EOF", 14},
		{"TextAfterTheEnd", `{"Statement":{"Effect":"Deny"}} {}`, "text after the document", 32},
		{"ATrailingComma", `{"Statement":{"Effect":"Deny"},}`, "not JSON: invalid character '}'", 31},
		{"AnUnknownElement", `{"Statements":[]}`, `unknown element "Statements"`, 14},
		{"AnElementInTheWrongCase", `{"statement":[]}`, `unknown element "statement"`, 13},
		{"AnUnknownElementOfAStatement", statement(`,"Effects":1`), `unknown element "Effects"`, 40},
		{"AnElementTwice", statement(`,"Effect":"Deny"`), `"Effect" comes twice`, 30},
		{"ADocumentElementTwice", `{"Id":"a","Id":"b"}`, `"Id" comes twice`, 10},
		{"AnOperatorTwice", statement(`,"Condition":{"Bool":{},"Bool":{}}`), `"Bool" comes twice`, 53},
		{"AKeyTwice", statement(`,"Condition":{"Bool":{"k":true,"k":true}}`), `"k" comes twice`, 60},
		{"NoStatement", `{"Version":"2012-10-17"}`, "no Statement", 0},
		{"NoStatements", ` {"Statement":[]}`, "no Statement", 1},
		{"AStatementThatIsNoObject", `{"Statement":["x"]}`, `x where "{" belongs`, 14},
		{"AnUnknownVersion", `{"Version":"2013-10-17"}`, `unknown Version "2013-10-17"`, 11},
		{"AVersionThatIsNoText", `{"Version":2012}`, "2012 where a string belongs", 11},
		{"AnIdThatIsNoText", `{"Id":{}}`, "{ where a string belongs", 6},
		{"NoEffect", `{"Statement":[{"Sid":"x"}]}`, "statement without Effect", 14},
		{"AnUnknownEffect", `{"Statement":{"Effect":"Maybe"}}`, `Effect "Maybe" is neither Allow nor Deny`, 23},
		{"AnEffectInTheWrongCase", `{"Statement":{"Effect":"denY"}}`, `Effect "denY" in the wrong case`, 23},
		{"ActionAndNotAction", statement(`,"Action":"*","NotAction":[]`), "an element and its negation in one statement", 55},
		{"ResourceAndNotResource", statement(`,"NotResource":[],"Resource":"*"`), "an element and its negation in one statement", 58},
		{"PrincipalAndNotPrincipal", statement(`,"Principal":{},"NotPrincipal":"*"`), "Principal and NotPrincipal in one statement", 60},
		{"AnActionThatIsNoText", statement(`,"Action":[["*"]]`), "[ where a string belongs", 40},
		{"AnActionThatIsAnObject", statement(`,"Action":{}`), `{ where "[" belongs`, 39},
		{"ANullElement", statement(`,"Resource":null`), `<nil> where "[" belongs`, 41},
		{"ABarePrincipal", statement(`,"Principal":"111122223333"`), `principal "111122223333" is neither an object nor *`, 42},
		{"AnUnknownTypeOfPrincipal", statement(`,"Principal":{"Aws":"*"}`), `unknown element "Aws"`, 49},
		{"AConditionThatIsNoObject", statement(`,"Condition":"x"`), `x where "{" belongs`, 42},
		{"AnOperatorThatIsNoObject", statement(`,"Condition":{"Bool":"x"}`), `x where "{" belongs`, 50},
		{"AnUnknownOperator", statement(`,"Condition":{"StringMatches":{"k":"v"}}`), `unknown operator "StringMatches"`, 59},
		{"AnOperatorInTheWrongCase", statement(`,"Condition":{"stringEquals":{"k":"v"}}`), `unknown operator "stringEquals"`, 58},
		{"APrefixWithTwoColons", statement(`,"Condition":{"ForAnyValue::Bool":{"k":"v"}}`), `unknown operator "ForAnyValue::Bool"`, 63},
		{"NullIfExists", statement(`,"Condition":{"NullIfExists":{"k":true}}`), `unknown operator "NullIfExists"`, 58},
		{"AValueThatIsAnObject", statement(`,"Condition":{"Bool":{"k":{}}}`), "{ where a value belongs", 55},
		{"ANullValue", statement(`,"Condition":{"Bool":{"k":[null]}}`), "<nil> where a value belongs", 56},
		{"WhatIsNoNumber", statement(`,"Condition":{"NumericEquals":{"k":"0x10"}}`), `"0x10" is not a number`, 64},
		{"WhatIsNoBool", statement(`,"Condition":{"Bool":{"k":"yes"}}`), `"yes" is neither true nor false`, 55},
		{"WhatIsNoNull", statement(`,"Condition":{"Null":{"k":"${k}"}}`), `"${k}" is neither true nor false`, 55},
		{"WhatIsNoDate", statement(`,"Condition":{"DateEquals":{"k":"1.1.2026"}}`), `"1.1.2026" is not a date`, 61},
		{"ADateOfNoCalendar", statement(`,"Condition":{"DateEquals":{"k":"2026-02-30"}}`), `"2026-02-30" is not a date`, 61},
		{"WhatIsNoAddress", statement(`,"Condition":{"IpAddress":{"k":"10.0.0.0/33"}}`), `"10.0.0.0/33" is not an IP address or range`, 60},
		{"WhatIsNotBase64", statement(`,"Condition":{"BinaryEquals":{"k":"!"}}`), `"!" is not base64`, 63},
		{"AnUnfinishedVariable", statement(`,"Resource":"${aws:username"`), "malformed variable", 13},
		{"AnEmptyVariable", statement(`,"Condition":{"StringLike":{"k":"${}"}}`), "malformed variable", 61},
		{"ADefaultWithoutQuotes", statement(`,"Condition":{"StringLike":{"k":"${a, b}"}}`), "malformed variable", 61},
		{"ADefaultWithMoreBehind", statement(`,"Condition":{"ArnLike":{"k":"a:a:a:a:a:${a, 'b' c}"}}`), `in "a:a:a:a:a:${a, 'b' c}": malformed variable`, 58},
		{"ATextThatIsTooLong", `{"Id":"` + strings.Repeat("x", MaxSize) + `"}`, "longer than 131072 bytes", MaxSize},
		{"ATextThatIsTooDeep", strings.Repeat(`[`, 10000), `[ where "{" belongs`, 0},
	} {
		t.Run(c.rule, func(t *testing.T) {
			_, err := Parse(c.text)
			var e *SyntaxError
			if !errors.As(err, &e) {
				t.Fatalf("error %v, want a *SyntaxError", err)
			}
			if !strings.HasPrefix(e.Reason, c.reason) || e.Offset != c.offset {
				t.Errorf("%q at %d, want %q at %d", e.Reason, e.Offset, c.reason, c.offset)
			}
		})
	}
}

func TestWordsOfAWSForSyntaxErrors(t *testing.T) {
	for _, c := range []struct{ rule, text, identity, trust string }{
		{"NotJSON", `{invalid`, "Syntax errors in policy.", "This policy contains invalid Json"},
		{"NotTheGrammar", `{"Statment":1}`, "Syntax errors in policy.", "Syntax error in policy."},
		{"AnUnknownVersion", `{"Version":"1"}`, "Syntax errors in policy.", "The policy must contain a valid version string"},
		{"NoStatement", `{"Statement":[]}`, "Syntax errors in policy.", "Could not parse the policy: Statement is empty!"},
		{"NoEffect", `{"Statement":{}}`, "Syntax errors in policy.", "Missing required field Effect"},
		{"TheWrongCase", `{"Statement":{"Effect":"allow"}}`, "The policy failed legacy parsing", "Syntax error in policy."},
		{"ABadDate", statement(`,"Condition":{"DateEquals":{"k":"x"}}`), "The policy failed legacy parsing", "Syntax error in policy."},
	} {
		t.Run(c.rule, func(t *testing.T) {
			_, err := Parse(c.text)
			var e *SyntaxError
			if !errors.As(err, &e) {
				t.Fatalf("error %v, want a *SyntaxError", err)
			}
			if e.Words(Identity) != c.identity || e.Words(Trust) != c.trust {
				t.Errorf("%q and %q, want %q and %q", e.Words(Identity), e.Words(Trust), c.identity, c.trust)
			}
		})
	}
}
