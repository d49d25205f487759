package logs

import "naru/internal/store"

// Deliver writes one event into a stream of its own, once, however often it is
// called for that stream. It returns once that is durable. The group must be
// there.
func (s *Service) Deliver(account, region, group, stream string, line Line) error {
	g, ok := s.groups.Get(groupName{account, region, group}.key())
	if !ok {
		return errNoGroup()
	}
	if _, err := s.createStream(g, stream); err != nil {
		return err
	}
	position, written, err := s.written(g, stream)
	if err != nil {
		return err
	}
	if !written {
		ms := line.Time.UnixMilli()
		if position, err = s.put(g, stream, []InputLogEvent{{&line.Text, &ms}}); err != nil {
			return err
		}
	}
	return position.Wait()
}

// written reports whether a stream has events, and what is durable with them.
func (s *Service) written(g *Group, stream string) (store.Position, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, err := s.stream(streamKey{g.ID, stream})
	return s.last, st != nil && st.Ingested != 0, err
}
