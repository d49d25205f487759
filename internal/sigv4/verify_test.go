package sigv4

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// receive returns a signed call as a server reads it, after edit has changed
// what the client wrote.
func (c call) receive(t testing.TB, edit func(wire string) string) (*http.Request, []byte) {
	t.Helper()
	head, body, _ := strings.Cut(c.wire(t), "\r\n\r\n")
	head = strings.ReplaceAll(head, "\r\n", "\n")
	if edit != nil {
		head = edit(head)
	}
	return readRequest(t, head+"\n\n"+body)
}

// wantKind checks that err is a refusal of one kind, or nil for kind 0.
func wantKind(t *testing.T, err error, want Kind) {
	t.Helper()
	var refusal *Error
	switch {
	case want == 0:
		if err != nil {
			t.Errorf("got %v, want nil", err)
		}
	case !errors.As(err, &refusal) || refusal.Kind != want:
		t.Errorf("got %v, want %v", err, want)
	}
}

var (
	sendMessage = call{method: "POST", target: "/", service: "sqs", body: []byte(`{"MessageBody":"hello"}`),
		header: http.Header{"X-Amz-Target": {"AmazonSQS.SendMessage"}, "Content-Type": {"application/x-amz-json-1.0"}}}
	getCallerIdentity = call{method: "GET", target: "/?Action=GetCallerIdentity&Version=2011-06-15", service: "sts", presign: true}
)

func TestClocksMayBeFifteenMinutesApart(t *testing.T) {
	for _, test := range []struct {
		now  string
		want *Error
	}{
		{"20260101T003000Z", nil},
		{"20260101T004500Z", nil},
		{"20260101T004501Z", &Error{Expired, "Signature expired: 20260101T003000Z is now earlier than 20260101T003001Z (20260101T004501Z - 15 min.)"}},
		{"20260102T003000Z", &Error{Expired, "Signature expired: 20260101T003000Z is now earlier than 20260102T001500Z (20260102T003000Z - 15 min.)"}},
		{"20260101T001500Z", nil},
		{"20260101T001459Z", &Error{NotYetCurrent, "Signature not yet current: 20260101T003000Z is still later than 20260101T002959Z (20260101T001459Z + 15 min.)"}},
		{"20251231T235959Z", &Error{NotYetCurrent, "Signature not yet current: 20260101T003000Z is still later than 20260101T001459Z (20251231T235959Z + 15 min.)"}},
	} {
		for _, c := range []call{sendMessage, getCallerIdentity} {
			t.Run(fmt.Sprintf("%s presigned=%t", test.now, c.presign), func(t *testing.T) {
				now, err := time.Parse(timeFormat, test.now)
				if err != nil {
					t.Fatal(err)
				}
				r, body := c.receive(t, nil)
				// The time zone of the caller must not matter.
				var got *Error
				errors.As(authenticate(r, body, testSecret, now.In(time.FixedZone("", 5*3600))), &got)
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

func TestPresignedRequestLivesUntilItExpires(t *testing.T) {
	for _, test := range []struct {
		expires string
		after   time.Duration
		want    Kind
	}{
		{"0", 0, 0},
		{"0", time.Second, Expired},
		{"60", time.Minute, 0},
		{"60", time.Minute + time.Second, Expired},
		{"3600", time.Hour, 0},
		{"3600", time.Hour + time.Second, Expired},
		{"604800", 7 * 24 * time.Hour, 0},
		{"604800", 7*24*time.Hour + time.Second, Expired},
		{"604800", -15 * time.Minute, 0},
		{"604800", -15*time.Minute - time.Second, NotYetCurrent},
	} {
		t.Run(fmt.Sprintf("%s after %v", test.expires, test.after), func(t *testing.T) {
			c := getCallerIdentity
			c.expires = test.expires
			r, body := c.receive(t, nil)
			wantKind(t, authenticate(r, body, testSecret, testTime.Add(test.after)), test.want)
		})
	}
}

func TestPayloadIsSigned(t *testing.T) {
	with := func(c call, header, signed string) call {
		c.header = c.header.Clone()
		c.payload = signed
		if header != "" {
			c.header.Set("X-Amz-Content-Sha256", header)
		}
		return c
	}
	other := hexSum([]byte("other"))
	empty := call{method: "POST", target: "/", service: "sqs"}
	upload := call{method: "PUT", target: "/bucket/key", service: "s3", presign: true, body: []byte("x")}
	unsignedUpload := upload
	unsignedUpload.payload = UnsignedPayload
	post := sendMessage
	post.presign = true

	for _, test := range []struct {
		name string
		call call
		body string // what arrives, if not what was sent
		want Kind
	}{
		{"its hash is signed", sendMessage, "", 0},
		{"its hash is signed and it changed", sendMessage, "changed", Mismatch},
		{"its hash is sent", with(sendMessage, hexSum(sendMessage.body), ""), "", 0},
		{"its hash is sent and it changed", with(sendMessage, hexSum(sendMessage.body), ""), "changed", PayloadMismatch},
		{"another hash is sent and signed", with(sendMessage, other, other), "", PayloadMismatch},
		{"another hash is sent and not signed", with(sendMessage, other, ""), "", Mismatch},
		{"unsigned", with(sendMessage, UnsignedPayload, UnsignedPayload), "", 0},
		{"unsigned and it changed", with(sendMessage, UnsignedPayload, UnsignedPayload), "changed", 0},
		{"said to be unsigned but signed", with(sendMessage, UnsignedPayload, ""), "", Mismatch},
		{"unsigned without saying so", with(sendMessage, "", UnsignedPayload), "", Mismatch},
		{"empty", empty, "", 0},
		{"empty and something came", empty, "changed", Mismatch},
		{"presigned POST", post, "", 0},
		{"presigned POST and it changed", post, "changed", Mismatch},
		{"presigned PUT to S3", unsignedUpload, "", 0},
		{"presigned PUT to S3 and it changed", unsignedUpload, "changed", 0},
		{"presigned PUT to S3 of a signed body", upload, "", Mismatch},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, body := test.call.receive(t, nil)
			if test.body != "" {
				body = []byte(test.body)
			}
			wantKind(t, authenticate(r, body, testSecret, testTime), test.want)
		})
	}
}

func TestHeadersThatMustBeSigned(t *testing.T) {
	for _, test := range []struct {
		header string // added after signing
		want   Kind
	}{
		{"User-Agent: x", 0},
		{"X-Amzn-Trace-Id: Root=1-5759e988-bd862e3fe1be46a994272793", 0},
		{"X-Forwarded-For: 192.0.2.1", 0},
		{"X-Amz-User-Agent: aws-sdk-js/2", 0},
		{"X-Amz-Cf-Id: x", 0},
		{"X-Amz-Security-Token: added after signing", 0},
		{"X-Amz-Content-Sha256: " + hexSum(sendMessage.body), 0},
		{"X-Amz-Content-Sha256: UNSIGNED-PAYLOAD", Mismatch},
		{"X-Amz-Log-Type: Tail", Mismatch},
		{"x-amz-log-type: Tail", Mismatch},
		{"X-Amz-Target: AmazonSQS.DeleteQueue", Mismatch}, // a second value
	} {
		t.Run(test.header, func(t *testing.T) {
			r, body := sendMessage.receive(t, func(head string) string { return head + "\n" + test.header })
			wantKind(t, authenticate(r, body, testSecret, testTime), test.want)
		})
	}
	r, body := sendMessage.receive(t, func(head string) string { return head + "\nX-Amz-B: 1\nX-Amz-A: 1\nX-Amz-C: 1" })
	want := "There were headers present in the request which were not signed: x-amz-a"
	var got *Error
	if err := authenticate(r, body, testSecret, testTime); !errors.As(err, &got) || got.Message != want {
		t.Errorf("got %v, want %q", err, want)
	}
}

func TestSessionTokenIsTheCallersToCheck(t *testing.T) {
	for _, presign := range []bool{false, true} {
		c := getCallerIdentity
		c.presign, c.token = presign, "signed+token="
		r, body := c.receive(t, nil)
		wantKind(t, authenticate(r, body, testSecret, testTime), 0)
		if s, err := Parse(r); err != nil || s.SessionToken != c.token {
			t.Errorf("presigned=%t: got %+v, %v", presign, s, err)
		}
		r, body = c.receive(t, func(head string) string {
			return strings.NewReplacer("signed+token", "another+token", "signed%2Btoken", "another%2Btoken").Replace(head)
		})
		wantKind(t, authenticate(r, body, testSecret, testTime), Mismatch)
	}
}

// A client signs one form of the path and another may arrive that means the
// same; only a proxy that rewrites escapes does that, and AWS refuses it too.
func TestPathIsSignedAsItIsEscaped(t *testing.T) {
	const tags = "/2017-03-31/tags/"
	for _, test := range []struct {
		service, signed, sent string
		want                  Kind
	}{
		{"lambda", tags + "arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Af", "", 0},
		{"lambda", tags + "arn:aws:lambda:us-east-1:123456789012:function:f", "", 0},
		{"lambda", tags + "a%3Ab", tags + "a:b", Mismatch},
		{"lambda", tags + "a%3Ab", tags + "a%3ab", Mismatch},
		{"lambda", tags + "a%2Fb", tags + "a/b", Mismatch},
		{"lambda", tags + "a%2Fb", "", 0},
		{"lambda", tags + "a%252Fb", "", 0},
		{"lambda", tags + "a%252Fb", tags + "a%2Fb", Mismatch},
		{"sqs", "", "", 0},
		{"sqs", "", "/", 0},
		{"sqs", "/123456789012/q.fifo", "", 0},
		{"sqs", "/123456789012/q", "//123456789012/./q", 0}, // as other SDKs sign it
		{"sqs", "/123456789012/q/", "/123456789012/x/../q/", 0},
		{"sqs", "/123456789012/q/", "/123456789012/q", Mismatch},
		{"sqs", "/123456789012/q", "/123456789012/q/", Mismatch},
		{"sqs", "/q", "/../q", 0},
		{"sqs", "//123456789012/./q", "", 0}, // as Go's signs it
		{"sqs", "//123456789012/./q", "/123456789012/q", Mismatch},
		{"s3", "/bucket//a/../%C3%BC%3A", "", 0},
		{"s3", "/bucket/a", "/bucket//a", Mismatch},
		{"s3", "/bucket/a", "/bucket/./a", Mismatch},
	} {
		t.Run(test.service+" "+test.signed+" "+test.sent, func(t *testing.T) {
			c := call{method: "GET", target: test.signed, service: test.service}
			r, body := c.receive(t, func(head string) string {
				if test.sent == "" {
					return head
				}
				_, rest, _ := strings.Cut(head, " HTTP/1.1")
				return "GET " + test.sent + " HTTP/1.1" + rest
			})
			wantKind(t, authenticate(r, body, testSecret, testTime), test.want)
		})
	}
}

func TestQueryIsSignedByMeaning(t *testing.T) {
	const signed = "/?b=2&a=x%20y&a=1%2B1&empty&z%2F=%3B"
	for _, test := range []struct {
		sent string
		want Kind
	}{
		{signed, 0},
		{"/?b=2&a=x+y&a=1%2b1&empty=&%7a%2F=%3B", 0},
		{"/?&&empty&a=1%2B1&a=x%20y&z/=%3B&b=2&", 0},
		{"/?b=2&a=x%20y&a=1+1&empty&z%2F=%3B", Mismatch},
		{"/?b=2&a=x%2By&a=1%2B1&empty&z%2F=%3B", Mismatch},
		{"/?b=2&a=x%20y&a=1%2B1&empty&empty&z%2F=%3B", Mismatch},
		{"/?b=2&a=x%20y&a=1%2B1&z%2F=%3B", Mismatch},
		{"/?B=2&a=x%20y&a=1%2B1&empty&z%2F=%3B", Mismatch},
		{"/?b=2&a=x%20y&a=1%2B1&empty&z%2F=%3B&=", Mismatch},
		{"/?b=2&a=x%20y&a=1%2B1&empty&z%2F=;", Incomplete},
		{"/?b=2&a=x%20y&a=1%2B1&empty&z%2F=%3B&%", Incomplete},
	} {
		t.Run(test.sent, func(t *testing.T) {
			c := call{method: "GET", target: signed, service: "lambda"}
			r, body := c.receive(t, func(head string) string {
				_, rest, _ := strings.Cut(head, " HTTP/1.1")
				return "GET " + test.sent + " HTTP/1.1" + rest
			})
			wantKind(t, authenticate(r, body, testSecret, testTime), test.want)
		})
	}
}

func TestHeaderValuesAreFolded(t *testing.T) {
	for _, test := range []struct {
		sent string
		want Kind
	}{
		{"My-Header: a b\nMy-Header: c", 0},
		{"my-header:   a   b  \nMY-HEADER:c", 0},
		{"My-Header: a b,c", 0},
		{"My-Header: a \t b\nMy-Header:\tc\t", 0},
		{"My-Header: a\n  b\nMy-Header: c", 0},
		{"My-Header: c\nMy-Header: a b", Mismatch},
		{"My-Header: ab\nMy-Header: c", Mismatch},
		{"My-Header: a b\nMy-Header: C", Mismatch},
		{"My-Header: a b", Mismatch},
		{"My-Header: a b\nMy-Header: c\nMy-Header:", Mismatch},
		{"X-Other: x", Mismatch},
	} {
		t.Run(test.sent, func(t *testing.T) {
			c := call{method: "GET", target: "/", service: "lambda", header: http.Header{"My-Header": {"a b", "c"}}}
			r, body := c.receive(t, func(head string) string {
				return strings.Replace(head, "My-Header: a b\nMy-Header: c", test.sent, 1)
			})
			wantKind(t, authenticate(r, body, testSecret, testTime), test.want)
		})
	}
}

func TestEmptySignedHeaderCannotBeDropped(t *testing.T) {
	c := call{method: "GET", target: "/", service: "lambda", header: http.Header{"My-Header": {""}}}
	r, body := c.receive(t, nil)
	wantKind(t, authenticate(r, body, testSecret, testTime), 0)
	r.Header.Del("My-Header")
	wantKind(t, authenticate(r, body, testSecret, testTime), Mismatch)
}

func TestContentLengthIsSigned(t *testing.T) {
	r, body := sendMessage.receive(t, nil)
	s, err := Parse(r)
	if err != nil || s.SignedHeaders[0] != "content-length" {
		t.Fatalf("got %+v, %v", s, err)
	}
	r.Header.Del("Content-Length") // as servers other than net/http's may
	wantKind(t, authenticate(r, body, testSecret, testTime), 0)
	r.ContentLength++
	wantKind(t, authenticate(r, body, testSecret, testTime), Mismatch)
	r.ContentLength = -1 // sent in chunks
	wantKind(t, authenticate(r, body, testSecret, testTime), Mismatch)
}

func TestHostIsSignedWithItsPort(t *testing.T) {
	for host, want := range map[string]Kind{
		"naru.example:4566": 0,
		"naru.example":      Mismatch,
		"naru.example:80":   Mismatch,
		"Naru.example:4566": Mismatch,
		"evil.example:4566": Mismatch,
	} {
		r, body := sendMessage.receive(t, func(head string) string {
			return strings.Replace(head, "\nHost: naru.example:4566", "\nHost: "+host, 1)
		})
		t.Run(host, func(t *testing.T) { wantKind(t, authenticate(r, body, testSecret, testTime), want) })
	}
}

// A request that a test or a proxy made in memory has no RequestURI.
func TestRequestThatNeverWasOnTheWireVerifies(t *testing.T) {
	for _, target := range []string{"", "/?x=y", "/2017-03-31/tags/a%3Ab?x=y"} {
		c := call{method: "PUT", target: target, service: "lambda", body: []byte("{}")}
		if err := authenticate(c.sign(t, "naru"), c.body, testSecret, testTime); err != nil {
			t.Errorf("%q: %v", target, err)
		}
	}
}

func TestQueryThatChangedAfterParseDoesNotVerify(t *testing.T) {
	r, body := sendMessage.receive(t, nil)
	s, err := Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{"a=b", "%zz", ";"} {
		r.URL.RawQuery = query
		wantKind(t, s.Verify(r, Payload{Sum: sha256.Sum256(body)}, DeriveKey(testSecret, s.Scope), testTime), Mismatch)
	}
}

func TestKeyOfAnotherScopeDoesNotVerify(t *testing.T) {
	r, body := sendMessage.receive(t, nil)
	s, err := Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, scope := range []Scope{
		{"20260102", "us-east-1", "sqs"},
		{"20260101", "us-east-2", "sqs"},
		{"20260101", "us-east-1", "sns"},
	} {
		wantKind(t, s.Verify(r, Payload{Sum: sha256.Sum256(body)}, DeriveKey(testSecret, scope), testTime), Mismatch)
	}
}
