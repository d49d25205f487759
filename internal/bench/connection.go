package bench

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
)

// A connection exchanges HTTP/1.1 requests and replies, one after the other.
// It reads into one buffer, and knows no more of HTTP than servers of APIs use.
type connection struct {
	net.Conn
	buffer []byte
	used   int // bytes of the buffer that hold something
}

// An address is where connections go.
type address struct {
	host string // as the Host header has it
	dial string // host:port
	tls  bool
	path string
}

func parseAddress(endpoint string) (address, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return address{}, fmt.Errorf("the endpoint %q is not of the form http://host or https://host", endpoint)
	}
	a := address{host: u.Host, dial: u.Host, tls: u.Scheme == "https", path: u.EscapedPath()}
	if a.path == "" {
		a.path = "/"
	}
	if u.Port() == "" {
		a.dial = net.JoinHostPort(u.Hostname(), map[bool]string{false: "80", true: "443"}[a.tls])
	}
	return a, nil
}

func (a address) open(ctx context.Context) (*connection, error) {
	var dialer interface {
		DialContext(context.Context, string, string) (net.Conn, error)
	} = &net.Dialer{}
	if a.tls {
		dialer = &tls.Dialer{}
	}
	c, err := dialer.DialContext(ctx, "tcp", a.dial)
	if err != nil {
		return nil, err
	}
	return &connection{Conn: c, buffer: make([]byte, 4096)}, nil
}

// exchange sends a request, as it stands, and returns the reply's status and
// its body, which is good until the next exchange.
func (c *connection) exchange(request []byte) (status int, body []byte, err error) {
	if _, err := c.Write(request); err != nil {
		return 0, nil, err
	}
	c.used = 0
	end := -1
	for from := 0; end < 0; {
		if err := c.fill(); err != nil {
			return 0, nil, err
		}
		if i := bytes.Index(c.buffer[from:c.used], []byte("\r\n\r\n")); i >= 0 {
			end = from + i + 4
		}
		from = max(0, c.used-3)
	}
	head := c.buffer[:end]
	if status = statusOf(head); status == 0 {
		return 0, nil, errors.New("the reply is no HTTP")
	}
	if length, ok := field(head, "content-length"); ok {
		n, err := strconv.Atoi(string(length))
		if err != nil || n < 0 {
			return 0, nil, errors.New("the reply has a bad length")
		}
		return c.rest(status, end, n)
	}
	if _, ok := field(head, "transfer-encoding"); !ok {
		return status, nil, nil
	}
	return c.chunks(status, end)
}

// fill reads what there is.
func (c *connection) fill() error {
	if c.used == len(c.buffer) {
		c.buffer = append(c.buffer, make([]byte, len(c.buffer))...)
	}
	n, err := c.Read(c.buffer[c.used:])
	c.used += n
	if n > 0 {
		return nil
	}
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// rest reads until the buffer has n bytes after start.
func (c *connection) rest(status, start, n int) (int, []byte, error) {
	for c.used < start+n {
		if err := c.fill(); err != nil {
			return 0, nil, err
		}
	}
	return status, c.buffer[start : start+n], nil
}

// chunks reads a body that comes in chunks from start on.
func (c *connection) chunks(status, start int) (int, []byte, error) {
	var body []byte
	for {
		line := bytes.Index(c.buffer[start:c.used], []byte("\r\n"))
		if line < 0 {
			if err := c.fill(); err != nil {
				return 0, nil, err
			}
			continue
		}
		text, _, _ := bytes.Cut(c.buffer[start:start+line], []byte(";"))
		n, err := strconv.ParseUint(string(bytes.TrimSpace(text)), 16, 31)
		if err != nil {
			return 0, nil, errors.New("the reply has a bad chunk")
		}
		start += line + 2
		if _, _, err := c.rest(status, start, int(n)+2); err != nil {
			return 0, nil, err
		}
		if n == 0 {
			return status, body, nil
		}
		body = append(body, c.buffer[start:start+int(n)]...)
		start += int(n) + 2
	}
}

// statusOf returns the status in a reply's head; 0 if there is none.
func statusOf(head []byte) int {
	if len(head) < 12 || !bytes.HasPrefix(head, []byte("HTTP/1.")) {
		return 0
	}
	n, err := strconv.Atoi(string(head[9:12]))
	if err != nil {
		return 0
	}
	return n
}

// field returns the value of the header field of that lower-case name.
func field(head []byte, name string) ([]byte, bool) {
	for len(head) > 0 {
		var line []byte
		line, head, _ = bytes.Cut(head, []byte("\r\n"))
		if len(line) > len(name) && line[len(name)] == ':' && bytes.EqualFold(line[:len(name)], []byte(name)) {
			return bytes.TrimSpace(line[len(name)+1:]), true
		}
	}
	return nil, false
}
