package events

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"naru/internal/clock"
	"naru/internal/meter"
	"naru/internal/policy"
	"naru/internal/queue"
	"naru/internal/store"
	"naru/internal/store/storetest"
	"naru/internal/wire"
)

// A world is an EventBridge with one queue as target, on a disk whose power
// can be cut.
type world struct {
	*testing.T
	disk    *storetest.Disk
	store   *store.Store
	clock   *clock.Clock
	engine  *queue.Engine
	service *Service
	ref     queue.Ref
	denied  atomic.Bool // the target may not be used
}

const (
	account, region = "000000000000", "us-east-1"
	target          = "arn:aws:sqs:us-east-1:000000000000:q"
)

func inBubble(t *testing.T, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, disk: storetest.NewDisk(), clock: new(clock.Clock)}
		w.ref = queue.Ref{Shard: queue.ShardOf("q"), Content: 1 << 40}
		w.start()
		f(w)
		w.stop()
	})
}

func (w *world) start() {
	w.Helper()
	w.store = w.disk.Open(w)
	var err error
	w.engine, err = queue.Open(queue.Options{Store: w.store, Clock: w.clock, Resolve: func(string) (queue.Ref, bool) { return w.ref, true }})
	if err != nil {
		w.Fatal(err)
	}
	w.engine.Attach(w.ref, queue.Config{})
	w.service, err = Open(Options{
		Store: w.store, Engine: w.engine, Clock: w.clock, Log: slog.New(slog.DiscardHandler), Meter: new(meter.Registry),
		Address: func(_ context.Context, d Delivery) (queue.Outgoing, error) {
			if w.denied.Load() {
				return queue.Outgoing{}, errors.New("no permission")
			}
			return queue.Outgoing{Address: "q", Payload: d.Payload}, nil
		},
	})
	if err == nil {
		w.engine.Start()
		err = w.service.Start()
	}
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) stop() {
	w.Helper()
	w.service.Close()
	w.engine.Close()
	if err := w.engine.Check(); err != nil {
		w.Error(err)
	}
	storetest.Close(w, w.store)
}

func (w *world) powerCut() {
	w.Helper()
	after := w.disk.PowerCut(0, nil)
	w.stop()
	w.disk = after
	w.start()
}

// received returns the events that have come since it was last asked.
func (w *world) received() (all []scheduledEvent) {
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
		for _, d := range got {
			var e scheduledEvent
			if err := json.Unmarshal(d.Payload, &e); err != nil {
				w.Fatalf("%s: %v", d.Payload, err)
			}
			all = append(all, e)
			if _, err := w.engine.Queue(w.ref.Content).Ack(d.Handle); err != nil {
				w.Fatal(err)
			}
		}
	}
}

func call() context.Context {
	return wire.WithCall(context.Background(), &wire.Call{
		Service: "events", Region: region, Caller: policy.Principal{Kind: policy.Root, Account: account},
	})
}

func ptr[T any](v T) *T { return &v }

func (w *world) rule(name, expression string) {
	w.Helper()
	if _, err := w.service.PutRule(call(), &PutRuleInput{Name: &name, ScheduleExpression: &expression}); err != nil {
		w.Fatal(err)
	}
	_, err := w.service.PutTargets(call(), &PutTargetsInput{Rule: &name, Targets: []Target{{Id: ptr("t"), Arn: ptr(target)}}})
	if err != nil {
		w.Fatal(err)
	}
}

func sleep(d time.Duration) { <-time.After(d); synctest.Wait() }

func times(events []scheduledEvent) (all []string) {
	for _, e := range events {
		all = append(all, e.Time)
	}
	return all
}

func TestARateFiresOncePerPeriodCountedFromWhenTheRuleWasMade(t *testing.T) {
	inBubble(t, func(w *world) {
		w.rule("r", "rate(1 minute)")
		sleep(3*time.Minute + 30*time.Second)
		got := w.received()
		if want := []string{"2000-01-01T00:01:00Z", "2000-01-01T00:02:00Z", "2000-01-01T00:03:00Z"}; !slices.Equal(times(got), want) {
			t.Fatalf("fired at %q", times(got))
		}
		e := got[0]
		id := e.ID
		e.ID = ""
		text, _ := json.Marshal(e)
		want := `{"version":"0","id":"","detail-type":"Scheduled Event","source":"aws.events","account":"000000000000","time":"2000-01-01T00:01:00Z",` +
			`"region":"us-east-1","resources":["arn:aws:events:us-east-1:000000000000:rule/r"],"detail":{}}`
		if string(text) != want || len(id) != 36 || got[1].ID == id {
			t.Errorf("the event is %s, its id %q", text, id)
		}
	})
}

func TestCronFiresAtItsTimes(t *testing.T) {
	inBubble(t, func(w *world) {
		w.rule("r", "cron(0 12 ? * MON-FRI *)") // 2000-01-01 was a Saturday
		sleep(5 * 24 * time.Hour)
		if got, want := times(w.received()), []string{"2000-01-03T12:00:00Z", "2000-01-04T12:00:00Z", "2000-01-05T12:00:00Z"}; !slices.Equal(got, want) {
			t.Errorf("fired at %q, want %q", got, want)
		}
	})
}

func TestAcrossPowerCutsNoTimeIsMissedOrDoubled(t *testing.T) {
	inBubble(t, func(w *world) {
		w.rule("r", "rate(5 minutes)")
		var got []string
		for range 40 {
			sleep(97 * time.Second)
			w.powerCut()
			got = append(got, times(w.received())...)
		}
		for i, at := range got {
			if want := time.Date(2000, 1, 1, 0, 5*(i+1), 0, 0, time.UTC).Format(time.RFC3339); at != want {
				t.Fatalf("firing %d was at %s, not %s: %q", i, at, want, got)
			}
		}
		if len(got) < 12 {
			t.Errorf("fired %d times in more than an hour", len(got))
		}
	})
}

func TestWhatWasMissedWhileDownIsNotCaughtUp(t *testing.T) {
	inBubble(t, func(w *world) {
		w.rule("r", "rate(1 minute)")
		sleep(90 * time.Second)
		w.received()
		w.service.Close()
		sleep(time.Hour)
		w.powerCut()
		got := times(w.received())
		if len(got) > 1 {
			t.Errorf("caught up on %q", got)
		}
		sleep(2 * time.Minute)
		if got := w.received(); len(got) != 2 {
			t.Errorf("afterwards it fired at %q", times(got))
		}
	})
}

func TestADisabledRuleDoesNotFire(t *testing.T) {
	inBubble(t, func(w *world) {
		w.rule("r", "rate(1 minute)")
		if _, err := w.service.DisableRule(call(), &DisableRuleInput{Name: ptr("r")}); err != nil {
			t.Fatal(err)
		}
		sleep(10 * time.Minute)
		if got := w.received(); got != nil {
			t.Errorf("fired at %q", times(got))
		}
		sleep(30 * time.Second)
		if _, err := w.service.EnableRule(call(), &EnableRuleInput{Name: ptr("r")}); err != nil {
			t.Fatal(err)
		}
		sleep(2 * time.Minute)
		if got, want := times(w.received()), []string{"2000-01-01T00:11:30Z", "2000-01-01T00:12:30Z"}; !slices.Equal(got, want) {
			t.Errorf("enabled again it fired at %q, want %q", got, want)
		}
	})
}

func TestAClockThatIsMovedForwardFiresOnceForTheLastTime(t *testing.T) {
	inBubble(t, func(w *world) {
		w.rule("r", "rate(1 minute)")
		w.clock.Advance(10*time.Minute + 5*time.Second)
		if got, want := times(w.received()), []string{"2000-01-01T00:10:00Z"}; !slices.Equal(got, want) {
			t.Errorf("fired at %q, want %q", got, want)
		}
	})
}

func TestATargetThatRefusesGetsNothingAndTheRuleGoesOn(t *testing.T) {
	inBubble(t, func(w *world) {
		w.rule("r", "rate(1 minute)")
		w.denied.Store(true)
		sleep(90 * time.Second)
		w.denied.Store(false)
		sleep(time.Minute)
		if got, want := times(w.received()), []string{"2000-01-01T00:02:00Z"}; !slices.Equal(got, want) {
			t.Errorf("fired at %q, want %q", got, want)
		}
	})
}

func TestRulesAndTargets(t *testing.T) {
	inBubble(t, func(w *world) {
		s := w.service
		w.rule("a", "rate(1 hour)")
		w.rule("b", "cron(0 1 * * ? *)")
		if got, err := s.ListRules(call(), &ListRulesInput{Limit: ptr(int32(1))}); err != nil || len(got.Rules) != 1 || got.Rules[0].Name != "a" || got.NextToken == nil {
			t.Errorf("first page: %+v, %v", got, err)
		} else if got, err = s.ListRules(call(), &ListRulesInput{NextToken: got.NextToken}); err != nil || len(got.Rules) != 1 || got.Rules[0].Name != "b" {
			t.Errorf("second page: %+v, %v", got, err)
		}
		if _, err := s.DeleteRule(call(), &DeleteRuleInput{Name: ptr("a")}); err == nil || !strings.Contains(err.Error(), "Rule can't be deleted since it has targets.") {
			t.Errorf("with targets: %v", err)
		}
		w.powerCut()
		s = w.service
		if got, err := s.ListTargetsByRule(call(), &ListTargetsByRuleInput{Rule: ptr("a")}); err != nil || len(got.Targets) != 1 || *got.Targets[0].Arn != target {
			t.Errorf("targets: %+v, %v", got, err)
		}
		if _, err := s.RemoveTargets(call(), &RemoveTargetsInput{Rule: ptr("a"), Ids: []string{"t", "other"}}); err != nil {
			t.Error(err)
		}
		for range 2 { // one that is not there is as good as deleted
			if _, err := s.DeleteRule(call(), &DeleteRuleInput{Name: ptr("a")}); err != nil {
				t.Error(err)
			}
		}
		if _, err := s.DescribeRule(call(), &DescribeRuleInput{Name: ptr("a")}); err == nil || !strings.Contains(err.Error(), "Rule a does not exist on EventBus default.") {
			t.Errorf("described: %v", err)
		}
		sleep(2 * time.Hour)
		if got := w.received(); len(got) != 1 { // b's at 1:00
			t.Errorf("fired at %q", times(got))
		}
	})
}

func TestBadRulesAndTargetsAreRefused(t *testing.T) {
	inBubble(t, func(w *world) {
		w.rule("r", "rate(1 hour)")
		for name, in := range map[string]PutRuleInput{
			"no name":      {ScheduleExpression: ptr("rate(1 hour)")},
			"bad name":     {Name: ptr("a b"), ScheduleExpression: ptr("rate(1 hour)")},
			"no schedule":  {Name: ptr("x")},
			"bad schedule": {Name: ptr("x"), ScheduleExpression: ptr("rate(1 hours)")},
			"bad state":    {Name: ptr("x"), ScheduleExpression: ptr("rate(1 hour)"), State: ptr("ON")},
			"other bus":    {Name: ptr("x"), ScheduleExpression: ptr("rate(1 hour)"), EventBusName: ptr("mine")},
		} {
			var e *wire.Error
			if _, err := w.service.PutRule(call(), &in); !errors.As(err, &e) {
				t.Errorf("%s: %v", name, err)
			}
		}
		for name, bad := range map[string]Target{
			"no arn":     {Id: ptr("x")},
			"bad id":     {Id: ptr("x y"), Arn: ptr(target)},
			"two inputs": {Id: ptr("x"), Arn: ptr(target), Input: ptr("1"), InputPath: ptr("$")},
			"elsewhere":  {Id: ptr("x"), Arn: ptr("arn:aws:sns:us-east-1:000000000000:topic")},
		} {
			var e *wire.Error
			if _, err := w.service.PutTargets(call(), &PutTargetsInput{Rule: ptr("r"), Targets: []Target{bad}}); !errors.As(err, &e) {
				t.Errorf("%s: %v", name, err)
			}
		}
		var many []Target
		for i := range maxTargets + 1 {
			many = append(many, Target{Id: ptr(string(rune('a' + i))), Arn: ptr(target)})
		}
		_, err := w.service.PutTargets(call(), &PutTargetsInput{Rule: ptr("r"), Targets: many})
		if err == nil || !strings.Contains(err.Error(), "The requested resource exceeds the maximum number allowed.") {
			t.Errorf("six targets: %v", err)
		}
	})
}
