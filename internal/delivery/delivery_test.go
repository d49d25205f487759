package delivery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"naru/internal/clock"
	"naru/internal/meter"
	"naru/internal/queue"
	"naru/internal/store"
	"naru/internal/store/storetest"
	"naru/internal/wire"
)

// A world is a post with one queue as target, on a disk whose power can be cut.
type world struct {
	*testing.T
	disk   *storetest.Disk
	store  *store.Store
	clock  clock.Clock
	engine *queue.Engine
	post   *Post
	ref    queue.Ref // of the queue

	mu       sync.Mutex
	err      func(d *Delivery) error // why targets do not take deliveries
	attempts []time.Time
	unique   []string // what the deliveries of the attempts have
	letters  []map[string]string
}

func inBubble(t *testing.T, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, disk: storetest.NewDisk(), ref: queue.Ref{Shard: queue.ShardOf("q"), Content: 1 << 40}}
		w.start()
		f(w)
		w.stop()
	})
}

func (w *world) resolve(address string) (queue.Ref, bool) {
	if address == AddressPrefix {
		return w.post.Resolve(address)
	}
	return w.ref, address == "q"
}

func (w *world) start() {
	w.Helper()
	w.store = w.disk.Open(w)
	var err error
	if w.engine, err = queue.Open(queue.Options{Store: w.store, Clock: &w.clock, Resolve: w.resolve}); err != nil {
		w.Fatal(err)
	}
	w.engine.Attach(w.ref, queue.Config{})
	w.post, err = Open(Options{
		Store: w.store, Engine: w.engine, Clock: &w.clock, Log: slog.New(slog.DiscardHandler), Meter: new(meter.Registry),
		Deliver: w.deliver, DeadLetter: w.deadLetter,
	})
	if err != nil {
		w.Fatal(err)
	}
	w.engine.Start()
	w.post.Start()
}

func (w *world) deliver(ctx context.Context, d *Delivery) ([]queue.Outgoing, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.attempts = append(w.attempts, w.clock.Now())
	w.unique = append(w.unique, d.Unique)
	if w.err != nil {
		if err := w.err(d); err != nil {
			return nil, err
		}
	}
	return []queue.Outgoing{{Address: "q", Payload: []byte(d.Payload)}}, nil
}

func (w *world) deadLetter(_ context.Context, d *Delivery, attributes map[string]string) (queue.Outgoing, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if d.DeadLetter == "closed" {
		return queue.Outgoing{}, errors.New("closed")
	}
	w.letters = append(w.letters, attributes)
	return queue.Outgoing{Address: "q", Payload: []byte("dead " + d.Payload)}, nil
}

func (w *world) stop() {
	w.Helper()
	w.post.Interrupt()
	w.post.Close()
	w.engine.Close()
	if err := w.engine.Check(); err != nil {
		w.Error(err)
	}
	storetest.Close(w, w.store)
}

func (w *world) powerCut(percent int, random *rand.Rand) {
	w.Helper()
	after := w.disk.PowerCut(percent, random)
	w.stop()
	w.disk = after
	w.start()
}

// received returns what is in the queue, and removes it.
func (w *world) received() (all []string) {
	w.Helper()
	synctest.Wait()
	for _, m := range w.leased() {
		all = append(all, string(m.Payload))
		w.ack(m)
	}
	return all
}

func (w *world) leased() (all []*queue.Delivery) {
	w.Helper()
	for {
		got, err := w.engine.Queue(w.ref.Content).Lease(context.Background(), queue.LeaseRequest{Max: 10, Visibility: time.Hour})
		if err != nil {
			w.Fatal(err)
		}
		if len(got) == 0 {
			return all
		}
		all = append(all, got...)
	}
}

func (w *world) ack(m *queue.Delivery) {
	w.Helper()
	if err := w.engine.Queue(w.ref.Content).Forward(m.Handle, nil); err != nil {
		w.Fatal(err)
	}
}

func (w *world) expect(want ...string) {
	w.Helper()
	if got := w.received(); !slices.Equal(got, want) {
		w.Errorf("received %q, want %q", got, want)
	}
}

func (w *world) put(d Delivery) {
	w.Helper()
	d.Service, d.At, d.ID = Events, w.clock.Now(), d.Payload
	if d.Source == "" {
		d.Source, d.Target = "rule", "target"
	}
	if err := w.post.Put(&d); err != nil {
		w.Fatal(err)
	}
}

func sleep(d time.Duration) { <-time.After(d); synctest.Wait() }

func TestADeliveryArrivesOnceWheneverThePowerIsCut(t *testing.T) {
	inBubble(t, func(w *world) {
		random := rand.New(rand.NewPCG(3, 4))
		w.err = func(*Delivery) error {
			if rand.IntN(3) == 0 {
				return errors.New("not now")
			}
			return nil
		}
		var want []string
		for i := range 100 {
			name := fmt.Sprintf("%03d", i)
			want = append(want, name)
			d := Delivery{Payload: name, At: w.clock.Now(), MaxRetries: 185, MaxAge: 24 * time.Hour}
			if i%2 == 0 {
				w.put(d)
			} else if err := w.post.Send(queue.Note{Key: "fired", Value: []byte(name)}, &d); err != nil {
				t.Fatal(err)
			}
			if random.IntN(4) == 0 {
				w.powerCut(random.IntN(101), random)
			}
		}
		sleep(time.Hour)
		got := w.received()
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("received %q", got)
		}
		if note, err := w.post.Note("fired"); string(note) != "099" || err != nil {
			t.Errorf("the note is %q, %v", note, err)
		}
	})
}

func TestADeliveryIsMadeWhenItIsDue(t *testing.T) {
	inBubble(t, func(w *world) {
		w.put(Delivery{Payload: "later", Due: w.clock.Now().Add(time.Minute)})
		w.put(Delivery{Payload: "now"})
		w.expect("now")
		sleep(30 * time.Second)
		w.powerCut(0, nil)
		sleep(29 * time.Second)
		w.expect()
		sleep(time.Second)
		w.expect("later")
	})
}

func TestWhatMayPassIsTriedAgainAndThenGivenUp(t *testing.T) {
	for name, c := range map[string]struct {
		d         Delivery
		attempts  int
		condition string
	}{
		"Attempts": {Delivery{MaxRetries: 5, MaxAge: time.Hour}, 6, "MaximumRetryAttempts"},
		"None":     {Delivery{MaxRetries: 0, MaxAge: time.Hour}, 1, "MaximumRetryAttempts"},
		"Age":      {Delivery{MaxRetries: 185, MaxAge: time.Minute}, 0, "MaximumEventAgeInSeconds"},
		"Due":      {Delivery{MaxRetries: 185, MaxAge: time.Minute, Due: time.Date(2000, 1, 1, 5, 0, 0, 0, time.UTC)}, 0, "MaximumEventAgeInSeconds"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.err = func(*Delivery) error {
					return &wire.Error{Code: "TooManyRequestsException", Message: "slow down", Status: 429}
				}
				c.d.Payload, c.d.DeadLetter = "x", "dlq"
				w.put(c.d)
				sleep(10 * time.Hour)
				w.expect("dead x")
				if c.attempts > 0 && len(w.attempts) != c.attempts {
					t.Errorf("there were %d attempts", len(w.attempts))
				}
				for i := 1; i < len(w.attempts); i++ {
					most := min(time.Second<<(i-1), mostWait)
					if wait := w.attempts[i].Sub(w.attempts[i-1]); wait < most/2-time.Millisecond || wait > most {
						t.Errorf("after attempt %d it waited %v", i, wait)
					}
				}
				if last := w.attempts[len(w.attempts)-1]; c.attempts == 0 && (last.Sub(w.attempts[0]) > time.Minute || last.Sub(w.attempts[0]) < 15*time.Second) {
					t.Errorf("the last attempt was at %v", last)
				}
				want := map[string]string{
					"RULE_ARN": "rule", "TARGET_ARN": "target", "ERROR_CODE": "THROTTLING", "ERROR_MESSAGE": "slow down",
					"EXHAUSTED_RETRY_CONDITION": c.condition, "RETRY_ATTEMPTS": fmt.Sprint(len(w.attempts) - 1),
				}
				if len(w.letters) != 1 || !maps.Equal(w.letters[0], want) {
					t.Errorf("the letters are %v, want %v", w.letters, want)
				}
				w.mu.Lock()
				first := slices.Compact(slices.Clone(w.unique))
				w.mu.Unlock()
				w.put(c.d)
				synctest.Wait()
				w.mu.Lock()
				defer w.mu.Unlock()
				if last := w.unique[len(w.unique)-1]; len(first) != 1 || first[0] == last {
					t.Errorf("the attempts had %q, those of another delivery %q", first, last)
				}
			})
		})
	}
}

func TestWhatWillNotPassIsGivenUpAtOnce(t *testing.T) {
	for code, err := range map[string]error{
		NoPermissions: &wire.Error{Code: wire.CodeAccessDenied, Message: "no"},
		NoResource:    &wire.Error{Code: "QueueDoesNotExist", Message: "no"},
		ClientError:   &wire.Error{Code: "InvalidParameterValue", Message: "no"},
	} {
		inBubble(t, func(w *world) {
			w.err = func(*Delivery) error { return err }
			w.put(Delivery{Payload: "x", MaxRetries: 185, MaxAge: time.Hour, DeadLetter: "dlq"})
			w.put(Delivery{Payload: "y", MaxRetries: 185, MaxAge: time.Hour, DeadLetter: "closed"})
			w.put(Delivery{Payload: "z", MaxRetries: 185, MaxAge: time.Hour})
			sleep(time.Hour)
			w.expect("dead x")
			if len(w.attempts) != 3 || len(w.letters) != 1 || w.letters[0]["ERROR_CODE"] != code || w.letters[0]["EXHAUSTED_RETRY_CONDITION"] != "" {
				t.Errorf("%s: %d attempts, letters %v", code, len(w.attempts), w.letters)
			}
		})
	}
}

func TestLettersOfSchedules(t *testing.T) {
	inBubble(t, func(w *world) {
		w.err = func(*Delivery) error { return &wire.Error{Code: "QueueDoesNotExist", Message: "no"} }
		d := &Delivery{ID: "e", Service: Scheduler, Source: "schedule", Target: "target", Payload: "x", DeadLetter: "dlq", At: w.clock.Now()}
		if err := w.post.Put(d); err != nil {
			t.Fatal(err)
		}
		w.expect("dead x")
		want := map[string]string{
			"SCHEDULE_ARN": "schedule", "TARGET_ARN": "target", "ERROR_CODE": "QueueDoesNotExist", "ERROR_MESSAGE": "no", "RETRY_ATTEMPTS": "0",
			"EXECUTION_ID": "e", "SCHEDULED_TIME": "2000-01-01T00:00:00Z", "IS_PAYLOAD_TRUNCATED": "false",
		}
		if len(w.letters) != 1 || !maps.Equal(w.letters[0], want) {
			t.Errorf("the letters are %v, want %v", w.letters, want)
		}
	})
}

func TestOverlappingDeliveries(t *testing.T) {
	for overlap, want := range map[Overlap]string{
		OverlapAllow:    "1 2 3 4 | 5",
		OverlapSkip:     "1 | 5",
		OverlapQueueOne: "1 | 2 5",
	} {
		inBubble(t, func(w *world) {
			w.put(Delivery{Payload: "other", Source: "rule 2", Target: "target", Overlap: overlap})
			w.expect("other")
			for i := range 4 { // of which only the first is worked off
				w.put(Delivery{Payload: fmt.Sprint(i + 1), Overlap: overlap})
				sleep(10 * time.Second)
				if i == 2 {
					w.powerCut(0, nil)
					sleep(2 * time.Second)
				}
			}
			got := []string{}
			for range 2 {
				synctest.Wait()
				for _, m := range w.leased() {
					got = append(got, string(m.Payload))
					w.ack(m)
				}
				if len(got) > 0 && got[len(got)-1] != "5" {
					got = append(got, "|")
				}
				sleep(5 * time.Second)
				if overlap == OverlapQueueOne {
					for _, m := range w.leased() { // the one that had to wait
						got = append(got, string(m.Payload))
						w.ack(m)
					}
				}
				w.put(Delivery{Payload: "5", Overlap: overlap})
			}
			if text := strings.Join(got, " "); !strings.HasPrefix(text, want) {
				t.Errorf("%q: received %q, want %q", overlap, text, want)
			}
			synctest.Wait()
			if err := w.post.Forget("rule"); err != nil {
				t.Error(err)
			}
			if last, err := w.post.lastRun(&Delivery{Source: "rule"}); last.Name != "" || err != nil {
				t.Errorf("a run that was forgotten is %v, %v", last, err)
			}
		})
	}
}

func TestWhatTargetsDoThemselvesDoesNotOverlapEither(t *testing.T) {
	inBubble(t, func(w *world) {
		running := make(chan struct{})
		var ran []string
		w.post.options.Deliver = func(_ context.Context, d *Delivery) ([]queue.Outgoing, error) {
			ran = append(ran, d.Payload)
			<-running
			return nil, nil
		}
		for _, payload := range []string{"a", "b", "c"} {
			overlap := OverlapQueueOne
			if payload == "c" {
				overlap = OverlapSkip
			}
			w.put(Delivery{Payload: payload, Overlap: overlap})
			sleep(3 * time.Second)
		}
		close(running)
		sleep(3 * time.Second)
		if !slices.Equal(ran, []string{"a", "b"}) {
			t.Errorf("ran %q", ran)
		}
	})
}
