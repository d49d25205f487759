package test

import (
	"bufio"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// root returns the caller whose key Naru writes down in enforce mode.
func (n *naru) root() caller {
	n.t.Helper()
	f, err := os.Open(filepath.Join(n.data, "root.credentials"))
	if err != nil {
		n.t.Fatal(err)
	}
	defer f.Close()
	values := map[string]string{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), "=")
		values[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	return n.as(values["aws_access_key_id"], values["aws_secret_access_key"], "")
}

// assume returns a session of a role.
func (c caller) assume(t testing.TB, role string) caller {
	t.Helper()
	return c.assumeWith(t, &sts.AssumeRoleInput{RoleArn: text(roleARN(role)), RoleSessionName: text("session")})
}

func (c caller) assumeWith(t testing.TB, in *sts.AssumeRoleInput) caller {
	t.Helper()
	out, err := c.sts().AssumeRole(background, in)
	if err != nil {
		t.Fatal(err)
	}
	session := c.naru.as(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken)
	session.region = c.region
	return session
}

// with returns the caller with other credentials.
func (c caller) with(change func(*aws.Credentials)) caller {
	change(&c.creds)
	return c
}

// A mint makes credentials of role sessions as Naru does, from its master key:
// those that Naru issues last for a quarter of an hour at least, so that tests
// cannot wait until they run out.
type mint struct{ ids, sessions []byte }

func newMint(t testing.TB, n *naru) mint {
	t.Helper()
	file, err := os.ReadFile(filepath.Join(n.data, "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	_, encoded, _ := strings.Cut(strings.TrimSpace(string(file)), " ")
	master, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	derive := func(purpose string) []byte {
		key, err := hkdf.Key(sha256.New, master, nil, purpose, 32)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	return mint{derive("key ids"), derive("role sessions")}
}

func mac(key []byte, parts ...string) []byte {
	h := hmac.New(sha256.New, key)
	for _, p := range parts {
		h.Write(append([]byte(p), 0))
	}
	return h.Sum(nil)
}

// issue returns the credentials of a session of a role.
func (m mint) issue(t testing.TB, role, roleID string, expires time.Time) aws.Credentials {
	t.Helper()
	random := make([]byte, 5)
	rand.Read(random)
	id := "ASIA" + base32.StdEncoding.EncodeToString(append(random, mac(m.ids, "ASIA", string(random))[:5]...))
	session, err := json.Marshal(map[string]any{"KeyID": id, "Role": role, "RoleID": roleID, "Name": "session", "Expires": expires})
	if err != nil {
		t.Fatal(err)
	}
	token := base64.RawURLEncoding.EncodeToString(append(session, mac(m.sessions, "token", string(session))...))
	secret := base64.StdEncoding.EncodeToString(mac(m.sessions, "secret", token))[:40]
	return aws.Credentials{AccessKeyID: id, SecretAccessKey: secret, SessionToken: token}
}
