package runtimeapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"naru/internal/http1"
)

// Function is what an environment's API tells of the function.
type Function struct {
	Name, Version, Handler, Account string
	// Initialization is why the environment was started, as
	// AWS_LAMBDA_INITIALIZATION_TYPE has it.
	Initialization string
}

// An API is the Lambda Runtime API (2018-06-01), the Extensions API (2020-01-01)
// and the Telemetry API (2022-07-01) of one environment, over HTTP. Runtimes
// other than our own, and extensions, talk to it.
//
//	[starting] --next--> [idle] --Invoke--> [busy] --response, error--> [answered]
//	    | init/error       ^                                                | next
//	    v                  '------------------------------------------------'
//	 [failed]
//
// What a runtime asks for out of turn is refused.
type API struct {
	function Function
	server   *http1.Server
	external map[string]bool // names of the extensions that are processes of their own

	ended chan struct{} // closed by Close, or when the processes have ended
	once  sync.Once

	mu         sync.Mutex
	state      state
	call       *call         // that the runtime has
	waiting    chan struct{} // has a token once the runtime asks for work
	calls      chan *call
	initError  chan *InitError
	extensions map[string]*extension // by identifier
	closed     bool                  // for registrations
	registered chan struct{}         // closed once all external extensions are
	problem    *InitError            // of an extension
	dialer     func(ctx context.Context, address string) (net.Conn, error)
	telemetry  telemetry
}

type state int

const (
	starting state = iota
	idle
	busy
	answered
	failed
)

// A call is an invocation that a runtime has, or is to get. What its handler
// does about it goes to whoever called Invoke, one thing at a time.
type call struct {
	Invocation
	events chan event
	over   chan struct{} // closed when nobody takes events any more
}

// An event is a part of an answer.
type event struct {
	kind        eventKind
	contentType string
	data        []byte // which is used again once taken is closed
	errorType   string
	size        int
	taken       chan struct{}
}

type eventKind int

const (
	whole   eventKind = iota // a response
	failure                  // an error, maybe in the middle of a stream
	begin                    // a stream begins
	part
	end
)

// NewAPI returns the API of an environment in which the extensions of the given
// names are started. Call Serve, and Close in the end.
func NewAPI(f Function, extensions []string) *API {
	a := &API{
		function: f, external: map[string]bool{}, ended: make(chan struct{}),
		waiting: make(chan struct{}, 1), calls: make(chan *call), initError: make(chan *InitError, 1),
		extensions: map[string]*extension{}, registered: make(chan struct{}),
	}
	for _, name := range extensions {
		a.external[name] = true
	}
	if len(a.external) == 0 {
		close(a.registered)
	}
	a.server = http1.New(&http.Server{
		Handler: a.routes(), ReadHeaderTimeout: time.Minute, MaxHeaderBytes: 2 << 20,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), // of connections that functions break off
	})
	return a
}

// Serve answers the requests of a listener, which it closes in the end. It
// returns at once.
func (a *API) Serve(l net.Listener) {
	go a.server.Serve(l) // until Close
}

// Follow has everything end when the environment's processes have.
func (a *API) Follow(done <-chan struct{}) {
	go func() {
		select {
		case <-done:
			a.end()
		case <-a.ended:
		}
	}()
}

func (a *API) end() { a.once.Do(func() { close(a.ended) }) }

// Close ends everything.
func (a *API) Close() {
	a.end()
	a.telemetry.close()
	a.server.Close() // listeners and connections; there is nothing to do about their errors
}

const version = "/2018-06-01"

func (a *API) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+version+"/ping", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "pong") })
	mux.HandleFunc("GET "+version+"/runtime/invocation/next", a.serveNext)
	mux.HandleFunc("POST "+version+"/runtime/invocation/{id}/response", a.serveResponse)
	mux.HandleFunc("POST "+version+"/runtime/invocation/{id}/error", a.serveError)
	mux.HandleFunc("POST "+version+"/runtime/init/error", a.serveInitError)
	a.extensionRoutes(mux)
	mux.HandleFunc("PUT /2022-07-01/telemetry", a.subscribe)
	mux.HandleFunc("PUT /2020-08-15/logs", a.subscribe)
	return mux
}

// reply writes a JSON document.
func reply(w http.ResponseWriter, status int, document any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(document) // whoever has gone needs none
}

// refuse writes an error.
func refuse(w http.ResponseWriter, status int, kind, format string, args ...any) {
	reply(w, status, map[string]string{"errorMessage": fmt.Sprintf(format, args...), "errorType": kind})
}

func refuseState(w http.ResponseWriter) {
	refuse(w, http.StatusForbidden, "InvalidStateTransition", "State transition is not allowed")
}

func accepted(w http.ResponseWriter) {
	reply(w, http.StatusAccepted, map[string]string{"status": "OK"})
}

// serveNext hands the next invocation to the runtime, whenever there is one.
func (a *API) serveNext(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	if a.state == busy || a.state == failed {
		a.mu.Unlock()
		refuseState(w)
		return
	}
	if a.state != idle {
		a.state = idle
		a.waiting <- struct{}{} // Ready or Invoke has taken the one before
	}
	a.mu.Unlock()
	select {
	case c := <-a.calls:
		a.mu.Lock()
		a.state, a.call = busy, c
		a.mu.Unlock()
		c.write(w)
	case <-r.Context().Done():
	case <-a.ended:
		refuse(w, http.StatusGone, "Sandbox.Failure", "The environment ends")
	}
}

// write writes an invocation.
func (c *call) write(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	for name, value := range map[string]string{
		"Lambda-Runtime-Aws-Request-Id":       c.RequestID,
		"Lambda-Runtime-Deadline-Ms":          fmt.Sprint(c.Deadline.UnixMilli()),
		"Lambda-Runtime-Invoked-Function-Arn": c.FunctionARN,
		"Lambda-Runtime-Trace-Id":             c.TraceID,
		"Lambda-Runtime-Client-Context":       string(c.ClientContext),
		"Lambda-Runtime-Cognito-Identity":     string(c.Identity),
	} {
		if value != "" {
			h.Set(name, value)
		}
	}
	h.Set("Content-Length", fmt.Sprint(len(c.Payload)))
	_, _ = w.Write(c.Payload) // a runtime that has gone is missed by Invoke
}

// current returns the invocation that a request answers, or refuses the
// request. The runtime is answered from then on.
func (a *API) current(w http.ResponseWriter, r *http.Request) *call {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.state != busy {
		refuseState(w)
		return nil
	}
	if r.PathValue("id") != a.call.RequestID {
		refuse(w, http.StatusBadRequest, "InvalidRequestID", "Invalid request ID")
		return nil
	}
	a.state = answered
	return a.call
}

// tell hands an event to Invoke, unless it has given up.
func (c *call) tell(e event) bool {
	e.taken = make(chan struct{})
	select {
	case c.events <- e:
	case <-c.over:
		return false
	}
	select {
	case <-e.taken:
		return true
	case <-c.over:
		return false
	}
}

const (
	responseMode = "Lambda-Runtime-Function-Response-Mode"
	errorHeader  = "Lambda-Runtime-Function-Error-Type"
	errorBody    = "Lambda-Runtime-Function-Error-Body"
)

func (a *API) serveResponse(w http.ResponseWriter, r *http.Request) {
	mode := r.Header.Get(responseMode)
	if mode != "" && !strings.EqualFold(mode, "streaming") {
		refuse(w, http.StatusBadRequest, "Runtime.InvalidResponseModeHeader", "Invalid value of the header %s", responseMode)
		return
	}
	c := a.current(w, r)
	if c == nil {
		return
	}
	if mode != "" {
		c.stream(r)
		accepted(w)
		return
	}
	data, size, err := readBounded(r.Body)
	switch {
	case err != nil:
		c.tell(event{kind: failure, errorType: "Runtime.TruncatedResponse", data: describe("Runtime.TruncatedResponse", cutOff)})
		refuse(w, http.StatusBadRequest, "Runtime.TruncatedResponse", cutOff)
	case size > MaxPayload:
		c.tell(event{kind: whole, size: size})
		refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "Exceeded maximum allowed payload size (%d bytes).", MaxPayload)
	default:
		c.tell(event{kind: whole, data: data, size: size})
		accepted(w)
	}
}

// readBounded reads a body, of which it keeps no more than MaxPayload bytes.
func readBounded(body io.Reader) (data []byte, size int, err error) {
	data, err = io.ReadAll(io.LimitReader(body, MaxPayload+1))
	if err != nil || len(data) <= MaxPayload {
		return data, len(data), err
	}
	rest, err := io.Copy(io.Discard, body)
	return nil, len(data) + int(rest), err
}

const cutOff = "Response was cut off"

// decoded returns the description of an error in a trailer.
func decoded(text, kind string) []byte {
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil || !json.Valid(data) {
		return describe(errorType(kind), "")
	}
	return data
}

// stream hands on a streamed response.
func (c *call) stream(r *http.Request) {
	contentType := r.Header.Get("Content-Type")
	if contentType == "" {
		contentType = "application/octet-stream"
	}
	if !c.tell(event{kind: begin, contentType: contentType}) {
		return
	}
	buffer := make([]byte, 32<<10)
	for {
		n, err := r.Body.Read(buffer)
		if n > 0 && !c.tell(event{kind: part, data: buffer[:n]}) {
			return
		}
		switch kind := r.Trailer.Get(errorHeader); {
		case err == nil:
			continue
		case !errors.Is(err, io.EOF):
			c.tell(event{kind: failure, errorType: "Runtime.TruncatedResponse", data: describe("Runtime.TruncatedResponse", cutOff)})
		case kind != "":
			c.tell(event{kind: failure, errorType: errorType(kind), data: decoded(r.Trailer.Get(errorBody), kind)})
		default:
			c.tell(event{kind: end})
		}
		return
	}
}

// serveError takes the error that a handler gave.
func (a *API) serveError(w http.ResponseWriter, r *http.Request) {
	c := a.current(w, r)
	if c == nil {
		return
	}
	data, size, err := readBounded(r.Body)
	kind := errorType(r.Header.Get(errorHeader))
	if err != nil || size > 0 && size <= MaxPayload && !json.Valid(data) {
		data = describe(kind, string(data))
	}
	c.tell(event{kind: failure, errorType: kind, data: data, size: size})
	accepted(w)
}

// serveInitError takes the error that keeps a runtime from getting ready.
func (a *API) serveInitError(w http.ResponseWriter, r *http.Request) {
	data, _, err := readBounded(r.Body)
	kind := errorType(r.Header.Get(errorHeader))
	if err != nil || len(data) == 0 {
		data = describe(kind, "")
	}
	a.mu.Lock()
	refused := a.state != starting
	if !refused {
		a.state = failed
		a.initError <- &InitError{Type: kind, Payload: data}
	}
	a.mu.Unlock()
	if refused {
		refuseState(w)
		return
	}
	accepted(w)
}

// describe returns the description of an error.
func describe(kind, message string) []byte {
	text, err := json.Marshal(map[string]string{"errorType": kind, "errorMessage": message})
	if err != nil {
		panic(err) // two texts
	}
	return text
}

var errorTypes = regexp.MustCompile(`^(Runtime|Function|Extension)\.[A-Z][a-zA-Z]+$`)

// errorType returns the type of an error as AWS has it, which is vague about
// what it does not know.
func errorType(text string) string {
	switch {
	case errorTypes.MatchString(text):
		return text
	case strings.HasPrefix(text, "Runtime."):
		return "Runtime.Unknown"
	}
	return "Function.Unknown"
}

// Ready is Runtime's, for a runtime that uses the API.
func (a *API) Ready(ctx context.Context) error {
	select {
	case <-a.waiting:
		a.runtimeReady()
		return a.extensionsReady(ctx)
	case e := <-a.initError:
		return e
	case <-ctx.Done():
		return ctx.Err()
	case <-a.ended:
	}
	select { // what was said last counts
	case e := <-a.initError:
		return e
	default:
		return a.endError()
	}
}

// Invoke is Runtime's, for a runtime that uses the API. The invocation is over when
// extensions are done with it as well.
func (a *API) Invoke(ctx context.Context, i Invocation) (Result, error) {
	a.announce(i)
	began := time.Now()
	result, err := a.answer(ctx, i)
	a.runtimeDone(ctx, i, began, result, err)
	if err != nil || result.Ended {
		return result, err
	}
	return result, a.extensionsReady(ctx)
}

// answer returns what the runtime answers, once it asks for more or has ended.
func (a *API) answer(ctx context.Context, i Invocation) (Result, error) {
	c := &call{Invocation: i, events: make(chan event), over: make(chan struct{})}
	defer close(c.over)
	select {
	case a.calls <- c:
	case <-ctx.Done():
		return Result{}, ctx.Err()
	case <-a.ended:
		return Result{}, a.endError()
	}
	var result Result
	for done := false; !done; {
		select {
		case e := <-c.events:
			done = result.add(e, i.Stream)
			close(e.taken)
		case <-ctx.Done():
			return Result{}, ctx.Err()
		case <-a.ended:
			return Result{}, a.endError()
		}
	}
	select {
	case <-a.waiting:
	case <-ctx.Done():
		return Result{}, ctx.Err()
	case <-a.ended:
		result.Ended = true
	}
	return result, nil
}

// add adds an event to the result. It reports whether that was the last one.
func (r *Result) add(e event, stream func(string, []byte)) bool {
	switch e.kind {
	case begin:
		r.Streamed, r.ContentType = true, e.contentType
		if stream != nil {
			stream(e.contentType, nil)
		}
		return false
	case part:
		r.addPart(e.data, stream)
		return false
	case failure:
		r.FunctionError, r.ErrorType, r.Payload, r.Size = true, e.errorType, e.data, max(r.Size, e.size)
	case whole:
		r.Payload, r.Size = e.data, e.size
	}
	r.TooLarge = r.TooLarge || e.size > MaxPayload
	if r.TooLarge {
		r.Payload = nil
	}
	return true
}
