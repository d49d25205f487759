// Package runtimetest has runtimes that run inside of tests, over any
// connection that package runtimeapi takes, such as an end of net.Pipe.
package runtimetest

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"

	"naru/internal/runtimeapi"
	"naru/internal/runtimeapi/internal/frame"
)

// Handler is a function. It returns a response, or, if failure is not nil, the
// description of an error: JSON with errorType and errorMessage.
type Handler func(i runtimeapi.Invocation) (payload, failure []byte)

// Serve is a runtime that is ready at once and runs handler for every
// invocation until the connection is closed, which is no error. It does not
// close conn itself.
func Serve(conn net.Conn, handler Handler) error {
	out := frame.Header{Type: frame.Next}.Append(nil)
	for {
		if _, err := conn.Write(out); err != nil {
			return unlessClosed(err)
		}
		number, i, err := next(conn)
		if err != nil {
			return unlessClosed(err)
		}
		out = answer(number, handler, i)
	}
}

// ServeStream is Serve for a function that streams its responses: it is given a
// writer, and returns the description of an error, or nil.
func ServeStream(conn net.Conn, contentType string, handler func(i runtimeapi.Invocation, w io.Writer) (failure []byte)) error {
	out := frame.Header{Type: frame.Next}.Append(nil)
	for {
		if _, err := conn.Write(out); err != nil {
			return unlessClosed(err)
		}
		number, i, err := next(conn)
		if err != nil {
			return unlessClosed(err)
		}
		w := &streamed{conn, number}
		if _, err := w.frame(frame.Begin, []byte(contentType)); err != nil {
			return unlessClosed(err)
		}
		failure := handler(i, w)
		kind, body := frame.End, []byte(nil)
		if failure != nil {
			kind, body = frame.Failure, append(frame.AppendShort(nil, errorType(failure)), failure...)
		}
		if _, err := w.frame(kind, body); err != nil {
			return unlessClosed(err)
		}
	}
}

// streamed writes the frames of a streamed response.
type streamed struct {
	conn   net.Conn
	number uint32
}

func (s *streamed) frame(kind frame.Type, body []byte) (int, error) {
	out := frame.Header{Type: kind, Length: 4 + len(body)}.Append(nil)
	out = append(binary.BigEndian.AppendUint32(out, s.number), body...)
	if _, err := s.conn.Write(out); err != nil {
		return 0, err
	}
	return len(body), nil
}

// Write sends a part of the response.
func (s *streamed) Write(p []byte) (int, error) { return s.frame(frame.Part, p) }

// InitError reports that the function's code can't be run, with a description
// of the error as in Handler.
func InitError(conn net.Conn, failure []byte) error {
	body := append(frame.AppendShort(nil, errorType(failure)), failure...)
	_, err := conn.Write(append(frame.Header{Type: frame.InitFailure, Length: len(body)}.Append(nil), body...))
	return err
}

// next reads an invocation.
func next(conn net.Conn) (uint32, runtimeapi.Invocation, error) {
	h, err := frame.ReadHeader(conn)
	if err != nil {
		return 0, runtimeapi.Invocation{}, err
	}
	if h.Type != frame.Invoke {
		return 0, runtimeapi.Invocation{}, fmt.Errorf("%w: frame of type %d", frame.ErrFormat, h.Type)
	}
	body := make([]byte, h.Length)
	if _, err := io.ReadFull(conn, body); err != nil {
		return 0, runtimeapi.Invocation{}, err
	}
	call, payload, err := frame.ParseInvoke(body)
	return call.Number, runtimeapi.Invocation{
		RequestID: call.RequestID, Deadline: call.Deadline, FunctionARN: call.ARN, TraceID: call.TraceID,
		ClientContext: call.ClientContext, Identity: call.Identity, Payload: payload,
	}, err
}

// answer runs handler and returns its answer and a Next.
func answer(number uint32, handler Handler, i runtimeapi.Invocation) []byte {
	payload, failure := handler(i)
	kind, body := frame.Response, binary.BigEndian.AppendUint32(nil, number)
	if failure != nil {
		kind, payload = frame.Failure, failure
		body = frame.AppendShort(body, errorType(failure))
	}
	out := frame.Header{Type: kind, Length: len(body) + len(payload)}.Append(nil)
	out = append(append(out, body...), payload...)
	return frame.Header{Type: frame.Next}.Append(out)
}

// errorType returns the errorType in the description of an error; "" if it has
// none.
func errorType(failure []byte) string {
	var description struct {
		ErrorType string `json:"errorType"`
	}
	_ = json.Unmarshal(failure, &description) // handlers of tests may return anything
	return description.ErrorType
}

// unlessClosed returns err, but nil if it says that the connection was closed.
func unlessClosed(err error) error {
	if frame.Ended(err) {
		return nil
	}
	return err
}
