package queue

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var fifo = Config{FIFO: true, Retention: time.Hour}

// in returns a message of a group: the text's first letter.
func in(texts ...string) (items []Put) {
	for _, s := range texts {
		items = append(items, Put{Payload: []byte(s), Group: s[:1]})
	}
	return items
}

// take expects messages and returns their deliveries by payload.
func (w *world) take(q *Queue, max int, visibility time.Duration, want ...string) map[string]*Delivery {
	w.Helper()
	deliveries := w.lease(q, max, visibility, 0)
	if got := payloads(deliveries); !slices.Equal(got, want) {
		w.Errorf("received %q, want %q", got, want)
	}
	byPayload := map[string]*Delivery{}
	for _, d := range deliveries {
		byPayload[string(d.Payload)] = d
	}
	return byPayload
}

// eachWay runs a test on a queue that is in memory, and on one that is restarted
// before every step.
func eachWay(t *testing.T, config Config, f func(w *world, q func() *Queue)) {
	t.Helper()
	for name, restart := range map[string]bool{"Warm": false, "Cold": true} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				f(w, func() *Queue {
					w.Helper()
					q := w.queue("q", config)
					if restart {
						synctest.Wait()
						w.restart()
						q = w.queue("q", config)
					}
					return q
				})
			})
		})
	}
}

func TestAGroupIsReceivedInOrderAndLockedMeanwhile(t *testing.T) {
	eachWay(t, fifo, func(w *world, q func() *Queue) {
		w.put(q(), in("a1", "b1", "a2", "a3", "b2", "c1")...)
		got := w.take(q(), 4, time.Minute, "a1", "a2", "a3", "b1")
		w.put(q(), in("a4")...)
		c := w.take(q(), 10, time.Minute, "c1")
		w.counts(q(), Counts{Visible: 2, InFlight: 5})
		w.ack(q(), got["a1"], got["a3"])
		w.take(q(), 10, time.Minute) // a2 is in flight
		w.ack(q(), got["a2"])
		w.take(q(), 10, time.Minute, "a4")
		w.ack(q(), got["b1"], c["c1"])
		w.take(q(), 10, time.Minute, "b2")
		w.counts(q(), Counts{InFlight: 2})
	})
}

func TestAMessageMadeVisibleReturnsBeforeLaterOnes(t *testing.T) {
	eachWay(t, fifo, func(w *world, q func() *Queue) {
		w.put(q(), in("a1", "a2", "a3", "a4")...)
		got := w.take(q(), 3, time.Minute, "a1", "a2", "a3")
		w.extend(q(), got["a1"], 0)
		w.take(q(), 10, time.Second, "a1")
		sleep(time.Second)
		again := w.take(q(), 10, time.Hour, "a1")
		sleep(time.Minute) // a2 and a3 are visible again, but a1 comes first
		w.take(q(), 10, time.Minute)
		w.ack(q(), again["a1"])
		w.take(q(), 10, time.Minute, "a2", "a3", "a4")
	})
}

func TestAMessageHiddenForLongerHidesThoseAfterIt(t *testing.T) {
	eachWay(t, fifo, func(w *world, q func() *Queue) {
		w.put(q(), in("a1", "a2", "a3", "a4")...)
		got := w.take(q(), 4, 10*time.Second, "a1", "a2", "a3", "a4")
		w.extend(q(), got["a3"], time.Minute)
		sleep(10 * time.Second)
		w.take(q(), 10, time.Hour, "a1", "a2")
		sleep(time.Minute)
		w.take(q(), 10, time.Minute)
	})
}

// extend changes the visibility of a message, which must be possible.
func (w *world) extend(q *Queue, d *Delivery, visibility time.Duration) {
	w.Helper()
	if results, err := q.Extend(Extension{d.Handle, visibility}); err != nil || results[0] != nil {
		w.Errorf("extending %s: %v, %v", d.Payload, results, err)
	}
}

func TestReceivingWithoutHidingRotatesTheGroups(t *testing.T) {
	eachWay(t, fifo, func(w *world, q func() *Queue) {
		w.put(q(), in("a1", "b1", "c1", "a2")...)
		for _, want := range []string{"a1", "b1", "c1", "a1", "b1"} {
			w.take(q(), 1, 0, want)
			sleep(time.Millisecond)
		}
		if got := w.take(q(), 1, time.Minute, "c1"); got["c1"].Receives != 2 {
			t.Errorf("c1 was received %d times", got["c1"].Receives)
		}
	})
}

func TestOnlyTheStandingLeaseOfAFIFOMessageCounts(t *testing.T) {
	eachWay(t, fifo, func(w *world, q func() *Queue) {
		w.put(q(), in("a1", "a2")...)
		old := w.take(q(), 1, 10*time.Second, "a1")["a1"]
		expectExpired := func() {
			w.Helper()
			if results, err := q().Ack(old.Handle); err != nil || !errors.Is(results[0], ErrExpired) {
				t.Errorf("an expired handle deletes: %v, %v", results, err)
			}
			if results, err := q().Extend(Extension{old.Handle, time.Minute}); err != nil || !errors.Is(results[0], ErrNoMessage) {
				t.Errorf("an expired handle extends: %v, %v", results, err)
			}
		}
		sleep(10 * time.Second)
		expectExpired()
		newer := w.take(q(), 1, 10*time.Second, "a1")["a1"]
		expectExpired()
		w.extend(q(), newer, time.Minute)
		sleep(30 * time.Second)
		w.ack(q(), newer)
		if results, err := q().Ack(newer.Handle, old.Handle); err != nil || errors.Join(results...) != nil {
			t.Errorf("deleting a message again: %v, %v", results, err)
		}
		w.take(q(), 10, time.Minute, "a2")
	})
}

func TestWhatWasSentBeforeIsNotTakenAgain(t *testing.T) {
	eachWay(t, fifo, func(w *world, q func() *Queue) {
		send := func(group, once, tag string) Sent {
			w.Helper()
			return w.put(q(), Put{Payload: []byte(group), Group: group, Once: once, Tag: []byte(tag)})[0]
		}
		first := send("a", "x", "first")
		if first.Duplicate || string(first.Tag) != "first" {
			t.Errorf("the first is %+v", first)
		}
		for _, group := range []string{"a", "b"} {
			if again := send(group, "x", "again"); !again.Duplicate || again.MessageID != first.MessageID || string(again.Tag) != "first" {
				t.Errorf("again it is %+v, not %+v", again, first)
			}
		}
		got := w.take(q(), 10, time.Minute, "a")
		w.ack(q(), got["a"])
		sleep(5*time.Minute - time.Second)
		if !send("a", "x", "").Duplicate {
			t.Error("it is forgotten before five minutes are over")
		}
		sleep(2 * time.Second)
		if send("a", "x", "").Duplicate || send("a", "y", "").Duplicate {
			t.Error("it is remembered after five minutes")
		}
		both := w.put(q(), Put{Group: "a", Once: "z"}, Put{Group: "a", Once: "z"})
		if both[0].Duplicate || !both[1].Duplicate || both[0].MessageID != both[1].MessageID {
			t.Errorf("in one call they are %+v", both)
		}
		w.counts(q(), Counts{Visible: 3})
	})
}

func TestManyIDsAreRemembered(t *testing.T) {
	inBubble(t, func(w *world) {
		q := w.queue("q", fifo)
		var items []Put
		for i := range mostHashes + 10 {
			items = append(items, Put{Group: "a", Once: strconv.Itoa(i)})
		}
		for chunk := range slices.Chunk(items, 10_000) {
			w.put(q, chunk...)
		}
		if bytes := q.bytes; bytes > 2<<20 {
			t.Errorf("they take %d bytes of memory", bytes)
		}
		if sent := w.put(q, items[0], items[len(items)-1], Put{Group: "a", Once: "new"}); !sent[0].Duplicate || !sent[1].Duplicate || sent[2].Duplicate {
			t.Errorf("again they are %+v", sent)
		}
	})
}

func TestTheDelayOfAFIFOQueueHoldsForWhatWaits(t *testing.T) {
	delayedBy := func(d time.Duration) Config { c := fifo; c.Delay = d; return c }
	eachWay(t, delayedBy(time.Minute), func(w *world, q func() *Queue) {
		w.put(q(), in("a1")...)
		sleep(30 * time.Second)
		w.put(q(), in("a2", "b1")...)
		w.counts(q(), Counts{Delayed: 3})
		w.take(q(), 10, time.Hour)
		sleep(30 * time.Second)
		w.counts(q(), Counts{Visible: 1, Delayed: 2})
		a1 := w.take(q(), 10, time.Hour, "a1")["a1"]
		w.ack(q(), a1)
		w.take(q(), 10, time.Hour)

		w.configure("q", delayedBy(2*time.Minute))
		sleep(30 * time.Second)
		w.take(q(), 10, time.Hour)
		w.configure("q", delayedBy(70*time.Second))
		synctest.Wait()
		w.take(q(), 10, time.Hour)
		sleep(10 * time.Second)
		got := payloads(w.lease(q(), 10, time.Hour, 0))
		if slices.Sort(got); !slices.Equal(got, []string{"a2", "b1"}) {
			t.Errorf("received %q", got)
		}
	})
}

// configure changes the configuration of a queue.
func (w *world) configure(address string, c Config) {
	w.config[address] = c
	w.engine.Queue(w.refs[address].Content).Configure(c)
	synctest.Wait()
}

func TestAnAttemptIsMadeAgain(t *testing.T) {
	eachWay(t, fifo, func(w *world, q func() *Queue) {
		attempt := func(name string, want ...string) []*Delivery {
			w.Helper()
			got, err := q().Lease(t.Context(), LeaseRequest{Max: 2, Visibility: time.Minute, Attempt: name})
			if err != nil || !slices.Equal(payloads(got), want) {
				t.Errorf("attempt %s received %q, not %q: %v", name, payloads(got), want, err)
			}
			return got
		}
		w.put(q(), in("a1", "b1", "c1")...)
		first := attempt("x", "a1", "b1")
		sleep(50 * time.Second)
		again := attempt("x", "a1", "b1")
		for i := range first {
			if again[i].Handle != first[i].Handle || again[i].Receives != 1 {
				t.Errorf("again it is %+v, not %+v", again[i], first[i])
			}
		}
		attempt("y", "c1")
		sleep(50 * time.Second) // the visibility timeout was begun anew
		w.take(q(), 10, time.Minute)
		w.ack(q(), first[0])
		attempt("x") // it is another one, now that a1 is gone
		sleep(time.Minute)
		attempt("z", "b1", "c1")
	})
}

func TestFIFODeadLetters(t *testing.T) {
	c := fifo
	c.MaxReceives, c.DeadLetter, c.Origin = 1, "dlq", "from q"
	eachWay(t, c, func(w *world, q func() *Queue) {
		w.queue("dlq", fifo)
		w.put(q(), in("a1", "a2", "a3")...)
		w.take(q(), 2, time.Second, "a1", "a2")
		sleep(time.Second)
		got := w.take(q(), 10, time.Minute, "a3")
		synctest.Wait()
		dead := w.lease(w.queue("dlq", fifo), 10, time.Minute, 0)
		if !slices.Equal(payloads(dead), []string{"a1", "a2"}) || dead[0].Receives != 2 || dead[0].Origin != "from q" {
			t.Errorf("dead are %q", payloads(dead))
		}
		w.ack(q(), got["a3"])
		w.counts(q(), Counts{})
		w.counts(w.queue("dlq", fifo), Counts{InFlight: 2})
	})
}

func TestFIFOWithoutItsDeadLetterQueueKeepsTheOrder(t *testing.T) {
	c := fifo
	c.MaxReceives, c.DeadLetter = 1, "dlq"
	inBubble(t, func(w *world) {
		q := w.queue("q", c)
		dlq := w.queue("dlq", fifo)
		w.put(q, in("a1", "a2")...)
		w.take(q, 1, time.Second, "a1")
		sleep(time.Second)
		dlq.close(ErrGone) // it is deleted just now
		w.take(q, 1, 0, "a2")
		synctest.Wait()
		delete(w.refs, "dlq")
		w.take(q, 10, time.Minute, "a1", "a2")
	})
}

func TestRetentionInGroups(t *testing.T) {
	eachWay(t, fifo, func(w *world, q func() *Queue) {
		for i := range 40 {
			w.put(q(), in("a"+strconv.Itoa(i))...)
		}
		w.take(q(), 1, 2*time.Hour, "a0") // which does not keep it from expiring
		sleep(30 * time.Minute)
		w.put(q(), in("a40", "b1")...)
		sleep(30 * time.Minute)
		synctest.Wait()
		w.counts(q(), Counts{Visible: 2})
		w.take(q(), 10, time.Second, "b1", "a40")
		sleep(90 * time.Minute)
		synctest.Wait()
		w.counts(q(), Counts{})
		w.take(q(), 10, time.Second)
		left := q()
		synctest.Wait() // for what it does once it is open
		if n := len(left.groups); n > 0 {
			t.Errorf("%d groups are left in memory", n)
		}
	})
}

// TestManyGroups has more groups, and longer ones, than memory holds.
func TestManyGroups(t *testing.T) {
	inBubble(t, func(w *world) {
		w.window, w.headers = 16, 64
		w.restart()
		q := w.queue("q", fifo)
		const groups, each = 60, 50
		for i := range each {
			for g := range groups {
				w.put(q, Put{Payload: fmt.Appendf(nil, "%d", i), Group: strconv.Itoa(g)})
			}
			if i == each/2 {
				w.powerCut(0, nil)
				q = w.queue("q", fifo)
			}
		}
		w.counts(q, Counts{Visible: groups * each})
		next := map[groupID]int{}
		for n := 0; n < groups*each; {
			deliveries := w.lease(q, 10, time.Minute, time.Second)
			if len(deliveries) == 0 {
				t.Fatalf("after %d messages nothing is received: %s", n, dump(q))
			}
			for _, d := range deliveries {
				if want := next[d.Handle.group]; string(d.Payload) != strconv.Itoa(want) {
					t.Fatalf("received %s, not %d", d.Payload, want)
				}
				next[d.Handle.group]++
			}
			n += len(deliveries)
			w.ack(q, deliveries...)
		}
		w.counts(q, Counts{})
		if len(q.groups) > 64 {
			t.Errorf("%d groups are in memory", len(q.groups))
		}
	})
}

// TestFIFOAcrossPowerCuts plays a producer and a consumer of a few groups, with
// the power cut now and then, and wants every acknowledged message to be
// received in order until it was deleted.
func TestFIFOAcrossPowerCuts(t *testing.T) {
	inBubble(t, func(w *world) {
		random := rand.New(rand.NewPCG(1, 2))
		w.window = 4
		w.restart()
		sent, done := map[string]int{}, map[string]int{}
		for range 300 {
			q := w.queue("q", fifo)
			switch random.IntN(4) {
			case 0, 1:
				group := string(rune('a' + random.IntN(8)))
				w.put(q, Put{Payload: fmt.Appendf(nil, "%s%d", group, sent[group]), Group: group})
				sent[group]++
			case 2:
				for _, d := range w.lease(q, 3, time.Second, 0) {
					group, rest := string(d.Payload[:1]), string(d.Payload[1:])
					if n, err := strconv.Atoi(rest); err != nil || n < done[group] || n > done[group]+2 {
						t.Fatalf("received %s, after %d were deleted", d.Payload, done[group])
					} else if n == done[group] && random.IntN(3) > 0 {
						w.ack(q, d)
						done[group]++
					}
				}
				sleep(time.Second)
			default:
				w.powerCut([]int{0, 50, 100}[random.IntN(3)], random)
			}
		}
		sleep(time.Second)
		var left []string
		for deliveries := w.lease(w.queue("q", fifo), 10, time.Hour, 0); len(deliveries) > 0; deliveries = w.lease(w.queue("q", fifo), 10, time.Hour, 0) {
			for _, d := range deliveries {
				left = append(left, string(d.Payload))
				w.ack(w.queue("q", fifo), d)
			}
		}
		for group, n := range sent {
			var want, got []string
			for i := done[group]; i < n; i++ {
				want = append(want, group+strconv.Itoa(i))
			}
			for _, s := range left {
				if strings.HasPrefix(s, group) {
					got = append(got, s)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("of group %s are left %q, not %q", group, got, want)
			}
		}
	})
}
