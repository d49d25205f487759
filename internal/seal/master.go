package seal

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const fingerprintSize = 8

// ErrWrongMaster is returned for a data key that another master key wrapped.
var ErrWrongMaster = errors.New("it was wrapped by another master key")

// A MasterKey wraps data keys. It never touches user data itself.
type MasterKey struct {
	secret []byte // 32 bytes
}

// NewMasterKey returns a new random master key.
func NewMasterKey() *MasterKey {
	secret := make([]byte, 32)
	rand.Read(secret)
	return &MasterKey{secret}
}

// masterPrefix begins the one line that a master key file holds.
const masterPrefix = "naru-master-key-1 "

// ReadMasterKey reads the master key file at path.
func ReadMasterKey(path string) (*MasterKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	encoded, ok := strings.CutPrefix(strings.TrimSpace(string(text)), masterPrefix)
	secret, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(secret) != 32 {
		return nil, fmt.Errorf("%s is not a Naru master key", path)
	}
	return &MasterKey{secret}, nil
}

// WriteFile writes the key to a new file at path, readable by its owner only,
// and syncs it. It fails when the file exists.
func (m *MasterKey) WriteFile(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(masterPrefix + base64.StdEncoding.EncodeToString(m.secret) + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// fingerprint names the key without telling it.
func (m *MasterKey) fingerprint() []byte {
	sum := sha256.Sum256(append([]byte("naru master key fingerprint "), m.secret...))
	return sum[:fingerprintSize]
}

// Derive returns a 32-byte secret for one purpose, the same for every call.
func (m *MasterKey) Derive(purpose string) []byte {
	key, err := hkdf.Key(sha256.New, m.secret, nil, purpose, 32)
	if err != nil {
		panic(err) // only for lengths that SHA-256 cannot give
	}
	return key
}

// rootKey is the id under which, once a master key was replaced, the secret of
// the first one is kept among the data keys: what was derived from it stands.
const rootKey = 0

// Root returns the key that secrets are derived from: the first master key of
// those that have wrapped the keys.
func Root(master *MasterKey, keys map[uint32][]byte) (*MasterKey, error) {
	wrapped, ok := keys[rootKey]
	if !ok {
		return master, nil
	}
	secret, err := master.unwrap(wrapped)
	if err != nil {
		return nil, fmt.Errorf("root key: %w", err)
	}
	return &MasterKey{secret}, nil
}

// Rewrap returns the keys, each wrapped by either of the two, as wrapped by the
// next master key.
func Rewrap(keys map[uint32][]byte, master, next *MasterKey) (map[uint32][]byte, error) {
	out := map[uint32][]byte{rootKey: next.wrap(master.secret)}
	for k, w := range keys {
		dataKey, err := master.unwrap(w)
		if errors.Is(err, ErrWrongMaster) {
			_, err = next.unwrap(w)
			out[k] = w
		} else if err == nil {
			out[k] = next.wrap(dataKey)
		}
		if err != nil {
			return nil, fmt.Errorf("data key %d: %w", k, err)
		}
	}
	return out, nil
}

// Name returns a short name of the key, which does not tell it.
func (m *MasterKey) Name() string { return hex.EncodeToString(m.fingerprint()) }

func (m *MasterKey) wrap(dataKey []byte) []byte {
	nonce := make([]byte, nonceSize)
	rand.Read(nonce)
	out := append([]byte{version}, m.fingerprint()...)
	head := len(out)
	out = append(out, nonce...)
	return newAEAD(m.secret).Seal(out, nonce, dataKey, out[:head])
}

func (m *MasterKey) unwrap(wrapped []byte) ([]byte, error) {
	const head = 1 + fingerprintSize
	if len(wrapped) != head+nonceSize+32+tagSize || wrapped[0] != version {
		return nil, ErrCorrupt
	}
	if string(wrapped[1:head]) != string(m.fingerprint()) {
		return nil, ErrWrongMaster
	}
	dataKey, err := newAEAD(m.secret).Open(nil, wrapped[head:head+nonceSize], wrapped[head+nonceSize:], wrapped[:head])
	if err != nil {
		return nil, ErrCorrupt
	}
	return dataKey, nil
}
