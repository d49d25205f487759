package policy

import "testing"

// names reports whether a statement with the Principal or NotPrincipal element
// denies the principal, which is to say whether it means it.
func names(t *testing.T, element string, who Principal) bool {
	t.Helper()
	queue := parse(t, `{"Effect":"Deny",`+element+`,"Action":"*"}`)
	return Evaluate(who, Request{Action: send, Resource: queueARN, Account: home, Policy: queue}).Explicit
}

func TestPrincipalElement(t *testing.T) {
	for _, c := range []struct {
		rule, element string
		who           Principal
		want          bool
	}{
		{"StarIsEveryone", `"Principal":"*"`, alice, true},
		{"StarIsAlsoTheAnonymous", `"Principal":"*"`, nobody, true},
		{"AWSStarIsTheSame", `"Principal":{"AWS":"*"}`, events, true},
		{"ServiceStarIsAllServices", `"Principal":{"Service":"*"}`, events, true},
		{"ServiceStarIsNoUser", `"Principal":{"Service":"*"}`, alice, false},
		{"FederatedStarIsNoUser", `"Principal":{"Federated":"*"}`, alice, false},
		{"AnAccountIdIsAllInTheAccount", `"Principal":{"AWS":"111122223333"}`, worker, true},
		{"TheRootARNIsTheSame", `"Principal":{"AWS":"arn:aws:iam::111122223333:root"}`, worker, true},
		{"AndIncludesRoot", `"Principal":{"AWS":"arn:aws:iam::111122223333:root"}`, root, true},
		{"InAnyPartition", `"Principal":{"AWS":"arn:aws-cn:iam::111122223333:root"}`, alice, true},
		{"ButNoOtherAccount", `"Principal":{"AWS":"444455556666"}`, worker, false},
		{"AUserIsNamedByARN", `"Principal":{"AWS":"arn:aws:iam::111122223333:user/team/alice"}`, alice, true},
		{"WithItsPath", `"Principal":{"AWS":"arn:aws:iam::111122223333:user/alice"}`, alice, false},
		{"InTheRightCase", `"Principal":{"AWS":"arn:aws:iam::111122223333:user/team/Alice"}`, alice, false},
		{"WithoutWildcards", `"Principal":{"AWS":"arn:aws:iam::111122223333:user/*"}`, alice, false},
		{"AUserIsNamedById", `"Principal":{"AWS":"AIDAALICEALICEALICE12"}`, alice, true},
		{"ARoleARNIsItsSessions", `"Principal":{"AWS":"arn:aws:iam::111122223333:role/app/worker"}`, worker, true},
		{"ARoleIdIsItsSessions", `"Principal":{"AWS":"AROAWORKERWORKERWORK1"}`, worker, true},
		{"ASessionIsNamedByARN", `"Principal":{"AWS":"arn:aws:sts::111122223333:assumed-role/worker/job-7"}`, worker, true},
		{"AnotherSessionIsNot", `"Principal":{"AWS":"arn:aws:sts::111122223333:assumed-role/worker/job-8"}`, worker, false},
		{"OneOfSeveralIsEnough", `"Principal":{"AWS":["444455556666","111122223333"],"Service":"x.amazonaws.com"}`, alice, true},
		{"AServiceNameIsNoAWSPrincipal", `"Principal":{"AWS":"events.amazonaws.com"}`, events, false},
		{"CanonicalUsersAreUnknown", `"Principal":{"CanonicalUser":"79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"}`, alice, false},
		{"AnEmptyNameIsNobody", `"Principal":{"AWS":"","Service":"","Federated":""}`, nobody, false},
		{"AnEmptyNameIsNoPrincipalWithoutId", `"Principal":{"AWS":""}`, Principal{Kind: User, Account: home}, false},
		{"WithoutTheElementNobodyIsMeant", `"Sid":"x"`, alice, false},
	} {
		t.Run(c.rule, func(t *testing.T) {
			if got := names(t, c.element, c.who); got != c.want {
				t.Errorf("%s means %s: %v, want %v", c.element, c.who.name(), got, c.want)
			}
		})
	}
}

func TestNotPrincipalWithDeny(t *testing.T) {
	const (
		account = `"111122223333"`
		user    = `"arn:aws:iam::111122223333:user/team/alice"`
		role    = `"arn:aws:iam::111122223333:role/app/worker"`
		session = `"arn:aws:sts::111122223333:assumed-role/worker/job-7"`
	)
	anything := parse(t, `{"Effect":"Allow","Action":"*","Resource":"*"}`)
	for _, c := range []struct {
		rule, names string
		who         Principal
		denied      bool
	}{
		{"SparesAUserNamedWithItsAccount", user + "," + account, alice, false},
		{"NotIfTheAccountIsMissing", user, alice, true},
		{"NotIfOnlyTheAccountIsNamed", account, alice, true},
		{"SparesASessionNamedWithRoleAndAccount", session + "," + role + "," + account, worker, false},
		{"NotIfTheSessionIsMissing", role + "," + account, worker, true},
		{"NotIfTheRoleIsMissing", session + "," + account, worker, true},
		{"SparesRootByItsAccount", account, root, false},
		{"NeverSparesWhoHasABoundary", user + "," + account, alice.bounded(anything), true},
		{"SparesEveryoneByStar", `"*"`, alice, false},
		{"DeniesServicesThatItDoesNotName", user + "," + account, events, true},
		{"DeniesTheAnonymous", user + "," + account, nobody, true},
	} {
		t.Run(c.rule, func(t *testing.T) {
			if got := names(t, `"NotPrincipal":{"AWS":[`+c.names+`]}`, c.who); got != c.denied {
				t.Errorf("denied %v, want %v", got, c.denied)
			}
		})
	}
	if names(t, `"NotPrincipal":{"Service":"events.amazonaws.com"}`, events) {
		t.Error("a service that is named must be spared")
	}
}

func TestNotPrincipalWithAllow(t *testing.T) {
	for _, c := range []struct {
		rule, name string
		who        Principal
		allowed    bool
	}{
		{"AllowsEveryoneElse", "arn:aws:iam::444455556666:user/bob", alice, true},
		{"EvenTheAnonymous", "arn:aws:iam::444455556666:user/bob", nobody, true},
		{"ButNotWhomItNames", "arn:aws:iam::111122223333:user/team/alice", alice, false},
		{"NorWhoseAccountItNames", "111122223333", alice, false},
		{"NorWhoseRoleItNames", "arn:aws:iam::111122223333:role/app/worker", worker, false},
	} {
		t.Run(c.rule, func(t *testing.T) {
			queue := parse(t, `{"Effect":"Allow","NotPrincipal":{"AWS":"`+c.name+`"},"Action":"*"}`)
			d := Evaluate(c.who, Request{Action: send, Resource: queueARN, Account: home, Policy: queue})
			if d.Allowed != c.allowed {
				t.Errorf("%+v, want allowed %v", d, c.allowed)
			}
		})
	}
}
