package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
)

// ErrEnded is returned for what can't be done with an environment that ended.
var ErrEnded = errors.New("sandbox: the environment has ended")

// Exit is how an environment ended.
type Exit struct {
	Code   int            // exit status of the command that ended first; -1 if a signal ended it
	Signal syscall.Signal // that ended it; 0 if it ended by itself
	Other  bool           // it was not the runtime
	// OutOfMemory says that it was killed since it used more than Spec.Memory,
	// OutOfProcesses that it had more than Spec.Processes.
	OutOfMemory, OutOfProcesses bool
	// Lost says that the helper ended without saying how the runtime did.
	Lost bool
}

func (x Exit) String() string {
	switch {
	case x.OutOfMemory:
		return "out of memory"
	case x.OutOfProcesses:
		return "too many processes"
	case x.Lost:
		return "helper was lost"
	case x.Signal != 0:
		return "signal: " + x.Signal.String()
	}
	return fmt.Sprintf("exit status %d", x.Code)
}

// Usage is what the processes of an environment use, without the helper.
type Usage struct {
	// Resident is the bytes in memory now; shared memory counts for each
	// process that shares it.
	Resident int64
	// Peak is the most that Resident has been, as seen by the watch, and at
	// least the peak of each single process.
	Peak int64
	// CPU is the processor time used, in user and system mode.
	CPU time.Duration
}

// A LaunchError is why Launch failed if a command ended before the runtime was
// started.
type LaunchError struct{ Exit Exit }

func (e *LaunchError) Error() string { return "sandbox: a command has ended: " + e.Exit.String() }

// An Environment is a runtime and everything that it started. Its methods are
// safe for concurrent use.
type Environment struct {
	launcher *Launcher
	body     *body
	conn     net.Conn
	output   *output
	done     chan struct{}
	exit     Exit // set before done is closed
}

// newEnvironment starts the processes. The caller calls run.
func newEnvironment(ctx context.Context, l *Launcher, spec Spec) (e *Environment, err error) {
	ends, err := newEnds()
	if err != nil {
		return nil, err
	}
	defer ends.closeTheirs()
	defer func() {
		if err != nil {
			_ = ends.pipe.Close() // nobody has used it yet
		}
	}()
	conn, err := net.FileConn(ends.socket) // a duplicate
	if err = errors.Join(err, ends.socket.Close()); err != nil {
		return nil, err
	}
	out, err := newOutput(ends.pipe, spec.Output, &l.buffers)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	body, err := startBody(ctx, l, spec, ends)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &Environment{launcher: l, body: body, conn: conn, output: out, done: make(chan struct{})}, nil
}

// run sees the environment to its end.
func (e *Environment) run() {
	go e.output.follow() // finish waits for it
	exit := e.body.wait()
	if err := e.output.finish(); err != nil {
		e.launcher.log.Error("output of an environment", "error", err)
	}
	e.exit = exit
	e.launcher.forget(e)
	close(e.done)
}

// Conn is our end of the socket pair whose other end the runtime has as
// descriptor 3. Stop and Kill close it.
func (e *Environment) Conn() net.Conn { return e.conn }

// Drain returns once all that was written to the output before the call has
// been given to Spec.Output. A line without its newline is handed on as it is.
func (e *Environment) Drain() { e.output.drain() }

// Freeze stops every process of the environment. It returns once all stand
// still.
func (e *Environment) Freeze() error { return e.unlessEnded(e.body.freeze) }

// Thaw lets frozen processes go on.
func (e *Environment) Thaw() error { return e.unlessEnded(e.body.thaw) }

func (e *Environment) unlessEnded(f func() error) error {
	err := f()
	select {
	case <-e.done:
		return ErrEnded
	default:
		return err
	}
}

// Usage returns what the environment uses, or used when it ended.
func (e *Environment) Usage() Usage { return e.body.usage() }

// Terminate asks the runtime to end, by SIGTERM. From then on the environment
// ends when all commands have.
func (e *Environment) Terminate() { e.body.terminate(true) }

// Dial connects to a TCP address of the environment's, such as 127.0.0.1:8080.
func (e *Environment) Dial(ctx context.Context, address string) (net.Conn, error) {
	return e.body.dial(ctx, address)
}

// PID is the process id of the runtime, as this process sees it.
func (e *Environment) PID() int { return e.body.pid }

// Stop asks the runtime to end, by SIGTERM, and kills what is still there
// after the grace period. It returns once nothing is left.
func (e *Environment) Stop(grace time.Duration) {
	if grace > 0 {
		timer := time.NewTimer(grace)
		defer timer.Stop()
		e.body.terminate(false)
		select {
		case <-e.done:
		case <-timer.C:
		}
	}
	e.Kill()
}

// Kill kills every process of the environment and returns once nothing is
// left. It closes Conn.
func (e *Environment) Kill() {
	e.body.kill()
	timer := time.NewTimer(e.launcher.patience)
	defer timer.Stop()
	select {
	case <-e.done:
	case <-timer.C:
		e.launcher.log.Error("the helper of an environment does not end", "runtime", e.body.pid)
		e.body.force()
		<-e.done
	}
	if err := e.conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		e.launcher.log.Error("closing the connection of an environment", "error", err)
	}
}

// Done is closed when nothing is left of the environment and its output has
// been handed on.
func (e *Environment) Done() <-chan struct{} { return e.done }

// Exit waits for Done and returns how the environment ended.
func (e *Environment) Exit() Exit {
	<-e.done
	return e.exit
}

// ends are the ends of the socket pair and the pipe that connect this process
// with a runtime: two that we keep and two that are given away.
type ends struct {
	socket, pipe            *os.File // ours; pipe does not block
	theirSocket, theirWrite *os.File
}

// closeTheirs closes what has been given away, or never will be.
func (e ends) closeTheirs() {
	_ = e.theirSocket.Close()
	_ = e.theirWrite.Close()
}
