package http1

import (
	"context"
	"sync"
	"time"
)

// patience is how long a handler must have been waiting before anybody looks
// whether its client is still there.
const patience = 5 * time.Millisecond

// A life is the context of a request. It is done when the handler has returned,
// or the client has gone away. For the latter somebody has to read from the
// connection meanwhile, which costs more than answering most requests: it is
// only done for handlers that ask for Done, and then take a while. Who asks for
// Err has the connection looked at.
//
//	plain --Done--> awaited --patience, body read--> watched --> over
//	      --------a read or a write has failed-------> lost ----> over
type life struct {
	context.Context // of the connection
	conn            *conn

	mu      sync.Mutex
	awaited context.Context // nil until somebody asks for Done
	cancel  context.CancelFunc
	timer   *time.Timer
	late    bool          // patience is at an end
	unread  bool          // the connection still has to bring some of the body
	watched chan struct{} // closed when nobody reads any more; nil if nobody has
	lost    bool          // the client has gone
	over    bool
}

// Done is closed when the request is over, or the client has gone.
func (l *life) Done() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.awaited == nil {
		l.awaited, l.cancel = context.WithCancel(l.Context)
		if l.over || l.lost {
			l.cancel()
		} else {
			l.timer = time.AfterFunc(patience, func() { l.note(func() { l.late = true }) })
		}
	}
	return l.awaited.Done()
}

// Err returns why the life is over, or nil.
func (l *life) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.over && !l.lost && !l.unread && l.watched == nil && l.conn.hasEnded() {
		l.loseLocked()
	}
	switch {
	case l.awaited != nil:
		return l.awaited.Err()
	case l.over || l.lost:
		return context.Canceled
	}
	return l.Context.Err()
}

// lose is told that the client has gone.
func (l *life) lose() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.loseLocked()
}

func (l *life) loseLocked() {
	l.lost = true
	if l.cancel != nil {
		l.cancel()
	}
}

// Value returns the connection's values. (By one of them contexts that descend
// from this one find the one that they are to follow.)
func (l *life) Value(key any) any {
	l.mu.Lock()
	parent := l.Context
	if l.awaited != nil {
		parent = l.awaited
	}
	l.mu.Unlock()
	return parent.Value(key)
}

// note changes something, and begins to watch if it is time to.
func (l *life) note(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
	if l.late && !l.unread && !l.lost && !l.over && l.watched == nil {
		l.watched = make(chan struct{})
		l.conn.SetReadDeadline(time.Time{})
		go l.watch() // end waits for it
	}
}

// watch reads until the client goes away, or begins its next request.
func (l *life) watch() {
	defer close(l.watched)
	var next [1]byte
	n, err := l.conn.Read(next[:])
	l.conn.early = append(l.conn.early, next[:n]...)
	if err != nil {
		l.lose()
	}
}

// end ends the life. Only the first call counts.
func (l *life) end() {
	l.mu.Lock()
	over := l.over
	l.over = true
	if l.timer != nil {
		l.timer.Stop()
	}
	if l.cancel != nil {
		l.cancel()
	}
	l.mu.Unlock()
	if !over && l.watched != nil {
		l.conn.setReadDeadline(time.Unix(1, 0)) // long ago
		<-l.watched
		l.conn.setReadDeadline(time.Time{})
	}
}
