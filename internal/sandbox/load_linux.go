package sandbox

import (
	"sync"
	"time"

	"naru/internal/sandbox/internal/proc"
)

// A Load tells whether processors are what the machine is short of. The zero
// value is ready to use.
type Load struct {
	mu        sync.Mutex
	looked    time.Time
	idle, all uint64 // ticks, then
	full      bool
}

const (
	lookEvery   = 100 * time.Millisecond
	lookAgain   = time.Second // what was longer ago says nothing about now
	idleOfWhole = 5           // less than the fifth part idle is full: with a line, a twelfth is
)

// Full reports whether nearly all processors were in use for the last tenth of a
// second. It is cheap, and false for who has not asked for a while.
func (l *Load) Full() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	since := now.Sub(l.looked)
	if since < lookEvery {
		return l.full
	}
	idle, all, err := proc.System.Ticks()
	l.full = err == nil && since < lookAgain && (idle-l.idle)*idleOfWhole < all-l.all
	l.looked, l.idle, l.all = now, idle, all
	return l.full
}
