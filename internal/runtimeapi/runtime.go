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
// A response may also be streamed: then a Begin, Parts and an End stand in place
// of the Response. What goes wrong in the middle of it is told by a Failure in
// place of the End.
//
// A payload may have up to MaxPayload bytes, and a streamed response MaxStream.
// Of a larger one the server takes note and throws it away while it reads it.
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

// MaxStream is how many bytes a streamed response may have.
const MaxStream = 200 << 20

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
	// Stream, if not nil, gets a response that the function streams, as it
	// comes: first the content type, with no data, and then the data, which it
	// must not keep. Without it such a response is returned like any other.
	Stream func(contentType string, data []byte)
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
	// Streamed says that the response was streamed, and given to Stream if there
	// is one. If the function failed in the middle of it, Payload is the error.
	Streamed    bool
	ContentType string // of what was streamed
	// TooLarge says that the response, of Size bytes, is larger than it may be.
	// Payload is nil then.
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
	out    []byte         // buffer for what is written
	part   [32 << 10]byte // of a streamed response
	number uint32         // of the last invocation
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
		if err == nil && h.Type == frame.Begin {
			h, err = r.follow(h, i.Stream, &result)
		}
		switch {
		case err != nil:
			return err
		case h.Type == frame.End && result.Streamed:
		case h.Type == frame.Response && !result.Streamed || h.Type == frame.Failure:
			result.FunctionError = h.Type == frame.Failure
			if err := r.read(h, &result); err != nil {
				return err
			}
		default:
			return unexpected(h)
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

// follow reads a streamed response that has begun, and returns the header of
// what ends it; of an End it has read the body, too.
func (r *Runtime) follow(h frame.Header, stream func(string, []byte), result *Result) (frame.Header, error) {
	left := h.Length
	if err := r.readOwnNumber(&left); err != nil {
		return h, err
	}
	contentType, err := r.readBytes(min(left, maxContentType), &left)
	if err != nil || left > 0 {
		return h, errors.Join(err, tooLong(left))
	}
	result.Streamed, result.ContentType = true, string(contentType)
	if stream != nil {
		stream(result.ContentType, nil)
	}
	for {
		if h, err = frame.ReadHeader(r.in); err != nil || h.Type != frame.Part && h.Type != frame.End {
			return h, err
		}
		left := h.Length
		if err := r.readOwnNumber(&left); err != nil {
			return h, err
		}
		if h.Type == frame.End {
			return h, tooLong(left)
		}
		if err := r.readPart(left, stream, result); err != nil {
			return h, err
		}
	}
}

// maxContentType bounds a content type, in bytes.
const maxContentType = 1024

func tooLong(left int) error {
	if left == 0 {
		return nil
	}
	return fmt.Errorf("%w: body is too long", frame.ErrFormat)
}

// readPart reads a part of a streamed response, of so many bytes.
func (r *Runtime) readPart(left int, stream func(string, []byte), result *Result) error {
	for left > 0 {
		n := min(left, len(r.part))
		if _, err := io.ReadFull(r.in, r.part[:n]); err != nil {
			return err
		}
		left -= n
		result.addPart(r.part[:n], stream)
	}
	return nil
}

// addPart adds a part of a streamed response.
func (r *Result) addPart(data []byte, stream func(string, []byte)) {
	most := MaxStream
	if stream == nil {
		most = MaxPayload
	}
	r.Size += len(data)
	switch {
	case r.Size > most:
		r.TooLarge, r.Payload = true, nil
	case stream != nil:
		stream(r.ContentType, data)
	default:
		r.Payload = append(r.Payload, data...)
	}
}

// readOwnNumber reads the number of the invocation, which must be this one's.
func (r *Runtime) readOwnNumber(left *int) error {
	number, err := r.readNumber(4, left)
	if err == nil && uint32(number) != r.number {
		err = fmt.Errorf("%w: answer to invocation %d in %d", frame.ErrFormat, number, r.number)
	}
	return err
}

// read reads the body of an answer or of an InitFailure into result.
func (r *Runtime) read(h frame.Header, result *Result) error {
	left := h.Length
	if h.Type != frame.InitFailure {
		if err := r.readOwnNumber(&left); err != nil {
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
	if !result.Streamed {
		result.Size = left
	}
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
