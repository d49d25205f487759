package server

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"testing"
	"time"
)

// A server that has no time left to wait closes none but newcomers.
func TestAConnectionWithoutARequestDoesNotHoldUpAStop(t *testing.T) {
	known := make(chan struct{}, 1)
	s := &http.Server{Handler: http.NotFoundHandler()}
	closeNewcomers(s)
	note := s.ConnState
	s.ConnState = func(c net.Conn, state http.ConnState) {
		note(c, state)
		known <- struct{}{}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go s.Serve(l)
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	<-known
	go func() {
		for range known {
		}
	}()
	now, cancel := context.WithCancel(context.Background())
	cancel()
	s.Shutdown(now)
	if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection is still open: %v", err)
	}
}
