package sigv4

import (
	"crypto/sha256"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// FuzzParse feeds Parse and Verify what a server may pass on. Neither may
// panic; what they keep and say is bounded; and no forger knows the secret.
func FuzzParse(f *testing.F) {
	for _, authorization := range []string{"", "AWS4-HMAC-SHA256", "Bearer x", goodHeader, strings.ReplaceAll(goodHeader, ", ", " ,\t"),
		"AWS4-HMAC-SHA256 Credential=a/20260101/b/c/aws4_request,SignedHeaders=host,Signature=x"} {
		f.Add(authorization, "", "20260101T003000Z", "", "/")
		f.Add(authorization, "a=b&c", "Thu, 01 Jan 2026 00:30:00 GMT", UnsignedPayload, "//x/../%2F")
	}
	f.Add("", goodQuery, "", "", "/")
	f.Add("", goodQuery+"&X-Amz-Expires=604800&X-Amz-Security-Token=a%2Bb&x=%zz;", "", hexSum(nil), "/./a")
	f.Fuzz(func(t *testing.T, authorization, query, date, payload, path string) {
		r := &http.Request{Method: "GET", Host: "naru", RequestURI: path, URL: &url.URL{Path: path, RawQuery: query}, Header: http.Header{}}
		for name, value := range map[string]string{"Authorization": authorization, "X-Amz-Date": date, "X-Amz-Content-Sha256": payload} {
			if value != "" {
				r.Header[name] = []string{value}
			}
		}
		s, err := Parse(r)
		var refusal *Error
		if err == nil {
			checkSignature(t, s)
			err = s.Verify(r, Payload{Sum: sha256.Sum256(nil)}, DeriveKey(testSecret, s.Scope), s.Time)
		}
		if !errors.As(err, &refusal) {
			t.Fatalf("got %v, want an *Error", err)
		}
		if len(refusal.Message) > 1024 || strings.ContainsFunc(refusal.Message, func(r rune) bool { return r < ' ' }) {
			t.Errorf("message %q", refusal.Message)
		}
	})
}

// checkSignature checks what holds of everything that Parse returns.
func checkSignature(t *testing.T, s *Signature) {
	if s.KeyID == "" || s.Scope.Region == "" || s.Scope.Service == "" || len(s.KeyID)+len(s.Scope.String()) > maxCredential {
		t.Errorf("credential %q %q", s.KeyID, s.Scope)
	}
	if s.Scope.Date != s.Time.Format(dateFormat) || s.Expires < 0 || s.Expires > maxExpires {
		t.Errorf("scope %q, time %v, expires %v", s.Scope, s.Time, s.Expires)
	}
	if !slices.IsSorted(s.SignedHeaders) || !slices.Contains(s.SignedHeaders, "host") || len(s.SignedHeaders) > maxSignedHeaders {
		t.Errorf("signed headers %q", s.SignedHeaders)
	}
	if s.PayloadHash != "" && s.PayloadHash != UnsignedPayload && !s.InChunks() && !isHexSum(s.PayloadHash) {
		t.Errorf("payload hash %q", s.PayloadHash)
	}
}

// FuzzQuery checks that Naru and net/url read a query alike, and that its
// canonical form means the same and is its own.
func FuzzQuery(f *testing.F) {
	for _, query := range []string{"", "a=b", "a&b=&=c&&a=2", "x+y=%20%2B", "%zz", "a;b", "%E1%88%B4=~", "a=b=c"} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		params, err := parseQuery(raw)
		values, urlErr := url.ParseQuery(raw)
		if (err == nil) != (urlErr == nil) && len(raw) < maxQuery && strings.Count(raw, "&") < maxParameters {
			t.Fatalf("got %v where net/url has %v", err, urlErr)
		}
		if err != nil {
			return
		}
		canonical := canonicalQuery(params)
		again, err := url.ParseQuery(canonical)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range []url.Values{values, again} {
			for _, list := range v {
				slices.Sort(list)
			}
		}
		if !equalValues(values, again) {
			t.Errorf("%q became %q", raw, canonical)
		}
		if reparsed, err := parseQuery(canonical); err != nil || canonicalQuery(reparsed) != canonical {
			t.Errorf("%q became %q, %v", canonical, canonicalQuery(reparsed), err)
		}
	})
}

func equalValues(a, b url.Values) bool {
	if len(a) != len(b) {
		return false
	}
	for name := range a {
		if !slices.Equal(a[name], b[name]) {
			return false
		}
	}
	return true
}
