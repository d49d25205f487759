package http1

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// parrot answers what it sees of a request, in the way that the path names.
func parrot(w http.ResponseWriter, r *http.Request) {
	saw := see(r)
	w.Header().Set("Saw", strconv.Quote(saw))
	switch r.URL.Path {
	case "/silent":
	case "/none":
		w.Header().Set("Content-Length", "7")
		w.WriteHeader(http.StatusNoContent)
		if _, err := w.Write([]byte("nothing")); !errors.Is(err, http.ErrBodyNotAllowed) {
			panic(err)
		}
	case "/teapot":
		w.WriteHeader(http.StatusTeapot)
		w.Header().Set("Late", "is not sent")
		w.WriteHeader(http.StatusOK)
	case "/known":
		w.Header().Set("Content-Length", strconv.Itoa(len(saw)))
		io.WriteString(w, saw[:1])
		io.WriteString(w, saw[1:])
		if _, err := w.Write([]byte("more")); !errors.Is(err, http.ErrContentLength) {
			panic(err)
		}
	case "/whole", "/first":
		w.Header().Set("Content-Length", strconv.Itoa(len(saw)))
		io.WriteString(w, saw)
		if _, err := w.Write([]byte("more")); !errors.Is(err, http.ErrContentLength) {
			panic(err)
		}
		if body, err := io.ReadAll(r.Body); r.URL.Path == "/first" && (int64(len(body)) != r.ContentLength || err != nil) {
			panic(err)
		}
	case "/short":
		w.Header().Set("Content-Length", strconv.Itoa(len(saw)+1))
		io.WriteString(w, saw)
	case "/large":
		for range 100 {
			w.Write(bytes.Repeat([]byte(saw), 30))
		}
	case "/large/known":
		w.Header().Set("Content-Length", strconv.Itoa(30*len(saw)*100))
		for range 100 {
			w.Write(bytes.Repeat([]byte(saw), 30))
		}
	case "/stream":
		w.Header().Set("Content-Type", "text/event-stream")
		c := http.NewResponseController(w)
		for range 3 {
			if err := c.Flush(); err != nil {
				panic(err)
			}
			io.WriteString(w, saw)
		}
	case "/sniffed":
		io.WriteString(w, "<html>"+saw)
	case "/coded":
		w.Header().Set("Content-Encoding", "gzip")
		io.WriteString(w, saw)
	case "/bye":
		w.Header().Set("Connection", "close")
		io.WriteString(w, saw)
	case "/strange":
		w.WriteHeader(799)
	case "/abort":
		io.WriteString(w, "some of it")
		panic(http.ErrAbortHandler)
	default:
		answerFields(w, r.URL.Path, saw)
	}
}

// answerFields answers with fields about which there are rules.
func answerFields(w http.ResponseWriter, path, saw string) {
	switch path {
	case "/fields":
		h := w.Header()
		h["odd name"] = []string{"is not sent"}
		h["lower"] = []string{"a", "b"}
		h.Set("Split", " one\r\nSet-Cookie: two\n\n\r ")
		h.Set("Date", "now")
		h.Set("Content-Length", "several")
		h.Set("Content-Type", "")
		io.WriteString(w, saw)
	case "/keep":
		w.Header().Set("Connection", "keep-alive")
		io.WriteString(w, saw)
	case "/unchanged":
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Etag", "x")
		w.WriteHeader(http.StatusNotModified)
	case "/late":
		w.WriteHeader(http.StatusOK)
		w.Header().Set("Content-Type", "image/png")
		io.WriteString(w, saw)
	case "/early":
		w.Header().Set("Content-Type", "image/png")
		w.WriteHeader(http.StatusOK)
		w.Header().Del("Content-Type")
		io.WriteString(w, saw)
	default:
		io.WriteString(w, saw)
	}
}

// see reads of a request's body what its path says, and describes it.
func see(r *http.Request) string {
	var body []byte
	var err error
	switch r.URL.Path {
	case "/unread", "/keep", "/first":
	case "/half":
		_, err = io.CopyN(io.Discard, r.Body, r.ContentLength/2)
	case "/closed":
		r.Body.Close()
		_, err = r.Body.Read(make([]byte, 1))
	default:
		body, err = io.ReadAll(r.Body)
	}
	names := []string{}
	for name, values := range r.Header {
		names = append(names, fmt.Sprintf("%s=%q", name, values))
	}
	slices.Sort(names)
	return fmt.Sprintf("%s %q %q %s %q %d %v %v %q %v", r.Method, r.URL, r.RequestURI, r.Proto, r.Host, r.ContentLength, r.Close, names, body, err != nil)
}

type server interface {
	Serve(net.Listener) error
	Close() error
}

// serve starts a server and returns its address.
func serve(t testing.TB, s server) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serving ended with %v", err)
		}
	})
	return l.Addr().String()
}

func quiet(h http.HandlerFunc) *http.Server {
	return &http.Server{Handler: h, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
}

// An answer is what a client makes of a reply.
type answer struct {
	Status string
	Header http.Header
	Body   string
	Close  bool
	Error  bool // the body is not whole
}

// talk sends all of sent on a connection and returns the answers, and what
// follows and is none.
func talk(t testing.TB, address string, sent []byte) (all []answer, rest string) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	go func() {
		c.Write(sent) // a server may have had enough before
		c.(*net.TCPConn).CloseWrite()
	}()
	received := bufio.NewReader(c)
	for {
		head, _ := received.Peek(5)
		if string(head) != "HTTP/" {
			more, _ := io.ReadAll(received)
			return all, string(more)
		}
		r, err := http.ReadResponse(received, nil)
		if err != nil {
			return all, err.Error()
		}
		body, err := io.ReadAll(r.Body)
		r.Header.Del("Content-Length")
		if date := r.Header.Get("Date"); date != "now" && date != "" { // refusals have none
			if _, err := http.ParseTime(r.Header.Get("Date")); err != nil {
				t.Errorf("the date is %q", r.Header.Get("Date"))
			}
			r.Header.Del("Date")
		}
		all = append(all, answer{r.Status, r.Header, string(body), r.Close, err != nil})
	}
}

// A pair is a server of ours, and one of net/http's with the same handler.
type pair struct{ ours, theirs string }

func newPair(t testing.TB) pair {
	return pair{serve(t, New(quiet(parrot))), serve(t, quiet(parrot))}
}

// compare compares what both answer. Whether a server says that it closes a
// connection that its client has closed already is of no interest.
func (p pair) compare(t *testing.T, sent []byte, closed bool) {
	t.Helper()
	want, wantRest := talk(t, p.theirs, sent)
	got, gotRest := talk(t, p.ours, sent)
	want, got = withoutRefusal(want), withoutRefusal(got)
	if n := len(want); closed && n > 0 && n == len(got) {
		want[n-1].Close, got[n-1].Close = false, false
	}
	if diff := cmp.Diff(want, got); diff != "" || wantRest != gotRest {
		t.Errorf("%.1000q is answered in another way than by net/http (-want +got):\n%.3000s%.1000q, %.1000q", sent, diff, wantRest, gotRest)
	}
}

// withoutRefusal drops a refusal at the end. Net/http has none for what follows
// a request and is less than four bytes; what follows a plain one, we give it as
// something new. What is refused by one only is missed there anyhow.
func withoutRefusal(all []answer) []answer {
	if n := len(all); n > 0 && all[n-1].Header["Saw"] == nil {
		return all[:n-1]
	}
	return all
}

func plain(path, body string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nhost: a:1\r\nX-a: 1\r\nx-A:  2 \r\ncontent-length: %d\r\n\r\n%s", path, len(body), body)
}

var dialogues = map[string]string{
	"nothing":                  "",
	"one":                      plain("/", "hello"),
	"several at once":          plain("/", "one") + plain("/a?b=c", "two") + plain("/%41%2f", ""),
	"no body":                  "GET / HTTP/1.1\r\nHost: a\r\n\r\n" + plain("/", "x"),
	"a line break too many":    plain("/", "x") + "\r\n" + plain("/", "y") + "\r\n",
	"methods":                  strings.Replace(plain("/", "x"), "POST", "PUT", 1) + strings.Replace(plain("/", "x"), "POST", "PATCH", 1) + strings.Replace(plain("/", "x"), "POST", "DELETE", 1),
	"other methods":            "HEAD / HTTP/1.1\r\nHost: a\r\n\r\nOPTIONS * HTTP/1.1\r\nHost: a\r\n\r\nBREW / HTTP/1.1\r\nHost: a\r\n\r\n",
	"chunked after plain":      plain("/", "one") + "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" + plain("/", "two"),
	"both lengths":             "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
	"a length twice":           "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
	"two lengths":              "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
	"a length with a sign":     "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc",
	"an empty length":          "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\nabc",
	"a huge length":            "POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\nabc",
	"a body that ends early":   "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc",
	"a head that ends early":   "POST / HTTP/1.1\r\nHost: a\r\nConten",
	"no host":                  "GET / HTTP/1.1\r\n\r\n",
	"two hosts":                "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
	"an empty host first":      "GET / HTTP/1.1\r\nHost:\r\nHost: a\r\n\r\n",
	"an empty host":            "GET / HTTP/1.1\r\nHost:\r\n\r\n",
	"an odd host":              "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
	"version 1.0":              "GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
	"version 2":                "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	"bare line feeds":          "GET / HTTP/1.1\nHost: a\n\n" + plain("/", ""),
	"a bare carriage return":   "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
	"a bare line feed first":   "GET / HTTP/1.1\r\nHost:\na\r\n\r\n",
	"a folded line":            "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
	"a space before the colon": "GET / HTTP/1.1\r\nHost: a\r\nX : a\r\n\r\n",
	"no name":                  "GET / HTTP/1.1\r\nHost: a\r\n: a\r\n\r\n",
	"no colon":                 "GET / HTTP/1.1\r\nHost: a\r\nabc\r\n\r\n",
	"a value in Latin":         "GET / HTTP/1.1\r\nHost: a\r\nX: \xe9\t\x00\r\n\r\n",
	"a whole URL":              "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
	"two slashes":              "GET //b/c HTTP/1.1\r\nHost: a\r\n\r\n",
	"a broken escape":          "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n",
	"two spaces":               "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
	"close":                    "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + plain("/", ""),
	"keep":                     "GET / HTTP/1.1\r\nHost: a\r\nconnection: Keep-Alive\r\n\r\n" + plain("/", ""),
	"upgrade":                  "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
	"continue":                 "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
	"pragma":                   "GET / HTTP/1.1\r\nHost: a\r\nPragma: no-cache\r\n\r\n",
	"long fields":              "GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 5000) + "\r\n\r\n" + plain("/", "x"),
	"many fields":              "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("A: b\r\n", 500) + "\r\n" + plain("/", "x"),
	"a long body":              plain("/", strings.Repeat("x", 300<<10)) + plain("/", "y"),
	"a body in two parts":      plain("/", strings.Repeat("x", 4000)) + plain("/", strings.Repeat("y", 4000)) + plain("/", "z"),
	"not read, long":           plain("/unread", strings.Repeat("x", 100<<10)) + plain("/", "y"),
	"not read, too long":       plain("/unread", strings.Repeat("x", 400<<10)) + plain("/", "y"),
	"kept, not read":           plain("/keep", strings.Repeat("x", 900<<10)) + plain("/", "y"),
	"half read":                plain("/half", strings.Repeat("x", 9000)) + plain("/", "y"),
	"half read, too long":      plain("/half", strings.Repeat("x", 900<<10)) + plain("/", "y"),
	"closed":                   plain("/closed", strings.Repeat("x", 9000)) + plain("/closed", "") + plain("/", "y"),
}

func TestEveryRequestIsAnsweredAsByNetHTTP(t *testing.T) {
	p := newPair(t)
	for name, sent := range dialogues {
		t.Run(name, func(t *testing.T) { p.compare(t, []byte(sent), false) })
	}
	for _, path := range []string{
		"/unread", "/half", "/closed", "/silent", "/none", "/teapot", "/known", "/whole", "/first", "/short", "/large", "/large/known", "/stream", "/fields", "/sniffed", "/coded", "/bye", "/keep", "/unchanged", "/late", "/early", "/strange", "/abort",
	} {
		t.Run(path[1:], func(t *testing.T) {
			p.compare(t, []byte(plain(path, "hello")+plain("/", "x")), false)
			p.compare(t, []byte(plain(path, "")+plain("/", "x")), false)
		})
	}
}

func FuzzEveryRequestIsAnsweredAsByNetHTTP(f *testing.F) {
	p := newPair(f)
	for _, sent := range dialogues {
		f.Add([]byte(sent))
	}
	f.Fuzz(func(t *testing.T, sent []byte) { p.compare(t, sent, true) })
}
