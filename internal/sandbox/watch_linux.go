package sandbox

import (
	"slices"
	"time"

	"naru/internal/sandbox/internal/proc"
)

const (
	watchEvery  = 100 * time.Millisecond // each look at the known processes
	censusEvery = 5                      // looks, one that also finds new processes
)

// watch looks at what the environments use and kills those that use too much.
// It stands still while there is none.
func (l *Launcher) watch() {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for look := 1; ; look++ {
		select {
		case <-l.quit:
			return
		case <-ticker.C:
		}
		all := l.environments()
		if len(all) == 0 {
			ticker.Stop()
			select {
			case <-l.quit:
				return
			case <-l.wake:
			}
			ticker.Reset(watchEvery)
		}
		var c *proc.Census
		if look%censusEvery == 0 {
			c = proc.NewCensus(proc.System)
		}
		for _, e := range all {
			e.body.look(c)
		}
	}
}

// look brings the figures up to date and kills the environment if they are too
// high. With a census it counts the processes, without one it goes by those
// that are known.
func (b *body) look(c *proc.Census) {
	b.mu.Lock()
	idle := b.frozen || b.final != nil
	known := b.members
	b.mu.Unlock()
	if idle {
		return
	}
	var found []proc.Process
	if c != nil {
		found = c.Below(b.helper.Process.Pid)
	} else {
		found = latest(known)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.members = found
	b.peak = max(b.peak, resident(found))
	switch {
	case b.final != nil || b.excess != Exit{}:
	case len(found) > b.processes:
		b.excess.OutOfProcesses = true
		b.kill()
	case b.memory > 0 && resident(found) > b.memory && b.reallyUses() > b.memory:
		b.excess.OutOfMemory = true
		b.kill()
	}
}

// latest returns those of the processes that still are, with their figures of
// now.
func latest(known []proc.Process) []proc.Process {
	now := make([]proc.Process, 0, len(known))
	for _, p := range known {
		if q, err := proc.System.Process(p.PID); err == nil && (p.Same(q) || p.Started == 0) {
			now = append(now, q)
		}
	}
	return now
}

func resident(all []proc.Process) (sum int64) {
	for _, p := range all {
		sum += p.Resident
	}
	return sum
}

// reallyUses returns the bytes in memory, where what several processes share
// counts once. It needs b.mu.
func (b *body) reallyUses() (sum int64) {
	alive := slices.DeleteFunc(proc.NewCensus(proc.System).Below(b.helper.Process.Pid), func(p proc.Process) bool { return p.State == 'Z' })
	if len(alive) == 1 {
		return alive[0].Resident
	}
	for _, p := range alive {
		sum += proc.System.Share(p.PID)
	}
	return sum
}

func (b *body) usage() Usage {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.final != nil {
		return Usage{Peak: max(b.peak, b.final.Peak), CPU: b.final.CPU}
	}
	b.members = latest(b.members)
	u := Usage{Resident: resident(b.members)}
	for _, p := range b.members {
		u.CPU += p.CPU
		b.peak = max(b.peak, proc.System.Peak(p.PID))
	}
	b.peak = max(b.peak, u.Resident)
	u.Peak = b.peak
	return u
}
