package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"

	"naru/internal/store"
	"naru/internal/store/storetest"
)

type ferry struct {
	Name  string
	Seats int
}

func openTable[T any](t testing.TB, s *store.Store, name string) *store.Table[T] {
	t.Helper()
	table, err := store.OpenTable[T](s, name)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestAnAcknowledgedCatalogChangeSurvivesAPowerCut(t *testing.T) {
	disk := storetest.NewDisk()
	s := disk.Open(t)
	ferries, ports := openTable[ferry](t, s, "ferries"), openTable[string](t, s, "ports")
	for i := range 20 {
		err := s.Catalog().Update(func(tx *store.Tx) error {
			id, err := tx.NextID()
			if err != nil || id != uint64(i+1) {
				return fmt.Errorf("id %d, %v", id, err)
			}
			key := fmt.Sprintf("f%02d", i)
			return errors.Join(ferries.Put(tx, key, ferry{key, i}), ports.Put(tx, key, "port"))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Catalog().Update(func(tx *store.Tx) error { ferries.Delete(tx, "f03"); return nil }); err != nil {
		t.Fatal(err)
	}
	after := disk.PowerCut(0, nil)
	storetest.Close(t, s)

	s = after.Open(t)
	defer storetest.Close(t, s)
	ferries, ports = openTable[ferry](t, s, "ferries"), openTable[string](t, s, "ports")
	if ferries.Len() != 19 || ports.Len() != 20 {
		t.Errorf("%d ferries and %d ports are left", ferries.Len(), ports.Len())
	}
	if f, ok := ferries.Get("f04"); !ok || f != (ferry{"f04", 4}) {
		t.Errorf("f04 is %+v", f)
	}
	got := slices.Collect(maps.Keys(maps.Collect(ferries.From("f0", "f02"))))
	slices.Sort(got)
	if want := []string{"f02", "f04", "f05", "f06", "f07", "f08", "f09"}; !slices.Equal(got, want) {
		t.Errorf("ferries from f02: %v", got)
	}
	err := s.Catalog().Update(func(tx *store.Tx) error {
		if id, err := tx.NextID(); err != nil || id != 21 {
			return fmt.Errorf("id %d, %v", id, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestARefusedChangeChangesNothing(t *testing.T) {
	s := storetest.Open(t)
	ferries := openTable[ferry](t, s, "ferries")
	refused := errors.New("refused")
	err := s.Catalog().Update(func(tx *store.Tx) error {
		return errors.Join(ferries.Put(tx, "a", ferry{}), refused)
	})
	if !errors.Is(err, refused) || ferries.Len() != 0 {
		t.Errorf("got %v and %d rows", err, ferries.Len())
	}
}

func TestTablesDoNotSeeEachOther(t *testing.T) {
	s := storetest.Open(t)
	a, ab := openTable[string](t, s, "a"), openTable[string](t, s, "ab")
	err := s.Catalog().Update(func(tx *store.Tx) error {
		return errors.Join(a.Put(tx, "b", "1"), ab.Put(tx, "", "2"), a.Put(tx, "", "3"))
	})
	if err != nil {
		t.Fatal(err)
	}
	a, ab = openTable[string](t, s, "a"), openTable[string](t, s, "ab")
	if got := maps.Collect(a.All("")); !maps.Equal(got, map[string]string{"b": "1", "": "3"}) {
		t.Errorf("a holds %v", got)
	}
	if got := maps.Collect(ab.All("")); !maps.Equal(got, map[string]string{"": "2"}) {
		t.Errorf("ab holds %v", got)
	}
}

func TestDataDirectory(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "state", "naru")
	open := func(dir string) error {
		s, err := store.Open(store.Options{Dir: dir})
		if err == nil {
			t.Cleanup(func() { s.Close() })
		}
		return err
	}
	s, err := store.Open(store.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := open(dir); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a second process: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(dir, "master.key")
	os.Rename(key, key+".away")
	if err := open(dir); err == nil || !strings.Contains(err.Error(), "is missing") {
		t.Errorf("without its master key: %v", err)
	}
	other := filepath.Join(root, "other")
	if err := open(other); err != nil {
		t.Fatal(err)
	}
	text, _ := os.ReadFile(filepath.Join(other, "master.key"))
	os.WriteFile(key, text, 0o600)
	if err := open(dir); err == nil || !strings.Contains(err.Error(), "another master key") {
		t.Errorf("with another master key: %v", err)
	}
	os.Rename(key+".away", key)
	if err := open(dir); err != nil {
		t.Errorf("with its own again: %v", err)
	}
	foreign := filepath.Join(root, "foreign")
	os.MkdirAll(foreign, 0o700)
	os.WriteFile(filepath.Join(foreign, "thesis.tex"), nil, 0o600)
	if err := open(foreign); err == nil || !strings.Contains(err.Error(), "thesis.tex") {
		t.Errorf("a foreign directory: %v", err)
	}
	if entries, _ := os.ReadDir(foreign); len(entries) != 1 {
		t.Errorf("something was written to a foreign directory: %v", entries)
	}
}

func TestTheMasterKeyCanLiveApart(t *testing.T) {
	dir, key := t.TempDir(), filepath.Join(t.TempDir(), "key")
	for range 2 {
		s, err := store.Open(store.Options{Dir: dir, MasterKeyFile: key})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "master.key")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a key lies in the data directory too: %v", err)
	}
}

// TestACorruptRecordIsNamed alters each record of a closed store in turn.
func TestACorruptRecordIsNamed(t *testing.T) {
	dir := t.TempDir()
	s, err := store.Open(store.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	shard := acquire(t, s, 5)
	if err := shard.Append(store.Set([]byte("clear"), []byte("v")), store.SetSealed([]byte("sealed"), []byte("v"))).Wait(); err != nil {
		t.Fatal(err)
	}
	s.Close()
	for _, key := range []string{"clear", "sealed"} {
		alter(t, filepath.Join(dir, "db"), append([]byte{2, 5}, key...))
	}
	s, err = store.Open(store.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	shard = acquire(t, s, 5)
	for _, key := range []string{"clear", "sealed"} {
		var corrupt *store.CorruptError
		if _, err := shard.Get([]byte(key)); !errors.As(err, &corrupt) || !bytes.HasSuffix(corrupt.Key, []byte(key)) {
			t.Errorf("%s: %v", key, err)
		}
	}
	if err := s.Check(); err == nil || strings.Count(err.Error(), "corrupt record") != 2 {
		t.Errorf("Check: %v", err)
	}
}

// alter flips a bit in the record at key.
func alter(t *testing.T, dir string, key []byte) {
	t.Helper()
	db, err := pebble.Open(dir, &pebble.Options{FormatMajorVersion: pebble.FormatNewest, Logger: silent{}})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	record, closer, err := db.Get(key)
	if err != nil {
		t.Fatal(err)
	}
	altered := bytes.Clone(record)
	closer.Close()
	altered[1] ^= 1
	if err := db.Set(key, altered, pebble.Sync); err != nil {
		t.Fatal(err)
	}
}

type silent struct{}

func (silent) Infof(string, ...any)  {}
func (silent) Errorf(string, ...any) {}
func (silent) Fatalf(f string, a ...any) {
	panic(fmt.Sprintf(f, a...))
}

func TestBlobs(t *testing.T) {
	disk := storetest.NewDisk()
	s := disk.Open(t)
	sum, err := s.Blobs().Put([]byte("cargo"))
	if err != nil {
		t.Fatal(err)
	}
	if again, err := s.Blobs().Put([]byte("cargo")); err != nil || again != sum {
		t.Fatalf("stored again as %s, %v", again, err)
	}
	other, err := s.Blobs().Put([]byte("ballast"))
	if err != nil {
		t.Fatal(err)
	}
	after := disk.PowerCut(0, nil)
	storetest.Close(t, s)
	s = after.Open(t)
	defer storetest.Close(t, s)
	if got, err := s.Blobs().Get(sum); err != nil || string(got) != "cargo" {
		t.Errorf("after a power cut: %q, %v", got, err)
	}
	if err := s.Blobs().Sweep(func(s store.Sum) bool { return s == sum }); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Blobs().Get(other); err == nil {
		t.Error("a swept blob is still there")
	}
	if _, err := s.Blobs().Get(sum); err != nil {
		t.Errorf("a kept blob: %v", err)
	}
}
