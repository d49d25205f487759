package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"naru/internal/seal"
)

// A record is what the database holds under a key:
//
//	clear:   1 | value | CRC-32C of key, the byte 1 and value, u32
//	sealed:  2 | sealed value, with the key as associated data (see package seal)
//
// Either way a record that was altered, or that stands under a key it was not
// written for, does not open.
const (
	recordClear  = 1
	recordSealed = 2

	checksumSize = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ErrNotFound is returned by Get for a key that has no record.
var ErrNotFound = errors.New("store: not found")

// ErrSealed is returned for a sealed record of a store that was opened without
// its master key.
var ErrSealed = seal.ErrLocked

// CorruptError names a record that does not open. Reading never skips one.
type CorruptError struct {
	Key    []byte // the full key, as docs/KEYS.md writes it
	Reason string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("store: corrupt record %x: %s", e.Key, e.Reason)
}

func clearSize(value []byte) int { return 1 + len(value) + checksumSize }

// putClear fills dst, which has clearSize bytes.
func putClear(dst, key, value []byte) {
	dst[0] = recordClear
	copy(dst[1:], value)
	binary.BigEndian.PutUint32(dst[1+len(value):], checksum(key, dst[:1+len(value)]))
}

func checksum(key, body []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, body)
}

// openRecord returns a copy of the value that record holds under key.
func openRecord(s *seal.Sealer, key, record []byte) ([]byte, error) {
	if len(record) == 0 {
		return nil, &CorruptError{clone(key), "it is empty"}
	}
	switch record[0] {
	case recordClear:
		body := len(record) - checksumSize
		if body < 1 || binary.BigEndian.Uint32(record[body:]) != checksum(key, record[:body]) {
			return nil, &CorruptError{clone(key), "its checksum is wrong"}
		}
		return clone(record[1:body]), nil
	case recordSealed:
		value, err := s.Open(record[1:], key)
		if errors.Is(err, ErrSealed) {
			return nil, err
		}
		if err != nil {
			return nil, &CorruptError{clone(key), err.Error()}
		}
		return value, nil
	}
	return nil, &CorruptError{clone(key), fmt.Sprintf("its version %d is unknown", record[0])}
}

func clone(b []byte) []byte { return append([]byte{}, b...) }
