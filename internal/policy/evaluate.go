package policy

import "strings"

// Request is one question: may the principal do Action on Resource?
type Request struct {
	Action   string    // "sqs:SendMessage", in any case
	Resource string    // ARN, or "*" for an action without resource
	Account  string    // that owns the resource; empty means the principal's own
	Context  Context   // condition keys
	Policy   *Document // the resource's own policy, nil when it has none

	// More, if not nil, is asked for the values of the keys that are neither in
	// Context nor follow from the question, by their names in lower case.
	More func(folded string) []string

	// By, if not nil, asks in the caller's place: who a web identity provider
	// vouches for. It is for whoever asks Evaluate to heed.
	By *Principal

	// Trust says that Policy is a role's trust policy. Unlike other policies
	// of resources it must allow, whatever the principal's own policies say.
	Trust bool
}

// Evaluate answers a request as AWS does. The documents must have passed
// Validate for their use.
//
// A statement applies when its Action, Resource and Conditions all cover the
// request and, in the policy of a resource, its Principal means the principal.
//
//  1. A Deny that applies, in any policy, denies. Nothing overrides it, not
//     even being root; a service that lets root mend a policy that locks
//     everyone out asks without that policy.
//  2. Services, the federated and the anonymous are allowed only by the policy
//     of the resource, in whichever account it is.
//  3. In the principal's own account the policy of the resource suffices alone
//     if it allows everyone, or the user or session by its own ARN.
//  4. There it also suffices if it allows the session's role, as far as the
//     permissions boundary and the session's policies allow it too.
//  5. Otherwise the identity-based policies must allow, and so must the
//     boundary and the session's policies, where there are any. That also goes
//     for a resource that allows the account as such, which leaves the choice
//     to the account. Root needs no identity-based policy.
//  6. In another account both must allow: the principal's own policies as in 5,
//     and the policy of the resource, however it names the principal.
//  7. A role's trust policy must allow, by whatever name, in every account.
//  8. What nothing allows is denied.
func Evaluate(p Principal, r Request) Decision {
	e := &env{p: p, r: r, action: strings.ToLower(r.Action)}
	v := e.consult()
	if d, denied := v.explicitDeny(); denied {
		return d
	}
	switch {
	case !p.inAccount():
		return v.fromOutside()
	case r.Account == "" || r.Account == p.Account:
		return v.withinAccount(p.Kind)
	}
	return v.acrossAccounts(p.Kind)
}

// verdict is what the policies of one source say.
type verdict struct {
	by      Source
	present bool       // there is such a policy
	allow   *Statement // that applies, nil if none does
	deny    *Statement // that applies, nil if none does
	grant   grant      // how closely allow names the principal, in a resource's policy
}

// permission is the decision to follow the statement that allows.
func (v *verdict) permission() Decision {
	return Decision{Allowed: true, By: v.by, Sid: v.allow.Sid}
}

// refusal is the decision that an Allow is missing.
func (v *verdict) refusal() Decision {
	return Decision{By: v.by}
}

// verdicts are what all policies say.
type verdicts struct{ identity, resource, boundary, session verdict }

// consult asks every policy.
func (e *env) consult() verdicts {
	v := verdicts{
		identity: verdict{by: SourceIdentity},
		resource: verdict{by: SourceResource},
		boundary: verdict{by: SourceBoundary},
		session:  verdict{by: SourceSession},
	}
	if e.p.inAccount() {
		for _, d := range e.p.Identity {
			d.judge(e, &v.identity, false)
		}
		e.p.Boundary.judge(e, &v.boundary, false)
		for _, d := range e.p.Session {
			d.judge(e, &v.session, false)
		}
	}
	if e.r.Trust {
		v.resource.by = SourceTrust
	}
	e.r.Policy.judge(e, &v.resource, true)
	return v
}

// judge adds what the document says. One that is attached to a resource names
// principals, and need not name the resource.
func (d *Document) judge(e *env, v *verdict, attached bool) {
	if d == nil {
		return
	}
	v.present = true
	for i := range d.Statements {
		s := &d.Statements[i]
		grant := directly
		if attached {
			grant = s.Principal.grantOf(&e.p, s.Effect)
		}
		if grant == unnamed || !s.applies(e, attached) {
			continue
		}
		switch {
		case s.Effect == Deny:
			v.deny = s
			return
		case grant > v.grant:
			v.allow, v.grant = s, grant
		}
	}
}

// applies reports whether the statement covers the request, apart from who
// asks.
func (s *Statement) applies(e *env, attached bool) bool {
	e.effect, e.unresolved = s.Effect, false
	if !s.Action.holds(e, e.action) {
		return false
	}
	if implied := attached && s.Resource.Values == nil; !implied && !s.Resource.holds(e, e.r.Resource) {
		return false
	}
	for i := range s.Conditions {
		if !s.Conditions[i].holds(e) {
			return false
		}
	}
	return true
}

// explicitDeny returns the decision if a Deny applies. Of several, the policy
// nearest to the principal's own permissions is reported.
func (v *verdicts) explicitDeny() (Decision, bool) {
	for _, x := range [...]*verdict{&v.identity, &v.resource, &v.boundary, &v.session} {
		if x.deny != nil {
			return Decision{Explicit: true, By: x.by, Sid: x.deny.Sid}, true
		}
	}
	return Decision{}, false
}

// fromOutside decides for principals that have no policies of their own.
func (v *verdicts) fromOutside() Decision {
	if v.resource.grant == unnamed {
		return v.resource.refusal()
	}
	return v.resource.permission()
}

// withinAccount decides for a resource of the principal's own account.
func (v *verdicts) withinAccount(who PrincipalKind) Decision {
	switch {
	case v.resource.grant == directly:
		return v.resource.permission()
	case v.resource.grant == byRole:
		return v.limited(v.resource.permission())
	case v.resource.grant == unnamed && v.resource.by == SourceTrust:
		return v.resource.refusal()
	}
	return v.limited(v.byIdentity(who))
}

// acrossAccounts decides for a resource of another account.
func (v *verdicts) acrossAccounts(who PrincipalKind) Decision {
	d := v.limited(v.byIdentity(who))
	if d.Allowed && v.resource.grant == unnamed {
		return v.resource.refusal()
	}
	return d
}

// byIdentity decides by the identity-based policies alone.
func (v *verdicts) byIdentity(who PrincipalKind) Decision {
	switch {
	case who == Root:
		return Decision{Allowed: true, By: SourceRoot}
	case v.identity.allow == nil:
		return v.identity.refusal()
	}
	return v.identity.permission()
}

// limited returns the decision, if the permissions boundary and the session's
// policies agree.
func (v *verdicts) limited(d Decision) Decision {
	switch {
	case !d.Allowed:
		return d
	case v.boundary.present && v.boundary.allow == nil:
		return v.boundary.refusal()
	case v.session.present && v.session.allow == nil:
		return v.session.refusal()
	}
	return d
}
