package sigv4

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"pgregory.net/rapid"
)

const testSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

var testTime = time.Date(2026, 1, 1, 0, 30, 0, 0, time.UTC)

func hexString(b []byte) string { return hex.EncodeToString(b) }

func hexSum(body []byte) string {
	sum := sha256.Sum256(body)
	return hexString(sum[:])
}

// call is a request that a client means to sign.
type call struct {
	method  string
	target  string // path and query, as on the request line
	header  http.Header
	body    []byte
	service string
	token   string // of temporary credentials
	payload string // what is signed for the body; "" for its hash
	presign bool
	expires string // of a presigned call
}

// sign has the SDK's own signer sign a call to host at testTime.
func (c call) sign(t testing.TB, host string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(c.method, "http://"+host+c.target, bytes.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = c.header.Clone()
	if r.Header == nil {
		r.Header = http.Header{}
	}
	payload := c.payload
	if payload == "" {
		payload = hexSum(c.body)
	}
	credentials := aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: testSecret, SessionToken: c.token}
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = c.service == "s3" })
	if !c.presign {
		if err := signer.SignHTTP(context.Background(), credentials, r, payload, c.service, "us-east-1", testTime); err != nil {
			t.Fatal(err)
		}
		return r
	}
	if c.expires != "" {
		q := r.URL.Query()
		q.Set("X-Amz-Expires", c.expires)
		r.URL.RawQuery = q.Encode()
	}
	uri, signed, err := signer.PresignHTTP(context.Background(), credentials, r, payload, c.service, "us-east-1", testTime)
	if err != nil {
		t.Fatal(err)
	}
	if r, err = http.NewRequest(c.method, uri, bytes.NewReader(c.body)); err != nil {
		t.Fatal(err)
	}
	r.Header = signed
	return r
}

// wire returns the bytes that a client sends for a signed call.
func (c call) wire(t testing.TB) string {
	t.Helper()
	var b strings.Builder
	if err := c.sign(t, "naru.example:4566").Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// drawCall draws a call with all that is hard to sign.
func drawCall(t *rapid.T) call {
	c := call{
		method:  rapid.SampledFrom([]string{"GET", "POST", "PUT", "DELETE", "PATCH"}).Draw(t, "method"),
		target:  drawPath(t) + drawQuery(t),
		header:  drawHeader(t),
		service: rapid.SampledFrom([]string{"sqs", "lambda", "events", "s3"}).Draw(t, "service"),
		token:   rapid.SampledFrom([]string{"", "", "FwoGZXIvYXdzEJr//////////wEaDGV+/="}).Draw(t, "token"),
		presign: rapid.Bool().Draw(t, "presign"),
	}
	if c.method != "GET" {
		c.body = rapid.SliceOfN(rapid.Byte(), 0, 64).Draw(t, "body")
	}
	if c.presign {
		c.expires = rapid.SampledFrom([]string{"", "900", "604800"}).Draw(t, "expires")
	}
	switch rapid.IntRange(0, 3).Draw(t, "payload") {
	case 0:
		c.header.Set("X-Amz-Content-Sha256", hexSum(c.body))
	case 1:
		c.payload = UnsignedPayload
		c.header.Set("X-Amz-Content-Sha256", UnsignedPayload)
	default:
		if c.presign && c.service == "s3" {
			c.payload = UnsignedPayload
		}
	}
	return c
}

func drawPath(t *rapid.T) string {
	segment := rapid.OneOf(
		rapid.StringMatching(`[a-zA-Z0-9._~-]{0,8}`),
		rapid.SampledFrom([]string{"", ".", "..", "arn:aws:lambda:us-east-1:123456789012:function:f", "a%2Fb", "%E1%88%B4", "%252F", "a+b", "x@y=1&z$", "(!)*'"}),
		rapid.Map(rapid.StringN(0, 6, 12), func(s string) string { return escape(s, "") }),
		rapid.Map(rapid.StringN(0, 6, 12), url.PathEscape),
	)
	return "/" + strings.Join(rapid.SliceOfN(segment, 0, 5).Draw(t, "segments"), "/")
}

func drawQuery(t *rapid.T) string {
	text := rapid.OneOf(
		rapid.SampledFrom([]string{"", "a", "A", "a-b", "a/b", "ሴ", "x y", "1+1=2", "50%", "&", "~"}),
		rapid.StringN(0, 6, 12),
	)
	pair := rapid.Custom(func(t *rapid.T) string {
		name, value := text.Draw(t, "name"), text.Draw(t, "value")
		return rapid.SampledFrom([]func() string{
			func() string { return url.QueryEscape(name) + "=" + url.QueryEscape(value) },
			func() string { return escape(name, "") + "=" + escape(value, "") },
			func() string { return url.QueryEscape(name) },
			func() string { return "" },
		}).Draw(t, "form")()
	})
	pairs := rapid.SliceOfN(pair, 0, 5).Draw(t, "query")
	if len(pairs) == 0 {
		return ""
	}
	return "?" + strings.Join(pairs, "&")
}

func drawHeader(t *rapid.T) http.Header {
	name := rapid.Map(rapid.SampledFrom([]string{
		"Content-Type", "X-Amz-Target", "X-Amzn-Query-Mode", "Smithy-Protocol", "X-Amz-Meta-A_b", "My-Header", "My-Header1", "My-Headers", "My", "If-Match", "Range",
	}), http.CanonicalHeaderKey)
	value := rapid.StringMatching(`[ -~é]{0,12}`)
	return rapid.MapOfN(name, rapid.SliceOfN(value, 1, 3), 0, 5).Draw(t, "header")
}

// Every request that the SDK signs verifies after a real client has sent it to
// a real server.
func TestWhatTheSDKSignsVerifies(t *testing.T) {
	var verdict error
	var bodyErr error
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var body []byte
		body, bodyErr = io.ReadAll(r.Body)
		verdict = authenticate(r, body, testSecret, testTime)
	}))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")

	rapid.Check(t, func(rt *rapid.T) {
		r := drawCall(rt).sign(t, host)
		response, err := server.Client().Do(r)
		if err != nil {
			rt.Fatal(err)
		}
		response.Body.Close()
		if err := errors.Join(verdict, bodyErr); err != nil {
			rt.Fatalf("%s %s %v: %v", r.Method, r.URL, r.Header, err)
		}
	})
}

// delivery is a request as it arrives, for a mutation to change in one place.
type delivery struct {
	*http.Request
	body   []byte
	secret string
}

// mutations each change something that is signed, and report false if the
// request has no such thing.
var mutations = []struct {
	name  string
	apply func(*rapid.T, *delivery) bool
}{
	{"another method", func(t *rapid.T, d *delivery) bool {
		d.Method = map[string]string{"GET": "POST"}[d.Method]
		return true
	}},
	{"another byte in the path", func(t *rapid.T, d *delivery) bool {
		path, query, _ := strings.Cut(d.RequestURI, "?")
		return d.retarget("/" + flip(t, path[1:]) + "?" + query)
	}},
	{"a longer path", func(t *rapid.T, d *delivery) bool {
		path, query, _ := strings.Cut(d.RequestURI, "?")
		return d.retarget(path + "/x?" + query)
	}},
	{"another byte in the query", func(t *rapid.T, d *delivery) bool {
		path, query, ok := strings.Cut(d.RequestURI, "?")
		return ok && query != "" && d.retarget(path+"?"+flip(t, query))
	}},
	{"a parameter more", func(t *rapid.T, d *delivery) bool {
		path, query, _ := strings.Cut(d.RequestURI, "?")
		return d.retarget(path + "?" + strings.TrimPrefix(query+"&Action=DeleteQueue", "&"))
	}},
	{"a parameter less", func(t *rapid.T, d *delivery) bool {
		path, query, _ := strings.Cut(d.RequestURI, "?")
		pairs := strings.Split(query, "&")
		i := rapid.IntRange(0, len(pairs)-1).Draw(t, "i")
		return query != "" && d.retarget(path+"?"+strings.Join(slices.Delete(pairs, i, i+1), "&"))
	}},
	{"another host", func(t *rapid.T, d *delivery) bool {
		d.Host = flip(t, d.Host)
		return true
	}},
	{"another header value", func(t *rapid.T, d *delivery) bool {
		values := d.signedHeader(t)
		if values == nil {
			return false
		}
		i := rapid.IntRange(0, len(values)-1).Draw(t, "i")
		values[i] = flip(t, strings.TrimSpace(values[i]))
		return true
	}},
	{"a header value more", func(t *rapid.T, d *delivery) bool {
		values := d.signedHeader(t)
		if values != nil {
			values[0] += ",x"
		}
		return values != nil
	}},
	{"a signed header less", func(t *rapid.T, d *delivery) bool {
		clear := d.signedHeader(t)
		for name, values := range d.Header {
			if len(clear) > 0 && &values[0] == &clear[0] {
				delete(d.Header, name)
			}
		}
		return clear != nil
	}},
	{"an unsigned X-Amz header", func(t *rapid.T, d *delivery) bool {
		d.Header.Set("X-Amz-Invocation-Type", "Event")
		return true
	}},
	{"another body", func(t *rapid.T, d *delivery) bool {
		d.body = append(d.body, 'x')
		s, err := Parse(d.Request)
		return err == nil && s.PayloadHash != UnsignedPayload
	}},
	{"another payload hash", func(t *rapid.T, d *delivery) bool {
		if d.Header.Get("X-Amz-Content-Sha256") == UnsignedPayload {
			d.Header.Set("X-Amz-Content-Sha256", hexSum(d.body))
		} else {
			d.Header.Set("X-Amz-Content-Sha256", UnsignedPayload)
		}
		s, err := Parse(d.Request)
		return err == nil && !(s.Presigned && s.Scope.Service == "s3")
	}},
	{"another secret", func(t *rapid.T, d *delivery) bool {
		d.secret = flip(t, d.secret)
		return true
	}},
	{"another time", func(t *rapid.T, d *delivery) bool { return d.claim("X-Amz-Date", "003000Z", "003001Z") }},
	{"another date", func(t *rapid.T, d *delivery) bool { return d.claim("Credential", "/20260101/", "/20260102/") }},
	{"another region", func(t *rapid.T, d *delivery) bool { return d.claim("Credential", "/us-east-1/", "/us-east-2/") }},
	{"another service", func(t *rapid.T, d *delivery) bool { return d.claim("Credential", "/aws4", "x/aws4") }},
	{"another terminator", func(t *rapid.T, d *delivery) bool { return d.claim("Credential", "aws4_request", "aws4_requesT") }},
	{"no signed host", func(t *rapid.T, d *delivery) bool { return d.claim("SignedHeaders", "host", "hos") }},
	{"a signed header that is absent", func(t *rapid.T, d *delivery) bool {
		return d.claim("SignedHeaders", "host", "host;zzz")
	}},
	{"a signed header that was not", func(t *rapid.T, d *delivery) bool {
		d.Header.Set("Zzz", "x")
		return d.claim("SignedHeaders", "host", "host;zzz")
	}},
	{"another signature", func(t *rapid.T, d *delivery) bool {
		s, err := Parse(d.Request)
		return err == nil && d.claim("Signature", s.Hex, flip(t, s.Hex))
	}},
	{"a shorter signature", func(t *rapid.T, d *delivery) bool {
		s, err := Parse(d.Request)
		return err == nil && d.claim("Signature", s.Hex, s.Hex[:63])
	}},
}

// flip changes one byte of s to one that means something else: not to a hex
// digit, whose case would not matter in an escape.
func flip(t *rapid.T, s string) string {
	if s == "" {
		return "x"
	}
	i := rapid.IntRange(0, len(s)-1).Draw(t, "flip")
	if s[i] == 'x' {
		return s[:i] + "y" + s[i+1:]
	}
	return s[:i] + "x" + s[i+1:]
}

// retarget changes the request line, and reports false if a server would not
// even read it.
func (d *delivery) retarget(uri string) bool {
	u, err := url.ParseRequestURI(uri)
	if err != nil || uri == d.RequestURI {
		return false
	}
	d.RequestURI, d.URL = uri, u
	return true
}

// signedHeader returns the values of one signed header, or nil if there is
// none but Content-Length, which says the same elsewhere, and those that are
// part of the signature itself.
func (d *delivery) signedHeader(t *rapid.T) []string {
	s, err := Parse(d.Request)
	if err != nil {
		return nil
	}
	names := slices.DeleteFunc(s.SignedHeaders, func(name string) bool {
		return name == "host" || name == "content-length" || name == "x-amz-date" || name == "x-amz-content-sha256"
	})
	if len(names) == 0 {
		return nil
	}
	return headerValues(d.Header, rapid.SampledFrom(names).Draw(t, "name"))
}

// claim replaces text in one part of the signature, wherever that is.
func (d *delivery) claim(part, old, replacement string) bool {
	name := "X-Amz-" + strings.TrimPrefix(part, "X-Amz-")
	q := d.URL.Query()
	switch {
	case q.Has("X-Amz-Signature"):
		q.Set(name, strings.Replace(q.Get(name), old, replacement, 1))
		path, _, _ := strings.Cut(d.RequestURI, "?")
		return d.retarget(path + "?" + q.Encode())
	case part == name:
		d.Header.Set(name, strings.Replace(d.Header.Get(name), old, replacement, 1))
	default:
		before, after, _ := strings.Cut(d.Header.Get("Authorization"), part+"=")
		d.Header.Set("Authorization", before+part+"="+strings.Replace(after, old, replacement, 1))
	}
	return true
}

// No request verifies after a change to anything that is signed.
func TestNothingSignedCanBeChanged(t *testing.T) {
	applied := map[string]int{}
	rapid.Check(t, func(rt *rapid.T) {
		wire := drawCall(rt).wire(t)
		for _, mutation := range mutations {
			d := delivery{secret: testSecret}
			d.Request, d.body = readRequest(t, strings.Replace(wire, "\r\n", "\n", strings.Count(wire[:strings.Index(wire, "\r\n\r\n")+4], "\r\n")))
			if err := authenticate(d.Request, d.body, d.secret, testTime); err != nil {
				rt.Fatalf("before any change: %v", err)
			}
			if !mutation.apply(rt, &d) {
				continue
			}
			applied[mutation.name]++
			var refusal *Error
			if err := authenticate(d.Request, d.body, d.secret, testTime); !errors.As(err, &refusal) {
				rt.Fatalf("%s: got %v, want an *Error; %s %s %v", mutation.name, err, d.Method, d.RequestURI, d.Header)
			}
		}
	})
	for _, mutation := range mutations {
		if applied[mutation.name] == 0 {
			t.Errorf("%s: never tried", mutation.name)
		}
	}
}
