package events

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"

	"naru/internal/policy"
	"naru/internal/wire"
)

// A busPolicy is the policy of a bus: who may put events on it, and so on.
type busPolicy struct {
	Version   string
	ID        string `json:"Id,omitempty"`
	Statement []json.RawMessage
}

// text returns the policy as a document, nil if there is none.
func (p *busPolicy) text() *string {
	if p == nil {
		return nil
	}
	text, err := json.Marshal(p)
	if err != nil {
		panic(err) // it was read from JSON
	}
	document := string(text)
	return &document
}

// need returns what an action on a bus needs, which its policy may allow.
func (s *Service) need(action string, n busName) ([]policy.Request, error) {
	request := policy.Request{Action: action, Resource: n.arn(), Account: n.account}
	if b, ok := s.buses.Get(n.key()); ok && b.Policy != nil {
		var err error
		if request.Policy, err = s.policies.Parse(*b.Policy.text()); err != nil {
			return nil, fmt.Errorf("policy of %s: %w", n.arn(), err)
		}
	}
	return []policy.Request{request}, nil
}

type PutPermissionInput struct {
	EventBusName *string
	Action       *string
	Principal    *string
	StatementId  *string
	Condition    *Condition
	Policy       *string
}

// Condition is what the organization of a principal must be.
type Condition struct {
	Type  *string
	Key   *string
	Value *string
}

// maxBusPolicy bounds the policy of a bus, in bytes.
const maxBusPolicy = 10240

var (
	actionForm    = regexp.MustCompile(`^events:[a-zA-Z]+$`)
	principalForm = regexp.MustCompile(`^(\d{12}|\*)$`)
	sidForm       = regexp.MustCompile(`^[a-zA-Z0-9-_]{1,64}$`)
)

// PutPermission adds a statement to the policy of a bus, in place of the one
// with its id, or replaces the policy whole.
func (s *Service) PutPermission(ctx context.Context, in *PutPermissionInput) (*wire.None, error) {
	n := busOf(ctx, in.EventBusName)
	if _, err := s.bus(n); err != nil {
		return nil, err
	}
	if in.Policy != nil {
		p, err := parseBusPolicy(*in.Policy)
		if err != nil {
			return nil, err
		}
		return s.setPolicy(n, func(*busPolicy) (*busPolicy, error) { return p, nil })
	}
	statement, err := in.statement(n)
	if err != nil {
		return nil, err
	}
	return s.setPolicy(n, func(old *busPolicy) (*busPolicy, error) {
		p := &busPolicy{Version: policy.Version2012}
		if old != nil {
			*p = *old
		}
		p.Statement = append(p.without(*in.StatementId), statement)
		return p, nil
	})
}

func parseBusPolicy(text string) (*busPolicy, error) {
	d, err := policy.Parse(text)
	if err == nil {
		err = d.Validate(policy.Resource)
	}
	if err != nil {
		return nil, invalid("Parameter Policy is not valid. Reason: %v.", err)
	}
	var parsed struct {
		Version, ID string
		Statement   json.RawMessage
	}
	if err := json.Unmarshal([]byte(text), &parsed); err != nil {
		return nil, err
	}
	p := &busPolicy{Version: parsed.Version, ID: parsed.ID}
	if p.Version == "" {
		p.Version = policy.Version2008
	}
	if bytes.HasPrefix(bytes.TrimSpace(parsed.Statement), []byte("{")) {
		p.Statement = []json.RawMessage{parsed.Statement}
		return p, nil
	}
	return p, json.Unmarshal(parsed.Statement, &p.Statement)
}

// statement returns what PutPermission adds to the policy of a bus.
func (in *PutPermissionInput) statement(n busName) (json.RawMessage, error) {
	action, principal, sid := deref(in.Action), deref(in.Principal), deref(in.StatementId)
	switch {
	case !actionForm.MatchString(action):
		return nil, violation(action, "action", "Member must satisfy regular expression pattern: events:[a-zA-Z]+")
	case !principalForm.MatchString(principal):
		return nil, violation(principal, "principal", `Member must satisfy regular expression pattern: (\d{12}|\*)`)
	case !sidForm.MatchString(sid):
		return nil, violation(sid, "statementId", "Member must satisfy regular expression pattern: [a-zA-Z0-9-_]+")
	}
	statement := struct {
		Sid       string
		Effect    string
		Principal any
		Action    string
		Resource  string
		Condition map[string]map[string]string `json:",omitempty"`
	}{Sid: sid, Effect: "Allow", Principal: principal, Action: action, Resource: n.arn()}
	if principal != "*" {
		statement.Principal = map[string]string{"AWS": "arn:aws:iam::" + principal + ":root"}
	}
	if c := in.Condition; c != nil {
		if deref(c.Type) != "StringEquals" || deref(c.Key) != "aws:PrincipalOrgID" || deref(c.Value) == "" {
			return nil, invalid("Parameter Condition is not valid. Reason: only StringEquals of aws:PrincipalOrgID is supported.")
		}
		statement.Condition = map[string]map[string]string{*c.Type: {*c.Key: *c.Value}}
	}
	return json.Marshal(statement)
}

// without returns the statements that do not have an id.
func (p *busPolicy) without(sid string) []json.RawMessage {
	return slices.DeleteFunc(slices.Clone(p.Statement), func(text json.RawMessage) bool {
		var st struct{ Sid string }
		return json.Unmarshal(text, &st) == nil && st.Sid == sid
	})
}

// setPolicy replaces the policy of a bus, nil for none.
func (s *Service) setPolicy(n busName, change func(*busPolicy) (*busPolicy, error)) (*wire.None, error) {
	_, err := s.changeBus(n, func(b *Bus) error {
		p, err := change(b.Policy)
		if err != nil {
			return err
		}
		if text := p.text(); text != nil {
			if len(*text) > maxBusPolicy {
				return wire.Errorf("PolicyLengthExceededException", "The policy is longer than %d characters.", maxBusPolicy)
			}
			if _, err := policy.Parse(*text); err != nil {
				return invalid("Parameter Policy is not valid. Reason: %v.", err)
			}
		}
		b.Policy, b.Modified = p, s.clock.Now()
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &wire.None{}, nil
}

type RemovePermissionInput struct {
	EventBusName         *string
	StatementId          *string
	RemoveAllPermissions bool
}

// RemovePermission removes a statement of the policy of a bus, or all of it.
func (s *Service) RemovePermission(ctx context.Context, in *RemovePermissionInput) (*wire.None, error) {
	n := busOf(ctx, in.EventBusName)
	if in.RemoveAllPermissions {
		return s.setPolicy(n, func(*busPolicy) (*busPolicy, error) { return nil, nil })
	}
	return s.setPolicy(n, func(old *busPolicy) (*busPolicy, error) {
		missing := wire.Errorf("ResourceNotFoundException", "Statement with the provided id does not exist.")
		if old == nil {
			return nil, missing
		}
		p := *old
		p.Statement = old.without(deref(in.StatementId))
		switch len(p.Statement) {
		case len(old.Statement):
			return nil, missing
		case 0:
			return nil, nil
		}
		return &p, nil
	})
}
