package test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// A trial is a caller with some credentials, a way to sign, and how the call
// is to be refused in either mode: not at all if "".
type trial struct {
	name          string
	caller        caller
	how           spell
	open, enforce string
	headerOnly    bool // it makes no sense for a presigned request
}

// A stage is a Naru in one mode with roles to play.
type stage struct {
	*testing.T
	naru  *naru
	owner caller // root of the account
}

func newStage(t *testing.T, mode string, flags ...string) stage {
	t.Helper()
	n := start(t, append([]string{"--auth", mode}, flags...)...)
	owner := n.user()
	if mode == "enforce" {
		owner = n.root()
	}
	makeRole(t, owner, "runner", trustsLambda, "")
	makeRole(t, owner, "assumable", trustsEverybodyHere, "")
	return stage{t, n, owner}
}

// trials are all the ways to call Naru.
func (s stage) trials() []trial {
	makeRole(s, s.owner, "powerless", trustsEverybodyHere, "")
	makeRole(s, s.owner, "doomed", trustsEverybodyHere, "")
	makeRole(s, s.owner, "reborn", trustsEverybodyHere, "")
	id := makeRole(s, s.owner, "admin", trustsEverybodyHere, allowAll)
	admin, other := s.owner.assume(s, "admin"), s.owner.assume(s, "admin")
	doomed, reborn := s.owner.assume(s, "doomed"), s.owner.assume(s, "reborn")
	s.deleteRole("doomed")
	s.deleteRole("reborn")
	makeRole(s, s.owner, "reborn", trustsEverybodyHere, allowAll)
	expired := admin
	expired.creds = newMint(s, s.naru).issue(s, roleARN("admin"), id, time.Now().Add(-time.Second))
	running := admin
	running.creds = newMint(s, s.naru).issue(s, roleARN("admin"), id, time.Now().Add(time.Minute))
	token := func(change func(string) string) caller {
		return admin.with(func(c *aws.Credentials) { c.SessionToken = change(c.SessionToken) })
	}
	return append([]trial{
		{name: "Unsigned", caller: s.naru.anonymous(), enforce: unsigned, headerOnly: true},
		{name: "AForeignKey", caller: s.naru.as("AKIAIOSFODNN7EXAMPLE", "secret", ""), enforce: unknownKey},
		{name: "AForeignSession", caller: s.naru.as("ASIAIOSFODNN7EXAMPLE", "secret", "token"), enforce: unknownKey},
		{name: "AKeyOfTwelveDigits", caller: s.naru.user(), enforce: unknownKey},
		{name: "ARoleThatMayDoAnything", caller: admin},
		{name: "ASessionThatIsNotOverYet", caller: running},
		{name: "ARoleThatMayDoNothing", caller: s.owner.assume(s, "powerless"), open: denied, enforce: denied},
		{name: "AnExpiredSession", caller: expired, open: expiredToken, enforce: expiredToken},
		{name: "ASessionOfADeletedRole", caller: doomed, open: unknownKey, enforce: unknownKey},
		{name: "ASessionOfARoleThatIsAnotherNow", caller: reborn, open: unknownKey, enforce: unknownKey},
		{name: "AWrongSecret", caller: admin.with(func(c *aws.Credentials) { c.SecretAccessKey = "wrong" }), open: badSignature, enforce: badSignature},
		{name: "ASessionWithoutItsToken", caller: token(func(string) string { return "" }), open: unknownKey, enforce: unknownKey},
		{name: "AForgedToken", caller: token(func(t string) string { return t[:len(t)/2] + flip(t[len(t)/2:]) }), open: unknownKey, enforce: unknownKey},
		{name: "AShortToken", caller: token(func(t string) string { return t[:20] }), open: unknownKey, enforce: unknownKey},
		{name: "TheTokenOfAnotherSession", caller: token(func(string) string { return other.creds.SessionToken }), open: unknownKey, enforce: unknownKey},
	}, s.signingTrials(admin)...)
}

// flip changes the first letter of a text.
func flip(text string) string {
	if text[0] == 'A' {
		return "B" + text[1:]
	}
	return "A" + text[1:]
}

// signingTrials are ways to get a signature wrong, and right.
func (s stage) signingTrials(admin caller) []trial {
	wrong := func(name string, after func(*http.Request)) trial {
		return trial{name: name, caller: admin, how: spell{after: after}, open: badSignature, enforce: badSignature}
	}
	header := func(name, value string) trial {
		t := wrong(name, func(r *http.Request) { r.Header.Set("Authorization", value) })
		t.headerOnly, t.open, t.enforce = true, incomplete, incomplete
		return t
	}
	ago := func(name string, d time.Duration, kind string) trial {
		return trial{name: name, caller: admin, how: spell{at: time.Now().Add(-d)}, open: kind, enforce: kind, headerOnly: true}
	}
	return []trial{
		wrong("AnotherBody", func(r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				s.Fatal(err)
			}
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(append(body, ' '))), int64(len(body)+1)
		}),
		wrong("AnotherQuery", func(r *http.Request) { r.URL.RawQuery += "&more=1" }),
		wrong("AnotherHost", func(r *http.Request) { r.Host = "localhost" }),
		wrong("AHeaderThatIsNotSigned", func(r *http.Request) { r.Header.Set("X-Amz-Another", "x") }),
		header("ASignatureOfNothing", "AWS4-HMAC-SHA256"),
		header("ASignatureWithoutParts", "AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1/sqs/aws4_request"),
		header("AnotherAlgorithm", "AWS4-HMAC-SHA512 Credential=x, SignedHeaders=host, Signature=00"),
		ago("SignedFourteenMinutesAgo", 14*time.Minute, ""), ago("SignedInFourteenMinutes", -14*time.Minute, ""),
		ago("SignedSixteenMinutesAgo", 16*time.Minute, badSignature), ago("SignedInSixteenMinutes", -16*time.Minute, badSignature),
	}
}

func (s stage) deleteRole(name string) {
	s.Helper()
	if _, err := s.owner.iam().DeleteRole(background, &iam.DeleteRoleInput{RoleName: &name}); err != nil {
		s.Fatal(err)
	}
}

func TestCredentials(t *testing.T) {
	for _, mode := range []string{"open", "enforce"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, mode)
			things := 0
			for _, c := range s.trials() {
				for _, d := range doors() {
					for _, presigned := range []bool{false, true} {
						if presigned && (c.headerOnly || d.inHeaders()) {
							continue
						}
						things++
						name := fmt.Sprintf("%s/%s/presigned=%v", c.name, d.name, presigned)
						t.Run(name, func(t *testing.T) { s.try(t, c, d, mode, presigned, fmt.Sprint("thing-", things)) })
					}
				}
			}
		})
	}
}

// try makes one call at one door.
func (s stage) try(t *testing.T, c trial, d door, mode string, presigned bool, thing string) {
	kind := c.open
	if mode == "enforce" {
		kind = c.enforce
	}
	how := c.how
	how.presigned = presigned
	q := d.make(thing)
	r := c.caller.call(t, d.service, q, how)
	d.expect(t, r, kind)
	d.expectMade(t, s.owner, thing, kind == "")
}

func TestWhoOneIs(t *testing.T) {
	for _, mode := range []string{"open", "enforce"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, mode)
			id := makeRole(t, s.owner, "powerless", trustsEverybodyHere, "")
			session := s.owner.assume(t, "powerless")
			expectIdentity(t, session, account, "arn:aws:sts::"+account+":assumed-role/powerless/session", id+":session")
			expectIdentity(t, s.owner, account, "arn:aws:iam::"+account+":root", account)
			if mode == "enforce" {
				return
			}
			for _, c := range []caller{s.naru.anonymous(), s.naru.as("AKIAIOSFODNN7EXAMPLE", "x", ""), s.naru.as("test", "test", ""), s.naru.as("00000000000", "x", "")} {
				expectIdentity(t, c, account, "arn:aws:iam::"+account+":root", account)
			}
			expectIdentity(t, s.naru.of("123456789012"), "123456789012", "arn:aws:iam::123456789012:root", "123456789012")
		})
	}
}

func expectIdentity(t *testing.T, c caller, account, arn, id string) {
	t.Helper()
	out, err := c.sts().GetCallerIdentity(background, &sts.GetCallerIdentityInput{})
	if err != nil {
		t.Errorf("%s: %v", c.creds.AccessKeyID, err)
		return
	}
	equal(t, "who "+c.creds.AccessKeyID+" is", []string{*out.Account, *out.Arn, *out.UserId}, []string{account, arn, id})
}

// TestSessionsOutliveARestart also shows that keys of another Naru are foreign.
func TestSessionsOutliveARestart(t *testing.T) {
	t.Parallel()
	s, another := newStage(t, "enforce"), newStage(t, "enforce")
	makeRole(t, s.owner, "admin", trustsEverybodyHere, allowAll)
	session := s.owner.assume(t, "admin")
	s.naru.kill()
	s.naru.start()
	for _, c := range []caller{session, s.owner} {
		makeQueue(t, c, "restarted")
		c.naru = another.naru
		r := c.call(t, "sqs", json10("ListQueues", "{}"), spell{})
		equal(t, "the code elsewhere", refusalIn(t, r).Code, "InvalidClientTokenId")
	}
}

func TestPresignedRequestsRunOut(t *testing.T) {
	t.Parallel()
	s := newStage(t, "enforce")
	makeRole(t, s.owner, "admin", trustsEverybodyHere, allowAll)
	session := s.owner.assume(t, "admin")
	for name, c := range map[string]struct {
		expires string
		ago     time.Duration
		kind    string
	}{
		"InTime": {"300", 4 * time.Minute, ""}, "TooLate": {"300", 6 * time.Minute, badSignature},
		"ADayLater": {"604800", 24 * time.Hour, ""}, "LongerThanAWeek": {"604801", 0, incomplete}, "NoNumber": {"soon", 0, incomplete}, "Negative": {"-1", 0, incomplete},
	} {
		t.Run(name, func(t *testing.T) {
			q := form("/?X-Amz-Expires="+c.expires, "Action", "CreateQueue", "Version", sqsVersion, "QueueName", strings.ToLower(name))
			r := session.call(t, "sqs", q, spell{presigned: true, at: time.Now().Add(-c.ago)})
			doors()[1].expect(t, r, c.kind)
			doors()[1].expectMade(t, s.owner, strings.ToLower(name), c.kind == "")
		})
	}
}
