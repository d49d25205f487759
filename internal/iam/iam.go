// Package iam is Identity and Access Management and the Security Token
// Service: it keeps roles and their policies, issues credentials, and is the
// gate that decides who a caller is and what it may do.
//
// Credentials that Naru issues are told from foreign ones by a MAC in their
// key ids, and are checked and limited by their policies in every mode. What
// the mode decides is only what foreign and unsigned requests may do: in open
// mode they are the root of an account, in enforce mode they are refused.
package iam

import (
	"crypto/rand"
	"encoding/base32"
	"log/slog"
	"strings"
	"sync"
	"time"

	"naru/internal/clock"
	"naru/internal/sigv4"
	"naru/internal/store"
	"naru/internal/wire"
)

// Mode says what requests may do that Naru did not issue credentials for.
type Mode string

// The modes.
const (
	ModeOpen    Mode = "open"    // they act as the root of an account
	ModeEnforce Mode = "enforce" // they are refused
)

// Options are what the service needs.
type Options struct {
	Store   *store.Store
	Clock   *clock.Clock
	Log     *slog.Logger
	Mode    Mode
	Account string // of requests that name none
	Region  string // likewise
	// Root is the key pair of the account's root user; needed in ModeEnforce.
	Root KeyPair
}

// Service is IAM and STS.
type Service struct {
	options Options
	store   *store.Store
	clock   *clock.Clock
	log     *slog.Logger
	keys    keyring
	derived sigv4.Keys

	roles   *store.Table[*Role]
	deleted *store.Table[time.Time] // ARNs of roles that once were

	mu        sync.Mutex
	documents map[string]*parsedRole // by role ARN
	warned    map[string]bool        // roles that functions use and that never were
}

// Open returns the service on its tables in the store.
func Open(options Options) (*Service, error) {
	s := &Service{
		options: options, store: options.Store, clock: options.Clock, log: options.Log,
		keys:      keyring{options.Store.Derive("key ids"), options.Store.Derive("role sessions")},
		documents: map[string]*parsedRole{}, warned: map[string]bool{},
	}
	var err error
	if s.roles, err = store.OpenTable[*Role](s.store, "iam-roles"); err != nil {
		return nil, err
	}
	s.deleted, err = store.OpenTable[time.Time](s.store, "iam-deleted-roles")
	return s, err
}

// IAM returns IAM's operations.
func (s *Service) IAM() wire.Service {
	onRole := func(action string) func(account, role string) need {
		return func(account, role string) need {
			return need{"iam:" + action, roleARN(account, s.pathOf(account, role), role)}
		}
	}
	return wire.Service{
		Name:   "iam",
		Query:  wire.Query{Version: "2010-05-08", Namespace: "https://iam.amazonaws.com/doc/2010-05-08/"},
		Errors: errorForms,
		Operations: []wire.Operation{
			wire.Op("CreateRole", s.CreateRole, needsNewRole),
			wire.Op("GetRole", s.GetRole, needs(onRole("GetRole"), func(in *GetRoleInput) string { return in.RoleName })),
			wire.Op("ListRoles", s.ListRoles, needsAny[ListRolesInput]("iam:ListRoles")),
			wire.Op("DeleteRole", s.DeleteRole, needs(onRole("DeleteRole"), func(in *DeleteRoleInput) string { return in.RoleName })),
			wire.Op("UpdateAssumeRolePolicy", s.UpdateAssumeRolePolicy, needs(onRole("UpdateAssumeRolePolicy"), func(in *UpdateAssumeRolePolicyInput) string { return in.RoleName })),
			wire.Op("PutRolePolicy", s.PutRolePolicy, needs(onRole("PutRolePolicy"), func(in *PutRolePolicyInput) string { return in.RoleName })),
			wire.Op("GetRolePolicy", s.GetRolePolicy, needs(onRole("GetRolePolicy"), func(in *GetRolePolicyInput) string { return in.RoleName })),
			wire.Op("ListRolePolicies", s.ListRolePolicies, needs(onRole("ListRolePolicies"), func(in *ListRolePoliciesInput) string { return in.RoleName })),
			wire.Op("DeleteRolePolicy", s.DeleteRolePolicy, needs(onRole("DeleteRolePolicy"), func(in *DeleteRolePolicyInput) string { return in.RoleName })),
		},
	}
}

// STS returns STS's operations.
func (s *Service) STS() wire.Service {
	return wire.Service{
		Name:   "sts",
		Query:  wire.Query{Version: "2011-06-15", Namespace: "https://sts.amazonaws.com/doc/2011-06-15/"},
		Errors: errorForms,
		Operations: []wire.Operation{
			wire.Op("GetCallerIdentity", s.GetCallerIdentity, needsNothing[GetCallerIdentityInput]),
			wire.Op("AssumeRole", s.AssumeRole, s.needsTrust),
		},
	}
}

var errorForms = map[string]wire.ErrorForm{
	"NoSuchEntity":            {Status: 404},
	"EntityAlreadyExists":     {Status: 409},
	"DeleteConflict":          {Status: 409},
	"LimitExceeded":           {Status: 409},
	"MalformedPolicyDocument": {Status: 400},
	"ValidationError":         {Status: 400},
	"InvalidInput":            {Status: 400},
}

// newID returns a unique id of 21 characters, such as a role's AROA….
func newID(prefix string) string {
	b := make([]byte, 11)
	rand.Read(b)
	return prefix + strings.TrimRight(base32.StdEncoding.EncodeToString(b), "=")[:17]
}

// A KeyPair is an access key.
type KeyPair struct {
	ID     string
	Secret string
}
