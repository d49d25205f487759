package lambda

import (
	"runtime"
	"slices"
	"time"
)

// Where processors are what there is too little of, invocations of a function
// that run at the same time only keep each other from getting on, and spread over
// environments whose code is neither compiled nor in caches: 16 at a time get
// through half as many as 3. So there, whoever waits for a result stands in line
// while more of the same version run than there are processors; but not for long,
// since those that run may be waiting for something themselves. The environment
// used last is the first to be used again.

// atOnce is how many others may run without a line.
var atOnce = runtime.NumCPU()

// maxLine is how long an invocation stands in line at the most.
const maxLine = 10 * time.Millisecond

// lineUp returns when an invocation of the version should go on.
func (s *Service) lineUp(v *Version) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.poolOf(v)
	if !p.crowded() || s.options.Full == nil {
		return
	}
	s.mu.Unlock()
	full := s.options.Full()
	s.mu.Lock()
	if !full || !p.crowded() {
		return
	}
	turn := make(chan struct{})
	p.line = append(p.line, turn)
	timer := s.clock.AfterFunc(s.clock.Now().Add(maxLine), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		p.call(slices.Index(p.line, turn))
	})
	s.mu.Unlock()
	<-turn
	timer.Stop()
	s.mu.Lock()
}

// crowded reports whether so many run that others line up. It needs the service's
// lock.
func (p *pool) crowded() bool { return len(p.busy) > atOnce || len(p.busy) > 0 && len(p.line) > 0 }

// next has the first in line go on, after one has ended. It needs the service's
// lock.
func (p *pool) next() {
	if len(p.busy) <= atOnce { // others may have stood there for long enough
		p.call(0)
	}
}

// call has one who stands in line go on; it is all right if there is none. It
// needs the service's lock.
func (p *pool) call(k int) {
	if k >= 0 && k < len(p.line) {
		close(p.line[k])
		p.line = slices.Delete(p.line, k, k+1)
	}
}
