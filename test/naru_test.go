package test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A naru is a Naru that a test started, on loopback and with a data directory
// of its own.
type naru struct {
	t        testing.TB
	flags    []string
	home     string // HOME of the process
	data     string
	listen   string // the same after a restart
	admin    string
	endpoint string // URL
	client   *http.Client
	ahead    time.Duration // of its clock, also after a restart

	process *exec.Cmd
	exited  chan struct{}
	exit    error // of the process, once exited
	log     book  // what it wrote to stderr, over all starts
	banner  book
}

// start starts Naru. When the test ends it is stopped, which it must do in
// good order, and its log must not have errors that the test did not expect.
func start(t testing.TB, flags ...string) *naru {
	t.Helper()
	dir := t.TempDir()
	n := &naru{
		t: t, flags: flags, home: dir, data: filepath.Join(dir, "data"), listen: "127.0.0.1:0", admin: "127.0.0.1:0",
		client: newHTTPClient(),
	}
	t.Cleanup(n.finish)
	n.start()
	return n
}

func newHTTPClient() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: 64, MaxIdleConns: 256, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       time.Minute,
	}
}

// command returns the program as it is run, without NARU_* variables but those
// given.
func command(home string, env []string, args ...string) *exec.Cmd {
	c := exec.Command(program, args...)
	c.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TZ=UTC"}, env...)
	c.WaitDelay = patience
	tie(c)
	return c
}

// start starts the process and waits until it serves.
func (n *naru) start() {
	n.t.Helper()
	if !poll(patience, n.launch) {
		n.t.Fatalf("Naru does not start: %v\n%s", n.exit, n.log.text())
	}
	if n.ahead > 0 {
		n.setAhead(n.ahead)
	}
}

// launch starts the process, once. It fails if another process has taken the
// port meanwhile.
func (n *naru) launch() bool {
	args := append([]string{"serve", "--listen", n.listen, "--admin", n.admin, "--data", n.data}, n.flags...)
	n.process = command(n.home, nil, args...)
	ready, exited := make(chan struct{}), make(chan struct{})
	n.banner = book{onLine: func(line string) {
		if strings.HasPrefix(line, "  account") {
			close(ready)
		}
	}}
	n.process.Stdout, n.process.Stderr = &n.banner, &n.log
	if err := n.process.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.exited = exited
	go func(c *exec.Cmd) { n.exit = c.Wait(); close(exited) }(n.process)
	select {
	case <-ready:
	case <-exited:
		if !strings.Contains(n.log.text(), "address already in use") {
			n.t.Fatalf("Naru does not start: %v\n%s", n.exit, n.log.text())
		}
		n.log.clear()
		return false
	}
	n.endpoint = n.banner.field("endpoint")
	n.listen = strings.TrimPrefix(n.endpoint, "http://")
	n.admin = strings.TrimSuffix(strings.TrimPrefix(n.banner.field("operators"), "http://"), "/metrics")
	return true
}

func (n *naru) running() bool {
	if n.process == nil {
		return false
	}
	select {
	case <-n.exited:
		return false
	default:
		return true
	}
}

// kill ends the process as a crash would: it does not get to do anything.
func (n *naru) kill() {
	n.t.Helper()
	if err := n.process.Process.Kill(); err != nil {
		n.t.Fatal(err)
	}
	within(n.t, "Naru ends when it is killed", n.exited)
	n.client.CloseIdleConnections()
}

// stop asks the process to end and returns how long it took.
func (n *naru) stop() time.Duration {
	n.t.Helper()
	begin := time.Now()
	if err := n.process.Process.Signal(syscall.SIGTERM); err != nil {
		n.t.Fatal(err)
	}
	within(n.t, "Naru ends when it is told to", n.exited)
	n.client.CloseIdleConnections()
	if n.exit != nil {
		n.t.Errorf("Naru ended in bad order: %v\n%s", n.exit, n.log.text())
	}
	return time.Since(begin)
}

// finish stops Naru, if the test has not, and reads its log.
func (n *naru) finish() {
	switch {
	case n.process == nil || n.process.Process == nil:
		return
	case n.running():
		n.stop()
	}
	n.client.CloseIdleConnections()
	n.checkLog()
}

// checkLog fails the test for errors in the log, and for what is no log line.
func (n *naru) checkLog() {
	for _, line := range n.log.lines() {
		if strings.Contains(line, "level=ERROR") || !strings.HasPrefix(line, "time=") {
			n.t.Errorf("Naru's log: %s", line)
		}
	}
}

// resident returns how many bytes of memory the process has.
func (n *naru) resident() int64 {
	n.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.process.Process.Pid))
	if err != nil {
		n.t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		fields := strings.Fields(line)
		if len(fields) > 1 && fields[0] == "VmRSS:" {
			kib, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				n.t.Fatal(err)
			}
			return kib << 10
		}
	}
	n.t.Fatal("the system does not tell the memory of the process")
	return 0
}

// advance moves Naru's clock forward. It needs --allow-reset.
func (n *naru) advance(by string) {
	n.t.Helper()
	d, err := time.ParseDuration(by)
	if err != nil {
		n.t.Fatal(err)
	}
	n.setAhead(d)
	n.ahead += d
}

func (n *naru) setAhead(d time.Duration) {
	n.t.Helper()
	r := n.send(request{method: "POST", path: "/_naru/clock", body: fmt.Appendf(nil, `{"advance":%q}`, d)})
	if r.status != http.StatusOK {
		n.t.Fatalf("the clock does not move: %v", r)
	}
}

// now tells the time by Naru's clock. It needs --allow-reset.
func (n *naru) now() time.Time {
	n.t.Helper()
	r := n.send(request{method: "GET", path: "/_naru/clock"})
	var body struct{ Now time.Time }
	if err := json.Unmarshal(r.body, &body); err != nil || body.Now.IsZero() {
		n.t.Fatalf("the clock tells %v: %v", r, err)
	}
	return body.Now
}

// A request is what is sent to Naru as it stands.
type request struct {
	method string
	base   string // URL of the listener; "" for the endpoint
	path   string // with the query, percent-encoded
	host   string // "" for the listener's own
	header map[string]string
	body   []byte
}

// A reply is what came back.
type reply struct {
	status int
	header http.Header
	body   []byte
}

func (r reply) String() string { return fmt.Sprintf("%d %s", r.status, r.body) }

// try sends a request and returns the reply, or why there is none.
func (n *naru) try(q request) (reply, error) {
	base := q.base
	if base == "" {
		base = n.endpoint
	}
	r, err := http.NewRequest(q.method, base+q.path, bytes.NewReader(q.body))
	if err != nil {
		return reply{}, err
	}
	r.Host = q.host
	for name, value := range q.header {
		r.Header.Set(name, value)
	}
	return n.exchange(r)
}

func (n *naru) exchange(r *http.Request) (reply, error) {
	answer, err := n.client.Do(r)
	if err != nil {
		return reply{}, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return reply{answer.StatusCode, answer.Header, body}, err
}

// send sends a request that must be answered.
func (n *naru) send(q request) reply {
	n.t.Helper()
	r, err := n.try(q)
	if err != nil {
		n.t.Fatalf("%s %s: %v", q.method, q.path, err)
	}
	return r
}

// A book keeps the lines that are written to it.
type book struct {
	onLine func(string)

	mu   sync.Mutex
	all  []string
	rest []byte
}

func (b *book) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rest = append(b.rest, p...)
	for {
		line, rest, ok := bytes.Cut(b.rest, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		b.rest = rest
		b.all = append(b.all, string(line))
		if b.onLine != nil {
			b.onLine(string(line))
		}
	}
}

func (b *book) lines() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string{}, b.all...)
}

func (b *book) text() string { return strings.Join(b.lines(), "\n") }

func (b *book) clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all, b.rest = nil, nil
}

// field returns what follows a word that begins a line.
func (b *book) field(word string) string {
	for _, line := range b.lines() {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == word {
			return fields[1]
		}
	}
	return ""
}

// ended runs the program to its end and returns what it said and its exit
// status.
func ended(t testing.TB, env []string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	c := command(t.TempDir(), env, args...)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- c.Wait() }()
	select {
	case err := <-done:
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
	case <-time.After(patience):
		c.Process.Kill()
		<-done
		t.Fatalf("naru %s does not end:\n%s%s", strings.Join(args, " "), &out, &errs)
	}
	return out.String(), errs.String(), c.ProcessState.ExitCode()
}
