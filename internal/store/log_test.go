package store_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"naru/internal/seal"
	"naru/internal/store"
	"naru/internal/store/storetest"
)

func acquire(t testing.TB, s *store.Store, number int) *store.Shard {
	t.Helper()
	shard, err := s.Acquire(number)
	if err != nil {
		t.Fatal(err)
	}
	return shard
}

func numberKey(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// scan returns the shard's keys, as numbers.
func scan(t testing.TB, shard *store.Shard) (numbers []uint64) {
	t.Helper()
	err := shard.Scan(nil, []byte{0xff}, 1<<30, func(r store.Record) (bool, error) {
		numbers = append(numbers, binary.BigEndian.Uint64(r.Key))
		value, err := r.Value()
		if err == nil && string(value) != fmt.Sprint(numbers[len(numbers)-1]) {
			err = fmt.Errorf("key %d holds %q", numbers[len(numbers)-1], value)
		}
		return true, err
	})
	if err != nil {
		t.Fatal(err)
	}
	return numbers
}

// TestAfterAPowerCutAShardIsAPrefixOfItsLog appends from many goroutines to
// several shards, cuts the power at a random moment, and expects of each shard
// the first n appends, no gap, with n no less than what was acknowledged.
func TestAfterAPowerCutAShardIsAPrefixOfItsLog(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 1))
		percent := []int{0, 50, 100}[seed%3]
		t.Run(fmt.Sprintf("seed %d, %d %% of the unsynced kept", seed, percent), func(t *testing.T) {
			disk := storetest.NewDisk()
			s := disk.Open(t)
			w := startWriters(t, s, 3, 4, 500+random.Int64N(2000))
			<-w.reached
			acknowledged := w.acknowledged()
			after := disk.PowerCut(percent, random)
			w.stop()
			storetest.Close(t, s)

			s = after.Open(t)
			defer storetest.Close(t, s)
			for i, least := range acknowledged {
				numbers := scan(t, acquire(t, s, i))
				if n := uint64(len(numbers)); n < least {
					t.Errorf("shard %d: %d of %d acknowledged appends are left", i, n, least)
				}
				for j, n := range numbers {
					if n != uint64(j) {
						t.Fatalf("shard %d: append %d is missing, %d is there", i, j, n)
					}
				}
			}
		})
	}
}

// writers append the numbers 0, 1, 2 ... to each of several shards.
type writers struct {
	shards  []*shardWriter
	total   atomic.Int64
	enough  int64
	reached chan struct{} // closed once enough appends were acknowledged
	halt    chan struct{}
	done    sync.WaitGroup
}

type shardWriter struct {
	mu    sync.Mutex
	shard *store.Shard
	next  uint64
	acked atomic.Uint64 // all below it are acknowledged
	marks map[uint64]bool
}

func startWriters(t *testing.T, s *store.Store, shards, perShard int, enough int64) *writers {
	w := &writers{enough: enough, reached: make(chan struct{}), halt: make(chan struct{})}
	for i := range shards {
		sw := &shardWriter{shard: acquire(t, s, i), marks: map[uint64]bool{}}
		w.shards = append(w.shards, sw)
		for range perShard {
			w.done.Go(func() { w.write(t, sw) })
		}
	}
	return w
}

func (w *writers) write(t *testing.T, s *shardWriter) {
	for {
		select {
		case <-w.halt:
			return
		default:
		}
		s.mu.Lock()
		n := s.next
		s.next++
		position := s.shard.Append(store.SetSealed(numberKey(n), fmt.Append(nil, n)))
		s.mu.Unlock()
		if err := position.Wait(); err != nil {
			t.Error(err)
			return
		}
		s.acknowledge(n)
		if w.total.Add(1) == w.enough {
			close(w.reached)
		}
	}
}

func (s *shardWriter) acknowledge(n uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.marks[n] = true
	for s.marks[s.acked.Load()] {
		delete(s.marks, s.acked.Load())
		s.acked.Add(1)
	}
}

func (w *writers) acknowledged() (least []uint64) {
	for _, s := range w.shards {
		least = append(least, s.acked.Load())
	}
	return least
}

func (w *writers) stop() {
	close(w.halt)
	w.done.Wait()
}

func TestAnAppendIsOneUnit(t *testing.T) {
	disk := storetest.NewDisk()
	s := disk.Open(t)
	shard := acquire(t, s, 7)
	if err := shard.Append(store.Set(numberKey(1), []byte("1")), store.SetSealed(numberKey(2), []byte("2"))).Wait(); err != nil {
		t.Fatal(err)
	}
	if err := shard.Append(store.DeleteOnce(numberKey(1)), store.Set(numberKey(3), []byte("3")), store.Delete(numberKey(2))).Wait(); err != nil {
		t.Fatal(err)
	}
	if got := scan(t, shard); !slices.Equal(got, []uint64{3}) {
		t.Errorf("the shard holds %v", got)
	}
	if err := shard.Append(store.DeleteRange(numberKey(0), numberKey(9))).Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := shard.Get(numberKey(3)); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("after the range was deleted: %v", err)
	}
	storetest.Close(t, s)
}

func TestOfManyLatestTheLastIsKept(t *testing.T) {
	s := storetest.Open(t)
	a, b := acquire(t, s, 1), acquire(t, s, 2)
	for n := range 1000 {
		a.Append(store.SetLatest([]byte("head"), fmt.Append(nil, n)))
		b.Append(store.SetLatest([]byte("head"), fmt.Append(nil, -n)))
	}
	if err := b.Append().Wait(); err != nil {
		t.Fatal(err)
	}
	for shard, want := range map[*store.Shard]string{a: "999", b: "-999"} {
		if got, err := shard.Get([]byte("head")); err != nil || string(got) != want {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
}

func TestAShardHasOneOwner(t *testing.T) {
	s := storetest.Open(t)
	shard := acquire(t, s, 3)
	if _, err := s.Acquire(3); !errors.Is(err, store.ErrOwned) {
		t.Errorf("a second owner: %v", err)
	}
	if _, err := s.Acquire(store.Shards); err == nil {
		t.Error("a shard beyond the last was acquired")
	}
	shard.Release()
	<-shard.Done()
	acquire(t, s, 3)
}

// TestAFailedWriteAcknowledgesNothing lets every write to the write-ahead log
// fail from some moment on: no Wait may return nil from then on.
func TestAFailedWriteAcknowledgesNothing(t *testing.T) {
	var failing atomic.Bool
	broken := errors.New("the disk is broken")
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if failing.Load() && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			return broken
		}
		return nil
	}))
	failed := make(chan error, 1)
	s, err := store.Open(store.Options{Dir: "data", FS: fs, Master: seal.NewMasterKey(), Fatal: func(err error) { failed <- err }})
	if err != nil {
		t.Fatal(err)
	}
	shard := acquire(t, s, 0)
	if err := shard.Append(store.Set(numberKey(0), []byte("0"))).Wait(); err != nil {
		t.Fatal(err)
	}
	failing.Store(true)
	for n := range uint64(3) {
		if err := shard.Append(store.Set(numberKey(n), []byte("x"))).Wait(); err == nil {
			t.Fatal("a write that failed was acknowledged")
		}
	}
	<-failed
	<-shard.Done()
	if err := s.Close(); err == nil {
		t.Error("closing a failed store must say so")
	}
}

func TestTheBulkShardIsDurableSoonAndAtOnceForWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := storetest.NewDisk()
		s := disk.Open(t)
		position := s.Bulk().Append(store.SetSealed(numberKey(1), []byte("1")))
		position.Visible()
		if value, err := s.Bulk().Get(numberKey(1)); err != nil || string(value) != "1" {
			t.Errorf("what is visible reads as %q, %v", value, err)
		}
		synctest.Wait()
		if position.Durable() {
			t.Error("an append that nobody waits for was synced at once")
		}
		<-time.After(store.BulkLazy)
		synctest.Wait()
		if !position.Durable() {
			t.Error("it was not synced in time")
		}
		start := time.Now()
		if err := s.Bulk().Append(store.SetSealed(numberKey(2), []byte("2"))).Wait(); err != nil || time.Since(start) > 0 {
			t.Errorf("who waits waited %v: %v", time.Since(start), err)
		}
		after := disk.PowerCut(0, nil)
		storetest.Close(t, s)
		s = after.Open(t)
		if got := scan(t, s.Bulk()); !slices.Equal(got, []uint64{1, 2}) {
			t.Errorf("after a power cut: %v", got)
		}
		var back []uint64
		s.Bulk().ScanBack(nil, numberKey(2), 10, func(r store.Record) (bool, error) {
			back = append(back, binary.BigEndian.Uint64(r.Key))
			return true, nil
		})
		if !slices.Equal(back, []uint64{1}) {
			t.Errorf("scanned back to %v", back)
		}
		storetest.Close(t, s)
	})
}
