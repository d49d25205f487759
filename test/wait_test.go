package test

import (
	"testing"
	"time"
)

// patience is how long on a busy machine that may take which happens at once.
const patience = 20 * time.Second

// poll asks every few milliseconds whether it is so, for as long as atMost.
func poll(atMost time.Duration, so func() bool) bool {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	over := time.NewTimer(atMost)
	defer over.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-over.C:
			return so()
		}
	}
	return true
}

// eventually waits until it is so.
func eventually(t testing.TB, what string, so func() bool) {
	t.Helper()
	if !poll(patience, so) {
		t.Fatalf("not within %v: %s", patience, what)
	}
}

// passed waits for a time to pass.
func passed(d time.Duration) { <-time.After(d) }

// within waits for a channel to be closed or to deliver.
func within[T any](t testing.TB, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatalf("not within %v: %s", patience, what)
	}
	return v
}
