package http1

import (
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// parse parses the head of a plain request: its lines, each with its CRLF, as
// RFC 9112 has them. It returns nil if the request is not plain, that is if
//
//   - the request line is not METHOD SP /TARGET SP HTTP/1.1, with a method in
//     plainMethods;
//   - a field line is not NAME ":" VALUE, with a name that is a token and a
//     value without control characters;
//   - there is no Host, or two, or one that is empty or invalid;
//   - Content-Length is there twice, or not a number of up to 15 digits;
//   - Connection says anything but keep-alive or close;
//   - there is a field that changes how the rest is read, or what is expected
//     in reply (see specialFields).
//
// The request has no context and no body yet.
func parse(head string) *http.Request {
	line, fields, _ := strings.Cut(head, "\r\n")
	method, line, _ := strings.Cut(line, " ")
	target, version, _ := strings.Cut(line, " ")
	u := parseTarget(target)
	if !plainMethods[method] || version != "HTTP/1.1" || u == nil {
		return nil
	}
	count := strings.Count(fields, "\r\n")
	r := &http.Request{
		Method: method, RequestURI: target, URL: u, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: make(http.Header, count),
	}
	values := make([]string, count) // one slice of memory for all
	for fields != "" {
		line, fields, _ = strings.Cut(fields, "\r\n")
		name, value, ok := strings.Cut(line, ":")
		known := usualFields[name]
		if known == "" {
			ok = ok && httpguts.ValidHeaderFieldName(name)
			known = textproto.CanonicalMIMEHeaderKey(name)
		}
		if value = strings.Trim(value, " \t"); !ok || !httpguts.ValidHeaderFieldValue(value) || !note(r, known, value) {
			return nil
		}
		if known == "Host" {
			continue
		}
		if before := r.Header[known]; before != nil {
			r.Header[known] = append(before, value)
			continue
		}
		values[0] = value
		r.Header[known], values = values[:1:1], values[1:]
	}
	if r.Host == "" {
		return nil
	}
	return r
}

// parseTarget returns nil for what is not plain.
func parseTarget(target string) *url.URL {
	if target == "/" {
		return &url.URL{Path: "/"}
	}
	if !strings.HasPrefix(target, "/") {
		return nil
	}
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return nil
	}
	return u
}

// note notes what a field says about the request, and reports whether that is
// plain.
func note(r *http.Request, name, value string) bool {
	switch name {
	case "Host":
		if r.Host != "" || value == "" || !httpguts.ValidHostHeader(value) {
			return false
		}
		r.Host = value
	case "Content-Length":
		n, err := strconv.ParseUint(value, 10, 63)
		if err != nil || len(value) > 15 || r.Header[name] != nil {
			return false
		}
		r.ContentLength = int64(n)
	case "Connection":
		r.Close = strings.EqualFold(value, "close")
		return r.Header[name] == nil && (r.Close || strings.EqualFold(value, "keep-alive"))
	}
	return !specialFields[name]
}

var plainMethods = map[string]bool{
	http.MethodGet: true, http.MethodPost: true, http.MethodPut: true, http.MethodPatch: true, http.MethodDelete: true,
}

var specialFields = map[string]bool{
	"Transfer-Encoding": true, "Trailer": true, "Expect": true, "Upgrade": true, "Pragma": true,
}

// usualFields holds the canonical names of the fields that SDKs send, as they
// send them: looking up is cheaper than finding out.
var usualFields = func() map[string]string {
	all := map[string]string{}
	for _, name := range []string{
		"Accept", "Accept-Encoding", "Amz-Sdk-Invocation-Id", "Amz-Sdk-Request", "Authorization", "Connection", "Content-Length", "Content-Type", "Host",
		"User-Agent", "X-Amz-Content-Sha256", "X-Amz-Date", "X-Amz-Invocation-Type", "X-Amz-Log-Type", "X-Amz-Security-Token", "X-Amz-Target", "X-Amz-User-Agent",
		"X-Amzn-Query-Mode", "X-Amzn-Trace-Id", "Lambda-Runtime-Function-Error-Type",
	} {
		all[name] = name
		all[strings.ToLower(name)] = name
	}
	return all
}()
