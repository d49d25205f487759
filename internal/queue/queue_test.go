package queue

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"naru/internal/clock"
	"naru/internal/store"
	"naru/internal/store/storetest"
)

// A world is an engine on a disk whose power can be cut, with queues that are
// known by address.
type world struct {
	storetest.TB
	disk            *storetest.Disk
	clock           *clock.Clock
	store           *store.Store
	engine          *Engine
	refs            map[string]Ref
	config          map[string]Config
	window, headers int // options of the engine
	memory          int64
	bodyMemory      int64
}

func newWorld(t storetest.TB) *world {
	w := &world{TB: t, disk: storetest.NewDisk(), clock: new(clock.Clock), refs: map[string]Ref{}, config: map[string]Config{}}
	w.start()
	return w
}

func (w *world) start() {
	w.Helper()
	w.store = w.disk.Open(w.TB)
	engine, err := Open(Options{
		Store: w.store, Clock: w.clock, Window: w.window, Headers: w.headers, Memory: w.memory, BodyMemory: w.bodyMemory,
		Resolve: func(address string) (Ref, bool) { ref, ok := w.refs[address]; return ref, ok },
	})
	if err != nil {
		w.Fatalf("open: %v", err)
	}
	w.engine = engine
	for address, ref := range w.refs {
		w.engine.Attach(ref, w.config[address])
	}
	w.engine.Start()
}

// queue returns the queue at address, which it makes if need be.
func (w *world) queue(address string, config Config) *Queue {
	w.Helper()
	if ref, ok := w.refs[address]; ok {
		return w.engine.Queue(ref.Content)
	}
	ref := Ref{Shard: ShardOf(address)}
	err := w.store.Catalog().Update(func(tx *store.Tx) (err error) {
		ref.Content, err = tx.NextID()
		return err
	})
	if err != nil {
		w.Fatalf("%v", err)
	}
	w.refs[address], w.config[address] = ref, config
	return w.engine.Attach(ref, config)
}

// stop closes engine and store and checks both.
func (w *world) stop() {
	w.Helper()
	w.engine.Close()
	if err := w.engine.Check(); err != nil {
		w.Errorf("check: %v", err)
	}
	storetest.Close(w.TB, w.store)
}

func (w *world) restart() {
	w.Helper()
	w.stop()
	w.start()
}

// powerCut restarts with what a power cut leaves.
func (w *world) powerCut(percent int, random *rand.Rand) {
	w.Helper()
	after := w.disk.PowerCut(percent, random)
	w.stop()
	w.disk = after
	w.start()
}

func (w *world) put(q *Queue, items ...Put) []Sent {
	w.Helper()
	ids, err := q.Put(items...)
	if err != nil {
		w.Fatalf("put: %v", err)
	}
	return ids
}

func text(s string) Put { return Put{Payload: []byte(s)} }

func (w *world) lease(q *Queue, max int, visibility, wait time.Duration) []*Delivery {
	w.Helper()
	deliveries, err := q.Lease(context.Background(), LeaseRequest{Max: max, Visibility: visibility, Wait: wait})
	if err != nil {
		w.Fatalf("lease: %v", err)
	}
	return deliveries
}

func payloads(deliveries []*Delivery) (texts []string) {
	for _, d := range deliveries {
		texts = append(texts, string(d.Payload))
	}
	return texts
}

// expect leases up to 10 messages for half a minute and compares their payloads.
func (w *world) expect(q *Queue, want ...string) []*Delivery {
	w.Helper()
	deliveries := w.lease(q, 10, 30*time.Second, 0)
	if got := payloads(deliveries); !slices.Equal(got, want) {
		w.Errorf("received %q, want %q", got, want)
	}
	return deliveries
}

func (w *world) ack(q *Queue, deliveries ...*Delivery) {
	w.Helper()
	for _, d := range deliveries {
		if d == nil {
			w.Fatalf("ack: it was not received")
		}
		if results, err := q.Ack(d.Handle); err != nil || results[0] != nil {
			w.Fatalf("ack: %v, %v", results, err)
		}
	}
}

func (w *world) counts(q *Queue, want Counts) {
	w.Helper()
	if got, err := q.Counts(); err != nil || got != want {
		w.Errorf("counts are %+v, %v; want %+v", got, err, want)
	}
}

func sleep(d time.Duration) { <-time.After(d) }

// inBubble runs f on fake time.
func inBubble(t *testing.T, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		f(w)
		w.stop()
	})
}

func TestMessagesAreReceivedInTheOrderInWhichTheyWereSent(t *testing.T) {
	inBubble(t, func(w *world) {
		q := w.queue("q", Config{})
		w.expect(q)
		w.put(q, text("a"), text("b"))
		w.put(q, text("c"))
		w.counts(q, Counts{Visible: 3})
		w.ack(q, w.expect(q, "a", "b", "c")...)
		w.expect(q)
		w.counts(q, Counts{})
	})
}

func TestALeasedMessageIsHiddenUntilItsVisibilityTimeoutHasPassed(t *testing.T) {
	inBubble(t, func(w *world) {
		q := w.queue("q", Config{})
		w.put(q, text("a"))
		first := w.expect(q, "a")[0]
		sleep(30*time.Second - time.Millisecond)
		w.expect(q)
		w.counts(q, Counts{InFlight: 1})
		sleep(time.Millisecond)
		w.counts(q, Counts{Visible: 1})
		second := w.expect(q, "a")[0]
		if first.Receives != 1 || second.Receives != 2 || second.First != first.First || first.Handle == second.Handle {
			t.Errorf("received first as %+v, then as %+v", first, second)
		}
		w.ack(q, first) // an older handle is good too
		w.counts(q, Counts{})
		w.ack(q, second)
	})
}

func TestADelayedMessageIsNotReceivedBeforeItsDelay(t *testing.T) {
	inBubble(t, func(w *world) {
		q := w.queue("q", Config{})
		w.put(q, Put{Payload: []byte("late"), Delay: time.Minute}, text("now"))
		w.counts(q, Counts{Visible: 1, Delayed: 1})
		w.ack(q, w.expect(q, "now")...)
		sleep(time.Minute - time.Millisecond)
		w.expect(q)
		sleep(time.Millisecond)
		w.counts(q, Counts{Visible: 1})
		w.expect(q, "late")
	})
}

func TestALongPollIsAnsweredByTheFirstMessage(t *testing.T) {
	inBubble(t, func(w *world) {
		q := w.queue("q", Config{})
		start := time.Now()
		go func() {
			sleep(7 * time.Second)
			w.put(q, text("a"), text("b"))
		}()
		if got := payloads(w.lease(q, 10, 30*time.Second, 20*time.Second)); !slices.Equal(got, []string{"a", "b"}) {
			t.Errorf("received %q", got)
		}
		if d := time.Since(start); d != 7*time.Second {
			t.Errorf("after %v", d)
		}
		if got := w.lease(q, 10, 0, 20*time.Second); got != nil || time.Since(start) != 27*time.Second {
			t.Errorf("received %v after %v", payloads(got), time.Since(start))
		}
		// The messages come back after 30 s: who waits then gets them then.
		w.expect(q)
		if got := w.lease(q, 10, 0, 20*time.Second); len(got) != 2 || time.Since(start) != 37*time.Second {
			t.Errorf("received %v after %v", payloads(got), time.Since(start))
		}
	})
}

func TestLongPollsAreServedInOrderAndOnlyWhileTheirClientIsThere(t *testing.T) {
	inBubble(t, func(w *world) {
		q := w.queue("q", Config{})
		got := make(chan string, 3)
		ctx, leave := context.WithCancel(context.Background())
		for i, ctx := range []context.Context{context.Background(), ctx, context.Background()} {
			go func() {
				d, err := q.Lease(ctx, LeaseRequest{Max: 1, Visibility: time.Minute, Wait: 20 * time.Second})
				got <- fmt.Sprintf("%d %v %v", i, payloads(d), err)
			}()
			synctest.Wait()
		}
		leave()
		synctest.Wait()
		w.put(q, text("a"))
		synctest.Wait()
		w.put(q, text("b"))
		want := []string{"1 [] context canceled", "0 [a] <nil>", "2 [b] <nil>"}
		if all := []string{<-got, <-got, <-got}; !slices.Equal(all, want) {
			t.Errorf("got %q, want %q", all, want)
		}
	})
}

func TestChangingTheVisibility(t *testing.T) {
	inBubble(t, func(w *world) {
		q := w.queue("q", Config{})
		w.put(q, text("a"))
		d := w.expect(q, "a")[0]
		extend := func(v time.Duration) error {
			results, err := q.Extend(Extension{d.Handle, v})
			if err != nil {
				t.Fatal(err)
			}
			return results[0]
		}
		if err := extend(2 * time.Minute); err != nil {
			t.Fatal(err)
		}
		sleep(2*time.Minute - time.Millisecond)
		w.expect(q)
		if err := extend(0); err != nil {
			t.Fatal(err)
		}
		w.counts(q, Counts{Visible: 1})
		if err := extend(time.Minute); err != nil { // a visible message can be hidden again
			t.Fatal(err)
		}
		w.expect(q)
		if err := extend(12 * time.Hour); !errors.Is(err, ErrTooLong) {
			t.Errorf("beyond 12 hours: %v", err)
		}
		if err := extend(12*time.Hour - 3*time.Minute); err != nil {
			t.Error(err)
		}
		w.ack(q, d)
		if err := extend(time.Minute); !errors.Is(err, ErrNoMessage) {
			t.Errorf("of a deleted message: %v", err)
		}
	})
}

func TestReleasingUncountedIsAsIfNothingWasReceived(t *testing.T) {
	inBubble(t, func(w *world) {
		q := w.queue("q", Config{})
		w.put(q, text("a"))
		d := w.expect(q, "a")[0]
		if err := q.Release(d.Handle, time.Minute, []byte("throttled"), false); err != nil {
			t.Fatal(err)
		}
		w.counts(q, Counts{Delayed: 1})
		sleep(time.Minute)
		d = w.expect(q, "a")[0]
		if d.Receives != 1 || string(d.Note) != "throttled" {
			t.Errorf("received as %+v", d)
		}
	})
}

func TestRetention(t *testing.T) {
	inBubble(t, func(w *world) {
		q := w.queue("q", Config{Retention: time.Hour})
		w.put(q, text("a"))
		sleep(30 * time.Minute)
		w.put(q, text("b"))
		w.expect(q, "a", "b")
		sleep(30 * time.Minute)
		synctest.Wait()
		w.counts(q, Counts{InFlight: 0, Visible: 1})
		w.expect(q, "b")
		q.Configure(Config{Retention: 2 * time.Hour})
		sleep(59 * time.Minute)
		w.counts(q, Counts{Visible: 1})
		q.Configure(Config{Retention: time.Hour})
		synctest.Wait()
		w.counts(q, Counts{})
	})
}

func TestAMessageReceivedTooOftenGoesToTheDeadLetterQueue(t *testing.T) {
	inBubble(t, func(w *world) {
		dlq := w.queue("dlq", Config{})
		q := w.queue("q", Config{MaxReceives: 2, DeadLetter: "dlq", Origin: "the queue q"})
		ids := w.put(q, text("a"), text("b"))
		for range 2 {
			w.expect(q, "a", "b")
			sleep(30 * time.Second)
		}
		w.expect(q)
		w.counts(q, Counts{})
		synctest.Wait()
		dead := w.expect(dlq, "a", "b")
		if d := dead[0]; d.Receives != 3 || d.Origin != "the queue q" || d.Handle.Sent != ids[0].Sent {
			t.Errorf("dead-lettered as %+v", d)
		}
	})
}

func TestWithoutADeadLetterQueueMessagesAreReceivedWithoutEnd(t *testing.T) {
	inBubble(t, func(w *world) {
		w.put(w.queue("q", Config{MaxReceives: 1, DeadLetter: "nowhere"}), text("a"))
		q := w.queue("q", Config{})
		for range 3 {
			w.expect(q, "a")
			sleep(30 * time.Second)
		}
	})
}

func TestInItsOwnDeadLetterQueueAMessageIsReceivedWithoutEnd(t *testing.T) {
	inBubble(t, func(w *world) {
		q := w.queue("q", Config{MaxReceives: 1, DeadLetter: "q"})
		w.put(q, text("a"))
		for range 3 {
			w.expect(q, "a")
			sleep(30 * time.Second)
		}
	})
}

func TestTooManyInFlight(t *testing.T) {
	inBubble(t, func(w *world) {
		q := w.queue("q", Config{InFlight: 2})
		w.put(q, text("a"), text("b"), text("c"))
		d := w.expect(q, "a", "b")
		if _, err := q.Lease(t.Context(), LeaseRequest{Max: 1, Visibility: time.Minute, Wait: 0}); !errors.Is(err, ErrInFlight) {
			t.Errorf("got %v", err)
		}
		start := time.Now()
		if got := w.lease(q, 1, time.Minute, time.Second); got != nil || time.Since(start) != time.Second {
			t.Errorf("a long poll got %v after %v", payloads(got), time.Since(start))
		}
		go func() { sleep(5 * time.Second); w.ack(q, d[0]) }()
		if got := payloads(w.lease(q, 1, time.Minute, 20*time.Second)); !slices.Equal(got, []string{"c"}) || time.Since(start) != 6*time.Second {
			t.Errorf("once there was room: %v after %v", got, time.Since(start))
		}
		if got := payloads(w.lease(q, 1, 0, 20*time.Second)); got != nil {
			t.Errorf("received %q with two in flight", got)
		}
		if got := payloads(w.lease(q, 1, time.Minute, 20*time.Second)); !slices.Equal(got, []string{"b"}) {
			t.Errorf("once a lease had ended: %v", got)
		}
	})
}

func TestABacklogLargerThanTheWindowSurvivesARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.window = 16
		w.restart()
		q := w.queue("q", Config{})
		var want []string
		for i := range 500 {
			want = append(want, fmt.Sprint(i))
			w.put(q, text(want[i]))
		}
		w.powerCut(0, nil)
		q = w.queue("q", Config{})
		w.counts(q, Counts{Visible: 500})
		var got []string
		for len(got) < 500 {
			d := w.lease(q, 10, time.Hour, time.Second)
			if len(d) == 0 {
				break
			}
			got = append(got, payloads(d)...)
			if len(got)%20 == 0 {
				w.ack(q, d...)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("received %d: %q", len(got), got)
		}
		w.stop()
	})
}

func TestAfterARestartLeasesStandAndOldHandlesAreGood(t *testing.T) {
	inBubble(t, func(w *world) {
		q := w.queue("q", Config{})
		w.put(q, text("a"), text("b"), text("c"), Put{Payload: []byte("d"), Delay: time.Minute})
		first := w.expect(q, "a", "b", "c")
		w.powerCut(0, nil)
		q = w.queue("q", Config{})
		w.expect(q)
		w.counts(q, Counts{InFlight: 3, Delayed: 1})
		w.ack(q, first[0])
		sleep(30 * time.Second)
		w.expect(q, "b", "c")
		w.powerCut(0, nil)
		q = w.queue("q", Config{})
		w.ack(q, first[1])
		w.counts(q, Counts{InFlight: 1, Delayed: 1})
		w.powerCut(0, nil)
		sleep(time.Minute)
		q = w.queue("q", Config{})
		w.counts(q, Counts{Visible: 2})
		w.expect(q, "c", "d")
	})
}

func TestReleaseAllAfterARestart(t *testing.T) {
	inBubble(t, func(w *world) {
		q := w.queue("q", Config{})
		w.put(q, text("a"), text("b"))
		w.expect(q, "a", "b")
		w.powerCut(0, nil)
		q = w.queue("q", Config{})
		if err := q.ReleaseAll(); err != nil {
			t.Fatal(err)
		}
		if d := w.expect(q, "a", "b"); len(d) == 2 && d[0].Receives != 1 {
			t.Errorf("received as %+v", d[0])
		}
	})
}

func TestADiscardedContentIsGone(t *testing.T) {
	inBubble(t, func(w *world) {
		q := w.queue("q", Config{})
		w.put(q, text("a"), text("b"))
		d := w.expect(q, "a", "b")
		ref := q.Ref()
		discard := func(tx *store.Tx) error { return w.engine.Discard(tx, ref) }
		if err := w.store.Catalog().Update(discard); err != nil {
			t.Fatal(err)
		}
		if err := w.engine.Drop(ref); err != nil {
			t.Fatal(err)
		}
		if _, err := q.Ack(d[0].Handle); !errors.Is(err, ErrGone) {
			t.Errorf("ack: %v", err)
		}
		if _, err := q.Put(text("c")); !errors.Is(err, ErrGone) {
			t.Errorf("put: %v", err)
		}
		w.restart()
		w.counts(w.queue("q", Config{}), Counts{})
	})
}

func TestADiscardSurvivesAPowerCut(t *testing.T) {
	inBubble(t, func(w *world) {
		q := w.queue("q", Config{})
		w.put(q, text("a"))
		ref := q.Ref()
		if err := w.store.Catalog().Update(func(tx *store.Tx) error { return w.engine.Discard(tx, ref) }); err != nil {
			t.Fatal(err)
		}
		delete(w.refs, "q")
		w.powerCut(0, nil) // before Drop
		synctest.Wait()
		w.refs["q"] = ref
		w.restart()
		w.counts(w.queue("q", Config{}), Counts{})
	})
}

func TestSendIsOneBatchAndArrivesOnce(t *testing.T) {
	inBubble(t, func(w *world) {
		w.queue("q", Config{})
		if err := w.engine.Send(5, []Note{{"fired", []byte("1")}}, Outgoing{Address: "q", Payload: []byte("a"), Note: []byte("n")}, Outgoing{Address: "nowhere"}); err != nil {
			t.Fatal(err)
		}
		w.powerCut(0, nil)
		synctest.Wait()
		if d := w.expect(w.queue("q", Config{}), "a"); len(d) == 1 && (string(d[0].Note) != "n" || d[0].Receives != 1) {
			t.Errorf("arrived as %+v", d[0])
		}
		var notes []string
		w.engine.Notes(5, "f", func(n Note) error { notes = append(notes, n.Key+"="+string(n.Value)); return nil })
		if !slices.Equal(notes, []string{"fired=1"}) {
			t.Errorf("notes are %q", notes)
		}
		w.powerCut(0, nil)
		synctest.Wait()
		w.counts(w.queue("q", Config{}), Counts{InFlight: 1})
	})
}

func TestHandles(t *testing.T) {
	inBubble(t, func(w *world) {
		h := Handle{Content: 7, MessageID: MessageID{1 << 40, 12}, VisibleAt: 1 << 41, Nonce: 99}
		text := w.engine.FormatHandle(h)
		if got, err := w.engine.ParseHandle(text); err != nil || got != h {
			t.Errorf("got %+v, %v", got, err)
		}
		for i := range len(text) {
			altered := []byte(text)
			altered[i] ^= 1
			if _, err := w.engine.ParseHandle(string(altered)); !errors.Is(err, ErrBadHandle) {
				t.Fatalf("character %d altered: %v", i, err)
			}
		}
		for _, s := range []string{"", "garbage", text[1:], text + "A"} {
			if _, err := w.engine.ParseHandle(s); !errors.Is(err, ErrBadHandle) {
				t.Errorf("%q: %v", s, err)
			}
		}
	})
}
