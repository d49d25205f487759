// Package sigv4 verifies AWS Signature Version 4: who signed an HTTP request,
// for which service and region, and that nothing signed has changed since.
//
// A signer writes two texts. The canonical request is
//
//	METHOD
//	path
//	query
//	name:value            one line for each signed header, sorted by name
//
//	name;name;name        the signed headers
//	payload hash          hex SHA-256 of the body, or UNSIGNED-PAYLOAD
//
// and the string to sign is
//
//	AWS4-HMAC-SHA256
//	20150830T123600Z
//	20150830/us-east-1/sqs/aws4_request
//	hex SHA-256 of the canonical request
//
// The signature is the hex HMAC-SHA256 of the latter under a key that
// [DeriveKey] makes of the secret and the scope (the third line). A request
// carries it either in a header or, when it is presigned, in its query:
//
//	Authorization: AWS4-HMAC-SHA256 Credential=AKID/<scope>, SignedHeaders=host;x-amz-date, Signature=<hex>
//	?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKID%2F<scope>&X-Amz-Date=20150830T123600Z
//	    &X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature=<hex>
//
// # Canonical forms
//
// Path: the path as it stands on the request line, percent-encoded once more;
// S3 alone signs it as it stands. Some SDKs (Python, JavaScript, Java) first
// remove empty and dot segments and some (Go) do not, so both are accepted.
//
// Query: every name and value decoded, encoded anew and sorted. "+" and "%20"
// both mean a space. What net/url cannot read in full (a bad escape, a
// semicolon) is refused: a handler would not see what was verified.
//
// Headers: values of one name are joined by commas in the order they came;
// space at either end is dropped and within a value runs of spaces and tabs
// become one space. Host is signed as sent, with its port.
//
// # What must be signed
//
// Host, and every X-Amz-* header save those that cannot be forged to any gain:
// X-Amz-Date and X-Amz-Content-Sha256 are part of what is signed in any case,
// X-Amz-Security-Token has its own proof and some clients add it after
// signing, and X-Amz-User-Agent and X-Amz-Cf-Id mean nothing to Naru.
//
// # Use
//
// [Parse] reads the claim, the caller finds the secret of its KeyID, and
// [Signature.Verify] proves the claim. Both only look at the fields of the
// request: the caller reads the body, and tells the time.
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
package sigv4

import (
	"net/http"
	"strings"
	"time"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"
	timeFormat = "20060102T150405Z"
	dateFormat = "20060102"

	// UnsignedPayload is the payload hash of a request whose body its
	// signature does not cover.
	UnsignedPayload = "UNSIGNED-PAYLOAD"

	// maxSkew is how far the clocks of signer and server may be apart.
	maxSkew = 15 * time.Minute
	// maxExpires is the longest life of a presigned request.
	maxExpires = 7 * 24 * time.Hour

	// Bounds on what one request makes us do; net/http bounds the headers.
	maxAuthorization = 16 << 10 // bytes
	maxCredential    = 512      // bytes
	maxQuery         = 64 << 10 // bytes
	maxParameters    = 1000
	maxSignedHeaders = 100
)

// Scope is what a signature is good for: one service in one region on one day.
type Scope struct {
	Date    string // UTC, YYYYMMDD
	Region  string // "us-east-1"
	Service string // the signing name: "sqs", "lambda", "events"
}

// String returns the scope as it is signed, "20150830/us-east-1/sqs/aws4_request".
func (s Scope) String() string {
	return s.Date + "/" + s.Region + "/" + s.Service + "/" + terminator
}

// clone returns the scope in memory of its own, so that who keeps it does not
// keep the header or query it was read from.
func (s Scope) clone() Scope {
	return Scope{strings.Clone(s.Date), strings.Clone(s.Region), strings.Clone(s.Service)}
}

// s3 reports whether the scope is one of S3, which signs paths and presigned
// payloads by rules of its own.
func (s Scope) s3() bool {
	switch s.Service {
	case "s3", "s3express", "s3-object-lambda", "s3-outposts":
		return true
	}
	return false
}

// A Signature is what a request claims: who signed it, for what, and how.
// Nothing in it is proven until Verify returns nil.
type Signature struct {
	KeyID         string        // access key ID
	Scope         Scope         //
	Time          time.Time     // when it was signed, UTC, to the second
	Expires       time.Duration // how long it lives from Time on
	SignedHeaders []string      // in lower case, sorted
	Hex           string        // the signature itself
	Presigned     bool          // it came in the query, not in a header

	// SessionToken is that of temporary credentials, or "". The signature
	// need not cover it: the caller must check that it belongs to KeyID.
	SessionToken string

	// PayloadHash is X-Amz-Content-Sha256: the hex SHA-256 of the body,
	// UnsignedPayload, STREAMING-... for a body in chunks (see Chunks), or ""
	// for a request that does not say, whose signature covers the hash of its
	// body.
	PayloadHash string
}

// Parse reads the signature of r. It returns ErrUnsigned if r has none of any
// kind, and otherwise an *Error of kind Incomplete, Mismatch or Unsupported
// if r could not verify with any key.
func Parse(r *http.Request) (*Signature, error) {
	authorization := r.Header["Authorization"]
	params, queryErr := parseQuery(r.URL.RawQuery)
	presigned := isPresigned(params)
	switch {
	case len(authorization) > 1:
		return nil, fail(Incomplete, "The request has more than one Authorization header.")
	case len(authorization) == 1 && presigned:
		return nil, fail(Mismatch, "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.")
	case !presigned && (len(authorization) == 0 || !strings.HasPrefix(authorization[0], "AWS")):
		return nil, ErrUnsigned
	case queryErr != nil:
		return nil, queryErr
	}
	var c claim
	var err error
	if presigned {
		err = c.readQuery(params, r.Header)
	} else {
		err = c.readHeader(authorization[0], r.Header)
	}
	if err != nil {
		return nil, err
	}
	return c.signature()
}
