package sigv4

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// claim is a signature as the request spells it, before any of it is read.
// An empty field is a missing one.
type claim struct {
	algorithm, credential, signedHeaders, hex string

	date, expires, token, payloadHash string

	presigned bool
}

// field returns where the claim keeps the named query parameter or header,
// or nil if the name is none of a signature's.
func (c *claim) field(name string) *string {
	switch name {
	case "X-Amz-Algorithm":
		return &c.algorithm
	case "X-Amz-Credential":
		return &c.credential
	case "X-Amz-SignedHeaders":
		return &c.signedHeaders
	case "X-Amz-Signature":
		return &c.hex
	case "X-Amz-Date":
		return &c.date
	case "X-Amz-Expires":
		return &c.expires
	case "X-Amz-Security-Token":
		return &c.token
	case "X-Amz-Content-Sha256":
		return &c.payloadHash
	}
	return nil
}

// isPresigned reports whether a query carries a signature, be it in part.
func isPresigned(params []param) bool {
	return slices.ContainsFunc(params, func(p param) bool {
		return p.name == "X-Amz-Algorithm" || p.name == "X-Amz-Credential" || p.name == "X-Amz-Signature"
	})
}

// readQuery reads a presigned request. Its token and payload hash may also be
// in headers.
func (c *claim) readQuery(params []param, h http.Header) error {
	c.presigned = true
	for _, p := range params {
		to := c.field(p.name)
		if to == nil {
			continue
		}
		if *to != "" {
			return fail(Incomplete, "AWS query-string parameters must include '%s' only once.", p.name)
		}
		*to = p.value
	}
	var missing strings.Builder
	for _, name := range [...]string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date"} {
		if *c.field(name) == "" {
			missing.WriteString("AWS query-string parameters must include '" + name + "'. ")
		}
	}
	if missing.Len() > 0 {
		return fail(Incomplete, "%sRe-examine the query-string parameters.", missing.String())
	}
	return c.readHeaders(h, "X-Amz-Security-Token", "X-Amz-Content-Sha256")
}

// readHeader reads a request signed in its Authorization header.
func (c *claim) readHeader(authorization string, h http.Header) error {
	if err := c.readAuthorization(strings.Clone(authorization)); err != nil { // its parts may be kept; the request is not to be
		return err
	}
	if err := c.readHeaders(h, "X-Amz-Date", "X-Amz-Security-Token", "X-Amz-Content-Sha256"); err != nil {
		return err
	}
	if c.date == "" {
		c.date = h.Get("Date")
	}
	var missing strings.Builder
	for _, part := range [...]struct{ name, value string }{
		{"Credential", c.credential}, {"Signature", c.hex}, {"SignedHeaders", c.signedHeaders},
	} {
		if part.value == "" {
			missing.WriteString("Authorization header requires '" + part.name + "' parameter. ")
		}
	}
	if c.date == "" {
		missing.WriteString("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ")
	}
	if missing.Len() > 0 {
		return fail(Incomplete, "%sAuthorization=%s", missing.String(), algorithm)
	}
	return nil
}

// readAuthorization reads an algorithm and then name=value pairs. Commas,
// spaces and tabs, any number of them, stand between the parts.
func (c *claim) readAuthorization(header string) error {
	if len(header) > maxAuthorization {
		return fail(Incomplete, "Authorization header is longer than %d bytes.", maxAuthorization)
	}
	for part := range strings.FieldsFuncSeq(header, isSeparator) {
		if c.algorithm == "" {
			if c.algorithm = part; part != algorithm {
				return unsupportedAlgorithm(part)
			}
			continue
		}
		name, value, ok := strings.Cut(part, "=")
		if !ok {
			return missingEqualSign(header)
		}
		var to *string
		switch name {
		case "Credential":
			to = &c.credential
		case "SignedHeaders":
			to = &c.signedHeaders
		case "Signature":
			to = &c.hex
		default:
			continue
		}
		if *to != "" {
			return fail(Incomplete, "Authorization header requires '%s' parameter only once.", name)
		}
		*to = value
	}
	return nil
}

func isSeparator(r rune) bool { return r == ',' || r == ' ' || r == '\t' }

// missingEqualSign quotes the header as AWS does since 2023: hashed, because
// it may hold somebody's password.
func missingEqualSign(header string) error {
	sum := sha256.Sum256([]byte(header))
	return fail(Incomplete, "Invalid key=value pair (missing equal-sign) in Authorization header "+
		"(hashed with SHA-256 and encoded with Base64): '%s'.", base64.StdEncoding.EncodeToString(sum[:]))
}

func unsupportedAlgorithm(name string) error {
	return fail(Incomplete, "Unsupported AWS 'algorithm': '%s' (only %s for now).", excerpt(name), algorithm)
}

// readHeaders reads the named headers into those fields that are still empty.
func (c *claim) readHeaders(h http.Header, names ...string) error {
	for _, name := range names {
		values := h[name]
		if len(values) > 1 {
			return fail(Incomplete, "The request has more than one '%s' header.", name)
		}
		if to := c.field(name); *to == "" && len(values) == 1 {
			*to = values[0]
		}
	}
	return nil
}

// signature reads the parts of a claim that lacks none.
func (c *claim) signature() (*Signature, error) {
	if c.algorithm != algorithm {
		return nil, unsupportedAlgorithm(c.algorithm)
	}
	s := &Signature{Presigned: c.presigned, Hex: c.hex, SessionToken: c.token}
	var err error
	if s.Time, err = parseTime(c.date); err != nil {
		return nil, err
	}
	if s.SignedHeaders, err = parseSignedHeaders(c.signedHeaders); err != nil {
		return nil, err
	}
	if s.KeyID, s.Scope, err = parseCredential(c.credential, s.Time); err != nil {
		return nil, err
	}
	if s.Expires, err = parseExpires(c.expires); err != nil {
		return nil, err
	}
	if s.PayloadHash, err = parsePayloadHash(c.payloadHash); err != nil {
		return nil, err
	}
	if s.PayloadHash == "" && s.Presigned && s.Scope.s3() {
		s.PayloadHash = UnsignedPayload
	}
	return s, nil
}

// parseTime reads the X-Amz-Date form, or one of HTTP's for the Date header.
func parseTime(s string) (time.Time, error) {
	if t, err := time.Parse(timeFormat, s); err == nil && len(s) == len(timeFormat) {
		return t, nil
	}
	if t, err := http.ParseTime(s); err == nil {
		return t.UTC(), nil
	}
	return time.Time{}, fail(Incomplete, "Date must be in ISO-8601 'basic format'. Got '%s'. See http://en.wikipedia.org/wiki/ISO_8601", excerpt(s))
}

// parseCredential reads keyid/date/region/service/aws4_request; the date must
// be that of the signing time.
func parseCredential(s string, signed time.Time) (keyID string, scope Scope, err error) {
	notPrintable := func(r rune) bool { return r <= ' ' || r >= 0x7f }
	if len(s) > maxCredential || strings.ContainsFunc(s, notPrintable) {
		return "", Scope{}, badCredential(s)
	}
	var parts [5]string
	rest, more := s, true
	for i := range parts {
		parts[i], rest, more = strings.Cut(rest, "/")
		if parts[i] == "" || more != (i < len(parts)-1) {
			return "", Scope{}, badCredential(s)
		}
	}
	if parts[4] != terminator {
		return "", Scope{}, fail(Mismatch, "Credential should be scoped with a valid terminator: '%s', not '%s'.", terminator, excerpt(parts[4]))
	}
	if date := signed.Format(dateFormat); parts[1] != date {
		return "", Scope{}, fail(Mismatch, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != '%s', from '%s'.",
			excerpt(parts[1]), date, signed.Format(timeFormat))
	}
	return parts[0], Scope{Date: parts[1], Region: parts[2], Service: parts[3]}, nil
}

func badCredential(s string) error {
	return fail(Incomplete, "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '%s'", excerpt(s))
}

// parseSignedHeaders reads host;x-amz-date, in any case and order.
func parseSignedHeaders(s string) ([]string, error) {
	if strings.Count(s, ";") >= maxSignedHeaders {
		return nil, fail(Incomplete, "SignedHeaders must not have more than %d names.", maxSignedHeaders)
	}
	names := strings.Split(strings.ToLower(s), ";")
	slices.Sort(names)
	if !slices.Contains(names, "host") {
		return nil, fail(Mismatch, "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
	}
	if n := len(names); len(slices.Compact(names)) != n {
		return nil, fail(Incomplete, "SignedHeaders must not repeat a name.")
	}
	return names, nil
}

// parseExpires reads a number of seconds. Without one a presigned request
// lives as long as any other.
func parseExpires(s string) (time.Duration, error) {
	if s == "" {
		return maxSkew, nil
	}
	seconds, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0, fail(Incomplete, "X-Amz-Expires should be a number")
	}
	expires := time.Duration(seconds) * time.Second
	if expires > maxExpires {
		return 0, fail(Incomplete, "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than %d seconds", int(maxExpires.Seconds()))
	}
	return expires, nil
}

// parsePayloadHash accepts "", UnsignedPayload, what announces chunks, and
// lower-case hex SHA-256.
func parsePayloadHash(s string) (string, error) {
	switch {
	case s == "", s == UnsignedPayload, isHexSum(s), s == signedChunks, s == signedChunksTrailer, s == unsignedTrailer:
		return s, nil
	case strings.HasPrefix(s, "STREAMING-"):
		return "", fail(Unsupported, "A header you provided implies functionality that is not implemented: x-amz-content-sha256 is %s.", excerpt(s))
	}
	return "", fail(Incomplete, "x-amz-content-sha256 must be UNSIGNED-PAYLOAD or a valid sha256 value.")
}

func isHexSum(s string) bool {
	return len(s) == 2*sha256.Size && strings.Trim(s, "0123456789abcdef") == ""
}
