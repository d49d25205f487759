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

// arns are the ARNs by which members of inputs name something.
var arns = map[string]string{
	"sqs":    "arn:aws:sqs:us-east-1:000000000000:" + walked,
	"lambda": "arn:aws:lambda:us-east-1:000000000000:function:" + walked,
	"events": "arn:aws:events:us-east-1:000000000000:rule/" + walked,
	"logs":   "arn:aws:logs:us-east-1:000000000000:log-group:" + walked,
	"iam":    "arn:aws:iam::000000000000:user/" + walked,
}

// values are texts for members of inputs, of all services or of one; the rest
// is called walked. Members of which authorisations want more need a line here.
var values = map[string]string{
	"PolicyArn":      "arn:aws:iam::000000000000:policy/" + walked,
	"RoleArn":        "arn:aws:iam::000000000000:role/" + walked,
	"Role":           "arn:aws:iam::000000000000:role/" + walked,
	"EventBusName":   "default",
	"Path":           "/",
	"NewPath":        "/",
	"PathPrefix":     "/",
	"lambda.Arn":     "arn:aws:lambda:us-east-1:000000000000:layer:" + walked + ":1",
	"sqs.TaskHandle": base64.StdEncoding.EncodeToString([]byte(`{"taskId":"e93a3d27-cc4f-4c2c-8a2e-6a5a5b4d8d0c","sourceArn":"` + arns["sqs"] + `"}`)),
}

// valueFor returns a text for a member of an operation's input.
func valueFor(service, member, endpoint string) string {
	for _, name := range []string{service + "." + member, member} {
		if value, ok := values[name]; ok {
			return value
		}
	}
	arn := arns[service]
	switch {
	case member == "QueueUrl":
		return endpoint + "/000000000000/" + walked
	case arn != "" && (member == "Resource" || strings.HasSuffix(strings.ToLower(member), "arn")):
		return arn
	}
	return walked
}

// TestEveryOperationNeedsPermission holds every table of operations to what the
// gate is asked: an operation that asks for nothing must have a reason.
func TestEveryOperationNeedsPermission(t *testing.T) {
	seen, w := map[string]bool{}, newWalk(t, "open")
	for _, s := range w.house.services() {
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
		t.Fatalf("its authorisations cannot be told from the input; values may need a line: %v", err)
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
