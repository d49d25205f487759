package policy

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// tagged is a session with everything that a session may have.
var tagged = func() Principal {
	p := worker
	p.Tags = map[string]string{"team": "red", "empty": ""}
	p.SourceIdentity, p.Provider = "alice", "arn:aws:iam::111122223333:oidc-provider/login.example.com"
	p.Issued = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	return p
}()

func TestKeysThatFollowFromThePrincipal(t *testing.T) {
	for key, want := range map[string]string{
		"aws:PrincipalTag/Team": "red", "AWS:principaltag/team": "red", "aws:PrincipalTag/empty": "", "aws:SourceIdentity": "alice",
		"aws:FederatedProvider": "arn:aws:iam::111122223333:oidc-provider/login.example.com", "aws:TokenIssueTime": "2026-01-01T12:00:00Z",
		"aws:userid": "AROAWORKERWORKERWORK1:job-7", "aws:ResourceAccount": home,
	} {
		d := parse(t, `{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"`+key+`":"`+want+`"}}}`)
		if !Evaluate(tagged.with(d), Request{Action: send, Resource: "*"}).Allowed {
			t.Errorf("%s is not %q", key, want)
		}
		if !tagged.Has(key) {
			t.Errorf("%s does not follow from the principal", key)
		}
	}
	for _, key := range []string{"aws:PrincipalTag/none", "aws:username", "aws:SourceIp"} {
		if tagged.Has(key) {
			t.Errorf("%s follows from the principal", key)
		}
	}
}

func TestFurtherKeysAreAskedForOnceTheyAreNeeded(t *testing.T) {
	var asked []string
	more := func(folded string) []string {
		asked = append(asked, folded)
		if folded == ResourceTag+"team" {
			return []string{"red"}
		}
		return nil
	}
	d := parse(t, `{"Effect":"Allow","Action":"sqs:*","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/Team":"${aws:PrincipalTag/team}","aws:RequestedRegion":"eu-west-1"}}}`,
		`{"Effect":"Allow","Action":"lambda:*","Resource":"*","Condition":{"Null":{"aws:SourceIp":"true"}}}`)
	r := Request{Action: send, Resource: "*", More: more, Context: Context{"aws:requestedregion": {"eu-west-1"}}}
	if !Evaluate(tagged.with(d), r).Allowed {
		t.Error("denied")
	}
	if want := []string{ResourceTag + "team"}; !slices.Equal(asked, want) {
		t.Errorf("asked for %q, want %q", asked, want)
	}
}

func TestTagContext(t *testing.T) {
	keys := []string{"b", "a"}
	want := Context{"aws:TagKeys": {"a", "b"}}
	if diff := cmp.Diff(want, TagContext(nil, keys)); diff != "" || keys[0] != "b" {
		t.Error(diff)
	}
	want = Context{"aws:TagKeys": {"cost", "team"}, "aws:RequestTag/team": {"red"}, "aws:RequestTag/cost": {""}}
	if diff := cmp.Diff(want, TagContext(map[string]string{"team": "red", "cost": ""}, nil)); diff != "" {
		t.Error(diff)
	}
	if c := TagContext(nil, nil); len(c) != 0 {
		t.Errorf("no tags give %v", c)
	}
}

func TestKeysOfADocument(t *testing.T) {
	d, err := Parse(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"sqs:*","Resource":"arn:aws:sqs:*:*:${aws:username}-${*}-${aws:PrincipalTag/team, 'none'}"},
		{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:SourceArn":"${aws:SourceAccount}"},"Null":{"AWS:USERNAME":"true"}}}]}`)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"aws:PrincipalTag/team", "aws:SourceAccount", "aws:SourceArn", "aws:username"}, d.Keys()); diff != "" {
		t.Error(diff)
	}
	if d, err = Parse(`{"Statement":{"Effect":"Allow","Action":"sqs:*","Resource":"${aws:username}"}}`); err != nil || len(d.Keys()) > 0 {
		t.Errorf("without variables the keys are %v, %v", d.Keys(), err)
	}
}

func TestApplyingStatements(t *testing.T) {
	text := `{"Version":"2012-10-17","Statement":[` + allowSend + `,` + denySend + `, ` + allowOther + `]}`
	d, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	r := Request{Action: send, Resource: queueARN}
	for effect, want := range map[Effect]string{Allow: allowSend, Deny: denySend} {
		all := d.Applying(alice, r, effect, false)
		if len(all) != 1 {
			t.Fatalf("%d statements apply", len(all))
		}
		if begin, end := all[0].Span(); text[begin:end] != want {
			t.Errorf("the statement is %q, want %q", text[begin:end], want)
		}
	}
	queue := parse(t, toAlice, toRole)
	if all := queue.Applying(worker, r, Allow, true); len(all) != 1 || all[0].Sid != "Role" {
		t.Errorf("to a role's session %+v apply", all)
	}
}

func TestWhatAWebIdentityIsTold(t *testing.T) {
	r := Request{Action: "sts:AssumeRoleWithWebIdentity", Resource: "arn:aws:iam::111122223333:role/app/worker", Trust: true}
	if got, want := Evaluate(google, r).Message(google, r), "Not authorized to perform sts:AssumeRoleWithWebIdentity"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
