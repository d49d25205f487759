package policy

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestActionPatterns(t *testing.T) {
	for _, c := range []struct {
		rule, element, action string
		want                  bool
	}{
		{"ExactName", `"Action":"sqs:SendMessage"`, "sqs:SendMessage", true},
		{"CaseDoesNotMatter", `"Action":"SQS:sendmessage"`, "sqs:SendMessage", true},
		{"NorInTheRequest", `"Action":"sqs:SendMessage"`, "sqs:sendmessage", true},
		{"StarIsAnyRun", `"Action":"sqs:*Message"`, "sqs:DeleteMessage", true},
		{"AlsoTheEmptyOne", `"Action":"sqs:SendMessage*"`, "sqs:SendMessage", true},
		{"QuestionMarkIsOneCharacter", `"Action":"sqs:SendMessag?"`, "sqs:SendMessage", true},
		{"AndNotNone", `"Action":"sqs:SendMessage?"`, "sqs:SendMessage", false},
		{"StarAloneIsEverything", `"Action":"*"`, "lambda:InvokeFunction", true},
		{"StarReachesOverTheColon", `"Action":"s*Message"`, "sqs:SendMessage", true},
		{"OneOfAListIsEnough", `"Action":["sqs:Get*","sqs:Send*"]`, "sqs:SendMessage", true},
		{"AnotherServiceIsNotMeant", `"Action":"sns:*"`, "sqs:SendMessage", false},
		{"VariablesAreNotKnown", `"Action":"sqs:${aws:username}"`, "sqs:alice", false},
		{"NotActionIsAllOthers", `"NotAction":["sqs:Get*","iam:*"]`, "sqs:SendMessage", true},
		{"ButNoneOfItsOwn", `"NotAction":["sqs:Get*","iam:*"]`, "IAM:CreateRole", false},
	} {
		t.Run(c.rule, func(t *testing.T) {
			d := parse(t, `{"Effect":"Allow",`+c.element+`,"Resource":"*"}`)
			if got := Evaluate(alice.with(d), Request{Action: c.action, Resource: "*"}); got.Allowed != c.want {
				t.Errorf("%s covers %s: %v, want %v", c.element, c.action, got.Allowed, c.want)
			}
		})
	}
}

func TestResourcePatterns(t *testing.T) {
	for _, c := range []struct {
		rule, element, resource string
		want                    bool
	}{
		{"ExactARN", `"Resource":"arn:aws:sqs:us-east-1:111122223333:orders"`, queueARN, true},
		{"CaseMatters", `"Resource":"arn:aws:sqs:us-east-1:111122223333:Orders"`, queueARN, false},
		{"StarReachesOverColons", `"Resource":"arn:aws:sqs:*:orders"`, queueARN, true},
		{"StarAloneIsEverything", `"Resource":"*"`, queueARN, true},
		{"ActionsWithoutResourceNeedStar", `"Resource":"*"`, "*", true},
		{"AnARNDoesNotCoverThem", `"Resource":"arn:aws:sqs:*:*:*"`, "*", false},
		{"OneOfAListIsEnough", `"Resource":["arn:aws:sqs:*:*:x","arn:aws:sqs:*:*:o*"]`, queueARN, true},
		{"NotResourceIsAllOthers", `"NotResource":"arn:aws:sqs:*:*:x"`, queueARN, true},
		{"ButNoneOfItsOwn", `"NotResource":"arn:aws:sqs:*:*:o*"`, queueARN, false},
	} {
		t.Run(c.rule, func(t *testing.T) {
			d := parse(t, `{"Effect":"Allow","Action":"*",`+c.element+`}`)
			if got := Evaluate(alice.with(d), Request{Action: send, Resource: c.resource}); got.Allowed != c.want {
				t.Errorf("%s covers %s: %v, want %v", c.element, c.resource, got.Allowed, c.want)
			}
		})
	}
}

func TestVariables(t *testing.T) {
	tagged := Context{"aws:PrincipalTag/team": {"red"}, "aws:TagKeys": {"a", "b"}, "raw": {"*"}, "bytes": {"\xff"}}
	for _, c := range []struct {
		rule, resource, name string
		want                 bool
	}{
		{"StandForTheKeysValue", "${aws:username}-*", "alice-jobs", true},
		{"AndForNoOther", "${aws:username}-*", "bob-jobs", false},
		{"AreNamedInAnyCase", "${AWS:UserName}", "alice", true},
		{"MayBeTags", "${aws:PrincipalTag/team}/${aws:username}", "red/alice", true},
		{"WithoutValueMatchNothing", "*${aws:PrincipalTag/none}", "alice", false},
		{"WithoutValueTakeTheDefault", "${aws:PrincipalTag/none, 'blue'}-q", "blue-q", true},
		{"WithValueTakeNoDefault", "${aws:PrincipalTag/team, 'blue'}-q", "blue-q", false},
		{"DefaultsMayHoldBraces", "${aws:PrincipalTag/none,'{b}'}", "{b}", true},
		{"DefaultsMayBeEmpty", "x${aws:PrincipalTag/none, ''}", "x", true},
		{"DefaultsHaveNoWildcards", "${aws:PrincipalTag/none, '*'}", "anything", false},
		{"SeveralValuesMatchNothing", "${aws:TagKeys}", "a", false},
		{"SeveralValuesTakeNoDefault", "${aws:TagKeys, 'a'}", "a", false},
		{"ValuesHaveNoWildcards", "${raw}", "anything", false},
		{"ValuesAreLiteral", "${raw}", "*", true},
		{"ValuesAreNeverWildcards", "${bytes}", "anything", false},
		{"StarEscapes", "a${*}", "a*", true},
		{"StarEscapedIsNoWildcard", "a${*}", "ab", false},
		{"QuestionMarkEscapes", "a${?}", "a?", true},
		{"DollarEscapes", "a${$}{b}", "a${b}", true},
	} {
		t.Run(c.rule, func(t *testing.T) {
			d := parse(t, `{"Effect":"Allow","Action":"*","Resource":"arn:aws:sqs:::`+c.resource+`"}`)
			r := Request{Action: send, Resource: "arn:aws:sqs:::" + c.name, Context: tagged}
			if got := Evaluate(alice.with(d), r); got.Allowed != c.want {
				t.Errorf("%s covers %s: %v, want %v", c.resource, c.name, got.Allowed, c.want)
			}
		})
	}
}

func TestVariablesInConditions(t *testing.T) {
	context := Context{"k": {"alice"}, "arn": {"arn:aws:iam::111122223333:user/alice"}, "yes": {"true"}}
	testConditions(t, []conditionRule{
		{"InStringEquals", `{"StringEquals":{"k":"${aws:username}"}}`, context, true},
		{"InStringEqualsIgnoreCase", `{"StringEqualsIgnoreCase":{"k":"${aws:username}"}}`, context, true},
		{"InStringLike", `{"StringLike":{"k":"${aws:username}*"}}`, context, true},
		{"InArnLike", `{"ArnLike":{"arn":"arn:aws:iam::*:user/${aws:username}"}}`, context, true},
		{"InBool", `{"Bool":{"yes":"${yes}"}}`, context, true},
		{"OthersMayFitWhenOneHasNoValue", `{"StringEquals":{"k":["${none}","alice"]}}`, context, true},
	})
}

func TestVariablesWithoutValueErrOnTheSafeSide(t *testing.T) {
	without := `{"StringNotEquals":{"k":"${aws:PrincipalTag/none}"}}`
	if applies(t, "Allow", without, Context{"k": {"v"}}) {
		t.Error("an Allow must not conclude that an unknown value differs")
	}
	if !applies(t, "Deny", without, Context{"k": {"v"}}) {
		t.Error("a Deny must conclude so")
	}
	d := parse(t, `{"Effect":"Allow","Action":"*","NotResource":"arn:aws:sqs:::${none}"}`)
	if Evaluate(alice.with(d), Request{Action: send, Resource: queueARN}).Allowed {
		t.Error("an Allow must not conclude that an unknown resource differs")
	}
}

func TestVariablesWithoutValueDoNotTouchOtherStatements(t *testing.T) {
	d := parse(t, `{"Effect":"Allow","Action":"*","Resource":"${none}"}`, `{"Effect":"Allow","Action":"*","NotResource":"x"}`)
	if !Evaluate(alice.with(d), Request{Action: send, Resource: queueARN}).Allowed {
		t.Error("denied")
	}
}

func TestVersion2008HasNoVariables(t *testing.T) {
	d, err := Parse(`{"Version":"2008-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"arn:aws:sqs:::${aws:username}"}}`)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"alice": false, "${aws:username}": true} {
		if got := Evaluate(alice.with(d), Request{Action: send, Resource: "arn:aws:sqs:::" + name}); got.Allowed != want {
			t.Errorf("%s: %+v, want %v", name, got, want)
		}
	}
}

// regexpOf is the pattern as a regular expression.
func regexpOf(pattern string) *regexp.Regexp {
	quoted := strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(regexp.QuoteMeta(pattern))
	return regexp.MustCompile(`(?s)\A` + quoted + `\z`)
}

func FuzzGlob(f *testing.F) {
	for _, seed := range [][2]string{
		{"", ""}, {"*", ""}, {"?", ""}, {"a*b*c", "aXbXbXc"}, {"*a", "ba"}, {"*??z*", "éza"}, {"*??b*", "€bc"}, {"a\\*", "a\\b"},
		{"arn:aws:sqs:*:*:orders-?", "arn:aws:sqs:us-east-1:111122223333:orders-1"}, {"**?**", "\xffx"}, {"a**", "a"}, {"?", "\xfe"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		pattern = strings.ToValidUTF8(pattern, "?")        // as text from JSON is
		if strings.ContainsRune(pattern, utf8.RuneError) { // which a regexp finds in invalid text
			return
		}
		g, err := compileGlob(pattern, true, false)
		if err != nil {
			t.Fatal(err)
		}
		want := regexpOf(pattern).MatchString(text)
		if got := g.match(&env{}, text); got != want {
			t.Errorf("%q matches %q: %v, want %v", pattern, text, got, want)
		}
	})
}

func TestMatchingIsNeverExponential(t *testing.T) {
	g, _ := compileGlob(strings.Repeat("*a", 200)+"*b", true, false)
	if g.match(&env{}, strings.Repeat("a", 4000)) { // would not return
		t.Error("matched")
	}
}
