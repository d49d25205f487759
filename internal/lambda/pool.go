package lambda

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"naru/internal/clock"
)

// A pool holds the environments of one version of a function. It is guarded by
// the service's lock.
type pool struct {
	service *Service
	version *Version    // as it was used last
	idle    []*instance // the one used last is the last
	busy    map[*instance]struct{}
	peak    int64 // the most memory that one of them has used; 0 until one has run

	// Environments that are kept ready: see provision.go.
	ready   []*instance
	wanted  int
	coming  int    // those that are being started
	failure string // why they cannot be started; "" if they can

	line []chan struct{} // of invocations that let others go first: see line.go

	spareComing bool
	allBusy     time.Time // since when none was idle
	due         time.Time // when alarm goes off; zero if it does not
	alarm       *clock.Timer
}

// An environment is frozen a moment after it was used, and ended when it was
// not used for a while. While all of a version have been busy for a moment,
// there is a spare.
const (
	freezeAfter = 50 * time.Millisecond
	reapAfter   = 5 * time.Minute
	spareAfter  = 20 * time.Millisecond
)

// poolOf returns the version's pool. It needs s.mu.
func (s *Service) poolOf(v *Version) *pool {
	p := s.pools[v.key()]
	if p == nil {
		p = &pool{service: s, busy: map[*instance]struct{}{}}
		s.pools[v.key()] = p
	}
	return p
}

// stamp tells apart what environments of a version were started with.
func (s *Service) stamp(v *Version) string {
	if v.Folder == "" {
		return v.Build
	}
	return v.Build + " " + strconv.Itoa(s.hot.version(v.Folder))
}

// remove takes one out of those that are idle.
func (p *pool) remove(k int) {
	i := p.idle[k]
	p.idle = slices.Delete(p.idle, k, k+1)
	i.wakeUp()
	p.noSpare(i)
}

// noSpare makes an instance one that is no spare, if it was.
func (p *pool) noSpare(i *instance) {
	if i.spare {
		i.spare = false
		p.service.count(i.version.name(), 0, -1)
	}
}

// wakeUp makes an instance one that is not idle. It needs the service's lock.
func (i *instance) wakeUp() {
	i.idleSince = time.Time{}
	i.uses++
}

// take takes an instance of those given that is good for an invocation; those
// that are not any more it returns apart.
func (p *pool) take(from *[]*instance, stamp string) (i *instance, stale []*instance) {
	for len(*from) > 0 {
		last := (*from)[len(*from)-1]
		*from = (*from)[:len(*from)-1]
		last.wakeUp()
		p.noSpare(last)
		if last.stamp == stamp && alive(last) && !last.expiring() {
			p.busy[last] = struct{}{}
			return last, stale
		}
		stale = append(stale, last)
	}
	return nil, stale
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
	longest := time.Duration(i.version.Timeout)*time.Second + time.Minute
	return !i.expires.IsZero() && i.service.clock.Real().Add(longest).After(i.expires)
}

// acquire returns an environment of the version for one invocation: one that is
// kept ready, an idle one, or a new one if there is room; or it refuses. It
// returns a failure if the function's own code keeps a new one from getting
// ready; the instance then is there only for its log. A polite invocation is
// also refused the last room, unless its function has nothing.
func (s *Service) acquire(v *Version, polite bool) (*instance, *failure, error) {
	i, charge, stale, err := s.take(v, polite)
	for _, old := range stale {
		s.work.Go(func() {
			s.dispose(old)
			if old.kind == provisioned && old.expiring() {
				s.provision(old.version.name())
			}
		})
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
	i, fail, err := s.start(v, purpose{kind: onDemand})
	i.charge = charge
	s.mu.Lock()
	defer s.mu.Unlock()
	if fail != nil || err != nil {
		s.vacate(i)
		s.leave(v.name())
		return i, fail, err
	}
	p := s.poolOf(v)
	p.busy[i] = struct{}{}
	p.watch()
	return i, nil, nil
}

// take returns an instance that is there; or nil and the room for a new one.
// stale are instances that are to be disposed of.
func (s *Service) take(v *Version, polite bool) (i *instance, charge int64, stale []*instance, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := v.name()
	if s.closed {
		return nil, 0, nil, throttled{noUnreserved}
	}
	p := s.poolOf(v)
	p.version = v
	if i, stale = p.take(&p.ready, s.stamp(v)); i != nil {
		return i, 0, stale, nil
	}
	polite = polite && s.loadOf(n).running > 0
	evicted, err := s.admit(n, polite)
	if stale = append(stale, evicted...); err != nil {
		return nil, 0, stale, err
	}
	i, old := p.take(&p.idle, s.stamp(v))
	if stale = append(stale, old...); i != nil {
		p.watch()
		return i, 0, stale, nil
	}
	if !s.mayStart(n) {
		s.leave(n)
		if _, reserved := s.quotaOf(n).reserved[n.key()]; reserved {
			return nil, 0, stale, throttled{noReservedRate}
		}
		return nil, 0, stale, throttled{noRate}
	}
	charge, evicted, ok := s.makeRoom(p, v, true, polite)
	if stale = append(stale, evicted...); !ok {
		s.leave(n)
		return nil, 0, stale, throttled{noUnreserved}
	}
	return nil, charge, stale, nil
}

// release puts an instance back into its pool, or ends it if it is of no use
// any more. It does nothing to one that never got ready.
func (s *Service) release(i *instance, healthy bool) {
	s.mu.Lock()
	p := s.poolOf(i.version)
	if _, pooled := p.busy[i]; !pooled {
		s.mu.Unlock()
		return
	}
	delete(p.busy, i)
	p.next()
	if i.kind == onDemand {
		s.leave(i.version.name())
	}
	s.measure(p, i, i.peak)
	s.makeKnown()
	keep := healthy && s.good(i)
	lost := !keep && i.kind == provisioned && s.ctx.Err() == nil
	switch {
	case keep && i.kind == provisioned && p.kept() < p.wanted:
		i.idleSince = s.clock.Now()
		p.ready = append(p.ready, i)
		p.tendAt(i.idleSince.Add(freezeAfter))
	case keep && i.kind == onDemand:
		i.idleSince = s.clock.Now()
		p.idle = append(p.idle, i)
		p.allBusy = time.Time{}
		p.tendAt(i.idleSince.Add(freezeAfter))
	default:
		keep = false
		s.discard(p, i.version)
	}
	s.mu.Unlock()
	if !keep {
		s.dispose(i)
	}
	if lost {
		s.provision(i.version.name())
	}
}

// discard forgets the pool of a version that was deleted, once it is empty. It
// needs s.mu.
func (s *Service) discard(p *pool, v *Version) {
	if len(p.busy) > 0 {
		return
	}
	p.allBusy = time.Time{}
	if _, err := s.version(v.qualified()); err != nil && s.pools[v.key()] == p && len(p.idle)+len(p.ready)+p.coming == 0 {
		delete(s.pools, v.key())
	}
}

// good reports whether an instance can be used for another invocation. It needs
// s.mu.
func (s *Service) good(i *instance) bool {
	current, err := s.version(i.version.qualified())
	return !s.closed && err == nil && s.stamp(current) == i.stamp && alive(i) && !i.expiring()
}

// dispose ends an instance that is in no pool any more.
func (s *Service) dispose(i *instance) {
	i.thaw() // a frozen process would not even end
	i.shutdown("spindown")
	i.book.flush()
	s.mu.Lock()
	s.vacate(i)
	s.mu.Unlock()
}

// watch notes that an instance of the pool became busy.
func (p *pool) watch() {
	if len(p.idle) > 0 || p.spareComing || !p.allBusy.IsZero() {
		return
	}
	p.allBusy = p.service.clock.Now()
	p.tendAt(p.allBusy.Add(spareAfter))
}

// tendAt has tend called at a time, or earlier.
func (p *pool) tendAt(at time.Time) {
	if !p.due.IsZero() && !at.Before(p.due) || p.service.closed {
		return
	}
	p.due = at
	if p.alarm == nil {
		p.alarm = p.service.clock.AfterFunc(at, func() { p.service.tend(p) })
		return
	}
	p.alarm.Reset(at)
}

// tend does what is due in a pool: it freezes and ends what was idle for long
// enough, and starts a spare.
func (s *Service) tend(p *pool) {
	type use struct {
		*instance
		number int
	}
	var freeze []use
	var reap []*instance
	s.mu.Lock()
	now := s.clock.Now()
	p.due = time.Time{}
	for len(p.idle) > 0 && !now.Before(p.idle[0].idleSince.Add(reapAfter)) {
		reap = append(reap, p.idle[0])
		p.remove(0)
	}
	for _, i := range slices.Concat(p.ready, p.idle) {
		switch at := i.idleSince.Add(freezeAfter); {
		case i.froze == i.uses:
		case now.Before(at):
			p.tendAt(at)
		default:
			i.froze = i.uses
			freeze = append(freeze, use{i, i.uses})
		}
	}
	if len(p.idle) > 0 {
		p.tendAt(p.idle[0].idleSince.Add(reapAfter))
	}
	spare := false
	if since := p.allBusy; !since.IsZero() && len(p.busy) > 0 {
		if spare = !now.Before(since.Add(spareAfter)); !spare {
			p.tendAt(since.Add(spareAfter))
		}
	}
	s.mu.Unlock()
	for _, u := range freeze {
		u.freeze(u.number)
	}
	for _, i := range reap {
		s.dispose(i)
	}
	if spare {
		s.startSpare(p)
	}
}

// startSpare starts a spare for a pool whose instances are all busy, if limits
// and memory allow it, and nobody has to make room for it.
func (s *Service) startSpare(p *pool) {
	s.mu.Lock()
	v := p.version
	n := v.name()
	left, _ := s.free(n)
	reserved, has := s.quotaOf(n).reserved[n.key()]
	wanted := !s.closed && !p.spareComing && len(p.idle) == 0 && left > 0 && !(has && reserved == 1) && s.mayStart(n)
	var charge int64
	if wanted {
		charge, _, wanted = s.makeRoom(p, v, false, true)
	}
	p.allBusy = time.Time{} // the next that becomes busy asks again
	if wanted {
		p.spareComing = true
		s.count(n, 0, 1)
	}
	s.mu.Unlock()
	if wanted {
		s.work.Go(func() { s.addSpare(p, v, charge) })
	}
}

func (s *Service) addSpare(p *pool, v *Version, charge int64) {
	i, fail, err := s.start(v, purpose{onDemand, true})
	i.charge = charge
	s.mu.Lock()
	p.spareComing = false
	keep := fail == nil && err == nil && s.good(i) && s.pools[v.key()] == p
	if keep {
		i.spare, i.idleSince = true, s.clock.Now()
		p.idle = append(p.idle, i)
		p.allBusy = time.Time{}
		p.tendAt(i.idleSince.Add(freezeAfter))
	} else {
		s.count(v.name(), 0, -1)
	}
	s.mu.Unlock()
	if !keep {
		s.dispose(i)
	}
}

// empty takes everything out of a pool that is not busy, for it to be disposed
// of. It needs s.mu.
func (p *pool) empty() []*instance {
	all := slices.Concat(p.ready, p.idle)
	for _, i := range all {
		i.wakeUp()
		p.noSpare(i)
	}
	p.ready, p.idle = nil, nil
	return all
}

// renew ends the idle instances of former builds of $LATEST.
func (s *Service) renew(f *Function) {
	s.mu.Lock()
	p := s.poolOf(&f.Version)
	p.peak = 0
	stale := p.empty()
	s.mu.Unlock()
	for _, i := range stale {
		s.work.Go(func() { s.dispose(i) })
	}
}

// dismissAll ends the idle instances of a function that was deleted.
func (s *Service) dismissAll(n name) {
	s.mu.Lock()
	if s.active[n.key()] == nil {
		delete(s.loads, n.key())
	}
	var keys []string
	for key := range s.pools {
		if strings.HasPrefix(key, n.key()+"/") {
			keys = append(keys, key)
		}
	}
	s.mu.Unlock()
	for _, key := range keys {
		s.dismiss(key)
	}
}

// dismiss ends the idle instances of a version that was deleted. Those that
// are busy end when they are released.
func (s *Service) dismiss(key string) {
	s.mu.Lock()
	p := s.pools[key]
	delete(s.pools, key)
	var all []*instance
	if p != nil {
		all = p.close()
	}
	s.mu.Unlock()
	for _, i := range all {
		s.work.Go(func() { s.dispose(i) })
	}
}

// close makes a pool one that is not used any more, and returns the instances
// that are to be disposed of. It needs s.mu.
func (p *pool) close() []*instance {
	p.wanted = 0
	if p.alarm != nil {
		p.alarm.Stop()
	}
	return p.empty()
}

// kept returns how many environments that are kept ready there are.
func (p *pool) kept() int {
	n := len(p.ready) + p.coming
	for i := range p.busy {
		if i.kind == provisioned {
			n++
		}
	}
	return n
}
