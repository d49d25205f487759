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
	kindIndex   = 0x01 // | visible at | sequence | unit   header of a message, or a group
	kindBody    = 0x02 // | sent | sequence [| group]      body of a message
	kindForward = 0x03 // | sequence                       where the message's header is now
	kindLine    = 0x04 // | group | sequence               header of a message that waits in its group
	kindGroup   = 0x05 // | group                          a message group
	kindRecall  = 0x06 // | minute | what                  what is remembered for five minutes

	// What stands at a place in the index: a lone message, or a message group.
	unitMessage = 0x00
	unitGroup   = 0x01
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
	key := make([]byte, 0, contentPrefix+32)
	key = append(key, keyContent)
	key = binary.BigEndian.AppendUint64(key, content)
	return append(key, kind)
}

// contentEnd is the first key after those of kind.
func contentEnd(content uint64, kind byte) []byte { return contentKey(content, kind+1) }

// A slot is a place in a content's index: the time in milliseconds at which
// the message becomes visible, and its sequence number. A message whose time
// is inLine is not in the index but waits in its group. A group that may be
// served stands in the index as well, under a number of its own.
type slot struct {
	at  int64
	seq uint64
}

// inLine is the time of the slots of messages that wait in their group.
const inLine = 0

// never comes after all slots.
var never = slot{math.MaxInt64, math.MaxUint64}

func (s slot) less(o slot) bool {
	return s.at < o.at || s.at == o.at && s.seq < o.seq
}

func indexKey(content uint64, s slot, unit byte) []byte { return append(fromSlot(content, s), unit) }

// fromSlot is the key from which a scan finds s and what comes after it.
func fromSlot(content uint64, s slot) []byte {
	key := binary.BigEndian.AppendUint64(contentKey(content, kindIndex), uint64(s.at))
	return binary.BigEndian.AppendUint64(key, s.seq)
}

// contentPrefix is the length of what comes before the parts of a kind.
const contentPrefix = 1 + 8 + 1

func slotOfKey(key []byte) (s slot, unit byte) {
	key = key[contentPrefix:]
	return slot{int64(binary.BigEndian.Uint64(key)), binary.BigEndian.Uint64(key[8:])}, key[16]
}

// A groupID is a message group's name as keys have it: a keyed hash.
type groupID [16]byte

// noGroup is that of messages without a group.
var noGroup groupID

func lineKey(content uint64, group groupID, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(append(contentKey(content, kindLine), group[:]...), seq)
}

func seqOfLineKey(key []byte) uint64 { return binary.BigEndian.Uint64(key[contentPrefix+16:]) }

func groupKey(content uint64, group groupID) []byte {
	return append(contentKey(content, kindGroup), group[:]...)
}

func groupOfKey(key []byte) groupID { return groupID(key[contentPrefix:][:16]) }

func recallKey(content uint64, minute int64, w what) []byte {
	key := binary.BigEndian.AppendUint64(contentKey(content, kindRecall), uint64(minute))
	return append(key, w[:]...)
}

// A MessageID names a message within its content.
type MessageID struct {
	Sent     int64 // when it was sent, in milliseconds since the epoch
	Sequence uint64
}

// bodyKey ends with the message's group, if it has one.
func bodyKey(content uint64, id MessageID, group groupID) []byte {
	key := binary.BigEndian.AppendUint64(contentKey(content, kindBody), uint64(id.Sent))
	key = binary.BigEndian.AppendUint64(key, id.Sequence)
	if group != noGroup {
		key = append(key, group[:]...)
	}
	return key
}

func idOfBodyKey(key []byte) (id MessageID, group groupID) {
	key = key[contentPrefix:]
	id = MessageID{int64(binary.BigEndian.Uint64(key)), binary.BigEndian.Uint64(key[8:])}
	copy(group[:], key[16:])
	return id, group
}

func forwardKey(content, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(contentKey(content, kindForward), seq)
}

func seqOfForwardKey(key []byte) uint64 { return binary.BigEndian.Uint64(key[contentPrefix:]) }

func idOfMetaKey(key []byte) uint64 { return binary.BigEndian.Uint64(key[1:]) }
