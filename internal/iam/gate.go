package iam

import (
	"context"
	"crypto/sha256"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

	"naru/internal/arn"
	"naru/internal/policy"
	"naru/internal/sigv4"
	"naru/internal/wire"
)

// Authenticate returns who signed the request and the region that the
// signature names. See Mode for requests that Naru did not issue keys for.
func (s *Service) Authenticate(r *http.Request, signature *sigv4.Signature, hash func() [sha256.Size]byte) (policy.Principal, string, error) {
	region := s.options.Region
	if signature == nil {
		if s.options.Mode == ModeEnforce {
			return policy.Principal{}, "", &wire.Error{Code: wire.CodeUnsigned, Message: "Request is missing Authentication Token"}
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
	if err := signature.Verify(r, hash(), key, s.clock.Real()); err != nil {
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
	case s.keys.issued(id):
		return s.sessionHolder(signature)
	case s.options.Mode == ModeEnforce:
		return policy.Principal{}, "", unknownKey()
	case isAccount(id):
		return root(id), "", nil
	}
	return root(s.options.Account), "", nil
}

func (s *Service) sessionHolder(signature *sigv4.Signature) (policy.Principal, string, error) {
	session, ok := s.keys.session(signature.SessionToken)
	if !ok || session.KeyID != signature.KeyID {
		return policy.Principal{}, "", unknownKey()
	}
	if !s.clock.Real().Before(session.Expires) {
		return policy.Principal{}, "", &wire.Error{Code: wire.CodeExpiredToken, Message: "The security token included in the request is expired"}
	}
	p, err := s.sessionPrincipal(session)
	return p, s.keys.secret(signature.SessionToken), err
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
		s.complete(ctx, &n)
		if d := policy.Evaluate(caller, n); !d.Allowed {
			return &wire.Error{Code: wire.CodeAccessDenied, Message: d.Message(caller, n)}
		}
	}
	return nil
}

// complete adds the condition keys that every request has.
func (s *Service) complete(ctx context.Context, n *policy.Request) {
	keys := policy.Context{
		"aws:CurrentTime":     {s.clock.Now().Format(time.RFC3339)},
		"aws:SecureTransport": {"false"},
	}
	if a, err := arn.Parse(n.Resource); err == nil && a.Region != "" {
		keys["aws:RequestedRegion"] = []string{a.Region}
	}
	if host, _, err := net.SplitHostPort(wire.RemoteOf(ctx)); err == nil {
		keys["aws:SourceIp"] = []string{host}
	}
	for name, values := range n.Context {
		keys[name] = values
	}
	n.Context = keys
}
