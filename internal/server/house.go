package server

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"sync"

	"naru/internal/clock"
	"naru/internal/delivery"
	"naru/internal/events"
	"naru/internal/iam"
	"naru/internal/interpreter"
	"naru/internal/lambda"
	"naru/internal/logs"
	"naru/internal/meter"
	"naru/internal/queue"
	"naru/internal/sandbox"
	"naru/internal/scheduler"
	"naru/internal/sqs"
	"naru/internal/store"
	"naru/internal/trigger"
	"naru/internal/wire"
)

// A house is everything that lives on one open store. A reset replaces it.
type house struct {
	config    Config
	cache     string // folder of unpacked code
	root      string // file of the root's access key, in enforce mode
	store     *store.Store
	engine    *queue.Engine
	front     *wire.Front
	iam       *iam.Service
	sqs       *sqs.Service
	logs      *logs.Service
	lambda    *lambda.Service
	post      *delivery.Post
	events    *events.Service
	scheduler *scheduler.Service

	mu       sync.Mutex
	closing  bool
	requests sync.WaitGroup // that are being answered
}

// A place is what a house needs of the server that it stands in.
type place struct {
	config Config
	clock  *clock.Clock
	meter  *meter.Registry
	launch lambda.Launch
	rooted bool // environments have a root of their own
	// interpreter finds the interpreters of functions
	interpreter func(interpreter.Language, string) (interpreter.Interpreter, bool)

	public   func() string // URL of the endpoint
	internal func() string // URL at which functions reach it
}

// openHouse opens the store and builds the services on it.
func openHouse(p place) (_ *house, err error) {
	h := &house{config: p.config}
	dir := p.config.Data
	if dir == InMemory {
		dir = ""
	}
	if h.store, err = store.Open(p.config.store(dir)); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close(context.Background()))
		}
	}()
	if h.engine, err = queue.Open(queue.Options{Store: h.store, Clock: p.clock, Log: p.config.Log, Resolve: h.resolve}); err != nil {
		return nil, err
	}
	h.measure(p)
	for _, open := range []func(place) error{h.openIAM, h.openSQS, h.openLogs, h.openLambda, h.openPost, h.openEvents, h.openScheduler} {
		if err := open(p); err != nil {
			return nil, err
		}
	}
	h.front = &wire.Front{Gate: h.iam, Room: h.room, Settle: h.store.Settle, Log: p.config.Log, Meter: p.meter, Clock: p.clock.Real}
	for _, s := range h.services() {
		h.front.Add(s)
	}
	h.engine.Start()
	h.lambda.Start()
	h.post.Start()
	return h, errors.Join(h.sqs.Start(), h.events.Start(), h.scheduler.Start())
}

// measure registers the figures of the engine.
func (h *house) measure(p place) {
	p.meter.Gauge(func() float64 { return float64(h.engine.Waiting()) }, "queue_waiting")
	p.meter.Gauge(func() float64 { queues, _ := h.engine.Memory(); return float64(queues) }, "queue_memory_bytes", "of", "queues")
	p.meter.Gauge(func() float64 { _, bodies := h.engine.Memory(); return float64(bodies) }, "queue_memory_bytes", "of", "bodies")
}

func (h *house) openIAM(p place) (err error) {
	c := p.config
	options := iam.Options{Store: h.store, Clock: p.clock, Log: c.Log, Mode: iam.Mode(c.Auth), Account: c.Account, Region: c.Region, TagsOf: h.tagsOf}
	if options.Mode == iam.ModeEnforce {
		if options.Root, h.root, err = loadRootKey(c.Data); err != nil {
			return err
		}
	}
	for _, text := range c.Issuers {
		provider, err := iam.ParseProvider(text, c.Audiences)
		if err != nil {
			return err
		}
		options.Providers = append(options.Providers, provider)
	}
	h.iam, err = iam.Open(options)
	return err
}

func (h *house) openSQS(p place) (err error) {
	h.sqs, err = sqs.Open(sqs.Options{
		Store: h.store, Engine: h.engine, Clock: p.clock, Log: p.config.Log,
		URL: p.public, PublicURL: p.config.PublicURL, NoCooldown: p.config.NoCooldown,
	})
	return err
}

func (h *house) openLogs(p place) (err error) {
	h.logs, err = logs.Open(logs.Options{Store: h.store, Clock: p.clock, Log: p.config.Log, Gather: func() { h.lambda.FlushLogs() }})
	return err
}

// functionServices are the services that functions find at Naru, by the host
// names that their SDKs call.
var functionServices = []string{"sqs", "lambda", "events", "scheduler", "logs", "iam", "sts"}

func (h *house) openLambda(p place) (err error) {
	h.cache = filepath.Join(p.config.Data, "cache")
	if p.config.Data == InMemory {
		if h.cache, err = os.MkdirTemp("", "naru-cache-"); err != nil {
			return err
		}
	}
	h.lambda, err = lambda.Open(lambda.Options{
		Store: h.store, Engine: h.engine, Clock: p.clock, Log: p.config.Log, Meter: p.meter,
		Launch: p.launch, CodeDir: h.cache, SDKDir: p.config.SDKDir, Interpreter: p.interpreter, Rooted: p.rooted, StrictRuntimes: p.config.StrictRuntimes,
		HotReload: p.config.HotReload, Private: private(p.config),
		Endpoint: p.internal, Services: functionServices, Passthrough: p.config.Passthrough, Memory: memoryBudget(), Full: new(sandbox.Load).Full,
		URL: p.public, PublicURL: p.config.PublicURL, Admit: h.admit,
		Assume: h.assume, Outgoing: h.outgoing, WriteLog: h.writeLog, Queue: h.queueOf, TriggerRamp: trigger.Ramp(p.config.TriggerRamp),
	})
	return err
}

// private are the folders that functions' code must not lie in or around.
func private(c Config) (dirs []string) {
	if c.Data != InMemory {
		dirs = append(dirs, c.Data)
	}
	if c.MasterKey != "" {
		dirs = append(dirs, filepath.Dir(c.MasterKey))
	}
	return dirs
}

func (h *house) openPost(p place) (err error) {
	h.post, err = delivery.Open(delivery.Options{
		Store: h.store, Engine: h.engine, Clock: p.clock, Log: p.config.Log, Meter: p.meter,
		Deliver: h.deliver, DeadLetter: h.deadLetter,
	})
	return err
}

func (h *house) openEvents(p place) (err error) {
	h.events, err = events.Open(events.Options{Store: h.store, Post: h.post, Clock: p.clock, Log: p.config.Log, Meter: p.meter})
	return err
}

func (h *house) openScheduler(p place) (err error) {
	h.scheduler, err = scheduler.Open(scheduler.Options{
		Store: h.store, Post: h.post, Clock: p.clock, Log: p.config.Log, Meter: p.meter, Assume: h.assumeForSchedules, Universal: h.hasUniversal,
	})
	return err
}

// services are the services that Naru serves.
func (h *house) services() []wire.Service {
	queues := h.sqs.Service()
	queues.Anonymous = true // a queue's policy may let everybody in
	return []wire.Service{queues, h.lambda.Service(), h.events.Service(), h.scheduler.Service(), h.logs.Service(), h.iam.IAM(), h.iam.STS()}
}

// rootKeyFile holds the root's access key in the form of the AWS SDKs' shared
// credentials file.
const rootKeyFile = "root.credentials"

// loadRootKey reads the root's access key from the data directory, or makes it
// on first start.
func loadRootKey(dir string) (k iam.KeyPair, path string, err error) {
	if dir == InMemory {
		if dir, err = os.MkdirTemp("", "naru-root-"); err != nil {
			return k, "", err
		}
	}
	path = filepath.Join(dir, rootKeyFile)
	if k, err = iam.ReadRootKey(path); errors.Is(err, os.ErrNotExist) {
		k, err = iam.WriteRootKey(path)
	}
	return k, path, err
}

// enter reports whether a request may be answered; if so, it calls leave.
func (h *house) enter() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closing {
		return false
	}
	h.requests.Add(1)
	return true
}

func (h *house) leave() { h.requests.Done() }

// ServeHTTP answers a request of the API.
func (h *house) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !h.enter() {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "Naru is stopping.", http.StatusServiceUnavailable)
		return
	}
	defer h.leave()
	h.front.ServeHTTP(w, r)
}

// serveURL answers a request to the URL of a function.
func (h *house) serveURL(w http.ResponseWriter, r *http.Request, id string) {
	if !h.enter() {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "Naru is stopping.", http.StatusServiceUnavailable)
		return
	}
	defer h.leave()
	h.lambda.ServeURL(w, r, id)
}

// close stops everything and closes the store. What is under way may end by
// itself until ctx is done.
func (h *house) close(ctx context.Context) error {
	h.mu.Lock()
	h.closing = true
	h.mu.Unlock()
	if h.events != nil {
		h.events.Close()
	}
	if h.scheduler != nil {
		h.scheduler.Close()
	}
	if h.post != nil {
		h.post.Interrupt()
	}
	if h.lambda != nil {
		h.lambda.Pause()
	}
	if h.engine != nil {
		h.engine.Interrupt()
	}
	if h.sqs != nil {
		h.sqs.Close()
	}
	answered := make(chan struct{})
	go func() { h.requests.Wait(); close(answered) }()
	select {
	case <-answered:
	case <-ctx.Done():
	}
	if h.lambda != nil {
		h.lambda.Drain(ctx)
	}
	if h.post != nil {
		h.post.Abort()
	}
	if h.lambda != nil {
		h.lambda.Close()
	}
	if h.post != nil {
		h.post.Close()
	}
	if h.engine != nil {
		h.engine.Close()
	}
	last, cancel := context.WithTimeout(context.Background(), lastTime)
	defer cancel()
	select {
	case <-answered:
	case <-last.Done():
		h.config.Log.Warn("a request is still being received; it is given up")
	}
	if h.config.Data == InMemory && h.cache != "" {
		os.RemoveAll(h.cache) // of no use to anybody; the system cleans up otherwise
	}
	return h.store.Close()
}

// wipe removes everything that a closed house kept, but for the master key.
func wipe(c Config) error {
	if c.Data == InMemory {
		return nil
	}
	var errs []error
	for _, name := range []string{"db", "bulk", "blobs", "cache"} {
		errs = append(errs, os.RemoveAll(filepath.Join(c.Data, name)))
	}
	return errors.Join(errs...)
}
