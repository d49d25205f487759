package queue

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"naru/internal/clock"
	"naru/internal/store"
	"naru/internal/store/storetest"
)

// TestModel plays random histories on a queue with a dead-letter queue, with
// restarts and power cuts in the middle of calls, and holds the engine to a
// model: nothing acknowledged is lost, nothing invented, nothing received
// while a lease or delay stands, and nothing that is visible held back.
func TestModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// A bubble has no deadline to be asked for, which rapid does of a *testing.T.
		rapid.Check(struct{ rapid.TB }{t}, func(t *rapid.T) {
			m := newModel(t)
			defer m.stop()
			t.Repeat(map[string]func(*rapid.T){
				"":        m.check,
				"put":     m.put,
				"lease":   m.lease,
				"lease2":  m.lease,
				"ack":     m.ack,
				"extend":  m.extend,
				"release": m.release,
				"return":  m.giveUp,
				"sleep":   m.sleep,
				"restart": m.restart,
				"purge":   m.purge,
				"counts":  m.counts,
			})
		})
	})
}

const (
	modelReceives  = 3
	modelRetention = 10 * time.Minute
)

// A fact is what the model knows of a message.
type fact struct {
	sent     int64
	gone     bool // deleted, expired or purged
	unsure   bool // a call that would have made or ended it was cut off
	receives int  // at the least
	most     int  // at the most
	// hidden is until when it must not be received, due from when on it must be.
	hidden, due int64
	dead        bool // in the dead-letter queue
	between     bool // in either queue
	handles     []Handle
}

type model struct {
	*world
	t     *rapid.T
	facts map[int]*fact // by payload
	next  int
}

func newModel(t *rapid.T) *model {
	w := &world{TB: t, disk: storetest.NewDisk(), clock: new(clock.Clock), refs: map[string]Ref{}, config: map[string]Config{}}
	w.window = rapid.SampledFrom([]int{2, 5, 100}).Draw(t, "window")
	w.headers = rapid.SampledFrom([]int{3, 8, 1000}).Draw(t, "headers")
	w.memory = rapid.SampledFrom([]int64{1, 4000, 1 << 20}).Draw(t, "memory")
	w.bodyMemory = rapid.SampledFrom([]int64{1, 500, 1 << 20}).Draw(t, "bodyMemory")
	w.start()
	return &model{world: w, t: t, facts: map[int]*fact{}}
}

func (m *model) q() *Queue {
	return m.world.queue("q", Config{MaxReceives: modelReceives, DeadLetter: "dlq", Origin: "q", Retention: modelRetention, InFlight: 1000})
}
func (m *model) dlq() *Queue { return m.world.queue("dlq", Config{Retention: modelRetention}) }
func (m *model) now() int64  { return m.clock.Millis() }

// during runs call. One time in four it cuts the power while call is under
// way, and restarts; acknowledged is false if it may not have happened.
func (m *model) during(call func()) (acknowledged bool) {
	if rapid.IntRange(0, 3).Draw(m.t, "cut") != 0 {
		call()
		return true
	}
	done := make(chan struct{})
	go func() { defer close(done); call() }()
	for range rapid.IntRange(0, 30).Draw(m.t, "steps") {
		runtime.Gosched()
	}
	select {
	case <-done:
		acknowledged = true
	default:
	}
	percent := rapid.SampledFrom([]int{0, 50, 100}).Draw(m.t, "kept")
	after := m.disk.PowerCut(percent, rand.New(rand.NewPCG(1, uint64(m.next))))
	<-done
	m.world.stop()
	m.disk = after
	m.start()
	return acknowledged
}

func (m *model) put(t *rapid.T) {
	q, first := m.q(), m.next
	delay := rapid.SampledFrom([]time.Duration{0, 0, time.Millisecond, 5 * time.Second, time.Minute}).Draw(t, "delay")
	var items []Put
	for range rapid.IntRange(1, 10).Draw(t, "messages") {
		group := rapid.SampledFrom([]string{"", "", "a", "b"}).Draw(t, "group")
		items = append(items, Put{Payload: strconv.AppendInt(nil, int64(m.next), 10), Delay: delay, Group: group})
		m.next++
	}
	now := m.now()
	ok := m.during(func() {
		if _, err := q.Put(items...); err != nil {
			t.Errorf("put: %v", err)
		}
	})
	for i := first; i < m.next; i++ {
		m.facts[i] = &fact{sent: now, unsure: !ok, hidden: now + delay.Milliseconds(), due: m.now() + delay.Milliseconds()}
	}
}

func (m *model) lease(t *rapid.T) {
	q, dead := m.q(), rapid.IntRange(0, 3).Draw(t, "queue") == 0
	if dead {
		q = m.dlq()
	}
	request := LeaseRequest{
		Max:        rapid.IntRange(1, 10).Draw(t, "max"),
		Visibility: rapid.SampledFrom([]time.Duration{0, time.Millisecond, 10 * time.Second, 30 * time.Second, 5 * time.Minute}).Draw(t, "visibility"),
	}
	now := m.now()
	var got []*Delivery
	var err error
	ok := m.during(func() { got, err = q.Lease(context.Background(), request) })
	if err != nil {
		t.Fatalf("lease: %v", err)
	}
	if !ok { // nobody learned of it
		got = nil
	}
	end := m.now() // a restart may take a moment, also of fake time
	until := now + request.Visibility.Milliseconds()
	var received []int
	for _, d := range got {
		n, err := strconv.Atoi(string(d.Payload))
		f := m.facts[n]
		if err != nil || f == nil {
			t.Fatalf("received %q, which was never sent", d.Payload)
		}
		if slices.Contains(received, n) {
			t.Fatalf("received %d twice at a time", n)
		}
		received = append(received, n)
		m.received(t, n, f, d, dead, end)
		f.hidden, f.due = until, end+request.Visibility.Milliseconds()
		f.receives, f.most = d.Receives, d.Receives
		f.handles = append(f.handles, d.Handle)
	}
	m.afterLease(t, received, dead, ok, now, end, end+request.Visibility.Milliseconds(), len(got) == 0)
}

// received checks a message that was received.
func (m *model) received(t *rapid.T, n int, f *fact, d *Delivery, dead bool, now int64) {
	if f.gone && !f.unsure || m.expired(f) {
		t.Fatalf("received %d, which is gone", n)
	}
	if now < f.hidden {
		t.Fatalf("received %d %d ms too early", n, f.hidden-now)
	}
	if d.Receives < f.receives+1 || d.Receives > f.most+1 {
		t.Fatalf("%d was received %d times, not %d to %d", n, d.Receives, f.receives+1, f.most+1)
	}
	if d.Handle.Sent != f.sent {
		t.Fatalf("%d was sent at %d, not %d", n, f.sent, d.Handle.Sent)
	}
	if !f.between && f.dead != dead {
		t.Fatalf("%d was received from the wrong queue", n)
	}
	if dead != (d.Origin == "q") {
		t.Fatalf("%d has the origin %q", n, d.Origin)
	}
	f.gone, f.unsure, f.dead, f.between = false, false, dead, false
}

// afterLease notes what a lease did besides receiving.
func (m *model) afterLease(t *rapid.T, received []int, dead, ok bool, now, end, until int64, none bool) {
	for n, f := range m.facts {
		if slices.Contains(received, n) || f.gone && !f.unsure || m.expired(f) {
			continue
		}
		visible := f.due <= now
		if ok && none && visible && !f.unsure && !f.between && f.dead == dead && (dead || f.most < modelReceives) {
			t.Fatalf("%d is visible since %d ms and was not received", n, now-f.due)
		}
		if !ok && f.hidden <= end && (f.between || f.dead == dead) { // cut off, it may have been received
			f.due = max(f.due, until)
			f.most++
		}
		if !dead && !f.dead && f.hidden <= end && f.most >= modelReceives {
			f.between = true
			f.due = max(f.due, now)
		}
	}
}

func (m *model) expired(f *fact) bool {
	return f.sent+modelRetention.Milliseconds() <= m.now()
}

// pick draws a message that was received, and one of its handles.
func (m *model) pick(t *rapid.T) (*Queue, *fact, Handle) {
	var all []int
	for n, f := range m.facts {
		if len(f.handles) > 0 && !f.between {
			all = append(all, n)
		}
	}
	if len(all) == 0 {
		t.Skip("nothing was received")
	}
	slices.Sort(all)
	f := m.facts[rapid.SampledFrom(all).Draw(t, "message")]
	h := rapid.SampledFrom(f.handles).Draw(t, "handle")
	q := m.q()
	if f.dead {
		q = m.dlq()
	}
	if q.Ref().Content != h.Content {
		t.Skip("the handle is of another queue")
	}
	return q, f, h
}

func (m *model) ack(t *rapid.T) {
	q, f, h := m.pick(t)
	ok := m.during(func() {
		if _, err := q.Ack(h); err != nil {
			t.Errorf("ack: %v", err)
		}
	})
	f.unsure = f.unsure || !ok && !f.gone
	f.gone = true
}

func (m *model) extend(t *rapid.T) {
	q, f, h := m.pick(t)
	visibility := rapid.SampledFrom([]time.Duration{0, time.Second, time.Minute}).Draw(t, "visibility")
	at := m.now() + visibility.Milliseconds()
	var results []error
	ok := m.during(func() {
		var err error
		if results, err = q.Extend(Extension{h, visibility}); err != nil {
			t.Errorf("extend: %v", err)
		}
	})
	m.moved(t, f, results[0], at, m.now()+visibility.Milliseconds(), ok)
}

func (m *model) release(t *rapid.T) {
	q, f, h := m.pick(t)
	if h != f.handles[len(f.handles)-1] {
		t.Skip("not the newest lease")
	}
	at := m.now()
	var err error
	ok := m.during(func() { err = q.Release(h, 0, nil, true) })
	ok = ok && f.receives == f.most // else h may not be of the newest lease after all
	m.moved(t, f, err, at, m.now(), ok)
}

// giveUp returns a lease, as if there had been none.
func (m *model) giveUp(t *rapid.T) {
	q, f, h := m.pick(t)
	if h != f.handles[len(f.handles)-1] {
		t.Skip("not the newest lease")
	}
	at := m.now()
	certain := at < f.hidden && f.receives == f.most && !f.gone && !f.unsure // it is leased by h
	ok := m.during(func() {
		if err := q.Return(h); err != nil {
			t.Errorf("return: %v", err)
		}
	})
	f.receives--
	if certain && ok {
		f.most--
		f.hidden, f.due = at, m.now()
	} else {
		f.hidden, f.due = min(f.hidden, at), max(f.due, m.now())
	}
}

// moved notes that a message was made visible at another time.
func (m *model) moved(t *rapid.T, f *fact, err error, at, late int64, ok bool) {
	exists := !f.gone && !m.expired(f)
	if exists && !f.unsure && err != nil || !exists && !f.unsure && !errors.Is(err, ErrNoMessage) {
		t.Fatalf("moving a message (exists: %v): %v", exists, err)
	}
	if ok && err == nil {
		f.hidden, f.due = at, late
	} else {
		f.hidden, f.due = min(f.hidden, at), max(f.due, late)
	}
}

func (m *model) sleep(t *rapid.T) {
	sleep(rapid.SampledFrom([]time.Duration{time.Millisecond, time.Second, 10 * time.Second, time.Minute, 4 * time.Minute}).Draw(t, "time"))
	synctest.Wait()
}

func (m *model) restart(t *rapid.T) {
	if rapid.Bool().Draw(t, "orderly") {
		m.world.restart()
	} else {
		m.powerCut(rapid.SampledFrom([]int{0, 50, 100}).Draw(t, "kept"), rand.New(rand.NewPCG(2, uint64(m.next))))
	}
}

func (m *model) purge(t *rapid.T) {
	old, fresh := m.q().Ref(), Ref{Shard: ShardOf("q")}
	err := m.store.Catalog().Update(func(tx *store.Tx) (err error) {
		fresh.Content, err = tx.NextID()
		return errors.Join(err, m.engine.Discard(tx, old))
	})
	m.refs["q"] = fresh
	m.engine.Attach(fresh, m.config["q"])
	synctest.Wait() // couriers from the old content have arrived or found it gone
	for _, f := range m.facts {
		if f.between {
			f.unsure = true
		}
		if !f.dead {
			f.gone = true
		}
	}
	if err = errors.Join(err, m.engine.Drop(old)); err != nil {
		t.Fatalf("purge: %v", err)
	}
}

// check lets the engine finish what it does by itself.
func (m *model) check(*rapid.T) { synctest.Wait() }

func (m *model) counts(t *rapid.T) {
	synctest.Wait()
	a, err := m.q().Counts()
	b, err2 := m.dlq().Counts()
	if err := errors.Join(err, err2); err != nil {
		t.Fatalf("counts: %v", err)
	}
	total := a.Visible + a.Delayed + a.InFlight + b.Visible + b.Delayed + b.InFlight
	var least, most, hidden, maybeHidden int64
	now := m.now()
	for _, f := range m.facts {
		if m.expired(f) && f.due > now {
			maybeHidden++ // see Counts
		}
		if (f.gone && !f.unsure) || m.expired(f) {
			continue
		}
		most++
		if f.due > now {
			maybeHidden++
		}
		if f.unsure {
			continue
		}
		least++
		if f.hidden > now {
			hidden++
		}
	}
	if total < least || total > most {
		t.Fatalf("there are %d messages, not %d to %d: %+v, %+v; now %d, %s, %s", total, least, most, a, b, now, dump(m.q()), dump(m.dlq()))
	}
	if n := a.Delayed + a.InFlight + b.Delayed + b.InFlight; n < hidden || n > maybeHidden {
		t.Fatalf("%d messages are hidden, not %d to %d: %s", n, hidden, maybeHidden, fmt.Sprint(a, b, " now ", now, " ", dump(m.q()), dump(m.dlq()), m.describe()))
	}
}

// dump describes what a queue has in memory.
func dump(q *Queue) string {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := fmt.Sprintf("content %d %+v edge %v expiry %d retention %v:", q.ref.Content, q.meta, q.edge, q.expiry, q.config.Retention)
	for _, m := range q.inMemory(0, never.at) {
		s += fmt.Sprintf(" %d@%d state %d receives %d\n", m.seq, m.at, m.state, m.receives)
	}
	return s
}

func (m *model) describe() (s string) {
	for n := range m.next {
		if f := m.facts[n]; !f.gone || f.unsure {
			s += fmt.Sprintf("\n%d: %+v", n, *f)
		}
	}
	return s
}
