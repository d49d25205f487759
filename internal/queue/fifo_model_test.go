package queue

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"naru/internal/clock"
	"naru/internal/store/storetest"
)

// TestFIFOModel plays random histories on a FIFO queue, with restarts and power
// cuts in the middle of calls, and holds the engine to a model: nothing
// acknowledged is lost, nothing is received while an earlier message of its
// group exists that is not received before it, nothing that may be received is
// held back, and what was sent before is not taken again.
func TestFIFOModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(struct{ rapid.TB }{t}, func(t *rapid.T) {
			w := &world{TB: t, disk: storetest.NewDisk(), clock: new(clock.Clock), refs: map[string]Ref{}, config: map[string]Config{}}
			w.window = rapid.SampledFrom([]int{2, 5, 100}).Draw(t, "window")
			w.headers = rapid.SampledFrom([]int{3, 8, 1000}).Draw(t, "headers")
			w.memory = rapid.SampledFrom([]int64{1, 4000, 1 << 20}).Draw(t, "memory")
			w.bodyMemory = rapid.SampledFrom([]int64{1, 500, 1 << 20}).Draw(t, "bodyMemory")
			w.start()
			m := &fifoModel{model: &model{world: w, t: t}}
			defer m.stop()
			t.Repeat(map[string]func(*rapid.T){
				"":        m.check,
				"put":     m.put,
				"put2":    m.put,
				"lease":   m.lease,
				"lease2":  m.lease,
				"ack":     m.ack,
				"extend":  m.extend,
				"return":  m.giveUp,
				"sleep":   m.sleep,
				"restart": m.restart,
				"counts":  m.counts,
			})
		})
	})
}

type fifoModel struct {
	*model
	all []*fifoFact // in the order in which they were sent
}

// A fifoFact is what the model knows of a message. What is unsure hangs on a
// call that was cut off.
type fifoFact struct {
	group, once string
	at          int64 // when it was sent
	id          MessageID
	sent        bool // else that is unsure
	maybeGone   bool
	gone        bool
	hidden, due int64 // it is not received before the one, and may be after the other
	handles     []Handle
	unsure      bool // it may have been leased since the newest of handles
}

func (f *fifoFact) exists() bool { return f.sent && !f.gone && !f.maybeGone }

func (m *fifoModel) q() *Queue { return m.queue("q", Config{FIFO: true}) }

func (m *fifoModel) put(t *rapid.T) {
	q, now := m.q(), m.now()
	var items []Put
	var facts []*fifoFact
	for range rapid.IntRange(1, 3).Draw(t, "messages") {
		f := &fifoFact{at: now, group: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "group")}
		if rapid.IntRange(0, 2).Draw(t, "once") == 0 {
			f.once = rapid.SampledFrom([]string{"x", "y"}).Draw(t, "id")
		}
		facts = append(facts, f)
		items = append(items, Put{Payload: strconv.AppendInt(nil, int64(len(m.all)+len(items)), 10), Group: f.group, Once: f.once})
	}
	var sent []Sent
	ok := m.during(func() {
		var err error
		if sent, err = q.Put(items...); err != nil {
			t.Errorf("put: %v", err)
		}
	})
	for i, f := range facts {
		if ok {
			f.sent, f.id = true, sent[i].MessageID
			m.checkDuplicate(t, f, sent[i], now)
		}
		m.all = append(m.all, f)
	}
}

// checkDuplicate compares what was said of a message that was sent with those
// that were sent before it.
func (m *fifoModel) checkDuplicate(t *rapid.T, f *fifoFact, s Sent, now int64) {
	may, must := false, false
	for _, e := range m.all {
		if f.once == "" || e.once != f.once || e.at <= now-recallTime.Milliseconds() {
			continue
		}
		may = true
		if e.sent && e.id == s.MessageID && s.Duplicate {
			f.gone = true // there is but the one
			return
		}
		must = must || e.sent && e.id.Sent > now-recallTime.Milliseconds()
	}
	if s.Duplicate && !may || !s.Duplicate && must {
		t.Fatalf("of a message with %q, may it be a duplicate: %v, must it: %v, is said %+v", f.once, may, must, s)
	}
	f.gone = s.Duplicate // of one of which it is unsure whether it was sent
}

func (m *fifoModel) lease(t *rapid.T) {
	request := LeaseRequest{
		Max:        rapid.IntRange(1, 5).Draw(t, "max"),
		Visibility: rapid.SampledFrom([]time.Duration{0, time.Second, 30 * time.Second}).Draw(t, "visibility"),
	}
	q, now := m.q(), m.now()
	var got []*Delivery
	ok := m.during(func() {
		var err error
		if got, err = q.Lease(context.Background(), request); err != nil {
			t.Errorf("lease: %v", err)
		}
	})
	end, hide := m.now(), request.Visibility.Milliseconds()
	if !ok { // nobody learned of it
		for _, f := range m.all {
			if !f.gone && f.hidden <= end {
				f.due, f.unsure = max(f.due, end+hide), true
			}
		}
		return
	}
	var received []int
	for _, d := range got {
		n, err := strconv.Atoi(string(d.Payload))
		if err != nil || n >= len(m.all) {
			t.Fatalf("received %q, which was never sent", d.Payload)
		}
		m.received(t, n, received, now)
		received = append(received, n)
	}
	if len(got) == 0 {
		m.nothingHeldBack(t, received, now)
	}
	for i, n := range received {
		f := m.all[n]
		f.sent, f.maybeGone, f.unsure, f.hidden, f.due, f.id = true, false, false, now+hide, end+hide, got[i].Handle.MessageID
		f.handles = append(f.handles, got[i].Handle)
	}
}

// received checks a message that was received behind others.
func (m *fifoModel) received(t *rapid.T, n int, before []int, now int64) {
	f := m.all[n]
	if f.gone || now < f.hidden || slices.Contains(before, n) {
		t.Fatalf("received %d, %+v at %d, behind %v", n, *f, now, before)
	}
	for i, e := range m.all[:n] {
		if e.group == f.group && e.exists() && !slices.Contains(before, i) {
			t.Fatalf("received %d of group %s before %d, %+v: %s", n, f.group, i, *e, dump(m.q()))
		}
	}
}

// nothingHeldBack wants the first message of each group, if it is visible for
// sure, to be among those that were received.
func (m *fifoModel) nothingHeldBack(t *rapid.T, received []int, now int64) {
	seen := map[string]bool{}
	for n, f := range m.all {
		if f.gone || seen[f.group] {
			continue
		}
		seen[f.group] = true
		if f.exists() && f.due <= now && !slices.Contains(received, n) {
			t.Fatalf("%d of group %s is visible and was not received: %s", n, f.group, dump(m.q()))
		}
	}
}

// draw draws a message that was received and is not gone for sure.
func (m *fifoModel) draw(t *rapid.T) (*fifoFact, Handle) {
	var all []*fifoFact
	for _, f := range m.all {
		if len(f.handles) > 0 {
			all = append(all, f)
		}
	}
	if len(all) == 0 {
		t.Skip("nothing was received")
	}
	f := all[rapid.IntRange(0, len(all)-1).Draw(t, "message")]
	return f, f.handles[rapid.IntRange(0, len(f.handles)-1).Draw(t, "handle")]
}

// holds reports whether h is of the lease that stands, and whether that is sure.
func (f *fifoFact) holds(h Handle, now, end int64) (holds, sure bool) {
	newest := h == f.handles[len(f.handles)-1]
	switch {
	case f.gone || !newest || end >= f.due:
		return false, !f.unsure && !f.maybeGone && (now >= f.due || !newest || f.gone)
	case end < f.hidden:
		return true, !f.unsure && !f.maybeGone
	}
	return false, false
}

func (m *fifoModel) ack(t *rapid.T) {
	f, h := m.draw(t)
	q, now := m.q(), m.now()
	var results []error
	ok := m.during(func() {
		var err error
		if results, err = q.Ack(h); err != nil {
			t.Errorf("ack: %v", err)
		}
	})
	holds, sure := f.holds(h, now, m.now())
	if !ok {
		f.maybeGone = f.maybeGone || !f.gone && (holds || !sure)
		return
	}
	expired := errors.Is(results[0], ErrExpired)
	if sure && expired != (!holds && !f.gone) {
		t.Fatalf("deleting %+v by %+v at %d: %v", *f, h, now, results)
	}
	if !expired {
		f.gone = true
	}
}

func (m *fifoModel) extend(t *rapid.T) {
	f, h := m.draw(t)
	visibility := rapid.SampledFrom([]time.Duration{0, time.Second, time.Minute}).Draw(t, "visibility")
	q, now := m.q(), m.now()
	at := now + visibility.Milliseconds()
	var results []error
	ok := m.during(func() {
		var err error
		if results, err = q.Extend(Extension{h, visibility}); err != nil {
			t.Errorf("extend: %v", err)
		}
	})
	end := m.now()
	holds, sure := f.holds(h, now, end)
	if ok && sure && (results[0] == nil) != holds {
		t.Fatalf("extending %+v by %+v at %d: %v", *f, h, now, results)
	}
	switch {
	case ok && results[0] == nil:
		f.hidden, f.due, f.unsure, f.maybeGone = at, end+visibility.Milliseconds(), false, false
	case !ok && (holds || !sure):
		f.hidden, f.due = min(f.hidden, at), max(f.due, end+visibility.Milliseconds())
	}
}

// giveUp returns a lease, as if there had been none.
func (m *fifoModel) giveUp(t *rapid.T) {
	f, h := m.draw(t)
	q, now := m.q(), m.now()
	ok := m.during(func() {
		if err := q.Return(h); err != nil {
			t.Errorf("return: %v", err)
		}
	})
	holds, sure := f.holds(h, now, m.now())
	switch {
	case ok && sure && holds:
		f.hidden, f.due = now, m.now()
	case holds || !sure:
		f.hidden, f.due = min(f.hidden, now), max(f.due, m.now())
	}
}

func (m *fifoModel) restart(t *rapid.T) {
	if rapid.Bool().Draw(t, "orderly") {
		m.world.restart()
	} else {
		m.powerCut(rapid.SampledFrom([]int{0, 50, 100}).Draw(t, "kept"), rand.New(rand.NewPCG(2, uint64(len(m.all)))))
	}
}

func (m *fifoModel) counts(t *rapid.T) {
	c, err := m.q().Counts()
	if err != nil {
		t.Fatalf("counts: %v", err)
	}
	var least, most int64
	for _, f := range m.all {
		if f.exists() {
			least++
		}
		if !f.gone {
			most++
		}
	}
	if n := c.Visible + c.InFlight + c.Delayed; n < least || n > most {
		t.Fatalf("there are %d messages, not %d to %d", n, least, most)
	}
}
