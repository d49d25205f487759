package store

import (
	"errors"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// ErrDiskFull is returned while the disk has so little room that what asks for
// it is not to be done.
var ErrDiskFull = errors.New("store: the disk is almost full")

// Space says how much of the disk is kept free. Below Reserve nothing is begun
// that makes the store grow; below LastReserve nothing that writes, also what
// makes it shrink in the end. Whatever was begun is finished, and the database
// goes on compacting: that is what the reserves are for.
type Space struct {
	// Reserve and LastReserve are bytes. Zero means the usual: 512 MiB, but no
	// more than a quarter of the file system, and a quarter of Reserve.
	Reserve, LastReserve uint64
	// Usage returns the free and all bytes of the disk; nil means to ask the
	// system.
	Usage func() (free, total uint64, err error)
}

const (
	usualReserve = 512 << 20

	// lookAgain is for how long what the disk had free is believed.
	lookAgain = 20 * time.Millisecond
)

// shortage says how short of room the disk is.
type shortage int

const (
	noShortage shortage = iota
	noGrowth            // less than Reserve is free
	noWrites            // less than LastReserve is free
)

// A guard watches the room on the disk. It looks when it is asked, and not by
// itself.
type guard struct {
	Space
	log *slog.Logger

	mu     sync.Mutex
	looked time.Time
	state  shortage
}

func newGuard(space Space, log *slog.Logger) (*guard, error) {
	g := &guard{Space: space, log: log}
	if g.Usage == nil {
		return g, nil
	}
	_, total, err := g.Usage()
	if err != nil {
		return nil, err
	}
	if g.Reserve == 0 {
		g.Reserve = min(usualReserve, total/4)
	}
	if g.LastReserve == 0 {
		g.LastReserve = g.Reserve / 4
	}
	if g.LastReserve > g.Reserve {
		return nil, errors.New("the last reserve of the disk is larger than the first")
	}
	return g, nil
}

// diskUsage asks the system about the file system at dir.
func diskUsage(dir string) func() (free, total uint64, err error) {
	return func() (free, total uint64, err error) {
		var s unix.Statfs_t
		if err := unix.Statfs(dir, &s); err != nil {
			return 0, 0, err
		}
		return uint64(s.Bavail) * uint64(s.Bsize), uint64(s.Blocks) * uint64(s.Bsize), nil
	}
}

// look returns how short of room the disk is, and logs when that changes.
func (g *guard) look() shortage {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.Usage == nil || !g.looked.IsZero() && time.Since(g.looked) < lookAgain {
		return g.state
	}
	free, _, err := g.Usage()
	g.looked = time.Now()
	if err != nil {
		g.log.Error("the room on the disk is not known", "err", err)
		return g.state
	}
	state := noShortage
	switch {
	case free < g.LastReserve:
		state = noWrites
	case free < g.Reserve:
		state = noGrowth
	}
	if state != g.state {
		g.tell(state, free)
	}
	g.state = state
	return state
}

func (g *guard) tell(state shortage, free uint64) {
	room := []any{"free", free, "reserve", g.Reserve, "lastReserve", g.LastReserve}
	switch state {
	case noShortage:
		g.log.Warn("the disk has room again: everything is done as usual", room...)
	case noGrowth:
		g.log.Warn("the disk is almost full: sends, creates and other calls that need room are refused; receives and deletes go on", room...)
	case noWrites:
		g.log.Warn("the disk is all but full: everything that writes is refused", room...)
	}
}

// RoomToGrow returns ErrDiskFull if nothing is to be begun that makes the store
// grow.
func (s *Store) RoomToGrow() error { return s.room(noGrowth) }

// RoomToWrite returns ErrDiskFull if nothing is to be begun that writes.
func (s *Store) RoomToWrite() error { return s.room(noWrites) }

func (s *Store) room(refused shortage) error {
	if s.guard.look() >= refused {
		return ErrDiskFull
	}
	return nil
}
