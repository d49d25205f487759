package http1

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A client is a connection to a server.
type client struct {
	net.Conn
	t        *testing.T
	received *bufio.Reader
}

func dial(t *testing.T, address string) client {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return newClient(t, c)
}

func newClient(t *testing.T, c net.Conn) client {
	t.Helper()
	t.Cleanup(func() { c.Close() })
	if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return client{c, t, bufio.NewReader(c)}
}

// A pipes is a listener on which clients connect within the process, so that a
// test can be in a bubble, where time passes only while everybody waits.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p pipes) Close() error {
	close(p.closed)
	return nil
}

func (p pipes) Addr() net.Addr { return nil }

// inBubble runs a test with a connection to a server, in a bubble.
func inBubble(t *testing.T, handler http.HandlerFunc, test func(*testing.T, client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s, l := New(quiet(handler)), pipes{make(chan net.Conn), make(chan struct{})}
		served := make(chan error)
		go func() { served <- s.Serve(l) }()
		ours, theirs := net.Pipe()
		l.conns <- theirs
		test(t, newClient(t, ours))
		ours.Close()
		s.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
}

func (c client) send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		c.t.Fatal(err)
	}
}

func (c client) reply() *http.Response {
	c.t.Helper()
	r, err := http.ReadResponse(c.received, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	return r
}

// answered reads a reply with the body wanted.
func (c client) answered(want string) {
	c.t.Helper()
	body, err := io.ReadAll(c.reply().Body)
	if err != nil || string(body) != want {
		c.t.Errorf("the reply is %q, %v, not %q", body, err, want)
	}
}

// ended waits until the server closes the connection.
func (c client) ended() {
	c.t.Helper()
	if n, err := c.received.Read(make([]byte, 1)); n > 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Errorf("the connection has not been closed: %d bytes, %v", n, err)
	}
}

// listenerIsClosed waits until nobody can connect any more.
func (c client) listenerIsClosed() {
	for {
		other, err := net.Dial("tcp", c.RemoteAddr().String())
		if err != nil {
			return
		}
		other.Close()
	}
}

func TestAHandlerIsToldThatItsClientHasGone(t *testing.T) {
	gone := make(chan error, 1)
	address := serve(t, New(quiet(func(_ http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
		defer cancel()
		<-ctx.Done()
		gone <- ctx.Err()
	})))
	for name, sent := range map[string]string{"without a body": plain("/", ""), "with one": plain("/", "x"), "behind it": plain("/", "") + "POST"} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, address)
			c.send(sent)
			c.Close()
			if err := <-gone; !errors.Is(err, context.Canceled) {
				t.Errorf("the context ended with %v", err)
			}
		})
	}
}

func TestAHandlerIsToldOnlyOnceTheBodyHasCome(t *testing.T) {
	asked, gone := make(chan struct{}), make(chan error, 1)
	inBubble(t, func(_ http.ResponseWriter, r *http.Request) {
		done := r.Context().Done()
		close(asked)
		time.Sleep(2 * patience)
		body, err := io.ReadAll(r.Body)
		<-done
		gone <- errors.Join(err, r.Context().Err())
		if string(body) != "hello" {
			t.Errorf("the body is %q", body)
		}
	}, func(t *testing.T, c client) {
		c.send(strings.TrimSuffix(plain("/", "hello"), "llo"))
		<-asked
		c.send("llo")
		c.Close()
		if err := <-gone; err == nil || err.Error() != context.Canceled.Error() {
			t.Errorf("the handler has seen %v", err)
		}
	})
}

func TestAHandlerIsToldThatItsBodyWillNotCome(t *testing.T) {
	gone := make(chan error, 1)
	address := serve(t, New(quiet(func(_ http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err == nil {
			t.Error("the body has come")
		}
		<-r.Context().Done()
		gone <- r.Context().Err()
	})))
	c := dial(t, address)
	c.send(strings.TrimSuffix(plain("/", "hello"), "llo"))
	c.Close()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("the context ended with %v", err)
	}
}

func TestWhoAsksIsToldThatTheClientHasGone(t *testing.T) {
	asked, gone := make(chan struct{}), make(chan struct{})
	address := serve(t, New(quiet(func(_ http.ResponseWriter, r *http.Request) {
		defer close(gone)
		if err := r.Context().Err(); err != nil {
			t.Errorf("at first the context says %v", err)
		}
		close(asked)
		for r.Context().Err() == nil {
			runtime.Gosched()
		}
	})))
	c := dial(t, address)
	c.send(plain("/", ""))
	<-asked
	c.Close()
	<-gone
}

func TestAConnectionThatHasWaitedIsServedOn(t *testing.T) {
	inBubble(t, func(w http.ResponseWriter, r *http.Request) {
		r.Context().Done()
		time.Sleep(2 * patience)
		if _, ok := w.(*reply); !ok {
			t.Error("net/http has been given the connection")
		}
	}, func(_ *testing.T, c client) {
		for range 20 {
			c.send(plain("/", ""))
			c.answered("")
		}
	})
}

func TestWhatComesWhileAHandlerWaitsIsTheNextRequest(t *testing.T) {
	inBubble(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			r.Context().Done()
			time.Sleep(time.Second)
		}
		if r.Method != http.MethodPost {
			t.Errorf("the method is %q", r.Method)
		}
		body, _ := io.ReadAll(r.Body)
		w.Write(body)
	}, func(_ *testing.T, c client) {
		c.send(plain("/slow", "one"))
		time.Sleep(2 * patience)                                    // by then somebody reads
		go io.WriteString(c, plain("/", "two")+plain("/", "three")) // what is lost is missed below
		c.answered("one")
		c.answered("two")
		c.answered("three")
		c.send(plain("/", "four"))
		c.answered("four")
	})
}

func TestAContextIsOverWithItsRequest(t *testing.T) {
	kept := make(chan context.Context, 2)
	address := serve(t, New(quiet(func(w http.ResponseWriter, r *http.Request) {
		if r.Context().Err() != nil {
			t.Errorf("the context is over at once")
		}
		if r.URL.Path == "/asks" {
			r.Context().Done()
		}
		if r.Context().Value(http.ServerContextKey) == nil || r.Context().Value(http.LocalAddrContextKey) == nil {
			t.Errorf("the context has no values")
		}
		kept <- r.Context()
	})))
	for _, path := range []string{"/", "/asks"} {
		c := dial(t, address)
		c.send(plain(path, ""))
		c.answered("")
		c.send(plain(path, "")) // the one before is over
		c.answered("")
		ctx := <-kept
		<-kept
		<-ctx.Done()
		if err := ctx.Err(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: the context has ended with %v", path, err)
		}
	}
}

func TestAStreamArrivesAsItIsFlushed(t *testing.T) {
	proceed := make(chan struct{})
	address := serve(t, New(quiet(func(w http.ResponseWriter, _ *http.Request) {
		for _, part := range []string{"one", "two"} {
			io.WriteString(w, part)
			w.(http.Flusher).Flush()
			<-proceed
		}
	})))
	c := dial(t, address)
	c.send(plain("/", ""))
	r := c.reply()
	for _, want := range []string{"one", "two"} {
		part := make([]byte, 3)
		if _, err := io.ReadFull(r.Body, part); err != nil || string(part) != want {
			t.Fatalf("read %q, %v", part, err)
		}
		proceed <- struct{}{}
	}
	if rest, err := io.ReadAll(r.Body); len(rest) > 0 || err != nil {
		t.Errorf("then read %q, %v", rest, err)
	}
}

func TestAWriteFailsOnceTheClientHasGone(t *testing.T) {
	failed := make(chan error)
	address := serve(t, New(quiet(func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := w.Write(make([]byte, maxHeld)); err != nil {
				failed <- err
				return
			}
		}
	})))
	c := dial(t, address)
	c.send(plain("/", ""))
	c.reply()
	c.Close()
	<-failed
}

func TestAReplyCannotBeWrittenAfterItsHandler(t *testing.T) {
	kept := make(chan http.ResponseWriter, 2)
	address := serve(t, New(quiet(func(w http.ResponseWriter, _ *http.Request) { kept <- w })))
	c := dial(t, address)
	c.send(plain("/", ""))
	c.answered("")
	c.send(plain("/", ""))
	c.answered("")
	w := <-kept
	if _, err := w.Write([]byte("late")); err == nil {
		t.Error("it can be written")
	}
	if err := http.NewResponseController(w).Flush(); err == nil {
		t.Error("it can be flushed")
	}
	<-kept
}

func TestABodyThatDoesNotComeIsGivenUp(t *testing.T) {
	address := serve(t, New(quiet(func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		if err := c.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
			t.Error(err)
		}
		if _, err := io.ReadAll(r.Body); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("reading ended with %v", err)
		}
		if err := c.SetReadDeadline(time.Time{}); err != nil {
			t.Error(err)
		}
		io.WriteString(w, "given up")
	})))
	c := dial(t, address)
	c.send(strings.TrimSuffix(plain("/", strings.Repeat("x", 300<<10)), "x"))
	c.answered("given up")
	c.ended()
}

func TestSilentConnectionsAreClosed(t *testing.T) {
	for name, h := range map[string]*http.Server{
		"from the start":     {ReadHeaderTimeout: time.Millisecond},
		"within a head":      {ReadHeaderTimeout: time.Millisecond, IdleTimeout: time.Hour},
		"after a request":    {IdleTimeout: time.Millisecond},
		"after a long while": {ReadHeaderTimeout: time.Hour, IdleTimeout: 2 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			h.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
			c := dial(t, serve(t, New(h)))
			switch name {
			case "from the start":
			case "within a head":
				c.send("POST / HT") // net/http says that this was too little, or nothing
				io.Copy(io.Discard, c.received)
			default:
				c.send(plain("/", ""))
				c.answered("")
			}
			c.ended()
		})
	}
}

func TestAPanicEndsOnlyItsConnection(t *testing.T) {
	var text bytes.Buffer
	logged := make(chan struct{})
	h := quiet(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/panic" {
			panic("at sea")
		}
	})
	h.ErrorLog = log.New(writerFunc(func(p []byte) (int, error) {
		defer close(logged)
		return text.Write(p)
	}), "", 0)
	address := serve(t, New(h))
	c := dial(t, address)
	c.send(plain("/panic", ""))
	c.ended()
	<-logged
	if !strings.Contains(text.String(), "at sea") {
		t.Errorf("the log says %q", text.String())
	}
	c = dial(t, address)
	c.send(plain("/", ""))
	c.answered("")
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestAStopAnswersWhatHasBeenAskedAndWaitsForNothingElse(t *testing.T) {
	busy, proceed := make(chan struct{}), make(chan struct{})
	s := New(quiet(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/busy" {
			busy <- struct{}{}
			<-proceed
		}
		io.WriteString(w, r.URL.Path)
	}))
	address := serve(t, s)
	silent, idle, working, other := dial(t, address), dial(t, address), dial(t, address), dial(t, address)
	idle.send(plain("/idle", ""))
	idle.answered("/idle")
	working.send(plain("/busy", ""))
	<-busy
	other.send("POST /busy HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
	<-busy
	now, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Shutdown(now); !errors.Is(err, context.Canceled) {
		t.Errorf("shutting down, without time, ended with %v", err)
	}
	silent.ended()
	idle.ended()
	stopped := make(chan error)
	go func() { stopped <- s.Shutdown(t.Context()) }()
	close(proceed)
	for _, c := range []client{working, other} {
		r := c.reply()
		if body, err := io.ReadAll(r.Body); string(body) != "/busy" || err != nil || !r.Close {
			t.Errorf("the reply is %q, %v, and closes the connection: %v", body, err, r.Close)
		}
		c.ended()
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if c, err := net.Dial("tcp", address); err == nil {
		c.Close()
		t.Error("it still listens")
	}
	if l, err := net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Error(err)
	} else if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		t.Errorf("serving again ended with %v", err)
	}
}

func TestAStopThatHasTimeEndsWithoutAnError(t *testing.T) {
	for range 100 { // Serve and Shutdown close the same listener
		busy, proceed := make(chan struct{}), make(chan struct{})
		s := New(quiet(func(w http.ResponseWriter, _ *http.Request) {
			close(busy)
			<-proceed
			io.WriteString(w, "answered")
		}))
		c := dial(t, serve(t, s))
		c.send(plain("/", ""))
		<-busy
		stopped := make(chan error)
		go func() { stopped <- s.Shutdown(t.Context()) }()
		c.listenerIsClosed()
		close(proceed)
		c.answered("answered")
		if err := <-stopped; err != nil {
			t.Fatal(err)
		}
	}
}

// scarce is a listener that has no more file descriptors at first.
type scarce struct {
	net.Listener
	failures atomic.Int32
}

func (l *scarce) Accept() (net.Conn, error) {
	if l.failures.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", passing[1])}
	}
	return l.Listener.Accept()
}

func TestAcceptingGoesOnOnceThereAreFileDescriptorsAgain(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	few := &scarce{Listener: l}
	few.failures.Store(2)
	s := New(quiet(func(http.ResponseWriter, *http.Request) {}))
	served := make(chan error)
	go func() { served <- s.Serve(few) }()
	c := dial(t, l.Addr().String())
	c.send(plain("/", ""))
	c.answered("")
	s.Close()
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
	few.failures.Store(0)
}

func TestServingEndsWithItsListener(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := New(quiet(nil)).Serve(l); !errors.Is(err, net.ErrClosed) {
		t.Errorf("serving ended with %v", err)
	}
}

// named is a listener by which a base context is told from others.
type named struct {
	net.Listener
	name string
}

func TestEveryConnectionHasTheContextOfItsListener(t *testing.T) {
	type key struct{}
	h := quiet(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Context().Value(key{}).(string)) })
	h.BaseContext = func(l net.Listener) context.Context { return context.WithValue(t.Context(), key{}, l.(named).name) }
	s := New(h)
	for _, name := range []string{"one", "two"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error)
		go func() { served <- s.Serve(named{l, name}) }()
		t.Cleanup(func() {
			s.Close()
			<-served
		})
		c := dial(t, l.Addr().String())
		c.send(plain("/", ""))
		c.answered(name)
		c.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n") // net/http's
		c.answered(name)
	}
}

// A plain request costs this many allocations, those of a handler that reads and
// answers it included.
func BenchmarkRequest(b *testing.B) {
	handler := func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Length", "2")
		io.WriteString(w, "ok")
	}
	request := []byte(plain("/", strings.Repeat("x", 1024)))
	for name, s := range map[string]server{"http1": New(quiet(handler)), "net/http": quiet(handler)} {
		b.Run(name, func(b *testing.B) {
			c, err := net.Dial("tcp", serve(b, s))
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			reply := make([]byte, 4096)
			b.ReportAllocs()
			for b.Loop() {
				c.Write(request)
				if _, err := c.Read(reply); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
