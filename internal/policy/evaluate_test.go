package policy

import (
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	home     = "111122223333"
	abroad   = "444455556666"
	queueARN = "arn:aws:sqs:us-east-1:111122223333:orders"
	send     = "sqs:SendMessage"
)

var (
	root   = Principal{Kind: Root, ARN: "arn:aws:iam::111122223333:root", Account: home, UserID: home}
	alice  = Principal{Kind: User, ARN: "arn:aws:iam::111122223333:user/team/alice", Account: home, UserID: "AIDAALICEALICEALICE12"}
	worker = Principal{Kind: Session, ARN: "arn:aws:sts::111122223333:assumed-role/worker/job-7", Role: "arn:aws:iam::111122223333:role/app/worker", Account: home, UserID: "AROAWORKERWORKERWORK1:job-7"}
	events = Principal{Kind: Service, Service: "events.amazonaws.com"}
	google = Principal{Kind: Federated, Provider: "accounts.google.com"}
	nobody = Principal{}
)

// parse returns the policy of Version2012 with the statements.
func parse(t testing.TB, statements ...string) *Document {
	t.Helper()
	d, err := Parse(`{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// with returns the principal with identity-based policies.
func (p Principal) with(policies ...*Document) Principal {
	p.Identity = policies
	return p
}

func (p Principal) bounded(by *Document) Principal {
	p.Boundary = by
	return p
}

func (p Principal) narrowed(to ...*Document) Principal {
	p.Session = to
	return p
}

func (p Principal) of(account string) Principal {
	p.ARN = strings.Replace(p.ARN, p.Account, account, 1)
	p.Role = strings.Replace(p.Role, p.Account, account, 1)
	p.Account = account
	return p
}

// The statements that the tests of evaluation are made of.
const (
	allowSend   = `{"Sid":"AllowSend","Effect":"Allow","Action":"sqs:SendMessage","Resource":"*"}`
	allowOther  = `{"Sid":"AllowOther","Effect":"Allow","Action":"sqs:DeleteQueue","Resource":"*"}`
	denySend    = `{"Sid":"DenySend","Effect":"Deny","Action":"sqs:Send*","Resource":"*"}`
	toEveryone  = `{"Sid":"Everyone","Effect":"Allow","Principal":"*","Action":"sqs:SendMessage"}`
	toAccount   = `{"Sid":"Account","Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sqs:SendMessage"}`
	toAbroad    = `{"Sid":"Abroad","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:root"},"Action":"sqs:SendMessage"}`
	toAlice     = `{"Sid":"Alice","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/team/alice"},"Action":"sqs:SendMessage"}`
	toRole      = `{"Sid":"Role","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/app/worker"},"Action":"sqs:SendMessage"}`
	toSession   = `{"Sid":"Session","Effect":"Allow","Principal":{"AWS":"arn:aws:sts::111122223333:assumed-role/worker/job-7"},"Action":"sqs:SendMessage"}`
	toEvents    = `{"Sid":"Events","Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage"}`
	notEveryone = `{"Sid":"NotEveryone","Effect":"Deny","Principal":"*","Action":"sqs:SendMessage"}`
	notAccount  = `{"Sid":"NotAccount","Effect":"Deny","Principal":{"AWS":"111122223333"},"Action":"sqs:SendMessage"}`
	notRole     = `{"Sid":"NotRole","Effect":"Deny","Principal":{"AWS":"arn:aws:iam::111122223333:role/app/worker"},"Action":"sqs:SendMessage"}`
)

func refusal(by Source) Decision               { return Decision{By: by} }
func permitted(by Source, sid string) Decision { return Decision{Allowed: true, By: by, Sid: sid} }
func refused(by Source, sid string) Decision   { return Decision{Explicit: true, By: by, Sid: sid} }

// question is who asks to send to the queue, whose policy says what.
type question struct {
	rule  string
	who   Principal
	queue *Document
	want  Decision
}

func (q question) run(t *testing.T, trust bool) {
	t.Run(q.rule, func(t *testing.T) {
		got := Evaluate(q.who, Request{Action: send, Resource: queueARN, Account: home, Policy: q.queue, Trust: trust})
		if diff := cmp.Diff(q.want, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestWithinAnAccount(t *testing.T) {
	yes, other := parse(t, allowSend), parse(t, allowOther)
	for _, q := range []question{
		{"NothingIsAllowedByDefault", alice, nil, refusal(SourceIdentity)},
		{"AnIdentityPolicySufficesAlone", alice.with(other, yes), nil, permitted(SourceIdentity, "AllowSend")},
		{"APolicyOfAnotherActionDoesNot", alice.with(other), nil, refusal(SourceIdentity)},
		{"TheResourceMayAllowAUserAlone", alice, parse(t, toAlice), permitted(SourceResource, "Alice")},
		{"TheResourceMayAllowASessionAlone", worker, parse(t, toSession), permitted(SourceResource, "Session")},
		{"TheResourceMayAllowARoleAlone", worker, parse(t, toRole), permitted(SourceResource, "Role")},
		{"TheResourceMayAllowEveryone", alice, parse(t, toEveryone), permitted(SourceResource, "Everyone")},
		{"AllowingTheAccountLeavesItToTheAccount", alice, parse(t, toAccount), refusal(SourceIdentity)},
		{"TheAccountMayThenAllow", alice.with(yes), parse(t, toAccount), permitted(SourceIdentity, "AllowSend")},
		{"AllowingAnotherPrincipalSaysNothing", alice, parse(t, toRole), refusal(SourceIdentity)},
		{"RootNeedsNoPolicy", root, nil, permitted(SourceRoot, "")},

		{"TheBoundaryMustAllowToo", alice.with(yes).bounded(other), nil, refusal(SourceBoundary)},
		{"TheBoundaryGrantsNothing", alice.bounded(yes), nil, refusal(SourceIdentity)},
		{"TheBoundaryIsAnIntersection", alice.with(yes).bounded(yes), nil, permitted(SourceIdentity, "AllowSend")},
		{"SessionPoliciesMustAllowToo", worker.with(yes).narrowed(other), nil, refusal(SourceSession)},
		{"OneOfTheSessionPoliciesIsEnough", worker.with(yes).narrowed(other, yes), nil, permitted(SourceIdentity, "AllowSend")},
		{"SessionPoliciesGrantNothing", worker.narrowed(yes), nil, refusal(SourceIdentity)},
		{"BoundaryAndSessionBothLimit", worker.with(yes).bounded(other).narrowed(other), nil, refusal(SourceBoundary)},

		{"TheBoundaryDoesNotLimitWhatTheResourceAllowsAUser", alice.bounded(other), parse(t, toAlice), permitted(SourceResource, "Alice")},
		{"LimitsDoNotLimitWhatTheResourceAllowsASession", worker.bounded(other).narrowed(other), parse(t, toSession), permitted(SourceResource, "Session")},
		{"LimitsDoNotLimitWhatTheResourceAllowsEveryone", worker.bounded(other).narrowed(other), parse(t, toEveryone), permitted(SourceResource, "Everyone")},
		{"TheBoundaryLimitsWhatTheResourceAllowsARole", worker.bounded(other), parse(t, toRole), refusal(SourceBoundary)},
		{"SessionPoliciesLimitWhatTheResourceAllowsARole", worker.narrowed(other), parse(t, toRole), refusal(SourceSession)},
		{"TheNearestNameOfSeveralCounts", worker.narrowed(other), parse(t, toRole, toSession), permitted(SourceResource, "Session")},
	} {
		q.run(t, false)
	}
}

func TestExplicitDeny(t *testing.T) {
	yes, no := parse(t, allowSend), parse(t, allowSend, denySend)
	for _, q := range []question{
		{"InAnIdentityPolicyWins", alice.with(yes, no), parse(t, toAlice), refused(SourceIdentity, "DenySend")},
		{"InTheBoundaryWins", alice.with(yes).bounded(no), parse(t, toAlice), refused(SourceBoundary, "DenySend")},
		{"InASessionPolicyWins", worker.with(yes).narrowed(yes, no), parse(t, toSession), refused(SourceSession, "DenySend")},
		{"InTheResourcePolicyWins", alice.with(yes), parse(t, toAlice, notEveryone), refused(SourceResource, "NotEveryone")},
		{"HoldsBeforeOrAfterAnAllow", alice.with(yes), parse(t, notEveryone, toAlice), refused(SourceResource, "NotEveryone")},
		{"OfAnAccountMeansAllInIt", alice.with(yes), parse(t, toAlice, notAccount), refused(SourceResource, "NotAccount")},
		{"OfARoleMeansItsSessions", worker.with(yes), parse(t, toSession, notRole), refused(SourceResource, "NotRole")},
		{"OfAnotherPrincipalSaysNothing", alice.with(yes), parse(t, notRole), permitted(SourceIdentity, "AllowSend")},
		{"HoldsForRootToo", root, parse(t, notEveryone), refused(SourceResource, "NotEveryone")},
		{"HoldsForServicesToo", events, parse(t, toEvents, notEveryone), refused(SourceResource, "NotEveryone")},
		{"NamesTheNearestPolicy", alice.with(no).bounded(no), parse(t, notEveryone), refused(SourceIdentity, "DenySend")},
	} {
		q.run(t, false)
	}
}

func TestAcrossAccounts(t *testing.T) {
	yes, other := parse(t, allowSend), parse(t, allowOther)
	bob := alice.of(abroad)
	for _, q := range []question{
		{"BothSidesMustAllow", bob.with(yes), parse(t, toAbroad), permitted(SourceIdentity, "AllowSend")},
		{"TheResourceAloneIsNotEnough", bob, parse(t, toAbroad), refusal(SourceIdentity)},
		{"NotEvenIfItAllowsEveryone", bob, parse(t, toEveryone), refusal(SourceIdentity)},
		{"TheIdentityAloneIsNotEnough", bob.with(yes), nil, refusal(SourceResource)},
		{"AllowingAnotherAccountSaysNothing", bob.with(yes), parse(t, toAccount), refusal(SourceResource)},
		{"AllowingEveryoneIsOneSide", bob.with(yes), parse(t, toEveryone), permitted(SourceIdentity, "AllowSend")},
		{"TheBoundaryHolds", bob.with(yes).bounded(other), parse(t, toAbroad), refusal(SourceBoundary)},
		{"SessionPoliciesHold", worker.of(abroad).with(yes).narrowed(other), parse(t, toAbroad), refusal(SourceSession)},
		{"ForeignRootNeedsTheResource", root.of(abroad), nil, refusal(SourceResource)},
		{"ForeignRootMayThenDoIt", root.of(abroad), parse(t, toAbroad), permitted(SourceRoot, "")},
	} {
		q.run(t, false)
	}
}

func TestPrincipalsWithoutPolicies(t *testing.T) {
	yes := parse(t, allowSend)
	for _, q := range []question{
		{"AServiceNeedsTheResourcePolicy", events, nil, refusal(SourceResource)},
		{"AServiceIsAllowedByName", events, parse(t, toEvents), permitted(SourceResource, "Events")},
		{"AnotherServiceIsNot", Principal{Kind: Service, Service: "scheduler.amazonaws.com"}, parse(t, toEvents), refusal(SourceResource)},
		{"EveryoneIncludesServices", events, parse(t, toEveryone), permitted(SourceResource, "Everyone")},
		{"AllowingTheAccountDoesNotAllowServices", events, parse(t, toAccount), refusal(SourceResource)},
		{"AServiceHasNoIdentityPolicies", events.with(yes), nil, refusal(SourceResource)},
		{"AUserIsNotAService", alice, parse(t, toEvents), refusal(SourceIdentity)},
		{"EveryoneIncludesTheAnonymous", nobody, parse(t, toEveryone), permitted(SourceResource, "Everyone")},
		{"NothingElseDoes", nobody, parse(t, toAccount, toAlice, toEvents), refusal(SourceResource)},
	} {
		q.run(t, false)
	}
}

func TestTrustPolicy(t *testing.T) {
	yes := parse(t, allowSend)
	for _, q := range []question{
		{"MustAllow", alice.with(yes), nil, refusal(SourceTrust)},
		{"MustAllowThisPrincipal", alice.with(yes), parse(t, toRole), refusal(SourceTrust)},
		{"MustAllowEvenRoot", root, nil, refusal(SourceTrust)},
		{"SufficesIfItNamesTheUser", alice, parse(t, toAlice), permitted(SourceTrust, "Alice")},
		{"LeavesItToTheAccountThatItNames", alice, parse(t, toAccount), refusal(SourceIdentity)},
		{"WhichMayThenAllow", alice.with(yes), parse(t, toAccount), permitted(SourceIdentity, "AllowSend")},
		{"SufficesIfItNamesTheService", events, parse(t, toEvents), permitted(SourceTrust, "Events")},
		{"NeedsTheOtherSideAcrossAccounts", alice.of(abroad), parse(t, toAbroad), refusal(SourceIdentity)},
		{"DeniesExplicitly", alice.with(yes), parse(t, toAlice, notAccount), refused(SourceTrust, "NotAccount")},
		{"MayTrustAProvider", google, parse(t, `{"Sid":"G","Effect":"Allow","Principal":{"Federated":"accounts.google.com"},"Action":"sqs:SendMessage"}`), permitted(SourceTrust, "G")},
		{"MayTrustAnotherProvider", google, parse(t, `{"Effect":"Allow","Principal":{"Federated":"www.amazon.com"},"Action":"sqs:SendMessage"}`), refusal(SourceTrust)},
	} {
		q.run(t, true)
	}
}

func TestConditionsOfAService(t *testing.T) {
	queue := parse(t, `{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage",
		"Resource":"`+queueARN+`","Condition":{"ArnEquals":{"aws:SourceArn":"arn:aws:events:us-east-1:111122223333:rule/nightly"}}}`)
	for rule, want := range map[string]bool{"nightly": true, "hourly": false} {
		r := Request{Action: send, Resource: queueARN, Account: home, Policy: queue,
			Context: Context{"aws:SourceArn": {"arn:aws:events:us-east-1:111122223333:rule/" + rule}}}
		if got := Evaluate(events, r); got.Allowed != want {
			t.Errorf("from rule %s: %+v, want %v", rule, got, want)
		}
	}
}

func TestAnUnknownAccountIsThePrincipalsOwn(t *testing.T) {
	if d := Evaluate(alice.with(parse(t, allowSend)), Request{Action: send, Resource: "*"}); !d.Allowed {
		t.Errorf("%+v", d)
	}
}

func TestDocumentsAreSafeForConcurrentUse(t *testing.T) {
	p := alice.with(parse(t, `{"Effect":"Allow","Action":"sqs:*","Resource":"*","Condition":{"StringLike":{"aws:username":"${aws:username}*"}}}`))
	var evaluations sync.WaitGroup
	for range 4 {
		evaluations.Go(func() {
			if !Evaluate(p, Request{Action: send, Resource: queueARN}).Allowed {
				t.Error("denied")
			}
		})
	}
	evaluations.Wait()
}

func TestNilDocumentsSayNothing(t *testing.T) {
	p := worker.with(nil, parse(t, allowSend)).narrowed(nil)
	if d := Evaluate(p, Request{Action: send, Resource: "*"}); !d.Allowed {
		t.Errorf("%+v", d)
	}
}
