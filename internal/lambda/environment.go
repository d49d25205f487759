package lambda

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"naru/internal/runtimeapi"
)

// Processes are those of a started environment: sandbox's, or what a test plays
// in-process.
type Processes interface {
	// Conn is the connection to the runtime.
	Conn() net.Conn
	// Drain returns once all output written before the call was handed on.
	Drain()
	// Freeze stops the processes, and Thaw lets them go on.
	Freeze() error
	Thaw() error
	// Peak is the most memory that they had at a time, in bytes.
	Peak() int64
	// Kill ends them at once; Stop lets them end by themselves first.
	Kill()
	Stop(grace time.Duration)
	// Done is closed once they have ended, and then Exit says how, in AWS's
	// words: "exit status 1", "signal: killed", or "" for no reason.
	Done() <-chan struct{}
	Exit() string
}

// Spec says what an environment runs.
type Spec struct {
	Command []string
	Dir     string
	Env     []string
	Memory  int64                // bytes, at which it is killed
	Output  func(lines []string) // is called with what they print
}

// Launch starts an environment.
type Launch func(context.Context, Spec) (Processes, error)

// maxInit is how long an environment may take to get ready. One that takes
// longer is started again, and then has the function's timeout.
const maxInit = 10 * time.Second

// A kind says why there is an environment.
type kind string

// The kinds, as AWS_LAMBDA_INITIALIZATION_TYPE calls them.
const (
	onDemand    kind = "on-demand"
	provisioned kind = "provisioned-concurrency"
)

// A purpose says what an environment is started for.
type purpose struct {
	kind  kind
	spare bool
}

// An instance is an environment that runs one build of a version, with one
// invocation at a time.
type instance struct {
	service  *Service
	version  *Version
	kind     kind
	stamp    string // see Service.stamp
	stream   string // of its log
	book     *logbook
	env      Processes
	runtime  *runtimeapi.Runtime
	initTook time.Duration // told by the first invocation's report, then 0
	peak     int64         // bytes of memory that it has used, as of measured
	measured time.Time
	ended    bool      // the runtime asks for no more work
	expires  time.Time // when its credentials run out; zero for never

	// Guarded by the service's lock.
	idleSince time.Time
	uses      int   // how often it was taken out of its pool
	froze     int   // uses when it was frozen last
	spare     bool  // it is there in case that all others are busy
	charge    int64 // bytes that it counts with; 0 if it does not count

	gate   sync.Mutex // held while freezing and thawing
	frozen bool
}

// start launches an environment and waits until it is ready. It returns a
// failure if the function's own code kept it from getting ready.
func (s *Service) start(v *Version, p purpose) (*instance, *failure, error) {
	why := p.kind
	i := &instance{service: s, version: v, kind: why, stamp: s.stamp(v), stream: newStream(s.clock.Now(), v.number()), froze: -1}
	i.book = newLogbook(s, v, i.stream)
	i.book.held = p.spare
	i.book.initStart(why)
	fail, timedOut, err := i.init(maxInit)
	if timedOut {
		i.book.initReport(maxInit, "timeout", "", why)
		fail, timedOut, err = i.init(time.Duration(v.Timeout) * time.Second)
		if timedOut {
			fail = timeoutFailure(v)
		}
	}
	if why == provisioned {
		i.initTook = 0 // nobody waits for it
	}
	if err != nil || fail != nil {
		i.destroy()
		return i, fail, err
	}
	return i, nil, nil
}

// newStream names a log stream as Lambda does: by day, version and a random id.
func newStream(now time.Time, version string) string {
	id := make([]byte, 16)
	rand.Read(id)
	return now.Format("2006/01/02/") + "[" + version + "]" + hex.EncodeToString(id)
}

// init launches the processes and waits for the runtime to ask for work.
func (i *instance) init(limit time.Duration) (fail *failure, timedOut bool, err error) {
	s := i.service
	spec, err := s.spec(i)
	if err != nil {
		return nil, false, err
	}
	start := s.clock.Real()
	ctx, cancel := context.WithTimeout(s.ctx, limit)
	defer cancel()
	if i.env, err = s.options.Launch(ctx, spec); err != nil {
		return nil, false, fmt.Errorf("launch: %w", err)
	}
	i.runtime = runtimeapi.New(i.env.Conn())
	err = i.runtime.Ready(ctx)
	i.initTook = s.clock.Real().Sub(start)
	if err == nil {
		return nil, false, nil
	}
	i.env.Drain()
	var reported *runtimeapi.InitError
	if errors.As(err, &reported) {
		i.book.initReport(i.initTook, "error", reported.Type, i.kind)
		i.destroy()
		return &failure{payload: reported.Payload, kind: reported.Type}, false, nil
	}
	if ctx.Err() != nil && s.ctx.Err() == nil {
		i.destroy()
		return nil, true, nil
	}
	exit := i.exit()
	i.book.initReport(i.initTook, "error", "Runtime.ExitError", i.kind)
	return &failure{kind: "Runtime.ExitError", reason: exit}, false, s.ctx.Err()
}

// exit waits for the processes to have ended, and says how in AWS's words.
func (i *instance) exit() string {
	i.env.Kill() // whatever is left of them
	<-i.env.Done()
	if how := i.env.Exit(); how != "" {
		return "Runtime exited with error: " + how
	}
	return "Runtime exited without providing a reason"
}

// destroy ends the environment. It may be called more than once.
func (i *instance) destroy() {
	if i.env != nil {
		i.env.Kill()
		<-i.env.Done()
	}
}

// freeze stops the processes if the instance is still idle.
func (i *instance) freeze(use int) {
	i.gate.Lock()
	defer i.gate.Unlock()
	s := i.service
	s.mu.Lock()
	idle := !i.idleSince.IsZero() && i.uses == use
	s.mu.Unlock()
	if !idle || i.frozen {
		return
	}
	if err := i.env.Freeze(); err != nil {
		s.log.Warn("an environment cannot be frozen", "function", i.version.Name, "err", err)
		return
	}
	i.frozen = true
}

// thaw lets the processes go on.
func (i *instance) thaw() error {
	i.gate.Lock()
	defer i.gate.Unlock()
	if !i.frozen {
		return nil
	}
	i.frozen = false
	return i.env.Thaw()
}
