package sqs

import (
	"context"
	"encoding/json"
	"regexp"
	"slices"

	"naru/internal/wire"
)

// document is a queue's policy as AddPermission and RemovePermission change it:
// statements that they did not write stay as they are.
type document struct {
	Version   string
	ID        string            `json:"Id,omitempty"`
	Statement []json.RawMessage `json:"-"`
}

// statement is what AddPermission writes. A single account or action stands by
// itself, several in a list.
type statement struct {
	Sid       string
	Effect    string
	Principal struct{ AWS any }
	Action    any
	Resource  string
}

// MarshalJSON writes the statements as a list.
func (d document) MarshalJSON() ([]byte, error) {
	type plain document
	return json.Marshal(struct {
		plain
		Statement []json.RawMessage
	}{plain(d), d.Statement})
}

// UnmarshalJSON reads statements, in a list or by itself.
func (d *document) UnmarshalJSON(text []byte) error {
	type plain document
	var read struct {
		plain
		Statement json.RawMessage
	}
	if err := json.Unmarshal(text, &read); err != nil {
		return err
	}
	*d = document(read.plain)
	if json.Unmarshal(read.Statement, &d.Statement) != nil {
		d.Statement = []json.RawMessage{read.Statement}
	}
	return nil
}

// find returns which statement has the label, -1 if none has.
func (d *document) find(label string) int {
	return slices.IndexFunc(d.Statement, func(text json.RawMessage) bool {
		var s struct{ Sid string }
		return json.Unmarshal(text, &s) == nil && s.Sid == label
	})
}

func oneOrMore(all []string) any {
	if len(all) == 1 {
		return all[0]
	}
	return all
}

type AddPermissionInput struct {
	QueueUrl      *string
	Label         *string
	AWSAccountIds []string `query:"AWSAccountId"`
	Actions       []string `query:"ActionName"`
}

// grantable are the actions that AddPermission can grant; others are the
// owner's alone.
var grantable = []string{"*", "ChangeMessageVisibility", "DeleteMessage", "GetQueueAttributes", "GetQueueUrl", "ListDeadLetterSourceQueues", "PurgeQueue", "ReceiveMessage", "SendMessage"}

const (
	maxActions    = 7
	maxStatements = 20
)

var labelForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

func (s *Service) checkPermission(in *AddPermissionInput) error {
	switch {
	case in.Label == nil:
		return missing("Label")
	case !labelForm.MatchString(*in.Label):
		return invalid(*in.Label, "Label", "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
	case len(in.Actions) == 0:
		return missing("Actions")
	case len(in.AWSAccountIds) == 0:
		return wire.Errorf("InvalidParameterValue", "Value [] for parameter PrincipalId is invalid. Reason: Unable to verify.")
	case len(in.Actions) > maxActions:
		return wire.Errorf("OverLimit", "%d Actions were found, maximum allowed is %d.", len(in.Actions), maxActions)
	}
	for _, action := range in.Actions {
		switch {
		case slices.Contains(grantable, action):
		case slices.ContainsFunc(s.Service().Operations, func(o wire.Operation) bool { return o.Name == action }):
			return invalid("SQS:"+action, "ActionName", "Only the queue owner is allowed to invoke this action.")
		default:
			return invalid("SQS:"+action, "ActionName", "Please refer to the appropriate WSDL for a list of valid actions. ")
		}
	}
	for _, account := range in.AWSAccountIds {
		if !isAccount(account) {
			return wire.Errorf("InvalidParameterValue", "Value [%s] for parameter PrincipalId is invalid. Reason: Unable to verify.", account)
		}
	}
	return nil
}

// AddPermission adds a statement to a queue's policy that lets accounts do
// something with the queue.
func (s *Service) AddPermission(ctx context.Context, in *AddPermissionInput) (*wire.None, error) {
	if err := s.checkPermission(in); err != nil {
		return nil, err
	}
	added := statement{Sid: *in.Label, Effect: "Allow"}
	var actions, accounts []string
	for _, action := range in.Actions {
		actions = append(actions, "SQS:"+action)
	}
	for _, account := range in.AWSAccountIds {
		accounts = append(accounts, "arn:aws:iam::"+account+":root")
	}
	added.Action, added.Principal.AWS = oneOrMore(actions), oneOrMore(accounts)
	return &wire.None{}, s.changePolicy(ctx, in.QueueUrl, func(q *Queue, d *document) error {
		if d.find(*in.Label) >= 0 {
			return invalid(*in.Label, "Label", "Already exists.")
		}
		if len(d.Statement) >= maxStatements {
			return wire.Errorf("OverLimit", "%d Statements were found, maximum allowed is %d.", len(d.Statement)+1, maxStatements)
		}
		added.Resource = q.name().arn()
		text, err := json.Marshal(added)
		d.Statement = append(d.Statement, text)
		return err
	})
}

type RemovePermissionInput struct {
	QueueUrl *string
	Label    *string
}

// RemovePermission removes the statement of a label from a queue's policy, and
// with the last one the policy.
func (s *Service) RemovePermission(ctx context.Context, in *RemovePermissionInput) (*wire.None, error) {
	if in.Label == nil {
		return nil, missing("Label")
	}
	return &wire.None{}, s.changePolicy(ctx, in.QueueUrl, func(_ *Queue, d *document) error {
		i := d.find(*in.Label)
		if i < 0 {
			return invalid(*in.Label, "Label", "can't find label.")
		}
		d.Statement = slices.Delete(d.Statement, i, i+1)
		return nil
	})
}

// changePolicy changes a queue's policy.
func (s *Service) changePolicy(ctx context.Context, url *string, change func(*Queue, *document) error) error {
	return s.change(ctx, url, func(q *Queue) error {
		d := document{Version: "2008-10-17", ID: q.name().arn() + "/SQSDefaultPolicy"}
		if text := q.Attributes["Policy"]; text != "" {
			if err := json.Unmarshal([]byte(text), &d); err != nil {
				return err
			}
		}
		if err := change(q, &d); err != nil {
			return err
		}
		text := ""
		if len(d.Statement) > 0 {
			written, err := json.Marshal(d)
			if err != nil {
				return err
			}
			text = string(written)
		}
		attributes, err := set(q.fifo(), q.Attributes, map[string]string{"Policy": text})
		q.Attributes = attributes
		return err
	})
}
