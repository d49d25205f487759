package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// BaselineCommand is the subcommand of bench by which this program runs
// ServeBaseline in a process of its own.
const BaselineCommand = "http-baseline"

// A process is a server that was started for the run: this same program.
type process struct {
	args     []string
	command  *exec.Cmd
	endpoint address
	data     string // its data directory, if it has one
	exited   chan struct{}

	mu  sync.Mutex
	log []byte // the end of what it wrote to stderr
}

// readyTime is how long a server may take to start.
const readyTime = 2 * time.Minute

// start starts this program with args, and reads from its output, after the
// word endpoint, where it serves.
func (p *process) start(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	p.command = exec.Command(self, p.args...)
	p.command.Stderr = p
	tie(p.command)
	out, err := p.command.StdoutPipe()
	if err != nil {
		return err
	}
	if err := p.command.Start(); err != nil {
		return err
	}
	p.exited = make(chan struct{})
	endpoint := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if f := strings.Fields(lines.Text()); len(f) > 1 && f[0] == "endpoint" {
				endpoint <- f[1]
			}
		}
		_ = p.command.Wait() // the server's end is known by exited, why by its log
		close(p.exited)
	}()
	select {
	case url := <-endpoint:
		p.endpoint, err = parseAddress(url)
		return err
	case <-p.exited:
		return fmt.Errorf("the server %s did not start: %s", strings.Join(p.args, " "), p.tail())
	case <-ctx.Done():
		return errors.Join(ctx.Err(), p.end(os.Kill))
	case <-time.After(readyTime):
		return errors.Join(errors.New("the server did not start in time"), p.end(os.Kill))
	}
}

// Write keeps the end of what the server logs.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.log = append(p.log, b...)
	p.log = p.log[max(0, len(p.log)-4096):]
	return len(b), nil
}

func (p *process) tail() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.TrimSpace(string(p.log))
}

func (p *process) pid() int { return p.command.Process.Pid }

// end sends a signal and waits until the server has ended.
func (p *process) end(s os.Signal) error {
	if err := p.command.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.exited:
		return nil
	case <-time.After(time.Minute):
		return errors.Join(errors.New("the server does not end"), p.command.Process.Kill())
	}
}

// startNaru starts a Naru on a temporary data directory.
func (r *run) startNaru(ctx context.Context, flags ...string) (*process, error) {
	dir, err := os.MkdirTemp(r.Dir, "naru-bench-")
	if err != nil {
		return nil, err
	}
	p := &process{data: filepath.Join(dir, "data")}
	p.args = append([]string{"serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data", p.data, "--log-level", "warn"}, append(flags, r.Serve...)...)
	return p, p.start(ctx)
}

// open finds the servers, starting those that are to be started.
func (r *run) open(ctx context.Context) (err error) {
	if r.Endpoint == "" {
		var flags []string
		if r.Sign {
			flags = []string{"--auth", "enforce"}
		}
		if r.server, err = r.startNaru(ctx, flags...); err != nil {
			return err
		}
	} else if _, err := parseAddress(r.Endpoint); err != nil {
		return err
	}
	if !r.Baseline {
		return nil
	}
	if r.reply, err = r.replySize(ctx); err != nil {
		return err
	}
	r.baseline = &process{args: []string{"bench", BaselineCommand, "--reply", strconv.Itoa(r.reply)}}
	return r.baseline.start(ctx)
}

// close deletes the queues, and ends what was started.
func (r *run) close() error {
	var errs []error
	for _, p := range []*process{r.server, r.signing, r.baseline} {
		if p == nil || p.command == nil || p.command.Process == nil {
			continue
		}
		errs = append(errs, p.end(syscall.SIGTERM))
		if p.data != "" {
			errs = append(errs, os.RemoveAll(filepath.Dir(p.data)))
		}
	}
	if r.server == nil {
		ctx, cancel := context.WithTimeout(context.Background(), grace)
		defer cancel()
		for _, t := range r.made {
			errs = append(errs, t.server.deleteQueues(ctx, t.queues))
		}
	}
	return errors.Join(errs...)
}

// plain is the server that scenarios are measured on.
func (r *run) plain() server {
	if r.server == nil {
		a, err := parseAddress(r.Endpoint)
		if err != nil {
			panic(err) // open has tried it
		}
		s := server{endpoint: a, pid: r.PID}
		if r.Sign {
			s.sign = r.signer(r.KeyID, r.Secret, r.Token)
		}
		return s
	}
	s := server{endpoint: r.server.endpoint, pid: r.server.pid()}
	if r.Sign {
		s.sign = r.rootSigner(r.server)
	}
	return s
}

func (r *run) signer(id, secret, token string) func() *signer {
	return func() *signer { return &signer{keyID: id, secret: secret, token: token, region: r.Region} }
}

// rootSigner signs as the root of a Naru that was started for the run.
func (r *run) rootSigner(p *process) func() *signer {
	text, err := os.ReadFile(filepath.Join(p.data, "root.credentials"))
	if err != nil {
		return func() *signer { return &signer{region: r.Region} } // refused, and that is told
	}
	value := func(name string) string {
		_, rest, _ := strings.Cut(string(text), name)
		line, _, _ := strings.Cut(strings.TrimLeft(rest, " ="), "\n")
		return strings.TrimSpace(line)
	}
	return r.signer(value("aws_access_key_id"), value("aws_secret_access_key"), "")
}

// signedTarget is a queue of a server that verifies signatures.
func (r *run) signedTarget(ctx context.Context) (t *target, err error) {
	for _, t := range r.made {
		if t.suffix == "" && t.server.sign != nil {
			return t, nil
		}
	}
	s := r.plain()
	if r.server == nil {
		s.sign = r.signer(r.KeyID, r.Secret, r.Token)
	} else {
		if r.signing, err = r.startNaru(ctx, "--auth", "enforce"); err != nil {
			return nil, err
		}
		s = server{endpoint: r.signing.endpoint, pid: r.signing.pid(), sign: r.rootSigner(r.signing)}
	}
	return r.makeTarget(ctx, s, "", 1)
}

// usage is what a process has and had: bytes of memory, and CPU time.
func usage(pid int) (resident int64, cpu time.Duration, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, err
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	if f := strings.Fields(rest); len(f) > 0 {
		kib, err := strconv.ParseInt(f[0], 10, 64)
		if err != nil {
			return 0, 0, err
		}
		resident = kib << 10
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, err
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	if f := strings.Fields(after); len(f) > 12 {
		for _, ticks := range f[11:13] { // user and system time, in hundredths of a second
			n, err := strconv.ParseInt(ticks, 10, 64)
			if err != nil {
				return 0, 0, err
			}
			cpu += time.Duration(n) * 10 * time.Millisecond
		}
	}
	return resident, cpu, nil
}

// diskUse returns the bytes of the disk that the files below dir take.
func diskUse(dir string) (total int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, e os.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			var info os.FileInfo
			if info, err = e.Info(); err == nil {
				total += blocks(info)
			}
		}
		if errors.Is(err, os.ErrNotExist) {
			err = nil // it was removed meanwhile
		}
		return err
	})
	return total, err
}

// blocks returns what a file takes of the disk, which may be more or less than
// its length.
func blocks(info os.FileInfo) int64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return int64(s.Blocks) * 512
	}
	return info.Size()
}
