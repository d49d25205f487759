package store_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"naru/internal/store"
	"naru/internal/store/storetest"
)

// TestABackupIsAPrefixWithAllThatWasAcknowledged takes backups while shards are
// written to, and expects of each what a power cut may leave: a prefix of each
// shard's log, with all that was acknowledged before.
func TestABackupIsAPrefixWithAllThatWasAcknowledged(t *testing.T) {
	disk := storetest.NewDisk()
	s := disk.Open(t)
	w := startWriters(t, s, 3, 4, 500)
	<-w.reached
	var backups []map[int]uint64
	for i := range 5 {
		acknowledged := map[int]uint64{}
		for shard, n := range w.acknowledged() {
			acknowledged[shard] = n
		}
		m, err := s.Backup(fmt.Sprintf("backup%d", i), true)
		if err != nil || m.Size() == 0 {
			t.Fatalf("backup: %+v, %v", m, err)
		}
		backups = append(backups, acknowledged)
	}
	w.stop()
	storetest.Close(t, s)
	for i, acknowledged := range backups {
		s := disk.OpenAt(t, fmt.Sprintf("backup%d", i))
		for shard, least := range acknowledged {
			numbers := scan(t, acquire(t, s, shard))
			if n := uint64(len(numbers)); n < least {
				t.Errorf("backup %d: shard %d has %d of %d acknowledged appends", i, shard, n, least)
			}
			for j, n := range numbers {
				if n != uint64(j) {
					t.Fatalf("backup %d: shard %d misses append %d", i, shard, j)
				}
			}
		}
		storetest.Close(t, s)
	}
}

func TestABackupIsRestored(t *testing.T) {
	h := load(t, 500)
	root := filepath.Dir(h.dir)
	s := h.open()
	open, closed, bare := filepath.Join(root, "open"), filepath.Join(root, "closed"), filepath.Join(root, "bare")
	m, err := s.Backup(open, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Backup(bare, false); err != nil {
		t.Fatal(err)
	}
	for name, dir := range map[string]string{"not empty": open, "in the data directory": filepath.Join(h.dir, "x")} {
		if _, err := s.Backup(dir, true); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("a backup to %s: %v", dir, err)
		}
	}
	if _, err := store.BackupClosed(h.dir, closed, true); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("files of a running Naru were copied: %v", err)
	}
	h.close(s)
	if _, err := store.BackupClosed(h.dir, closed, true); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(h.dir, "snapshot")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the snapshot is left: %v", err)
	}
	if !slices.ContainsFunc(m.Files, func(f store.ManifestFile) bool { return f.Path == "master.key" }) {
		t.Errorf("there is no master key in %v", m.Files)
	}
	if _, err := os.Stat(filepath.Join(bare, "master.key")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the master key was to be left out: %v", err)
	}
	if _, err := store.Open(store.Options{Dir: open}); err == nil || !strings.Contains(err.Error(), "naru restore") {
		t.Errorf("a backup was opened: %v", err)
	}
	for _, backup := range []string{open, closed} {
		if faults, err := store.VerifyBackup(backup); err != nil || len(faults) > 0 {
			t.Errorf("%s: %v, %v", backup, faults, err)
		}
		restored := &hold{t, backup + "-restored", h.cargo}
		if _, err := store.Restore(backup, restored.dir); err != nil {
			t.Fatal(err)
		}
		if r := restored.examine(); len(r.Faults) > 0 {
			t.Errorf("%s: %v", backup, r.Faults)
		}
		s := restored.open()
		if n := len(restored.left(s)); n != int(h.cargo) {
			t.Errorf("%s: %d of %d were restored", backup, n, h.cargo)
		}
		if _, err := s.Blobs().Get(store.SumOf([]byte("blob"))); err != nil {
			t.Error(err)
		}
		restored.close(s)
		if _, err := store.Restore(backup, restored.dir); err == nil || !strings.Contains(err.Error(), "not empty") {
			t.Errorf("restored over another: %v", err)
		}
	}
}

func TestADamagedOrIncompleteBackupIsNotRestored(t *testing.T) {
	h := load(t, 500)
	root := filepath.Dir(h.dir)
	for name, c := range map[string]struct {
		spoil func(backup *hold)
		words string
	}{
		"AFlippedBit":  {func(b *hold) { b.flip(b.files("db/*.sst")[0], .5) }, ".sst is not what it was"},
		"AMissingFile": {func(b *hold) { os.Remove(b.files("db/MANIFEST-*")[0]) }, "MANIFEST-"},
		"NoMarker":     {func(b *hold) { os.Remove(filepath.Join(b.dir, "NARU")) }, "no backup of Naru that was completed"},
		"NoManifest":   {func(b *hold) { os.Remove(filepath.Join(b.dir, "MANIFEST")) }, "manifest"},
		"AnEscape": {func(b *hold) {
			os.WriteFile(filepath.Join(b.dir, "MANIFEST"), []byte(`{"format":1,"files":[{"path":"../x"}]}`), 0o600)
		}, `"../x"`},
	} {
		t.Run(name, func(t *testing.T) {
			backup := &hold{t, filepath.Join(root, name), 0}
			if _, err := store.BackupClosed(h.dir, backup.dir, true); err != nil {
				t.Fatal(err)
			}
			c.spoil(backup)
			to := backup.dir + "-restored"
			if _, err := store.Restore(backup.dir, to); err == nil || !strings.Contains(err.Error(), c.words) {
				t.Errorf("got %v", err)
			}
			if _, err := os.Stat(to); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("something was left: %v", err)
			}
		})
	}
}
