package server

import (
	"net"
	"net/http"
	"sync"
)

// newcomers are a server's connections on which nothing has been sent yet, such
// as clients open in advance. A server that shuts down would wait five seconds
// for them.
type newcomers struct {
	mu    sync.Mutex
	conns map[net.Conn]bool
}

// closeNewcomers has a server close its newcomers when it shuts down.
func closeNewcomers(s *http.Server) {
	n := &newcomers{conns: map[net.Conn]bool{}}
	s.ConnState = n.note
	s.RegisterOnShutdown(n.close)
}

func (n *newcomers) note(c net.Conn, state http.ConnState) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if delete(n.conns, c); state == http.StateNew {
		n.conns[c] = true
	}
}

func (n *newcomers) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for c := range n.conns {
		c.Close() // its goroutine tells of errors, if anybody wants to know
	}
}
