package policy

import (
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// FuzzParse checks that any text is either refused with an offset inside of
// it, or gives a document that can be validated and evaluated in every place.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `[`, `{"Statement":[]}`, `{"Statement":{"Effect":"Deny"},}`, `{"Id":"\ud800"}`,
		statement(`,"Action":"*","Resource":"${aws:username, 'x'}${*}"`),
		statement(`,"NotPrincipal":{"AWS":["111122223333","*"],"Federated":[]},"NotAction":"sqs:*","NotResource":"arn:aws:sqs:*:*:${k}"`),
		statement(`,"Principal":"*","Action":"sqs:?end*","Condition":{` + everyOperator() + `}`),
		statement(`,"Condition":{"ForAllValues:ArnLike":{"k":["*","arn:aws:${a}:b:c:${d:e}"]},"x":{}}`),
	} {
		f.Add(seed, "k", "v")
	}
	f.Fuzz(func(t *testing.T, text, key, value string) {
		d, err := Parse(text)
		var e *SyntaxError
		if errors.As(err, &e) {
			if e.Offset < 0 || e.Offset > len(text) || e.Words(Trust) == "" || e.Words(Identity) == "" {
				t.Fatalf("%+v", e)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		useEverywhere(t, d, Context{key: {value}, "aws:username": {value, key}})
	})
}

// useEverywhere validates the document and asks it in every place.
func useEverywhere(t *testing.T, d *Document, c Context) {
	for _, kind := range []Kind{Identity, Managed, Resource, Trust} {
		if err := d.Validate(kind); err != nil && words(err, kind) == "" {
			t.Fatalf("%v without words", err)
		}
	}
	for _, p := range []Principal{nobody, root, alice, worker, events, google} {
		for _, trust := range []bool{false, true} {
			r := Request{Action: send, Resource: queueARN, Account: home, Context: c, Policy: d, Trust: trust}
			p := p.with(d).bounded(d).narrowed(d)
			decision := Evaluate(p, r)
			if decision.Allowed && decision.Explicit || decision.Allowed != (decision.Message(p, r) == "") {
				t.Fatalf("%+v", decision)
			}
			if decision != Evaluate(p, r) {
				t.Fatalf("%+v, and then something else", decision)
			}
		}
	}
}

// The parts that random statements are made of: few, so that they often meet.
var (
	someActions    = []string{"*", "sqs:*", "sqs:SendMessage", "sqs:Delete*", "SQS:?endMessage"}
	someResources  = []string{"*", queueARN, "arn:aws:sqs:*:*:other", "arn:aws:sqs:*:${aws:PrincipalAccount}:*", "arn:aws:sqs:${none}"}
	somePrincipals = []string{`"*"`, `{"AWS":"111122223333"}`, `{"AWS":"arn:aws:iam::111122223333:role/app/worker"}`, `{"Service":"events.amazonaws.com"}`,
		`{"AWS":["arn:aws:iam::111122223333:user/team/alice","444455556666"]}`, `{"AWS":"arn:aws:sts::111122223333:assumed-role/worker/job-7"}`}
	someConditions = []string{`{}`, `{"StringEquals":{"k":"v"}}`, `{"StringNotLike":{"k":"${aws:username}"}}`, `{"Null":{"k":true}}`,
		`{"ForAllValues:StringEquals":{"k":["v","w"]}}`, `{"ForAnyValue:StringNotEquals":{"k":"v"}}`, `{"BoolIfExists":{"aws:PrincipalIsAWSService":"true"}}`}
)

// anyStatement draws a statement of the effect, for a resource or an identity.
func anyStatement(t *rapid.T, effect string, attached bool) string {
	not := func(label string) string { return rapid.SampledFrom([]string{"", "", "Not"}).Draw(t, label) }
	s := fmt.Sprintf(`{"Effect":%q,"%sAction":%q,"%sResource":%q,"Condition":%s`, effect,
		not("not action"), rapid.SampledFrom(someActions).Draw(t, "action"),
		not("not resource"), rapid.SampledFrom(someResources).Draw(t, "resource"),
		rapid.SampledFrom(someConditions).Draw(t, "condition"))
	if attached {
		s += fmt.Sprintf(`,"%sPrincipal":%s`, not("not principal"), rapid.SampledFrom(somePrincipals).Draw(t, "principal"))
	}
	return s + "}"
}

// world is everything that Evaluate looks at, as lists of statements.
type world struct {
	who      Principal
	request  Request
	policies [4][]string // of identity, boundary, session and resource; nil if there is none
}

const attached = 3 // the place of the resource's policy in a world

func anyWorld(t *rapid.T) world {
	w := world{
		who: rapid.SampledFrom([]Principal{nobody, root, alice, worker, events, alice.of(abroad), root.of(abroad)}).Draw(t, "who"),
		request: Request{Action: send, Resource: rapid.SampledFrom([]string{queueARN, "*"}).Draw(t, "resource"), Account: home,
			Trust: rapid.Bool().Draw(t, "trust")},
	}
	w.request.Context = rapid.SampledFrom([]Context{nil, {"k": {"v"}}, {"k": {"v", "x"}}, {"K": {""}}}).Draw(t, "context")
	for i := range w.policies {
		for range rapid.IntRange(0, 3).Draw(t, "statements") {
			effect := rapid.SampledFrom([]string{"Allow", "Allow", "Deny"}).Draw(t, "effect")
			w.policies[i] = append(w.policies[i], anyStatement(t, effect, i == attached))
		}
	}
	return w
}

// evaluate answers the world's question.
func (w world) evaluate(t testing.TB) Decision {
	var documents [4]*Document
	for i, statements := range w.policies {
		if statements != nil {
			documents[i] = parse(t, statements...)
		}
	}
	p, r := w.who.with(documents[0]).bounded(documents[1]).narrowed(documents[2]), w.request
	r.Policy = documents[attached]
	return Evaluate(p, r)
}

// extended returns the world with one more statement, anywhere in any policy
// that it has.
func (w world) extended(t *rapid.T, effect string) world {
	i := rapid.IntRange(0, len(w.policies)-1).Draw(t, "policy")
	if effect == "Deny" || w.policies[i] != nil { // a first Allow could also be a first limit
		at := rapid.IntRange(0, len(w.policies[i])).Draw(t, "position")
		before, after := w.policies[i][:at:at], w.policies[i][at:]
		w.policies[i] = append(append(before, anyStatement(t, effect, i == attached)), after...)
	}
	return w
}

func TestADenyNeverTurnsARefusalIntoAPermission(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := anyWorld(rt)
		before, after := w.evaluate(t), w.extended(rt, "Deny").evaluate(t)
		if !before.Allowed && after.Allowed {
			rt.Fatalf("%+v, then %+v", before, after)
		}
	})
}

func TestAnAllowNeverOverridesAnExplicitDeny(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := anyWorld(rt)
		before, after := w.evaluate(t), w.extended(rt, "Allow").evaluate(t)
		if before.Explicit && !after.Explicit {
			rt.Fatalf("%+v, then %+v", before, after)
		}
	})
}

func TestAnAllowNeverTurnsAPermissionIntoARefusal(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := anyWorld(rt)
		before, after := w.evaluate(t), w.extended(rt, "Allow").evaluate(t)
		if before.Allowed && !after.Allowed {
			rt.Fatalf("%+v, then %+v", before, after)
		}
	})
}

func TestTheOrderOfStatementsDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := anyWorld(rt)
		shuffled := w
		for i := range w.policies {
			if w.policies[i] != nil {
				shuffled.policies[i] = rapid.Permutation(w.policies[i]).Draw(rt, "order")
			}
		}
		if before, after := w.evaluate(t), shuffled.evaluate(t); before != after {
			rt.Fatalf("%+v, then %+v", before, after)
		}
	})
}
