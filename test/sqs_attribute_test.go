package test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

var attributeRules = []rule{
	{"AFreshQueueHasTheDefaultAttributes", freshAttributes},
	{"OnlyNamedAttributesAreReturned", namedAttributes},
	{"UnknownAttributesAreRefused", unknownAttributes},
	{"NumbersAreAcceptedWithinTheirRangeOnly", numberRanges},
	{"SetQueueAttributesChangesAllOrNothing", setIsAtomic},
	{"SetQueueAttributesMovesTheModificationTime", setMovesTime},
	{"MessageRetentionPeriodHoldsForMessagesThatAreThere", retention},
	{"AQueueHasOneKindOfEncryption", encryption},
	{"CountsFollowTheMessages", countsFollow},
}

// numbers are the attributes that are numbers: least, most and default.
var numbers = map[string][3]int64{
	"DelaySeconds":                  {0, 900, 0},
	"MaximumMessageSize":            {1024, 1048576, 1048576},
	"MessageRetentionPeriod":        {60, 1209600, 345600},
	"ReceiveMessageWaitTimeSeconds": {0, 20, 0},
	"VisibilityTimeout":             {0, 43200, 30},
}

func freshAttributes(s *sqsSuite) {
	url := s.queue()
	got := s.attributes(url)
	for _, name := range []string{"CreatedTimestamp", "LastModifiedTimestamp"} {
		at, err := strconv.ParseInt(got[name], 10, 64)
		if age := s.naru.now().Sub(time.Unix(at, 0)); err != nil || age > patience || age < 0 {
			s.Errorf("%s is %s", name, got[name])
		}
		delete(got, name)
	}
	want := map[string]string{
		"QueueArn": arnOf(url), "SqsManagedSseEnabled": "true",
		"ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesNotVisible": "0", "ApproximateNumberOfMessagesDelayed": "0",
	}
	for name, n := range numbers {
		want[name] = fmt.Sprint(n[2])
	}
	equal(s, "All", got, want)
}

func namedAttributes(s *sqsSuite) {
	url := s.queue("DelaySeconds", "5")
	if got := do[sqs.GetQueueAttributesOutput](s, &sqs.GetQueueAttributesInput{QueueUrl: &url}).Attributes; len(got) > 0 {
		s.Errorf("asked for none: %v", got)
	}
	equal(s, "two", s.attributes(url, "DelaySeconds", "QueueArn"), map[string]string{"DelaySeconds": "5", "QueueArn": arnOf(url)})
	for _, name := range []types.QueueAttributeName{"Policy", "RedrivePolicy", "RedriveAllowPolicy", "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds"} {
		if got := s.attributes(url, name); len(got) > 0 {
			s.Errorf("a queue without %s has it: %v", name, got)
		}
	}
	all := slices.Sorted(maps.Keys(s.attributes(url)))
	equal(s, "All with another", slices.Sorted(maps.Keys(s.attributes(url, "DelaySeconds", "All"))), all)
}

func unknownAttributes(s *sqsSuite) {
	url := s.queue()
	for _, name := range []string{"Foobar", "all", "delaySeconds", "Bad Name"} {
		get := &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{"DelaySeconds", types.QueueAttributeName(name)}}
		refused(s, get, unknownAttribute(name))
		set := map[string]string{name: "1", "DelaySeconds": "9"}
		refused(s, &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: set}, unknownAttribute(name))
		refused(s, &sqs.CreateQueueInput{QueueName: text(s.name()), Attributes: set}, unknownAttribute(name))
	}
	for _, name := range []string{"QueueArn", "CreatedTimestamp", "ApproximateNumberOfMessages"} { // to be read only
		set := map[string]string{name: "1"}
		refused(s, &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: set}, unknownAttribute(name))
	}
	equal(s, "DelaySeconds", s.attributes(url)["DelaySeconds"], "0")
	r := failing(s, &sqs.SetQueueAttributesInput{QueueUrl: &url})
	equal(s, "the code without attributes", r.Code, "MissingParameter")
}

func numberRanges(s *sqsSuite) {
	url := s.queue()
	for name, n := range numbers {
		for _, good := range []int64{n[0], n[1], n[2]} {
			value := fmt.Sprint(good)
			s.set(url, name, value)
			equal(s, name, s.attributes(url)[name], value)
			equal(s, name+" of a new queue", s.attributes(s.queue(name, value))[name], value)
		}
		for _, bad := range []string{
			fmt.Sprint(n[0] - 1), fmt.Sprint(n[1] + 1), "", " 1100", "1100.0", "0x10", "ten", "1e3", "99999999999999999999", "١١٠٠", "true",
		} {
			set := map[string]string{name: bad}
			refused(s, &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: set}, invalidValue(name))
			refused(s, &sqs.CreateQueueInput{QueueName: text(s.name()), Attributes: set}, invalidValue(name))
		}
		equal(s, name, s.attributes(url)[name], fmt.Sprint(n[2]))
	}
}

func setIsAtomic(s *sqsSuite) {
	url := s.queue("DelaySeconds", "1")
	set := map[string]string{"DelaySeconds": "2", "VisibilityTimeout": "43201", "ReceiveMessageWaitTimeSeconds": "3"}
	refused(s, &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: set}, invalidValue("VisibilityTimeout"))
	a := s.attributes(url)
	equal(s, "the attributes", []string{a["DelaySeconds"], a["VisibilityTimeout"], a["ReceiveMessageWaitTimeSeconds"]}, []string{"1", "30", "0"})
	name := s.name()
	refused(s, &sqs.CreateQueueInput{QueueName: &name, Attributes: set}, invalidValue("VisibilityTimeout"))
	refused(s, &sqs.GetQueueUrlInput{QueueName: &name}, noQueue)
	s.set(url, "VisibilityTimeout", "5")
	a = s.attributes(url)
	equal(s, "what was not set", []string{a["DelaySeconds"], a["VisibilityTimeout"]}, []string{"1", "5"})
}

func setMovesTime(s *sqsSuite) {
	url := s.queue()
	before := s.attributes(url)
	s.naru.advance("5s")
	s.send(url, "a message changes nothing")
	equal(s, "LastModifiedTimestamp", s.attributes(url)["LastModifiedTimestamp"], before["LastModifiedTimestamp"])
	s.set(url, "DelaySeconds", "1")
	after := s.attributes(url)
	equal(s, "CreatedTimestamp", after["CreatedTimestamp"], before["CreatedTimestamp"])
	if after["LastModifiedTimestamp"] <= before["LastModifiedTimestamp"] {
		s.Errorf("LastModifiedTimestamp was %s and is %s", before["LastModifiedTimestamp"], after["LastModifiedTimestamp"])
	}
}

func retention(s *sqsSuite) {
	url := s.queue()
	s.send(url, "in flight")
	handle := s.one(url, members{"VisibilityTimeout": 600}).ReceiptHandle
	s.send(url, "visible")
	s.send(url, "delayed", members{"DelaySeconds": 600})
	s.expectCounts(url, 1, 1, 1)
	s.set(url, "MessageRetentionPeriod", "60")
	s.naru.advance("40s")
	s.send(url, "younger")
	equal(s, "the number of messages after 40 s", len(s.receive(url, members{"VisibilityTimeout": 0})), 2)
	s.naru.advance("21s")
	equal(s, "the body after 61 s", *s.one(url).Body, "younger")
	s.remove(url, handle)
	s.naru.advance("60s")
	s.nothing(url)
	s.naru.advance("10m")
	s.nothing(url)
	s.expectCounts(url, 0, 0, 0)
}

func encryption(s *sqsSuite) {
	const both = "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE."
	url := s.queue("KmsMasterKeyId", "alias/mine", "KmsDataKeyReusePeriodSeconds", "600")
	check := func(what, sse, key, period string) {
		s.Helper()
		a := s.attributes(url)
		equal(s, what, []string{a["SqsManagedSseEnabled"], a["KmsMasterKeyId"], a["KmsDataKeyReusePeriodSeconds"]}, []string{sse, key, period})
	}
	check("a key at creation", "false", "alias/mine", "600")
	refused(s, &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{"SqsManagedSseEnabled": "True"}}, modelled("InvalidAttributeName", both))
	refused(s, &sqs.CreateQueueInput{QueueName: text(s.name()), Attributes: map[string]string{"SqsManagedSseEnabled": "true", "KmsMasterKeyId": "k"}}, modelled("InvalidAttributeName", both))
	s.set(url, "KmsMasterKeyId", "", "KmsDataKeyReusePeriodSeconds", "300")
	check("the key removed", "false", "", "")
	s.set(url, "SqsManagedSseEnabled", "true")
	check("SQS's own keys", "true", "", "")
	s.set(url, "KmsMasterKeyId", "another")
	check("a key set", "false", "another", "")
	for _, bad := range []string{"59", "86401", "x"} {
		refused(s, &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{"KmsDataKeyReusePeriodSeconds": bad}}, invalidValue("KmsDataKeyReusePeriodSeconds"))
	}
	refused(s, &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{"SqsManagedSseEnabled": "maybe"}}, invalidValue("SqsManagedSseEnabled"))
}

func countsFollow(s *sqsSuite) {
	url := s.queue()
	for i := range 3 {
		s.send(url, fmt.Sprint("visible ", i))
	}
	s.send(url, "delayed", members{"DelaySeconds": 60})
	s.expectCounts(url, 3, 0, 1)
	first := do[sqs.ReceiveMessageOutput](s, &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 1}).Messages
	if len(first) != 1 {
		s.Fatalf("received %d messages", len(first))
	}
	s.expectCounts(url, 2, 1, 1)
	s.hide(url, first[0].ReceiptHandle, 0)
	s.expectCounts(url, 3, 0, 1)
	messages := s.receive(url)
	s.expectCounts(url, 0, 3, 1)
	s.remove(url, messages[0].ReceiptHandle)
	s.expectCounts(url, 0, 2, 1)
	s.naru.advance("30s")
	s.expectCounts(url, 2, 0, 1)
	s.naru.advance("30s")
	s.expectCounts(url, 3, 0, 0)
}

var policyRules = []rule{
	{"APolicyIsKeptAsGiven", policyIsKept},
	{"ABadPolicyIsRefused", badPolicies},
	{"APolicyHasLimits", policyLimits},
}

const everybody = `{"Version":"2012-10-17", "Statement":[{"Sid":"all é","Effect":"Allow","Principal":"*","Action":"sqs:SendMessage","Resource":"*"}]}`

func policyIsKept(s *sqsSuite) {
	url := s.queue("Policy", everybody)
	equal(s, "the policy", s.attributes(url, "Policy"), map[string]string{"Policy": everybody})
	another := strings.Replace(everybody, "Allow", "Deny", 1)
	s.set(url, "Policy", another)
	equal(s, "the policy", s.attributes(url)["Policy"], another)
	s.set(url, "Policy", "")
	if _, ok := s.attributes(url)["Policy"]; ok {
		s.Error("a removed policy is still there")
	}
}

func badPolicies(s *sqsSuite) {
	url := s.queue()
	for _, bad := range []string{
		"{", "null", "[]", "text", `{"Version":"2012-10-17"}`, `{"Version":"1999-01-01","Statement":[]}`,
		strings.Replace(everybody, `"Principal":"*",`, "", 1), strings.Replace(everybody, "Allow", "Perhaps", 1),
	} {
		refused(s, &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{"Policy": bad}}, invalidValue("Policy"))
	}
	if _, ok := s.attributes(url)["Policy"]; ok {
		s.Error("a refused policy is there")
	}
}

// policyLimits gives a queue policies that have as much as they may, and a
// little more.
func policyLimits(s *sqsSuite) {
	url := s.queue()
	policy := func(statements int, more map[string]any) string {
		statement := map[string]any{"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}
		maps.Copy(statement, more)
		text, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": slices.Repeat([]any{statement}, statements)})
		if err != nil {
			s.Fatal(err)
		}
		return string(text)
	}
	some := func(n int, form string) (all []string) {
		for i := range n {
			all = append(all, fmt.Sprintf(form, i))
		}
		return all
	}
	conditions := func(n int) any {
		all := map[string]string{}
		for _, key := range some(n, "aws:PrincipalTag/%d") {
			all[key] = "x"
		}
		return map[string]any{"StringEquals": all}
	}
	for _, c := range []struct{ most, tooMuch, message string }{
		{policy(20, nil), policy(21, nil), "21 statements were found in the submitted policy, max allowed is 20"},
		{
			policy(1, map[string]any{"Action": some(7, "sqs:SendMessage%d*")}), policy(2, map[string]any{"Action": some(8, "sqs:SendMessage%d*")}),
			"8 actions were found in a statement from the submitted policy, max allowed is 7",
		},
		{
			policy(1, map[string]any{"Principal": map[string]any{"AWS": some(50, "%012d")}}), policy(3, map[string]any{"Principal": map[string]any{"AWS": some(17, "%012d")}}),
			"51 principals were found in the submitted policy, max allowed is 50",
		},
		{
			policy(2, map[string]any{"Condition": conditions(5)}), policy(1, map[string]any{"Condition": conditions(11)}),
			"11 conditions were found in the submitted policy, max allowed is 10",
		},
		{policy(1, map[string]any{"Sid": strings.Repeat("x", 8000)}), policy(1, map[string]any{"Sid": strings.Repeat("x", 8192)}), "Submitted policy is over max allowed size."},
	} {
		s.set(url, "Policy", c.most)
		refused(s, &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{"Policy": c.tooMuch}},
			expected{status: 403, code: "OverLimit", kind: sqsTypes + "OverLimit", message: c.message})
		equal(s, "the policy", s.attributes(url)["Policy"], c.most)
	}
}

var redriveRules = []rule{
	{"ARedrivePolicyIsKeptInOneForm", redriveForm},
	{"ARedrivePolicyHasToMakeSense", badRedrives},
	{"ADeadLetterQueueHasToBeThere", redriveTargets},
	{"ADeadLetterQueueSaysWhoMayUseIt", redriveAllow},
	{"ARedriveAllowPolicyHasToMakeSense", badRedriveAllows},
}

func redrive(arn string, receives any) string {
	return fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":%v}`, arn, receives)
}

func redriveForm(s *sqsSuite) {
	dead := arnOf(s.queue())
	want := redrive(dead, 7)
	for _, given := range []string{want, redrive(dead, `"7"`), "\n" + `{ "maxReceiveCount" : 7, "deadLetterTargetArn" : "` + dead + `" }`} {
		url := s.queue("RedrivePolicy", given)
		equal(s, "the policy", s.attributes(url)["RedrivePolicy"], want)
		equal(s, "the URL of the same queue", s.create(nameOf(url), "RedrivePolicy", want), url)
		s.set(url, "RedrivePolicy", "")
		if _, ok := s.attributes(url)["RedrivePolicy"]; ok {
			s.Error("a removed policy is still there")
		}
	}
	for _, receives := range []int{1, 1000} {
		equal(s, "the policy", s.attributes(s.queue("RedrivePolicy", redrive(dead, receives)))["RedrivePolicy"], redrive(dead, receives))
	}
}

// badRedrive is the refusal of a redrive policy.
func badRedrive(policy, reason string) expected {
	return invalidParameter("Value %s for parameter RedrivePolicy is invalid. Reason: %s", policy, reason)
}

func badRedrives(s *sqsSuite) {
	url, dead := s.queue(), arnOf(s.queue())
	for _, n := range []int{0, -1, 1001} {
		policy := redrive(dead, n)
		reason := fmt.Sprintf("Invalid value for maxReceiveCount: %d, valid values are from 1 to 1000 both inclusive.", n)
		refused(s, &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{"RedrivePolicy": policy}}, badRedrive(policy, reason))
		refused(s, &sqs.CreateQueueInput{QueueName: text(s.name()), Attributes: map[string]string{"RedrivePolicy": policy}}, badRedrive(policy, reason))
	}
	for _, policy := range []string{
		"no JSON", "[]", "{}", `{"deadLetterTargetArn":"` + dead + `"}`, `{"maxReceiveCount":3}`, redrive("no arn", 3), redrive(dead, "1.5"),
		redrive(dead, `"x"`), redrive(strings.Replace(dead, ":sqs:", ":sns:", 1), 3),
	} {
		r := failing(s, &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{"RedrivePolicy": policy}})
		if r.Code != "InvalidParameterValue" || !strings.HasPrefix(r.Message, "Value "+policy+" for parameter RedrivePolicy is invalid.") {
			s.Errorf("%s is refused with %+v", policy, r)
		}
	}
	if _, ok := s.attributes(url)["RedrivePolicy"]; ok {
		s.Error("a refused policy is there")
	}
}

func redriveTargets(s *sqsSuite) {
	url, dead := s.queue(), s.queue()
	for _, arn := range []string{
		arnOf("no-such-queue"), strings.Replace(arnOf(dead), region, "eu-west-1", 1), strings.Replace(arnOf(dead), account, "111111111111", 1),
	} {
		policy := redrive(arn, 3)
		want := badRedrive(policy, "Dead letter target does not exist.")
		refused(s, &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{"RedrivePolicy": policy}}, want)
		refused(s, &sqs.CreateQueueInput{QueueName: text(s.name()), Attributes: map[string]string{"RedrivePolicy": policy}}, want)
	}
	self := redrive(arnOf(url), 3)
	s.set(url, "RedrivePolicy", self)
	equal(s, "a queue that is its own dead-letter queue has", s.attributes(url)["RedrivePolicy"], self)
}

func redriveAllow(s *sqsSuite) {
	source, other := s.queue(), s.queue()
	for allow, ok := range map[string]bool{
		`{"redrivePermission":"allowAll"}`: true,
		`{"redrivePermission":"denyAll"}`:  false,
		`{"redrivePermission":"byQueue","sourceQueueArns":["` + arnOf(other) + `","` + arnOf(source) + `"]}`: true,
		`{"redrivePermission":"byQueue","sourceQueueArns":["` + arnOf(other) + `"]}`:                         false,
	} {
		dead := s.queue("RedriveAllowPolicy", allow)
		policy := redrive(arnOf(dead), 3)
		in := &sqs.SetQueueAttributesInput{QueueUrl: &source, Attributes: map[string]string{"RedrivePolicy": policy}}
		if ok {
			do[sqs.SetQueueAttributesOutput](s, in)
		} else {
			refused(s, in, badRedrive(policy, "Queue does not have permission to use the dead letter queue."))
		}
		s.set(dead, "RedriveAllowPolicy", "")
		do[sqs.SetQueueAttributesOutput](s, in)
		if _, has := s.attributes(dead)["RedriveAllowPolicy"]; has {
			s.Error("a removed policy is still there")
		}
	}
}

func badRedriveAllows(s *sqsSuite) {
	url := s.queue()
	arns := strings.Repeat(`"`+arnOf(url)+`",`, 11)
	for _, policy := range []string{
		`{"redrivePermission":"byQueue"}`, `{"redrivePermission":"byQueue","sourceQueueArns":[]}`, `{"redrivePermission":"perhaps"}`, `{}`,
		`{"redrivePermission":"allowAll","sourceQueueArns":["` + arnOf(url) + `"]}`, `{"redrivePermission":"denyAll","sourceQueueArns":["` + arnOf(url) + `"]}`,
		`{"redrivePermission":"byQueue","sourceQueueArns":[` + strings.TrimSuffix(arns, ",") + `]}`,
	} {
		r := failing(s, &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{"RedriveAllowPolicy": policy}})
		equal(s, "the code for "+policy, r.Code, "InvalidParameterValue")
	}
	if _, ok := s.attributes(url)["RedriveAllowPolicy"]; ok {
		s.Error("a refused policy is there")
	}
}
