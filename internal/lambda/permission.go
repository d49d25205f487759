package lambda

import (
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/google/uuid"

	"naru/internal/policy"
	"naru/internal/wire"
)

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

// statement is a statement of a function's policy.
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

// maxPolicy bounds a function's policy, in bytes.
const maxPolicy = 20480

// AddPermission lets a service or account do something with a function.
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
	_, err = s.change(n, func(f *Function) error {
		if err := checkRevision(in.RevisionId, f.PolicyRevision); err != nil {
			return err
		}
		if f.statementIndex(st.Sid) >= 0 {
			return wire.Errorf("ResourceConflictException", "The statement id (%s) provided already exists. Please provide a new statement id, or remove the existing statement.", st.Sid)
		}
		f.Policy = append(slices.Clone(f.Policy), text)
		f.PolicyRevision = uuid.NewString()
		if _, err := f.policy(); err != nil {
			return invalid("The provided principal was invalid. Please check the principal and try again.")
		}
		if n := len(f.policyText()); n > maxPolicy {
			return wire.Errorf("PolicyLengthExceededException", "The final policy size (%d) is bigger than the limit (%d).", n, maxPolicy)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &AddPermissionOutput{string(text)}, nil
}

func (in *AddPermissionInput) statement(n name) (*statement, error) {
	sid, action, principal := deref(in.StatementId), deref(in.Action), deref(in.Principal)
	switch {
	case !sidForm.MatchString(sid):
		return nil, violation(sid, "statementId", `Member must satisfy regular expression pattern: ([a-zA-Z0-9-_]+)`)
	case !actionForm.MatchString(action):
		return nil, violation(action, "action", `Member must satisfy regular expression pattern: (lambda:[*]|lambda:[a-zA-Z]+|[*])`)
	case n.qualifier != "" && n.qualifier != latest:
		return nil, notYet("versions of functions")
	case in.EventSourceToken != nil:
		return nil, notYet("event source tokens")
	}
	st := &statement{Sid: sid, Effect: "Allow", Action: action, Resource: n.arn()}
	switch {
	case principal == "*":
		st.Principal = "*"
	case servicesForm.MatchString(principal):
		st.Principal = map[string]string{"Service": principal}
	case !principalForm.MatchString(principal):
		return nil, invalid("The provided principal was invalid. Please check the principal and try again.")
	case !strings.HasPrefix(principal, "arn:"):
		st.Principal = map[string]string{"AWS": "arn:aws:iam::" + principal + ":root"}
	default:
		st.Principal = map[string]string{"AWS": principal}
	}
	st.Condition = in.conditions()
	return st, nil
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

// policyText returns the function's policy as a document.
func (f *Function) policyText() string {
	parts := make([]string, len(f.Policy))
	for i, st := range f.Policy {
		parts[i] = string(st)
	}
	return `{"Version":"2012-10-17","Id":"default","Statement":[` + strings.Join(parts, ",") + "]}"
}

// statementIndex returns where the statement is in the policy, -1 if nowhere.
func (f *Function) statementIndex(sid string) int {
	return slices.IndexFunc(f.Policy, func(text json.RawMessage) bool {
		var st struct{ Sid string }
		return json.Unmarshal(text, &st) == nil && st.Sid == sid
	})
}

// InvokeNeeds returns what invoking a function needs, for parts of Naru that do
// so by themselves. It fails if the function is not there.
func (s *Service) InvokeNeeds(account, region, function string) ([]policy.Request, error) {
	f, err := s.function(name{account, region, function, ""})
	if err != nil {
		return nil, err
	}
	d, err := f.policy()
	return []policy.Request{{Action: "lambda:InvokeFunction", Resource: f.name().arn(), Account: account, Policy: d}}, err
}

type RemovePermissionInput struct {
	FunctionName string  `aws:",uri"`
	StatementId  string  `aws:",uri"`
	Qualifier    *string `aws:",query"`
	RevisionId   *string `aws:",query"`
}

// RemovePermission removes a statement of a function's policy.
func (s *Service) RemovePermission(ctx context.Context, in *RemovePermissionInput) (*wire.None, error) {
	n, err := s.nameOf(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	if _, err := s.function(n); err != nil {
		return nil, wire.Errorf("ResourceNotFoundException", "No policy found for: %s", n.arn())
	}
	_, err = s.change(n, func(f *Function) error {
		if len(f.Policy) == 0 {
			return wire.Errorf("ResourceNotFoundException", "No policy is associated with the given resource.")
		}
		i := f.statementIndex(in.StatementId)
		if i < 0 {
			return wire.Errorf("ResourceNotFoundException", "Statement %s is not found in resource policy.", in.StatementId)
		}
		if err := checkRevision(in.RevisionId, f.PolicyRevision); err != nil {
			return err
		}
		f.Policy = slices.Delete(slices.Clone(f.Policy), i, i+1)
		f.PolicyRevision = uuid.NewString()
		return nil
	})
	return &wire.None{}, err
}

type GetPolicyInput struct {
	FunctionName string  `aws:",uri"`
	Qualifier    *string `aws:",query"`
}

type GetPolicyOutput struct {
	Policy     string
	RevisionId string
}

// GetPolicy returns a function's policy.
func (s *Service) GetPolicy(ctx context.Context, in *GetPolicyInput) (*GetPolicyOutput, error) {
	n, err := s.nameOf(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	f, err := s.function(n)
	if err != nil {
		return nil, err
	}
	if len(f.Policy) == 0 {
		return nil, wire.Errorf("ResourceNotFoundException", "The resource you requested does not exist.")
	}
	return &GetPolicyOutput{f.policyText(), f.PolicyRevision}, nil
}
