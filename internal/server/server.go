package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"sync"
	"sync/atomic"
	"time"

	"naru/internal/clock"
	"naru/internal/console"
	"naru/internal/http1"
	"naru/internal/interpreter"
	"naru/internal/lambda"
	"naru/internal/meter"
	"naru/internal/metrics"
	"naru/internal/sandbox"
)

// A server is a running Naru.
type server struct {
	config   Config
	clock    clock.Clock
	meter    meter.Registry
	endpoint string
	internal string // the endpoint for functions
	launcher *sandbox.Launcher
	finder   interpreter.Finder
	inside   *http1.Server // for functions
	operator operator

	resetting sync.Mutex // held while the house is replaced, or must not be
	house     atomic.Pointer[house]
}

// Run serves until ctx is done, then drains and stops. It returns an error of
// one line if it cannot start.
func Run(ctx context.Context, c Config) error {
	if err := c.check(); err != nil {
		return err
	}
	if err := c.absolute(); err != nil {
		return err
	}
	tuneRuntime()
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("cannot listen: %w", err)
	}
	defer listener.Close()
	admin, err := net.Listen("tcp", c.Admin)
	if err != nil {
		return fmt.Errorf("cannot listen for operators: %w", err)
	}
	defer admin.Close()
	functions, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("cannot listen for functions: %w", err)
	}
	defer functions.Close()
	s := &server{config: c, endpoint: urlOf(listener), internal: urlOf(functions)}
	s.finder.Given = c.Interpreters
	if s.launcher, err = newLauncher(c); err != nil {
		return err
	}
	defer s.launcher.Close()
	if s.launcher.Private() {
		s.internal = fmt.Sprintf("http://127.0.0.1:%d", insidePort)
	}
	addresses := Addresses{Endpoint: s.endpoint, Admin: urlOf(admin), Data: c.Data, Sandbox: describeSandbox(s.launcher), Warnings: s.launcher.Notes()}
	h, err := s.open()
	if err != nil {
		return err
	}
	s.house.Store(h)
	addresses.RootKey = h.root
	var remove func() error
	if s.operator, remove, err = writeOperator(c, addresses.Admin); err != nil {
		return errors.Join(err, h.close(ctx))
	}
	return errors.Join(s.serve(ctx, listener, admin, functions, addresses), remove())
}

// urlOf returns the URL of a listener, for this machine.
func urlOf(l net.Listener) string {
	address := l.Addr().(*net.TCPAddr)
	if address.IP.IsUnspecified() {
		return fmt.Sprintf("http://localhost:%d", address.Port)
	}
	return "http://" + address.String()
}

func (s *server) open() (*house, error) {
	return openHouse(place{
		config: s.config, clock: &s.clock, meter: &s.meter, launch: s.launch, rooted: s.launcher.Tier() == sandbox.Namespaced, interpreter: s.finder.Find,
		public: func() string { return s.endpoint }, internal: func() string { return s.internal },
	})
}

// serve runs the listeners until ctx is done.
func (s *server) serve(ctx context.Context, listener, admin, functions net.Listener, addresses Addresses) error {
	errorLog := slog.NewLogLogger(s.config.Log.Handler(), slog.LevelError)
	front := http1.New(&http.Server{
		Handler:           newGuard(s.config, s.routes()),
		ReadHeaderTimeout: 30 * time.Second,
		IdleTimeout:       10 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          errorLog,
	})
	back := http1.New(&http.Server{Handler: newGuard(s.config, s.adminRoutes()), ReadHeaderTimeout: 30 * time.Second, ErrorLog: errorLog})
	s.inside = http1.New(&http.Server{Handler: newGuard(s.config, onlyOwn(s.api())), ReadHeaderTimeout: 30 * time.Second, BaseContext: withKey, ErrorLog: errorLog})
	failed := make(chan error, 3)
	go func() { failed <- front.Serve(listener) }()
	go func() { failed <- back.Serve(outsiders{admin, s.launcher}) }()
	go func() { failed <- s.inside.Serve(functions) }()
	if s.config.Ready != nil {
		s.config.Ready(addresses)
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	drain, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	closed := make(chan error, 1)
	go func() { closed <- s.house.Load().close(drain) }()
	for _, h := range []*http1.Server{front, back, s.inside} {
		if h.Shutdown(drain) != nil {
			err = errors.Join(err, h.Close())
		}
	}
	return errors.Join(err, <-closed)
}

// routes are what the endpoint serves: Naru's own paths, and the API.
func (s *server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/_naru/console/", console.Handler("/_naru/console/"))
	mux.HandleFunc("GET /_naru/health", s.health)
	mux.HandleFunc("GET /_localstack/health", s.health)
	mux.HandleFunc("GET "+lambda.CodePath, func(w http.ResponseWriter, r *http.Request) { s.house.Load().lambda.ServeCode(w, r) })
	if s.config.AllowReset {
		mux.HandleFunc("POST /_naru/reset", s.reset)
		mux.HandleFunc("POST /moto-api/reset", s.reset)
		mux.HandleFunc("/_naru/clock", s.setClock)
	}
	mux.Handle("/_naru/", http.NotFoundHandler())
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, _, isURL := lambda.ParseURLHost(hostname(r.Host))
		switch {
		case isURL: // a host of its own, with nothing else on it
			s.house.Load().serveURL(w, r, id)
		case len(r.URL.Path) > 1 && (own(r.URL.Path, "/_naru/") || own(r.URL.Path, "/_localstack/") || own(r.URL.Path, "/moto-api/")):
			mux.ServeHTTP(w, r)
		case isVisit(r):
			http.Redirect(w, r, "/_naru/console/", http.StatusFound)
		default:
			s.house.Load().ServeHTTP(w, r)
		}
	})
}

// api is what functions are served: the API and nothing else.
func (s *server) api() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.house.Load().ServeHTTP(w, r) })
}

func own(path, prefix string) bool { return len(path) >= len(prefix) && path[:len(prefix)] == prefix }

func (s *server) adminRoutes() http.Handler {
	mux := http.NewServeMux()
	ok := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }
	mux.Handle("GET /metrics", metrics.Handler(&s.meter))
	mux.HandleFunc("GET /healthz", ok)
	mux.HandleFunc("GET /readyz", ok) // the listener serves only once everything is open
	mux.HandleFunc("POST /backup", s.operator.only(s.backup))
	mux.HandleFunc("POST /rotate-key", s.operator.only(s.rotateKey))
	if s.config.Pprof {
		mux.HandleFunc("/debug/pprof/", pprof.Index)
		mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	}
	return mux
}
