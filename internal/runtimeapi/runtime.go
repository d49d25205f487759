// Package runtimeapi is how Naru talks to the runtime in one environment, and
// the runtimes that it brings along.
//
// A runtime is a process that loads a function's code and runs it. The ones
// that are embedded here (see NodeCommand) inherit one end of a socket pair as
// descriptor 3, and whoever holds the other end is their server: there is no
// address, no port and nothing to authenticate. What goes over it are the
// frames of package internal/frame:
//
//	runtime                               server
//	   │  loads the function's code          │
//	   ├─── Next, or InitFailure ──────────▶│  Ready returns
//	   │                                     │
//	   │◀────────────────────────── Invoke ─┤  Invoke is called
//	   │  runs the handler                   │
//	   ├─── Response or Failure, Next ─────▶│  Invoke returns
//	   │                                     │
//
// The runtime sends its answer and the Next that follows in one write, but
// after everything that the handler wrote to its output. If it is about to
// end, as after an exception that nobody caught, it leaves out the Next. An
// invocation is over only with the next Next, as with AWS: until then the
// function may still be doing something.
//
// A payload may have up to MaxPayload bytes. Of a larger one the server takes
// note and throws it away while it reads it.
package runtimeapi

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"naru/internal/runtimeapi/internal/frame"
)

// MaxPayload is how many bytes a response may have: what AWS names in the
// error that it gives for larger ones.
const MaxPayload = 6<<20 + 100

// ErrEnded is returned when the runtime ended, or closed its connection,
// before it had answered.
var ErrEnded = errors.New("runtime ended")

// Invocation is what a function is invoked with.
type Invocation struct {
	RequestID   string
	Deadline    time.Time // of which the function sees the milliseconds
	FunctionARN string    // as it was invoked, with the qualifier
	TraceID     string    // X-Ray trace header; may be empty
	// ClientContext and Identity are JSON; may be empty.
	ClientContext, Identity []byte
	Payload                 []byte // JSON
}

// Result is what a function answered.
type Result struct {
	// Payload is JSON: what the handler returned, or a description of the
	// error.
	Payload []byte
	// FunctionError says that the function failed, ErrorType with what kind of
	// error: for instance "Runtime.ImportModuleError" or "TypeError".
	FunctionError bool
	ErrorType     string
	// TooLarge says that the payload, of Size bytes, is larger than
	// MaxPayload. Payload is nil then.
	TooLarge bool
	Size     int
	// Ended says that the runtime did not ask for more work, but ended.
	Ended bool
}

// InitError is returned by Ready if the function's code can't be run.
type InitError struct {
	Type    string // for instance "Runtime.ImportModuleError"
	Payload []byte // JSON, as in Result
}

func (e *InitError) Error() string { return "init failed: " + e.Type }

// A Runtime is the server's end of a connection. Its methods must not be
// called at the same time. After the first error it is of no more use: the
// same error is returned for ever.
type Runtime struct {
	conn   net.Conn
	in     *bufio.Reader
	out    []byte // buffer for what is written
	number uint32 // of the last invocation
	broken error
}

// small is up to where a payload is copied to be written with what goes
// before it.
const small = 16 << 10

// New returns the server's end of a connection with a runtime. The caller
// closes conn.
func New(conn net.Conn) *Runtime {
	return &Runtime{conn: conn, in: bufio.NewReader(conn)}
}

// Ready returns nil once the runtime asks for work, and an *InitError if it
// can't do any.
func (r *Runtime) Ready(ctx context.Context) error {
	return r.while(ctx, func() error {
		h, err := frame.ReadHeader(r.in)
		switch {
		case err != nil:
			return err
		case h.Type == frame.Next && h.Length == 0:
			return nil
		case h.Type == frame.InitFailure:
			result := Result{FunctionError: true}
			if err := r.read(h, &result); err != nil {
				return err
			}
			return &InitError{Type: result.ErrorType, Payload: result.Payload}
		}
		return unexpected(h)
	})
}

// Invoke has the runtime run the function and returns its answer. The runtime
// must have asked for work. Function errors are results; an error means that
// there is no answer: ErrEnded, or ctx's.
func (r *Runtime) Invoke(ctx context.Context, i Invocation) (result Result, err error) {
	err = r.while(ctx, func() error {
		if err := r.send(i); err != nil {
			return err
		}
		h, err := frame.ReadHeader(r.in)
		if err != nil {
			return err
		}
		if h.Type != frame.Response && h.Type != frame.Failure {
			return unexpected(h)
		}
		result.FunctionError = h.Type == frame.Failure
		if err := r.read(h, &result); err != nil {
			return err
		}
		result.Ended, err = r.settled()
		return err
	})
	if err != nil {
		return Result{}, err
	}
	if result.Ended {
		r.broken = ErrEnded
	}
	return result, nil
}

// while runs f, which reads and writes. If ctx ends, so does f.
func (r *Runtime) while(ctx context.Context, f func() error) error {
	if r.broken != nil {
		return r.broken
	}
	cut := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() { cut <- r.conn.SetDeadline(time.Unix(1, 0)) })
	err := f()
	if !stop() {
		if err := <-cut; err != nil && !errors.Is(err, net.ErrClosed) {
			return err
		}
		if err == nil { // just in time
			err = r.conn.SetDeadline(time.Time{})
		}
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = ctx.Err()
	case frame.Ended(err):
		err = fmt.Errorf("%w: %w", ErrEnded, err)
	}
	r.broken = err
	return err
}

func unexpected(h frame.Header) error {
	return fmt.Errorf("%w: frame of type %d and %d bytes", frame.ErrFormat, h.Type, h.Length)
}

// send sends an Invoke.
func (r *Runtime) send(i Invocation) error {
	r.number++
	r.out = frame.AppendInvoke(r.out[:0], frame.Call{
		Number: r.number, Deadline: i.Deadline,
		RequestID: i.RequestID, ARN: i.FunctionARN, TraceID: i.TraceID,
		ClientContext: i.ClientContext, Identity: i.Identity,
	}, len(i.Payload))
	if len(i.Payload) <= small {
		r.out = append(r.out, i.Payload...)
		_, err := r.conn.Write(r.out)
		return err
	}
	_, err := (&net.Buffers{r.out, i.Payload}).WriteTo(r.conn)
	return err
}

// read reads the body of an answer or of an InitFailure into result.
func (r *Runtime) read(h frame.Header, result *Result) error {
	left := h.Length
	if h.Type != frame.InitFailure {
		number, err := r.readNumber(4, &left)
		if err == nil && uint32(number) != r.number {
			err = fmt.Errorf("%w: answer to invocation %d in %d", frame.ErrFormat, number, r.number)
		}
		if err != nil {
			return err
		}
	}
	if result.FunctionError {
		length, err := r.readNumber(2, &left)
		if err != nil {
			return err
		}
		text, err := r.readBytes(length, &left)
		if err != nil {
			return err
		}
		result.ErrorType = string(text)
	}
	result.Size = left
	if left > MaxPayload {
		result.TooLarge = true
		_, err := io.CopyN(io.Discard, r.in, int64(left))
		return err
	}
	payload, err := r.readBytes(left, &left)
	result.Payload = payload
	return err
}

func (r *Runtime) readNumber(n int, left *int) (int, error) {
	var b [4]byte
	if *left < n {
		return 0, fmt.Errorf("%w: body is too short", frame.ErrFormat)
	}
	*left -= n
	_, err := io.ReadFull(r.in, b[4-n:])
	return int(binary.BigEndian.Uint32(b[:])), err
}

func (r *Runtime) readBytes(n int, left *int) ([]byte, error) {
	if *left < n {
		return nil, fmt.Errorf("%w: body is too short", frame.ErrFormat)
	}
	*left -= n
	b := make([]byte, n)
	_, err := io.ReadFull(r.in, b)
	return b, err
}

// settled waits until the runtime has done everything that the invocation left
// to do. It reports whether it has ended with that.
func (r *Runtime) settled() (bool, error) {
	h, err := frame.ReadHeader(r.in)
	switch {
	case frame.Ended(err):
		return true, nil
	case err != nil:
		return false, err
	case h.Type == frame.Next && h.Length == 0:
		return false, nil
	}
	return false, unexpected(h)
}
