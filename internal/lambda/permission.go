package lambda

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/google/uuid"

	"naru/internal/policy"
	"naru/internal/store"
	"naru/internal/wire"
)

// Policy is the policy of a function, version, alias or version of a layer: who
// else may use it. A record is never changed, only replaced.
type Policy struct {
	Version, ID string // "" for those that AWS gives a policy
	Statements  []json.RawMessage
	Revision    string // of a layer's, which has no other

	parsed atomic.Pointer[policy.Document]
}

// text returns the policy as a document.
func (p *Policy) text() string {
	parts := make([]string, len(p.Statements))
	for i, st := range p.Statements {
		parts[i] = string(st)
	}
	return `{"Version":"` + cmp.Or(p.Version, policy.Version2012) + `","Id":"` + cmp.Or(p.ID, "default") + `","Statement":[` + strings.Join(parts, ",") + "]}"
}

// document returns the parsed policy, nil if there is none.
func (p *Policy) document() (*policy.Document, error) {
	if p == nil {
		return nil, nil
	}
	if d := p.parsed.Load(); d != nil {
		return d, nil
	}
	d, err := policy.Parse(p.text())
	if err != nil {
		return nil, err
	}
	p.parsed.Store(d)
	return d, nil
}

// index returns where the statement is, -1 if nowhere.
func (p *Policy) index(sid string) int {
	if p == nil {
		return -1
	}
	return slices.IndexFunc(p.Statements, func(text json.RawMessage) bool {
		var st struct{ Sid string }
		return json.Unmarshal(text, &st) == nil && st.Sid == sid
	})
}

// with returns the policy with one statement more; p may be nil.
func (p *Policy) with(st json.RawMessage) *Policy {
	if p == nil {
		p = &Policy{}
	}
	return p.having(append(slices.Clone(p.Statements), st))
}

// without returns the policy without one statement; nil if that was the last.
func (p *Policy) without(i int) *Policy {
	if len(p.Statements) == 1 {
		return nil
	}
	return p.having(slices.Delete(slices.Clone(p.Statements), i, i+1))
}

// having returns the policy with other statements.
func (p *Policy) having(statements []json.RawMessage) *Policy {
	return &Policy{Version: p.Version, ID: p.ID, Statements: statements, Revision: uuid.NewString()}
}

// check refuses a policy that makes no sense or is too long.
func (p *Policy) check() error {
	if _, err := p.document(); err != nil {
		return errPrincipal()
	}
	if n := len(p.text()); n > maxPolicy {
		return wire.Errorf("PolicyLengthExceededException", "The final policy size (%d) is bigger than the limit (%d).", n, maxPolicy)
	}
	return nil
}

// maxPolicy bounds a policy, in bytes.
const maxPolicy = 20480

func errPrincipal() error {
	return invalid("The provided principal was invalid. Please check the principal and try again.")
}

// putPolicy sets a row of a table of policies, or removes it.
func putPolicy(t *store.Table[*Policy], tx *store.Tx, key string, p *Policy) error {
	if p == nil {
		t.Delete(tx, key)
		return nil
	}
	return t.Put(tx, key, p)
}

// policyOf returns the policy of what is named, nil if it has none. Function
// and $LATEST have one.
func (s *Service) policyOf(n name) *Policy {
	p, _ := s.policies.Get(n.belonging())
	return p
}

// documentOf returns that policy, parsed.
func (s *Service) documentOf(n name) (*policy.Document, error) {
	d, err := s.policyOf(n).document()
	if err != nil {
		return nil, fmt.Errorf("policy of %s: %w", n.arn(), err)
	}
	return d, nil
}

type AddPermissionInput struct {
	FunctionName          string  `aws:",uri"`
	Qualifier             *string `aws:",query"`
	StatementId           *string
	Action                *string
	Principal             *string
	SourceArn             *string
	SourceAccount         *string
	PrincipalOrgID        *string
	EventSourceToken      *string
	FunctionUrlAuthType   *string
	InvokedViaFunctionUrl *bool
	RevisionId            *string
}

type AddPermissionOutput struct{ Statement string }

// statement is a statement of a policy.
type statement struct {
	Sid       string
	Effect    string
	Principal any
	Action    string
	Resource  string
	Condition map[string]map[string]string `json:",omitempty"`
}

var (
	sidForm       = regexp.MustCompile(`^[a-zA-Z0-9-_]{1,100}$`)
	actionForm    = regexp.MustCompile(`^(lambda:[*]|lambda:[a-zA-Z]+|[*])$`)
	servicesForm  = regexp.MustCompile(`^[a-z0-9.-]+\.amazonaws\.com(\.cn)?$`)
	principalForm = regexp.MustCompile(`^(\d{12}|arn:aws[a-z-]*:(iam|sts)::\d{12}:.+)$`)
)

// AddPermission lets a service or account do something with a function,
// version or alias.
func (s *Service) AddPermission(ctx context.Context, in *AddPermissionInput) (*AddPermissionOutput, error) {
	n, err := s.nameOf(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	st, err := in.statement(n)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(st)
	if err != nil {
		return nil, err
	}
	err = s.store.Catalog().Update(func(tx *store.Tx) error {
		revision, err := s.revise(tx, n)
		if err != nil {
			return err
		}
		old := s.policyOf(n)
		operation := "GetPolicy"
		if old == nil {
			operation = "GetFunction/GetAlias"
		}
		if err := checkRevisionOf(in.RevisionId, revision, operation); err != nil {
			return err
		}
		p := old.with(text)
		if err := p.check(); err != nil {
			return err
		}
		if old.index(st.Sid) >= 0 {
			return statementExists(st.Sid)
		}
		return s.policies.Put(tx, n.belonging(), p)
	})
	if err != nil {
		return nil, err
	}
	return &AddPermissionOutput{string(text)}, nil
}

func statementExists(sid string) error {
	return conflict("The statement id (%s) provided already exists. Please provide a new statement id, or remove the existing statement.", sid)
}

// revise makes what is named a new revision, since its policy changes, and
// returns the revision that it was.
func (s *Service) revise(tx *store.Tx, n name) (string, error) {
	f, err := s.function(n.unqualified())
	if err != nil {
		return "", err
	}
	if n = n.plain(); n.qualifier == "" {
		changed := *f
		changed.touch()
		return f.Revision, s.functions.Put(tx, n.key(), &changed)
	}
	if a, ok := s.aliases.Get(aliasKey(n)); ok {
		changed := *a
		changed.Revision = uuid.NewString()
		return a.Revision, s.aliases.Put(tx, aliasKey(n), &changed)
	}
	if n.isAlias() {
		return "", noAlias(n)
	}
	v, err := s.version(n)
	if err != nil {
		return "", err
	}
	changed := *v
	changed.touch()
	return v.Revision, s.versions.Put(tx, v.key(), &changed)
}

func (in *AddPermissionInput) statement(n name) (*statement, error) {
	sid, action, principal := deref(in.StatementId), deref(in.Action), deref(in.Principal)
	switch {
	case !sidForm.MatchString(sid):
		return nil, violation(sid, "statementId", `Member must satisfy regular expression pattern: ([a-zA-Z0-9-_]+)`)
	case !actionForm.MatchString(action):
		return nil, violation(action, "action", `Member must satisfy regular expression pattern: (lambda:[*]|lambda:[a-zA-Z]+|[*])`)
	case n.qualifier == latest:
		return nil, invalid("We currently do not support adding policies for $LATEST.")
	case in.EventSourceToken != nil:
		return nil, notYet("event source tokens")
	}
	if err := enumerated(in.FunctionUrlAuthType, "functionUrlAuthType", "NONE", "AWS_IAM"); err != nil {
		return nil, err
	}
	st := &statement{Sid: sid, Effect: "Allow", Action: action, Resource: n.arn()}
	var err error
	st.Principal, err = principalOf(principal)
	st.Condition = in.conditions()
	return st, err
}

// principalOf returns a statement's principal: a service, everybody, an
// account, or somebody by an ARN.
func principalOf(principal string) (any, error) {
	switch {
	case principal == "*":
		return "*", nil
	case servicesForm.MatchString(principal):
		return map[string]string{"Service": principal}, nil
	case !principalForm.MatchString(principal):
		return nil, errPrincipal()
	case !strings.HasPrefix(principal, "arn:"):
		return map[string]string{"AWS": "arn:aws:iam::" + principal + ":root"}, nil
	}
	return map[string]string{"AWS": principal}, nil
}

func (in *AddPermissionInput) conditions() map[string]map[string]string {
	c := map[string]map[string]string{}
	add := func(operator, key string, value *string) {
		if value == nil {
			return
		}
		if c[operator] == nil {
			c[operator] = map[string]string{}
		}
		c[operator][key] = *value
	}
	add("ArnLike", "AWS:SourceArn", in.SourceArn)
	add("StringEquals", "AWS:SourceAccount", in.SourceAccount)
	add("StringEquals", "aws:PrincipalOrgID", in.PrincipalOrgID)
	add("StringEquals", "lambda:FunctionUrlAuthType", in.FunctionUrlAuthType)
	if deref(in.InvokedViaFunctionUrl) {
		yes := "true"
		add("Bool", "lambda:InvokedViaFunctionUrl", &yes)
	}
	if len(c) == 0 {
		return nil
	}
	return c
}

// InvokeNeeds returns what invoking a function needs, for parts of Naru that do
// so by themselves. The function is a name, maybe with ":" and a qualifier. It
// fails if the function is not there.
func (s *Service) InvokeNeeds(account, region, function string) ([]policy.Request, error) {
	n := nameIn(account, region, function)
	if _, err := s.version(n); err != nil {
		return nil, err
	}
	d, err := s.documentOf(n)
	return []policy.Request{{Action: "lambda:InvokeFunction", Resource: n.arn(), Account: account, Policy: d}}, err
}

type RemovePermissionInput struct {
	FunctionName string  `aws:",uri"`
	StatementId  string  `aws:",uri"`
	Qualifier    *string `aws:",query"`
	RevisionId   *string `aws:",query"`
}

// RemovePermission removes a statement of a policy.
func (s *Service) RemovePermission(ctx context.Context, in *RemovePermissionInput) (*wire.None, error) {
	n, err := s.nameOf(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	if _, err := s.function(n.unqualified()); err != nil {
		return nil, missing("No policy found for: %s", n.arn())
	}
	return &wire.None{}, s.store.Catalog().Update(func(tx *store.Tx) error {
		revision, err := s.revise(tx, n)
		if err != nil {
			return err
		}
		p := s.policyOf(n)
		if p == nil {
			return noPolicy()
		}
		i := p.index(in.StatementId)
		if i < 0 {
			return noStatement(in.StatementId)
		}
		if err := checkRevision(in.RevisionId, revision); err != nil {
			return err
		}
		return putPolicy(s.policies, tx, n.belonging(), p.without(i))
	})
}

func noPolicy() error { return missing("No policy is associated with the given resource.") }

func noStatement(sid string) error {
	return missing("Statement %s is not found in resource policy.", sid)
}

type GetPolicyInput struct {
	FunctionName string  `aws:",uri"`
	Qualifier    *string `aws:",query"`
}

type GetPolicyOutput struct {
	Policy     string
	RevisionId string
}

// GetPolicy returns a policy.
func (s *Service) GetPolicy(ctx context.Context, in *GetPolicyInput) (*GetPolicyOutput, error) {
	n, err := s.nameOf(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	p := s.policyOf(n)
	if p == nil {
		return nil, noResource()
	}
	revision, err := s.revisionOf(n)
	return &GetPolicyOutput{p.text(), revision}, err
}

// revisionOf returns the revision of a function, version or alias.
func (s *Service) revisionOf(n name) (string, error) {
	if a, ok := s.aliases.Get(aliasKey(n)); ok {
		return a.Revision, nil
	}
	v, err := s.version(n)
	if err != nil {
		return "", err
	}
	return v.Revision, nil
}
