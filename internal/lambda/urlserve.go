package lambda

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"naru/internal/policy"
	"naru/internal/wire"
)

// A Visit is a request to a function's URL, for the gate.
type Visit struct {
	Request *http.Request
	Body    []byte
	Signed  bool   // it must be signed
	Account string // of the function
	Needs   []policy.Request
}

var errStatus = errors.New("lambda: a response has an impossible status")

// ServeURL answers a request to the URL of the given id.
func (s *Service) ServeURL(w http.ResponseWriter, r *http.Request, id string) {
	requestID := uuid.NewString()
	w.Header().Set("X-Amzn-Requestid", requestID)
	key, _ := s.urlIDs.Get(id)
	u, ok := s.urls.Get(key)
	if !ok {
		sayURL(w, http.StatusNotFound, "ResourceNotFoundException", `{"Message":null}`)
		return
	}
	if u.Cors.answer(w, r) {
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPayload))
	if err != nil {
		sayURL(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLargeException", `{"Message":"The request is too large, or ended too early."}`)
		return
	}
	caller, keyID, err := s.options.Admit(r.Context(), s.visit(u, r, body))
	if err == nil {
		err = s.store.Settle(r.Context())
	}
	if err == nil {
		err = s.serve(w, r, u, newURLEvent(u, r, body, caller, keyID, requestID, s.clock.Now()))
	}
	if err != nil {
		s.refuseURL(w, u, requestID, err)
	}
}

// visit returns what a request to a URL needs.
func (s *Service) visit(u *URL, r *http.Request, body []byte) Visit {
	n := u.name()
	v := Visit{Request: r, Body: body, Signed: u.Auth == authIAM, Account: n.account}
	document, err := s.documentOf(n)
	if err != nil {
		s.log.Error("a policy cannot be read", "function", n.arn(), "err", err) // nobody is let in by it
	}
	for _, action := range []string{"lambda:InvokeFunctionUrl", "lambda:InvokeFunction"} {
		v.Needs = append(v.Needs, policy.Request{
			Action: action, Resource: n.arn(), Account: n.account, Policy: document,
			Context: policy.Context{"lambda:FunctionUrlAuthType": {u.Auth}, "lambda:InvokedViaFunctionUrl": {"true"}},
		})
	}
	return v
}

// refuseURL tells that a function was not run.
func (s *Service) refuseURL(w http.ResponseWriter, u *URL, requestID string, err error) {
	var e *wire.Error
	if !errors.As(err, &e) {
		s.log.Error("a function cannot be run", "function", u.name().arn(), "requestId", requestID, "err", err)
		sayURL(w, http.StatusInternalServerError, "ServiceException", `{"Message":"Internal Server Error"}`)
		return
	}
	switch e.Code {
	case "TooManyRequestsException":
		w.Header().Set("Retry-After", "1")
		sayURL(w, http.StatusTooManyRequests, e.Code, `{"Reason":`+strconv.Quote(e.Fields["Reason"])+`,"Type":"User","message":"Rate Exceeded."}`)
	case "ResourceNotFoundException":
		sayURL(w, http.StatusNotFound, e.Code, `{"Message":null}`)
	case "RecursiveInvocationException", "RequestTooLargeException", "InvalidParameterValueException":
		sayURL(w, http.StatusBadRequest, e.Code, `{"Message":`+strconv.Quote(e.Message)+`}`)
	default:
		sayURL(w, http.StatusForbidden, "AccessDeniedException", `{"Message":"Forbidden"}`)
	}
}

func sayURL(w http.ResponseWriter, status int, kind, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-Errortype", kind)
	w.WriteHeader(status)
	io.WriteString(w, body) // a client that has gone needs no reply
}

// serve runs the function and passes its response on.
func (s *Service) serve(w http.ResponseWriter, r *http.Request, u *URL, request urlEvent) error {
	n := u.name()
	v, err := s.route(n)
	if err != nil {
		return err
	}
	payload, err := json.Marshal(request)
	if err != nil {
		return err
	}
	e := &event{RequestID: request.RequestContext.RequestID, Payload: payload, Trace: r.Header.Get("X-Amzn-Trace-Id")}
	if e.Trace == "" {
		e.Trace = newTrace(s.clock.Now())
	}
	if err := s.checkLoop(n, e); err != nil {
		return err
	}
	if u.Mode == modeStream {
		x, err := s.invokeStreaming(r.Context(), n, v, e)
		if err != nil {
			return err
		}
		x.serve(w, u.Cors, r)
		return nil
	}
	result, err := s.run(n, v, e)
	if err != nil {
		return s.refusal(v, err)
	}
	reply, err := result.urlReply()
	if err != nil {
		sayURL(w, http.StatusBadGateway, "InternalServerErrorException", "Internal Server Error")
		return nil
	}
	reply.write(w, u.Cors, r)
	w.Write(reply.body) // a client that has gone needs no reply
	return nil
}

// urlReply returns the reply that the result of an invocation means.
func (r *result) urlReply() (*urlReply, error) {
	switch {
	case r.failed:
		return nil, errors.New("lambda: the function failed")
	case !r.streamed:
		return parseURLReply(r.payload)
	}
	if prelude, body, ok := bytes.Cut(r.payload, preludeEnd); ok && r.contentType == httpIntegration {
		reply, err := parsePrelude(prelude)
		if err == nil {
			reply.body = body
		}
		return reply, err
	}
	return &urlReply{status: http.StatusOK, header: http.Header{"Content-Type": {r.contentType}}, body: r.payload}, nil
}

// write writes status and headers.
func (r *urlReply) write(w http.ResponseWriter, cors *Cors, request *http.Request) {
	header := w.Header()
	maps.Copy(header, r.header)
	header.Del("Content-Length")
	header.Del("Transfer-Encoding")
	for _, cookie := range r.cookies {
		header.Add("Set-Cookie", cookie)
	}
	cors.allow(header, request.Header.Get("Origin"))
	w.WriteHeader(r.status)
}

const httpIntegration = "application/vnd.awslambda.http-integration-response"

// preludeEnd is between the prelude and the body of a streamed response.
var preludeEnd = make([]byte, 8)

// maxPrelude bounds a prelude, in bytes.
const maxPrelude = 64 << 10

// serve writes a streamed response to a client of a URL. What goes wrong once it
// has begun can only be told by cutting it off.
func (x *streaming) serve(w http.ResponseWriter, cors *Cors, r *http.Request) {
	body := &urlBody{w: w, cors: cors, request: r, prelude: []byte{}}
	err := x.copy(func(part []byte) error {
		if !body.begun && (x.contentType != httpIntegration || !isClosed(x.begun)) {
			body.begin(&urlReply{status: http.StatusOK, header: http.Header{"Content-Type": {x.bodyType()}}})
		}
		return body.add(part)
	})
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	<-x.done
	failed := x.err != nil || x.result.failed
	switch {
	case !body.begun && (failed || x.contentType == httpIntegration):
		sayURL(w, http.StatusBadGateway, "InternalServerErrorException", "Internal Server Error")
	case !body.begun:
		body.begin(&urlReply{status: http.StatusOK, header: http.Header{"Content-Type": {x.bodyType()}}})
	case failed:
		panic(http.ErrAbortHandler)
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// bodyType is the content type of a response that has no prelude.
func (x *streaming) bodyType() string {
	if isClosed(x.begun) {
		return x.contentType
	}
	return "application/json" // it was not streamed
}

// urlBody writes the body of a streamed response, after what its prelude says.
type urlBody struct {
	w       http.ResponseWriter
	cors    *Cors
	request *http.Request
	begun   bool
	prelude []byte // as far as it has come
}

func (b *urlBody) begin(r *urlReply) {
	b.begun = true
	r.write(b.w, b.cors, b.request)
}

func (b *urlBody) add(part []byte) error {
	if !b.begun {
		b.prelude = append(b.prelude, part...)
		prelude, rest, ok := bytes.Cut(b.prelude, preludeEnd)
		switch {
		case !ok && len(b.prelude) > maxPrelude:
			return errors.New("lambda: a streamed response has no end of its prelude")
		case !ok:
			return nil
		}
		reply, err := parsePrelude(prelude)
		if err != nil {
			return err
		}
		b.begin(reply)
		part = rest
	}
	if _, err := b.w.Write(part); err != nil {
		return err
	}
	return http.NewResponseController(b.w).Flush()
}

// answer answers a browser that asks whether a page may use the URL.
func (c *Cors) answer(w http.ResponseWriter, r *http.Request) bool {
	method := r.Header.Get("Access-Control-Request-Method")
	if c == nil || r.Method != http.MethodOptions || method == "" {
		return false
	}
	header := w.Header()
	if c.allow(header, r.Header.Get("Origin")) {
		if slices.Contains(c.AllowMethods, "*") || slices.Contains(c.AllowMethods, method) {
			header.Set("Access-Control-Allow-Methods", strings.Join(c.AllowMethods, ","))
		}
		if len(c.AllowHeaders) > 0 {
			header.Set("Access-Control-Allow-Headers", strings.Join(c.AllowHeaders, ","))
		}
		if c.MaxAge != nil {
			header.Set("Access-Control-Max-Age", strconv.Itoa(int(*c.MaxAge)))
		}
	}
	w.WriteHeader(http.StatusOK)
	return true
}

// allow sets the headers that let pages of an origin read a reply, if they may.
func (c *Cors) allow(header http.Header, origin string) bool {
	if c == nil || origin == "" {
		return false
	}
	all := slices.Contains(c.AllowOrigins, "*")
	if !all && !slices.Contains(c.AllowOrigins, origin) {
		return false
	}
	credentials := deref(c.AllowCredentials)
	if all && !credentials {
		header.Set("Access-Control-Allow-Origin", "*")
	} else {
		header.Set("Access-Control-Allow-Origin", origin)
		header.Add("Vary", "Origin")
	}
	if credentials {
		header.Set("Access-Control-Allow-Credentials", "true")
	}
	if len(c.ExposeHeaders) > 0 {
		header.Set("Access-Control-Expose-Headers", strings.Join(c.ExposeHeaders, ","))
	}
	return true
}

// Admitter lets in who may use a URL, and returns who that is and the access
// key that the request is signed with.
type Admitter func(context.Context, Visit) (policy.Principal, string, error)
