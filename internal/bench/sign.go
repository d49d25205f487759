package bench

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"time"

	"naru/internal/sigv4"
)

// A signer makes the signatures of one connection's requests (see package
// sigv4), without anew allocating what all of them share.
type signer struct {
	keyID, secret, token, region string

	day   string // that mac is good for
	mac   hash.Hash
	sum   hash.Hash
	texts []byte
}

const (
	signedFields      = "content-type;host;x-amz-date;x-amz-target"
	signedTokenFields = "content-type;host;x-amz-date;x-amz-security-token;x-amz-target"
)

// append appends the header fields that sign a request for an action to dst.
func (s *signer) append(dst []byte, a address, target string, body []byte) []byte {
	stamp := time.Now().UTC().Format("20060102T150405Z")
	if day := stamp[:8]; s.day != day {
		key := sigv4.DeriveKey(s.secret, sigv4.Scope{Date: day, Region: s.region, Service: "sqs"})
		s.day, s.mac, s.sum = day, hmac.New(sha256.New, key[:]), sha256.New()
	}
	fields := signedFields
	if s.token != "" {
		fields = signedTokenFields
	}
	t := append(s.texts[:0], "POST\n"...)
	t = append(append(t, a.path...), "\n\ncontent-type:"+contentType+"\nhost:"...)
	t = append(append(t, a.host...), "\nx-amz-date:"...)
	t = append(t, stamp...)
	if s.token != "" {
		t = append(append(t, "\nx-amz-security-token:"...), s.token...)
	}
	t = append(append(t, "\nx-amz-target:"...), target...)
	t = append(append(append(t, "\n\n"...), fields...), '\n')
	t = s.appendSum(t, body)
	canonical := len(t)
	t = append(append(t, "AWS4-HMAC-SHA256\n"...), stamp...)
	t = append(s.appendScope(append(t, '\n')), '\n')
	t = s.appendSum(t, t[:canonical])
	s.texts = t

	s.mac.Reset()
	s.mac.Write(t[canonical:])
	dst = append(append(dst, "X-Amz-Date: "...), stamp...)
	if s.token != "" {
		dst = append(append(dst, "\r\nX-Amz-Security-Token: "...), s.token...)
	}
	dst = append(append(append(dst, "\r\nAuthorization: AWS4-HMAC-SHA256 Credential="...), s.keyID...), '/')
	dst = append(append(s.appendScope(dst), ", SignedHeaders="...), fields...)
	var mac [sha256.Size]byte
	dst = hex.AppendEncode(append(dst, ", Signature="...), s.mac.Sum(mac[:0]))
	return append(dst, "\r\n"...)
}

func (s *signer) appendScope(dst []byte) []byte {
	dst = append(append(dst, s.day...), '/')
	dst = append(append(dst, s.region...), "/sqs/aws4_request"...)
	return dst
}

func (s *signer) appendSum(dst, text []byte) []byte {
	s.sum.Reset()
	s.sum.Write(text)
	var sum [sha256.Size]byte
	return hex.AppendEncode(dst, s.sum.Sum(sum[:0]))
}
