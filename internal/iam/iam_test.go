package iam

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"naru/internal/clock"
	"naru/internal/policy"
	"naru/internal/sigv4"
	"naru/internal/store/storetest"
	"naru/internal/wire"
)

const account = "000000000000"

const (
	trustsRoot = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"000000000000"},"Action":"sts:AssumeRole"}]}`
	allowsAll  = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
)

func open(t storetest.TB, disk *storetest.Disk) *Service {
	t.Helper()
	s, err := Open(Options{Store: disk.Open(t), Clock: new(clock.Clock), Log: slog.New(slog.DiscardHandler), Mode: ModeEnforce, Account: account, Region: "us-east-1"})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return s
}

// asRoot is the context of a call of the account's root.
func asRoot() context.Context {
	return wire.WithCall(context.Background(), &wire.Call{Service: "iam", Region: "us-east-1", Caller: root(account)})
}

func TestPoliciesThatAWSManagesAreValid(t *testing.T) {
	for arn, p := range preload() {
		d, err := policy.Parse(p.inForce())
		if err == nil {
			err = d.Validate(policy.Managed)
		}
		if err != nil {
			t.Errorf("%s: %v", arn, err)
		}
		if len(p.ID) != 21 || sizeOf(p.inForce()) > maxManaged {
			t.Errorf("%s: id %s, %d characters", arn, p.ID, sizeOf(p.inForce()))
		}
	}
}

// A change is made to what a user may do.
type change struct {
	name string
	make func(s *Service) error
}

// documents are policies that a change may set.
var documents = []string{
	allowsAll,
	`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sqs:*","Resource":"*"}]}`,
	`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"sqs:SendMessage","Resource":"*"}]}`,
	`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"lambda:*","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/team":"red"}}}]}`,
}

const managedARN = "arn:aws:iam::" + account + ":policy/m"

// drawChange draws a change, which may be refused.
func drawChange(t *rapid.T) change {
	user, group, managed := "u", "g", managedARN
	document := rapid.SampledFrom(documents).Draw(t, "document")
	ctx := asRoot()
	changes := []change{
		{"PutUserPolicy", func(s *Service) error {
			return second(s.PutUserPolicy(ctx, &PutUserPolicyInput{user, "p", document}))
		}},
		{"DeleteUserPolicy", func(s *Service) error { return second(s.DeleteUserPolicy(ctx, &DeleteUserPolicyInput{user, "p"})) }},
		{"PutGroupPolicy", func(s *Service) error {
			return second(s.PutGroupPolicy(ctx, &PutGroupPolicyInput{group, "p", document}))
		}},
		{"DeleteGroupPolicy", func(s *Service) error { return second(s.DeleteGroupPolicy(ctx, &DeleteGroupPolicyInput{group, "p"})) }},
		{"AddUserToGroup", func(s *Service) error { return second(s.AddUserToGroup(ctx, &AddUserToGroupInput{group, user})) }},
		{"RemoveUserFromGroup", func(s *Service) error {
			return second(s.RemoveUserFromGroup(ctx, &RemoveUserFromGroupInput{group, user}))
		}},
		{"AttachUserPolicy", func(s *Service) error { return second(s.AttachUserPolicy(ctx, &AttachUserPolicyInput{user, managed})) }},
		{"DetachUserPolicy", func(s *Service) error { return second(s.DetachUserPolicy(ctx, &DetachUserPolicyInput{user, managed})) }},
		{"CreatePolicyVersion", func(s *Service) error {
			return second(s.CreatePolicyVersion(ctx, &CreatePolicyVersionInput{managed, document, true}))
		}},
		{"DeletePolicyVersion", func(s *Service) error {
			id := fmt.Sprint("v", rapid.IntRange(1, 9).Draw(t, "version"))
			return second(s.DeletePolicyVersion(ctx, &DeletePolicyVersionInput{managed, id}))
		}},
		{"PutUserPermissionsBoundary", func(s *Service) error {
			return second(s.PutUserPermissionsBoundary(ctx, &PutUserPermissionsBoundaryInput{user, managed}))
		}},
		{"DeleteUserPermissionsBoundary", func(s *Service) error {
			return second(s.DeleteUserPermissionsBoundary(ctx, &DeleteUserPermissionsBoundaryInput{user}))
		}},
		{"TagUser", func(s *Service) error { return second(s.TagUser(ctx, &TagUserInput{user, []Tag{{"team", "red"}}})) }},
		{"UntagUser", func(s *Service) error { return second(s.UntagUser(ctx, &UntagUserInput{user, []string{"team"}})) }},
	}
	return rapid.SampledFrom(changes).Draw(t, "change")
}

func (c change) String() string { return c.name }

func second[Out any](_ Out, err error) error { return err }

// decisions are what a user is told about some actions.
func (s *Service) decisions(t storetest.TB, name string) map[string]string {
	u, err := s.users.get(account, name)
	if err != nil {
		t.Fatalf("%v", err)
	}
	p, err := s.userPrincipal(u)
	if err != nil {
		t.Fatalf("%v", err)
	}
	all := map[string]string{}
	for _, action := range []string{"sqs:SendMessage", "sqs:ListQueues", "lambda:InvokeFunction", "iam:GetUser"} {
		all[action] = fmt.Sprint(s.Authorize(asRoot(), p, []policy.Request{{Action: action, Resource: "*"}}))
	}
	return all
}

// TestWhatIsKeptOfPoliciesIsNeverStale: after each change the service says what
// one says that is opened on the same disk after its power was cut. So every
// change that was acknowledged is durable, too.
func TestWhatIsKeptOfPoliciesIsNeverStale(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		disk := storetest.NewDisk()
		s := open(t, disk)
		defer storetest.Close(t, s.store)
		for _, err := range []error{
			second(s.CreateUser(asRoot(), &CreateUserInput{UserName: "u"})), second(s.CreateGroup(asRoot(), &CreateGroupInput{GroupName: "g"})),
			second(s.CreatePolicy(asRoot(), &CreatePolicyInput{PolicyName: "m", PolicyDocument: documents[1]})),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		for range rapid.IntRange(1, 12).Draw(t, "changes") {
			c := drawChange(t)
			err := c.make(s)
			got := s.decisions(t, "u")
			fresh := open(t, disk.PowerCut(0, nil))
			if diff := cmp.Diff(fresh.decisions(t, "u"), got); diff != "" {
				t.Errorf("after %v (%v) (-fresh +kept):\n%s", c, err, diff)
			}
			storetest.Close(t, fresh.store)
		}
	})
}

// TestKeysSurviveAPowerCut, and those that were deleted do not come back.
func TestKeysSurviveAPowerCut(t *testing.T) {
	disk := storetest.NewDisk()
	s := open(t, disk)
	if err := second(s.CreateUser(asRoot(), &CreateUserInput{UserName: "u"})); err != nil {
		t.Fatal(err)
	}
	var keys []AccessKeyShape
	for range 2 {
		out, err := s.CreateAccessKey(asRoot(), &CreateAccessKeyInput{ptr("u")})
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, out.AccessKey)
	}
	if err := second(s.DeleteAccessKey(asRoot(), &DeleteAccessKeyInput{ptr("u"), keys[1].AccessKeyId})); err != nil {
		t.Fatal(err)
	}
	again := open(t, disk.PowerCut(0, nil))
	defer storetest.Close(t, again.store)
	storetest.Close(t, s.store)
	p, secret, err := again.keyHolder(&sigv4.Signature{KeyID: keys[0].AccessKeyId})
	if err != nil || secret != keys[0].SecretAccessKey || p.ARN != "arn:aws:iam::"+account+":user/u" {
		t.Errorf("the key is now of %+v, %v", p, err)
	}
	if _, _, err := again.keyHolder(&sigv4.Signature{KeyID: keys[1].AccessKeyId}); err == nil {
		t.Error("the deleted key is back")
	}
	text, err := json.Marshal(firstOf(again.accessKeys.Get(keys[0].AccessKeyId)))
	if err != nil || strings.Contains(string(text), keys[0].SecretAccessKey) {
		t.Errorf("the record is %s, %v", text, err)
	}
}

func firstOf[A, B any](a A, _ B) A { return a }

func ptr[T any](v T) *T { return &v }

// FuzzToken wants no token or key id to be taken but those that were issued,
// letter by letter.
func FuzzToken(f *testing.F) {
	k := keyring{[]byte("ids"), []byte("sessions")}
	id := k.id(sessionPrefix, []byte("fixed"))
	token := k.token(session{KeyID: id, Account: account, Expires: time.Unix(1767225600, 0).UTC()})
	f.Add(token, id)
	f.Add(token[:40], id[:19]+"A")
	f.Add(token[:30]+"\n"+token[30:]+" ", id[:10]+"\n"+id[11:])
	f.Add("", "ASIAAA======"+strings.Repeat("\n", 8))
	f.Fuzz(func(t *testing.T, text, other string) {
		if s, ok := k.session(text); ok != (text == token) {
			t.Errorf("the token %q is taken for %+v: %v", text, s, ok)
		}
		if k.issued(other) != (other == id) {
			t.Errorf("the key id %q: issued is %v", other, k.issued(other))
		}
	})
}

func BenchmarkAuthenticateAndAuthorize(b *testing.B) {
	s := open(b, storetest.NewDisk())
	defer s.store.Close()
	for _, err := range []error{
		second(s.CreateRole(asRoot(), &CreateRoleInput{RoleName: "r", AssumeRolePolicyDocument: trustsRoot})),
		second(s.PutRolePolicy(asRoot(), &PutRolePolicyInput{"r", "p", documents[1]})),
		second(s.AttachRolePolicy(asRoot(), &AttachRolePolicyInput{"r", "arn:aws:iam::aws:policy/AWSLambda_FullAccess"})),
	} {
		if err != nil {
			b.Fatal(err)
		}
	}
	r, err := s.roles.get(account, "r")
	if err != nil {
		b.Fatal(err)
	}
	c := s.begin(session{Role: r.ARN(), RoleID: r.ID, Name: "s"}, time.Hour)
	signature := &sigv4.Signature{KeyID: c.ID, SessionToken: c.Token, Scope: sigv4.Scope{Date: "20260101", Region: "us-east-1", Service: "sqs"}}
	need := []policy.Request{{Action: "sqs:sendmessage", Resource: "arn:aws:sqs:us-east-1:" + account + ":q", Account: account}}
	ctx := asRoot()
	b.ReportAllocs()
	for b.Loop() {
		p, secret, err := s.keyHolder(signature)
		if err != nil || secret == "" {
			b.Fatal(err)
		}
		if err := s.Authorize(ctx, p, need); err != nil {
			b.Fatal(err)
		}
	}
}
