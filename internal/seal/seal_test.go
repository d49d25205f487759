package seal

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func newSealer(t testing.TB, master *MasterKey, keys map[uint32][]byte) *Sealer {
	t.Helper()
	s, id, wrapped, err := New(master, keys)
	if err != nil {
		t.Fatal(err)
	}
	keys[id] = wrapped
	return s
}

func TestWhatIsSealedOpens(t *testing.T) {
	s := newSealer(t, NewMasterKey(), map[uint32][]byte{})
	rapid.Check(t, func(t *rapid.T) {
		plain := rapid.OneOf(
			rapid.SliceOf(rapid.Byte()),
			rapid.Map(rapid.IntRange(0, 5000), func(n int) []byte { return bytes.Repeat([]byte("ferry "), n) }),
		).Draw(t, "plain")
		ad := rapid.SliceOf(rapid.Byte()).Draw(t, "ad")
		sealed := s.Seal(nil, plain, ad)
		if len(sealed) > len(plain)+Overhead {
			t.Fatalf("%d bytes sealed to %d", len(plain), len(sealed))
		}
		got, err := s.Open(sealed, ad)
		if err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("opened %d bytes, %v; want %d", len(got), err, len(plain))
		}
	})
}

func TestAnAlteredMovedOrCutValueDoesNotOpen(t *testing.T) {
	s := newSealer(t, NewMasterKey(), map[uint32][]byte{})
	sealed := s.Seal(nil, []byte(strings.Repeat("cargo", 100)), []byte("key"))
	if _, err := s.Open(sealed, []byte("other key")); !errors.Is(err, ErrCorrupt) {
		t.Errorf("moved: %v", err)
	}
	for i := range sealed {
		altered := bytes.Clone(sealed)
		altered[i] ^= 1
		if _, err := s.Open(altered, []byte("key")); !errors.Is(err, ErrCorrupt) {
			t.Errorf("byte %d altered: %v", i, err)
		}
		if _, err := s.Open(sealed[:i], []byte("key")); !errors.Is(err, ErrCorrupt) {
			t.Errorf("cut to %d bytes: %v", i, err)
		}
	}
}

func TestRepetitiveValuesAreCompressed(t *testing.T) {
	s := newSealer(t, NewMasterKey(), map[uint32][]byte{})
	if n := len(s.Seal(nil, bytes.Repeat([]byte("a"), 10_000), nil)); n > 1000 {
		t.Errorf("10,000 equal bytes sealed to %d", n)
	}
}

func TestEachStartSealsUnderAKeyOfItsOwn(t *testing.T) {
	master, keys := NewMasterKey(), map[uint32][]byte{}
	first := newSealer(t, master, keys)
	sealed := first.Seal(nil, []byte("cargo"), nil)
	second := newSealer(t, master, keys)
	if got, err := second.Open(sealed, nil); err != nil || string(got) != "cargo" {
		t.Fatalf("the next start opens %q, %v", got, err)
	}
	if again := second.Seal(nil, []byte("cargo"), nil); bytes.Equal(again[headerSize:], sealed[headerSize:]) {
		t.Fatal("two starts sealed the same value alike: same key and nonce")
	}
	if len(keys) != 2 {
		t.Fatalf("%d data keys", len(keys))
	}
}

func TestAnotherMasterKeyOpensNothing(t *testing.T) {
	keys := map[uint32][]byte{}
	newSealer(t, NewMasterKey(), keys)
	if _, _, _, err := New(NewMasterKey(), keys); !errors.Is(err, ErrWrongMaster) {
		t.Fatalf("got %v", err)
	}
	master := NewMasterKey()
	keys = map[uint32][]byte{}
	newSealer(t, master, keys)
	keys[1][len(keys[1])-1] ^= 1
	if _, _, _, err := New(master, keys); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("altered wrapped key: %v", err)
	}
}

func TestMasterKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	m := NewMasterKey()
	if err := m.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	got, err := ReadMasterKey(path)
	if err != nil || !bytes.Equal(got.secret, m.secret) {
		t.Fatalf("read back: %v", err)
	}
	if err := m.WriteFile(path); err == nil {
		t.Fatal("an existing key was overwritten")
	}
	if bytes.Equal(m.Derive("a"), m.Derive("b")) || !bytes.Equal(m.Derive("a"), got.Derive("a")) {
		t.Fatal("derived secrets must differ by purpose and be the same for each call")
	}
	other := filepath.Join(t.TempDir(), "other")
	os.WriteFile(other, []byte("hello"), 0o600)
	if _, err := ReadMasterKey(other); err == nil {
		t.Fatal("a file that is no key was read as one")
	}
}

func BenchmarkSeal(b *testing.B) {
	s := newSealer(b, NewMasterKey(), map[uint32][]byte{})
	for name, plain := range map[string][]byte{"random": NewMasterKey().Derive("x"), "text": bytes.Repeat([]byte("ferry landing "), 73)} {
		for len(plain) < 1000 {
			plain = append(plain, NewMasterKey().secret...)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(plain)))
			dst := make([]byte, 0, 2048)
			for b.Loop() {
				s.Seal(dst, plain, []byte("some key of a message"))
			}
		})
	}
}
