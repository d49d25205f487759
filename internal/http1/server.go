// Package http1 serves HTTP/1.1 for handlers of net/http, at a fraction of its
// cost, by doing less: it answers the plain requests that SDKs make, and leaves
// all others, with their connections, to net/http.
//
// A request is plain if its whole head arrives at once and fits into 4 KiB, its
// method is GET, POST, PUT, PATCH or DELETE, its body, if it has one, has a
// Content-Length, and nothing else about it is out of the ordinary (see parse).
// When a connection's next request is not, net/http is given the connection and
// the bytes that have been read, and keeps it. So all that is malformed is
// net/http's to refuse.
//
// Handlers find what net/http would show them, with these exceptions. They cannot
// hijack connections, set write deadlines, or send informational replies (1xx;
// left out) or trailers. Up to 64 KiB of a reply are held back until it is flushed
// or the handler returns. That the client has gone away is noticed when the
// handler asks for the context's Err, or some milliseconds after it has asked for
// Done (see life). The strings of a request's head share its memory: whoever
// keeps one for long clones it.
package http1

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A Server serves connections. Its methods may be called concurrently.
type Server struct {
	http    *http.Server
	closing atomic.Bool

	mu        sync.Mutex
	listeners map[*rest]bool
	conns     map[*conn]bool
	empty     chan struct{} // closed when there are no conns, while closing
}

// New returns a server that answers with the Handler of h, heeds its
// ReadHeaderTimeout, IdleTimeout, BaseContext and ErrorLog, and has h serve what
// is not plain. Other fields of h concern only the connections that h is given.
// From then on h is the server's own.
func New(h *http.Server) *Server {
	if of := h.BaseContext; of != nil {
		h.BaseContext = func(l net.Listener) context.Context { return of(l.(*rest).Listener) }
	}
	if h.ErrorLog == nil {
		h.ErrorLog = slog.NewLogLogger(slog.Default().Handler(), slog.LevelError)
	}
	return &Server{http: h, listeners: map[*rest]bool{}, conns: map[*conn]bool{}, empty: make(chan struct{})}
}

// Serve serves the connections that l accepts, and closes l in the end. After
// Shutdown and Close its error is http.ErrServerClosed. If it returns for another
// reason, connections are served on, but for requests that are not plain.
func (s *Server) Serve(l net.Listener) error {
	r := &rest{Listener: l, conns: make(chan net.Conn), closed: make(chan struct{})}
	defer r.Close() // of its error nobody could make anything
	s.mu.Lock()
	closing := s.closing.Load()
	s.listeners[r] = true
	s.mu.Unlock()
	if closing {
		return http.ErrServerClosed
	}
	served := make(chan error, 1)
	go func() { served <- s.http.Serve(r) }()
	err := s.accept(r)
	r.Close()
	<-served // it says that r is closed
	s.mu.Lock()
	delete(s.listeners, r)
	s.mu.Unlock()
	if s.closing.Load() {
		return http.ErrServerClosed
	}
	return err
}

// accept serves what is accepted until that fails for good.
func (s *Server) accept(r *rest) error {
	base := context.Background()
	if s.http.BaseContext != nil {
		base = s.http.BaseContext(r)
	}
	base = context.WithValue(base, http.ServerContextKey, s.http)
	var pause time.Duration
	for {
		n, err := r.Listener.Accept()
		switch {
		case err == nil:
			pause = 0
			s.open(r, n, base)
		case slices.ContainsFunc(passing, func(e syscall.Errno) bool { return errors.Is(err, e) }):
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			s.http.ErrorLog.Printf("http1: cannot accept a connection, trying again: %v", err)
			select {
			case <-time.After(pause):
			case <-r.closed:
			}
		default:
			return err
		}
	}
}

// passing are the errors of accepting a connection after which the next may be
// accepted.
var passing = []syscall.Errno{syscall.ECONNABORTED, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM}

// open starts to serve a connection.
func (s *Server) open(r *rest, n net.Conn, base context.Context) {
	c := &conn{
		Conn: n, server: s, rest: r, remote: n.RemoteAddr().String(),
		base: context.WithValue(base, http.LocalAddrContextKey, n.LocalAddr()),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing.Load() {
		c.Close()
		return
	}
	s.conns[c] = true
	go c.serve() // Shutdown waits for it
}

// forget is told that a connection is served no longer.
func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	s.noteEmpty()
}

func (s *Server) noteEmpty() {
	if !s.closing.Load() || len(s.conns) > 0 {
		return
	}
	select {
	case <-s.empty:
	default:
		close(s.empty)
	}
}

// Shutdown closes the listeners and the connections without a request, and
// waits until the others are answered, or ctx is done.
func (s *Server) Shutdown(ctx context.Context) error {
	s.close((*conn).closeIdle)
	err := s.http.Shutdown(ctx)
	select {
	case <-s.empty:
		return err
	case <-ctx.Done():
		return errors.Join(err, ctx.Err())
	}
}

// Close closes listeners and connections, and waits for nothing.
func (s *Server) Close() error {
	s.close(func(c *conn) { c.Close() })
	return s.http.Close()
}

func (s *Server) close(each func(*conn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing.Store(true)
	for r := range s.listeners {
		r.Close()
	}
	for c := range s.conns {
		each(c)
	}
	s.noteEmpty()
}

// A rest is the listener from which net/http gets its connections.
type rest struct {
	net.Listener
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

// Accept returns the next connection that is not served here.
func (r *rest) Accept() (net.Conn, error) {
	select {
	case c := <-r.conns:
		return c, nil
	case <-r.closed:
		return nil, net.ErrClosed
	}
}

// Close closes the listener itself, the first time.
func (r *rest) Close() (err error) {
	r.once.Do(func() {
		close(r.closed)
		err = r.Listener.Close()
	})
	return err
}

// give hands a connection over, of which head has been read already.
func (r *rest) give(c net.Conn, head []byte) {
	select {
	case r.conns <- &started{Conn: c, head: head}:
	case <-r.closed:
		c.Close()
	}
}

// A started connection has something to be read before what comes from it.
type started struct {
	net.Conn
	head []byte
}

// Read reads.
func (b *started) Read(p []byte) (int, error) {
	if len(b.head) == 0 {
		return b.Conn.Read(p)
	}
	n := copy(p, b.head)
	if b.head = b.head[n:]; len(b.head) == 0 {
		b.head = nil
	}
	return n, nil
}

// CloseWrite has the client see the end of what it is sent. (net/http asks for
// it.)
func (b *started) CloseWrite() error {
	if c, ok := b.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return errors.ErrUnsupported
}
