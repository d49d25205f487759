package iam

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"naru/internal/arn"
	"naru/internal/policy"
	"naru/internal/sigv4"
	"naru/internal/wire"
)

// Authenticate returns who signed the request and the region that the
// signature names. See Mode for requests that Naru did not issue keys for.
func (s *Service) Authenticate(r *http.Request, signature *sigv4.Signature, payload func() sigv4.Payload) (policy.Principal, string, error) {
	region := s.options.Region
	if signature == nil {
		if s.options.Mode == ModeEnforce {
			return policy.Principal{}, region, &wire.Error{Code: wire.CodeUnsigned, Message: "Request is missing Authentication Token"}
		}
		return root(s.options.Account), region, nil
	}
	if signature.Scope.Region != "" {
		region = signature.Scope.Region
	}
	principal, secret, err := s.keyHolder(signature)
	if err != nil || secret == "" {
		return principal, region, err
	}
	key := s.derived.Derive(secret, signature.Scope)
	if err := signature.Verify(r, payload(), key, s.clock.Real()); err != nil {
		return policy.Principal{}, "", signatureError(err)
	}
	return principal, region, nil
}

// keyHolder returns the principal that a key belongs to and the key's secret,
// which is "" where the signature is of no interest.
func (s *Service) keyHolder(signature *sigv4.Signature) (policy.Principal, string, error) {
	id := signature.KeyID
	switch {
	case s.options.Root.ID != "" && id == s.options.Root.ID:
		return root(s.options.Account), s.options.Root.Secret, nil
	case s.issued(signature) && strings.HasPrefix(id, userPrefix):
		return s.keyOwner(signature)
	case s.issued(signature):
		return s.sessionHolder(signature)
	case s.options.Mode == ModeEnforce:
		return policy.Principal{}, "", unknownKey()
	case isAccount(id):
		return root(id), "", nil
	}
	return root(s.options.Account), "", nil
}

// issued reports whether Naru issued the key that signs, be it gone since.
func (s *Service) issued(signature *sigv4.Signature) bool {
	if o, ok := s.sessions.get(signature.SessionToken); ok && o.KeyID == signature.KeyID {
		return true
	}
	if _, ok := s.accessKeys.Get(signature.KeyID); ok {
		return true
	}
	return s.keys.issued(signature.KeyID)
}

// sessionHolder returns the principal that a session's credentials stand for.
func (s *Service) sessionHolder(signature *sigv4.Signature) (policy.Principal, string, error) {
	opened, ok := s.open(signature.SessionToken)
	if !ok || opened.KeyID != signature.KeyID {
		return policy.Principal{}, "", unknownKey()
	}
	if !s.clock.Real().Before(opened.Expires) {
		return policy.Principal{}, "", &wire.Error{Code: wire.CodeExpiredToken, Message: "The security token included in the request is expired"}
	}
	if opened.Role == "" && signature.Scope.Service == "iam" { // as AWS has it for sessions without MFA
		return policy.Principal{}, "", unknownKey()
	}
	p, err := s.sessionPrincipal(opened)
	return p, opened.secret, err
}

// An openSession is what is known of a token that is authentic.
type openSession struct {
	session
	secret string
	last   atomic.Pointer[made] // principal, to be made anew when permissions are
}

// made is a principal and what it was made from.
type made struct {
	from      *permissions
	principal policy.Principal
}

// open returns what a token says, if Naru issued it.
func (s *Service) open(token string) (*openSession, bool) {
	if o, ok := s.sessions.get(token); ok {
		return o, true
	}
	said, ok := s.keys.session(token)
	if !ok {
		return nil, false
	}
	o := &openSession{session: said, secret: s.keys.secret(token)}
	s.sessions.put(strings.Clone(token), o)
	return o, true
}

func unknownKey() error {
	return &wire.Error{Code: wire.CodeUnknownKey, Message: "The security token included in the request is invalid."}
}

func signatureError(err error) error {
	var e *sigv4.Error
	if !errors.As(err, &e) {
		return err
	}
	code := wire.CodeBadSignature
	if e.Kind == sigv4.Incomplete {
		code = wire.CodeBadAuth
	}
	return &wire.Error{Code: code, Message: e.Message}
}

func isAccount(id string) bool {
	return len(id) == 12 && strings.Trim(id, "0123456789") == ""
}

func root(account string) policy.Principal {
	return policy.Principal{Kind: policy.Root, ARN: "arn:aws:iam::" + account + ":root", Account: account, UserID: account}
}

// ServicePrincipal returns an AWS service as a caller.
func ServicePrincipal(service, account string) policy.Principal {
	return policy.Principal{Kind: policy.Service, ARN: service, Service: service, Account: account}
}

// Authorize returns nil if the caller may do everything that is needed.
func (s *Service) Authorize(ctx context.Context, caller policy.Principal, needs []policy.Request) error {
	for _, n := range needs {
		who := caller
		if n.By != nil {
			who = *n.By
		}
		if n.More == nil {
			n.More = func(folded string) []string { return s.more(ctx, who, n.Resource, folded) }
		}
		if d := policy.Evaluate(who, n); !d.Allowed {
			return &wire.Error{Code: wire.CodeAccessDenied, Message: d.Message(who, n)}
		}
	}
	return nil
}

// more returns the values of the condition keys that every request has, when a
// policy asks for them.
func (s *Service) more(ctx context.Context, caller policy.Principal, resource, folded string) []string {
	call, called := wire.Called(ctx)
	switch folded {
	case "aws:currenttime":
		return []string{s.clock.Now().UTC().Format(time.RFC3339)}
	case "aws:epochtime":
		return []string{strconv.FormatInt(s.clock.Now().Unix(), 10)}
	case "aws:securetransport":
		return []string{strconv.FormatBool(called && strings.HasPrefix(call.Endpoint, "https:"))}
	case "aws:viaawsservice":
		return []string{"false"}
	case "aws:multifactorauthpresent":
		if !caller.Issued.IsZero() {
			return []string{"false"}
		}
	case "aws:requestedregion":
		if called {
			return []string{call.Region}
		}
		if a, err := arn.Parse(resource); err == nil && a.Region != "" {
			return []string{a.Region}
		}
	case "aws:sourceip":
		if host, _, err := net.SplitHostPort(wire.RemoteOf(ctx)); err == nil {
			return []string{host}
		}
	case "aws:useragent":
		if called {
			return call.Header.Values("User-Agent")
		}
	case "aws:referer":
		if called {
			return call.Header.Values("Referer")
		}
	}
	return s.tagOf(resource, folded)
}

// tagOf returns the value of a key like aws:ResourceTag/team: a tag of the
// resource.
func (s *Service) tagOf(resource, folded string) []string {
	key, ok := strings.CutPrefix(folded, policy.ResourceTag)
	if !ok {
		if key, ok = strings.CutPrefix(folded, "iam:resourcetag/"); !ok {
			return nil
		}
	}
	a, err := arn.Parse(resource)
	if err != nil {
		return nil
	}
	for name, value := range s.tagsOf(a) {
		if strings.EqualFold(name, key) {
			return []string{value}
		}
	}
	return nil
}

// tagsOf returns the tags of a resource of any service.
func (s *Service) tagsOf(a arn.ARN) map[string]string {
	if a.Service != "iam" {
		if s.options.TagsOf == nil {
			return nil
		}
		return s.options.TagsOf(a)
	}
	text := a.String()
	if r, ok := s.roles.find(text); ok {
		return folded(r.Tags)
	}
	if u, ok := s.users.find(text); ok {
		return folded(u.Tags)
	}
	if p, ok := s.policies.find(text); ok {
		return folded(p.Tags)
	}
	if p, ok := s.profiles.find(text); ok {
		return folded(p.Tags)
	}
	return nil
}
