package lambda

import (
	"encoding/base64"
	"encoding/json"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"naru/internal/policy"
)

// urlEvent is what a function gets of a request to its URL: payload format 2.0.
type urlEvent struct {
	Version         string            `json:"version"`
	RouteKey        string            `json:"routeKey"`
	RawPath         string            `json:"rawPath"`
	RawQueryString  string            `json:"rawQueryString"`
	Cookies         []string          `json:"cookies,omitempty"`
	Headers         map[string]string `json:"headers"`
	QueryParameters map[string]string `json:"queryStringParameters,omitempty"`
	RequestContext  urlContext        `json:"requestContext"`
	Body            *string           `json:"body,omitempty"`
	IsBase64Encoded bool              `json:"isBase64Encoded"`
}

type urlContext struct {
	AccountID    string         `json:"accountId"`
	APIID        string         `json:"apiId"`
	Authorizer   *urlAuthorizer `json:"authorizer,omitempty"`
	DomainName   string         `json:"domainName"`
	DomainPrefix string         `json:"domainPrefix"`
	HTTP         urlHTTP        `json:"http"`
	RequestID    string         `json:"requestId"`
	RouteKey     string         `json:"routeKey"`
	Stage        string         `json:"stage"`
	Time         string         `json:"time"`
	TimeEpoch    int64          `json:"timeEpoch"`
}

type urlHTTP struct {
	Method    string `json:"method"`
	Path      string `json:"path"`
	Protocol  string `json:"protocol"`
	SourceIP  string `json:"sourceIp"`
	UserAgent string `json:"userAgent"`
}

type urlAuthorizer struct {
	IAM urlCaller `json:"iam"`
}

// urlCaller is who has signed a request.
type urlCaller struct {
	AccessKey       string  `json:"accessKey"`
	AccountID       string  `json:"accountId"`
	CallerID        string  `json:"callerId"`
	CognitoIdentity *string `json:"cognitoIdentity"`
	PrincipalOrgID  *string `json:"principalOrgId"`
	UserARN         string  `json:"userArn"`
	UserID          string  `json:"userId"`
}

// newURLEvent returns the event of a request. key is the access key that it is
// signed with, "" for none.
func newURLEvent(u *URL, r *http.Request, body []byte, caller policy.Principal, key, requestID string, now time.Time) urlEvent {
	host, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		host, port = r.Host, "80"
	}
	source, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		source = r.RemoteAddr
	}
	e := urlEvent{
		Version: "2.0", RouteKey: "$default", RawPath: r.URL.EscapedPath(), RawQueryString: r.URL.RawQuery,
		Headers: map[string]string{"host": r.Host, "x-forwarded-for": source, "x-forwarded-port": port, "x-forwarded-proto": "http"},
		RequestContext: urlContext{
			AccountID: "anonymous", APIID: u.ID, DomainName: host, DomainPrefix: u.ID,
			HTTP:      urlHTTP{r.Method, r.URL.EscapedPath(), r.Proto, source, r.UserAgent()},
			RequestID: requestID, RouteKey: "$default", Stage: "$default",
			Time: now.UTC().Format("02/Jan/2006:15:04:05 -0700"), TimeEpoch: now.UnixMilli(),
		},
	}
	for name, values := range r.Header {
		e.Headers[strings.ToLower(name)] = strings.Join(values, ",")
	}
	for _, c := range strings.Split(r.Header.Get("Cookie"), ";") {
		if c = strings.TrimSpace(c); c != "" {
			e.Cookies = append(e.Cookies, c)
		}
	}
	e.QueryParameters = joined(r.URL.RawQuery)
	if u.Auth == authIAM {
		e.RequestContext.AccountID = caller.Account
		e.RequestContext.Authorizer = &urlAuthorizer{urlCaller{AccessKey: key, AccountID: caller.Account, CallerID: caller.UserID, UserARN: caller.ARN, UserID: caller.UserID}}
	}
	e.setBody(body, r.Header.Get("Content-Type"))
	return e
}

// joined returns the parameters of a query string, the values of one name
// joined by commas; nil for none.
func joined(query string) map[string]string {
	var all map[string]string
	for _, part := range strings.Split(query, "&") {
		name, value, _ := strings.Cut(part, "=")
		name, err := url.QueryUnescape(name)
		if err != nil || part == "" {
			continue
		}
		if value, err = url.QueryUnescape(value); err != nil {
			continue
		}
		if all == nil {
			all = map[string]string{}
		}
		if before, ok := all[name]; ok {
			value = before + "," + value
		}
		all[name] = value
	}
	return all
}

// setBody puts a body into the event: as text if it says that it is some.
func (e *urlEvent) setBody(body []byte, contentType string) {
	if len(body) == 0 {
		return
	}
	text := string(body)
	if !isText(contentType) || !utf8.Valid(body) {
		e.IsBase64Encoded, text = true, base64.StdEncoding.EncodeToString(body)
	}
	e.Body = &text
}

func isText(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return contentType == ""
	}
	return strings.HasPrefix(kind, "text/") || strings.HasSuffix(kind, "+json") || strings.HasSuffix(kind, "+xml") ||
		slices.Contains([]string{"application/json", "application/javascript", "application/xml", "application/graphql"}, kind)
}

// urlReply is what a function answers to a request of its URL.
type urlReply struct {
	status  int
	header  http.Header
	cookies []string
	body    []byte
}

// parseURLReply returns the reply that a function's response means: with a
// statusCode it is described, else it is the body. It fails for a response that
// means nothing.
func parseURLReply(payload []byte) (*urlReply, error) {
	var r struct {
		StatusCode      json.RawMessage
		Headers         map[string]any
		Cookies         []string
		Body            json.RawMessage
		IsBase64Encoded bool
	}
	plain := &urlReply{status: http.StatusOK, header: http.Header{"Content-Type": {"application/json"}}, body: payload}
	var members map[string]json.RawMessage
	if json.Unmarshal(payload, &members) != nil || members["statusCode"] == nil {
		return plain, nil
	}
	if err := json.Unmarshal(payload, &r); err != nil {
		return nil, err
	}
	reply, err := newURLReply(r.StatusCode, r.Headers, r.Cookies)
	if err != nil {
		return nil, err
	}
	if reply.body = bodyText(r.Body); r.IsBase64Encoded {
		reply.body, err = base64.StdEncoding.DecodeString(string(reply.body))
	}
	return reply, err
}

// bodyText is a body as a function gives it: text, or anything else as JSON.
func bodyText(body json.RawMessage) []byte {
	var text string
	switch {
	case json.Unmarshal(body, &text) == nil:
		return []byte(text)
	case string(body) == "null":
		return nil
	}
	return body
}

// newURLReply returns a reply without a body. The status is a number, or text
// that is one.
func newURLReply(status json.RawMessage, headers map[string]any, cookies []string) (*urlReply, error) {
	r := &urlReply{status: http.StatusOK, header: http.Header{}, cookies: cookies}
	if len(status) > 0 {
		if err := json.Unmarshal([]byte(strings.Trim(string(status), `"`)), &r.status); err != nil {
			return nil, err
		}
	}
	if r.status < 200 || r.status > 999 {
		return nil, errStatus
	}
	for name, value := range headers {
		switch value := value.(type) {
		case string:
			r.header.Set(name, value)
		case nil:
		default:
			text, err := json.Marshal(value)
			if err != nil {
				return nil, err
			}
			r.header.Set(name, string(text))
		}
	}
	if r.header.Get("Content-Type") == "" {
		r.header.Set("Content-Type", "application/json")
	}
	return r, nil
}

// parsePrelude returns the reply that the prelude of a streamed response
// describes.
func parsePrelude(prelude []byte) (*urlReply, error) {
	var r struct {
		StatusCode json.RawMessage
		Headers    map[string]any
		Cookies    []string
	}
	if err := json.Unmarshal(prelude, &r); err != nil {
		return nil, err
	}
	return newURLReply(r.StatusCode, r.Headers, r.Cookies)
}
