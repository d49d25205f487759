package iam

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"naru/internal/arn"
	"naru/internal/policy"
	"naru/internal/wire"
)

// A source is a policy that takes part in a simulation, and what replies call
// it.
type source struct {
	id       string
	kind     string
	text     string
	document *policy.Document
	attached bool // it is that of a resource
}

// A simulation asks what would be allowed.
type simulation struct {
	who       policy.Principal
	sources   []source // identity-based policies, and the resource's
	request   policy.Request
	given     policy.Context
	resources []string
	results   []EvaluationResult
}

// EvaluationResult says whether an action is allowed: on all resources, and on
// each.
type EvaluationResult struct {
	EvalActionName                    string
	EvalResourceName                  string
	EvalDecision                      string
	MatchedStatements                 []MatchedStatement
	MissingContextValues              []string
	PermissionsBoundaryDecisionDetail *PermissionsBoundaryDecisionDetail
	ResourceSpecificResults           []ResourceSpecificResult
}

// ResourceSpecificResult says whether an action is allowed on a resource.
type ResourceSpecificResult struct {
	EvalResourceName                  string
	EvalResourceDecision              string
	MatchedStatements                 []MatchedStatement
	MissingContextValues              []string
	PermissionsBoundaryDecisionDetail *PermissionsBoundaryDecisionDetail
}

// MatchedStatement is where a statement stands that decided.
type MatchedStatement struct {
	SourcePolicyId   string
	SourcePolicyType string
	StartPosition    Position
	EndPosition      Position
}

// Position is a place in a policy's text, from line 1 and column 1 on.
type Position struct{ Line, Column int32 }

// PermissionsBoundaryDecisionDetail says what a permissions boundary does.
type PermissionsBoundaryDecisionDetail struct{ AllowedByPermissionsBoundary bool }

// ContextEntry is a condition key with its values.
type ContextEntry struct {
	ContextKeyName   string
	ContextKeyType   string
	ContextKeyValues []string
}

// The outcomes of a simulation.
const (
	allowed      = "allowed"
	implicitDeny = "implicitDeny"
	explicitDeny = "explicitDeny"
)

type SimulateCustomPolicyInput struct {
	ActionNames                        []string
	PolicyInputList                    []string
	PermissionsBoundaryPolicyInputList []string
	ResourceArns                       []string
	ResourcePolicy                     *string
	ResourceOwner                      *string
	CallerArn                          *string
	ContextEntries                     []ContextEntry
	ResourceHandlingOption             *string
	Marker                             *string
	MaxItems                           *int32
}

type SimulateCustomPolicyOutput struct {
	EvaluationResults []EvaluationResult
	IsTruncated       bool
	Marker            *string
}

// SimulateCustomPolicy tells what policies would allow.
func (s *Service) SimulateCustomPolicy(ctx context.Context, in *SimulateCustomPolicyInput) (*SimulateCustomPolicyOutput, error) {
	account := wire.CallOf(ctx).Account()
	return s.simulate(ctx, &simulation{who: policy.Principal{Kind: policy.User, Account: account, ARN: "arn:aws:iam::" + account + ":user/simulated"}}, in)
}

type SimulatePrincipalPolicyInput struct {
	PolicySourceArn                    string
	ActionNames                        []string
	PolicyInputList                    []string
	PermissionsBoundaryPolicyInputList []string
	ResourceArns                       []string
	ResourcePolicy                     *string
	ResourceOwner                      *string
	CallerArn                          *string
	ContextEntries                     []ContextEntry
	ResourceHandlingOption             *string
	Marker                             *string
	MaxItems                           *int32
}

// SimulatePrincipalPolicy tells what a user, group or role may do.
func (s *Service) SimulatePrincipalPolicy(ctx context.Context, in *SimulatePrincipalPolicyInput) (*SimulateCustomPolicyOutput, error) {
	m, err := s.simulated(ctx, in.PolicySourceArn)
	if err != nil {
		return nil, err
	}
	return s.simulate(ctx, m, &SimulateCustomPolicyInput{
		in.ActionNames, in.PolicyInputList, in.PermissionsBoundaryPolicyInputList, in.ResourceArns, in.ResourcePolicy, in.ResourceOwner,
		in.CallerArn, in.ContextEntries, in.ResourceHandlingOption, in.Marker, in.MaxItems,
	})
}

// simulated returns a simulation of what the identity of an ARN may do.
func (s *Service) simulated(ctx context.Context, text string) (*simulation, error) {
	a, err := arn.Parse(text)
	if err != nil {
		return nil, wire.Errorf("InvalidInput", "Invalid Entity Arn: %s does not clearly define entity type and name.", text)
	}
	own := a.Account == wire.CallOf(ctx).Account()
	m := &simulation{}
	if u, ok := s.users.find(text); ok && own {
		if m.who, err = s.userPrincipal(u); err != nil {
			return nil, err
		}
		identities := []*Identity{&u.Identity}
		for _, g := range s.groupsOf(u) {
			identities = append(identities, &g.Identity)
		}
		return m, s.addSources(m, identities...)
	}
	if r, ok := s.roles.find(text); ok && own {
		if m.who, err = s.rolePrincipal(r, "simulated"); err != nil {
			return nil, err
		}
		return m, s.addSources(m, &r.Identity)
	}
	if g, ok := s.groups.find(text); ok && own {
		m.who = policy.Principal{Kind: policy.User, Account: g.Account, ARN: "arn:aws:iam::" + g.Account + ":user/simulated"}
		return m, s.addSources(m, &g.Identity)
	}
	kind, _, _ := strings.Cut(a.Resource, "/")
	if !slices.Contains([]string{userKind.noun, groupKind.noun, roleKind.noun}, kind) {
		return nil, wire.Errorf("InvalidInput", "Invalid Entity Arn: %s does not clearly define entity type and name.", text)
	}
	return nil, wire.Errorf("NoSuchEntity", "The %s with name %s cannot be found.", kind, nameOf(text))
}

// addSources adds the policies of identities.
func (s *Service) addSources(m *simulation, identities ...*Identity) error {
	for _, i := range identities {
		noun := map[string]string{userKind.prefix: "user", groupKind.prefix: "group", roleKind.prefix: "role"}[i.ID[:4]]
		for _, name := range slices.Sorted(maps.Keys(i.Policies)) {
			if err := s.addSource(m, source{id: noun + "_" + i.Name + "_" + name, kind: noun, text: i.Policies[name]}); err != nil {
				return err
			}
		}
		for _, policyARN := range i.Attached {
			p, ok := s.policyAt(i.Account, policyARN)
			if !ok {
				continue
			}
			kind := "user-managed"
			if p.Account == awsAccount {
				kind = "aws-managed"
			}
			if err := s.addSource(m, source{id: p.Name, kind: kind, text: p.inForce()}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Service) addSource(m *simulation, from source) (err error) {
	if from.document, err = s.documents.Parse(from.text); err == nil {
		m.sources = append(m.sources, from)
	}
	return err
}

// simulate asks about each action on each resource.
func (s *Service) simulate(ctx context.Context, m *simulation, in *SimulateCustomPolicyInput) (*SimulateCustomPolicyOutput, error) {
	if err := s.prepareSimulation(ctx, m, in); err != nil {
		return nil, err
	}
	for _, action := range in.ActionNames {
		if vendor, name, ok := strings.Cut(action, ":"); !ok || vendor == "" || name == "" {
			return nil, wire.Errorf("InvalidInput", "Action %s is not of the form service:Action.", action)
		}
		m.results = append(m.results, m.evaluate(action))
	}
	number := map[string]int{}
	for i := range m.results {
		number[m.results[i].EvalActionName] = i
	}
	rank := func(r EvaluationResult) string { return fmt.Sprintf("%06d", number[r.EvalActionName]) }
	results, page, err := cut(sortedBy(rank, m.results), rank, in.Marker, in.MaxItems)
	return &SimulateCustomPolicyOutput{results, page.truncated, page.marker}, err
}

// prepareSimulation reads what the simulation is to be about.
func (s *Service) prepareSimulation(ctx context.Context, m *simulation, in *SimulateCustomPolicyInput) error {
	for i, text := range in.PolicyInputList {
		if err := s.addInput(m, source{id: fmt.Sprint("PolicyInputList.", i+1), kind: "none", text: text}, policy.Identity); err != nil {
			return err
		}
	}
	m.who.Identity = nil
	for _, from := range m.sources {
		m.who.Identity = append(m.who.Identity, from.document)
	}
	switch limits := in.PermissionsBoundaryPolicyInputList; {
	case len(limits) > 1:
		return wire.Errorf("InvalidInput", "Only one permissions boundary policy can be simulated.")
	case len(limits) == 1:
		if err := checkDocument(limits[0], policy.Identity); err != nil {
			return err
		}
		var err error
		if m.who.Boundary, err = s.documents.Parse(limits[0]); err != nil {
			return err
		}
	}
	m.request.Account = deref(in.ResourceOwner)
	if a, err := arn.Parse(m.request.Account); err == nil {
		m.request.Account = a.Account
	}
	if in.CallerArn != nil {
		if err := m.call(*in.CallerArn); err != nil {
			return err
		}
	}
	if in.ResourcePolicy != nil {
		if err := s.addInput(m, source{id: "ResourcePolicy", kind: "resource", text: *in.ResourcePolicy, attached: true}, policy.Resource); err != nil {
			return err
		}
		m.request.Policy = m.sources[len(m.sources)-1].document
	}
	m.given = policy.Context{}
	for _, e := range in.ContextEntries {
		m.given[e.ContextKeyName] = e.ContextKeyValues
	}
	m.request.Context = m.given
	if m.resources = in.ResourceArns; len(m.resources) == 0 {
		m.resources = []string{"*"}
	}
	m.request.More = func(folded string) []string { return s.tagOf(m.request.Resource, folded) }
	return nil
}

func (s *Service) addInput(m *simulation, from source, kind policy.Kind) error {
	if err := checkDocument(from.text, kind); err != nil {
		return wire.Errorf("InvalidInput", "The policy %s is invalid: %s", from.id, err.(*wire.Error).Message)
	}
	return s.addSource(m, from)
}

// call makes another user or role the caller, with the same policies.
func (m *simulation) call(caller string) error {
	a, err := arn.Parse(caller)
	if err != nil || a.Service != "iam" {
		return wire.Errorf("InvalidInput", "Invalid Caller Arn: %s", caller)
	}
	m.who.Account, m.who.ARN = a.Account, caller
	switch kind, name, _ := strings.Cut(a.Resource, "/"); kind {
	case "role":
		m.who.Kind, m.who.Role = policy.Session, caller
		m.who.ARN = "arn:aws:sts::" + a.Account + ":assumed-role/" + name[strings.LastIndexByte(name, '/')+1:] + "/simulated"
	default:
		m.who.Kind = policy.User
	}
	return nil
}

// severity orders outcomes from the most lenient on.
var severity = map[string]int{allowed: 0, implicitDeny: 1, explicitDeny: 2}

// evaluate asks about an action: the outcome is that of the resource on which
// it is the most restrictive.
func (m *simulation) evaluate(action string) EvaluationResult {
	out := EvaluationResult{EvalActionName: action, EvalResourceName: "*", EvalDecision: allowed, MatchedStatements: []MatchedStatement{}, MissingContextValues: []string{}}
	for _, resource := range m.resources {
		one := m.on(action, resource)
		if severity[one.EvalResourceDecision] > severity[out.EvalDecision] {
			out.EvalDecision = one.EvalResourceDecision
		}
		out.MissingContextValues = one.MissingContextValues
		out.PermissionsBoundaryDecisionDetail = stricter(out.PermissionsBoundaryDecisionDetail, one.PermissionsBoundaryDecisionDetail)
		out.ResourceSpecificResults = append(out.ResourceSpecificResults, one)
	}
	for _, one := range out.ResourceSpecificResults {
		for _, match := range one.MatchedStatements {
			if one.EvalResourceDecision == out.EvalDecision && !slices.Contains(out.MatchedStatements, match) {
				out.MatchedStatements = append(out.MatchedStatements, match)
			}
		}
	}
	if slices.Equal(m.resources, []string{"*"}) {
		out.ResourceSpecificResults = nil
	}
	return out
}

func stricter(a, b *PermissionsBoundaryDecisionDetail) *PermissionsBoundaryDecisionDetail {
	if a == nil || b != nil && !b.AllowedByPermissionsBoundary {
		return b
	}
	return a
}

// on asks about an action on a resource.
func (m *simulation) on(action, resource string) ResourceSpecificResult {
	r := &m.request
	owner := r.Account
	r.Action, r.Resource = action, resource
	if a, err := arn.Parse(resource); err == nil && owner == "" {
		r.Account = a.Account
	}
	if !isAccount(r.Account) {
		r.Account = ""
	}
	d := policy.Evaluate(m.who, *r)
	out := ResourceSpecificResult{EvalResourceName: resource, EvalResourceDecision: implicitDeny, MatchedStatements: []MatchedStatement{}, MissingContextValues: m.missing()}
	effect := policy.Allow
	switch {
	case d.Allowed:
		out.EvalResourceDecision = allowed
	case d.Explicit:
		out.EvalResourceDecision, effect = explicitDeny, policy.Deny
	}
	for _, from := range m.sources {
		for _, s := range from.document.Applying(m.who, *r, effect, from.attached) {
			out.MatchedStatements = append(out.MatchedStatements, from.match(s))
		}
	}
	if m.who.Boundary != nil {
		allows := len(m.who.Boundary.Applying(m.who, *r, policy.Allow, false)) > 0 && len(m.who.Boundary.Applying(m.who, *r, policy.Deny, false)) == 0
		out.PermissionsBoundaryDecisionDetail = &PermissionsBoundaryDecisionDetail{allows}
	}
	r.Account = owner
	return out
}

// missing returns the condition keys that the policies ask for and that nobody
// gave.
func (m *simulation) missing() []string {
	missing := []string{}
	for _, from := range m.sources {
		for _, key := range from.document.Keys() {
			if len(m.given.Get(key)) == 0 && !m.who.Has(key) && !slices.Contains(missing, key) {
				missing = append(missing, key)
			}
		}
	}
	slices.Sort(missing)
	return missing
}

// match returns where a statement of the source stands.
func (from *source) match(s *policy.Statement) MatchedStatement {
	begin, end := s.Span()
	return MatchedStatement{from.id, from.kind, position(from.text, begin), position(from.text, end)}
}

func position(text string, at int) Position {
	before := text[:min(at, len(text))]
	return Position{int32(strings.Count(before, "\n") + 1), int32(len(before) - strings.LastIndexByte(before, '\n'))}
}

type GetContextKeysForCustomPolicyInput struct{ PolicyInputList []string }

type GetContextKeysForCustomPolicyOutput struct{ ContextKeyNames []string }

// GetContextKeysForCustomPolicy returns the condition keys that policies ask
// for.
func (s *Service) GetContextKeysForCustomPolicy(_ context.Context, in *GetContextKeysForCustomPolicyInput) (*GetContextKeysForCustomPolicyOutput, error) {
	return s.contextKeys(&simulation{}, in.PolicyInputList)
}

type GetContextKeysForPrincipalPolicyInput struct {
	PolicySourceArn string
	PolicyInputList []string
}

// GetContextKeysForPrincipalPolicy returns the condition keys that the policies
// of a user, group or role ask for.
func (s *Service) GetContextKeysForPrincipalPolicy(ctx context.Context, in *GetContextKeysForPrincipalPolicyInput) (*GetContextKeysForCustomPolicyOutput, error) {
	m, err := s.simulated(ctx, in.PolicySourceArn)
	if err != nil {
		return nil, err
	}
	return s.contextKeys(m, in.PolicyInputList)
}

func (s *Service) contextKeys(m *simulation, inputs []string) (*GetContextKeysForCustomPolicyOutput, error) {
	for i, text := range inputs {
		if err := s.addInput(m, source{id: fmt.Sprint("PolicyInputList.", i+1), kind: "none", text: text}, policy.Identity); err != nil {
			return nil, err
		}
	}
	keys := []string{}
	for _, from := range m.sources {
		keys = append(keys, from.document.Keys()...)
	}
	slices.Sort(keys)
	return &GetContextKeysForCustomPolicyOutput{slices.Compact(keys)}, nil
}
