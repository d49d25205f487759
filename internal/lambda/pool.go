package lambda

import (
	"errors"
	"time"
)

// A pool holds the environments of one function. It is guarded by the
// service's lock.
type pool struct {
	name name
	idle []*instance // the one used last is the last
	busy map[*instance]struct{}
}

// An environment is frozen a moment after it was used, and ended when it was
// not used for a while.
const (
	freezeAfter = 50 * time.Millisecond
	reapAfter   = 5 * time.Minute
)

// errThrottled is returned when there is no room for another environment.
var errThrottled = errors.New("lambda: too many environments")

// acquire returns an environment of the function for one invocation: an idle
// one, or a new one if there is room. It returns a failure if the function's
// own code keeps a new one from getting ready; the instance then is there only
// for its log.
func (s *Service) acquire(f *Function) (*instance, *failure, error) {
	i, stale, err := s.takeIdle(f)
	for _, old := range stale {
		s.work.Go(func() { s.dispose(old) })
	}
	if err != nil {
		return nil, nil, err
	}
	if i != nil {
		if err := i.thaw(); err != nil {
			s.release(i, false)
			return nil, nil, err
		}
		return i, nil, nil
	}
	i, fail, err := s.start(f)
	if fail != nil || err != nil {
		s.unreserve(f)
		return i, fail, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.poolOf(f.name()).busy[i] = struct{}{}
	return i, nil, nil
}

// takeIdle returns an idle instance of the function, if there is one, and those
// of former revisions, which are to be disposed of. If there is none it
// reserves room for a new one, or fails.
func (s *Service) takeIdle(f *Function) (i *instance, stale []*instance, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, nil, errThrottled
	}
	p := s.poolOf(f.name())
	for len(p.idle) > 0 && i == nil {
		last := p.idle[len(p.idle)-1]
		p.idle = p.idle[:len(p.idle)-1]
		last.wakeUp()
		if last.function.Revision == f.Revision && alive(last) && !last.expiring() {
			i = last
			p.busy[i] = struct{}{}
		} else {
			stale = append(stale, last)
		}
	}
	if i != nil {
		return i, stale, nil
	}
	size := int64(f.MemorySize) << 20
	for !s.roomFor(size) {
		oldest := s.oldestIdle()
		if oldest == nil {
			return nil, stale, errThrottled
		}
		stale = append(stale, oldest)
		s.environments--
		s.memory -= int64(oldest.function.MemorySize) << 20
		oldest.uses = -1 // its room was given away already
	}
	s.environments++
	s.memory += size
	return nil, stale, nil
}

func alive(i *instance) bool {
	select {
	case <-i.env.Done():
		return false
	default:
		return true
	}
}

// expiring reports whether the environment's credentials may run out during an
// invocation that begins now.
func (i *instance) expiring() bool {
	longest := time.Duration(i.function.Timeout)*time.Second + time.Minute
	return !i.expires.IsZero() && i.service.clock.Real().Add(longest).After(i.expires)
}

func (s *Service) roomFor(size int64) bool {
	return s.environments < s.options.Concurrency && (s.options.Memory == 0 || s.memory+size <= s.options.Memory)
}

// oldestIdle takes the instance that was idle for longest out of its pool; nil
// if there is none.
func (s *Service) oldestIdle() *instance {
	var from *pool
	for _, p := range s.pools {
		if len(p.idle) > 0 && (from == nil || p.idle[0].idleSince.Before(from.idle[0].idleSince)) {
			from = p
		}
	}
	if from == nil {
		return nil
	}
	i := from.idle[0]
	from.idle = from.idle[1:]
	i.wakeUp()
	return i
}

// wakeUp makes an instance one that is not idle. It needs the service's lock.
func (i *instance) wakeUp() {
	i.idleSince = time.Time{}
	i.uses++
	for _, t := range i.timers {
		t.Stop()
	}
	i.timers = nil
}

// unreserve gives back the room of an instance of the function.
func (s *Service) unreserve(f *Function) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.environments--
	s.memory -= int64(f.MemorySize) << 20
}

// dispose ends an instance that is in no pool any more.
func (s *Service) dispose(i *instance) {
	i.thaw() // a frozen process would not even end
	i.destroy()
	i.book.flush()
	if i.uses >= 0 {
		s.unreserve(i.function)
	}
}

// poolOf returns the function's pool. It needs s.mu.
func (s *Service) poolOf(n name) *pool {
	p := s.pools[n.key()]
	if p == nil {
		p = &pool{name: n, busy: map[*instance]struct{}{}}
		s.pools[n.key()] = p
	}
	return p
}

// release puts an instance back into its pool, or ends it if it is of no use
// any more.
func (s *Service) release(i *instance, healthy bool) {
	s.mu.Lock()
	p := s.poolOf(i.function.name())
	delete(p.busy, i)
	current, ok := s.functions.Get(p.name.key())
	keep := healthy && !s.closed && ok && current.Revision == i.function.Revision && alive(i)
	if keep {
		now := s.clock.Now()
		i.idleSince = now
		use := i.uses
		p.idle = append(p.idle, i)
		i.timers = append(i.timers,
			s.clock.AfterFunc(now.Add(freezeAfter), func() { i.freeze(use) }),
			s.clock.AfterFunc(now.Add(reapAfter), func() { s.reap(i, use) }))
	}
	s.mu.Unlock()
	if !keep {
		s.dispose(i)
	}
}

// reap ends an instance that was not used since.
func (s *Service) reap(i *instance, use int) {
	s.mu.Lock()
	p := s.poolOf(i.function.name())
	found := false
	for k, other := range p.idle {
		if other == i && i.uses == use {
			p.idle = append(p.idle[:k:k], p.idle[k+1:]...)
			i.wakeUp()
			found = true
			break
		}
	}
	s.mu.Unlock()
	if found {
		s.dispose(i)
	}
}

// renew ends the idle instances of former revisions of a function.
func (s *Service) renew(f *Function) {
	s.mu.Lock()
	p := s.poolOf(f.name())
	stale := p.idle
	p.idle = nil
	for _, i := range stale {
		i.wakeUp()
	}
	s.mu.Unlock()
	for _, i := range stale {
		s.work.Go(func() { s.dispose(i) })
	}
}

// dismiss ends the idle instances of a function that was deleted. Those that
// are busy end when they are released.
func (s *Service) dismiss(n name) {
	s.mu.Lock()
	p := s.pools[n.key()]
	delete(s.pools, n.key())
	s.mu.Unlock()
	if p != nil {
		s.work.Go(p.closeIdle)
	}
}

// close ends the pool's instances. Those that are busy are ended too, and
// their invocations with them; whoever runs them releases them.
func (p *pool) close() {
	for i := range p.busy {
		i.env.Kill()
	}
	p.closeIdle()
}

// closeIdle ends the idle instances of a pool that is no longer in use.
func (p *pool) closeIdle() {
	for _, i := range p.idle {
		i.service.mu.Lock()
		i.wakeUp()
		i.service.mu.Unlock()
		i.service.dispose(i)
	}
}
