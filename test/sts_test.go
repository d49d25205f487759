package test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

func tagsOf(keysAndValues ...string) (tags []types.Tag) {
	for i := 0; i < len(keysAndValues); i += 2 {
		tags = append(tags, types.Tag{Key: &keysAndValues[i], Value: &keysAndValues[i+1]})
	}
	return tags
}

// An issuer vouches for web identities.
type issuer struct {
	t    *testing.T
	url  string
	file string // its public keys
	keys map[string]crypto.Signer
}

const issuerURL = "https://login.example.com/team"

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, rs, err)
	es, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, es, err)
	i := &issuer{t, issuerURL, filepath.Join(t.TempDir(), "keys.json"), map[string]crypto.Signer{"RS256": rs, "ES256": es}}
	i.publish("RS256", "ES256")
	return i
}

// publish writes the public keys of the given ids.
func (i *issuer) publish(ids ...string) {
	i.t.Helper()
	var set jose.JSONWebKeySet
	for _, id := range ids {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: i.keys[id].Public(), KeyID: id, Algorithm: id, Use: "sig"})
	}
	text, err := json.Marshal(set)
	must(i.t, text, err)
	must(i.t, text, os.WriteFile(i.file, text, 0o600))
}

// token returns a token with the given claims besides the usual ones.
func (i *issuer) token(algorithm string, more map[string]any) string {
	i.t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(algorithm), Key: i.keys[algorithm]}, (&jose.SignerOptions{}).WithHeader("kid", algorithm))
	must(i.t, signer, err)
	claims := map[string]any{"iss": i.url, "sub": "repo:naru", "aud": "sts.amazonaws.com", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix()}
	for name, value := range more {
		claims[name] = value
	}
	text, err := jwt.Signed(signer).Claims(claims).Serialize()
	return must(i.t, text, err)
}

// trustsIssuer is a trust policy for subjects of the issuer.
const trustsIssuer = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::` + account + `:oidc-provider/login.example.com/team"},
	"Action":["sts:AssumeRoleWithWebIdentity","sts:TagSession"],
	"Condition":{"StringEquals":{"login.example.com/team:aud":"sts.amazonaws.com"},"StringLike":{"login.example.com/team:sub":"repo:*"}}}]}`

func TestWebIdentities(t *testing.T) {
	for _, mode := range []string{"open", "enforce"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			i := newIssuer(t)
			s := newStage(t, mode, "--oidc-issuer", i.url+"="+i.file)
			makeRole(t, s.owner, "federated", trustsIssuer, allowing("sqs:*", "*"))
			anonymous := s.naru.anonymous().sts()
			input := func(role, token string) *sts.AssumeRoleWithWebIdentityInput {
				return &sts.AssumeRoleWithWebIdentityInput{RoleArn: text(roleARN(role)), RoleSessionName: text("web"), WebIdentityToken: &token}
			}
			for _, algorithm := range []string{"RS256", "ES256"} {
				out, err := anonymous.AssumeRoleWithWebIdentity(background, input("federated", i.token(algorithm, nil)))
				must(t, out, err)
				equal(t, "who was vouched for", []string{*out.SubjectFromWebIdentityToken, *out.Audience, *out.Provider},
					[]string{"repo:naru", "sts.amazonaws.com", "arn:aws:iam::" + account + ":oidc-provider/login.example.com/team"})
				session := s.naru.as(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken)
				expectMay(t, algorithm, session, true)
				expectIdentity(t, session, account, *out.AssumedRoleUser.Arn, *out.AssumedRoleUser.AssumedRoleId)
			}
			i.refusals(t, anonymous, input)
		})
	}
}

// refusals are of tokens that are not good, and of identities that no role
// trusts.
func (i *issuer) refusals(t *testing.T, c *sts.Client, input func(role, token string) *sts.AssumeRoleWithWebIdentityInput) {
	const denied = "403 AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity"
	another := newIssuer(t)
	forged := another.token("RS256", nil)
	good := i.token("RS256", nil)
	parts := strings.Split(good, ".")
	for what, r := range map[string]struct{ role, token, want string }{
		"a role that trusts others":      {"assumable", good, denied},
		"a role that is not there":       {"missing", good, denied},
		"another subject":                {"federated", i.token("RS256", map[string]any{"sub": "user:naru"}), denied},
		"another audience":               {"federated", i.token("RS256", map[string]any{"aud": "naru"}), "400 InvalidIdentityToken: Incorrect token audience"},
		"an authorized party":            {"federated", i.token("RS256", map[string]any{"azp": "naru"}), "400 InvalidIdentityToken: Incorrect token audience"},
		"another issuer":                 {"federated", i.token("RS256", map[string]any{"iss": "https://elsewhere.example.com"}), "400 InvalidIdentityToken: No OpenIDConnect provider found in your account for https://elsewhere.example.com"},
		"a token for later":              {"federated", i.token("RS256", map[string]any{"nbf": time.Now().Add(time.Hour).Unix()}), "400 InvalidIdentityToken: The token is not valid yet."},
		"a token without end":            {"federated", i.token("RS256", map[string]any{"exp": nil}), "400 InvalidIdentityToken: Missing a required claim: sub, exp and iat must be there"},
		"the signature of another":       {"federated", forged, "400 InvalidIdentityToken: The signature of the token is not the identity provider's."},
		"a token without a signature":    {"federated", parts[0] + "." + parts[1] + ".", "400 InvalidIdentityToken: The signature of the token is not the identity provider's."},
		"a token of no algorithm":        {"federated", "eyJhbGciOiJub25lIn0." + parts[1] + ".", "400 InvalidIdentityToken: The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"},
		"no token":                       {"federated", "token", "400 InvalidIdentityToken: The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"},
		"a key of another token's claim": {"federated", parts[0] + "." + strings.Split(i.token("ES256", nil), ".")[1] + "." + parts[2] + "x", "400 InvalidIdentityToken: The signature of the token is not the identity provider's."},
	} {
		refuses(t, what, r.want)(c.AssumeRoleWithWebIdentity(background, input(r.role, r.token)))
	}
	_, err := c.AssumeRoleWithWebIdentity(background, input("federated", i.token("RS256", map[string]any{"exp": time.Now().Add(-time.Second).Unix()})))
	if got := told(t, err); !strings.HasPrefix(got, "400 ExpiredTokenException: Token expired: current date/time ") {
		t.Errorf("an expired token: %q", got)
	}
	i.publish("ES256") // at the next call the other key counts no more
	refuses(t, "a key that was withdrawn", "400 InvalidIdentityToken: Couldn't retrieve verification key from your identity provider, please reference AssumeRoleWithWebIdentity documentation for requirements")(
		c.AssumeRoleWithWebIdentity(background, input("federated", good)))
	i.publish("ES256", "RS256")
}

// TestWebIdentitiesBringTags, as far as the trust policy lets them.
func TestWebIdentitiesBringTags(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	s := newStage(t, "enforce", "--oidc-issuer", i.url+"="+i.file)
	makeRole(t, s.owner, "federated", trustsIssuer, statement(`"Effect":"Allow","Action":"sqs:*","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/team":"red","aws:FederatedProvider":"arn:aws:iam::`+account+`:oidc-provider/login.example.com/team"}}`))
	for team, want := range map[string]bool{"red": true, "blue": false} {
		token := i.token("ES256", map[string]any{"https://aws.amazon.com/tags": map[string]any{"principal_tags": map[string][]string{"team": {team}}}})
		out, err := s.naru.anonymous().sts().AssumeRoleWithWebIdentity(background, &sts.AssumeRoleWithWebIdentityInput{RoleArn: text(roleARN("federated")), RoleSessionName: text("web"), WebIdentityToken: &token})
		issued := must(t, out, err).Credentials
		expectMay(t, team, s.naru.as(*issued.AccessKeyId, *issued.SecretAccessKey, *issued.SessionToken), want)
	}
}

func TestAnIssuerWithoutKeysIsRefusedAtStart(t *testing.T) {
	t.Parallel()
	for _, issuer := range []string{"login.example.com=keys.json", "https://login.example.com", "https://login.example.com=missing.json"} {
		_, errs, status := ended(t, nil, "serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data", "mem:", "--oidc-issuer", issuer)
		if status == 0 || !strings.Contains(errs, "issuer") {
			t.Errorf("%s: status %d, %s", issuer, status, errs)
		}
	}
}
