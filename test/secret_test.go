package test

import (
	"archive/zip"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// TestSecretsAreNowhereToBeSeen: not in the log at its most talkative, in
// replies that refuse, in metrics, in the arguments of processes, or in the
// files of the data directory, but for the two that are to hold some.
func TestSecretsAreNowhereToBeSeen(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	s := newStage(t, "enforce", "--log-level", "debug", "--pprof", "--oidc-issuer", i.url+"="+i.file)
	const variable = "Xk2-environment-secret-q9"
	alice := makeUser(t, s.owner, "alice")
	allowUser(t, s.owner, "alice", allowing("sqs:*", "*"))
	makeRole(t, s.owner, "admin", trustsEverybodyHere, allowAll)
	session := s.owner.assume(t, "admin")
	out, err := alice.sts().GetSessionToken(background, &sts.GetSessionTokenInput{})
	issued := must(t, out, err).Credentials
	token := i.token("RS256", nil)

	// What is done with them, rightly and wrongly.
	s.runFunction(t, variable)
	var refusals strings.Builder
	for _, c := range []caller{s.owner, alice, session, s.naru.as(*issued.AccessKeyId, *issued.SecretAccessKey, *issued.SessionToken)} {
		may(t, c)
		for _, wrong := range []caller{c.with(func(c *aws.Credentials) { c.SessionToken += "x" }), c.with(func(c *aws.Credentials) { c.SecretAccessKey += "x" })} {
			refusals.Write(wrong.call(t, "sqs", json10("ListQueues", "{}"), spell{}).body)
			refusals.Write(wrong.call(t, "iam", form("/", "Action", "ListUsers", "Version", "2010-05-08"), spell{presigned: true}).body)
		}
	}
	_, err = s.naru.anonymous().sts().AssumeRoleWithWebIdentity(background, &sts.AssumeRoleWithWebIdentityInput{RoleArn: text(roleARN("admin")), RoleSessionName: text("web"), WebIdentityToken: &token})
	refusals.WriteString(told(t, err))

	secrets := map[string]string{
		"the root's secret": s.owner.creds.SecretAccessKey, "a user's secret": alice.creds.SecretAccessKey,
		"a session's secret": session.creds.SecretAccessKey, "a session's token": session.creds.SessionToken,
		"the secret of a user's session": *issued.SecretAccessKey, "the token of a user's session": *issued.SessionToken,
		"a web identity": token, "a function's variable": variable,
	}
	master, err := os.ReadFile(filepath.Join(s.naru.data, "master.key"))
	_, secrets["the master key"], _ = strings.Cut(strings.TrimSpace(string(must(t, master, err))), " ")
	look := func(where, text string) {
		t.Helper()
		for what, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%s is in %s", what, where)
			}
		}
	}
	look("a refusal", refusals.String())
	look("the metrics", string(s.naru.send(request{method: "GET", base: "http://" + s.naru.admin, path: "/metrics"}).body))
	look("pprof", string(s.naru.send(request{method: "GET", base: "http://" + s.naru.admin, path: "/debug/pprof/cmdline"}).body))
	look("the arguments of processes", arguments(t))
	s.naru.stop()
	look("the log", s.naru.log.text())
	look("the banner", s.naru.banner.text())
	s.eachFile(t, look)
}

// eachFile looks into the files of the data directory.
func (s stage) eachFile(t *testing.T, look func(where, text string)) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(s.naru.data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || d.Name() == "master.key" || d.Name() == "root.credentials" {
			return err
		}
		text, err := os.ReadFile(path)
		files++
		look("the file "+d.Name(), string(text))
		return err
	})
	if err != nil || files < 5 {
		t.Fatalf("%d files: %v", files, err)
	}
	for _, name := range []string{"master.key", "root.credentials"} {
		info, err := os.Stat(filepath.Join(s.naru.data, name))
		if mode := must(t, info, err).Mode().Perm(); mode != 0o600 {
			t.Errorf("%s has the mode %o", name, mode)
		}
	}
}

// runFunction runs a function that has a secret in its environment.
func (s stage) runFunction(t *testing.T, variable string) {
	t.Helper()
	var code bytes.Buffer
	archive := zip.NewWriter(&code)
	file, err := archive.Create("index.js")
	must(t, file, err)
	if _, err := file.Write([]byte("exports.handler = async () => process.env.SECRET.length;")); err != nil {
		t.Fatal(err)
	}
	must(t, archive, archive.Close())
	allow(t, s.owner, "runner", allowAll)
	_, err = s.owner.lambda().CreateFunction(background, &lambda.CreateFunctionInput{
		FunctionName: text("secretive"), Role: text(roleARN("runner")), Runtime: "nodejs20.x", Handler: text("index.handler"),
		Code: &types.FunctionCode{ZipFile: code.Bytes()}, Environment: &types.Environment{Variables: map[string]string{"SECRET": variable}},
	})
	must(t, "", err)
	out, err := s.owner.lambda().Invoke(background, &lambda.InvokeInput{FunctionName: text("secretive"), LogType: types.LogTypeTail})
	if must(t, out, err); out.FunctionError != nil || string(out.Payload) != "25" {
		t.Fatalf("the function says %s", out.Payload)
	}
}

// arguments returns the arguments of all processes.
func arguments(t *testing.T) string {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Log("only Linux shows the arguments of processes in /proc")
		return ""
	}
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	must(t, all, err)
	var texts strings.Builder
	for _, path := range all {
		text, err := os.ReadFile(path)
		if err == nil { // it may have ended
			texts.Write(text)
		}
	}
	if !strings.Contains(texts.String(), "serve") {
		t.Error("Naru itself is not among the processes")
	}
	return texts.String()
}
