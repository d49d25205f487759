package firing

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"naru/internal/clock"
	"naru/internal/delivery"
	"naru/internal/meter"
	"naru/internal/queue"
	"naru/internal/schedule"
	"naru/internal/store"
	"naru/internal/store/storetest"
)

// A world is a timetable whose firings end in one queue, on a disk whose power
// can be cut.
type world struct {
	*testing.T
	disk    *storetest.Disk
	store   *store.Store
	clock   clock.Clock
	engine  *queue.Engine
	post    *delivery.Post
	table   *Timetable
	ref     queue.Ref
	entries map[string]*Entry // that are set at every start
}

func inBubble(t *testing.T, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, disk: storetest.NewDisk(), ref: queue.Ref{Shard: queue.ShardOf("q"), Content: 1 << 40}, entries: map[string]*Entry{}}
		w.start()
		f(w)
		w.stop()
	})
}

func (w *world) start() {
	w.Helper()
	w.store = w.disk.Open(w)
	var err error
	resolve := func(address string) (queue.Ref, bool) {
		if address == delivery.AddressPrefix {
			return w.post.Resolve(address)
		}
		return w.ref, true
	}
	if w.engine, err = queue.Open(queue.Options{Store: w.store, Clock: &w.clock, Resolve: resolve}); err != nil {
		w.Fatal(err)
	}
	w.engine.Attach(w.ref, queue.Config{})
	log := slog.New(slog.DiscardHandler)
	w.post, err = delivery.Open(delivery.Options{
		Store: w.store, Engine: w.engine, Clock: &w.clock, Log: log, Meter: new(meter.Registry),
		Deliver: func(_ context.Context, d *delivery.Delivery) ([]queue.Outgoing, error) {
			return []queue.Outgoing{{Address: "q", Payload: []byte(d.Payload)}}, nil
		},
	})
	if err != nil {
		w.Fatal(err)
	}
	w.engine.Start()
	w.post.Start()
	w.table = New(w.post, &w.clock, log)
	for _, e := range w.entries {
		w.set(e)
	}
}

func (w *world) set(e *Entry) {
	w.Helper()
	w.entries[e.Key] = e
	if err := w.table.Set(e.Key, func() *Entry { return e }); err != nil {
		w.Fatal(err)
	}
}

func (w *world) remove(key string) {
	w.Helper()
	if err := w.table.Set(key, func() *Entry { return nil }); err != nil {
		w.Error(err)
	}
}

func (w *world) stop() {
	w.Helper()
	w.table.Close()
	w.post.Interrupt()
	w.post.Close()
	w.engine.Close()
	if err := w.engine.Check(); err != nil {
		w.Error(err)
	}
	storetest.Close(w, w.store)
}

// crash loses power, and starts again after some time.
func (w *world) crash(percent int, random *rand.Rand, down time.Duration) {
	w.Helper()
	after := w.disk.PowerCut(percent, random)
	w.stop()
	<-time.After(down)
	w.disk = after
	w.start()
}

// received returns what has fired since it was last asked, and at what time.
func (w *world) received() (all []string) {
	w.Helper()
	synctest.Wait()
	for {
		got, err := w.engine.Queue(w.ref.Content).Lease(context.Background(), queue.LeaseRequest{Max: 10, Visibility: time.Hour})
		if err != nil {
			w.Fatal(err)
		}
		if len(got) == 0 {
			return all
		}
		for _, m := range got {
			all = append(all, string(m.Payload))
			if err := w.engine.Queue(w.ref.Content).Forward(m.Handle, nil); err != nil {
				w.Fatal(err)
			}
		}
	}
}

func (w *world) expect(want ...string) {
	w.Helper()
	got := w.received()
	slices.Sort(got) // what is fired at once comes in any order
	if !slices.Equal(got, want) {
		w.Errorf("fired %q, want %q", got, want)
	}
}

// entry returns an entry that fires its key and the time.
func entry(key, expression string, since time.Time) *Entry {
	s, err := schedule.Parse(expression)
	if err != nil {
		panic(err)
	}
	return &Entry{
		Key: key, Since: since,
		Next: func(after time.Time) time.Time { return s.Next(after, since, time.UTC) },
		Fire: func(at time.Time) []*delivery.Delivery {
			return []*delivery.Delivery{{ID: key, Service: delivery.Events, Payload: key + at.UTC().Format(" 02 15:04:05")}}
		},
	}
}

func sleep(d time.Duration) { <-time.After(d); synctest.Wait() }

// Two weeks (with -short two days) with crashes at any moment, from which Naru is back within a
// minute: no time is missed, and none doubled.
func TestNothingIsMissedOrDoubledWheneverThePowerIsCut(t *testing.T) {
	inBubble(t, func(w *world) {
		random := rand.New(rand.NewPCG(5, 6))
		since := time.Now().Add(123_456_789)
		expressions := map[string]string{"a": "rate(5 minutes)", "b": "cron(*/7 * * * ? *)", "c": "cron(0 0 ? * SUN,WED *)", "d": "rate(11 hours)"}
		for key, expression := range expressions {
			e := entry(key, expression, since)
			if key == "a" {
				e.Spread = 4 * time.Minute
			}
			w.set(e)
		}
		end := since.Add(2 * 7 * 24 * time.Hour)
		if testing.Short() {
			end = since.Add(2 * 24 * time.Hour)
		}
		var got []string
		for time.Now().Before(end) {
			sleep(time.Duration(random.Int64N(int64(40 * time.Minute))))
			got = append(got, w.received()...)
			if random.IntN(3) == 0 {
				w.crash(random.IntN(101), random, time.Duration(random.Int64N(int64(50*time.Second))))
			}
		}
		now := time.Now()
		sleep(10 * time.Minute) // for what was spread
		got = append(got, w.received()...)
		var want []string
		for key := range expressions {
			e := w.entries[key]
			for at := e.Next(since.Add(-1)); !at.After(now); at = e.Next(at) {
				want = append(want, e.Fire(at)[0].Payload)
			}
		}
		late := now.UTC().Format(" 02 15:04:05")
		got = slices.DeleteFunc(got, func(s string) bool { return s[1:] > late }) // fired in the last ten minutes
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%d fired, not %d", len(got), len(want))
			for _, s := range want {
				if n := len(got) - len(slices.DeleteFunc(slices.Clone(got), func(g string) bool { return g == s })); n != 1 {
					t.Errorf("%s fired %d times", s, n)
				}
			}
		}
	})
}

func TestWhatWasMissedIsCaughtUpWithinTheWindowAlone(t *testing.T) {
	for name, c := range map[string]struct {
		catchUp time.Duration
		want    []string
	}{
		"Not":     {0, []string{"r 01 05:00:00"}},
		"Partly":  {2*time.Hour + time.Minute, []string{"r 01 03:00:00", "r 01 04:00:00", "r 01 05:00:00"}},
		"AllOfIt": {24 * time.Hour, []string{"r 01 02:00:00", "r 01 03:00:00", "r 01 04:00:00", "r 01 05:00:00"}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				e := entry("r", "rate(1 hour)", time.Now())
				e.CatchUp = c.catchUp
				w.set(e)
				sleep(time.Hour + time.Minute)
				w.expect("r 01 01:00:00")
				w.crash(0, nil, 3*time.Hour+59*time.Minute+30*time.Second)
				w.expect(c.want...)
				sleep(time.Hour)
				w.expect("r 01 06:00:00")
			})
		})
	}
}

func TestWhatWasDueMoreThanAMinuteAgoIsMissed(t *testing.T) {
	inBubble(t, func(w *world) {
		w.set(entry("r", "rate(1 hour)", time.Now()))
		sleep(30 * time.Minute)
		w.crash(0, nil, 32*time.Minute)
		w.expect()
		sleep(time.Hour)
		w.expect("r 01 02:00:00")
	})
}

func TestAFiringIsSpreadOverItsWindowTheSameAfterACrash(t *testing.T) {
	inBubble(t, func(w *world) {
		e := entry("r", "rate(1 hour)", time.Now())
		e.Spread = 30 * time.Minute
		w.set(e)
		moments := map[time.Duration]bool{}
		for hour := 1; hour <= 20; hour++ {
			at := e.Since.Add(time.Duration(hour) * time.Hour)
			offset := spread("r", at, e.Spread)
			moments[offset.Truncate(time.Minute)] = true
			sleep(time.Until(at.Add(offset - time.Second)))
			w.expect()
			if hour%3 == 0 {
				w.crash(0, nil, 0)
			}
			sleep(time.Until(at.Add(offset + time.Millisecond)))
			w.expect(e.Fire(at)[0].Payload)
		}
		if len(moments) < 10 {
			t.Errorf("the moments are %v", moments)
		}
	})
}

func TestAClockThatIsMovedForwardFiresForTheNewestTimeOrAllThatAreCaughtUp(t *testing.T) {
	inBubble(t, func(w *world) {
		w.set(entry("r", "rate(1 hour)", time.Now()))
		c := entry("c", "rate(1 hour)", time.Now())
		c.CatchUp = 90 * time.Minute
		w.set(c)
		w.clock.Advance(5*time.Hour + time.Second)
		got := w.received()
		slices.Sort(got)
		if want := []string{"c 01 04:00:00", "c 01 05:00:00", "r 01 05:00:00"}; !slices.Equal(got, want) {
			t.Errorf("fired %q, want %q", got, want)
		}
	})
}

func TestAnEntryThatIsReplacedOrRemoved(t *testing.T) {
	inBubble(t, func(w *world) {
		since := time.Now()
		w.set(entry("r", "rate(10 minutes)", since))
		sleep(15 * time.Minute)
		w.set(entry("r", "rate(10 minutes)", since)) // the same: it goes on
		sleep(5 * time.Minute)
		w.expect("r 01 00:10:00", "r 01 00:20:00")
		w.set(entry("r", "rate(3 minutes)", time.Now()))
		sleep(4 * time.Minute)
		w.expect("r 01 00:23:00")
		w.remove("r")
		delete(w.entries, "r")
		sleep(time.Hour)
		w.expect()
		w.remove("never there")
		if last, err := w.table.lastFiring("r"); !last.IsZero() || err != nil {
			t.Errorf("it is known to have fired at %v, %v", last, err)
		}
	})
}

func TestWhatIsReplacedOrRemovedWhileItFiresFiresOnce(t *testing.T) {
	inBubble(t, func(w *world) {
		var fired atomic.Int32
		e := entry("r", "rate(10 minutes)", time.Now())
		gone := entry("gone", "rate(10 minutes)", time.Now())
		for _, e := range []*Entry{e, gone} {
			inner := e.Fire
			e.Fire = func(at time.Time) []*delivery.Delivery {
				fired.Add(1)
				if err := w.table.Set(e.Key, func() *Entry {
					if e.Key == "r" {
						return e
					}
					return nil
				}); err != nil {
					t.Error(err)
				}
				return inner(at)
			}
			w.set(e)
		}
		sleep(11 * time.Minute)
		if got := w.received(); len(got) != 2 || fired.Load() != 2 {
			t.Errorf("fired %q, asked %d times", got, fired.Load())
		}
		delete(w.entries, "gone")
		w.crash(0, nil, 0)
		sleep(10 * time.Minute)
		w.expect("r 01 00:20:00")
		if last, err := w.table.lastFiring("gone"); !last.IsZero() || err != nil {
			t.Errorf("what was removed is known to have fired at %v, %v", last, err)
		}
	})
}

// TestOfChangesAtATimeTheNewestPrevails: what fires is what was read last, and
// not what was set last.
func TestOfChangesAtATimeTheNewestPrevails(t *testing.T) {
	inBubble(t, func(w *world) {
		random := rand.New(rand.NewPCG(5, 6))
		var now atomic.Pointer[Entry]
		for round := range 20 {
			for range 50 {
				var e *Entry
				if random.IntN(2) == 0 {
					e = entry("r", fmt.Sprintf("rate(%d hours)", 2+random.IntN(9)), time.Now())
				}
				go func() {
					now.Store(e)
					if err := w.table.Set("r", now.Load); err != nil {
						t.Error(err)
					}
				}()
			}
			synctest.Wait()
			want := ""
			if e := now.Load(); e != nil {
				want = e.Next(time.Now()).String()
			}
			w.table.mu.Lock()
			got := ""
			if s := w.table.slots["r"]; s != nil {
				got = s.entry.Next(time.Now()).String()
			}
			w.table.mu.Unlock()
			if got != want {
				t.Fatalf("round %d: it is due at %q, not %q", round, got, want)
			}
		}
		w.remove("r")
	})
}

func TestWhatHasEndedIsToldOnceItHasFired(t *testing.T) {
	inBubble(t, func(w *world) {
		var ended atomic.Int32
		at := time.Now().Add(time.Hour)
		e := &Entry{
			Key: "once", Since: time.Now(), Ended: func() { ended.Add(1) },
			Next: func(after time.Time) time.Time {
				if after.Before(at) {
					return at
				}
				return time.Time{}
			},
			Fire: func(at time.Time) []*delivery.Delivery {
				return []*delivery.Delivery{{ID: "x", Service: delivery.Events, Payload: "once"}}
			},
		}
		w.set(e)
		sleep(59 * time.Minute)
		if ended.Load() != 0 {
			t.Error("it ended before it fired")
		}
		sleep(2 * time.Minute)
		w.expect("once")
		if ended.Load() != 1 {
			t.Errorf("it was told %d times", ended.Load())
		}
		w.crash(0, nil, 0) // before whoever was told did anything
		sleep(time.Hour)
		w.expect()
		if ended.Load() != 2 {
			t.Errorf("after a crash it was told %d times", ended.Load())
		}
		never := *e
		never.Key, never.Next = "never", func(time.Time) time.Time { return time.Time{} }
		w.set(&never)
		sleep(time.Hour)
		if ended.Load() != 2 {
			t.Error("what has never fired has ended")
		}
	})
}

func TestSpread(t *testing.T) {
	var quarters [4]int
	for i := range 4000 {
		at := time.Unix(int64(i*60), 0)
		d := spread("k", at, time.Hour)
		if d < 0 || d >= time.Hour || d != spread("k", at, time.Hour) {
			t.Fatalf("%v", d)
		}
		quarters[d/(15*time.Minute)]++
	}
	if slices.Min(quarters[:]) < 800 {
		t.Errorf("the quarters of the window have %s", strings.Trim(fmt.Sprint(quarters), "[]"))
	}
}

func TestOptions(t *testing.T) {
	o, err := ParseOptions(map[string]string{"naru:catch-up": "36h", "naru:jitter": "90s", "naru:overlap": "queue-one", "team": "x"})
	if want := (Options{36 * time.Hour, 90 * time.Second, delivery.OverlapQueueOne}); err != nil || o != want {
		t.Errorf("%+v, %v", o, err)
	}
	if o, err = ParseOptions(map[string]string{"naru:overlap": "allow"}); err != nil || o != (Options{}) {
		t.Errorf("%+v, %v", o, err)
	}
	for key, values := range map[string][]string{
		"naru:catch-up": {"", "1", "-1h", "169h", "0s"}, "naru:jitter": {"x", "25h"}, "naru:overlap": {"", "never"}, "naru:other": {"x"},
	} {
		for _, value := range values {
			if o, err := ParseOptions(map[string]string{key: value}); err == nil || o != (Options{}) {
				t.Errorf("%s %q: %+v, %v", key, value, o, err)
			}
		}
	}
}
