package queue

import (
	"encoding/binary"
	"math"
)

// The keys of a data shard, relative to the shard. Numbers are big-endian, so
// that they sort. docs/KEYS.md says what stands under each.
const (
	keyClock    = 0x01 // | -                           time of the newest batch
	keyCounter  = 0x02 // | target shard                 last number used in the outbox for it
	keyOutbox   = 0x03 // | target shard | number        a message on its way to another shard
	keyApplied  = 0x04 // | source shard                 last number taken from its outbox
	keyMeta     = 0x05 // | content                      counters of a content
	keyNote     = 0x06 // | key                          state of the shard's other tenants
	keyContent  = 0x10 // | content | kind | ...         the content itself
	kindIndex   = 0x01 // | visible at | unit | sequence   header of a message
	kindBody    = 0x02 // | sent | sequence                body of a message
	kindForward = 0x03 // | sequence                       where the message's header is now

	// unitMessage is a lone message in the index. Units that are groups of
	// messages come with FIFO and fair queues, under a byte of their own.
	unitMessage = 0x00
)

func clockKey() []byte { return []byte{keyClock} }

func counterKey(target int) []byte { return []byte{keyCounter, byte(target)} }

func outboxKey(target int, number uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{keyOutbox, byte(target)}, number)
}

func appliedKey(source int) []byte { return []byte{keyApplied, byte(source)} }

func metaKey(content uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{keyMeta}, content)
}

func noteKey(key string) []byte { return append([]byte{keyNote}, key...) }

// contentKey has room for the longest key of its kind.
func contentKey(content uint64, kind byte) []byte {
	key := make([]byte, 0, 1+8+1+17)
	key = append(key, keyContent)
	key = binary.BigEndian.AppendUint64(key, content)
	return append(key, kind)
}

// contentEnd is the first key after those of kind.
func contentEnd(content uint64, kind byte) []byte { return contentKey(content, kind+1) }

// A slot is a place in a content's index: the time in milliseconds at which
// the message becomes visible, and its sequence number.
type slot struct {
	at  int64
	seq uint64
}

// never comes after all slots.
var never = slot{math.MaxInt64, math.MaxUint64}

func (s slot) less(o slot) bool {
	return s.at < o.at || s.at == o.at && s.seq < o.seq
}

func indexKey(content uint64, s slot) []byte {
	key := binary.BigEndian.AppendUint64(contentKey(content, kindIndex), uint64(s.at))
	return binary.BigEndian.AppendUint64(append(key, unitMessage), s.seq)
}

func slotOfKey(key []byte) slot {
	key = key[1+8+1:]
	return slot{int64(binary.BigEndian.Uint64(key)), binary.BigEndian.Uint64(key[9:])}
}

// A MessageID names a message within its content.
type MessageID struct {
	Sent     int64 // when it was sent, in milliseconds since the epoch
	Sequence uint64
}

func bodyKey(content uint64, id MessageID) []byte {
	key := binary.BigEndian.AppendUint64(contentKey(content, kindBody), uint64(id.Sent))
	return binary.BigEndian.AppendUint64(key, id.Sequence)
}

func idOfBodyKey(key []byte) MessageID {
	key = key[1+8+1:]
	return MessageID{int64(binary.BigEndian.Uint64(key)), binary.BigEndian.Uint64(key[8:])}
}

func forwardKey(content, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(contentKey(content, kindForward), seq)
}

func seqOfForwardKey(key []byte) uint64 { return binary.BigEndian.Uint64(key[1+8+1:]) }

func idOfMetaKey(key []byte) uint64 { return binary.BigEndian.Uint64(key[1:]) }
