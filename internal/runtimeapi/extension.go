package runtimeapi

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"
)

// maxExtensions is how many extensions there may be in an environment.
const maxExtensions = 10

// An extension has registered. Its fields are guarded by the API's lock.
type extension struct {
	name     string
	id       string
	internal bool // it is part of the runtime's process
	events   []string
	queue    chan any      // of what it is to be told
	waits    bool          // it has asked for the next event
	changed  chan struct{} // closed, and replaced, when waits changes
}

const (
	extensionName = "Lambda-Extension-Name"
	extensionID   = "Lambda-Extension-Identifier"
)

func (a *API) extensionRoutes(mux *http.ServeMux) {
	const path = "/2020-01-01/extension/"
	mux.HandleFunc("POST "+path+"register", a.register)
	mux.HandleFunc("GET "+path+"event/next", a.nextEvent)
	mux.HandleFunc("POST "+path+"init/error", func(w http.ResponseWriter, r *http.Request) { a.giveUp(w, r, "Extension.InitError") })
	mux.HandleFunc("POST "+path+"exit/error", func(w http.ResponseWriter, r *http.Request) { a.giveUp(w, r, "Extension.ExitError") })
}

// register registers an extension. That is possible until the runtime is ready.
func (a *API) register(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Events []string `json:"events"`
	}
	name := r.Header.Get(extensionName)
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(&in); err != nil {
		refuse(w, http.StatusBadRequest, "InvalidRequestFormat", "The body is not JSON: %v", err)
		return
	}
	e := &extension{name: name, id: uuid.NewString(), internal: !a.external[name], events: in.Events, queue: make(chan any, 2), changed: make(chan struct{})}
	if kind, why := a.admit(e); kind != "" {
		refuse(w, http.StatusForbidden, kind, "%s", why)
		return
	}
	w.Header().Set(extensionID, e.id)
	document := map[string]string{"functionName": a.function.Name, "functionVersion": a.function.Version, "handler": a.function.Handler}
	if r.Header.Get("Lambda-Extension-Accept-Feature") == "accountId" {
		document["accountId"] = a.function.Account
	}
	reply(w, http.StatusOK, document)
}

// admit takes an extension in, or says why not.
func (a *API) admit(e *extension) (kind, why string) {
	if e.name == "" {
		return "Extension.InvalidExtensionName", "Empty extension name"
	}
	for _, event := range e.events {
		switch {
		case event == "SHUTDOWN" && e.internal:
			return "ShutdownEventNotSupportedForInternalExtension", "Shutdown event is not supported for internal extensions"
		case event != "INVOKE" && event != "SHUTDOWN":
			return "InvalidEventType", event + ": Unregistered event type"
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	missing := len(a.external)
	for _, other := range a.extensions {
		if other.name == e.name {
			return "Extension.AlreadyRegistered", "Extension with this name already registered"
		}
		if !other.internal {
			missing--
		}
	}
	switch {
	case a.closed:
		return "Extension.RegistrationClosed", "Extension registration closed already"
	case len(a.extensions) >= maxExtensions:
		return "Extension.TooManyExtensions", "Extension limit (10) reached"
	}
	a.extensions[e.id] = e
	if !e.internal && missing == 1 {
		close(a.registered)
	}
	return "", ""
}

// Registered is closed once all extensions have registered that are processes of
// their own: then the runtime may start.
func (a *API) Registered() <-chan struct{} { return a.registered }

// Extensions reports whether there are extensions, and among them any that are
// processes of their own: then there is more time at the end.
func (a *API) Extensions() (some, external bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.extensions) > 0, len(a.external) > 0
}

// known returns the extension that a request is of, or refuses the request.
func (a *API) known(w http.ResponseWriter, r *http.Request) *extension {
	id := r.Header.Get(extensionID)
	a.mu.Lock()
	e := a.extensions[id]
	a.mu.Unlock()
	_, malformed := uuid.Parse(id)
	switch {
	case id == "":
		refuse(w, http.StatusForbidden, "Extension.MissingExtensionIdentifier", "Missing %s header", extensionID)
	case malformed != nil:
		refuse(w, http.StatusForbidden, "Extension.InvalidExtensionIdentifier", "Invalid %s", extensionID)
	case e == nil:
		refuse(w, http.StatusForbidden, "Extension.UnknownExtensionIdentifier", "Unknown extension %s", id)
	}
	return e
}

// nextEvent hands an extension its next event, whenever there is one.
func (a *API) nextEvent(w http.ResponseWriter, r *http.Request) {
	e := a.known(w, r)
	if e == nil {
		return
	}
	a.mu.Lock()
	e.setWaits(true)
	a.mu.Unlock()
	select {
	case event := <-e.queue:
		w.Header().Set("Lambda-Extension-Event-Identifier", uuid.NewString())
		reply(w, http.StatusOK, event)
	case <-r.Context().Done():
	case <-a.ended:
		refuse(w, http.StatusGone, "Sandbox.Failure", "The environment ends")
	}
}

// setWaits notes whether the extension waits. It needs the API's lock.
func (e *extension) setWaits(waits bool) {
	if e.waits != waits {
		e.waits = waits
		close(e.changed)
		e.changed = make(chan struct{})
	}
}

// giveUp takes the error for which an extension ends, and with it the
// environment.
func (a *API) giveUp(w http.ResponseWriter, r *http.Request, kind string) {
	if a.known(w, r) == nil {
		return
	}
	data, _, err := readBounded(r.Body)
	if told := r.Header.Get("Lambda-Extension-Function-Error-Type"); told != "" {
		kind = told
	}
	if err != nil || !json.Valid(data) {
		data = describe(kind, "")
	}
	a.mu.Lock()
	a.problem = &InitError{Type: kind, Payload: data}
	a.mu.Unlock()
	accepted(w)
	a.end()
}

// endError is why there will be no answer any more.
func (a *API) endError() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.problem != nil {
		return a.problem
	}
	return ErrEnded
}

// extensionsReady waits until all extensions wait for an event. After that none
// can register any more.
func (a *API) extensionsReady(ctx context.Context) error {
	for {
		a.mu.Lock()
		var changed chan struct{}
		for _, e := range a.extensions {
			if !e.waits {
				changed = e.changed
			}
		}
		a.closed = a.closed || changed == nil
		a.mu.Unlock()
		if changed == nil {
			a.telemetry.settle()
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-a.ended:
			return a.endError()
		}
	}
}

// An invokeEvent tells an extension of an invocation.
type invokeEvent struct {
	EventType  string  `json:"eventType"`
	DeadlineMs int64   `json:"deadlineMs"`
	RequestID  string  `json:"requestId"`
	ARN        string  `json:"invokedFunctionArn"`
	Tracing    tracing `json:"tracing"`
}

type tracing struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

// announce tells the extensions of an invocation that want to know.
func (a *API) announce(i Invocation) {
	a.mu.Lock()
	none := len(a.extensions) == 0
	a.mu.Unlock()
	if none {
		return
	}
	a.tellAll("INVOKE", invokeEvent{"INVOKE", i.Deadline.UnixMilli(), i.RequestID, i.FunctionARN, tracing{"X-Amzn-Trace-Id", i.TraceID}})
}

func (a *API) tellAll(kind string, event any) (told int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, e := range a.extensions {
		if slices.Contains(e.events, kind) {
			e.setWaits(false)
			e.queue <- event // it waits for one, so there is room
			told++
		}
	}
	return told
}

// Shutdown tells the extensions that want to know that the environment ends,
// for the reason "spindown", "timeout" or "failure". It reports whether there
// are any.
func (a *API) Shutdown(reason string, deadline time.Time) bool {
	return a.tellAll("SHUTDOWN", map[string]any{"eventType": "SHUTDOWN", "shutdownReason": reason, "deadlineMs": deadline.UnixMilli()}) > 0
}

// With returns a runtime that uses another connection, together with the
// extensions that use the API.
func (a *API) With(r *Runtime) *Extended { return &Extended{r, a} }

// Extended is a runtime together with extensions.
type Extended struct {
	runtime *Runtime
	api     *API
}

// Ready is Runtime's; extensions must be ready as well.
func (e *Extended) Ready(ctx context.Context) error {
	if err := e.runtime.Ready(ctx); err != nil {
		return e.api.because(err)
	}
	e.api.runtimeReady()
	return e.api.extensionsReady(ctx)
}

// Invoke is Runtime's; the invocation is over when extensions are done with it
// as well.
func (e *Extended) Invoke(ctx context.Context, i Invocation) (Result, error) {
	e.api.announce(i)
	began := time.Now()
	result, err := e.runtime.Invoke(ctx, i)
	e.api.runtimeDone(ctx, i, began, result, err)
	if err != nil || result.Ended {
		return result, e.api.because(err)
	}
	return result, e.api.extensionsReady(ctx)
}

// because returns why an extension made an end, if one did, or else err.
func (a *API) because(err error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil && a.problem != nil {
		return a.problem
	}
	return err
}
