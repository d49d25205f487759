package queue

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidwall/btree"

	"naru/internal/clock"
	"naru/internal/store"
)

// Config is what a queue's owner decides. It may change while messages wait.
type Config struct {
	// FIFO says that each message has a group, that those of a group are
	// received in the order in which they were sent, and that none is received
	// while an earlier one is in flight. It never changes.
	FIFO bool
	// Delay is how long after they were sent messages of a FIFO queue are
	// hidden. Those of others have delays of their own.
	Delay time.Duration
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
	tree    *btree.BTreeG[unit] // in memory, by slot
	byID    map[uint64]*message // the messages in memory, by sequence number
	edge    slot                // every unit before it is in memory
	window  int                 // how many units may be in memory besides leased ones
	held    int                 // of those in memory, how many are in state leased
	counted int64               // of those in memory, how many meta counts as delayed or leased
	meta    meta
	large   bool // see large.go

	// Groups: see group.go and fair.go.
	groups  map[groupID]*group // in memory
	changed []*group           // whose records the next commit writes
	hollow  []*group           // of which nothing is left
	hungry  map[groupID]*group // the lines of which are to be read on
	wanted  map[groupID]bool   // to be read, so that somebody can be served
	tenants map[groupID]*tenant
	recall  recall

	bytes  int64        // what all this counts against the budget
	bodies int          // how many bodies are in memory
	used   atomic.Int64 // when the queue was used, by the engine's count

	// Reads of the store that are under way: see read.go.
	reads   int
	removed map[slot]struct{}   // slots emptied meanwhile
	ended   map[uint64]struct{} // messages that left the content meanwhile
	entered map[what]remembered // what was put down to be remembered meanwhile
	filling bool                // a refill is under way

	waiting   waitList
	alarm     *clock.Timer // serves those who wait, when the next message becomes visible
	retention *clock.Timer
	expiry    int64          // when retention goes off; 0: it does not
	last      store.Position // of the newest append
}

func newQueue(e *Engine, ref Ref, config Config) *Queue {
	return &Queue{engine: e, shard: e.shards[ref.Shard], ref: ref, config: config, waiting: waitList{all: &e.waiters}}
}

// Ref returns where the queue's content is.
func (q *Queue) Ref() Ref { return q.ref }

// Configure changes the queue's configuration.
func (q *Queue) Configure(config Config) {
	q.mu.Lock()
	delay := q.config.Delay
	q.config = config
	q.mu.Unlock()
	q.engine.spawn(q.expireAll)
	if config.Delay < delay {
		q.engine.spawn(func() { q.retime(delay) })
	}
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
	q.used.Store(q.engine.uses.Add(1))
	return err
}

// load reads the content's meta record. It is the one read under the lock: a
// queue that is not loaded has nobody to keep waiting.
func (q *Queue) load() error {
	text, err := q.shard.data.Get(metaKey(q.ref.Content))
	edge := never
	if err == nil {
		q.meta, err = parseMeta(text)
		edge = slot{at: q.meta.low}
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("meta of content %d: %w", q.ref.Content, err)
	}
	q.tree = btree.NewBTreeGOptions(func(a, b unit) bool { return a.less(b.slot) }, btree.Options{NoLocks: true, Degree: 16})
	q.byID, q.edge, q.window = map[uint64]*message{}, edge, q.engine.leastWindow()
	q.groups, q.hungry, q.wanted, q.tenants = map[groupID]*group{}, map[groupID]*group{}, map[groupID]bool{}, map[groupID]*tenant{}
	q.recall = newRecall(q.shard.now())
	q.loaded = true
	return nil
}

// empty forgets everything in memory.
func (q *Queue) empty() {
	for _, m := range q.byID {
		q.dropBody(m)
	}
	q.engine.memory.Add(-q.bytes)
	q.tree, q.byID, q.groups, q.changed, q.hollow, q.hungry, q.wanted, q.tenants, q.recall = nil, nil, nil, nil, nil, nil, nil, nil, recall{}
	q.bytes, q.held, q.counted = 0, 0, 0
}

// commitOps is how many ops a commit adds, as a rule.
const commitOps = 2

// commit appends ops, with the meta record that goes with them, as the newest
// change of the given messages. It needs q.mu.
func (q *Queue) commit(ops []store.Op, changed []*message, parcels ...*parcel) store.Position {
	ops = append(ops, q.writeGroups()...)
	q.meta.low = max(q.meta.low, min(q.head().at, q.shard.now()))
	ops = append(ops, store.SetLatest(metaKey(q.ref.Content), q.meta.encode()))
	q.last = q.shard.append(ops, parcels...)
	for _, m := range changed {
		m.position = q.last
	}
	for _, g := range q.changed {
		g.position = q.last
	}
	q.changed = q.changed[:0]
	q.trim()
	q.weigh()
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
	delayed, err := q.countDelayed()
	if err != nil {
		return Counts{}, err
	}
	m, last := q.meta, q.last
	q.mu.Unlock()
	c := Counts{InFlight: min(m.leased, m.total)}
	c.Delayed = min(m.delayed+delayed, m.total-c.InFlight)
	c.Visible = m.total - c.InFlight - c.Delayed
	return c, last.Wait()
}

// countDelayed returns how many messages the delay of a FIFO queue hides. It
// needs q.mu, which it has given up if it fails.
func (q *Queue) countDelayed() (n int64, err error) {
	if q.config.Delay <= 0 {
		return 0, nil
	}
	from := MessageID{Sent: q.shard.now() - q.config.Delay.Milliseconds() + 1}
	content := q.ref.Content
	err = q.reading(func() error {
		return q.shard.data.Scan(bodyKey(content, from, noGroup), contentEnd(content, kindBody), math.MaxInt, func(store.Record) (bool, error) {
			n++
			return true, nil
		})
	})
	if err == nil {
		q.endRead()
	}
	return n, err
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
	if q.large {
		q.becomeSmall()
	}
	if q.loaded {
		q.empty()
	}
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
