package queue

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tidwall/btree"

	"naru/internal/clock"
	"naru/internal/store"
)

// Config is what a queue's owner decides. It may change while messages wait.
type Config struct {
	// Retention is how long after it was sent a message is thrown away;
	// 0 means never.
	Retention time.Duration
	// MaxReceives is how often a message is received before it is sent to
	// DeadLetter instead of being received once more; 0 means without end.
	// If DeadLetter stands for nothing, the message is received all the same.
	MaxReceives int
	DeadLetter  string
	// Origin is what a dead-lettered message says about where it came from.
	Origin string
	// InFlight bounds the messages that are leased at a time; 0 means no bound.
	InFlight int
}

// A Queue is an attached content. Its methods are safe for concurrent use;
// each returns once what it did is durable.
type Queue struct {
	engine *Engine
	shard  *shard
	ref    Ref

	mu     sync.Mutex
	config Config
	loaded bool
	closed error // ErrGone once discarded
	broken error // a record that does not open: nothing is received past it

	// The window: see window.go.
	tree    *btree.BTreeG[*message] // in memory, by slot
	byID    map[uint64]*message     // the same, by sequence number
	edge    slot                    // every header before it is in memory
	held    int                     // of those in memory, how many are in state leased
	counted int64                   // of those in memory, how many meta counts as delayed or leased
	meta    meta

	// Reads of the store that are under way: see read.go.
	reads   int
	removed map[slot]struct{}   // slots emptied meanwhile
	ended   map[uint64]struct{} // messages that left the content meanwhile
	filling bool                // a refill is under way

	waiting   waitList
	alarm     *clock.Timer // serves those who wait, when the next message becomes visible
	retention *clock.Timer
	expiry    int64          // when retention goes off; 0: it does not
	last      store.Position // of the newest append
}

func newQueue(e *Engine, ref Ref, config Config) *Queue {
	return &Queue{
		engine: e, shard: e.shards[ref.Shard], ref: ref, config: config,
		tree: btree.NewBTreeGOptions(func(a, b *message) bool { return a.less(b.slot) }, btree.Options{NoLocks: true, Degree: 16}),
		byID: map[uint64]*message{},
	}
}

// Ref returns where the queue's content is.
func (q *Queue) Ref() Ref { return q.ref }

// Configure changes the queue's configuration.
func (q *Queue) Configure(config Config) {
	q.mu.Lock()
	q.config = config
	q.mu.Unlock()
	q.engine.spawn(q.expireAll)
}

// lock locks q, loaded. It fails, with q unlocked, when q is closed.
func (q *Queue) lock() error {
	q.mu.Lock()
	err := q.closed
	if err == nil && !q.loaded {
		err = q.load()
	}
	if err != nil {
		q.mu.Unlock()
	}
	return err
}

// load reads the content's meta record. It is the one read under the lock: a
// queue that is not loaded has nobody to keep waiting.
func (q *Queue) load() error {
	text, err := q.shard.data.Get(metaKey(q.ref.Content))
	switch {
	case err == nil:
		if q.meta, err = parseMeta(text); err != nil {
			return fmt.Errorf("meta of content %d: %w", q.ref.Content, err)
		}
		q.edge = slot{at: q.meta.low}
	case errors.Is(err, store.ErrNotFound):
		q.edge = never
	default:
		return err
	}
	q.loaded = true
	return nil
}

// commit appends ops, with the meta record that goes with them, as the newest
// change of the given messages. It needs q.mu.
func (q *Queue) commit(ops []store.Op, changed []*message, parcels ...*parcel) store.Position {
	q.meta.low = max(q.meta.low, min(q.head().at, q.shard.now()))
	ops = append(ops, store.SetLatest(metaKey(q.ref.Content), q.meta.encode()))
	q.last = q.shard.append(ops, parcels...)
	for _, m := range changed {
		m.position = q.last
	}
	q.trim()
	return q.last
}

// head returns the first slot that may hold a header.
func (q *Queue) head() slot {
	if first, ok := q.tree.Min(); ok && first.less(q.edge) {
		return first.slot
	}
	return q.edge
}

// Counts is how many messages a queue holds.
type Counts struct {
	Visible  int64
	Delayed  int64
	InFlight int64
}

// Counts returns how many messages the queue holds. Their sum is exact, and so
// is the split, but for messages that expired while they were hidden and not
// in memory: until their deadlines others may be counted in their place. The
// first call after a restart reads the headers whose deadlines passed since.
func (q *Queue) Counts() (Counts, error) {
	if err := q.lock(); err != nil {
		return Counts{}, err
	}
	if err := q.catchUp(q.shard.now()); err != nil {
		return Counts{}, err
	}
	m, last := q.meta, q.last
	q.mu.Unlock()
	c := Counts{InFlight: min(m.leased, m.total)}
	c.Delayed = min(m.delayed, m.total-c.InFlight)
	c.Visible = m.total - c.InFlight - c.Delayed
	return c, last.Wait()
}

// close makes every call fail with err, and wakes those who wait.
func (q *Queue) close(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = err
	for w := q.waiting.first(); w != nil; w = q.waiting.first() {
		q.waiting.remove(w)
		w.answer(nil, store.Position{}, err)
	}
	for _, t := range []*clock.Timer{q.alarm, q.retention} {
		if t != nil {
			t.Stop()
		}
	}
	q.engine.bodies.Add(-q.bodyBytes())
	q.tree.Clear()
	clear(q.byID)
}

func (q *Queue) bodyBytes() (n int64) {
	for _, m := range q.byID {
		if m.body != nil {
			n += m.body.size()
		}
	}
	return n
}

// discard closes q for good and removes its content from the store.
func (q *Queue) discard() error {
	q.close(ErrGone)
	q.mu.Lock()
	position := q.shard.append([]store.Op{
		store.Delete(metaKey(q.ref.Content)),
		store.DeleteRange(contentKey(q.ref.Content, 0), contentEnd(q.ref.Content, 0xfe)),
	})
	q.mu.Unlock()
	return position.Wait()
}
