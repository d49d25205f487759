package queue

// In a standard queue a message group is a tenant: groups take turns, and one
// that has many messages in flight waits while others have something to
// receive. What is known of a tenant is in memory only, and begins anew when
// the queue is loaded.
type tenant struct {
	inFlight int   // messages in memory that are leased
	turn     int64 // when it was last served, in milliseconds
}

// A tenant is noisy when it has so many messages in flight, and more than one
// in noisyShare of all of the queue's: as AWS has it for fair queues.
const (
	noisyInFlight = 30
	noisyShare    = 10
)

// occupy notes that n more messages of a group are in flight.
func (q *Queue) occupy(id groupID, n int) {
	if id == noGroup || q.config.FIFO {
		return
	}
	t := q.tenants[id]
	if t == nil {
		t = &tenant{}
		q.tenants[id] = t
	}
	if t.inFlight += n; t.inFlight == 0 {
		delete(q.tenants, id)
	}
}

// tookTurn notes that the tenant was served.
func (q *Queue) tookTurn(id groupID, now int64) {
	if t := q.tenants[id]; t != nil {
		t.turn = now
	}
}

// isNoisy reports whether a group waits while others are served.
func (q *Queue) isNoisy(id groupID) bool {
	t := q.tenants[id]
	return t != nil && t.inFlight >= noisyInFlight && t.inFlight*noisyShare > q.held
}

// hadItsTurn reports whether a message that has become visible goes back into
// the line of its group, since the group was served after the message's time
// had come.
func (q *Queue) hadItsTurn(m *message) bool {
	t := q.tenants[m.group]
	return t != nil && (t.turn > m.at || q.isNoisy(m.group))
}
