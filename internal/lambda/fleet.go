package lambda

import (
	"errors"
	"math"
	"strings"
	"time"
)

// The fleet is all environments, of all pools. What bounds it:
//
//   - Invocations. A function that has reserved concurrency has that, the
//     others of its account and region share what is left. Environments that
//     are kept ready (provisioned.go) are for their version's invocations,
//     which do not count otherwise; the rest does.
//   - Starts: a function gets 1000 new environments at once, and then 100 more
//     each second.
//   - Memory, which all share: an environment counts with its function's
//     MemorySize until one of its version has run, and then with the most that
//     it has used.
//
// Where memory is short, spares are ended first, then the environment that was
// idle for longest. What there still is no room for is refused: throttled. Who
// can wait, as triggers can, is told when there may be room again (roomy), and
// leaves the last tenth of what all share to functions that have nothing: so a
// function that takes its time does not keep those of other queues from running.

// throttled is the refusal of an invocation for which there is no room.
type throttled struct{ reason string } // AWS's name for it

func (t throttled) Error() string { return "lambda: throttled: " + t.reason }

func isThrottle(err error) bool {
	var t throttled
	return errors.As(err, &t)
}

// The reasons that AWS gives.
const (
	noReserved     = "ReservedFunctionConcurrentInvocationLimitExceeded"
	noUnreserved   = "ConcurrentInvocationLimitExceeded"
	noReservedRate = "ReservedFunctionInvocationRateLimitExceeded"
	noRate         = "FunctionInvocationRateLimitExceeded"
)

// How many environments a function may start.
const (
	startsAtOnce    = 1000
	startsPerSecond = 100
)

// A load is what one function uses of the fleet. It is guarded by the service's
// lock.
type load struct {
	running int // invocations that count against a limit
	spares  int
	starts  float64 // environments that may be started, as of last
	last    time.Time
}

// A quota is how an account's concurrency in a region is shared out. It is
// guarded by the service's lock.
type quota struct {
	unreserved int            // for functions that have reserved nothing
	reserved   map[string]int // by function key, without what is kept ready
}

// accountKey is what begins the keys of an account's functions in a region.
func (n name) accountKey() string { return name{n.account, n.region, "", ""}.key() }

// quotaOf returns the quota that a function falls under. It needs s.mu.
func (s *Service) quotaOf(n name) *quota {
	q := s.quotas[n.accountKey()]
	if q != nil {
		return q
	}
	q = &quota{unreserved: int(s.unreserved(n, nil)), reserved: map[string]int{}}
	for key, f := range s.functions.All(n.accountKey()) {
		if f.Reserved != nil {
			q.reserved[key] = int(*f.Reserved - s.provisionedOf(f.name()))
		}
	}
	s.quotas[n.accountKey()] = q
	return q
}

// requota has the quota that a function falls under counted anew.
func (s *Service) requota(n name) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.quotas, n.accountKey())
	s.makeKnown()
}

// count adds to what a function uses of the fleet. It needs s.mu.
func (s *Service) count(n name, running, spares int) {
	l := s.loadOf(n)
	l.running += running
	l.spares += spares
	if l.running+l.spares == 0 {
		delete(s.active, n.key())
	} else {
		s.active[n.key()] = l
	}
}

// roomy returns a channel that is closed when there may be room that there is
// not now.
func (s *Service) roomy() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.freed == nil {
		s.freed = make(chan struct{})
	}
	return s.freed
}

// makeKnown tells those who wait that there may be room: an invocation has come
// to its end, an environment was ended, or a limit is another. It needs s.mu.
func (s *Service) makeKnown() {
	if s.freed != nil {
		close(s.freed)
		s.freed = nil
	}
}

// politeShare is the part of what all share that polite invocations leave.
const politeShare = 10

// loadOf returns a function's load. It needs s.mu.
func (s *Service) loadOf(n name) *load {
	l := s.loads[n.key()]
	if l == nil {
		l = &load{starts: startsAtOnce, last: s.clock.Now()}
		s.loads[n.key()] = l
	}
	return l
}

// free returns how many more invocations, and spares, of a function there may
// be, and the reason why if that is none. It needs s.mu.
func (s *Service) free(n name) (int, string) {
	q := s.quotaOf(n)
	if reserved, ok := q.reserved[n.key()]; ok {
		l := s.loadOf(n)
		return reserved - l.running - l.spares, noReserved
	}
	left := q.unreserved
	for key, l := range s.active {
		if _, reserved := q.reserved[key]; !reserved && strings.HasPrefix(key, n.accountKey()) {
			left -= l.running + l.spares
		}
	}
	return left, noUnreserved
}

// mayStart takes one from what a function may start of environments. It needs
// s.mu.
func (s *Service) mayStart(n name) bool {
	l, now := s.loadOf(n), s.clock.Now()
	l.starts = math.Min(startsAtOnce, l.starts+startsPerSecond*now.Sub(l.last).Seconds())
	l.last = now
	if l.starts < 1 {
		return false
	}
	l.starts--
	return true
}

// admit counts an invocation, or refuses it. It needs s.mu, and returns the
// spares that had to make room.
func (s *Service) admit(n name, polite bool) (evicted []*instance, err error) {
	left, reason := s.free(n)
	if q := s.quotaOf(n); polite && reason == noUnreserved {
		left -= q.unreserved / politeShare
	}
	for left < 1 {
		spare := s.takeSpare(func(v *Version) bool { return s.shares(n, v.name()) })
		if spare == nil {
			return evicted, throttled{reason}
		}
		evicted = append(evicted, spare)
		left++
	}
	s.count(n, 1, 0)
	return evicted, nil
}

// shares reports whether two functions share a limit. It needs s.mu.
func (s *Service) shares(a, b name) bool {
	q := s.quotaOf(a)
	_, reserved := q.reserved[a.key()]
	_, other := q.reserved[b.key()]
	return a == b || !reserved && !other && a.accountKey() == b.accountKey()
}

// leave uncounts an invocation. It needs s.mu.
func (s *Service) leave(n name) { s.count(n, -1, 0) }

// takeSpare takes a spare out of its pool. It needs s.mu.
func (s *Service) takeSpare(of func(*Version) bool) *instance {
	for _, p := range s.pools {
		for k, i := range p.idle {
			if i.spare && of(i.version) {
				p.remove(k)
				return i
			}
		}
	}
	return nil
}

// makeRoom takes room for an environment of a version, for which others may
// have to be ended; it returns those. It needs s.mu.
func (s *Service) makeRoom(p *pool, v *Version, evict, polite bool) (charge int64, evicted []*instance, ok bool) {
	charge = p.peak
	if charge == 0 {
		charge = int64(v.MemorySize) << 20
	}
	for !s.roomFor(charge, polite) {
		if !evict {
			return 0, nil, false
		}
		i := s.takeSpare(func(*Version) bool { return true })
		if i == nil {
			i = s.takeOldest()
		}
		if i == nil {
			return 0, evicted, false
		}
		s.vacate(i)
		evicted = append(evicted, i)
	}
	s.environments++
	s.memory += charge
	return charge, evicted, true
}

// roomFor reports whether there is room for one environment more. It needs s.mu.
func (s *Service) roomFor(charge int64, polite bool) bool {
	number, memory := s.options.Concurrency, s.options.Memory
	if polite {
		number, memory = number-number/politeShare, memory-memory/politeShare
	}
	if memory == 0 {
		return s.environments < number
	}
	return s.memory+charge <= memory
}

// vacate gives back the room of an environment, once. It needs s.mu.
func (s *Service) vacate(i *instance) {
	if i.charge == 0 {
		return
	}
	s.environments--
	s.memory -= i.charge
	i.charge = 0
	s.makeKnown()
}

// measure makes an environment count with what it has used. It needs s.mu.
func (s *Service) measure(p *pool, i *instance, peak int64) {
	if peak <= 0 || i.charge == 0 {
		return
	}
	p.peak = max(p.peak, peak)
	s.memory += peak - i.charge
	i.charge = peak
}

// takeOldest takes the environment that was idle for longest out of its pool,
// but none that is kept ready; nil if there is none. It needs s.mu.
func (s *Service) takeOldest() *instance {
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
	from.remove(0)
	return i
}
