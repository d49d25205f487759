package sigv4

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	goodHex        = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
	goodCredential = "Credential=AKID/20260101/us-east-1/sqs/aws4_request"
	goodHeader     = "AWS4-HMAC-SHA256 " + goodCredential + ", SignedHeaders=host;x-amz-date, Signature=" + goodHex
	goodQuery      = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKID%2F20260101%2Fus-east-1%2Fsqs%2Faws4_request" +
		"&X-Amz-Date=20260101T003000Z&X-Amz-SignedHeaders=host%3Bx-foo&X-Amz-Signature=" + goodHex
	dateHeader = "X-Amz-Date: 20260101T003000Z"
)

// text returns a GET request for a path and query with header lines.
func text(target string, lines ...string) string {
	return "GET " + target + " HTTP/1.1\nHost: naru\n" + strings.Join(append(lines, ""), "\n") + "\n"
}

// header returns a request with goodHeader after a change.
func header(old, replacement string) string {
	return text("/", "Authorization: "+strings.Replace(goodHeader, old, replacement, 1), dateHeader)
}

// query returns a request with goodQuery after a change.
func query(old, replacement string) string {
	return text("/?" + strings.Replace(goodQuery, old, replacement, 1))
}

func get(t testing.TB, target string, lines ...string) *http.Request {
	t.Helper()
	r, _ := readRequest(t, text(target, lines...))
	return r
}

func TestSignatureInHeaderIsRead(t *testing.T) {
	want := &Signature{
		KeyID:         "AKID",
		Scope:         Scope{"20260101", "us-east-1", "sqs"},
		Time:          testTime,
		Expires:       15 * time.Minute,
		SignedHeaders: []string{"host", "x-amz-date"},
		Hex:           goodHex,
		SessionToken:  "token",
		PayloadHash:   UnsignedPayload,
	}
	for name, authorization := range map[string]string{
		"as the SDKs write it":       goodHeader,
		"commas alone":               "AWS4-HMAC-SHA256 " + goodCredential + ",SignedHeaders=host;x-amz-date,Signature=" + goodHex,
		"spaces alone":               "AWS4-HMAC-SHA256  " + goodCredential + " SignedHeaders=host;x-amz-date\tSignature=" + goodHex,
		"another order":              "AWS4-HMAC-SHA256 Signature=" + goodHex + ", SignedHeaders=x-amz-date;host, " + goodCredential + ",",
		"upper case":                 "AWS4-HMAC-SHA256 " + goodCredential + ", SignedHeaders=Host;X-Amz-Date, Signature=" + goodHex,
		"a part that AWS may invent": goodHeader + ", Region=eu-west-1",
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Parse(get(t, "/?a=b", "Authorization: "+authorization, dateHeader,
				"X-Amz-Security-Token: token", "X-Amz-Content-Sha256: UNSIGNED-PAYLOAD"))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSignatureInQueryIsRead(t *testing.T) {
	want := &Signature{
		KeyID:         "AKID",
		Scope:         Scope{"20260101", "us-east-1", "sqs"},
		Time:          testTime,
		Expires:       time.Hour,
		SignedHeaders: []string{"host", "x-foo"},
		Hex:           goodHex,
		Presigned:     true,
		SessionToken:  "to+ken",
		PayloadHash:   hexSum(nil),
	}
	for name, r := range map[string]*http.Request{
		"all of it":          get(t, "/?Action=A&"+goodQuery+"&X-Amz-Expires=3600&X-Amz-Security-Token=to%2Bken&X-Amz-Content-Sha256="+hexSum(nil)),
		"token in a header":  get(t, "/?"+goodQuery+"&X-Amz-Expires=3600", "X-Amz-Security-Token: to+ken", "X-Amz-Content-Sha256: "+hexSum(nil)),
		"token in both":      get(t, "/?"+goodQuery+"&X-Amz-Expires=3600&X-Amz-Security-Token=to%2Bken", "X-Amz-Security-Token: x", "X-Amz-Content-Sha256: "+hexSum(nil)),
		"escaped names":      get(t, "/?"+strings.ReplaceAll(goodQuery, "X-Amz", "%58%2DAmz")+"&X-Amz-Expires=3600&X-Amz-Security-Token=to%2Bken", "X-Amz-Content-Sha256: "+hexSum(nil)),
		"date header beside": get(t, "/?"+goodQuery+"&X-Amz-Expires=3600&X-Amz-Security-Token=to%2Bken&X-Amz-Content-Sha256="+hexSum(nil), "X-Amz-Date: 20200101T000000Z"),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Parse(r)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDateHeaderStandsInForXAmzDate(t *testing.T) {
	for _, date := range []string{"20260101T003000Z", "Thu, 01 Jan 2026 00:30:00 GMT", "Thursday, 01-Jan-26 00:30:00 GMT", "Thu Jan  1 00:30:00 2026"} {
		s, err := Parse(get(t, "/", "Authorization: "+goodHeader, "Date: "+date))
		if err != nil || !s.Time.Equal(testTime) {
			t.Errorf("%s: got %v, %v", date, s, err)
		}
	}
	s, err := Parse(get(t, "/", "Authorization: "+goodHeader, "Date: Fri, 02 Jan 2026 00:30:00 GMT", dateHeader))
	if err != nil || !s.Time.Equal(testTime) {
		t.Errorf("X-Amz-Date beside Date: got %v, %v", s, err)
	}
}

func TestRequestWithoutSignatureIsUnsigned(t *testing.T) {
	for name, r := range map[string]*http.Request{
		"bare":                        get(t, "/"),
		"with a date":                 get(t, "/?X-Amz-Date=20260101T003000Z", dateHeader),
		"with a token":                get(t, "/?X-Amz-Security-Token=x"),
		"with another scheme":         get(t, "/", "Authorization: Bearer eyJhbGciOi"),
		"with an empty header":        get(t, "/", "Authorization: "),
		"with a query we cannot read": get(t, "/?a;b=%zz"),
	} {
		if _, err := Parse(r); !errors.Is(err, ErrUnsigned) {
			t.Errorf("%s: got %v, want ErrUnsigned", name, err)
		}
	}
	var refusal *Error
	if !errors.As(ErrUnsigned, &refusal) || refusal.Kind != Unsigned {
		t.Errorf("ErrUnsigned is %#v", ErrUnsigned)
	}
	if got, want := ErrUnsigned.Error(), "unsigned: Request is missing Authentication Token"; got != want {
		t.Errorf("ErrUnsigned is %q, want %q", got, want)
	}
}

// unreadable are requests that Parse refuses, and in which words. The words
// are those of AWS but for what AWS tolerates or does not name.
var unreadable = []struct {
	name    string
	request string
	kind    Kind
	message string
}{
	{"nothing but an algorithm", text("/", "Authorization: AWS4-HMAC-SHA256"), Incomplete,
		"Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. " +
			"Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. Authorization=AWS4-HMAC-SHA256"},
	{"no credential", header("Credential=", "Credentials="), Incomplete,
		"Authorization header requires 'Credential' parameter. Authorization=AWS4-HMAC-SHA256"},
	{"no signature", header(goodHex, ""), Incomplete,
		"Authorization header requires 'Signature' parameter. Authorization=AWS4-HMAC-SHA256"},
	{"no signed headers", header("SignedHeaders=host;x-amz-date,", ""), Incomplete,
		"Authorization header requires 'SignedHeaders' parameter. Authorization=AWS4-HMAC-SHA256"},
	{"no date", text("/", "Authorization: "+goodHeader), Incomplete,
		"Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. Authorization=AWS4-HMAC-SHA256"},
	{"no equal sign", text("/", "Authorization: AWS4-HMAC-SHA256 secret", dateHeader), Incomplete,
		"Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 and encoded with Base64): 'ri+sqoSeDlaFjesqKlUs5ZIJ0vQgWvzVnhxVpJGeKZE='."},
	{"two credentials", header(goodCredential, goodCredential+", "+goodCredential), Incomplete,
		"Authorization header requires 'Credential' parameter only once."},
	{"another algorithm", header("SHA256", "SHA512"), Incomplete,
		"Unsupported AWS 'algorithm': 'AWS4-HMAC-SHA512' (only AWS4-HMAC-SHA256 for now)."},
	{"signature version 2", text("/", "Authorization: AWS AKID:frJIUN8DYpKDtOLCwo//yllqDzg="), Incomplete,
		"Unsupported AWS 'algorithm': 'AWS' (only AWS4-HMAC-SHA256 for now)."},
	{"two headers", text("/", "Authorization: "+goodHeader, "Authorization: "+goodHeader, dateHeader), Incomplete,
		"The request has more than one Authorization header."},
	{"two dates", text("/", "Authorization: "+goodHeader, dateHeader, dateHeader), Incomplete,
		"The request has more than one 'X-Amz-Date' header."},
	{"two tokens", text("/", "Authorization: "+goodHeader, dateHeader, "X-Amz-Security-Token: a", "X-Amz-Security-Token: b"), Incomplete,
		"The request has more than one 'X-Amz-Security-Token' header."},
	{"header and query", text("/?"+goodQuery, "Authorization: "+goodHeader, dateHeader), Mismatch,
		"Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header."},
	{"bearer and query", text("/?"+goodQuery, "Authorization: Bearer x"), Mismatch,
		"Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header."},
	{"a query that cannot be read", text("/?a=%zz", "Authorization: "+goodHeader, dateHeader), Incomplete,
		"The query string contains a syntax error: 'a=%zz'."},
	{"a semicolon in the query", query("&X-Amz-Date", "&a=1;b=2&X-Amz-Date"), Incomplete,
		"The query string contains a syntax error: 'a=1;b=2'."},

	{"nothing but a signature", text("/?X-Amz-Signature=" + goodHex), Incomplete,
		"AWS query-string parameters must include 'X-Amz-Algorithm'. AWS query-string parameters must include 'X-Amz-Credential'. AWS query-string parameters must include 'X-Amz-SignedHeaders'. " +
			"AWS query-string parameters must include 'X-Amz-Date'. Re-examine the query-string parameters."},
	{"no signature in the query", query("&X-Amz-Signature=", "&X="), Incomplete,
		"AWS query-string parameters must include 'X-Amz-Signature'. Re-examine the query-string parameters."},
	{"two signatures in the query", query("&X-Amz-Date", "&X-Amz-Signature=x&X-Amz-Date"), Incomplete,
		"AWS query-string parameters must include 'X-Amz-Signature' only once."},
	{"another algorithm in the query", query("HMAC-SHA256", "ECDSA-P256-SHA256"), Incomplete,
		"Unsupported AWS 'algorithm': 'AWS4-ECDSA-P256-SHA256' (only AWS4-HMAC-SHA256 for now)."},

	{"a day without time", query("T003000Z", ""), Incomplete,
		"Date must be in ISO-8601 'basic format'. Got '20260101'. See http://en.wikipedia.org/wiki/ISO_8601"},
	{"fractions of a second", query("T003000Z", "T003000.5Z"), Incomplete,
		"Date must be in ISO-8601 'basic format'. Got '20260101T003000.5Z'. See http://en.wikipedia.org/wiki/ISO_8601"},
	{"four elements", header("/us-east-1", ""), Incomplete,
		"Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got 'AKID/20260101/sqs/aws4_request'"},
	{"six elements", header("/us-east-1", "/us/east-1"), Incomplete,
		"Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got 'AKID/20260101/us/east-1/sqs/aws4_request'"},
	{"an empty region", header("/us-east-1", "/"), Incomplete,
		"Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got 'AKID/20260101//sqs/aws4_request'"},
	{"a region of two lines", query("us-east-1", "us%0Aeast"), Incomplete,
		"Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got 'AKID/20260101/us?east/sqs/aws4_request'"},
	{"a long region", header("us-east-1", strings.Repeat("r", 500)), Incomplete,
		"Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got 'AKID/20260101/" + strings.Repeat("r", 114) + "...'"},
	{"another terminator", header("aws4_request", "aws5_request"), Mismatch,
		"Credential should be scoped with a valid terminator: 'aws4_request', not 'aws5_request'."},
	{"another day", header("20260101", "20260102"), Mismatch,
		"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '20260102' != '20260101', from '20260101T003000Z'."},
	{"host not signed", header("host;", ""), Mismatch,
		"'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."},
	{"host signed twice", header("host;", "host;host;"), Incomplete,
		"SignedHeaders must not repeat a name."},

	{"not a number of seconds", query("&X-Amz-Date", "&X-Amz-Expires=1h&X-Amz-Date"), Incomplete,
		"X-Amz-Expires should be a number"},
	{"more than a week", query("&X-Amz-Date", "&X-Amz-Expires=604801&X-Amz-Date"), Incomplete,
		"X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds"},
	{"a payload in chunks", text("/", "Authorization: "+goodHeader, dateHeader, "X-Amz-Content-Sha256: STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"), Unsupported,
		"A header you provided implies functionality that is not implemented: x-amz-content-sha256 is STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD."},
	{"not a hash", text("/", "Authorization: "+goodHeader, dateHeader, "X-Amz-Content-Sha256: "+strings.ToUpper(goodHex)), Incomplete,
		"x-amz-content-sha256 must be UNSIGNED-PAYLOAD or a valid sha256 value."},

	{"a header without end", text("/", "Authorization: "+goodHeader+strings.Repeat(" ", 16<<10)+"x=y", dateHeader), Incomplete,
		"Authorization header is longer than 16384 bytes."},
	{"signed headers without end", header("host", "host"+strings.Repeat(";a", 100)), Incomplete,
		"SignedHeaders must not have more than 100 names."},
	{"a query without end", text("/?"+strings.Repeat("&", 1000), "Authorization: "+goodHeader, dateHeader), Incomplete,
		"The query string is longer than 65536 bytes or 1000 parameters."},
}

func TestUnreadableSignatureIsRefused(t *testing.T) {
	for _, test := range unreadable {
		t.Run(test.name, func(t *testing.T) {
			r, _ := readRequest(t, test.request)
			_, err := Parse(r)
			want := &Error{test.kind, test.message}
			var got *Error
			if !errors.As(err, &got) {
				t.Fatalf("got %v, want an *Error", err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestKindsHaveNames(t *testing.T) {
	for kind := Unsigned; kind <= Unsupported; kind++ {
		if name := kind.String(); name == "" || strings.HasPrefix(name, "Kind(") {
			t.Errorf("kind %d has no name", kind)
		}
	}
	for _, kind := range []Kind{0, Unsupported + 1} {
		if name := kind.String(); !strings.HasPrefix(name, "Kind(") {
			t.Errorf("kind %d is named %q", kind, name)
		}
	}
}
