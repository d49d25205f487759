package server

import (
	"context"
	"encoding/base64"
	"reflect"
	"strings"
	"testing"

	"naru/internal/policy"
	"naru/internal/wire"
)

// free are the operations that AWS lets everybody call who has credentials, and
// why.
var free = map[string]string{
	"sts.GetCallerIdentity": "tells callers who they are, even if a policy denies it",
	"sts.GetSessionToken":   "gives callers no more than what they have",
}

// selfProving are the operations that need no signature, since their input has
// a proof of its own.
var selfProving = map[string]string{
	"sts.AssumeRoleWithWebIdentity": "the token proves who asks, and the role's trust policy must let them in",
}

// walked is the name of everything that the tests of authorisation name.
const walked = "walked"

// named gives the members of an input values that name things which may be
// there, as far as authorisations have to look at them.
func named(v reflect.Value, service, endpoint string) {
	for i := range v.NumField() {
		f, name := v.Field(i), v.Type().Field(i).Name
		if f.Kind() == reflect.Pointer && !f.IsNil() {
			f = f.Elem()
		}
		if f.Kind() == reflect.String && f.CanSet() && !f.MethodByName("Values").IsValid() {
			f.SetString(valueFor(service, name, endpoint))
		}
	}
}

// valueFor returns a text for a member of any operation's input. A member of
// which authorisations want more needs a case here.
func valueFor(service, member, endpoint string) string {
	const account = "000000000000"
	switch {
	case member == "TaskHandle":
		return base64.StdEncoding.EncodeToString([]byte(`{"taskId":"` + walked + `","sourceArn":"arn:aws:sqs:us-east-1:` + account + ":" + walked + `"}`))
	case service == "lambda" && member == "Arn":
		return "arn:aws:lambda:us-east-1:" + account + ":layer:" + walked + ":1"
	case service == "lambda" && (member == "Resource" || member == "ResourceArn"):
		return "arn:aws:lambda:us-east-1:" + account + ":function:" + walked
	case service == "events" && member == "ResourceARN":
		return "arn:aws:events:us-east-1:" + account + ":rule/" + walked
	case service == "scheduler" && member == "ResourceArn":
		return "arn:aws:scheduler:us-east-1:" + account + ":schedule-group/" + walked
	case member == "QueueUrl":
		return endpoint + "/" + account + "/" + walked
	case member == "PolicyArn":
		return "arn:aws:iam::" + account + ":policy/" + walked
	case member == "PolicySourceArn", member == "CallerArn":
		return "arn:aws:iam::" + account + ":user/" + walked
	case strings.HasPrefix(member, "Role") && strings.HasSuffix(member, "Arn"), member == "Role":
		return "arn:aws:iam::" + account + ":role/" + walked
	case strings.HasSuffix(strings.ToLower(member), "arn"):
		return "arn:aws:sqs:us-east-1:" + account + ":" + walked
	case member == "EventBusName":
		return "default"
	case member == "Path", member == "NewPath", member == "PathPrefix":
		return "/"
	}
	return walked
}

// TestEveryOperationNeedsPermission holds every table of operations to what the
// gate is asked: an operation that asks for nothing must have a reason.
func TestEveryOperationNeedsPermission(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range services(t) {
		for _, op := range s.Operations {
			name := s.Name + "." + op.Name
			seen[name] = true
			if selfProving[name] != "" {
				continue
			}
			t.Run(name, func(t *testing.T) { testNeeds(t, s, op, free[name] != "") })
		}
	}
	for _, list := range []map[string]string{free, selfProving} {
		for name, reason := range list {
			if !seen[name] || reason == "" {
				t.Errorf("%s is no operation, or has no reason", name)
			}
		}
	}
}

// vendorOf returns what the actions of a service begin with.
func vendorOf(s wire.Service) string {
	if s.Name == "monitoring" { // CloudWatch, as signatures name it
		return "cloudwatch"
	}
	return s.Name
}

func testNeeds(t *testing.T, s wire.Service, op wire.Operation, free bool) {
	in, _ := op.Types()
	input := filled(t, in, func(reflect.StructField) bool { return true })
	named(input.Elem(), s.Name, "http://127.0.0.1:4566")
	caller := policy.Principal{Kind: policy.Root, ARN: "arn:aws:iam::000000000000:root", Account: "000000000000"}
	ctx := wire.WithCall(context.Background(), &wire.Call{
		Service: s.Name, Operation: op.Name, Region: "us-east-1", Caller: caller, Endpoint: "http://127.0.0.1:4566", Path: "/",
	})
	needs, err := op.Needs(ctx, input.Interface())
	switch {
	case err != nil:
		t.Fatalf("its authorisations cannot be told from the input; valueFor may need a case: %v", err)
	case free && len(needs) > 0:
		t.Errorf("it needs permission after all: %v", needs)
	case !free && len(needs) == 0:
		t.Fatal("it needs no permission")
	}
	for _, n := range needs {
		vendor, action, _ := strings.Cut(n.Action, ":")
		if vendor != vendorOf(s) && n.Action != "iam:PassRole" || action == "" {
			t.Errorf("it needs the action %q, which is not of its service", n.Action)
		}
		if n.Resource == "" {
			t.Errorf("it needs %s on nothing", n.Action)
		}
	}
}
