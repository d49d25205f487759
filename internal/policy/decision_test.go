package policy

import "testing"

func TestMessage(t *testing.T) {
	yes, other := parse(t, allowSend), parse(t, allowOther)
	request := Request{Action: "sqs:sendmessage", Resource: queueARN, Account: home}
	with := func(d *Document) Request { r := request; r.Policy = d; return r }
	const asked = " is not authorized to perform: sqs:sendmessage on resource: " + queueARN
	const aliceAsked, workerAsked = "User: arn:aws:iam::111122223333:user/team/alice" + asked, "User: arn:aws:sts::111122223333:assumed-role/worker/job-7" + asked
	for _, c := range []struct {
		rule    string
		who     Principal
		request Request
		want    string
	}{
		{"Allowed", alice.with(yes), request, ""},
		{"NoIdentityPolicy", worker, request, workerAsked + " because no identity-based policy allows the sqs:sendmessage action"},
		{"NoBoundary", alice.with(yes).bounded(other), request, aliceAsked + " because no permissions boundary allows the sqs:sendmessage action"},
		{"NoSessionPolicy", worker.with(yes).narrowed(other), request, workerAsked + " because no session policy allows the sqs:sendmessage action"},
		{"NoResourcePolicy", events, request, "User: events.amazonaws.com" + asked + " because no resource-based policy allows the sqs:sendmessage action"},
		{"Anonymous", nobody, request, "User: anonymous" + asked + " because no resource-based policy allows the sqs:sendmessage action"},
		{"DenyInIdentityPolicy", alice.with(parse(t, denySend)), request, aliceAsked + " with an explicit deny in an identity-based policy"},
		{"DenyInBoundary", alice.with(yes).bounded(parse(t, denySend)), request, aliceAsked + " with an explicit deny in a permissions boundary"},
		{"DenyInSessionPolicy", worker.with(yes).narrowed(parse(t, denySend)), request, workerAsked + " with an explicit deny in a session policy"},
		{"DenyInResourcePolicy", alice.with(yes), with(parse(t, notEveryone)), aliceAsked + " with an explicit deny in a resource-based policy"},
		{"WithoutResource", alice, Request{Action: "sqs:ListQueues"}, "User: arn:aws:iam::111122223333:user/team/alice is not authorized to perform: sqs:ListQueues because no identity-based policy allows the sqs:ListQueues action"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			if got := Evaluate(c.who, c.request).Message(c.who, c.request); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestMessageOfAssumeRole(t *testing.T) {
	const role = "arn:aws:iam::111122223333:role/app/worker"
	const asked = "User: arn:aws:iam::111122223333:user/team/alice is not authorized to perform: sts:AssumeRole on resource: " + role
	trust := func(effect, principal string) *Document {
		return parse(t, `{"Effect":"`+effect+`","Principal":{"AWS":"`+principal+`"},"Action":"sts:AssumeRole"}`)
	}
	for _, c := range []struct {
		rule   string
		policy *Document
		want   string
	}{
		{"NotTrusted", trust("Allow", abroad), asked},
		{"NotAllowedByTheAccount", trust("Allow", home), asked},
		{"Distrusted", trust("Deny", home), asked + " with an explicit deny in the role trust policy"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			r := Request{Action: "sts:AssumeRole", Resource: role, Account: home, Policy: c.policy, Trust: true}
			if got := Evaluate(alice, r).Message(alice, r); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}
