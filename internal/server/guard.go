package server

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"naru/internal/lambda"
)

// guard keeps web pages out of the API: it refuses requests that a browser
// makes for a page of another origin, and those for a host name that is not
// Naru's, by which a page could make its own name stand for this machine (DNS
// rebinding).
type guard struct {
	hosts []string // allowed besides the usual ones
	next  http.Handler
}

func newGuard(c Config, next http.Handler) guard {
	g := guard{hosts: slices.Clone(c.AllowHosts), next: next}
	if u, err := url.Parse(c.PublicURL); err == nil && u.Host != "" {
		g.hosts = append(g.hosts, u.Hostname())
	}
	return g
}

// ServeHTTP refuses the request or passes it on.
func (g guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, rest, isURL := lambda.ParseURLHost(hostname(r.Host))
	switch {
	case isURL && (rest == "localhost" || g.known(rest)): // functions decide for themselves what pages may do
		g.next.ServeHTTP(w, r)
	case !g.known(hostname(r.Host)):
		http.Error(w, "Naru is not known by the host name of this request. If it is meant to be, start it with --allow-host.", http.StatusForbidden)
	case !sameOrigin(r):
		http.Error(w, "Naru does not answer to pages of other origins.", http.StatusForbidden)
	default:
		g.next.ServeHTTP(w, r)
	}
}

func hostname(hostport string) string {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	return strings.ToLower(strings.Trim(host, "[]"))
}

func (g guard) known(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	for _, suffix := range []string{".localhost", ".amazonaws.com", ".amazonaws.com.cn"} {
		if strings.HasSuffix(host, suffix) {
			return true
		}
	}
	return host == "localhost" || slices.Contains(g.hosts, host)
}

// sameOrigin reports whether the request comes from no browser, or from a page
// of Naru's own origin, or was typed by somebody.
func sameOrigin(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
	default:
		return false
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && u.Host == r.Host
}
