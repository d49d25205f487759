package http1

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"
)

// A conn is a connection. It is served by one goroutine.
type conn struct {
	net.Conn
	server *Server
	rest   *rest
	base   context.Context
	remote string
	state  atomic.Int32 // idle, busy or closed

	buffer   []byte // what has been read and not been used
	early    []byte // what was read behind the request that is being answered (see life)
	deadline time.Time
}

const (
	idle int32 = iota // between requests
	busy
	closed
)

// maxHead bounds the head of a plain request.
const maxHead = 4 << 10

// lingering is how long a client that is still sending is listened to, for it to
// read a reply after which the connection is closed.
const lingering = 500 * time.Millisecond

func (c *conn) closeIdle() {
	if c.state.CompareAndSwap(idle, closed) {
		c.Close()
	}
}

// serve answers requests until the client has no more of them, one is not
// plain, or the server stops.
func (c *conn) serve() {
	memory := make([]byte, 0, maxHead)
	c.buffer = memory
	given, posted := false, false
	defer func() {
		c.server.forget(c)
		if !given {
			c.Close()
		}
	}()
	wait := c.server.http.ReadHeaderTimeout
	for {
		if len(c.buffer) == len(c.early) && !c.fill(wait) {
			return
		}
		c.early = c.early[:0]
		if posted {
			if c.buffer = withoutBlank(c.buffer); len(c.buffer) == 0 {
				continue
			}
		}
		head, after, whole := bytes.Cut(c.buffer, []byte("\r\n\r\n"))
		var r *http.Request
		if whole {
			r = parse(string(c.buffer[:len(head)+2]))
		}
		if r == nil {
			given = true
			c.SetReadDeadline(time.Time{})
			c.rest.give(c.Conn, bytes.Clone(c.buffer))
			return
		}
		c.buffer = after
		if !c.state.CompareAndSwap(idle, busy) || !c.answer(r) {
			return
		}
		c.state.Store(idle)
		if c.server.closing.Load() {
			return
		}
		posted = r.Method == http.MethodPost
		c.buffer = append(append(memory, c.buffer...), c.early...)
		wait = c.server.http.IdleTimeout
	}
}

// withoutBlank returns what follows the line breaks that some clients send
// behind the body of a POST.
func withoutBlank(b []byte) []byte {
	n := 0
	for n < min(4, len(b)) && (b[n] == '\r' || b[n] == '\n') {
		n++
	}
	return b[n:]
}

// fill reads what comes next, behind the little that is there already. It gives up
// after the time given (0: never), or up to a tenth of it earlier.
func (c *conn) fill(wait time.Duration) bool {
	latest := time.Time{}
	if wait > 0 {
		latest = time.Now().Add(wait)
	}
	if c.deadline.After(latest) || c.deadline.Before(latest.Add(-wait/10)) { // to set one costs
		c.setReadDeadline(latest)
	}
	have := len(c.buffer)
	n, _ := c.Read(c.buffer[have:cap(c.buffer)])
	c.buffer = c.buffer[:have+n]
	return n > 0
}

// hasEnded reports whether the client has closed the connection, and nothing is
// left to be read.
func (c *conn) hasEnded() (ended bool) {
	s, ok := c.Conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return true
	}
	_ = raw.Read(func(fd uintptr) bool { // past a deadline there is nothing to be seen
		var next [1]byte
		n, _, err := syscall.Recvfrom(int(fd), next[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		ended = err == nil && n == 0 || errors.Is(err, syscall.ECONNRESET)
		return true
	})
	return ended
}

func (c *conn) setReadDeadline(t time.Time) error {
	c.deadline = t
	return c.SetReadDeadline(t)
}

// answer has the handler answer a request, and reports whether the connection
// can be used again.
func (c *conn) answer(r *http.Request) (again bool) {
	l := &life{Context: c.base, conn: c}
	defer l.end()
	r = r.WithContext(l)
	r.RemoteAddr = c.remote
	r.Body = http.NoBody
	b := &body{conn: c, life: l, left: r.ContentLength}
	if b.left > 0 {
		r.Body = b
		if l.unread = b.outside() > 0; l.unread && !c.deadline.IsZero() {
			c.setReadDeadline(time.Time{})
		}
	}
	w := &reply{conn: c, body: b, header: make(http.Header, 4), last: r.Close, length: unknown}
	defer w.release()
	defer func() {
		if err := recover(); err != nil {
			again = false
			if err != http.ErrAbortHandler {
				c.server.http.ErrorLog.Printf("http1: panic while answering %s: %v\n%s", c.remote, err, debug.Stack())
			}
		}
	}()
	c.server.http.Handler.ServeHTTP(w, r)
	b.gone = true
	l.end() // before the client has its reply, and goes on
	if !w.finish() {
		return false
	}
	if w.last {
		c.linger(b)
		return false
	}
	return true
}

// linger ends what is sent, and has the client, which may be sending still, read
// the reply before the connection is closed.
func (c *conn) linger(b *body) {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok || b.outside() == 0 || half.CloseWrite() != nil {
		return
	}
	if c.setReadDeadline(time.Now().Add(lingering)) == nil {
		_, _ = io.Copy(io.Discard, c.Conn) // until the client has enough, or the time is up
	}
}

// A body is that of a request. What is in the connection's buffer comes first.
type body struct {
	conn *conn
	life *life
	left int64 // bytes not read yet
	gone bool  // the handler has closed it, or returned
	err  error // why it cannot be read any further
}

// outside returns how many bytes the connection still has to bring.
func (b *body) outside() int64 { return max(0, b.left-int64(len(b.conn.buffer))) }

// Read reads.
func (b *body) Read(p []byte) (int, error) {
	if b.gone {
		return 0, http.ErrBodyReadAfterClose
	}
	if b.err != nil {
		return 0, b.err
	}
	if b.left == 0 {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), b.left)]
	if len(b.conn.buffer) > 0 {
		n := copy(p, b.conn.buffer)
		b.conn.buffer = b.conn.buffer[n:]
		b.left -= int64(n)
		return n, nil
	}
	n, err := b.conn.Read(p)
	if b.left -= int64(n); b.left == 0 {
		b.life.note(func() { b.life.unread = false })
		return n, nil
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if b.err = err; err != nil {
		b.life.lose()
	}
	return n, err
}

// Close lets the rest of the body be.
func (b *body) Close() error {
	b.gone = true
	return nil
}

// maxDrained bounds what is read of a body that the handler has not.
const maxDrained = 256 << 10

// drain reads what the handler has left, and reports whether a request may
// follow it.
func (b *body) drain() bool {
	if b.left > maxDrained {
		return false
	}
	if b.left == 0 || b.err != nil {
		return b.err == nil || b.err == io.ErrUnexpectedEOF // after which the connection ends by itself
	}
	b.gone = false
	defer b.Close()
	if t := b.conn.server.http.ReadHeaderTimeout; t > 0 && b.outside() > 0 {
		if b.conn.setReadDeadline(time.Now().Add(t)) != nil {
			return false
		}
		defer b.conn.setReadDeadline(time.Time{})
	}
	_, err := io.Copy(io.Discard, b)
	return err == nil
}
