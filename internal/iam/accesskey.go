package iam

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"naru/internal/policy"
	"naru/internal/sigv4"
	"naru/internal/store"
	"naru/internal/wire"
)

// AccessKey is a user's access key as the catalog keeps it, under its id.
type AccessKey struct {
	ID       string
	Account  string
	User     string // name
	Secret   []byte // sealed
	Inactive bool   `json:",omitempty"`
	Created  time.Time
}

// maxAccessKeys is how many access keys a user may have.
const maxAccessKeys = 2

const (
	active   = "Active"
	inactive = "Inactive"
)

func (k *AccessKey) status() string {
	if k.Inactive {
		return inactive
	}
	return active
}

// sealedAt is the place of a key's secret, for the store's seal.
func sealedAt(id string) string { return "iam-access-keys " + id }

// keysOf returns the access keys of a user in the order of their ids.
func (s *Service) keysOf(u *User) (keys []*AccessKey) {
	for _, k := range s.accessKeys.All("") {
		if k.Account == u.Account && k.User == u.Name {
			keys = append(keys, k)
		}
	}
	return keys
}

// keyOwner returns the user whose key signs, and the key's secret. A key that
// is deleted or inactive is as one that never was.
func (s *Service) keyOwner(signature *sigv4.Signature) (policy.Principal, string, error) {
	id := signature.KeyID
	k, ok := s.accessKeys.Get(id)
	if !ok || k.Inactive {
		return policy.Principal{}, "", unknownKey()
	}
	u, err := s.users.get(k.Account, k.User)
	if err != nil {
		return policy.Principal{}, "", unknownKey()
	}
	secret, ok := s.secrets.get(id)
	if !ok {
		text, err := s.store.Unseal(k.Secret, sealedAt(id))
		if err != nil {
			return policy.Principal{}, "", fmt.Errorf("secret of the access key %s: %w", id, err)
		}
		secret = string(text)
		s.secrets.put(id, secret)
	}
	s.noteUse(signature)
	p, err := s.userPrincipal(u)
	return p, secret, err
}

// A keyUse is when and for what a key was used.
type keyUse struct {
	at      time.Time
	service string
	region  string
}

// noteUse notes that a key is used. To the minute is exact enough.
func (s *Service) noteUse(signature *sigv4.Signature) {
	now, scope := s.clock.Now(), signature.Scope
	last, ok := s.lastUsed.get(signature.KeyID)
	if !ok || now.Sub(last.at) >= time.Minute || scope.Service != last.service || scope.Region != last.region {
		s.lastUsed.put(strings.Clone(signature.KeyID), keyUse{now, strings.Clone(scope.Service), strings.Clone(scope.Region)})
	}
}

type CreateAccessKeyInput struct{ UserName *string }

type CreateAccessKeyOutput struct{ AccessKey AccessKeyShape }

// AccessKeyShape is a new access key in replies: only they hold the secret.
type AccessKeyShape struct {
	UserName        string
	AccessKeyId     string
	Status          string
	SecretAccessKey string
	CreateDate      time.Time
}

// CreateAccessKey makes an access key of a user.
func (s *Service) CreateAccessKey(ctx context.Context, in *CreateAccessKeyInput) (*CreateAccessKeyOutput, error) {
	name, err := userOr(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	secret := newSecret()
	k := &AccessKey{ID: s.keys.newID(userPrefix), Created: s.clock.Now().Truncate(time.Second)}
	k.Secret = s.store.Seal([]byte(secret), sealedAt(k.ID))
	err = s.update(func(tx *store.Tx) error {
		u, err := s.users.named(ctx, name)
		if err != nil {
			return err
		}
		if len(s.keysOf(u)) >= maxAccessKeys {
			return wire.Errorf("LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: %d", maxAccessKeys)
		}
		k.Account, k.User = u.Account, u.Name
		return s.accessKeys.Put(tx, k.ID, k)
	})
	return &CreateAccessKeyOutput{AccessKeyShape{k.User, k.ID, active, secret, k.Created}}, err
}

// newSecret returns a secret access key.
func newSecret() string {
	secret := make([]byte, 30)
	rand.Read(secret)
	return base64.StdEncoding.EncodeToString(secret)
}

// keyNamed returns the key of a user that a call names.
func (s *Service) keyNamed(ctx context.Context, user *string, id string) (*AccessKey, error) {
	name, err := userOr(ctx, user)
	if err != nil {
		return nil, err
	}
	u, err := s.users.named(ctx, name)
	if err != nil {
		return nil, err
	}
	k, ok := s.accessKeys.Get(id)
	if !ok || k.Account != u.Account || k.User != u.Name {
		return nil, wire.Errorf("NoSuchEntity", "The Access Key with id %s cannot be found.", id)
	}
	return k, nil
}

type UpdateAccessKeyInput struct {
	UserName    *string
	AccessKeyId string
	Status      string
}

// UpdateAccessKey makes a key active or inactive.
func (s *Service) UpdateAccessKey(ctx context.Context, in *UpdateAccessKeyInput) (*wire.None, error) {
	if in.Status != active && in.Status != inactive {
		return nil, violation(in.Status, "status", "Member must satisfy enum value set: [Active, Inactive]")
	}
	return &wire.None{}, s.update(func(tx *store.Tx) error {
		k, err := s.keyNamed(ctx, in.UserName, in.AccessKeyId)
		if err != nil {
			return err
		}
		changed := *k
		changed.Inactive = in.Status == inactive
		return s.accessKeys.Put(tx, k.ID, &changed)
	})
}

type DeleteAccessKeyInput struct {
	UserName    *string
	AccessKeyId string
}

// DeleteAccessKey deletes a key, which is refused from then on.
func (s *Service) DeleteAccessKey(ctx context.Context, in *DeleteAccessKeyInput) (*wire.None, error) {
	return &wire.None{}, s.update(func(tx *store.Tx) error {
		k, err := s.keyNamed(ctx, in.UserName, in.AccessKeyId)
		if err != nil {
			return err
		}
		s.accessKeys.Delete(tx, k.ID)
		return nil
	})
}

type ListAccessKeysInput struct {
	UserName *string
	Marker   *string
	MaxItems *int32
}

type ListAccessKeysOutput struct {
	AccessKeyMetadata []AccessKeyMetadata
	IsTruncated       bool
	Marker            *string
}

// AccessKeyMetadata is an access key in lists.
type AccessKeyMetadata struct {
	UserName    string
	AccessKeyId string
	Status      string
	CreateDate  time.Time
}

func (k *AccessKey) metadata() AccessKeyMetadata {
	return AccessKeyMetadata{k.User, k.ID, k.status(), k.Created}
}

// ListAccessKeys returns the keys of a user, or of the caller if none is named,
// from the oldest on.
func (s *Service) ListAccessKeys(ctx context.Context, in *ListAccessKeysInput) (*ListAccessKeysOutput, error) {
	name, err := userOr(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	u, err := s.users.named(ctx, name)
	if err != nil {
		return nil, err
	}
	key := func(k *AccessKey) string { return k.Created.UTC().Format(time.RFC3339) + k.ID }
	keys, page, err := cut(sortedBy(key, s.keysOf(u)), key, in.Marker, in.MaxItems)
	return &ListAccessKeysOutput{shapes(keys, (*AccessKey).metadata), page.truncated, page.marker}, err
}

type GetAccessKeyLastUsedInput struct{ AccessKeyId string }

type GetAccessKeyLastUsedOutput struct {
	UserName          string
	AccessKeyLastUsed AccessKeyLastUsed
}

// AccessKeyLastUsed says when a key was last used, as far as is known.
type AccessKeyLastUsed struct {
	LastUsedDate *time.Time
	ServiceName  string
	Region       string
}

// GetAccessKeyLastUsed tells when a key of the account was last used since Naru
// was started.
func (s *Service) GetAccessKeyLastUsed(ctx context.Context, in *GetAccessKeyLastUsedInput) (*GetAccessKeyLastUsedOutput, error) {
	k, ok := s.accessKeys.Get(in.AccessKeyId)
	if !ok || k.Account != wire.CallOf(ctx).Account() {
		return nil, &wire.Error{Code: wire.CodeAccessDenied, Message: fmt.Sprintf("User: %s is not authorized to perform: iam:GetAccessKeyLastUsed on resource: access key %s", wire.CallOf(ctx).Caller.ARN, in.AccessKeyId)}
	}
	out := &GetAccessKeyLastUsedOutput{k.User, AccessKeyLastUsed{ServiceName: "N/A", Region: "N/A"}}
	if use, ok := s.lastUsed.get(k.ID); ok {
		at := use.at.Truncate(time.Second)
		out.AccessKeyLastUsed = AccessKeyLastUsed{&at, use.service, use.region}
	}
	return out, nil
}
