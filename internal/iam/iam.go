// Package iam is Identity and Access Management and the Security Token
// Service: it keeps users, groups, roles and their policies, issues
// credentials, and is the gate that decides who a caller is and what it may do.
//
// Credentials that Naru issues are told from foreign ones by a MAC in their
// key ids, and are checked and limited by their policies in every mode. What
// the mode decides is only what foreign and unsigned requests may do: in open
// mode they are the root of an account, in enforce mode they are refused.
//
// What a caller may do is made up anew at each call from the records, so that
// a change of a policy or the loss of a key bites at the next call. Documents
// are parsed once; what they come to for a user or role is kept until any of
// IAM's records changes.
package iam

import (
	"crypto/rand"
	"encoding/base32"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"naru/internal/arn"
	"naru/internal/clock"
	"naru/internal/policy"
	"naru/internal/sigv4"
	"naru/internal/store"
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
	// Providers are whose web identities AssumeRoleWithWebIdentity takes.
	Providers []Provider
	// TagsOf returns the tags of a resource of another service, for conditions
	// on aws:ResourceTag. It may be nil.
	TagsOf func(arn.ARN) map[string]string
}

// Service is IAM and STS.
type Service struct {
	options Options
	store   *store.Store
	clock   *clock.Clock
	log     *slog.Logger
	keys    keyring
	derived sigv4.Keys

	users      holders[User, *User]
	groups     holders[Group, *Group]
	roles      holders[Role, *Role]
	policies   collection[Policy, *Policy]
	profiles   collection[InstanceProfile, *InstanceProfile]
	accessKeys *store.Table[*AccessKey]
	deleted    *store.Table[time.Time] // ARNs of roles that once were
	preloaded  map[string]*Policy      // policies that AWS manages, by ARN

	revision    atomic.Uint64               // of all records: goes up with each change
	permissions cache[string, *permissions] // by the ids of users and roles
	documents   policy.Cache
	sessions    cache[string, *openSession] // by their tokens
	secrets     cache[string, string]       // of access keys, by their ids
	lastUsed    cache[string, keyUse]       // likewise
	warned      cache[string, bool]         // roles that functions use and that never were
}

// Open returns the service on its tables in the store.
func Open(options Options) (*Service, error) {
	s := &Service{
		options: options, store: options.Store, clock: options.Clock, log: options.Log,
		keys:      keyring{options.Store.Derive("key ids"), options.Store.Derive("role sessions")},
		preloaded: preload(),
	}
	s.users.maxInline, s.groups.maxInline, s.roles.maxInline = 2048, 5120, 10240
	var err error
	if s.accessKeys, err = store.OpenTable[*AccessKey](s.store, "iam-access-keys"); err != nil {
		return nil, err
	}
	if s.deleted, err = store.OpenTable[time.Time](s.store, "iam-deleted-roles"); err != nil {
		return nil, err
	}
	for _, open := range []func() error{
		func() error { return s.users.open(s, userKind, "iam-users") },
		func() error { return s.groups.open(s, groupKind, "iam-groups") },
		func() error { return s.roles.open(s, roleKind, "iam-roles") },
		func() error { return s.policies.open(s, policyKind, "iam-policies") },
		func() error { return s.profiles.open(s, profileKind, "iam-instance-profiles") },
	} {
		if err := open(); err != nil {
			return nil, err
		}
	}
	return s, nil
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
