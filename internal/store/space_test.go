package store_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"naru/internal/store"
)

func TestWhatGrowsIsRefusedBeforeTheDiskIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var free atomic.Uint64
		var log bytes.Buffer
		failing := errors.New("no such disk")
		fails := false
		s, err := store.Open(store.Options{
			Logger: slog.New(slog.NewTextHandler(&log, nil)), NoTicker: true,
			Space: store.Space{Reserve: 100, LastReserve: 10, Usage: func() (uint64, uint64, error) {
				if fails {
					return 0, 0, failing
				}
				return free.Load(), 1000, nil
			}},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for _, c := range []struct {
			free        uint64
			grow, write bool
			logged      string
		}{
			{1000, true, true, ""},
			{100, true, true, ""},
			{99, false, true, "sends, creates and other calls that need room are refused"},
			{50, false, true, ""},
			{9, false, false, "everything that writes is refused"},
			{10, false, true, "receives and deletes go on"},
			{200, true, true, "has room again"},
		} {
			log.Reset()
			free.Store(c.free)
			<-time.After(time.Second)
			for range 2 {
				grow, write := s.RoomToGrow(), s.RoomToWrite()
				if grow == nil != c.grow || write == nil != c.write || grow != nil && !errors.Is(grow, store.ErrDiskFull) {
					t.Errorf("with %d free: %v, %v", c.free, grow, write)
				}
			}
			if got := log.String(); strings.Count(got, "\n") > 1 || !strings.Contains(got, c.logged) || (c.logged == "") != (got == "") {
				t.Errorf("with %d free it logs %q", c.free, got)
			}
		}
		fails = true
		<-time.After(time.Second)
		if err := s.RoomToGrow(); err != nil {
			t.Errorf("when nobody knows, it is as before: %v", err)
		}
	})
}

func TestTheUsualReservesFitTheDisk(t *testing.T) {
	for _, c := range []struct{ total, grow, write uint64 }{{1 << 40, 512 << 20, 128 << 20}, {1 << 30, 256 << 20, 64 << 20}} {
		for free, want := range map[uint64][2]bool{c.grow: {true, true}, c.grow - 1: {false, true}, c.write: {false, true}, c.write - 1: {false, false}} {
			s, err := store.Open(store.Options{Space: store.Space{Usage: func() (uint64, uint64, error) { return free, c.total, nil }}})
			if err != nil {
				t.Fatal(err)
			}
			if got := [2]bool{s.RoomToGrow() == nil, s.RoomToWrite() == nil}; got != want {
				t.Errorf("%d of %d free: %v", free, c.total, got)
			}
			s.Close()
		}
	}
	if _, err := store.Open(store.Options{Space: store.Space{Reserve: 1, LastReserve: 2, Usage: func() (uint64, uint64, error) { return 1, 1, nil }}}); err == nil {
		t.Error("a last reserve larger than the first was taken")
	}
}
