// Package frame is the wire format between Naru and the runtimes that it
// brings along. Package runtimeapi says who sends what when.
//
// All numbers are big-endian. A frame is a header of eight bytes and a body:
//
//	version  1 byte   1
//	type     1 byte   see Type
//	zero     2 bytes
//	length   4 bytes  of the body
//
// and the bodies are
//
//	Next       nothing
//	Response   number (4), payload (the rest)
//	Failure    number (4), type of error (short), payload
//	Begin      number (4), content type (the rest)
//	Part       number (4), bytes of the response
//	End        number (4)
//	InitFailure            type of error (short), payload
//	Invoke     number (4), deadline (8, milliseconds since 1970),
//	           request id, function ARN, trace id (short each),
//	           client context, identity (long each), payload
//
// where short is a string behind its length in 2 bytes, and long one behind
// its length in 4. The number is that of the invocation on this connection,
// counted from 1; what answers it repeats it.
package frame

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"
)

// Version is the version of the format.
const Version = 1

// HeaderSize is the length of a header in bytes.
const HeaderSize = 8

// ErrFormat is returned for what is not a frame, or not the one that was due.
var ErrFormat = errors.New("runtime does not keep to the protocol")

// Type is what a frame is for.
type Type byte

// The types. Runtimes send all but the last.
const (
	Next        Type = 1 // asks for an invocation; the first says that init is done
	Response    Type = 2 // what the handler returned
	Failure     Type = 3 // the handler failed, maybe in the middle of a streamed response
	InitFailure Type = 4 // there won't be a Next
	Begin       Type = 5 // the response is streamed: Parts follow, and an End or a Failure
	Part        Type = 6
	End         Type = 7
	Invoke      Type = 16
)

// Header is the header of a frame.
type Header struct {
	Type   Type
	Length int // of the body
}

// Append appends the header to b.
func (h Header) Append(b []byte) []byte {
	b = append(b, Version, byte(h.Type), 0, 0)
	return binary.BigEndian.AppendUint32(b, uint32(h.Length))
}

// ReadHeader reads a header. It returns io.EOF if nothing follows.
func ReadHeader(r io.Reader) (Header, error) {
	var b [HeaderSize]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return Header{}, err
	}
	if b[0] != Version || b[2] != 0 || b[3] != 0 {
		return Header{}, fmt.Errorf("%w: header % x", ErrFormat, b)
	}
	return Header{Type: Type(b[1]), Length: int(binary.BigEndian.Uint32(b[4:]))}, nil
}

// Ended reports whether err is what reading and writing give when either end of
// a connection is closed.
func Ended(err error) bool {
	for _, end := range []error{io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, net.ErrClosed, syscall.EPIPE, syscall.ECONNRESET} {
		if errors.Is(err, end) {
			return true
		}
	}
	return false
}

// Call is the body of an Invoke but for its payload.
type Call struct {
	Number                  uint32
	Deadline                time.Time // to the millisecond
	RequestID, ARN, TraceID string
	ClientContext, Identity []byte // empty if there is none
}

// size is the length of c as Append writes it.
func (c *Call) size() int {
	return 4 + 8 + 3*2 + len(c.RequestID) + len(c.ARN) + len(c.TraceID) + 2*4 + len(c.ClientContext) + len(c.Identity)
}

// AppendInvoke appends the header and the body of an Invoke to b, all but the
// payload, of which it is given the length.
func AppendInvoke(b []byte, c Call, payload int) []byte {
	b = Header{Invoke, c.size() + payload}.Append(b)
	b = binary.BigEndian.AppendUint32(b, c.Number)
	b = binary.BigEndian.AppendUint64(b, uint64(c.Deadline.UnixMilli()))
	for _, s := range []string{c.RequestID, c.ARN, c.TraceID} {
		b = AppendShort(b, s)
	}
	for _, s := range [][]byte{c.ClientContext, c.Identity} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	return b
}

// AppendShort appends a short string to b. Of one that is longer than a short
// string may be, it appends the beginning.
func AppendShort(b []byte, s string) []byte {
	s = s[:min(len(s), 1<<16-1)]
	b = binary.BigEndian.AppendUint16(b, uint16(len(s)))
	return append(b, s...)
}

// A Body is what is left to read of a body.
type Body []byte

// Number takes a number of n bytes off the body.
func (b *Body) Number(n int) (value uint64, err error) {
	bytes, err := b.take(n)
	for _, digit := range bytes {
		value = value<<8 | uint64(digit)
	}
	return value, err
}

// String takes a string off the body behind its length in n bytes.
func (b *Body) String(n int) ([]byte, error) {
	length, err := b.Number(n)
	if err != nil {
		return nil, err
	}
	return b.take(int(length))
}

func (b *Body) take(n int) ([]byte, error) {
	if n < 0 || n > len(*b) {
		return nil, fmt.Errorf("%w: body is too short", ErrFormat)
	}
	taken := (*b)[:n]
	*b = (*b)[n:]
	return taken, nil
}

// ParseInvoke parses the body of an Invoke. The payload and the two documents
// are parts of it.
func ParseInvoke(body Body) (c Call, payload []byte, err error) {
	var errs []error
	number := func(n int) uint64 {
		value, err := body.Number(n)
		errs = append(errs, err)
		return value
	}
	text := func(n int) []byte {
		value, err := body.String(n)
		errs = append(errs, err)
		return value
	}
	c.Number = uint32(number(4))
	c.Deadline = time.UnixMilli(int64(number(8)))
	c.RequestID, c.ARN, c.TraceID = string(text(2)), string(text(2)), string(text(2))
	c.ClientContext, c.Identity = text(4), text(4)
	return c, body, errors.Join(errs...)
}
