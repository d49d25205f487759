package runtimeapi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A process is a runtime that runs for a test, with nothing around it.
type process struct {
	*Runtime
	conn    net.Conn
	command *exec.Cmd
	output  *os.File
	text    strings.Builder // of what it wrote and lines has not returned
}

// nodeOf returns the Node.js to test with, which is $NARU_TEST_NODE or the one
// on the path.
func nodeOf(t testing.TB) string {
	t.Helper()
	name := os.Getenv("NARU_TEST_NODE")
	if name == "" {
		name = "node"
	}
	node, err := exec.LookPath(name)
	if err != nil {
		t.Fatal("there is no Node.js here")
	}
	return node
}

// A setup says how to start a process.
type setup struct {
	handler string
	dir     string // testdata/node if empty
	env     []string
}

// installed returns the folder of a runtime.
func installed(t testing.TB, name string) string {
	t.Helper()
	folder, err := Install(filepath.Join(os.TempDir(), "naru-test-runtimes"), name)
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

// startNode starts the runtime for Node.js. It ends with the test.
func startNode(t testing.TB, s setup) *process {
	t.Helper()
	argv := NodeCommand(nodeOf(t), installed(t, "node"), 0)
	if s.dir == "" {
		s.dir = "testdata/node"
	}
	return start(t, argv, s.dir, s.variables())
}

// pythonOf returns the Python to test with, which is $NARU_TEST_PYTHON or the one
// on the path.
func pythonOf(t testing.TB) string {
	t.Helper()
	name := os.Getenv("NARU_TEST_PYTHON")
	if name == "" {
		name = "python3"
	}
	python, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("there is no Python here: %v", err)
	}
	return python
}

// startPython starts the runtime for Python. It ends with the test.
func startPython(t testing.TB, s setup) *process {
	t.Helper()
	argv := PythonCommand(pythonOf(t), installed(t, "python"), "/the/sdks")
	return start(t, argv, "testdata/python", append(s.variables(), "PATH="+os.Getenv("PATH"), "HOME="+os.Getenv("HOME")))
}

// startRuby starts the runtime for Ruby. It ends with the test.
func startRuby(t testing.TB, s setup) *process {
	t.Helper()
	ruby, err := exec.LookPath("ruby")
	if err != nil {
		t.Fatalf("there is no Ruby here: %v", err)
	}
	return start(t, RubyCommand(ruby, installed(t, "ruby")), "testdata/ruby", append(s.variables(), "LANG=C.UTF-8"))
}

// variables are those that AWS sets, and those of the setup.
func (s setup) variables() []string {
	return append([]string{
		"_HANDLER=" + s.handler, "TZ=:UTC",
		"AWS_LAMBDA_FUNCTION_NAME=fn", "AWS_LAMBDA_FUNCTION_VERSION=$LATEST", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=128",
		"AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/fn", "AWS_LAMBDA_LOG_STREAM_NAME=2026/11/22/[$LATEST]0123",
	}, s.env...)
}

func start(t testing.TB, argv []string, dir string, env []string) *process {
	t.Helper()
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "ours"), os.NewFile(uintptr(pair[1]), "theirs")
	syscall.CloseOnExec(pair[0])
	syscall.CloseOnExec(pair[1])
	conn, err := net.FileConn(ours)
	if err != nil {
		t.Fatal(err)
	}
	output, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c := &exec.Cmd{Path: argv[0], Args: argv, Dir: dir, Env: env, Stdout: write, Stderr: write, ExtraFiles: []*os.File{theirs}}
	if err := errors.Join(c.Start(), ours.Close(), theirs.Close(), write.Close()); err != nil {
		t.Fatal(err)
	}
	p := &process{Runtime: New(conn), conn: conn, command: c, output: output}
	t.Cleanup(func() {
		p.end()
		_ = conn.Close() // some tests have
		if err := output.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// end kills the process if it still runs.
func (p *process) end() {
	if p.command.ProcessState == nil {
		_ = p.command.Process.Kill()
		_ = p.command.Wait() // says that it was killed
	}
}

// exit waits for the end of the process and returns its exit status.
func (p *process) exit(t testing.TB) int {
	t.Helper()
	timer := time.AfterFunc(time.Minute, func() { _ = p.command.Process.Kill() })
	defer timer.Stop()
	var failed *exec.ExitError
	if err := p.command.Wait(); err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	return p.command.ProcessState.ExitCode()
}

// Parts of what the runtime writes that differ from time to time.
var varying = []struct {
	pattern *regexp.Regexp
	text    string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`), "TIME"},
	{regexp.MustCompile(testID), "ID"},
	{regexp.MustCompile(`,"    at [^"]*"`), ""},          // in stacks
	{regexp.MustCompile(`,"- /[^"]*/testdata/`), `,"- `}, // in stacks of require
	{regexp.MustCompile(`[^" ']*/testdata/(node|python|ruby)/`), "DIR/"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`), "SECOND"},
}

func settle(text string) string {
	for _, v := range varying {
		text = v.pattern.ReplaceAllString(text, v.text)
	}
	return text
}

// lines returns the lines that the process has written since the last call,
// and that are in the pipe now.
func (p *process) lines(t testing.TB) []string {
	t.Helper()
	raw, err := p.output.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Control(func(fd uintptr) {
		buffer := make([]byte, 64<<10)
		for {
			n, err := syscall.Read(int(fd), buffer)
			if n <= 0 || err != nil {
				return
			}
			p.text.Write(buffer[:n])
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	text := p.text.String()
	p.text.Reset()
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(settle(text), "\n"), "\n")
}

const testID = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"

func invocation(payload string) Invocation {
	return Invocation{
		RequestID: testID, Deadline: time.Now().Add(time.Minute), Payload: []byte(payload),
		FunctionARN: "arn:aws:lambda:eu-west-1:123456789012:function:fn:alias",
	}
}

// ready waits until the process is ready.
func (p *process) ready(t testing.TB) {
	t.Helper()
	if err := p.Ready(brief(t)); err != nil {
		t.Fatalf("not ready: %v; it wrote %q", err, p.lines(t))
	}
}

// call invokes the function and returns its answer. There must be one.
func (p *process) call(t testing.TB, i Invocation) Result {
	t.Helper()
	result, err := p.Invoke(brief(t), i)
	if err != nil {
		t.Fatalf("invoke: %v; it wrote %q", err, p.lines(t))
	}
	return result
}

// brief is a context for what must not take for ever.
func brief(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// gather reads at least n bytes of what the process writes, for lines to
// return.
func (p *process) gather(n int) {
	buffer := make([]byte, 64<<10)
	for n > 0 {
		got, err := p.output.Read(buffer)
		if err != nil {
			return
		}
		p.text.Write(buffer[:got])
		n -= got
	}
}

// report reports percentiles.
func report(b *testing.B, times []time.Duration) {
	slices.Sort(times)
	for _, percent := range []int{50, 90, 99} {
		b.ReportMetric(float64(times[len(times)*percent/100].Microseconds()), fmt.Sprintf("p%d-µs", percent))
	}
}
