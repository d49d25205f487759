package store

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"naru/internal/seal"
)

// opKind says what an Op does to its key.
type opKind byte

const (
	opSet opKind = iota
	opSetSealed
	opDelete
	opDeleteOnce
	opDeleteRange
)

// An Op is one change to one key, or to a range of them. Its slices belong to
// the log once appended.
type Op struct {
	kind   opKind
	latest bool
	key    []byte
	head   []byte // opSetSealed: what comes before value
	value  []byte // opDeleteRange: the exclusive upper key
}

// Set writes value, readable without the master key.
func Set(key, value []byte) Op { return Op{kind: opSet, key: key, value: value} }

// SetLatest is Set for a key that many requests overwrite: of those that one
// physical batch holds, only the last is written, in the place of the first. So
// once such a key is deleted it is not set again.
func SetLatest(key, value []byte) Op { return Op{kind: opSet, latest: true, key: key, value: value} }

// SetSealed writes value encrypted.
func SetSealed(key, value []byte) Op { return Op{kind: opSetSealed, key: key, value: value} }

// SetSealedAfter is SetSealed for a value whose beginning, head, lies elsewhere.
func SetSealedAfter(key, head, value []byte) Op {
	return Op{kind: opSetSealed, key: key, head: head, value: value}
}

// Delete removes key, whatever was written to it before.
func Delete(key []byte) Op { return Op{kind: opDelete, key: key} }

// DeleteOnce removes key, which must have been set exactly once since it was
// last removed. It leaves less behind in the database than Delete.
func DeleteOnce(key []byte) Op { return Op{kind: opDeleteOnce, key: key} }

// DeleteRange removes all keys from from up to but not including to.
func DeleteRange(from, to []byte) Op { return Op{kind: opDeleteRange, key: from, value: to} }

// groupLimit bounds the bytes of one physical batch; an append larger than
// that has a batch of its own.
const groupLimit = 8 << 20

// A group is what one physical batch commits: the appends that came while the
// group before it was being synced.
type group struct {
	ops    []keyedOp
	latest map[string]int // full key -> index into ops
	bytes  int

	log    *log
	wanted atomic.Bool // somebody waits until it is durable; only a lazy log asks
	sought atomic.Bool // somebody waits until it is applied; likewise

	applied chan struct{} // closed once reads see it, or it failed
	once    sync.Once
	done    chan struct{} // closed once durable or failed
	err     error         // set before done is closed
}

// keyedOp is an Op with its full key, and with the full upper key of a range.
type keyedOp struct {
	Op
	prefix []byte
}

// appendKey appends the full key.
func (o keyedOp) appendKey(to []byte) []byte { return append(append(to, o.prefix...), o.key...) }

func newGroup(l *log) *group {
	return &group{log: l, applied: make(chan struct{}), done: make(chan struct{})}
}

// finish wakes those who wait for the group. Only the first call counts.
func (g *group) finish(err error) {
	g.once.Do(func() {
		g.err = err
		close(g.done)
	})
}

func (g *group) isFinished() bool {
	select {
	case <-g.done:
		return true
	default:
		return false
	}
}

func (g *group) add(prefix []byte, op Op) {
	k := keyedOp{op, prefix}
	if op.latest {
		g.log.full = k.appendKey(g.log.full[:0])
		if i, ok := g.latest[string(g.log.full)]; ok {
			g.ops[i].value = op.value
			return
		}
		if g.latest == nil {
			g.latest = map[string]int{}
		}
		g.latest[string(g.log.full)] = len(g.ops)
	}
	g.ops = append(g.ops, k)
	g.bytes += len(op.key) + len(op.head) + len(op.value) + 64
}

// A Position is a place in a log's order. What was appended up to it is
// durable once Wait returns nil. The zero Position is durable.
type Position struct{ group *group }

// Durable reports whether Wait would return nil at once.
func (p Position) Durable() bool {
	if p.group == nil {
		return true
	}
	select {
	case <-p.group.done:
		return p.group.err == nil
	default:
		return false
	}
}

// IsVisible reports whether Visible would return at once, with nothing lost.
func (p Position) IsVisible() bool {
	if p.group == nil {
		return true
	}
	select {
	case <-p.group.applied:
		return true
	default:
		return p.Durable()
	}
}

// Visible waits until reads see everything appended up to p, which may be
// before that is durable.
func (p Position) Visible() {
	if p.group == nil {
		return
	}
	if l := p.group.log; l.lazy > 0 && !p.group.sought.Swap(true) {
		l.signal()
	}
	select {
	case <-p.group.applied:
	case <-p.group.done:
	}
}

// Wait returns once everything appended up to p is on disk, or with the error
// that kept it from getting there.
func (p Position) Wait() error {
	if p.group == nil {
		return nil
	}
	if l := p.group.log; l.lazy > 0 && !p.group.wanted.Swap(true) {
		l.signal()
	}
	<-p.group.done
	return p.group.err
}

// A log commits appends to one database in the order in which they came. One
// goroutine, the committer, merges what came while it synced into one batch.
//
// A log that failed stays failed: no later append is committed, so that memory
// and disk cannot part. Its owner drops what it holds in memory.
type log struct {
	db     *pebble.DB
	sealer *seal.Sealer
	failed func(error) // told of a commit that failed; it calls abandon
	// lazy, when not zero, is how long a group that nobody waits for may go
	// without a sync.
	lazy time.Duration

	busy               sync.Mutex // held while a group is committed
	key, plain, record []byte     // memory for one of each, used again and again

	wake chan struct{} // capacity 1
	done chan struct{} // closed once the committer has stopped

	syncing chan unsynced // in the order in which they were applied

	mu      sync.Mutex
	pending []*group    // the last one takes appends
	taken   []*group    // what the committer is at
	full    []byte      // memory for a full key, used again and again
	rooms   [][]keyedOp // memory for the ops of groups, used again and again
	closed  error       // set once no more appends are taken
}

func startLog(db *pebble.DB, sealer *seal.Sealer, lazy time.Duration, failed func(error)) *log {
	l := &log{db: db, sealer: sealer, lazy: lazy, failed: failed, wake: make(chan struct{}, 1), done: make(chan struct{}), syncing: make(chan unsynced)}
	if lazy > 0 {
		go l.runLazy()
	} else {
		go l.run()
	}
	return l
}

// append takes the ops as one unit: they are committed together or not at all.
func (l *log) append(prefix []byte, ops []Op) Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed != nil {
		g := newGroup(l)
		g.finish(l.closed)
		return Position{g}
	}
	if n := len(l.pending); n == 0 || l.pending[n-1].bytes > groupLimit {
		g := newGroup(l)
		if last := len(l.rooms) - 1; last >= 0 {
			g.ops, l.rooms = l.rooms[last], l.rooms[:last]
		}
		l.pending = append(l.pending, g)
	}
	g := l.pending[len(l.pending)-1]
	for _, op := range ops {
		g.add(prefix, op)
	}
	l.signal()
	return Position{g}
}

// signal wakes the committer.
func (l *log) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// take returns the groups that wait to be committed, and whether more may
// come.
func (l *log) take() (groups []*group, open bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	groups, l.pending = l.pending, nil
	for len(l.taken) > 0 && l.taken[0].isFinished() { // in the order in which they came
		l.taken = l.taken[1:]
	}
	l.taken = append(l.taken, groups...)
	return groups, l.closed == nil
}

// close commits what was appended and stops the committer.
func (l *log) close(reason error) {
	l.mu.Lock()
	if l.closed == nil {
		l.closed = reason
	}
	l.mu.Unlock()
	l.signal()
	<-l.done
}

func (l *log) run() {
	defer close(l.done)
	synced := make(chan struct{})
	go func() { defer close(synced); l.syncAll() }()
	defer func() { <-synced }()
	defer close(l.syncing)
	for {
		<-l.wake
		groups, open := l.take()
		for _, g := range groups {
			batch, err := l.apply(g)
			if err != nil {
				l.failed(err)
				return
			}
			l.syncing <- unsynced{g, batch}
		}
		if !open {
			return
		}
	}
}

// unsynced is a group whose batch is applied, but not known to be synced.
type unsynced struct {
	group *group
	batch *pebble.Batch
}

// syncAll waits for what was applied to be durable, while the next group is
// being applied: the disk is not to wait for the processor.
func (l *log) syncAll() {
	for a := range l.syncing {
		err := errors.Join(a.batch.SyncWait(), a.batch.Close())
		if err != nil {
			l.failed(fmt.Errorf("sync: %w", err))
			continue // which finishes what is left
		}
		a.group.finish(nil)
	}
}

// gathering is how long a lazy log lets appends come together that nobody
// waits for: a batch for each of them would cost more than they do.
const gathering = 5 * time.Millisecond

// isSoughtAfter reports whether the groups that wait to be committed are not to
// wait any longer.
func (l *log) isSoughtAfter() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed != nil || len(l.pending) > 1 ||
		slices.ContainsFunc(l.pending, func(g *group) bool { return g.wanted.Load() || g.sought.Load() })
}

// runLazy is run for a log whose groups are synced when somebody waits for
// them, and otherwise together, lazy after the first of them.
func (l *log) runLazy() {
	defer close(l.done)
	var unsynced []*group
	due, gathered := time.NewTimer(l.lazy), time.NewTimer(gathering)
	due.Stop()
	gathered.Stop()
	gathers := false
	for {
		sync := false
		select {
		case <-l.wake:
			wanted := slices.ContainsFunc(unsynced, func(g *group) bool { return g.wanted.Load() })
			if !wanted && !l.isSoughtAfter() {
				if !gathers {
					gathered.Reset(gathering)
				}
				gathers = true
				continue
			}
		case <-gathered.C:
		case <-due.C:
			sync = true
		}
		gathers = false
		gathered.Stop()
		groups, open := l.take()
		if len(unsynced) == 0 && len(groups) > 0 {
			due.Reset(l.lazy)
		}
		unsynced = append(unsynced, groups...)
		sync = sync || !open || slices.ContainsFunc(unsynced, func(g *group) bool { return g.wanted.Load() })
		if err := l.commitLazily(groups, unsynced, sync); err != nil {
			l.failed(err)
			return
		}
		if sync {
			unsynced = nil
			due.Stop()
		}
		if !open {
			return
		}
	}
}

// commitLazily writes groups, and syncs all that is not yet if sync is set.
func (l *log) commitLazily(groups, unsynced []*group, sync bool) error {
	for _, g := range groups {
		batch, err := l.apply(g)
		if err != nil {
			return err
		}
		if err := batch.Close(); err != nil {
			return err
		}
	}
	if !sync || len(unsynced) == 0 {
		return nil
	}
	if err := l.db.LogData(nil, pebble.Sync); err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	for _, g := range unsynced {
		g.finish(nil)
	}
	return nil
}

// abandon refuses what was not committed yet and all that will come.
func (l *log) abandon(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed == nil {
		l.closed = err
	}
	for _, g := range append(l.taken, l.pending...) {
		g.finish(err)
	}
	l.taken, l.pending = nil, nil
}

// apply writes one group as one batch. The caller waits until it is synced, and
// closes the batch.
func (l *log) apply(g *group) (*pebble.Batch, error) {
	l.busy.Lock()
	defer l.busy.Unlock()
	batch := l.db.NewBatchWithSize(g.bytes)
	for _, op := range g.ops {
		if err := l.put(batch, op); err != nil {
			return nil, errors.Join(err, batch.Close())
		}
	}
	l.giveBack(g.ops)
	g.ops, g.latest = nil, nil
	if l.lazy > 0 {
		return batch, l.applied(g, l.db.Apply(batch, pebble.NoSync))
	}
	return batch, l.applied(g, l.db.ApplyNoSyncWait(batch, pebble.Sync))
}

func (l *log) applied(g *group, err error) error {
	if err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	close(g.applied)
	return nil
}

// giveBack has the memory of ops used again.
func (l *log) giveBack(ops []keyedOp) {
	clear(ops)
	l.mu.Lock()
	defer l.mu.Unlock()
	if cap(ops) <= mostOps && len(l.rooms) < mostRooms {
		l.rooms = append(l.rooms, ops[:0])
	}
}

// mostRecord bounds the memory that is kept for records; mostOps and mostRooms
// bound that for the ops of groups: while one is applied, another takes appends.
const (
	mostRecord = 64 << 10
	mostOps    = 16 << 10
	mostRooms  = 2
)

func (l *log) put(b *pebble.Batch, op keyedOp) error {
	l.key = op.appendKey(l.key[:0])
	key := l.key
	switch op.kind {
	case opSet:
		d := b.SetDeferred(len(key), clearSize(op.value))
		copy(d.Key, key)
		putClear(d.Value, key, op.value)
		return d.Finish()
	case opSetSealed:
		plain := op.value
		if len(op.head) > 0 {
			l.plain = append(append(l.plain[:0], op.head...), op.value...)
			plain = l.plain
		}
		record := append(slices.Grow(l.record[:0], 1+len(plain)+seal.Overhead), recordSealed)
		record = l.sealer.Seal(record, plain, key)
		err := b.Set(key, record, nil)
		if l.record = record; cap(record) > mostRecord {
			l.plain, l.record = nil, nil
		}
		return err
	case opDelete:
		return b.Delete(key, nil)
	case opDeleteOnce:
		return b.SingleDelete(key, nil)
	default:
		return b.DeleteRange(key, append(clone(op.prefix), op.value...), nil)
	}
}
