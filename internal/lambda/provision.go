package lambda

import (
	"math"
	"strings"
)

// provisionedShares returns how many of a provisioned concurrency's environments each
// version gets: an alias that sends a part of the invocations to another
// version gives that as large a part of them.
func (s *Service) provisionedShares(n name, p *Provisioned) map[string]int {
	a, ok := s.aliases.Get(aliasKey(n))
	if !ok {
		return map[string]int{n.qualifier: int(p.Requested)}
	}
	left := int(p.Requested)
	shares := map[string]int{}
	for version, weight := range a.Weights {
		shares[version] = int(math.Round(weight * float64(p.Requested)))
		left -= shares[version]
	}
	shares[a.Version] += left
	return shares
}

// provision has as many environments of each version of a function started, or
// ended, as are to be kept ready.
func (s *Service) provision(n name) {
	wanted := map[string]int{} // by version key
	versions := map[string]*Version{}
	for _, p := range s.provisioned.All(n.key() + "/") {
		for version, share := range s.provisionedShares(n.at(p.Qualifier), p) {
			if v, err := s.version(n.at(version)); err == nil {
				wanted[v.key()] += share
				versions[v.key()] = v
			}
		}
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	var surplus []*instance
	for key, v := range versions {
		p := s.poolOf(v)
		p.version, p.failure = v, ""
		for p.wanted = wanted[key]; p.kept() < p.wanted; {
			p.coming++
			s.work.Go(func() { s.keepReady(p, v) })
		}
	}
	for key, p := range s.pools {
		if !strings.HasPrefix(key, n.key()+"/") {
			continue
		}
		for p.wanted = wanted[key]; len(p.ready) > 0 && p.kept() > p.wanted; {
			last := p.ready[len(p.ready)-1]
			p.ready = p.ready[:len(p.ready)-1]
			last.wakeUp()
			surplus = append(surplus, last)
		}
	}
	s.mu.Unlock()
	for _, i := range surplus {
		s.work.Go(func() { s.dispose(i) })
	}
}

// keepReady starts one environment that is kept ready.
func (s *Service) keepReady(p *pool, v *Version) {
	s.mu.Lock()
	charge, evicted, ok := s.makeRoom(p, v, true, false)
	if !ok {
		p.coming--
		p.failure = "There is not enough memory for the requested environments."
	}
	s.mu.Unlock()
	for _, i := range evicted {
		s.work.Go(func() { s.dispose(i) })
	}
	if !ok {
		return
	}
	s.starting <- struct{}{}
	i, fail, err := s.start(v, purpose{kind: provisioned})
	<-s.starting
	i.charge = charge
	s.mu.Lock()
	p.coming--
	keep := fail == nil && err == nil && s.good(i) && p.kept() < p.wanted
	switch {
	case keep:
		i.idleSince = s.clock.Now()
		p.ready = append(p.ready, i)
		p.tendAt(i.idleSince.Add(freezeAfter))
	case fail != nil:
		p.failure = "FUNCTION_ERROR_INIT_FAILURE"
	case err != nil:
		p.failure = "The function's environment could not be started."
		s.log.Error("an environment cannot be kept ready", "function", v.Name, "err", err)
	}
	s.mu.Unlock()
	if !keep {
		s.dispose(i)
	}
}

// provisionedState tells of the environments of p, which is of n.
func (s *Service) provisionedState(n name, p *Provisioned) *ProvisionedConcurrency {
	allocated, failure := 0, ""
	shares := s.provisionedShares(n, p)
	s.mu.Lock()
	for version, share := range shares {
		number, _ := n.at(version).versionNumber()
		if pool := s.pools[versionKey(n, number)]; pool != nil {
			allocated += min(share, pool.kept()-pool.coming)
			if pool.failure != "" {
				failure = pool.failure
			}
		}
	}
	s.mu.Unlock()
	c := &ProvisionedConcurrency{
		AllocatedProvisionedConcurrentExecutions: int32(allocated), AvailableProvisionedConcurrentExecutions: int32(allocated),
		LastModified: p.Modified.Format(timeForm), RequestedProvisionedConcurrentExecutions: p.Requested, Status: provisionedStarting,
	}
	switch {
	case allocated >= int(p.Requested):
		c.Status = provisionedReady
	case failure != "":
		c.Status, c.StatusReason = provisionedFailed, &failure
	}
	return c
}
