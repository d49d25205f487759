package runtimeapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// Telemetry is what extensions subscribe to: lines of the function's log, and
// what the platform tells of the environment. It is sent to a server that the
// extension runs inside of the environment, in batches, and thrown away if that
// does not take it: the function must not suffer from it.
type telemetry struct {
	mu            sync.Mutex
	subscriptions []*subscription
	early         []telling // what was told before anybody subscribed; nil once nobody can any more
	settled       bool
	closed        bool
}

// A telling is a record and the kind of telemetry that it is.
type telling struct {
	of     string
	record record
}

// maxEarly bounds what is kept for those who subscribe during init.
const maxEarly = 1000

// A subscription is one extension's.
type subscription struct {
	types  []string
	target string // URL
	limit  buffering
	client *http.Client

	mu      sync.Mutex
	pending []record
	bytes   int
	alarm   *time.Timer
	sending sync.Mutex // held while a batch is sent, so that they are in order
}

type buffering struct {
	MaxItems  int `json:"maxItems"`
	MaxBytes  int `json:"maxBytes"`
	TimeoutMs int `json:"timeoutMs"`
}

// A record is one thing that is told.
type record struct {
	Time   string `json:"time"`
	Type   string `json:"type"`
	Record any    `json:"record"`
}

// The limits of what an extension may ask for, and what it has if it asks for
// nothing, as AWS says.
const (
	defaultItems, leastItems, mostItems       = 10_000, 1_000, 10_000
	defaultBytes, leastBytes, mostBytes       = 262_144, 262_144, 1_048_576
	defaultTimeout, leastTimeout, mostTimeout = 1_000, 25, 30_000
)

// sendTime is how long a batch may take to be taken.
const sendTime = time.Second

func within(value *int, usual, least, most int) bool {
	if *value == 0 {
		*value = usual
	}
	return *value >= least && *value <= most
}

// subscribe subscribes an extension to telemetry, by either version of the API.
func (a *API) subscribe(w http.ResponseWriter, r *http.Request) {
	e := a.known(w, r)
	if e == nil {
		return
	}
	var in struct {
		SchemaVersion string    `json:"schemaVersion"`
		Types         []string  `json:"types"`
		Buffering     buffering `json:"buffering"`
		Destination   struct {
			Protocol string `json:"protocol"`
			URI      string `json:"URI"`
		} `json:"destination"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(&in); err != nil {
		refuse(w, http.StatusBadRequest, "ValidationError", "The body is not JSON: %v", err)
		return
	}
	s := &subscription{types: in.Types, limit: in.Buffering}
	target, err := url.Parse(in.Destination.URI)
	switch {
	case len(in.Types) == 0 || slices.ContainsFunc(in.Types, func(t string) bool { return t != "platform" && t != "function" && t != "extension" }):
		refuse(w, http.StatusBadRequest, "ValidationError", "types must be some of platform, function and extension")
	case in.Destination.Protocol != "HTTP":
		refuse(w, http.StatusBadRequest, "ValidationError", "Naru sends telemetry over HTTP only")
	case err != nil || target.Scheme != "http" || !slices.Contains([]string{"sandbox.localdomain", "sandbox", "localhost", "127.0.0.1"}, target.Hostname()):
		refuse(w, http.StatusBadRequest, "ValidationError", "The URI must be of the form http://sandbox.localdomain:PORT/")
	case !within(&s.limit.MaxItems, defaultItems, leastItems, mostItems) || !within(&s.limit.MaxBytes, defaultBytes, leastBytes, mostBytes) || !within(&s.limit.TimeoutMs, defaultTimeout, leastTimeout, mostTimeout):
		refuse(w, http.StatusBadRequest, "ValidationError", "buffering is out of bounds")
	default:
		port := target.Port()
		if port == "" {
			port = "80"
		}
		s.target = in.Destination.URI
		s.client = &http.Client{Timeout: sendTime, Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return a.dial(ctx, "127.0.0.1:"+port) },
		}}
		a.telemetry.add(s)
		a.Tell("platform.telemetrySubscription", map[string]any{"name": e.name, "state": "Subscribed", "types": in.Types})
		w.WriteHeader(http.StatusOK)
		fmt.Fprint(w, `"OK"`)
	}
}

func (t *telemetry) add(s *subscription) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.subscriptions = append(t.subscriptions, s)
	for _, told := range t.early {
		if slices.Contains(s.types, told.of) {
			s.put(told.record)
		}
	}
}

// settle has nothing be kept for those who subscribe later.
func (t *telemetry) settle() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.early, t.settled = nil, true
}

// Dial has telemetry be sent through connections that dial makes.
func (a *API) Dial(dial func(ctx context.Context, address string) (net.Conn, error)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dialer = dial
}

func (a *API) dial(ctx context.Context, address string) (net.Conn, error) {
	a.mu.Lock()
	dial := a.dialer
	a.mu.Unlock()
	if dial == nil {
		return nil, net.ErrClosed
	}
	return dial(ctx, address)
}

// Tell tells extensions of something that the platform did, such as
// "platform.report", in the words of the Telemetry API.
func (a *API) Tell(kind string, content any) { a.telemetry.tell("platform", kind, content) }

// TellLine tells extensions of a line of the function's log.
func (a *API) TellLine(line string) { a.telemetry.tell("function", "function", line) }

// Heard reports whether anybody gets to know what is told.
func (a *API) Heard() bool {
	a.telemetry.mu.Lock()
	defer a.telemetry.mu.Unlock()
	return a.telemetry.heard()
}

// heard needs t.mu.
func (t *telemetry) heard() bool { return !t.closed && (!t.settled || len(t.subscriptions) > 0) }

func (t *telemetry) tell(of, kind string, content any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.heard() {
		return
	}
	r := record{time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), kind, content}
	if !t.settled && len(t.early) < maxEarly {
		t.early = append(t.early, telling{of, r})
	}
	for _, s := range t.subscriptions {
		if slices.Contains(s.types, of) {
			s.put(r)
		}
	}
}

// Flush sends what is pending, and returns once it is sent.
func (a *API) Flush() {
	a.telemetry.mu.Lock()
	all := slices.Clone(a.telemetry.subscriptions)
	a.telemetry.mu.Unlock()
	for _, s := range all {
		s.send()
	}
}

func (t *telemetry) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for _, s := range t.subscriptions {
		s.mu.Lock()
		if s.alarm != nil {
			s.alarm.Stop()
		}
		s.mu.Unlock()
		s.client.CloseIdleConnections()
	}
}

// put adds a record to the batch.
func (s *subscription) put(r record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pending) >= 2*s.limit.MaxItems || s.bytes >= 2*s.limit.MaxBytes {
		return // nobody takes it
	}
	s.pending = append(s.pending, r)
	if line, ok := r.Record.(string); ok {
		s.bytes += len(line)
	}
	s.bytes += 100
	if len(s.pending) == 1 {
		s.alarm = time.AfterFunc(time.Duration(s.limit.TimeoutMs)*time.Millisecond, s.send)
	}
	if len(s.pending) >= s.limit.MaxItems || s.bytes >= s.limit.MaxBytes {
		s.alarm.Reset(0)
	}
}

// send sends what is pending.
func (s *subscription) send() {
	s.sending.Lock()
	defer s.sending.Unlock()
	s.mu.Lock()
	batch := s.pending
	s.pending, s.bytes = nil, 0
	s.mu.Unlock()
	if len(batch) == 0 {
		return
	}
	text, err := json.Marshal(batch)
	if err != nil {
		return // records are texts, numbers and objects of them
	}
	response, err := s.client.Post(s.target, "application/json", bytes.NewReader(text))
	if err == nil {
		_ = response.Body.Close()
	}
}
