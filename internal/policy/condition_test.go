package policy

import (
	"strings"
	"testing"
)

// applies reports whether a statement of the given effect with the Condition
// element applies to a request with the context.
func applies(t *testing.T, effect, condition string, c Context) bool {
	t.Helper()
	d := parse(t, `{"Effect":"`+effect+`","Action":"*","Resource":"*","Condition":`+condition+`}`)
	got := Evaluate(alice.with(d), Request{Action: send, Resource: "*", Context: c})
	return got.Allowed || got.Explicit
}

type conditionRule struct {
	rule, condition string
	context         Context
	want            bool
}

func testConditions(t *testing.T, rules []conditionRule) {
	for _, r := range rules {
		t.Run(r.rule, func(t *testing.T) {
			if got := applies(t, "Allow", r.condition, r.context); got != r.want {
				t.Errorf("%s under %v: %v, want %v", r.condition, r.context, got, r.want)
			}
		})
	}
}

func TestStringOperators(t *testing.T) {
	testConditions(t, []conditionRule{
		{"EqualsIsExact", `{"StringEquals":{"k":"a*"}}`, Context{"k": {"a*"}}, true},
		{"EqualsHasNoWildcards", `{"StringEquals":{"k":"a*"}}`, Context{"k": {"ab"}}, false},
		{"EqualsMindsCase", `{"StringEquals":{"k":"A"}}`, Context{"k": {"a"}}, false},
		{"NotEqualsNegates", `{"StringNotEquals":{"k":"A"}}`, Context{"k": {"a"}}, true},
		{"NotEqualsFailsOnEqual", `{"StringNotEquals":{"k":"a"}}`, Context{"k": {"a"}}, false},
		{"IgnoreCaseIgnoresCase", `{"StringEqualsIgnoreCase":{"k":"ÄA"}}`, Context{"k": {"äa"}}, true},
		{"NotIgnoreCaseNegates", `{"StringNotEqualsIgnoreCase":{"k":"A"}}`, Context{"k": {"a"}}, false},
		{"LikeHasWildcards", `{"StringLike":{"k":"a*z?"}}`, Context{"k": {"a..z!"}}, true},
		{"LikeMindsCase", `{"StringLike":{"k":"A*"}}`, Context{"k": {"ab"}}, false},
		{"NotLikeNegates", `{"StringNotLike":{"k":"a*"}}`, Context{"k": {"ab"}}, false},
	})
}

func TestNumericOperators(t *testing.T) {
	ten := Context{"k": {"10"}}
	testConditions(t, []conditionRule{
		{"EqualsComparesNumbers", `{"NumericEquals":{"k":"10.0"}}`, ten, true},
		{"ValuesMayBeNumbers", `{"NumericEquals":{"k":1e1}}`, ten, true},
		{"NotEquals", `{"NumericNotEquals":{"k":10}}`, ten, false},
		{"LessThan", `{"NumericLessThan":{"k":10}}`, ten, false},
		{"LessThanEquals", `{"NumericLessThanEquals":{"k":10}}`, ten, true},
		{"GreaterThan", `{"NumericGreaterThan":{"k":9}}`, ten, true},
		{"GreaterThanEquals", `{"NumericGreaterThanEquals":{"k":"10.5"}}`, ten, false},
		{"NegativeNumbers", `{"NumericLessThan":{"k":"-1"}}`, Context{"k": {"-2"}}, true},
		{"NotANumberFitsNothing", `{"NumericLessThan":{"k":10}}`, Context{"k": {"few"}}, false},
		{"NorIsInfinityOne", `{"NumericGreaterThan":{"k":10}}`, Context{"k": {"inf"}}, false},
		{"SoNotEqualsHolds", `{"NumericNotEquals":{"k":10}}`, Context{"k": {"few"}}, true},
	})
}

func TestDateOperators(t *testing.T) {
	noon := Context{"aws:CurrentTime": {"2026-03-01T12:00:00Z"}, "aws:EpochTime": {"1772366400"}}
	testConditions(t, []conditionRule{
		{"Equals", `{"DateEquals":{"aws:CurrentTime":"2026-03-01T12:00:00Z"}}`, noon, true},
		{"ZonesAreUnderstood", `{"DateEquals":{"aws:CurrentTime":"2026-03-01T13:00:00+01:00"}}`, noon, true},
		{"ZonesMayBeHours", `{"DateEquals":{"aws:CurrentTime":"2026-03-01t13:00:00+01"}}`, noon, true},
		{"FractionsCount", `{"DateLessThan":{"aws:CurrentTime":"2026-03-01T12:00:00.000001Z"}}`, noon, true},
		{"SecondsMayBeMissing", `{"DateEquals":{"aws:CurrentTime":"2026-03-01T12:00Z"}}`, noon, true},
		{"WithoutZoneItIsUTC", `{"DateEquals":{"aws:CurrentTime":"2026-03-01T12:00:00"}}`, noon, true},
		{"ADayStartsAtMidnight", `{"DateGreaterThan":{"aws:CurrentTime":"2026-03-01"}}`, noon, true},
		{"AMonthStartsOnTheFirst", `{"DateLessThan":{"aws:CurrentTime":"2026-03"}}`, noon, false},
		{"UnixTimeIsUnderstood", `{"DateEquals":{"aws:CurrentTime":"1772366400"}}`, noon, true},
		{"AlsoAsANumber", `{"DateLessThanEquals":{"aws:EpochTime":1772366400}}`, noon, true},
		{"AlsoInTheRequest", `{"DateGreaterThanEquals":{"aws:EpochTime":"2026-03-01T12:00:01Z"}}`, noon, false},
		{"NotEquals", `{"DateNotEquals":{"aws:CurrentTime":"2026-03-01T12:00:00Z"}}`, noon, false},
		{"FarFuture", `{"DateLessThan":{"aws:CurrentTime":"9223372036854775807"}}`, noon, true},
		{"NotADateFitsNothing", `{"DateLessThan":{"k":"2026-03-01"}}`, Context{"k": {"soon"}}, false},
	})
}

func TestBoolBinaryAndNullOperators(t *testing.T) {
	testConditions(t, []conditionRule{
		{"BoolComparesTruth", `{"Bool":{"aws:SecureTransport":"true"}}`, Context{"aws:SecureTransport": {"true"}}, true},
		{"BoolIgnoresCase", `{"Bool":{"aws:SecureTransport":"True"}}`, Context{"aws:SecureTransport": {"TRUE"}}, true},
		{"BoolMayBeWrittenBare", `{"Bool":{"aws:SecureTransport":false}}`, Context{"aws:SecureTransport": {"true"}}, false},
		{"NotABoolFitsNothing", `{"Bool":{"k":"true"}}`, Context{"k": {"yes"}}, false},
		{"BinaryComparesBytes", `{"BinaryEquals":{"k":"bmFydQ=="}}`, Context{"k": {"bmFydQ=="}}, true},
		{"BinaryIsNotText", `{"BinaryEquals":{"k":"bmFydQ=="}}`, Context{"k": {"naru"}}, false},
		{"NullTrueWantsNoKey", `{"Null":{"k":"true"}}`, nil, true},
		{"NullTrueRefusesAKey", `{"Null":{"k":true}}`, Context{"k": {"v"}}, false},
		{"NullFalseWantsAKey", `{"Null":{"k":"false"}}`, Context{"k": {"v"}}, true},
		{"NullFalseRefusesNoKey", `{"Null":{"k":"false"}}`, nil, false},
		{"NoValuesAreNoKey", `{"Null":{"k":"true"}}`, Context{"k": {}}, true},
		{"AnEmptyValueIsAKey", `{"Null":{"k":"false"}}`, Context{"k": {""}}, true},
	})
}

func TestAddressOperators(t *testing.T) {
	from := func(address string) Context { return Context{"aws:SourceIp": {address}} }
	testConditions(t, []conditionRule{
		{"InARange", `{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}`, from("203.0.113.9"), true},
		{"OutsideARange", `{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}`, from("203.0.114.9"), false},
		{"TheHostBitsOfARangeDoNotCount", `{"IpAddress":{"aws:SourceIp":"203.0.113.77/24"}}`, from("203.0.113.9"), true},
		{"OneAddress", `{"IpAddress":{"aws:SourceIp":"203.0.113.9"}}`, from("203.0.113.9"), true},
		{"SixthVersion", `{"IpAddress":{"aws:SourceIp":["203.0.113.0/24","2001:DB8:1234:5678::/64"]}}`, from("2001:db8:1234:5678::1"), true},
		{"MappedAddressesAreTheFourthVersion", `{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}`, from("::ffff:203.0.113.9"), true},
		{"NotIpAddressNegates", `{"NotIpAddress":{"aws:SourceIp":"203.0.113.0/24"}}`, from("203.0.113.9"), false},
		{"NotAnAddressFitsNothing", `{"IpAddress":{"aws:SourceIp":"0.0.0.0/0"}}`, from("localhost"), false},
	})
}

func TestArnOperators(t *testing.T) {
	rule := Context{"aws:SourceArn": {"arn:aws:events:us-east-1:111122223333:rule/bus/nightly"}}
	testConditions(t, []conditionRule{
		{"LikeHasWildcards", `{"ArnLike":{"aws:SourceArn":"arn:aws:events:*:111122223333:rule/*"}}`, rule, true},
		{"EqualsIsLike", `{"ArnEquals":{"aws:SourceArn":"arn:aws:events:*:1111????3333:rule/*"}}`, rule, true},
		{"AWildcardStaysInItsPart", `{"ArnLike":{"aws:SourceArn":"arn:aws:*:rule/bus/nightly"}}`, rule, false},
		{"NorDoesItReachFurther", `{"ArnLike":{"k":"arn:aws:s:*:111122223333:f/*"}}`, Context{"k": {"arn:aws:s:r:444455556666:x:111122223333:f/d"}}, false},
		{"WhereStringLikeWould", `{"StringLike":{"k":"arn:aws:s:*:111122223333:f/*"}}`, Context{"k": {"arn:aws:s:r:444455556666:x:111122223333:f/d"}}, true},
		{"TheLastPartMayHoldColons", `{"ArnLike":{"k":"arn:aws:lambda:*:*:function:*"}}`, Context{"k": {"arn:aws:lambda:r:a:function:f:3"}}, true},
		{"ALoneStarIsAnyARN", `{"ArnLike":{"aws:SourceArn":"*"}}`, rule, true},
		{"WhichMustBeOne", `{"ArnLike":{"k":"*"}}`, Context{"k": {"nightly"}}, false},
		{"NotLikeNegates", `{"ArnNotLike":{"aws:SourceArn":"arn:aws:events:*:*:rule/*"}}`, rule, false},
		{"NotEqualsNegates", `{"ArnNotEquals":{"aws:SourceArn":"arn:aws:events:*:444455556666:rule/*"}}`, rule, true},
		{"VariablesMayStandInAnyPart", `{"ArnLike":{"k":"arn:aws:sqs:${aws:RequestedRegion}:*:q"}}`, Context{"k": {"arn:aws:sqs:r:a:q"}, "aws:RequestedRegion": {"r"}}, true},
		{"VariablesMayHoldColons", `{"ArnLike":{"k":"arn:aws:sqs:*:*:${aws:PrincipalTag/a:b}-*"}}`, Context{"k": {"arn:aws:sqs:r:a:x:y-q"}, "aws:PrincipalTag/a:b": {"x:y"}}, true},
	})
}

func TestMissingKeys(t *testing.T) {
	testConditions(t, []conditionRule{
		{"FailPositiveOperators", `{"StringLike":{"k":"*"}}`, nil, false},
		{"FailComparisons", `{"NumericLessThan":{"k":1}}`, nil, false},
		{"FailBool", `{"Bool":{"k":"false"}}`, nil, false},
		{"HoldForNegatedOperators", `{"StringNotLike":{"k":"*"}}`, nil, true},
		{"HoldForNotIpAddress", `{"NotIpAddress":{"k":"0.0.0.0/0"}}`, nil, true},
		{"HoldWithIfExists", `{"StringEqualsIfExists":{"k":"v"}}`, nil, true},
		{"HoldWithNegatedIfExists", `{"StringNotEqualsIfExists":{"k":"v"}}`, nil, true},
		{"IfExistsStillComparesWhatExists", `{"StringEqualsIfExists":{"k":"v"}}`, Context{"k": {"w"}}, false},
		{"HoldForAllValues", `{"ForAllValues:StringEquals":{"k":"v"}}`, nil, true},
		{"FailForAnyValue", `{"ForAnyValue:StringEquals":{"k":"v"}}`, nil, false},
		{"FailForAnyValueNegated", `{"ForAnyValue:StringNotEquals":{"k":"v"}}`, nil, false},
		{"HoldForAnyValueIfExists", `{"ForAnyValue:StringEqualsIfExists":{"k":"v"}}`, nil, true},
	})
}

func TestSeveralValues(t *testing.T) {
	tags := Context{"aws:TagKeys": {"team", "cost"}}
	testConditions(t, []conditionRule{
		{"AnyValueOfThePolicyMayFit", `{"StringEquals":{"k":["a","b"]}}`, Context{"k": {"b"}}, true},
		{"NoneMayFitANegatedOperator", `{"StringNotEquals":{"k":["a","b"]}}`, Context{"k": {"b"}}, false},
		{"NoValuesFitNothing", `{"StringEquals":{"k":[]}}`, Context{"k": {"b"}}, false},
		{"AllKeysMustHold", `{"StringEquals":{"j":"a","k":"b"}}`, Context{"j": {"a"}, "k": {"c"}}, false},
		{"AllOperatorsMustHold", `{"StringEquals":{"k":"b"},"StringLike":{"k":"c*"}}`, Context{"k": {"b"}}, false},
		{"ForAllValuesWantsEveryValue", `{"ForAllValues:StringEquals":{"aws:TagKeys":["team","cost","env"]}}`, tags, true},
		{"ForAllValuesFailsOnOne", `{"ForAllValues:StringEquals":{"aws:TagKeys":"team"}}`, tags, false},
		{"ForAnyValueWantsOne", `{"ForAnyValue:StringEquals":{"aws:TagKeys":"team"}}`, tags, true},
		{"ForAnyValueFailsOnNone", `{"ForAnyValue:StringEquals":{"aws:TagKeys":"env"}}`, tags, false},
		{"ForAllValuesNegatedWantsNone", `{"ForAllValues:StringNotEquals":{"aws:TagKeys":"team"}}`, tags, false},
		{"ForAnyValueNegatedWantsOneOther", `{"ForAnyValue:StringNotEquals":{"aws:TagKeys":"team"}}`, tags, true},
		{"AnEmptyTextIsNoValueToForAllValues", `{"ForAllValues:StringEquals":{"k":"v"}}`, Context{"k": {""}}, true},
		{"NorToForAnyValue", `{"ForAnyValue:StringLike":{"k":"*"}}`, Context{"k": {""}}, false},
		{"ButIsOneOtherwise", `{"StringEquals":{"k":""}}`, Context{"k": {""}}, true},
		{"WithoutQuantifierAnyValueMayFit", `{"StringEquals":{"aws:TagKeys":"cost"}}`, tags, true},
		{"WithoutQuantifierNoneMayFitANegatedOperator", `{"StringNotEquals":{"aws:TagKeys":"cost"}}`, tags, false},
	})
}

func TestConditionKeys(t *testing.T) {
	testConditions(t, []conditionRule{
		{"AreFoundInAnyCase", `{"StringEquals":{"AWS:sourceaccount":"1"}}`, Context{"aws:SourceAccount": {"1"}}, true},
		{"PreferTheSameSpelling", `{"StringEquals":{"aws:ResourceTag/Team":"b"}}`, Context{"aws:ResourceTag/team": {"a"}, "aws:ResourceTag/Team": {"b"}}, true},
		{"MayBeWrittenTwiceInDifferentCase", `{"StringEquals":{"k":"a","K":"b"}}`, Context{"k": {"a"}}, false},
		{"AnEmptyConditionHolds", `{}`, nil, true},
		{"AnEmptyOperatorHolds", `{"DateGreaterThan":{}}`, nil, true},
	})
}

func TestKeysThatFollowFromTheQuestion(t *testing.T) {
	for _, c := range []struct {
		who        Principal
		key, value string
	}{
		{alice, "aws:PrincipalArn", "arn:aws:iam::111122223333:user/team/alice"},
		{worker, "aws:PrincipalArn", "arn:aws:iam::111122223333:role/app/worker"},
		{root, "aws:PrincipalArn", "arn:aws:iam::111122223333:root"},
		{alice, "aws:PrincipalAccount", home},
		{alice, "aws:PrincipalType", "User"},
		{worker, "aws:PrincipalType", "AssumedRole"},
		{root, "aws:PrincipalType", "Account"},
		{nobody, "aws:PrincipalType", "Anonymous"},
		{worker, "aws:userid", "AROAWORKERWORKERWORK1:job-7"},
		{alice, "aws:username", "alice"},
		{alice, "aws:PrincipalIsAWSService", "false"},
		{events, "aws:PrincipalIsAWSService", "true"},
		{events, "aws:PrincipalServiceName", "events.amazonaws.com"},
		{events, "aws:ResourceAccount", home},
		{worker, "aws:username", ""},
		{events, "aws:PrincipalArn", ""},
		{events, "aws:PrincipalType", ""},
	} {
		e := &env{p: c.who, r: Request{Account: home}}
		if got := strings.Join(e.lookup(newConditionKey(c.key)), ","); got != c.value {
			t.Errorf("%s of %s is %q, want %q", c.key, c.who.name(), got, c.value)
		}
	}
}

func TestTheContextOverridesKeysThatFollow(t *testing.T) {
	if !applies(t, "Allow", `{"StringEquals":{"aws:username":"carol"}}`, Context{"AWS:UserName": {"carol"}}) {
		t.Error("the context's aws:username was not used")
	}
}
