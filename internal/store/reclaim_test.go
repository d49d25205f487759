package store_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"naru/internal/store"
)

// TestWhatWasDeletedGivesItsRoomBack passes many times what may lie on disk
// through a shard as a queue does: bodies are written and deleted in order, with
// few in between; then a large range is written and removed at once.
func TestWhatWasDeletedGivesItsRoomBack(t *testing.T) {
	const memTable, depth = 1 << 20, 100
	dir := t.TempDir()
	s, err := store.Open(store.Options{Dir: dir, MemTable: memTable})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	shard := acquire(t, s, 0)
	random := rand.New(rand.NewPCG(1, 1))
	pass := func(n uint64) {
		for i := range n {
			ops := []store.Op{store.SetSealed(numberKey(i), valueOf(i, random)), store.SetLatest([]byte{0xff}, numberKey(i))}
			if i >= depth {
				ops = append(ops, store.DeleteOnce(numberKey(i-depth)))
			}
			position := shard.Append(ops...)
			if i%100 == 99 || i == n-1 {
				if err := position.Wait(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := shard.Append(store.DeleteRange(numberKey(n-depth), numberKey(n))).Wait(); err != nil {
			t.Fatal(err)
		}
	}
	// Four memtables and one that is written to have logs, which are kept to be
	// written over, and so have those of the bulk database, a quarter as large;
	// there is as much again for tables that are not compacted yet.
	const bound = 2 * 5 * (memTable + memTable/4)
	for round := range 3 {
		pass(20_000) // some 8 MiB
		eventually(t, fmt.Sprint("round ", round, ": no more is on disk than there may be"), func() bool { return sizeOf(t, dir) < bound })
	}
	for i := range uint64(20_000) {
		shard.Append(store.SetSealed(numberKey(i), valueOf(i, random)))
	}
	if err := shard.Append(store.DeleteRange(numberKey(0), numberKey(20_000))).Wait(); err != nil {
		t.Fatal(err)
	}
	pass(5_000)
	eventually(t, "what was removed at once is gone", func() bool { return sizeOf(t, dir) < bound })
}

func sizeOf(t *testing.T, dir string) (total int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, e os.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil // it was removed meanwhile
		}
		if err == nil && e.Type().IsRegular() {
			if info, err := e.Info(); err == nil {
				total += info.Size()
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return total
}

// eventually waits until it is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	tick, late := time.NewTicker(10*time.Millisecond), time.NewTimer(time.Minute)
	defer tick.Stop()
	defer late.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-late.C:
			t.Fatalf("not within a minute: %s", what)
		}
	}
}
