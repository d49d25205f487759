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
	// Kill ends them at once; Stop lets them end by themselves first. Terminate
	// only asks the runtime to end.
	Kill()
	Stop(grace time.Duration)
	Terminate()
	// Dial connects to a server that they run, at an address such as
	// 127.0.0.1:8080.
	Dial(ctx context.Context, address string) (net.Conn, error)
	// Done is closed once they have ended, and then Exit says how.
	Done() <-chan struct{}
	Exit() Exit
}

// Exit is how processes ended.
type Exit struct {
	How       string // in AWS's words: "exit status 1", "signal: killed", or "" for no reason
	Extension bool   // it was an extension that ended first
}

// Spec says what an environment runs.
type Spec struct {
	Command []string // the runtime
	// Extensions are commands that run beside it. It is started once Gate is
	// closed.
	Extensions [][]string
	Gate       <-chan struct{}
	Dir        string
	Env        []string
	Memory     int64                // bytes, at which it is killed
	Temp       int64                // bytes that /tmp has room for
	Mounts     []Mount              // what its processes see, if they have a root of their own
	Links      []Link               // likewise
	KeyID      string               // of its access key
	Output     func(lines []string) // is called with what they print
	// Serve is given a listener for AWS_LAMBDA_RUNTIME_API, which only these
	// processes reach.
	Serve func(net.Listener)
}

// A Mount is a folder that processes see, and can't change, at a path.
type Mount struct{ Folder, At string }

// A Link is a symbolic link that processes see.
type Link struct{ At, To string }

// A Crash is why an environment was not launched, if an extension ended while it
// was getting ready.
type Crash struct{ How string } // as in Exit

func (c *Crash) Error() string { return "an extension has ended: " + c.How }

// Launch starts an environment. The error is a *Crash if an extension ended.
type Launch func(context.Context, Spec) (Processes, error)

// maxInit is how long an environment may take to get ready. One that takes
// longer is started again, and then has the function's timeout.
const maxInit = 10 * time.Second

// A runner runs the function: see runtimeapi.Runtime.
type runner interface {
	Ready(context.Context) error
	Invoke(context.Context, runtimeapi.Invocation) (runtimeapi.Result, error)
}

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
	api      *runtimeapi.API
	overAPI  bool // the runtime uses it
	runtime  runner
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
	var problem *unrunnable
	if errors.As(err, &problem) {
		i.book.initReport(0, "error", problem.kind, i.kind)
		return &failure{kind: problem.kind, reason: problem.reason}, false, nil
	} else if err != nil {
		return nil, false, err
	}
	i.book.api = i.api
	i.api.Tell("platform.initStart", i.book.initRecord(i.kind))
	start := s.clock.Real()
	ctx, cancel := context.WithTimeout(s.ctx, limit)
	defer cancel()
	if i.env, err = s.options.Launch(ctx, spec); err != nil {
		i.api.Close()
		var crash *Crash
		if errors.As(err, &crash) {
			fail := extensionCrash(crash.How)
			i.book.initReport(s.clock.Real().Sub(start), "error", fail.kind, i.kind)
			return fail, false, nil
		}
		if ctx.Err() != nil && s.ctx.Err() == nil {
			return nil, true, nil // extensions have not got ready
		}
		return nil, false, fmt.Errorf("launch: %w", err)
	}
	err = i.connect().Ready(ctx)
	i.initTook = s.clock.Real().Sub(start)
	if err == nil {
		i.book.initDone(i.initTook, i.kind)
		return nil, false, nil
	}
	i.env.Drain()
	var reported *runtimeapi.InitError
	if errors.As(err, &reported) {
		i.book.initReport(i.initTook, "error", reported.Type, i.kind)
		i.destroy()
		return &failure{kind: reported.Type, payload: reported.Payload}, false, nil
	}
	if ctx.Err() != nil && s.ctx.Err() == nil {
		i.destroy()
		return nil, true, nil
	}
	fail = i.exit()
	i.book.initReport(i.initTook, "error", fail.kind, i.kind)
	return fail, false, s.ctx.Err()
}

// connect makes the connection with the runtime, and with extensions if there may
// be any.
func (i *instance) connect() runner {
	i.api.Follow(i.env.Done())
	i.api.Dial(i.env.Dial)
	if i.overAPI {
		i.runtime = i.api
	} else {
		i.runtime = i.api.With(runtimeapi.New(i.env.Conn()))
	}
	return i.runtime
}

// output takes what the processes print.
func (i *instance) output(lines []string) {
	i.book.output(lines)
	for _, line := range lines {
		i.api.TellLine(line)
	}
}

// exit waits for the processes to have ended, and says how in AWS's words.
func (i *instance) exit() *failure {
	i.env.Kill() // whatever is left of them
	<-i.env.Done()
	x := i.env.Exit()
	switch {
	case x.Extension:
		return extensionCrash(x.How)
	case x.How != "":
		return &failure{kind: "Runtime.ExitError", reason: "Runtime exited with error: " + x.How}
	}
	return &failure{kind: "Runtime.ExitError", reason: "Runtime exited without providing a reason"}
}

// destroy ends the environment. It may be called more than once.
func (i *instance) destroy() {
	if i.env != nil {
		i.env.Kill()
		<-i.env.Done()
		i.api.Close()
	}
}

func extensionCrash(how string) *failure {
	if how == "" {
		how = "exit status 0"
	}
	return &failure{kind: "Extension.Crash", reason: how}
}

// fault returns why there was no answer.
func (i *instance) fault(err error) *failure {
	var reported *runtimeapi.InitError // of an extension
	if errors.As(err, &reported) {
		i.destroy()
		return &failure{kind: reported.Type, payload: reported.Payload}
	}
	return i.exit()
}

// giveUp ends the environment, of which nothing is expected any more. Extensions
// have their time for it, but nobody waits for them.
func (i *instance) giveUp(reason string) {
	if some, _ := i.api.Extensions(); some && i.service.ctx.Err() == nil {
		i.service.work.Go(func() { i.shutdown(reason) })
		return
	}
	i.destroy()
}

// How long processes have to end by themselves, if there are extensions, as on
// AWS. Of that the runtime has its share first.
const (
	shutdownInternal = 500 * time.Millisecond
	shutdownExternal = 2 * time.Second
	runtimeShare     = 0.3
)

// shutdown ends the environment and lets extensions know, for the reason
// "spindown", "timeout" or "failure".
func (i *instance) shutdown(reason string) {
	if i.env == nil {
		return
	}
	defer i.destroy()
	some, external := i.api.Extensions()
	if !some || i.thaw() != nil {
		return
	}
	limit := shutdownInternal
	if external {
		limit = shutdownExternal
	}
	deadline := i.service.clock.Real().Add(limit)
	i.env.Terminate()
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	runtime, cancelRuntime := context.WithTimeout(ctx, time.Duration(runtimeShare*float64(limit)))
	defer cancelRuntime()
	select {
	case <-i.env.Done():
		return
	case <-runtime.Done():
	}
	i.api.Flush()
	if i.api.Shutdown(reason, deadline) {
		select {
		case <-i.env.Done():
		case <-ctx.Done():
		}
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
