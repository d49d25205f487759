package store_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"naru/internal/store"
)

// copyTo copies a data directory that nobody has open.
func (h *hold) copyTo(name string) *hold {
	h.t.Helper()
	dir := filepath.Join(h.t.TempDir(), name)
	if err := os.CopyFS(dir, os.DirFS(h.dir)); err != nil {
		h.t.Fatal(err)
	}
	return &hold{h.t, dir, h.cargo}
}

func TestAnotherMasterKeyTakesTheOldOnesPlace(t *testing.T) {
	h := load(t, 200)
	before := h.copyTo("before")
	s := h.open()
	derived := s.Derive("tickets")
	var olds []string
	for range 2 {
		old, err := s.RotateMaster()
		if err != nil {
			t.Fatal(err)
		}
		olds = append(olds, old)
		if n := len(h.left(s)); n != 200 {
			t.Errorf("%d are left at once", n)
		}
		h.close(s)
		s = h.open()
		if n := len(h.left(s)); n != 200 {
			t.Errorf("%d are left after a restart", n)
		}
		if !bytes.Equal(s.Derive("tickets"), derived) {
			t.Error("what was derived has changed")
		}
		h.close(s)
		s = h.open()
	}
	h.close(s)
	if r := h.examine(); len(r.Faults) > 0 || r.Sealed > 0 {
		t.Errorf("got %+v", r)
	}
	for _, old := range olds {
		if _, err := store.Open(store.Options{Dir: h.dir, MasterKeyFile: old}); err == nil || !strings.Contains(err.Error(), "is not that of the data directory") {
			t.Errorf("with the old key: %v", err)
		}
	}
	s, err := store.Open(store.Options{Dir: before.dir, MasterKeyFile: olds[0]})
	if err != nil {
		t.Fatalf("an old copy with the old key: %v", err)
	}
	h.close(s)
}

// TestAnInterruptedChangeOfMasterKeysIsFinished puts together what a crash
// leaves between any two of its steps.
func TestAnInterruptedChangeOfMasterKeysIsFinished(t *testing.T) {
	before := load(t, 200)
	after := before.copyTo("after")
	s := after.open()
	old, err := s.RotateMaster()
	if err != nil {
		t.Fatal(err)
	}
	derived := s.Derive("tickets")
	after.close(s)
	replace := func(h *hold, name string, by *hold, from string) {
		to := filepath.Join(h.dir, name)
		if err := os.RemoveAll(to); err != nil {
			t.Fatal(err)
		}
		from = filepath.Join(by.dir, from)
		if info, err := os.Stat(from); err == nil && info.IsDir() {
			if err := os.CopyFS(to, os.DirFS(from)); err != nil {
				t.Fatal(err)
			}
			return
		}
		text, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(to, text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, parts := range map[string][]string{
		"BeforeTheKeyWasUsed":  {"master.key.new"},
		"BetweenTheDatabases":  {"master.key.new", "db"},
		"BeforeItTookItsPlace": {"master.key.new", "db", "bulk"},
		"AfterTheOldWasSaved":  {"master.key.new", "db", "bulk", filepath.Base(old)},
	} {
		t.Run(name, func(t *testing.T) {
			h := before.copyTo(name)
			for _, part := range parts {
				replace(h, part, after, strings.TrimSuffix(part, ".new"))
			}
			if r := h.examine(); len(r.Faults) > 0 || r.Sealed > 0 {
				t.Errorf("read only: %+v", r)
			}
			for range 2 {
				s := h.open()
				if n := len(h.left(s)); n != 200 || !bytes.Equal(s.Derive("tickets"), derived) {
					t.Errorf("%d are left", n)
				}
				h.close(s)
			}
			if _, err := store.Open(store.Options{Dir: h.dir, MasterKeyFile: old}); err == nil || !strings.Contains(err.Error(), "is not that of the data directory") {
				t.Errorf("with the old key: %v", err)
			}
		})
	}
}

// TestCopiesOfADirectoryGoOnApart copies a data directory, and lets both copies
// write: each opens what both wrote before, and never what the other writes.
func TestCopiesOfADirectoryGoOnApart(t *testing.T) {
	h := load(t, 10)
	other := h.copyTo("copy")
	a, b := h.open(), other.open()
	defer h.close(a)
	defer other.close(b)
	for _, s := range []*store.Store{a, b} {
		shard := acquire(t, s, 6)
		if err := shard.Append(store.SetSealed([]byte("key"), []byte("cargo"))).Wait(); err != nil {
			t.Fatal(err)
		}
	}
	if n, m := len(h.left(a)), len(other.left(b)); n != 10 || m != 10 {
		t.Errorf("%d and %d are left", n, m)
	}
	if bytes.Equal(a.Seal([]byte("cargo"), "place"), b.Seal([]byte("cargo"), "place")) {
		t.Error("both seal alike: the same key and nonce")
	}
	if _, err := b.Unseal(a.Seal([]byte("cargo"), "place"), "place"); err == nil {
		t.Error("one opens what the other has sealed")
	}
}
