package queue

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"

	"naru/internal/store"
)

// What a FIFO queue remembers for five minutes: the deduplication ids of the
// messages that were sent, and what was received in which attempt. It lies in
// the store by the minute in which it was put down, and goes with that.
//
// In memory are short hashes of what was put down in each minute since the
// queue was loaded, as long as there are not too many: what they don't have
// needn't be looked for. They count against the budget of memory.

// recallTime is how long a queue remembers.
const recallTime = 5 * time.Minute

const minute = int64(time.Minute / time.Millisecond)

// what is the keyed hash of what is remembered, of a kind.
type what [16]byte

// The kinds of what is remembered.
const (
	sentBefore     = "sent"
	receivedBefore = "received"
)

// remembered is what the store has of it:
//
//	time u64 | the rest
type remembered struct {
	at   int64 // when it was put down, in milliseconds
	rest []byte
}

func (r remembered) encode() []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(r.at)), r.rest...)
}

func parseRemembered(text []byte) (remembered, error) {
	r := reader{rest: text}
	return remembered{at: int64(r.uint64()), rest: r.remainder()}, r.err
}

// stands reports whether it is still remembered.
func (r remembered) stands(now int64) bool { return now < r.at+recallTime.Milliseconds() }

type recall struct {
	unknown int64 // the last minute of which nothing is known
	minutes map[int64]map[uint64]struct{}
}

// mostHashes bounds the hashes of a minute.
const mostHashes = 1 << 16

func newRecall(now int64) recall {
	return recall{unknown: now / minute, minutes: map[int64]map[uint64]struct{}{}}
}

func (w what) short() uint64 { return binary.BigEndian.Uint64(w[:]) }

// mayHave returns the minutes in which w may have been put down.
func (r *recall) mayHave(w what, now int64) (minutes []int64) {
	for m := now / minute; m >= (now-recallTime.Milliseconds())/minute; m-- {
		hashes, known := r.minutes[m]
		if _, has := hashes[w.short()]; has || known && hashes == nil || m <= r.unknown {
			minutes = append(minutes, m)
		}
	}
	return minutes
}

// putDown has q remember something. What is older than recallTime is
// forgotten on the occasion.
func (q *Queue) putDown(w what, r remembered) []store.Op {
	m := r.at / minute
	ops := []store.Op{store.Set(recallKey(q.ref.Content, m, w), r.encode())}
	if q.reads > 0 {
		q.entered[w] = r
	}
	hashes, known := q.recall.minutes[m]
	if !known {
		ops = append(ops, q.fade(r.at))
		hashes = map[uint64]struct{}{}
		q.recall.minutes[m] = hashes
	}
	if hashes != nil {
		hashes[w.short()] = struct{}{}
		q.account(recallCost)
	}
	if len(hashes) > mostHashes {
		q.recall.minutes[m] = nil // too many: any may be among them
		q.account(-recallCost * int64(len(hashes)))
	}
	return ops
}

// fade forgets what is too old.
func (q *Queue) fade(now int64) store.Op {
	first := (now - recallTime.Milliseconds()) / minute
	for m, hashes := range q.recall.minutes {
		if m < first {
			delete(q.recall.minutes, m)
			q.account(-recallCost * int64(len(hashes)))
		}
	}
	return store.DeleteRange(recallKey(q.ref.Content, 0, what{}), recallKey(q.ref.Content, first, what{}))
}

// lookBack reads what is remembered of w from the given minutes.
func (q *Queue) lookBack(w what, minutes []int64) (r remembered, found bool, err error) {
	for _, m := range minutes {
		text, err := q.shard.data.Get(recallKey(q.ref.Content, m, w))
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err == nil {
			r, err = parseRemembered(text)
		}
		return r, err == nil, err
	}
	return r, false, nil
}

// A nameKey hashes names that must not stand in keys.
type nameKey []byte

func (k nameKey) sum(kind, name string) (sum [16]byte) {
	h := sha256.New()
	h.Write(k)
	h.Write(append([]byte(kind), 0))
	h.Write([]byte(name))
	copy(sum[:], h.Sum(nil))
	return sum
}

// groupOf returns the id of the group of that name, noGroup for none.
func (e *Engine) groupOf(name string) groupID {
	if name == "" {
		return noGroup
	}
	return e.names.sum("group", name)
}
