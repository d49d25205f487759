package http1

import (
	"errors"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http/httpguts"
)

// A reply is what a handler answers. Its head is written down by WriteHeader,
// up to the fields that depend on the body. These follow when something has to be
// sent: the whole, since the handler has returned, or what there is of it, since
// that is much, or is flushed. In the latter case, and without a Content-Length,
// the body is chunked.
type reply struct {
	conn   *conn
	body   *body // of the request
	header http.Header
	status int     // 0 until WriteHeader
	length int64   // what Content-Length says, or unknown
	sent   int64   // bytes of the body, so far
	out    *[]byte // what waits to be sent: the head, then of the body
	held   *[]byte // body, as long as the head is not complete
	begun  bool    // the head is complete
	typed  bool    // it has a Content-Type, or is to have none
	chunks bool
	last   bool // the connection is to be closed
	broken error
}

const unknown = -1

// maxHeld bounds what of a reply waits to be sent.
const maxHeld = 64 << 10

// pieces holds memory for replies, used again and again.
var pieces = sync.Pool{New: func() any { b := make([]byte, 0, 1024); return &b }}

func takePiece() *[]byte { return pieces.Get().(*[]byte) }

func giveBack(p *[]byte) {
	if p != nil && cap(*p) <= 2*maxHeld {
		*p = (*p)[:0]
		pieces.Put(p)
	}
}

func (w *reply) release() {
	giveBack(w.out)
	giveBack(w.held)
	w.out, w.held = nil, nil
	w.broken = errReturned
}

var errReturned = errors.New("http1: the reply's handler has returned")

// Header returns the header, which WriteHeader writes down.
func (w *reply) Header() http.Header { return w.header }

// WriteHeader writes the status and the header down. Only the first call counts.
// It panics if status has not three digits, as net/http does.
func (w *reply) WriteHeader(status int) {
	if status < 100 || status > 999 {
		panic("http1: invalid status " + strconv.Itoa(status))
	}
	if w.status != 0 || status < 200 {
		return
	}
	w.status = status
	w.out = takePiece()
	out := append(*w.out, "HTTP/1.1 "...)
	out = strconv.AppendInt(out, int64(status), 10)
	out = append(append(append(out, ' '), statusText(status)...), "\r\n"...)
	for name, values := range w.header {
		if !w.note(name, values) {
			continue
		}
		for _, v := range values {
			out = appendField(out, name, v)
		}
	}
	if _, ok := w.header["Date"]; !ok {
		out = appendField(out, "Date", now.text())
	}
	*w.out = out
}

func statusText(status int) string {
	if text := http.StatusText(status); text != "" {
		return text
	}
	return "status code " + strconv.Itoa(status)
}

// note notes what a field means for the rest, and reports whether it belongs
// into the head.
func (w *reply) note(name string, values []string) bool {
	switch name {
	case "Content-Length":
		n, err := strconv.ParseUint(strings.Join(values, ","), 10, 63)
		if err == nil && w.hasBody() {
			w.length = int64(n)
		}
		return w.length != unknown
	case "Connection":
		w.last = w.last || len(values) > 0 && strings.EqualFold(values[0], "close")
		return false // begin says so
	case "Content-Type":
		w.typed = true
		return w.status != http.StatusNotModified
	case "Content-Encoding":
		w.typed = w.typed || len(values) > 0 && values[0] != ""
	case "Transfer-Encoding", "Trailer":
		return false
	}
	return httpguts.ValidHeaderFieldName(name) && !strings.HasPrefix(name, http.TrailerPrefix)
}

func (w *reply) hasBody() bool {
	return w.status != http.StatusNoContent && w.status != http.StatusNotModified
}

var oneLine = strings.NewReplacer("\n", " ", "\r", " ")

func appendField(out []byte, name, value string) []byte {
	if strings.ContainsAny(value, "\r\n") {
		value = oneLine.Replace(value)
	}
	out = append(append(out, name...), ": "...)
	return append(append(out, textproto.TrimString(value)...), "\r\n"...)
}

// begin completes the head: of the body, first is what comes first, and all of
// it if that is so. What is left of the request's body is read before, since
// its client may not read until it has sent all.
func (w *reply) begin(first []byte, all bool) {
	w.begun = true
	if !w.body.drain() || w.conn.server.closing.Load() {
		w.last = true
	}
	out := *w.out
	if !w.typed && len(first) > 0 {
		out = appendField(out, "Content-Type", http.DetectContentType(first))
	}
	switch {
	case w.length != unknown || !w.hasBody():
	case all:
		out = append(out, "Content-Length: "...)
		out = append(strconv.AppendInt(out, int64(len(first)), 10), "\r\n"...)
	default:
		out = append(out, "Transfer-Encoding: chunked\r\n"...)
		w.chunks = true
	}
	connection := w.header["Connection"]
	if w.last {
		connection = []string{"close"}
	}
	for _, v := range connection {
		out = appendField(out, "Connection", v)
	}
	*w.out = append(out, "\r\n"...)
}

// Write writes some of the body. Its errors are those of net/http, and the
// connection's.
func (w *reply) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	switch {
	case w.broken != nil:
		return 0, w.broken
	case len(p) == 0:
		return 0, nil
	case !w.hasBody():
		return 0, http.ErrBodyNotAllowed
	case w.length != unknown && w.sent+int64(len(p)) > w.length:
		w.sent += int64(len(p)) // so that finish sees it
		return 0, http.ErrContentLength
	}
	w.sent += int64(len(p))
	isAll := w.sent == w.length && w.sent == int64(len(p)) && w.body.left == 0
	if !w.begun && !isAll && w.hold(p) {
		return len(p), nil
	}
	w.beginWith(p)
	w.add(p)
	return len(p), w.broken
}

// hold holds p back, if it is not too much.
func (w *reply) hold(p []byte) bool {
	held := 0
	if w.held != nil {
		held = len(*w.held)
	}
	if held+len(p) > maxHeld {
		return false
	}
	if w.held == nil {
		w.held = takePiece()
	}
	*w.held = append(*w.held, p...)
	return true
}

// beginWith begins with what is held; next comes next.
func (w *reply) beginWith(next []byte) {
	switch {
	case w.begun:
	case w.held == nil:
		w.begin(next, false)
	default:
		w.begin(*w.held, false)
		w.add(*w.held)
		giveBack(w.held)
		w.held = nil
	}
}

// add adds some of the body to what is to be sent. If that is much, it is sent.
func (w *reply) add(p []byte) {
	if len(p) == 0 {
		return
	}
	if w.chunks {
		*w.out = append(strconv.AppendInt(*w.out, int64(len(p)), 16), "\r\n"...)
	}
	if len(*w.out)+len(p) > maxHeld {
		w.send()
		w.sendBytes(p)
	} else {
		*w.out = append(*w.out, p...)
	}
	if w.chunks {
		*w.out = append(*w.out, "\r\n"...)
	}
}

// send sends what waits to be sent.
func (w *reply) send() {
	w.sendBytes(*w.out)
	*w.out = (*w.out)[:0]
}

func (w *reply) sendBytes(p []byte) {
	if w.broken == nil && len(p) > 0 {
		if _, w.broken = w.conn.Conn.Write(p); w.broken != nil {
			w.body.life.lose()
		}
	}
}

// finish ends the reply, and reports whether it was sent as it should be.
func (w *reply) finish() bool {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if w.broken != nil {
		return false
	}
	if !w.begun {
		var all []byte
		if w.held != nil {
			all = *w.held
		}
		w.begin(all, true)
		*w.out = append(*w.out, all...)
	}
	if w.chunks {
		*w.out = append(*w.out, "0\r\n\r\n"...)
	}
	w.send()
	return w.broken == nil && (w.length == unknown || w.sent == w.length)
}

// Flush sends what has been written so far. See FlushError.
func (w *reply) Flush() { _ = w.FlushError() } // Write tells of the error

// FlushError sends what has been written so far.
func (w *reply) FlushError() error {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if w.broken != nil {
		return w.broken
	}
	w.beginWith(nil)
	w.send()
	return w.broken
}

// SetReadDeadline sets the time until which the request's body can be read.
func (w *reply) SetReadDeadline(t time.Time) error {
	if w.body.outside() == 0 {
		return nil // it is there
	}
	return w.conn.setReadDeadline(t)
}

// A date is the current time, as replies have it, written once a second.
type date struct {
	mu     sync.Mutex
	second int64
	last   string
}

var now date

func (d *date) text() string {
	t := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	if s := t.Unix(); s != d.second {
		d.second, d.last = s, t.UTC().Format(http.TimeFormat)
	}
	return d.last
}
