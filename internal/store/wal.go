package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// The database takes the first part of its write-ahead log that does not verify
// for the end of it, as a power cut leaves it, unless a later block of 32 KiB
// shows that what does not verify had been synced. Here is the same test down
// to the chunk: so a log that was damaged in its last block is not read short.
//
// A log is made of blocks, and they of chunks, which begin with
//
//	checksum u32 | length u16 | kind u8 | log's number u32 | synced up to u64
//
// little-endian. The checksum is of what follows the length. The kinds are four:
// whole, first, middle and last part of a record. The first log of a new
// database has four kinds of its own, without the last field, and so proves
// nothing.

const (
	walBlock      = 32 << 10
	walHeader     = 19
	walKinds      = 9
	walBareHeader = 11
	walBareKinds  = 5
)

// A walChunk is one chunk that verifies.
type walChunk struct {
	size   int
	ends   bool // a record
	synced uint64
}

// chunkAt returns the chunk that text begins with; it reports false if that
// does not verify.
func chunkAt(text []byte, number uint32) (walChunk, bool) {
	if len(text) < walBareHeader {
		return walChunk{}, false
	}
	kind, header := text[6]-walKinds, walHeader
	if text[6] < walKinds {
		kind, header = text[6]-walBareKinds, walBareHeader
	}
	size := header + int(binary.LittleEndian.Uint16(text[4:]))
	if kind > 3 || size > len(text) || binary.LittleEndian.Uint32(text[7:]) != number {
		return walChunk{}, false
	}
	sum := crc32.Checksum(text[6:size], castagnoli)
	if (sum>>15|sum<<17)+0xa282ead8 != binary.LittleEndian.Uint32(text) {
		return walChunk{}, false
	}
	c := walChunk{size: size, ends: kind == 0 || kind == 3}
	if header == walHeader {
		c.synced = binary.LittleEndian.Uint64(text[11:])
	}
	return c, true
}

// walDamage returns where the first chunk of a log is that had been synced and
// does not verify, and where the last record before it ends. It reports false
// if there is none.
func walDamage(log []byte, number uint32) (at, good int64, damaged bool) {
	pos, end := 0, 0
	for pos < len(log) {
		block := log[pos:min(len(log), pos-pos%walBlock+walBlock)]
		if len(block) < walHeader && len(block)+pos%walBlock == walBlock {
			pos += len(block) // the rest of a block that no chunk fits into
			continue
		}
		c, ok := chunkAt(block, number)
		if !ok {
			return int64(pos), int64(end), syncedLater(log, pos, number)
		}
		if pos += c.size; c.ends {
			end = pos
		}
	}
	return 0, 0, false
}

// syncedLater reports whether a chunk after position bad tells that the log was
// synced up to beyond it.
func syncedLater(log []byte, bad int, number uint32) bool {
	for pos := bad + 1; pos < len(log); {
		block := log[pos:min(len(log), pos-pos%walBlock+walBlock)]
		c, ok := chunkAt(block, number)
		switch {
		case ok && c.synced > uint64(bad):
			return true
		case ok:
			pos += c.size
		default:
			pos++
		}
	}
	return false
}

// A walError names a damaged write-ahead log.
type walError struct {
	file string // relative to the data directory
	at   int64
	good int64
	size int64
}

func (e *walError) Error() string {
	return fmt.Sprintf("%s is damaged at byte %d, after which acknowledged changes stand (%d bytes)", e.file, e.at, e.size-e.at)
}

// checkWAL returns a walError if one of the logs in the folder of a database is
// damaged.
func checkWAL(fs vfs.FS, folder string) error {
	logs, err := walFiles(fs, folder)
	if err != nil {
		return err
	}
	for _, name := range logs {
		text, err := readFile(fs, fs.PathJoin(folder, name))
		if err != nil {
			return err
		}
		if at, good, damaged := walDamage(text, walNumber(name)); damaged {
			return &walError{fs.PathBase(folder) + "/" + name, at, good, int64(len(text))}
		}
	}
	return nil
}

// walFiles returns the names of the logs, oldest first.
func walFiles(fs vfs.FS, folder string) (logs []string, err error) {
	if _, err := fs.Stat(folder); err != nil {
		return nil, nil // it is made only now
	}
	names, err := fs.List(folder)
	for _, name := range names {
		if filepath.Ext(name) == ".log" && walNumber(name) > 0 {
			logs = append(logs, name)
		}
	}
	slices.SortFunc(logs, func(a, b string) int { return int(walNumber(a)) - int(walNumber(b)) })
	return logs, err
}

// walNumber returns the number that a log is called by, 0 if it is no log.
func walNumber(name string) uint32 {
	n, err := strconv.ParseUint(strings.TrimSuffix(name, ".log"), 10, 32)
	if err != nil {
		return 0
	}
	return uint32(n)
}

func readFile(fs vfs.FS, path string) ([]byte, error) {
	f, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(f)
	return text, errors.Join(err, f.Close())
}
