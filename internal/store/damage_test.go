package store_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"naru/internal/store"
)

// A hold is a data directory whose shard 5 has cargo in tables of the database:
// value i at numberKey(i).
type hold struct {
	t     *testing.T
	dir   string
	cargo uint64
}

func load(t *testing.T, cargo uint64) *hold {
	h := &hold{t, filepath.Join(t.TempDir(), "data"), cargo}
	s := h.open()
	shard := acquire(t, s, 5)
	random := rand.New(rand.NewPCG(1, 1))
	for i := range cargo {
		shard.Append(store.SetSealed(numberKey(i), valueOf(i, random)))
		s.Bulk().Append(store.SetSealed(numberKey(i), valueOf(i, random)))
	}
	table := openTable[string](t, s, "ports")
	err := s.Catalog().Update(func(tx *store.Tx) error { return table.Put(tx, "row", "Nampo") })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Blobs().Put([]byte("blob")); err != nil {
		t.Fatal(err)
	}
	h.close(s)
	h.close(h.open()) // which writes the logs' content into tables
	return h
}

// valueOf is some 400 bytes that do not compress, and say i.
func valueOf(i uint64, random *rand.Rand) []byte {
	b := fmt.Appendf(nil, "%d ", i)
	for range 50 {
		b = append(b, numberKey(random.Uint64())...)
	}
	return b
}

func (h *hold) open() *store.Store {
	h.t.Helper()
	s, err := store.Open(store.Options{Dir: h.dir, MemTable: 1 << 20})
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

func (h *hold) close(s *store.Store) {
	h.t.Helper()
	if err := s.Close(); err != nil {
		h.t.Fatal(err)
	}
}

// examine examines the directory, reading only.
func (h *hold) examine() *store.Report {
	h.t.Helper()
	s, err := store.Open(store.Options{Dir: h.dir, ReadOnly: true})
	if err != nil {
		h.t.Fatal(err)
	}
	defer h.close(s)
	return s.Examine()
}

// left returns the numbers of the cargo that is there, and checks its values.
func (h *hold) left(s *store.Store) (numbers []uint64) {
	h.t.Helper()
	err := acquire(h.t, s, 5).Scan(nil, []byte{0xff}, 1<<30, func(r store.Record) (bool, error) {
		var n uint64
		value, err := r.Value()
		if err == nil {
			_, err = fmt.Sscan(string(value[:bytes.IndexByte(value, ' ')]), &n)
		}
		numbers = append(numbers, n)
		return true, err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return numbers
}

// files returns the files of the directory that match.
func (h *hold) files(pattern string) []string {
	h.t.Helper()
	found, err := filepath.Glob(filepath.Join(h.dir, pattern))
	if err != nil || len(found) == 0 {
		h.t.Fatalf("no %s: %v", pattern, err)
	}
	return found
}

// flip flips a bit of a file, at that share of its length without the zeros
// that it may end in.
func (h *hold) flip(file string, share float64) {
	h.t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		h.t.Fatal(err)
	}
	text[int(share*float64(len(bytes.TrimRight(text, "\x00"))-1))] ^= 4
	if err := os.WriteFile(file, text, 0o600); err != nil {
		h.t.Fatal(err)
	}
}

func TestASoundDirectoryHasNoFaultsAndIsNotChanged(t *testing.T) {
	h := load(t, 5000)
	before := h.tree()
	r := h.examine()
	if len(r.Faults) > 0 || r.Records < 10_000 || r.Sealed != 0 || r.Blobs != 1 {
		t.Errorf("got %+v", r)
	}
	if err := os.Rename(filepath.Join(h.dir, "master.key"), filepath.Join(h.dir, "..", "master.key")); err != nil {
		t.Fatal(err)
	}
	if r := h.examine(); len(r.Faults) > 0 || r.Sealed != 10_000 {
		t.Errorf("without the master key: %+v", r)
	}
	if err := os.Rename(filepath.Join(h.dir, "..", "master.key"), filepath.Join(h.dir, "master.key")); err != nil {
		t.Fatal(err)
	}
	if folder, err := store.Mend(store.Options{Dir: h.dir}); folder != "" || err != nil {
		t.Errorf("mended to %q, %v", folder, err)
	}
	if after := h.tree(); !slices.Equal(after, before) {
		t.Errorf("the directory was changed:\n%q\n%q", before, after)
	}
}

// tree returns the names and sizes of all files.
func (h *hold) tree() (all []string) {
	err := filepath.WalkDir(h.dir, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		all = append(all, fmt.Sprint(path, " ", info.Size()))
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return all
}

// TestAFlippedBitInATableIsNamedAndTheRestCanBeUsed flips one bit anywhere in a
// table of the main database.
func TestAFlippedBitInATableIsNamedAndTheRestCanBeUsed(t *testing.T) {
	sound := load(t, 15_000)
	for _, share := range []float64{0, .1, .5, .95, .999, 1} {
		t.Run(fmt.Sprint(share), func(t *testing.T) {
			h := sound.copyTo("copy")
			files := h.files("db/*.sst")
			slices.SortFunc(files, func(a, b string) int { return int(size(t, b) - size(t, a)) })
			h.flip(files[0], share)
			r := h.examine()
			if len(r.Faults) != 1 || !strings.Contains(r.Faults[0].String(), "db/"+filepath.Base(files[0])) {
				t.Fatalf("got %v", r.Faults)
			}
			folder, err := store.Mend(store.Options{Dir: h.dir})
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"REPORT", "db/" + filepath.Base(files[0])} {
				if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
					t.Error(err)
				}
			}
			if r := h.examine(); len(r.Faults) > 0 {
				t.Errorf("after it was mended: %v", r.Faults)
			}
			s := h.open()
			defer h.close(s)
			n := len(h.left(s))
			records := share < .98 // behind them are the index, without which nothing is found, and what is not needed
			if n == 0 || records && (n == int(h.cargo) || n < int(h.cargo)-20) {
				t.Errorf("%d of %d are left", n, h.cargo)
			}
			if port, ok := openTable[string](t, s, "ports").Get("row"); share > 0 && records && (!ok || port != "Nampo") {
				t.Errorf("the row is %q", port)
			}
		})
	}
}

func size(t *testing.T, file string) int64 {
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// TestADamagedLogIsNamedAndCut flips a bit in a write-ahead log that has not
// been read back, as after a crash. Up to the damage everything can be used.
func TestADamagedLogIsNamedAndCut(t *testing.T) {
	for name, c := range map[string]struct {
		folder string
		cargo  uint64
		share  float64
	}{
		"InTheOnlyBlock": {"db", 50, .5}, "InTheMiddle": {"db", 3000, .5}, "InTheFirstChunk": {"db", 3000, 0}, "InTheBulkDatabase": {"bulk", 50, .5},
	} {
		t.Run(name, func(t *testing.T) {
			h := &hold{t, filepath.Join(t.TempDir(), "data"), c.cargo}
			s, err := store.Open(store.Options{Dir: h.dir})
			if err != nil {
				t.Fatal(err)
			}
			shard := acquire(t, s, 5)
			random := rand.New(rand.NewPCG(1, 1))
			for i := range h.cargo {
				put := store.SetSealed(numberKey(i), valueOf(i, random))
				position, bulk := shard.Append(put), s.Bulk().Append(put)
				if err := position.Wait(); i%50 == 0 && err != nil {
					t.Fatal(err)
				}
				if err := bulk.Wait(); err != nil {
					t.Fatal(err)
				}
			}
			crashed := filepath.Join(t.TempDir(), "crashed")
			if err := os.CopyFS(crashed, os.DirFS(h.dir)); err != nil {
				t.Fatal(err)
			}
			h.close(s)
			h.dir = crashed
			logs := h.files(c.folder + "/*.log")
			slices.SortFunc(logs, func(a, b string) int { return int(size(t, b) - size(t, a)) })
			h.flip(logs[0], c.share)
			log := c.folder + "/" + filepath.Base(logs[0])
			for _, readOnly := range []bool{false, true} {
				_, err := store.Open(store.Options{Dir: h.dir, ReadOnly: readOnly})
				if err == nil || !strings.Contains(err.Error(), log+" is damaged at byte") {
					t.Fatalf("opening it: %v", err)
				}
			}
			folder, err := store.Mend(store.Options{Dir: h.dir})
			if err != nil {
				t.Fatal(err)
			}
			report, err := os.ReadFile(filepath.Join(folder, "REPORT"))
			if err != nil || !strings.Contains(string(report), log) {
				t.Errorf("the report says %q, %v", report, err)
			}
			if r := h.examine(); len(r.Faults) > 0 {
				t.Errorf("after it was mended: %v", r.Faults)
			}
			s = h.open()
			defer h.close(s)
			left := h.left(s)
			if n := uint64(len(left)); c.folder == "bulk" && n != h.cargo || c.folder == "db" && n >= h.cargo || c.share > 0 && n == 0 {
				t.Errorf("%d of %d are left", len(left), h.cargo)
			}
			for i, n := range left {
				if n != uint64(i) {
					t.Fatalf("what is left is not the first part: %d at %d", n, i)
				}
			}
		})
	}
}

// TestATornLogIsNoDamage cuts a log anywhere, and leaves noise where it ends: a
// power cut may do that to what was not synced.
func TestATornLogIsNoDamage(t *testing.T) {
	h := load(t, 100)
	s := h.open()
	if err := acquire(t, s, 5).Append(store.Set(numberKey(1000), []byte("1000 "))).Wait(); err != nil {
		t.Fatal(err)
	}
	crashed := filepath.Join(t.TempDir(), "crashed")
	if err := os.CopyFS(crashed, os.DirFS(h.dir)); err != nil {
		t.Fatal(err)
	}
	h.close(s)
	h.dir = crashed
	logs := h.files("db/*.log")
	slices.SortFunc(logs, func(a, b string) int { return int(size(t, b) - size(t, a)) })
	text, err := os.ReadFile(logs[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, noise := range []string{"", "noise", strings.Repeat("\x00", 100), strings.Repeat("noise", 100)} {
		for cut := 0; cut <= 40; cut += 5 {
			if err := os.WriteFile(logs[0], append(bytes.Clone(text[:len(text)-cut]), noise...), 0o600); err != nil {
				t.Fatal(err)
			}
			if r := h.examine(); len(r.Faults) > 0 {
				t.Errorf("cut by %d and %q: %v", cut, noise, r.Faults)
			}
		}
	}
}

func TestABlobThatWasAlteredIsNamedAndSetAside(t *testing.T) {
	h := load(t, 10)
	blob := h.files("blobs/*")[0]
	h.flip(blob, .5)
	r := h.examine()
	if len(r.Faults) != 1 || !strings.Contains(r.Faults[0].String(), filepath.Base(blob)) {
		t.Fatalf("got %v", r.Faults)
	}
	folder, err := store.Mend(store.Options{Dir: h.dir})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(folder, filepath.Base(blob))); err != nil {
		t.Error(err)
	}
	if r := h.examine(); len(r.Faults) > 0 {
		t.Errorf("after it was mended: %v", r.Faults)
	}
}

// TestMendingLosesNothingElse lets one record be damaged in a database that was
// written, overwritten and deleted from at random, over several levels of
// tables, and expects all others to be as they were.
func TestMendingLosesNothingElse(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 3))
			h := &hold{t, filepath.Join(t.TempDir(), "data"), 0}
			want := map[uint64]uint64{}
			for range 4 {
				s, err := store.Open(store.Options{Dir: h.dir, MemTable: 256 << 10})
				if err != nil {
					t.Fatal(err)
				}
				shard := acquire(t, s, 5)
				for i := range uint64(3000) {
					n := random.Uint64N(2000)
					switch random.IntN(10) {
					case 0, 1:
						shard.Append(store.Delete(numberKey(n)))
						delete(want, n)
					case 2:
						shard.Append(store.DeleteRange(numberKey(n), numberKey(n+20)))
						for k := n; k < n+20; k++ {
							delete(want, k)
						}
					default:
						shard.Append(store.Set(numberKey(n), valueOf(i, random)))
						want[n] = i
					}
				}
				h.close(s)
			}
			var lost uint64
			for lost = range want {
				break
			}
			alter(t, filepath.Join(h.dir, "db"), append([]byte{2, 5}, numberKey(lost)...))
			r := h.examine()
			if len(r.Faults) != 1 || !strings.Contains(r.Faults[0].String(), fmt.Sprintf("%x", numberKey(lost))) {
				t.Fatalf("got %v", r.Faults)
			}
			if _, err := store.Mend(store.Options{Dir: h.dir}); err != nil {
				t.Fatal(err)
			}
			delete(want, lost)
			s := h.open()
			defer h.close(s)
			got := map[uint64]uint64{}
			err := acquire(t, s, 5).Scan(nil, []byte{0xff}, 1<<30, func(r store.Record) (bool, error) {
				var n uint64
				value, err := r.Value()
				if err == nil {
					_, err = fmt.Sscan(string(value[:bytes.IndexByte(value, ' ')]), &n)
				}
				got[binary.BigEndian.Uint64(r.Key)] = n
				return true, err
			})
			if err != nil || !maps.Equal(got, want) {
				t.Errorf("%d records are left of %d, and not as they were: %v", len(got), len(want), err)
			}
		})
	}
}

// TestAfterMendingNoIDIsGivenOutAgain loses the record of the last id.
func TestAfterMendingNoIDIsGivenOutAgain(t *testing.T) {
	h := load(t, 10)
	next := func() (id uint64) {
		s := h.open()
		defer h.close(s)
		err := s.Catalog().Update(func(tx *store.Tx) (err error) { id, err = tx.NextID(); return err })
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	first := next()
	alter(t, filepath.Join(h.dir, "db"), []byte("\x01ids\x00last"))
	if _, err := store.Mend(store.Options{Dir: h.dir}); err != nil {
		t.Fatal(err)
	}
	if id := next(); id <= first+1000 {
		t.Errorf("after %d comes %d", first, id)
	}
}
