// Package seal encrypts the values that hold user data: messages, payloads,
// environments, log lines.
//
// A value is compressed when that pays, then encrypted with AES-256-GCM under
// a data key; the caller's associated data (the record's full key) is
// authenticated with it, so that a value moved to another key does not open.
// Each start of the process makes a new random data key, which counts its
// nonces from zero: no nonce is used twice under a key, not even when a data
// directory is copied and both copies go on. Data keys are kept wrapped by the
// master key, which lives in a file of its own.
//
//	sealed value:  version 1 | flags | data key id u32 | nonce counter u64 | ciphertext and tag
//	wrapped key:   version 1 | master key fingerprint 8 | nonce 12 | ciphertext and tag
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/s2"
)

const (
	version        = 1
	flagCompressed = 1

	headerSize = 1 + 1 + 4 + 8
	nonceSize  = 12
	tagSize    = 16

	// Overhead is how many bytes sealing adds to a value at the most.
	Overhead = headerSize + tagSize

	// compressFrom is the size in bytes from which compressing is tried.
	compressFrom = 128
)

// ErrCorrupt is returned for a value that is not, or no longer, what was
// sealed under its associated data.
var ErrCorrupt = errors.New("seal: the value does not open: it was altered, moved or cut short")

// ErrLocked is returned for a value that has the form of a sealed one, by a
// Sealer without a master key.
var ErrLocked = errors.New("seal: the master key is not there")

// A Sealer seals under its newest data key and opens under any it was given.
// It is safe for concurrent use.
type Sealer struct {
	keys    map[uint32]cipher.AEAD
	locked  bool // the master key is not there
	current uint32
	counter atomic.Uint64
}

// New returns a Sealer that opens values of all the wrapped keys and seals
// under a new data key. The caller stores wrapped under id before it stores
// any sealed value. It fails when a key was wrapped by another master key.
func New(master *MasterKey, keys map[uint32][]byte) (s *Sealer, id uint32, wrapped []byte, err error) {
	if s, err = NewOpener(master, keys); err != nil {
		return nil, 0, nil, err
	}
	for k := range keys {
		s.current = max(s.current, k)
	}
	s.current++
	dataKey := make([]byte, 32)
	rand.Read(dataKey)
	s.keys[s.current] = newAEAD(dataKey)
	return s, s.current, master.wrap(dataKey), nil
}

// NewOpener returns a Sealer that only opens. Without a master key it cannot do
// that either: Open then returns ErrLocked.
func NewOpener(master *MasterKey, keys map[uint32][]byte) (*Sealer, error) {
	s := &Sealer{keys: make(map[uint32]cipher.AEAD, len(keys)), locked: master == nil}
	if s.locked {
		return s, nil
	}
	for k, w := range keys {
		dataKey, err := master.unwrap(w)
		if err != nil {
			return nil, fmt.Errorf("data key %d: %w", k, err)
		}
		if k != rootKey {
			s.keys[k] = newAEAD(dataKey)
		}
	}
	return s, nil
}

// newAEAD panics on a key that is not 32 bytes, which wrap and unwrap rule out.
func newAEAD(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return aead
}

// Seal appends the sealed form of plain to dst. The value opens only under
// the same associated data ad.
func (s *Sealer) Seal(dst, plain, ad []byte) []byte {
	flags := byte(0)
	if len(plain) >= compressFrom {
		room := compressing.Get().(*[]byte)
		defer compressing.Put(room)
		if most := s2.MaxEncodedLen(len(plain)); most > cap(*room) {
			*room = make([]byte, most)
		}
		if c := s2.Encode((*room)[:cap(*room)], plain); len(c) < len(plain)-len(plain)/8 {
			plain, flags = c, flagCompressed
		}
	}
	counter := s.counter.Add(1)
	dst = append(dst, version, flags)
	dst = binary.BigEndian.AppendUint32(dst, s.current)
	dst = binary.BigEndian.AppendUint64(dst, counter)
	nonce := nonceOf(flags, counter)
	return s.keys[s.current].Seal(dst, nonce[:], plain, ad)
}

// compressing holds memory for compressed values.
var compressing = sync.Pool{New: func() any { return new([]byte) }}

// Open returns the plain form of a sealed value. It fails with ErrCorrupt
// when the value was not sealed under ad by one of the data keys, and with
// ErrLocked when that cannot be told for want of the master key.
func (s *Sealer) Open(sealed, ad []byte) ([]byte, error) {
	if len(sealed) < Overhead || sealed[0] != version || sealed[1] > flagCompressed {
		return nil, ErrCorrupt
	}
	if s.locked {
		return nil, ErrLocked
	}
	aead := s.keys[binary.BigEndian.Uint32(sealed[2:])]
	if aead == nil {
		return nil, ErrCorrupt
	}
	nonce := nonceOf(sealed[1], binary.BigEndian.Uint64(sealed[6:]))
	if sealed[1]&flagCompressed == 0 {
		plain, err := aead.Open(nil, nonce[:], sealed[headerSize:], ad)
		if err != nil {
			return nil, ErrCorrupt
		}
		return plain, nil
	}
	room := compressing.Get().(*[]byte)
	defer compressing.Put(room)
	compressed, err := aead.Open((*room)[:0], nonce[:], sealed[headerSize:], ad)
	if err != nil {
		return nil, ErrCorrupt
	}
	*room = compressed
	plain, err := s2.Decode(nil, compressed)
	if err != nil {
		return nil, ErrCorrupt
	}
	return plain, nil
}

// nonceOf covers the header: with other flags or another counter a value does
// not open.
func nonceOf(flags byte, counter uint64) (nonce [nonceSize]byte) {
	nonce[0] = flags
	binary.BigEndian.PutUint64(nonce[4:], counter)
	return nonce
}
