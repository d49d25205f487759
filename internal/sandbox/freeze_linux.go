package sandbox

import (
	"errors"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"naru/internal/sandbox/internal/proc"
)

// freezeTime is how long freeze tries.
const freezeTime = 2 * time.Second

var errRestless = errors.New("sandbox: processes don't stop")

// freeze has the environment's processes stand still.
func (b *body) freeze() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.frozen || b.final != nil {
		return nil
	}
	stop := b.stopAll
	if f := b.group.freezes(); f != nil {
		stop = f.freeze
	}
	err := stop()
	b.frozen = err == nil
	return err
}

// stopAll stops processes group by group, in each of which no member can start
// another once the signal is sent, until a census finds none that moves. It needs
// b.mu.
func (b *body) stopAll() error {
	b.stop(b.pid)
	deadline := time.Now().Add(freezeTime)
	for pause := 50 * time.Microsecond; ; pause = min(2*pause, 5*time.Millisecond) {
		moving := b.moving()
		if len(moving) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			b.goOn()
			return errRestless
		}
		for _, p := range moving {
			b.stop(p.Group)
		}
		// A signal takes effect when its receiver is scheduled next; only the
		// parent would be told.
		time.Sleep(pause)
	}
}

// moving returns the processes that don't stand still. It needs b.mu.
func (b *body) moving() []proc.Process {
	// While the runtime itself still moves there is no need to look further.
	if p, err := proc.System.Process(b.pid); err == nil && !b.stands(p) {
		return []proc.Process{p}
	}
	b.members = proc.NewCensus(proc.System).Below(b.helper.Process.Pid)
	return slices.DeleteFunc(slices.Clone(b.members), b.stands)
}

// stands reports whether p stands still. Whoever waits for a child that is to
// execute a program, and was stopped before it did, can't be stopped itself,
// but has the signal. It needs b.mu.
func (b *body) stands(p proc.Process) bool {
	return p.Still() || p.Blocked() && slices.Contains(b.stopped, p.Group)
}

// stop stops a process group. It needs b.mu.
func (b *body) stop(group int) {
	if group <= 1 || group == b.helper.Process.Pid {
		return
	}
	_ = unix.Kill(-group, unix.SIGSTOP) // whoever has ended stands still too
	if !slices.Contains(b.stopped, group) {
		b.stopped = append(b.stopped, group)
	}
}

// thaw lets what freeze stopped go on.
func (b *body) thaw() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.frozen || b.final != nil {
		return nil
	}
	b.frozen = false
	if f := b.group.freezes(); f != nil {
		return f.thaw()
	}
	b.goOn()
	return nil
}

// goOn lets what stopAll has stopped go on. It needs b.mu.
func (b *body) goOn() {
	for _, group := range b.stopped {
		_ = unix.Kill(-group, unix.SIGCONT)
	}
	b.stopped = nil
}
