// Package lambda is AWS Lambda: functions, their code and configuration, who
// may invoke them, and their invocation.
//
// A function runs in environments (see environment.go), which a pool for each
// function keeps (pool.go). Asynchronous events wait in a content of the queue
// engine, one for each function (async.go).
package lambda

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"naru/internal/clock"
	"naru/internal/meter"
	"naru/internal/policy"
	"naru/internal/queue"
	"naru/internal/store"
	"naru/internal/wire"
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
	// SDKDir holds node_modules with the SDKs that functions find; "" for none.
	SDKDir string
	// Node is the Node.js interpreter.
	Node string
	// StrictRuntimes refuses runtime names whose version is not at hand.
	StrictRuntimes bool
	// Endpoint is where functions reach Naru: a URL.
	Endpoint func() string
	// Services are the services that functions find there, by host name prefix.
	Services []string
	// Concurrency bounds the environments of all functions together; 0 means
	// 1000. Memory bounds, in bytes, the sum of their functions' MemorySize; 0
	// means no bound.
	Concurrency int
	Memory      int64
	// Assume returns the credentials with which a function acts as its role.
	Assume func(role, session string) (Credentials, error)
	// WriteLog appends lines to a log stream on behalf of a function's role.
	WriteLog func(ctx context.Context, f Caller, group, stream string, lines []Line) error
}

// Caller names a function that acts by itself.
type Caller struct{ Account, Region, Function, Role string }

// Service is Lambda.
type Service struct {
	options   Options
	store     *store.Store
	engine    *queue.Engine
	clock     *clock.Clock
	log       *slog.Logger
	functions *store.Table[*Function]
	code      *codeCache

	mu     sync.Mutex
	pools  map[string]*pool // by function key
	closed bool
	// environments and memory in use, of all pools
	environments int
	memory       int64

	work         sync.WaitGroup
	asynchronous sync.WaitGroup // events that are worked off
	ctx          context.Context
	cancel       context.CancelFunc
	taking       context.Context // ends when no more asynchronous events are taken up
	pause        context.CancelFunc
}

// Open returns the service and attaches the queues of its functions.
func Open(options Options) (*Service, error) {
	if options.Concurrency == 0 {
		options.Concurrency = 1000
	}
	s := &Service{
		options: options, store: options.Store, engine: options.Engine, clock: options.Clock, log: options.Log,
		pools: map[string]*pool{},
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.taking, s.pause = context.WithCancel(s.ctx)
	var err error
	if s.functions, err = store.OpenTable[*Function](s.store, "lambda-functions"); err != nil {
		return nil, err
	}
	if s.code, err = newCodeCache(s.store.Blobs(), options.CodeDir, options.SDKDir); err != nil {
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

// Start begins to work off asynchronous events.
func (s *Service) Start() {
	for _, f := range s.functions.All("") {
		s.startAsync(f.name())
	}
}

// Drain takes up no more asynchronous events, and returns once those that are
// run have ended, or ctx is done.
func (s *Service) Drain(ctx context.Context) {
	s.pause()
	ended := make(chan struct{})
	go func() { s.asynchronous.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-ctx.Done():
	}
}

// Close stops all environments. What they were at is retried by the next start
// if it was asynchronous, and lost if its caller was waiting for it.
func (s *Service) Close() {
	s.cancel()
	s.mu.Lock()
	s.closed = true
	pools := s.pools
	s.pools = map[string]*pool{}
	s.mu.Unlock()
	for _, p := range pools {
		p.close()
	}
	s.asynchronous.Wait()
	s.work.Wait()
}

// sweepCode removes the code that no function has any more.
func (s *Service) sweepCode() error {
	used := map[store.Sum]bool{}
	for _, f := range s.functions.All("") {
		used[f.Code] = true
	}
	return s.store.Blobs().Sweep(func(sum store.Sum) bool { return used[sum] })
}

// Service returns Lambda's operations.
func (s *Service) Service() wire.Service {
	return wire.Service{
		Name:      "lambda",
		MaxBody:   70_167_211,
		ErrorType: "User",
		Errors:    errorForms,
		Owns:      ownsPath,
		Operations: []wire.Operation{
			wire.Op("CreateFunction", s.CreateFunction, s.needsCreate).At("POST", "/2015-03-31/functions", http.StatusCreated),
			wire.Op("ListFunctions", s.ListFunctions, needsList).At("GET", "/2015-03-31/functions", http.StatusOK),
			wire.Op("GetFunction", s.GetFunction, on(s, "GetFunction", func(in *GetFunctionInput) (string, *string) { return in.FunctionName, in.Qualifier })).
				At("GET", "/2015-03-31/functions/{FunctionName}", http.StatusOK),
			wire.Op("GetFunctionConfiguration", s.GetFunctionConfiguration, on(s, "GetFunctionConfiguration", func(in *GetFunctionConfigurationInput) (string, *string) { return in.FunctionName, in.Qualifier })).
				At("GET", "/2015-03-31/functions/{FunctionName}/configuration", http.StatusOK),
			wire.Op("DeleteFunction", s.DeleteFunction, on(s, "DeleteFunction", func(in *DeleteFunctionInput) (string, *string) { return in.FunctionName, in.Qualifier })).
				At("DELETE", "/2015-03-31/functions/{FunctionName}", http.StatusNoContent),
			wire.Op("UpdateFunctionCode", s.UpdateFunctionCode, on(s, "UpdateFunctionCode", func(in *UpdateFunctionCodeInput) (string, *string) { return in.FunctionName, nil })).
				At("PUT", "/2015-03-31/functions/{FunctionName}/code", http.StatusOK),
			wire.Op("UpdateFunctionConfiguration", s.UpdateFunctionConfiguration, s.needsUpdateConfiguration).
				At("PUT", "/2015-03-31/functions/{FunctionName}/configuration", http.StatusOK),
			wire.Op("Invoke", s.Invoke, on(s, "InvokeFunction", func(in *InvokeInput) (string, *string) { return in.FunctionName, in.Qualifier })).
				At("POST", "/2015-03-31/functions/{FunctionName}/invocations", http.StatusOK),
			wire.Op("AddPermission", s.AddPermission, on(s, "AddPermission", func(in *AddPermissionInput) (string, *string) { return in.FunctionName, in.Qualifier })).
				At("POST", "/2015-03-31/functions/{FunctionName}/policy", http.StatusCreated),
			wire.Op("RemovePermission", s.RemovePermission, on(s, "RemovePermission", func(in *RemovePermissionInput) (string, *string) { return in.FunctionName, in.Qualifier })).
				At("DELETE", "/2015-03-31/functions/{FunctionName}/policy/{StatementId}", http.StatusNoContent),
			wire.Op("GetPolicy", s.GetPolicy, on(s, "GetPolicy", func(in *GetPolicyInput) (string, *string) { return in.FunctionName, in.Qualifier })).
				At("GET", "/2015-03-31/functions/{FunctionName}/policy", http.StatusOK),
		},
	}
}

// on returns what an operation on one function needs. The function need not
// exist: who may not call it is not told whether it does.
func on[In any](s *Service, action string, of func(*In) (string, *string)) func(context.Context, *In) ([]policy.Request, error) {
	return func(ctx context.Context, in *In) ([]policy.Request, error) {
		reference, qualifier := of(in)
		n, err := s.nameOf(ctx, reference, qualifier)
		if err != nil {
			return nil, err
		}
		request := policy.Request{Action: "lambda:" + action, Resource: n.arn(), Account: n.account}
		if f, ok := s.functions.Get(n.key()); ok {
			if request.Policy, err = f.policy(); err != nil {
				return nil, err
			}
		}
		return []policy.Request{request}, nil
	}
}

func needsList(context.Context, *ListFunctionsInput) ([]policy.Request, error) {
	return []policy.Request{{Action: "lambda:ListFunctions", Resource: "*"}}, nil
}

func (s *Service) needsCreate(ctx context.Context, in *CreateFunctionInput) ([]policy.Request, error) {
	n, err := s.nameOf(ctx, deref(in.FunctionName), nil)
	if err != nil {
		return nil, err
	}
	return append([]policy.Request{{Action: "lambda:CreateFunction", Resource: n.arn()}}, policy.PassRole(in.Role, "lambda.amazonaws.com")...), nil
}

func (s *Service) needsUpdateConfiguration(ctx context.Context, in *UpdateFunctionConfigurationInput) ([]policy.Request, error) {
	n, err := s.nameOf(ctx, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	return append([]policy.Request{{Action: "lambda:UpdateFunctionConfiguration", Resource: n.arn()}}, policy.PassRole(in.Role, "lambda.amazonaws.com")...), nil
}

var errorForms = map[string]wire.ErrorForm{
	"ResourceNotFoundException":      {Status: 404, Upper: true},
	"ResourceConflictException":      {Status: 409},
	"InvalidParameterValueException": {Status: 400},
	"ValidationException":            {Status: 400},
	"InvalidRequestContentException": {Status: 400},
	"RequestTooLargeException":       {Status: 413},
	"RequestEntityTooLargeException": {Status: 413},
	"TooManyRequestsException":       {Status: 429},
	"PreconditionFailedException":    {Status: 412},
	"PolicyLengthExceededException":  {Status: 400},
	"CodeStorageExceededException":   {Status: 400},
	"InvalidRuntimeException":        {Status: 502, Upper: true},
	"InvalidZipFileException":        {Status: 502, Upper: true},
	"ServiceException":               {Status: 500, Upper: true},
	"ResourceNotReadyException":      {Status: 502},
	"UnsupportedMediaTypeException":  {Status: 415},
}

func invalid(format string, args ...any) error {
	return wire.Errorf("InvalidParameterValueException", format, args...)
}

func notFound(n name) error {
	return wire.Errorf("ResourceNotFoundException", "Function not found: %s", n.arn())
}

// violation is the refusal of a member whose value breaks one of the model's
// constraints.
func violation(value any, member, rule string) error {
	return wire.Errorf("ValidationException", "1 validation error detected: Value '%v' at '%s' failed to satisfy constraint: %s", value, member, rule)
}

func deref[T any](p *T) (zero T) {
	if p == nil {
		return zero
	}
	return *p
}

func notYet(what string) error { return invalid("%s", fmt.Sprintf("Naru does not have %s yet.", what)) }
