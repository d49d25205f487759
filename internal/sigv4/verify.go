package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Verify proves that r, from which s was parsed, was signed with key not too
// long ago and carries what was signed. A nil error says nothing about the body
// if s.PayloadHash is UnsignedPayload, or that of unsigned chunks. Every other
// result is an *Error.
func (s *Signature) Verify(r *http.Request, payload Payload, key Key, now time.Time) error {
	if err := s.current(now); err != nil {
		return err
	}
	if err := s.covers(r.Header); err != nil {
		return err
	}
	if s.InChunks() {
		if payload.Chunks == nil || !s.matches(r, s.PayloadHash, key) {
			return errMismatch
		}
		return payload.Chunks.verify(s, key)
	}
	body := hex.EncodeToString(payload.Sum[:])
	signed := s.PayloadHash
	if signed == "" {
		signed = body
	}
	if !s.matches(r, signed, key) {
		return errMismatch
	}
	if signed != body && signed != UnsignedPayload {
		return errPayload
	}
	return nil
}

// current checks the times. A request is good from maxSkew before its time
// until Expires after it, both included.
func (s *Signature) current(now time.Time) error {
	now = now.UTC()
	if earliest := now.Add(-s.Expires); s.Time.Before(earliest) {
		if s.Expires != maxSkew {
			return fail(Expired, "Request has expired")
		}
		return fail(Expired, "Signature expired: %s is now earlier than %s (%s - 15 min.)",
			s.Time.Format(timeFormat), earliest.Format(timeFormat), now.Format(timeFormat))
	}
	if latest := now.Add(maxSkew); s.Time.After(latest) {
		return fail(NotYetCurrent, "Signature not yet current: %s is still later than %s (%s + 15 min.)",
			s.Time.Format(timeFormat), latest.Format(timeFormat), now.Format(timeFormat))
	}
	return nil
}

// covers checks that every header is signed that must be; Parse has seen to
// Host.
func (s *Signature) covers(h http.Header) error {
	unsigned := ""
	for name := range h {
		if !strings.HasPrefix(name, "X-Amz-") || mayBeUnsigned(name) {
			continue
		}
		lower := strings.ToLower(name)
		if _, ok := slices.BinarySearch(s.SignedHeaders, lower); !ok && (unsigned == "" || lower < unsigned) {
			unsigned = lower
		}
	}
	if unsigned != "" {
		return fail(Mismatch, "There were headers present in the request which were not signed: %s", excerpt(unsigned))
	}
	return nil
}

func mayBeUnsigned(name string) bool {
	switch name {
	case "X-Amz-Date", "X-Amz-Content-Sha256", "X-Amz-Security-Token", "X-Amz-User-Agent", "X-Amz-Cf-Id":
		return true
	}
	return false
}

// matches reports whether s is the signature of r by key in any of the forms
// in which r may have been signed.
func (s *Signature) matches(r *http.Request, payloadHash string, key Key) bool {
	queries := s.canonicalQueries(r)
	for _, path := range canonicalPaths(r, s.Scope) {
		for _, query := range queries {
			canonical, ok := s.appendCanonical(make([]byte, 0, 1024), r, path, query, payloadHash)
			if ok && s.signs(sha256.Sum256(canonical), key) {
				return true
			}
		}
	}
	return false
}

// signs reports whether s is the signature of a canonical request, given its
// hash. The comparison takes the same time whatever the signature.
func (s *Signature) signs(canonical [sha256.Size]byte, key Key) bool {
	text := make([]byte, 0, 192)
	text = append(text, algorithm+"\n"...)
	text = s.Time.AppendFormat(text, timeFormat)
	text = append(text, '\n')
	text = append(text, s.Scope.String()...)
	text = append(text, '\n')
	text = hex.AppendEncode(text, canonical[:])

	mac := hmac.New(sha256.New, key[:])
	mac.Write(text)
	want := hex.AppendEncode(text[:0], mac.Sum(nil))
	return subtle.ConstantTimeCompare(want, []byte(s.Hex)) == 1
}
