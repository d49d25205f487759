// Package firing fires what has a schedule: EventBridge's rules and EventBridge
// Scheduler's schedules.
//
// A firing is one batch of the store: a note that says for which time it was,
// and the deliveries that come of it. So what is due fires once: the time after
// the one that is noted is the next. What was due while nothing ran is missed,
// but for the last minute, unless the entry wants to catch up.
package firing

import (
	"fmt"
	"hash/fnv"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"naru/internal/clock"
	"naru/internal/delivery"
	"naru/internal/queue"
)

// An Entry is something that fires. It is immutable.
type Entry struct {
	Key string // names it, also after a restart
	// Next returns the first time after another at which the entry is due; the
	// zero Time if there is none.
	Next func(after time.Time) time.Time
	// Since is the first time at which it may be due.
	Since time.Time
	// CatchUp is how far back it fires for what was missed, each time by itself.
	// At 0 it fires for the newest time alone, if that is no older than Grace.
	CatchUp time.Duration
	// Spread is the window in which, for each time, it fires at some moment.
	Spread time.Duration
	// Fire returns what is to be delivered for a time at which it was due.
	Fire func(at time.Time) []*delivery.Delivery
	// Ended is called, if not nil, after the last firing.
	Ended func()
}

// Grace is how old a firing may be that was missed, and still happens: Naru was
// being restarted.
const Grace = time.Minute

// retryAfter is how long to wait when the store did not take a firing.
const retryAfter = time.Second

// A Timetable fires its entries when they are due.
type Timetable struct {
	post  *delivery.Post
	clock *clock.Clock
	log   *slog.Logger

	mu     sync.Mutex
	slots  map[string]*slot
	closed bool
	work   sync.WaitGroup
}

// A slot is what is known of an entry.
type slot struct {
	key   string
	entry *Entry // nil once it was removed
	last  time.Time
	timer *clock.Timer
	busy  bool // it is firing, or being forgotten
}

// New returns an empty timetable.
func New(post *delivery.Post, clock *clock.Clock, log *slog.Logger) *Timetable {
	return &Timetable{post: post, clock: clock, log: log, slots: map[string]*slot{}}
}

func noteKey(key string) string { return "fired:" + key }

// Set adds an entry, or replaces or removes the one of the same key: whatever
// read returns, which is nil to remove it. Of several calls at a time the one
// that reads last prevails.
func (t *Timetable) Set(key string, read func() *Entry) error {
	t.mu.Lock()
	e, s := read(), t.slots[key]
	switch {
	case s != nil:
	case e == nil:
		t.mu.Unlock()
		return nil
	default:
		last, err := t.lastFiring(key)
		if err != nil {
			t.mu.Unlock()
			return err
		}
		s = &slot{key: key, last: last}
		t.slots[key] = s
	}
	s.entry = e
	forget := e == nil && !s.busy
	if forget {
		s.busy = true
	}
	t.arm(s)
	t.mu.Unlock()
	if forget {
		return t.forget(s)
	}
	return nil
}

// forget removes what is known of an entry that was removed, unless there is
// one of the same key again. The slot is busy.
func (t *Timetable) forget(s *slot) error {
	err := t.post.Send(queue.Note{Key: noteKey(s.key)})
	t.mu.Lock()
	defer t.mu.Unlock()
	s.busy, s.last = false, time.Time{}
	if s.entry == nil {
		delete(t.slots, s.key)
		return err
	}
	t.arm(s)
	return err
}

// lastFiring reads for which time an entry fired last; the zero Time if never.
func (t *Timetable) lastFiring(key string) (time.Time, error) {
	text, err := t.post.Note(noteKey(key))
	if err != nil || text == nil {
		return time.Time{}, err
	}
	ns, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("firing: the note of %s: %w", key, err)
	}
	return time.Unix(0, ns).UTC(), nil
}

// Close stops firing, and waits for the firings that are under way.
func (t *Timetable) Close() {
	t.mu.Lock()
	t.closed = true
	for _, s := range t.slots {
		s.stop()
	}
	t.mu.Unlock()
	t.work.Wait()
}

func (s *slot) stop() {
	if s.timer != nil {
		s.timer.Stop()
	}
}

// arm sees to it that an entry fires when it is next due. It needs t.mu.
func (t *Timetable) arm(s *slot) {
	s.stop()
	if t.closed || s.entry == nil || s.busy {
		return
	}
	next := s.entry.Next(s.after(t.clock.Now()))
	if next.IsZero() {
		if s.entry.Ended != nil && !s.last.Before(s.entry.Since) {
			t.work.Go(s.entry.Ended)
		}
		return
	}
	t.armAt(s, next)
}

func (t *Timetable) armAt(s *slot, at time.Time) {
	fire := func() { t.fire(s) }
	if s.timer == nil {
		s.timer = t.clock.AfterFunc(at, fire)
		return
	}
	s.timer.Reset(at)
}

// after is the time after which the entry may next be due.
func (s *slot) after(now time.Time) time.Time {
	return latest(s.last, s.entry.Since.Add(-1), now.Add(-max(Grace, s.entry.CatchUp)))
}

func latest(first time.Time, others ...time.Time) time.Time {
	for _, t := range others {
		if t.After(first) {
			first = t
		}
	}
	return first
}

// fire fires an entry for the times at which it was due.
func (t *Timetable) fire(s *slot) {
	t.mu.Lock()
	e := s.entry
	if t.closed || e == nil || s.busy {
		t.mu.Unlock()
		return
	}
	s.busy = true
	t.work.Add(1)
	last := s.last
	t.mu.Unlock()
	defer t.work.Done()

	var err error
	for _, at := range e.due(last, t.clock.Now()) {
		if err = t.fireFor(e, at); err != nil {
			break
		}
		last = at
	}

	t.mu.Lock()
	defer t.mu.Unlock()
	s.busy, s.last = s.entry == nil, last
	switch {
	case s.entry == nil:
		t.work.Go(func() {
			if err := t.forget(s); err != nil {
				t.log.Error("a note could not be removed", "key", s.key, "err", err)
			}
		})
	case err != nil && !t.closed:
		t.log.Error("a schedule could not fire", "key", s.key, "err", err)
		t.armAt(s, t.clock.Now().Add(retryAfter))
	default:
		t.arm(s)
	}
}

// maxLate bounds how far back an entry that does not catch up looks for the
// newest time at which it was due.
const maxLate = 24 * time.Hour

// due returns the times up to now, after the last, for which the entry is to
// fire. A clock that was moved forward makes many times due: an entry that does
// not catch up fires for the newest.
func (e *Entry) due(last, now time.Time) (times []time.Time) {
	after := latest(last, e.Since.Add(-1))
	if e.CatchUp > 0 {
		after = latest(after, now.Add(-max(Grace, e.CatchUp)))
	}
	first := e.Next(after)
	if e.CatchUp == 0 && !first.IsZero() && !first.After(now) {
		times = []time.Time{first}
		first = e.Next(latest(first, now.Add(-maxLate)))
	}
	for at := first; !at.IsZero() && !at.After(now); at = e.Next(at) {
		if e.CatchUp == 0 {
			times = nil
		}
		times = append(times, at)
	}
	return times
}

func (t *Timetable) fireFor(e *Entry, at time.Time) error {
	deliveries := e.Fire(at)
	if e.Spread > 0 {
		due := at.Add(spread(e.Key, at, e.Spread))
		for _, d := range deliveries {
			d.Due = due
		}
	}
	note := queue.Note{Key: noteKey(e.Key), Value: strconv.AppendInt(nil, at.UnixNano(), 10)}
	return t.post.Send(note, deliveries...)
}

// spread returns a moment in a window: for one key and time always the same.
func spread(key string, at time.Time, window time.Duration) time.Duration {
	h := fnv.New64a()
	fmt.Fprint(h, key, at.UnixNano())
	sum := h.Sum64()
	sum ^= sum >> 33 // the low bits of the hash alone depend too little on its end
	sum *= 0xff51afd7ed558ccd
	return time.Duration((sum >> 1) % uint64(window))
}
