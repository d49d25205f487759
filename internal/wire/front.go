// Package wire is Naru's front door: it turns HTTP requests of the AWS
// protocols into calls of operations and their results into replies. It knows
// protocols and no service; services hand it tables (see Service, Op).
//
// Spoken are awsJson1_0 and 1_1, awsQuery (XML) and restJson1. A request is
// routed by the service that its signature names, else by X-Amz-Target, Action
// and Version, its path, or its host. Then, in this order: its body is bounded
// and read, the caller is authenticated, the input decoded, the call
// authorised, and the operation run; the reply, also a refusal, leaves once
// what it rests on is durable.
package wire

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"naru/internal/meter"
	"naru/internal/policy"
	"naru/internal/sigv4"
)

// A Gate decides who a caller is and what it may do.
type Gate interface {
	// Authenticate returns the caller and the region of its request. signature
	// is nil if the request has none; if it needs one, the error is one of
	// CodeUnsigned, and there is a region all the same.
	Authenticate(r *http.Request, signature *sigv4.Signature, payload func() sigv4.Payload) (caller policy.Principal, region string, err error)
	// Authorize returns nil if the caller may do all that is asked, and an
	// Error of CodeAccessDenied otherwise.
	Authorize(ctx context.Context, caller policy.Principal, needs []policy.Request) error
}

// A Front serves the operations of services over HTTP.
type Front struct {
	Gate Gate
	// Room, if it is set, refuses an operation for which the disk has no room.
	Room func(operation string) error
	// Settle waits until what replies rest on is durable.
	Settle func(context.Context) error
	Log    *slog.Logger
	Meter  *meter.Registry
	// Clock gives the time in which calls are measured.
	Clock func() time.Time

	services []*compiled
}

// Add adds a service. All are added before the first request is served.
func (f *Front) Add(s Service) { f.services = append(f.services, compile(s)) }

type protocol byte

const (
	protocolJSON protocol = iota
	protocolQuery
	protocolREST
)

// An exchange is one request and what has been found out about it.
type exchange struct {
	front     *Front
	w         http.ResponseWriter
	r         *http.Request
	id        string
	start     time.Time
	signed    *sigv4.Signature // nil without a signature
	malformed error            // a signature that cannot be read
	service   *compiled
	protocol  protocol
	op        *Operation
	query     url.Values // of the URL
	form      url.Values // query protocol: parameters of URL and body
	body      []byte
	chunks    *sigv4.Chunks // that the body came in, if it did
	room      *[]byte       // memory of the body, to be given back; nil if an input may refer to it
}

// maxUnrouted bounds the body of a form that must be read to learn its service.
const maxUnrouted = 8 << 20

// ServeHTTP answers one request.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{front: f, w: w, r: r, id: uuid.NewString(), start: f.Clock()}
	defer func() { giveBack(x.room) }()
	w.Header().Set("X-Amzn-Requestid", x.id)
	if err := x.route(); err != nil {
		x.unrouted(err)
		return
	}
	out, err := x.run()
	if unsettled := f.Settle(r.Context()); unsettled != nil { // refusals rest on what others did, too
		err = unsettled
	}
	if err != nil {
		x.fail(asError(err))
		return
	}
	x.succeed(out)
}

// route finds the service, the protocol and, as far as it can, the operation.
func (x *exchange) route() error {
	var err error
	if x.query, err = url.ParseQuery(x.r.URL.RawQuery); err != nil {
		return Errorf(CodeMalformed, "The query string is malformed.")
	}
	contentType, _, _ := strings.Cut(x.r.Header.Get("Content-Type"), ";")
	target, name, _ := strings.Cut(x.r.Header.Get("X-Amz-Target"), ".")
	if x.signed, x.malformed = sigv4.Parse(x.r); errors.Is(x.malformed, sigv4.ErrUnsigned) {
		x.signed, x.malformed = nil, nil
	}
	if err := x.readForm(contentType); err != nil {
		return err
	}
	signed := ""
	if x.signed != nil {
		signed = x.signed.Scope.Service
	}
	if x.service = x.find(signed, target); x.service == nil {
		return &Error{Code: CodeUnknown, Status: http.StatusNotFound,
			Message: "Naru does not have the service that this request is for" + quoted(signed) + "."}
	}
	switch s := x.service; {
	case target != "" && s.JSON.Target != "":
		if x.protocol = protocolJSON; target == s.JSON.Target {
			x.op = s.byName[name]
		}
	case s.Query.Version != "" && x.form != nil:
		x.protocol, x.op = protocolQuery, s.byName[x.form.Get("Action")]
		if x.op != nil && x.op.atRoot && s.Owns(x.r.URL.Path) {
			x.op = nil
		}
	case s.rest != nil:
		x.protocol, x.op = protocolREST, s.match(x.r, x.query)
	case s.Query.Version != "":
		x.protocol = protocolQuery
	}
	return nil
}

func quoted(s string) string {
	if s == "" {
		return ""
	}
	return ": " + strconv.Quote(s)
}

// readForm reads the parameters of the query protocol, if the request has any.
func (x *exchange) readForm(contentType string) error {
	if contentType != "application/x-www-form-urlencoded" {
		if x.query.Has("Action") {
			x.form = x.query
		}
		return nil
	}
	body, err := x.readBody(maxUnrouted)
	if err != nil {
		return err
	}
	x.body = body
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return Errorf(CodeMalformed, "The request's body is no valid form.")
	}
	for name, values := range x.query {
		form[name] = append(form[name], values...)
	}
	x.form = form
	return nil
}

// find returns the service that a request is for: what tells it first, in the
// order below, tells it alone.
func (x *exchange) find(signed, target string) *compiled {
	first := func(means func(*compiled) bool) *compiled {
		if i := slices.IndexFunc(x.front.services, means); i >= 0 {
			return x.front.services[i]
		}
		return nil
	}
	switch {
	case signed != "":
		return first(func(s *compiled) bool { return s.Name == signed })
	case target != "":
		return first(func(s *compiled) bool { return s.JSON.Target == target })
	case x.form != nil && x.form.Has("Version"):
		return first(func(s *compiled) bool { return s.Query.Version == x.form.Get("Version") })
	}
	if s := first(func(s *compiled) bool { return s.Owns != nil && s.Owns(x.r.URL.Path) }); s != nil {
		return s
	}
	return first(func(s *compiled) bool { return strings.HasPrefix(x.r.Host, s.Name+".") })
}

// match finds a REST operation and sets the request's path values.
func (c *compiled) match(r *http.Request, query url.Values) *Operation {
	h, pattern := c.rest.Handler(r)
	place, ok := h.(*restOperations)
	if !ok || pattern == "" {
		return nil
	}
	c.rest.ServeHTTP(nil, r) // sets the path values; the handler itself does nothing
	return place.find(query)
}

// bodyTime is how long a client may take to send a body.
const bodyTime = 5 * time.Minute

// readBody reads the request's body, of at most limit bytes. One that came in
// chunks is put together.
func (x *exchange) readBody(limit int64) ([]byte, error) {
	c := http.NewResponseController(x.w)
	if err := c.SetReadDeadline(x.front.Clock().Add(bodyTime)); err == nil { // not every writer can
		defer c.SetReadDeadline(time.Time{})
	}
	if x.protocol == protocolJSON && x.service != nil { // its inputs hold copies
		x.room = bodies.Get().(*[]byte)
	}
	body, err := readBody(x.r, limit, x.room)
	if e := (*Error)(nil); x.op != nil && x.service.TooLarge != "" && errors.As(err, &e) && e.Code == CodeTooLarge {
		e.Message = fmt.Sprintf(x.service.TooLarge, limit, x.op.Name)
	}
	if err != nil || x.signed == nil || !x.signed.InChunks() {
		return body, err
	}
	chunks, err := x.signed.ReadChunks(x.r.Header, body)
	if err != nil {
		x.malformed = err
		return body, nil
	}
	x.chunks = chunks
	return chunks.Payload, nil
}

// bodies holds memory for the bodies of requests and replies, used again and again.
var bodies = sync.Pool{New: func() any { return new([]byte) }}

// mostKept bounds the memory that is kept for one body.
const mostKept = 64 << 10

// giveBack gives the memory of a body back, once nothing refers to it.
func giveBack(room *[]byte) {
	if room != nil && cap(*room) <= mostKept {
		bodies.Put(room)
	}
}

// payload returns the body as its signature covers it.
func (x *exchange) payload() sigv4.Payload {
	if x.chunks != nil {
		return sigv4.Payload{Chunks: x.chunks}
	}
	return sigv4.Payload{Sum: sha256.Sum256(x.body)}
}

// readBody reads a body, into room if there is any.
func readBody(r *http.Request, limit int64, room *[]byte) ([]byte, error) {
	tooLarge := func() error { return Errorf(CodeTooLarge, "The request's body is larger than %d bytes.", limit) }
	if r.ContentLength > limit {
		return nil, tooLarge()
	}
	if r.ContentLength >= 0 {
		if room == nil {
			room = &[]byte{}
		}
		*room = slices.Grow((*room)[:0], int(r.ContentLength))
		body := (*room)[:r.ContentLength]
		if _, err := io.ReadFull(r.Body, body); err != nil {
			return nil, &Error{Code: CodeMalformed, Message: "The request's body ended too early.", Cause: err}
		}
		return body, nil
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	if err != nil {
		return nil, &Error{Code: CodeMalformed, Message: "The request's body could not be read.", Cause: err}
	}
	if int64(len(body)) > limit {
		return nil, tooLarge()
	}
	return body, nil
}

// run does everything from reading the body to the operation's output.
func (x *exchange) run() (any, error) {
	if x.body == nil {
		body, err := x.readBody(x.service.MaxBody)
		if err != nil {
			return nil, err
		}
		x.body = body
	} else if int64(len(x.body)) > x.service.MaxBody {
		return nil, Errorf(CodeTooLarge, "The request's body is larger than %d bytes.", x.service.MaxBody)
	}
	if x.malformed != nil {
		return nil, x.unreadable()
	}
	caller, region, err := x.authenticate()
	if err != nil {
		return nil, err
	}
	if x.op == nil {
		return nil, x.unknown()
	}
	in, err := x.decode()
	if err != nil {
		return nil, err
	}
	ctx := WithCall(x.r.Context(), &Call{
		Service: x.service.Name, Operation: x.op.Name, RequestID: x.id, Region: region, Caller: caller,
		Endpoint: scheme(x.r) + "://" + x.r.Host, Remote: x.r.RemoteAddr, Path: x.r.URL.Path, Header: x.r.Header,
	})
	needs, err := x.op.Needs(ctx, in)
	if err != nil {
		return nil, err
	}
	if err := x.front.Gate.Authorize(ctx, caller, needs); err != nil {
		return nil, err
	}
	if x.front.Room != nil {
		if err := x.front.Room(x.op.Name); err != nil {
			return nil, err
		}
	}
	return x.op.call(ctx, in)
}

// authenticate returns the caller, and the region of its request.
func (x *exchange) authenticate() (policy.Principal, string, error) {
	caller, region, err := x.front.Gate.Authenticate(x.r, x.signed, x.payload)
	if err != nil && x.op != nil && (x.op.anonymous || x.service.Anonymous) && asError(err).Code == CodeUnsigned {
		return policy.Principal{}, region, nil
	}
	return caller, region, err
}

// unreadable says what is wrong with a signature that cannot be verified.
func (x *exchange) unreadable() error {
	code, e := CodeBadSignature, x.malformed.(*sigv4.Error)
	if e.Kind == sigv4.Incomplete {
		code = CodeBadAuth
	}
	return &Error{Code: code, Message: e.Message}
}

func scheme(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

func (x *exchange) unknown() error {
	switch {
	case x.protocol == protocolQuery && x.form == nil:
		return &Error{Code: CodeUnknown, Status: http.StatusNotFound}
	case x.protocol == protocolQuery && x.form.Get("Action") == "":
		return Errorf("MissingAction", "The request must contain the parameter Action.")
	case x.protocol == protocolQuery:
		return Errorf(CodeUnknown, "The action %s is not valid for this endpoint.", x.form.Get("Action"))
	case x.protocol == protocolREST:
		return &Error{Code: CodeUnknown, Status: http.StatusNotFound, Message: "There is no operation at " + x.r.Method + " " + x.r.URL.Path}
	}
	return Errorf(CodeUnknown, "The requested operation is not recognized.")
}

func (x *exchange) decode() (any, error) {
	v := x.op.newIn()
	var err error
	switch x.protocol {
	case protocolJSON:
		err = decodeJSON(x.body, x.op.in, v.Elem())
	case protocolREST:
		err = decodeREST(x.r, x.query, x.body, x.op.in, v.Elem())
	case protocolQuery:
		var f *form
		if f, err = parseForm(x.form); err == nil {
			err = f.decodeStruct(x.op.in, v.Elem())
		}
	}
	return v.Interface(), err
}

// Services returns the names of the services that were added.
func (f *Front) Services() (names []string) {
	for _, s := range f.services {
		names = append(names, s.Name)
	}
	return names
}
