// Package lambda is AWS Lambda: functions, their code and configuration, who
// may invoke them, and their invocation.
//
// A function runs in environments (see environment.go), which a pool for each
// function keeps (pool.go). Asynchronous events wait in a content of the queue
// engine, one for each function (async.go). Queues trigger functions by event
// source mappings (mapping.go, triggers.go).
package lambda

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"naru/internal/clock"
	"naru/internal/interpreter"
	"naru/internal/meter"
	"naru/internal/queue"
	"naru/internal/store"
	"naru/internal/trigger"
)

// Credentials are what a function acts with: those of its role.
type Credentials struct {
	KeyID   string
	Secret  string
	Token   string    // "" for none
	Expires time.Time // zero if they do not run out
}

// A Line is a line of a function's log.
type Line struct {
	Time time.Time
	Text string
}

// Options are what the service needs. The funcs are its joins with other
// services.
type Options struct {
	Store  *store.Store
	Engine *queue.Engine
	Clock  *clock.Clock
	Log    *slog.Logger
	Meter  *meter.Registry
	// Launch starts an environment.
	Launch Launch
	// CodeDir is where code is unpacked: a cache that can be removed while
	// Naru is down.
	CodeDir string
	// HotReload is the folder below which functions may have their code in
	// place; "" for none. Private are folders that are never part of that.
	HotReload string
	Private   []string
	// SDKDir holds what functions find without packing it, as package sdk fills
	// it; "" for none.
	SDKDir string
	// Interpreter returns the best interpreter for a version of a language; nil
	// looks for it on this machine.
	Interpreter func(language interpreter.Language, version string) (interpreter.Interpreter, bool)
	// Rooted says that processes have a root of their own, where they see the
	// mounts of their Spec.
	Rooted bool
	// StrictRuntimes refuses runtime names whose version is not at hand.
	StrictRuntimes bool
	// Endpoint is where functions reach Naru: a URL.
	Endpoint func() string
	// URL is the endpoint's URL, and PublicURL what clients reach it by, if by
	// another name.
	URL       func() string
	PublicURL string
	// Admit guards the URLs of functions.
	Admit Admitter
	// Services are the services that functions find there, by host name prefix.
	// Passthrough are those that they may have of AWS itself.
	Services    []string
	Passthrough []string
	// Concurrency is how many invocations an account may have at a time in a
	// region; 0 means 1000. Memory bounds, in bytes, what all environments use
	// together; 0 means that only their number is bounded, by Concurrency.
	Concurrency int
	Memory      int64
	// Full reports whether processors are what there is too little of; nil if that
	// is not known.
	Full func() bool
	// Assume returns the credentials with which a function acts as its role.
	Assume func(role, session string) (Credentials, error)
	// Outgoing returns the messages by which a function sends something to what
	// an ARN names, if its role may: one, or on an event bus one for each target
	// that gets it. Of a probe there are none: it tells whether it could.
	Outgoing func(context.Context, Message) ([]queue.Outgoing, error)
	// Queue returns the queue that an ARN names, for what it triggers.
	Queue func(arn string) Queue
	// TriggerRamp says how fast triggers run more batches at a time; "" means
	// trigger.Burst.
	TriggerRamp trigger.Ramp
	// WriteLog appends lines to a log stream on behalf of a function's role.
	WriteLog func(ctx context.Context, f Caller, group, stream string, lines []Line) error
}

// Caller names a function that acts by itself.
type Caller struct{ Account, Region, Function, Role string }

// startsTogether is how many environments that are kept ready are started at
// the same time.
const startsTogether = 8

// A Message is what a function sends to a queue, a function or an event bus, as
// its role.
type Message struct {
	From       Caller
	Target     string // ARN
	Payload    []byte
	Attributes map[string]Attribute // of a message to a queue
	DetailType string               // of an event on a bus
	Resources  []string             // ARNs of what an event on a bus is about
	Probe      bool                 // nothing is to be sent
	Trace      string               // X-Ray trace header
}

// An Attribute is an attribute of a message: its type is String or Number.
type Attribute struct{ Type, Value string }

// Service is Lambda.
type Service struct {
	options   Options
	store     *store.Store
	engine    *queue.Engine
	clock     *clock.Clock
	log       *slog.Logger
	functions *store.Table[*Function]
	versions  *store.Table[*Version]
	aliases   *store.Table[*Alias]
	policies  *store.Table[*Policy]
	code      *codeCache
	hot       *hotReload

	provisioned   *store.Table[*Provisioned]
	eventConfigs  *store.Table[*EventConfig]
	runtimes      *store.Table[*RuntimeManagement]
	urls          *store.Table[*URL]
	urlIDs        *store.Table[string] // to the keys of urls
	codeSignings  *store.Table[*CodeSigning]
	layers        *store.Table[*Layer]
	layerVersions *store.Table[*LayerVersion]
	layerPolicies *store.Table[*Policy]
	mappings      *store.Table[*Mapping]

	mu     sync.Mutex
	shelf  shelf
	pools  map[string]*pool  // by version key
	loads  map[string]*load  // by function key
	active map[string]*load  // those that are not zero
	quotas map[string]*quota // by account and region
	closed bool
	// environments and memory in use, of all pools
	environments int
	memory       int64
	freed        chan struct{} // closed when there may be room again; nil if nobody waits for that

	triggers map[string]*trigger.Trigger   // by mapping key
	ending   map[*trigger.Trigger]struct{} // those whose mappings were deleted

	starting chan struct{} // holds a token for each environment that is kept ready and being started

	work         sync.WaitGroup
	asynchronous sync.WaitGroup // events that are worked off
	ctx          context.Context
	cancel       context.CancelFunc
	taking       context.Context // ends when no more asynchronous events are taken up
	pause        context.CancelFunc
}

// Open returns the service and attaches the queues of its functions.
func Open(options Options) (*Service, error) {
	if options.Interpreter == nil {
		options.Interpreter = new(interpreter.Finder).Find
	}
	if options.Concurrency == 0 {
		options.Concurrency = 1000
	}
	s := &Service{
		options: options, store: options.Store, engine: options.Engine, clock: options.Clock, log: options.Log,
		triggers: map[string]*trigger.Trigger{}, ending: map[*trigger.Trigger]struct{}{}, shelf: shelf{books: map[*logbook]struct{}{}},
		pools: map[string]*pool{}, loads: map[string]*load{}, active: map[string]*load{}, quotas: map[string]*quota{}, starting: make(chan struct{}, startsTogether),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.taking, s.pause = context.WithCancel(s.ctx)
	err := s.openTables()
	if err != nil {
		return nil, err
	}
	if s.code, err = newCodeCache(s.store.Blobs(), options.CodeDir, options.SDKDir); err != nil {
		return nil, err
	}
	if s.hot, err = newHotReload(options, s.reload); err != nil {
		return nil, err
	}
	if err := s.sweepCode(); err != nil {
		return nil, err
	}
	for _, f := range s.functions.All("") {
		s.engine.Attach(f.ref(), asyncConfig)
	}
	return s, nil
}

func (s *Service) openTables() (err error) {
	open := func(err2 error) { err = errors.Join(err, err2) }
	open(openTable(s.store, "lambda-functions", &s.functions))
	open(openTable(s.store, "lambda-versions", &s.versions))
	open(openTable(s.store, "lambda-aliases", &s.aliases))
	open(openTable(s.store, "lambda-policies", &s.policies))
	open(openTable(s.store, "lambda-provisioned", &s.provisioned))
	open(openTable(s.store, "lambda-event-configs", &s.eventConfigs))
	open(openTable(s.store, "lambda-runtimes", &s.runtimes))
	open(openTable(s.store, "lambda-urls", &s.urls))
	open(openTable(s.store, "lambda-url-ids", &s.urlIDs))
	open(openTable(s.store, "lambda-code-signings", &s.codeSignings))
	open(openTable(s.store, "lambda-layers", &s.layers))
	open(openTable(s.store, "lambda-layer-versions", &s.layerVersions))
	open(openTable(s.store, "lambda-layer-policies", &s.layerPolicies))
	open(openTable(s.store, "lambda-mappings", &s.mappings))
	return err
}

func openTable[T any](s *store.Store, name string, t **store.Table[T]) (err error) {
	*t, err = store.OpenTable[T](s, name)
	return err
}

// Start begins to work off asynchronous events and what triggers functions.
func (s *Service) Start() {
	for _, f := range s.functions.All("") {
		s.startAsync(f.name())
		s.provision(f.name())
	}
	s.startTriggers()
}

// Pause has nothing more be taken up: neither asynchronous events nor messages of
// queues.
func (s *Service) Pause() {
	s.mu.Lock()
	s.pause() // no trigger is started from now on
	s.mu.Unlock()
	for _, t := range s.allTriggers() {
		t.Stop()
	}
}

// Drain returns once all that was taken up before Pause has come to its end, or
// ctx is done.
func (s *Service) Drain(ctx context.Context) {
	ended := make(chan struct{})
	go func() {
		s.asynchronous.Wait()
		for _, t := range s.allTriggers() {
			t.Wait()
		}
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
	}
}

// Close stops all environments. What they were at is retried by the next start
// if it was asynchronous or came from a queue, and lost if its caller was waiting
// for it.
func (s *Service) Close() {
	s.Pause()
	s.cancel()
	triggers := s.allTriggers()
	for _, t := range triggers {
		t.Kill()
	}
	s.mu.Lock()
	s.closed = true
	var busy, idle []*instance
	for _, p := range s.pools {
		busy = slices.AppendSeq(busy, maps.Keys(p.busy))
		idle = append(idle, p.close()...)
	}
	s.mu.Unlock()
	for _, i := range busy {
		i.env.Kill() // whoever uses it releases it
	}
	for _, i := range idle {
		s.dispose(i)
	}
	for _, t := range triggers {
		t.Wait()
	}
	s.asynchronous.Wait()
	s.work.Wait()
	s.FlushLogs()
	if err := s.hot.close(); err != nil {
		s.log.Warn("the watch on folders with code did not end well", "err", err)
	}
}

// sweepCode removes the code that no function has any more.
func (s *Service) sweepCode() error {
	used := map[store.Sum]bool{}
	for v := range s.versionsFrom("", "", true) {
		used[v.Code] = true
		for _, l := range v.Layers {
			used[l.Code] = true
		}
	}
	for _, l := range s.layerVersions.All("") {
		used[l.Code] = true
	}
	keep := func(sum store.Sum) bool { return used[sum] }
	return errors.Join(s.store.Blobs().Sweep(keep), s.code.sweep(keep))
}
