// Package queue is Naru's one durable queue engine. It carries SQS messages,
// asynchronous invocations and event deliveries alike.
//
// A queue's messages are its content, which has an id, lives in one shard of
// the store, and is thrown away whole when the queue is purged or deleted.
// Each message has a header in the content's index, at its slot: the time at
// which it becomes visible, then its sequence number. Receiving a message
// moves its header to the end of its visibility timeout; when that passes the
// message is visible again without anything being written. Ready, delayed,
// leased and returned messages are all in this one index.
//
// Memory holds a window of the index: every header before the queue's edge,
// and of those after it the ones in use. What is changed is changed in memory
// and appended to the shard's log under the queue's lock; what is replied is
// replied once that is durable. No read of the store happens under the lock:
// see read.go for how reads and changes are kept consistent.
package queue

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"naru/internal/clock"
	"naru/internal/store"
)

// A Ref says where a content is.
type Ref struct {
	Shard   int
	Content uint64
}

// ShardOf returns the shard of whatever has the given address, now and always:
// what is on its way to an address is numbered per shard.
func ShardOf(address string) int {
	h := fnv.New32a()
	h.Write([]byte(address))
	return int(h.Sum32() % store.Shards)
}

// ErrGone is returned by a queue whose content was discarded: it was purged or
// deleted. Whoever gets it looks the queue up again.
var ErrGone = errors.New("queue: the content was discarded")

// ErrClosed is returned once the engine is closed.
var ErrClosed = errors.New("queue: the engine is closed")

// Options are what an Engine needs.
type Options struct {
	Store *store.Store
	Clock *clock.Clock
	Log   *slog.Logger
	// Resolve says which content an address stands for now. It is asked for
	// dead-letter queues and for whatever is sent through an outbox.
	Resolve func(address string) (Ref, bool)
	// Window is how many headers a queue reads ahead at most; 0 means 2048.
	Window int
	// Headers bounds the headers that one queue keeps in memory, those in use
	// included; 0 means 131072.
	Headers int
	// Memory bounds the bytes of what queues have in memory besides bodies, for
	// all queues together; 0 means 128 MiB. BodyMemory bounds those of bodies; 0
	// means 64 MiB.
	Memory     int64
	BodyMemory int64
}

// An Engine runs the queues of a store. It owns all its data shards.
type Engine struct {
	options   Options
	store     *store.Store
	clock     *clock.Clock
	log       *slog.Logger
	handles   *handleKey
	names     nameKey
	memory    atomic.Int64  // bytes that queues hold: see budget.go
	pressed   chan struct{} // capacity 1: they hold too many
	ahead     sync.Mutex    // held while bodies are read ahead
	crammed   chan struct{} // capacity 1: there is no room for a body
	uses      atomic.Int64  // counts the uses of queues
	waiters   atomic.Int64  // those who wait for messages
	bodies    atomic.Int64  // bytes of bodies in memory
	large     atomic.Int64  // how many contents are
	impatient atomic.Bool   // nobody waits for messages any more
	garbage   *store.Table[int]
	shards    [store.Shards]*shard

	mu      sync.RWMutex
	queues  map[uint64]*Queue // by content
	closing bool

	work   sync.WaitGroup // every goroutine of the engine
	ctx    context.Context
	cancel context.CancelFunc
}

// Open takes the shards of the store. Queues are attached next, then Start is
// called.
func Open(options Options) (*Engine, error) {
	if options.Window == 0 {
		options.Window = 2048
	}
	if options.Headers == 0 {
		options.Headers = 1 << 17
	}
	if options.BodyMemory == 0 {
		options.BodyMemory = 64 << 20
	}
	if options.Memory == 0 {
		options.Memory = 128 << 20
	}
	e := &Engine{pressed: make(chan struct{}, 1), crammed: make(chan struct{}, 1), options: options, store: options.Store, clock: options.Clock, log: options.Log, queues: map[uint64]*Queue{}}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	e.handles = newHandleKey(e.store.Derive("receipt handle"))
	e.names = nameKey(e.store.Derive("names in keys"))
	e.ctx, e.cancel = context.WithCancel(context.Background())
	var err error
	if e.garbage, err = store.OpenTable[int](e.store, "garbage"); err != nil {
		return nil, err
	}
	for i := range e.shards {
		if e.shards[i], err = e.openShard(i); err != nil {
			return nil, fmt.Errorf("queue: shard %d: %w", i, err)
		}
	}
	return e, nil
}

// Start begins what the engine does by itself: it sends on what waits in
// outboxes, removes discarded contents, and lets messages expire.
func (e *Engine) Start() {
	for _, s := range e.shards {
		s.resume()
	}
	e.spawn(e.collect)
	e.spawn(e.relieve)
	e.spawn(e.makeRoom)
	for _, q := range e.attached() {
		e.spawn(q.expireAll)
	}
}

// Interrupt ends all waiting for messages: those who wait get nothing, and
// nobody waits any more. What is visible is still given out.
func (e *Engine) Interrupt() {
	e.impatient.Store(true)
	for _, q := range e.attached() {
		q.interrupt()
	}
}

// Waiting returns how many calls wait for messages.
func (e *Engine) Waiting() int64 { return e.waiters.Load() }

// Memory returns how many bytes queues hold in memory, and of bodies.
func (e *Engine) Memory() (queues, bodies int64) { return e.memory.Load(), e.bodies.Load() }

// Close stops the engine's work. Calls that are at it fail with ErrClosed.
// What was acknowledged stays in the store, which is closed after the engine.
func (e *Engine) Close() {
	e.mu.Lock()
	e.closing = true
	e.mu.Unlock()
	e.cancel()
	for _, q := range e.attached() {
		q.close(ErrClosed)
	}
	e.work.Wait()
	for _, s := range e.shards {
		s.data.Release()
	}
}

// spawn runs f in a goroutine that Close waits for, unless Close was called.
func (e *Engine) spawn(f func()) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if !e.closing {
		e.work.Go(f)
	}
}

func (e *Engine) attached() (all []*Queue) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	for _, q := range e.queues {
		all = append(all, q)
	}
	return all
}

// Attach makes the content at ref usable. A content is attached once, when its
// owner starts or when it is made; it is loaded when it is first used.
func (e *Engine) Attach(ref Ref, config Config) *Queue {
	e.mu.Lock()
	defer e.mu.Unlock()
	q := newQueue(e, ref, config)
	e.queues[ref.Content] = q
	return q
}

// Queue returns an attached content, or nil.
func (e *Engine) Queue(content uint64) *Queue {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.queues[content]
}

// Discard notes in tx that the content at ref is to be thrown away. Once tx is
// durable, Drop must be called; after a crash the next start does it.
func (e *Engine) Discard(tx *store.Tx, ref Ref) error {
	return e.garbage.Put(tx, garbageKey(ref.Content), ref.Shard)
}

func garbageKey(content uint64) string { return fmt.Sprintf("%016x", content) }

// Drop throws the content at ref away. Calls that are at it fail with ErrGone.
func (e *Engine) Drop(ref Ref) error {
	e.mu.Lock()
	q := e.queues[ref.Content]
	delete(e.queues, ref.Content)
	e.mu.Unlock()
	if q == nil {
		q = newQueue(e, ref, Config{})
	}
	if err := q.discard(); err != nil {
		return err
	}
	return e.store.Catalog().Update(func(tx *store.Tx) error {
		e.garbage.Delete(tx, garbageKey(ref.Content))
		return nil
	})
}

// collect drops what a crash kept from being dropped.
func (e *Engine) collect() {
	for key, number := range e.garbage.All("") {
		var content uint64
		if _, err := fmt.Sscanf(key, "%016x", &content); err != nil {
			e.log.Error("a garbage record has a bad key", "key", key)
			continue
		}
		if err := e.Drop(Ref{number, content}); err != nil {
			e.log.Error("a discarded content could not be removed", "content", content, "err", err)
			return
		}
	}
}

// A Note is state of a tenant of a shard, kept there so that it changes in one
// batch with what the tenant sends. A nil Value removes it.
type Note struct {
	Key   string
	Value []byte
}

// Notes calls visit for the notes of shard whose keys begin with prefix, in
// key order.
func (e *Engine) Notes(shard int, prefix string, visit func(Note) error) error {
	from := noteKey(prefix)
	to := append(noteKey(prefix), 0xff)
	return e.shards[shard].data.Scan(from, to, 1<<30, func(r store.Record) (bool, error) {
		value, err := r.Value()
		if err == nil {
			err = visit(Note{string(r.Key[1:]), value})
		}
		return true, err
	})
}

// Outgoing is a message for an address, with what the receiver's Note says.
type Outgoing struct {
	Address string
	Payload []byte
	Note    []byte
	// Delay, Group, Once and Tag are as in a Put. A delay begins when the message
	// arrives.
	Delay time.Duration
	Group string
	Once  string
	Tag   []byte
	// Track, if not "", is a name under which Underway knows the message. No
	// other message has it.
	Track string
}

// Send writes notes and sends messages, in one batch: after a crash either all
// of it happened or nothing. Each message arrives exactly once at the content
// that its address stands for; it is dropped, and that logged, if the address
// stands for nothing by then. Send returns once the batch is durable.
func (e *Engine) Send(shard int, notes []Note, messages ...Outgoing) error {
	return e.shards[shard].append(noteOps(notes), e.parcels(messages)...).Wait()
}

func noteOps(notes []Note) (ops []store.Op) {
	for _, n := range notes {
		if n.Value == nil {
			ops = append(ops, store.Delete(noteKey(n.Key)))
		} else {
			ops = append(ops, store.Set(noteKey(n.Key), n.Value))
		}
	}
	return ops
}

func (e *Engine) parcels(messages []Outgoing) (all []*parcel) {
	for _, m := range messages {
		p := &parcel{address: m.Address, group: e.groupOf(m.Group), note: m.Note, delay: m.Delay, tag: m.Tag, track: m.Track, body: &body{payload: m.Payload}}
		if m.Once != "" {
			p.once = e.names.sum(sentBefore, m.Once)
		}
		all = append(all, p)
	}
	return all
}
