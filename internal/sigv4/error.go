package sigv4

import (
	"fmt"
	"strings"
)

// Kind says why a request was refused. Services give the kinds different
// codes: a Mismatch is SignatureDoesNotMatch to SQS, IAM and STS and
// InvalidSignatureException to Lambda and EventBridge.
type Kind uint8

// The kinds of refusal, and the codes AWS gives them.
const (
	Unsigned        Kind = iota + 1 // no signature at all: MissingAuthenticationToken
	Incomplete                      // a part is missing or unreadable: IncompleteSignature
	Mismatch                        // not signed by this key, or not in full: SignatureDoesNotMatch
	Expired                         // signed too long ago: SignatureDoesNotMatch, RequestExpired
	NotYetCurrent                   // signed in the future: SignatureDoesNotMatch
	PayloadMismatch                 // the body is not the one whose hash was signed: XAmzContentSHA256Mismatch
	Unsupported                     // a payload in chunks of another kind (STREAMING-...): NotImplemented
)

var kindNames = [...]string{
	Unsigned:        "unsigned",
	Incomplete:      "incomplete signature",
	Mismatch:        "signature mismatch",
	Expired:         "signature expired",
	NotYetCurrent:   "signature not yet current",
	PayloadMismatch: "payload mismatch",
	Unsupported:     "unsupported payload",
}

// String names the kind in words.
func (k Kind) String() string {
	if k == 0 || int(k) >= len(kindNames) {
		return fmt.Sprintf("Kind(%d)", uint8(k))
	}
	return kindNames[k]
}

// Error is the refusal of a request. Message is for the client, in AWS's
// words where AWS has any; it quotes at most a short part of the request.
type Error struct {
	Kind    Kind
	Message string
}

// Error returns the kind and the message.
func (e *Error) Error() string { return e.Kind.String() + ": " + e.Message }

// ErrUnsigned is what Parse returns for a request without a signature: an
// *Error of kind Unsigned.
var ErrUnsigned error = &Error{Unsigned, "Request is missing Authentication Token"}

var errMismatch error = &Error{Mismatch, "The request signature we calculated does not match the signature you provided. " +
	"Check your AWS Secret Access Key and signing method. Consult the service documentation for details."}

var errPayload error = &Error{PayloadMismatch, "The provided 'x-amz-content-sha256' header does not match what was computed."}

// fail returns an *Error with a formatted message.
func fail(k Kind, format string, args ...any) error {
	return &Error{k, fmt.Sprintf(format, args...)}
}

// excerpt returns the beginning of s, fit to be printed in a message.
func excerpt(s string) string {
	const most = 128
	if len(s) > most {
		s = s[:most] + "..."
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return '?'
		}
		return r
	}, s)
}
