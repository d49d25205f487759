package sigv4

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// appendCanonical appends the canonical request that r has under s, given its
// path and query. It reports false if r lacks a header that s says is signed.
func (s *Signature) appendCanonical(b []byte, r *http.Request, path, query, payloadHash string) ([]byte, bool) {
	b = append(b, r.Method...)
	b = append(b, '\n')
	b = append(b, path...)
	b = append(b, '\n')
	b = append(b, query...)
	b = append(b, '\n')
	for _, name := range s.SignedHeaders {
		var ok bool
		if b, ok = appendHeader(b, r, name); !ok {
			return nil, false
		}
	}
	for i, name := range s.SignedHeaders {
		b = append(b, "\n;"[min(i, 1)])
		b = append(b, name...)
	}
	b = append(b, '\n')
	return append(b, payloadHash...), true
}

// appendHeader appends the line of a signed header, or reports false if r has
// no such header.
func appendHeader(b []byte, r *http.Request, name string) ([]byte, bool) {
	b = append(b, name...)
	b = append(b, ':')
	values := headerValues(r.Header, name)
	switch {
	case name == "host": // net/http moves it out of the header map
		b = appendFolded(b, r.Host)
	case len(values) > 0:
		for i, value := range values {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendFolded(b, value)
		}
	case name == "content-length" && r.ContentLength >= 0:
		b = strconv.AppendInt(b, r.ContentLength, 10)
	default:
		return nil, false
	}
	return append(b, '\n'), true
}

// headerValues is h.Values for a name in lower case, without allocating the
// name in the case that the map has.
func headerValues(h http.Header, name string) []string {
	var buf [64]byte
	key := buf[:0]
	for upper, i := true, 0; i < len(name); i++ {
		c := name[i]
		if upper && 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		upper = c == '-'
		key = append(key, c)
	}
	return h[string(key)]
}

// appendFolded appends value without space at its ends and with one space for
// every run of spaces and tabs within it.
func appendFolded(b []byte, value string) []byte {
	start, space := len(b), false
	for i := range len(value) {
		if value[i] == ' ' || value[i] == '\t' {
			space = true
			continue
		}
		if space && len(b) > start {
			b = append(b, ' ')
		}
		space = false
		b = append(b, value[i])
	}
	return b
}

// canonicalPaths returns the forms in which a client may have signed the path
// of r, the likeliest first.
func canonicalPaths(r *http.Request, scope Scope) []string {
	path := wirePath(r)
	if scope.s3() {
		return []string{path}
	}
	paths := []string{escape(path, "/")}
	if strings.Contains(path, "//") || strings.Contains(path, "/.") {
		paths = append(paths, escape(normalize(path), "/"))
	}
	return paths
}

// wirePath returns the path as the client sent it. RequestURI is exact where
// URL.EscapedPath may differ in what it escapes, and survives a handler that
// strips a prefix from the URL.
func wirePath(r *http.Request) string {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	if !strings.HasPrefix(path, "/") {
		path = r.URL.EscapedPath()
	}
	if path == "" {
		return "/"
	}
	return path
}

// normalize removes empty, "." and ".." segments from a path, and keeps a
// slash at its end.
func normalize(path string) string {
	var kept []string
	for segment := range strings.SplitSeq(path, "/") {
		switch segment {
		case "", ".":
		case "..":
			kept = kept[:max(len(kept)-1, 0)]
		default:
			kept = append(kept, segment)
		}
	}
	if strings.HasSuffix(path, "/") {
		kept = append(kept, "")
	}
	return "/" + strings.Join(kept, "/")
}

// param is one query parameter, decoded.
type param struct{ name, value string }

// parseQuery returns the parameters of a raw query in their order. Like
// url.ParseQuery it goes on past what it cannot read, and returns an error.
func parseQuery(raw string) (params []param, err error) {
	if len(raw) > maxQuery || strings.Count(raw, "&") >= maxParameters {
		return nil, fail(Incomplete, "The query string is longer than %d bytes or %d parameters.", maxQuery, maxParameters)
	}
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, err1 := url.QueryUnescape(name)
		value, err2 := url.QueryUnescape(value)
		if err1 != nil || err2 != nil || strings.Contains(pair, ";") {
			err = fail(Incomplete, "The query string contains a syntax error: '%s'.", excerpt(pair))
			continue
		}
		params = append(params, param{name, value})
	}
	return params, err
}

// canonicalQueries returns the forms in which a client may have signed the
// query of r: a presigned one may have got its token after it was signed.
func (s *Signature) canonicalQueries(r *http.Request) []string {
	params, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		return nil
	}
	if !s.Presigned {
		return []string{canonicalQuery(params)}
	}
	params = without(params, "X-Amz-Signature")
	queries := []string{canonicalQuery(params)}
	if n := len(params); s.SessionToken != "" {
		if params = without(params, "X-Amz-Security-Token"); len(params) < n {
			queries = append(queries, canonicalQuery(params))
		}
	}
	return queries
}

func without(params []param, name string) []param {
	return slices.DeleteFunc(params, func(p param) bool { return p.name == name })
}

// canonicalQuery encodes the parameters and sorts them by name and value, both
// as encoded.
func canonicalQuery(params []param) string {
	if len(params) == 0 {
		return ""
	}
	encoded := make([]param, len(params))
	for i, p := range params {
		encoded[i] = param{escape(p.name, ""), escape(p.value, "")}
	}
	slices.SortFunc(encoded, func(a, b param) int {
		return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.value, b.value))
	})
	var b strings.Builder
	for _, p := range encoded {
		b.WriteByte('&')
		b.WriteString(p.name)
		b.WriteByte('=')
		b.WriteString(p.value)
	}
	return b.String()[1:]
}

// escape percent-encodes every byte of s that is neither unreserved (RFC 3986)
// nor one of keep.
func escape(s, keep string) string {
	const hex = "0123456789ABCDEF"
	i := 0
	for i < len(s) && (unreserved(s[i]) || strings.IndexByte(keep, s[i]) >= 0) {
		i++
	}
	if i == len(s) {
		return s
	}
	b := append(make([]byte, 0, len(s)+16), s[:i]...)
	for ; i < len(s); i++ {
		if c := s[i]; unreserved(c) || strings.IndexByte(keep, c) >= 0 {
			b = append(b, c)
		} else {
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return string(b)
}

func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '-' || c == '.' || c == '_' || c == '~'
}
