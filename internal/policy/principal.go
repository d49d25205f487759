package policy

import (
	"strings"
	"time"
)

// PrincipalKind is the nature of a principal.
type PrincipalKind uint8

// The kinds of principal.
const (
	Anonymous PrincipalKind = iota // nobody in particular: an unsigned request
	Root                           // the root user of an account
	User                           // an IAM user
	Session                        // a role session
	Service                        // an AWS service acting by itself
	Federated                      // who a web identity provider vouches for
)

// awsType returns the value of aws:PrincipalType.
func (k PrincipalKind) awsType() string {
	switch k {
	case Anonymous:
		return "Anonymous"
	case Root:
		return "Account"
	case User:
		return "User"
	case Session:
		return "AssumedRole"
	}
	return ""
}

// Principal is who asks, with the policies that apply to it. The zero
// Principal is anonymous. Services, the federated and the anonymous have no
// policies of their own.
type Principal struct {
	Kind    PrincipalKind
	ARN     string // of the root user, user or session: arn:aws:sts::A:assumed-role/R/S
	Role    string // ARN of the session's role, with its path
	Account string // that the principal belongs to
	UserID  string // AIDA…, for a session AROA…:name

	Service  string // of a service: events.amazonaws.com
	Provider string // of the federated, and of sessions that they began: provider ARN or domain

	Tags           map[string]string // of user, role and session, by key in lower case
	Transitive     map[string]string // tags that go on to the sessions it begins, by key as given
	SourceIdentity string            // that a session was given
	Issued         time.Time         // of temporary credentials; zero for others

	Identity []*Document // of the user and its groups, or of the role
	Boundary *Document   // permissions boundary, nil if none
	Session  []*Document // passed when the session began; it may do what any of them allows
}

// identityARN returns the ARN of the user or role behind the principal, which
// is the value of aws:PrincipalArn.
func (p *Principal) identityARN() string {
	if p.Kind == Session {
		return p.Role
	}
	return p.ARN
}

// username returns the friendly name of a user.
func (p *Principal) username() string {
	if p.Kind != User {
		return ""
	}
	return p.ARN[strings.LastIndexByte(p.ARN, '/')+1:]
}

// inAccount reports whether the principal is one of an account's own.
func (p *Principal) inAccount() bool {
	return p.Kind == Root || p.Kind == User || p.Kind == Session
}

// Names is a statement's Principal or NotPrincipal.
type Names struct {
	Not    bool // written with Not: means all but its values
	Values []Name
}

// Name is one entry of a Principal element.
type Name struct {
	Type  string // AWS, Service, Federated or CanonicalUser
	Value string // as written

	account string // the account, when Value means a whole account
}

// anyone is the value that means all of its type. As an AWS principal it means
// everyone, also services and the anonymous.
const anyone = "*"

func (n *Name) everyone() bool { return n.Type == "AWS" && n.Value == anyone }

var nameTypes = []string{"AWS", "Service", "Federated", "CanonicalUser"}

func newName(kind, value string) Name {
	n := Name{Type: kind, Value: value}
	switch parts, isARN := splitARN(value, false); {
	case kind != "AWS":
	case isAccount(value):
		n.account = value
	case isARN && parts[2] == "iam" && parts[5] == "root":
		n.account = parts[4]
	}
	return n
}

// isAccount reports whether text is an account id: 12 digits.
func isAccount(text string) bool {
	return len(text) == 12 && strings.Trim(text, "0123456789") == ""
}

// grant says how closely a resource's policy names the principal. It decides
// whether the policy suffices alone.
type grant uint8

const (
	unnamed   grant = iota
	byAccount       // the account is named: it decides by its own policies
	byRole          // the session's role is named: the session's limits still hold
	directly        // the principal itself or everyone is named
)

// grantOf returns how the name means the principal.
func (n *Name) grantOf(p *Principal) grant {
	switch {
	case n.Value == "":
		return unnamed
	case n.everyone():
		return directly
	case n.Type == "Service":
		return directlyIf(p.Kind == Service && (n.Value == p.Service || n.Value == anyone))
	case n.Type == "Federated":
		return directlyIf(p.Kind == Federated && (n.Value == p.Provider || n.Value == anyone))
	case n.Type != "AWS" || !p.inAccount():
		return unnamed
	case n.account != "":
		if n.account == p.Account {
			return byAccount
		}
		return unnamed
	case n.Value == p.ARN || n.Value == p.UserID:
		return directly
	case p.Kind == Session && p.isRole(n.Value):
		return byRole
	}
	return unnamed
}

func directlyIf(named bool) grant {
	if named {
		return directly
	}
	return unnamed
}

// isRole reports whether value is the ARN or the unique id of the session's
// role.
func (p *Principal) isRole(value string) bool {
	id, _, _ := strings.Cut(p.UserID, ":")
	return value != "" && (value == p.Role || value == id)
}

// grantOf returns how a statement of the given effect means the principal.
func (n *Names) grantOf(p *Principal, effect Effect) grant {
	if n.Not {
		return directlyIf(!n.excepts(p, effect))
	}
	best := unnamed
	for i := range n.Values {
		best = max(best, n.Values[i].grantOf(p))
	}
	return best
}

// excepts reports whether NotPrincipal spares the principal. An Allow spares
// whoever is named in any way. A Deny spares only whose account, role and own
// ARN are all named, and nobody who has a permissions boundary.
func (n *Names) excepts(p *Principal, effect Effect) bool {
	var named [directly + 1]bool
	for i := range n.Values {
		if n.Values[i].everyone() {
			return true
		}
		named[n.Values[i].grantOf(p)] = true
	}
	switch {
	case effect == Allow:
		return named[byAccount] || named[byRole] || named[directly]
	case p.Boundary != nil:
		return false
	case p.Kind == Root:
		return named[byAccount]
	case p.Kind == User:
		return named[byAccount] && named[directly]
	case p.Kind == Session:
		return named[byAccount] && named[byRole] && named[directly]
	}
	return named[directly]
}
