package queue

import (
	"errors"

	"naru/internal/store"
)

// attemptOf is what is put down of an attempt to receive: the handles that it
// was answered with, one after the other.
func attemptOf(now int64, deliveries []*Delivery) remembered {
	r := remembered{at: now}
	for _, d := range deliveries {
		r.rest = d.Handle.append(r.rest)
	}
	return r
}

// handles are those of an attempt.
func (r remembered) handles() (all []Handle, err error) {
	rest := reader{rest: r.rest}
	for len(rest.rest) > 0 && rest.err == nil {
		all = append(all, rest.handle())
	}
	return all, rest.err
}

// again returns the result of the request's attempt if it was made before and
// all of it is still in flight; it is hidden for the whole time again. It
// returns nil if the request is to be served like any other.
func (q *Queue) again(request *LeaseRequest) ([]*Delivery, error) {
	request.attempt = q.engine.names.sum(receivedBefore, request.Attempt)
	l, err := q.lockWith(needs{recalls: []what{request.attempt}})
	if err != nil {
		return nil, err
	}
	now, r := q.shard.now(), l.recalled[request.attempt]
	q.mu.Unlock()
	if r == nil || !r.stands(now) {
		return nil, nil
	}
	handles, err := r.handles()
	if err != nil {
		return nil, err
	}
	if _, err := q.lockWith(needs{handles: handles}); err != nil {
		return nil, err
	}
	deliveries, position := q.repeat(handles, *request)
	q.mu.Unlock()
	if err := position.Wait(); err != nil || deliveries == nil {
		return nil, err
	}
	deliveries, err = q.open(deliveries)
	if err == nil && len(deliveries) < len(handles) {
		err = errors.New("queue: a message in flight has no body")
	}
	return deliveries, err
}

// repeat needs q.mu.
func (q *Queue) repeat(handles []Handle, request LeaseRequest) (deliveries []*Delivery, p store.Position) {
	now := q.shard.now()
	var ops []store.Op
	var changed []*message
	for _, h := range handles {
		m := q.message(h)
		if m == nil || !m.isHeldBy(h, now) {
			return nil, q.last
		}
		d := &Delivery{body: m.body}
		d.describe(q.ref.Content, m)
		d.Handle = h
		deliveries, changed = append(deliveries, d), append(changed, m)
	}
	for _, m := range changed {
		ops = q.move(ops, m, now+request.Visibility.Milliseconds(), stateFor(request.Visibility, leased))
	}
	return deliveries, q.commit(ops, changed)
}

// isHeldBy reports whether h is of the lease that stands.
func (m *message) isHeldBy(h Handle, now int64) bool {
	return m.state == leased && m.nonce == h.Nonce && m.at > now
}
