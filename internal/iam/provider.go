package iam

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"naru/internal/wire"
)

// A Provider is an OpenID Connect provider whose tokens AssumeRoleWithWebIdentity
// takes. Every account has it.
type Provider struct {
	Issuer    string   // URL, as the tokens name it
	Keys      string   // file with its public keys, a JSON Web Key Set; read at each call
	Audiences []string // for whom tokens may be meant
}

// ParseProvider reads "<issuer's URL>=<file with its keys>".
func ParseProvider(text string, audiences []string) (Provider, error) {
	issuer, file, ok := strings.Cut(text, "=")
	u, err := url.Parse(issuer)
	if !ok || err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || file == "" {
		return Provider{}, fmt.Errorf("the issuer %q is not of the form https://issuer=keys.json", text)
	}
	p := Provider{issuer, file, audiences}
	_, err = p.keys()
	return p, err
}

// keys reads the provider's keys.
func (p *Provider) keys() (*jose.JSONWebKeySet, error) {
	text, err := os.ReadFile(p.Keys)
	if err != nil {
		return nil, fmt.Errorf("the keys of the issuer %s: %w", p.Issuer, err)
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, fmt.Errorf("the keys of the issuer %s: %s: %w", p.Issuer, p.Keys, err)
	}
	if len(set.Keys) == 0 {
		return nil, fmt.Errorf("the keys of the issuer %s: %s has none", p.Issuer, p.Keys)
	}
	return &set, nil
}

// name is the issuer as ARNs and condition keys have it: without its scheme.
func (p *Provider) name() string {
	_, name, _ := strings.Cut(p.Issuer, "://")
	return strings.TrimSuffix(name, "/")
}

func (p *Provider) arn(account string) string {
	return "arn:aws:iam::" + account + ":oidc-provider/" + p.name()
}

// claims are what a web identity token says.
type claims struct {
	jwt.Claims
	Authorized string   `json:"azp"` // party, which then is the audience
	Methods    []string `json:"amr"` // of authentication
	Tags       struct {
		Tags       map[string][]string `json:"principal_tags"`
		Transitive []string            `json:"transitive_tag_keys"`
	} `json:"https://aws.amazon.com/tags"`
	SourceIdentity string `json:"https://aws.amazon.com/source_identity"`
}

// audiences are those that the token is meant for.
func (c *claims) audiences() []string {
	if c.Authorized != "" {
		return []string{c.Authorized}
	}
	return c.Audience
}

// tags are those that the token gives the session.
func (c *claims) tags() (tags []Tag) {
	for key, values := range c.Tags.Tags {
		if len(values) > 0 {
			tags = append(tags, Tag{key, values[0]})
		}
	}
	return sortedBy(func(t Tag) string { return t.Key }, tags)
}

// maxToken is how long a web identity token may be, in bytes.
const maxToken = 20_000

// webIdentity returns the provider and the claims of a token that is authentic
// and current.
func (s *Service) webIdentity(text string) (*Provider, *claims, error) {
	if len(text) > maxToken {
		return nil, nil, violation("...", "webIdentityToken", fmt.Sprint("Member must have length less than or equal to ", maxToken))
	}
	token, err := jwt.ParseSigned(text, []jose.SignatureAlgorithm{jose.RS256, jose.ES256})
	var said claims
	if err == nil {
		err = token.UnsafeClaimsWithoutVerification(&said)
	}
	if err != nil {
		return nil, nil, invalidToken("The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
	}
	at := slices.IndexFunc(s.options.Providers, func(p Provider) bool { return p.Issuer == said.Issuer })
	if at < 0 {
		return nil, nil, invalidToken("No OpenIDConnect provider found in your account for %s", said.Issuer)
	}
	p := &s.options.Providers[at]
	if err := p.verify(token); err != nil {
		return nil, nil, err
	}
	if err := p.current(&said, s.clock.Real()); err != nil {
		return nil, nil, err
	}
	return p, &said, nil
}

func invalidToken(format string, args ...any) error {
	return wire.Errorf("InvalidIdentityToken", format, args...)
}

// verify proves that the provider signed the token.
func (p *Provider) verify(token *jwt.JSONWebToken) error {
	set, err := p.keys()
	if err != nil {
		return err
	}
	id := token.Headers[0].KeyID
	keys := set.Key(id)
	if id == "" {
		keys = set.Keys
	}
	for _, key := range keys {
		var ignored struct{}
		if key.IsPublic() && key.Use != "enc" && token.Claims(key, &ignored) == nil {
			return nil
		}
	}
	if len(keys) == 0 {
		return invalidToken("Couldn't retrieve verification key from your identity provider, please reference AssumeRoleWithWebIdentity documentation for requirements")
	}
	return invalidToken("The signature of the token is not the identity provider's.")
}

// tokenLeeway is how far the provider's clock may be ahead.
const tokenLeeway = time.Minute

// current checks for whom and for when the token is.
func (p *Provider) current(said *claims, now time.Time) error {
	if !slices.ContainsFunc(said.audiences(), func(a string) bool { return slices.Contains(p.Audiences, a) }) {
		return invalidToken("Incorrect token audience")
	}
	if said.Subject == "" || said.Expiry == nil || said.IssuedAt == nil {
		return invalidToken("Missing a required claim: sub, exp and iat must be there")
	}
	err := said.ValidateWithLeeway(jwt.Expected{Time: now}, tokenLeeway)
	switch {
	case errors.Is(err, jwt.ErrExpired), !now.Before(said.Expiry.Time()):
		return wire.Errorf("ExpiredTokenException", "Token expired: current date/time %d must be before the expiration date/time %d", now.Unix(), said.Expiry.Time().Unix())
	case err != nil:
		return invalidToken("The token is not valid yet.")
	}
	return nil
}
