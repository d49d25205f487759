package iam

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
)

// keyring makes and recognises the credentials that Naru issues.
//
//	key id:         prefix of 4 | base32 of 5 random bytes and the first 5 of their MAC
//	session token:  base64 of a session as JSON | its MAC
//	session secret: derived from the token
//
// So a key id tells by itself that Naru issued it, and a session needs no
// record: it holds across restarts until it runs out.
type keyring struct {
	ids      []byte
	sessions []byte
}

// What key ids begin with: of users' keys, and of sessions.
const (
	userPrefix    = "AKIA"
	sessionPrefix = "ASIA"
)

func mac(key []byte, parts ...string) []byte {
	h := hmac.New(sha256.New, key)
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	return h.Sum(nil)
}

func (k keyring) newID(prefix string) string {
	random := make([]byte, 5)
	rand.Read(random)
	return k.id(prefix, random)
}

// id returns the key id of 5 random bytes.
func (k keyring) id(prefix string, random []byte) string {
	return prefix + base32.StdEncoding.EncodeToString(append(random, mac(k.ids, prefix, string(random))[:5]...))
}

// issued reports whether Naru issued the key id.
func (k keyring) issued(id string) bool {
	if len(id) != 20 {
		return false
	}
	b, err := base32.StdEncoding.DecodeString(id[4:])
	return err == nil && len(b) == 10 && hmac.Equal(b[5:], mac(k.ids, id[:4], string(b[:5]))[:5])
}

// session is what a session token says: whose session it is, a role's or, for
// those of GetSessionToken, a user's or the account's root's; and what it was
// begun with.
type session struct {
	KeyID   string
	Account string `json:",omitempty"` // of the root
	Role    string `json:",omitempty"` // ARN
	RoleID  string `json:",omitempty"`
	UserID  string `json:",omitempty"`
	User    string `json:",omitempty"` // ARN
	Name    string `json:",omitempty"`
	Begun   time.Time
	Expires time.Time

	Policy         string            `json:",omitempty"` // session policy
	PolicyARNs     []string          `json:",omitempty"` // of managed policies, likewise
	Tags           map[string]string `json:",omitempty"` // by key as given
	Transitive     map[string]string `json:",omitempty"` // those of them that go on to the next role
	SourceIdentity string            `json:",omitempty"`
	Provider       string            `json:",omitempty"` // that vouched for a web identity
}

// Credentials are a session's.
type Credentials struct {
	KeyPair
	Token   string
	Expires time.Time
}

const tokenMAC = 32

func (k keyring) issue(s session) Credentials {
	s.KeyID = k.newID(sessionPrefix)
	token := k.token(s)
	return Credentials{KeyPair{s.KeyID, k.secret(token)}, token, s.Expires}
}

// tokens are base64url, of which a token has one form only.
var tokens = base64.RawURLEncoding.Strict()

// token returns the token of a session.
func (k keyring) token(s session) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // a struct of texts and times
	}
	return tokens.EncodeToString(append(text, mac(k.sessions, "token", string(text))...))
}

func (k keyring) secret(token string) string {
	return base64.StdEncoding.EncodeToString(mac(k.sessions, "secret", token))[:40]
}

// session returns what token says, if Naru issued it.
func (k keyring) session(token string) (session, bool) {
	b, err := tokens.DecodeString(token)
	if err != nil || len(b) < tokenMAC || strings.ContainsAny(token, "\r\n") { // which decoding passes over
		return session{}, false
	}
	text := b[:len(b)-tokenMAC]
	if !hmac.Equal(b[len(text):], mac(k.sessions, "token", string(text))) {
		return session{}, false
	}
	var s session
	return s, json.Unmarshal(text, &s) == nil
}
