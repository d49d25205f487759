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
	"naru/internal/delivery"
	"naru/internal/meter"
	"naru/internal/policy"
	"naru/internal/queue"
	"naru/internal/store"
	"naru/internal/store/storetest"
	"naru/internal/wire"
)

// A world is an EventBridge with one queue as the target of everything, on a
// disk whose power can be cut.
type world struct {
	*testing.T
	disk    *storetest.Disk
	store   *store.Store
	clock   *clock.Clock
	engine  *queue.Engine
	post    *delivery.Post
	service *Service
	ref     queue.Ref
	denied  atomic.Bool // the target may not be used
	last    atomic.Pointer[delivery.Delivery]
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

func (w *world) resolve(address string) (queue.Ref, bool) {
	if address == delivery.AddressPrefix {
		return w.post.Resolve(address)
	}
	return w.ref, true
}

func (w *world) start() {
	w.Helper()
	w.store = w.disk.Open(w)
	var err error
	if w.engine, err = queue.Open(queue.Options{Store: w.store, Clock: w.clock, Resolve: w.resolve}); err != nil {
		w.Fatal(err)
	}
	w.engine.Attach(w.ref, queue.Config{})
	log := slog.New(slog.DiscardHandler)
	w.post, err = delivery.Open(delivery.Options{Store: w.store, Engine: w.engine, Clock: w.clock, Log: log, Meter: new(meter.Registry), Deliver: w.deliver})
	if err != nil {
		w.Fatal(err)
	}
	w.service, err = Open(Options{Store: w.store, Post: w.post, Clock: w.clock, Log: log, Meter: new(meter.Registry)})
	if err == nil {
		w.engine.Start()
		w.post.Start()
		err = w.service.Start()
	}
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) deliver(_ context.Context, d *delivery.Delivery) ([]queue.Outgoing, error) {
	if w.denied.Load() {
		return nil, &delivery.Failure{Code: delivery.NoPermissions}
	}
	w.last.Store(d)
	if bus, ok := strings.CutPrefix(d.Target, "arn:aws:events:us-east-1:000000000000:event-bus/"); ok {
		return w.service.Forward(account, region, bus, d.ID, d.Payload, d.Hops+1)
	}
	return []queue.Outgoing{{Address: "q", Payload: []byte(d.Payload)}}, nil
}

func (w *world) stop() {
	w.Helper()
	w.service.Close()
	w.post.Close()
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

// sent returns what has been sent to the target since it was last asked.
func (w *world) sent() (all []string) {
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
			all = append(all, string(d.Payload))
			if err := w.engine.Queue(w.ref.Content).Forward(d.Handle, nil); err != nil {
				w.Fatal(err)
			}
		}
	}
}

// received returns what has been sent as events.
func (w *world) received() (all []envelope) {
	w.Helper()
	for _, text := range w.sent() {
		var e envelope
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			w.Fatalf("%s: %v", text, err)
		}
		all = append(all, e)
	}
	return all
}

func call() context.Context {
	return wire.WithCall(context.Background(), &wire.Call{
		Service: "events", Region: region, Caller: policy.Principal{Kind: policy.Root, Account: account},
	})
}

func ptr[T any](v T) *T { return &v }

func (w *world) must(_ any, err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// refused wants an error of AWS's.
func (w *world) refused(err error, code, message string) {
	w.Helper()
	var e *wire.Error
	if !errors.As(err, &e) || e.Code != code || e.Message != message {
		w.Errorf("got %v, want %s: %s", err, code, message)
	}
}

func (w *world) rule(name, expression string) {
	w.Helper()
	w.must(w.service.PutRule(call(), &PutRuleInput{Name: &name, ScheduleExpression: &expression}))
	w.target(name, nil, Target{Id: ptr("t"), Arn: ptr(target)})
}

// on makes a rule with a pattern on a bus, with targets.
func (w *world) on(bus *string, name, pattern string, targets ...Target) {
	w.Helper()
	w.must(w.service.PutRule(call(), &PutRuleInput{Name: &name, EventBusName: bus, EventPattern: &pattern}))
	w.target(name, bus, targets...)
}

func (w *world) target(rule string, bus *string, targets ...Target) {
	w.Helper()
	w.must(w.service.PutTargets(call(), &PutTargetsInput{Rule: &rule, EventBusName: bus, Targets: targets}))
}

func sleep(d time.Duration) { <-time.After(d); synctest.Wait() }

func times(events []envelope) (all []string) {
	for _, e := range events {
		all = append(all, e.Time)
	}
	return all
}

func TestARateFiresOncePerPeriodCountedFromWhenTheRuleWasMade(t *testing.T) {
	inBubble(t, func(w *world) {
		w.rule("r", "rate(1 minute)")
		sleep(3*time.Minute + 30*time.Second)
		got := w.sent()
		if len(got) != 3 {
			t.Fatalf("sent %q", got)
		}
		var e envelope
		if err := json.Unmarshal([]byte(got[0]), &e); err != nil || len(e.ID) != 36 || strings.Contains(got[1], e.ID) {
			t.Errorf("%v: %q", err, got)
		}
		want := `{"version":"0","id":"` + e.ID + `","detail-type":"Scheduled Event","source":"aws.events","account":"000000000000","time":"2000-01-01T00:01:00Z",` +
			`"region":"us-east-1","resources":["arn:aws:events:us-east-1:000000000000:rule/r"],"detail":{}}`
		if got[0] != want {
			t.Errorf("sent %s, want %s", got[0], want)
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
		sleep(1_234_567) // times are not only whole milliseconds
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

func TestADisabledRuleDoesNotFire(t *testing.T) {
	inBubble(t, func(w *world) {
		w.rule("r", "rate(1 minute)")
		w.must(w.service.DisableRule(call(), &DisableRuleInput{Name: ptr("r")}))
		sleep(10 * time.Minute)
		if got := w.sent(); got != nil {
			t.Errorf("sent %q", got)
		}
		sleep(30 * time.Second)
		w.must(w.service.EnableRule(call(), &EnableRuleInput{Name: ptr("r")}))
		sleep(2 * time.Minute)
		if got, want := times(w.received()), []string{"2000-01-01T00:11:30Z", "2000-01-01T00:12:30Z"}; !slices.Equal(got, want) {
			t.Errorf("enabled again it fired at %q, want %q", got, want)
		}
	})
}

func TestARuleThatLosesItsScheduleDoesNotFire(t *testing.T) {
	inBubble(t, func(w *world) {
		w.rule("r", "rate(1 minute)")
		w.must(w.service.PutRule(call(), &PutRuleInput{Name: ptr("r"), EventPattern: ptr(`{"source": ["x"]}`)}))
		sleep(10 * time.Minute)
		w.powerCut()
		sleep(10 * time.Minute)
		if got := w.sent(); got != nil {
			t.Errorf("sent %q", got)
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

func TestTagsOfARuleGiveItsFiringsOptions(t *testing.T) {
	inBubble(t, func(w *world) {
		w.must(w.service.PutRule(call(), &PutRuleInput{Name: ptr("r"), ScheduleExpression: ptr("rate(1 hour)"), Tags: []Tag{{"naru:catch-up", "24h"}}}))
		w.target("r", nil, Target{Id: ptr("t"), Arn: ptr(target)})
		arn := "arn:aws:events:us-east-1:000000000000:rule/r"
		w.must(w.service.TagResource(call(), &TagResourceInput{ResourceARN: &arn, Tags: []Tag{{"naru:jitter", "30m"}}}))
		w.service.Close()
		sleep(3*time.Hour + time.Minute)
		w.powerCut()
		sleep(90 * time.Minute)
		if got := times(w.received()); len(got) != 4 || got[0] != "2000-01-01T01:00:00Z" || got[3] != "2000-01-01T04:00:00Z" {
			t.Errorf("fired for %q", got)
		}
		if offset := w.last.Load().Due.Sub(time.Date(2000, 1, 1, 4, 0, 0, 0, time.UTC)); offset <= 0 || offset >= 30*time.Minute {
			t.Errorf("the last was due %v later", offset)
		}
		w.must(w.service.TagResource(call(), &TagResourceInput{ResourceARN: &arn, Tags: []Tag{{"naru:overlap", "skip"}}}))
		sleep(3 * time.Hour)
		if got := w.sent(); len(got) != 1 {
			t.Errorf("while the first was still there %d were sent", len(got))
		}
		_, err := w.service.TagResource(call(), &TagResourceInput{ResourceARN: &arn, Tags: []Tag{{"naru:jitter", "soon"}}})
		w.refused(err, "ValidationException", `the tag naru:jitter is "soon", which is no duration from 1s to 24h0m0s, such as 90s, 15m or 6h.`)
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
		if got, err := s.ListRuleNamesByTarget(call(), &ListRuleNamesByTargetInput{TargetArn: ptr(target)}); err != nil || !slices.Equal(got.RuleNames, []string{"a", "b"}) {
			t.Errorf("by target: %+v, %v", got, err)
		}
		_, err := s.DeleteRule(call(), &DeleteRuleInput{Name: ptr("a")})
		w.refused(err, "ValidationException", "Rule can't be deleted since it has targets.")
		w.powerCut()
		s = w.service
		if got, err := s.ListTargetsByRule(call(), &ListTargetsByRuleInput{Rule: ptr("a")}); err != nil || len(got.Targets) != 1 || *got.Targets[0].Arn != target {
			t.Errorf("targets: %+v, %v", got, err)
		}
		w.must(s.RemoveTargets(call(), &RemoveTargetsInput{Rule: ptr("a"), Ids: []string{"t", "other"}}))
		for range 2 { // one that is not there is as good as deleted
			w.must(s.DeleteRule(call(), &DeleteRuleInput{Name: ptr("a")}))
		}
		_, err = s.DescribeRule(call(), &DescribeRuleInput{Name: ptr("a")})
		w.refused(err, "ResourceNotFoundException", "Rule a does not exist on EventBus default.")
		sleep(2 * time.Hour)
		if got := w.received(); len(got) != 1 { // b's at 1:00
			t.Errorf("fired at %q", times(got))
		}
	})
}

func TestBadRulesAndTargetsAreRefused(t *testing.T) {
	inBubble(t, func(w *world) {
		w.rule("r", "rate(1 hour)")
		hourly := ptr("rate(1 hour)")
		for name, in := range map[string]PutRuleInput{
			"no name":      {ScheduleExpression: hourly},
			"bad name":     {Name: ptr("a b"), ScheduleExpression: hourly},
			"nothing":      {Name: ptr("x")},
			"bad schedule": {Name: ptr("x"), ScheduleExpression: ptr("rate(1 hours)")},
			"bad pattern":  {Name: ptr("x"), EventPattern: ptr(`{"a": 1}`)},
			"long pattern": {Name: ptr("x"), EventPattern: ptr(`{"a": ["` + strings.Repeat("x", 4096) + `"]}`)},
			"bad state":    {Name: ptr("x"), ScheduleExpression: hourly, State: ptr("ON")},
			"other bus":    {Name: ptr("x"), EventPattern: ptr(`{"a": [1]}`), EventBusName: ptr("mine")},
			"bad tag":      {Name: ptr("x"), ScheduleExpression: hourly, Tags: []Tag{{"aws:x", "y"}}},
		} {
			var e *wire.Error
			if _, err := w.service.PutRule(call(), &in); !errors.As(err, &e) {
				t.Errorf("%s: %v", name, err)
			}
		}
		_, err := w.service.PutRule(call(), &PutRuleInput{Name: ptr("x"), EventPattern: ptr(`{"a": 1}`)})
		w.refused(err, "InvalidEventPatternException", "Event pattern is not valid. Reason: \"a\" must be an object or an array\n at [Source: (String)\"{\"a\": 1}\"; line: 1, column: 8]")
		for name, bad := range map[string]Target{
			"no arn":           {Id: ptr("x")},
			"bad id":           {Id: ptr("x y"), Arn: ptr(target)},
			"long id":          {Id: ptr(strings.Repeat("x", 65)), Arn: ptr(target)},
			"two inputs":       {Id: ptr("x"), Arn: ptr(target), Input: ptr("1"), InputPath: ptr("$")},
			"bad input":        {Id: ptr("x"), Arn: ptr(target), Input: ptr("{")},
			"bad path":         {Id: ptr("x"), Arn: ptr(target), InputPath: ptr("detail")},
			"no template":      {Id: ptr("x"), Arn: ptr(target), InputTransformer: &InputTransformer{}},
			"reserved":         {Id: ptr("x"), Arn: ptr(target), InputTransformer: &InputTransformer{InputTemplate: ptr("1"), InputPathsMap: map[string]string{"aws.x": "$"}}},
			"bad paths":        {Id: ptr("x"), Arn: ptr(target), InputTransformer: &InputTransformer{InputTemplate: ptr("1"), InputPathsMap: map[string]string{"x": "y"}}},
			"too young":        {Id: ptr("x"), Arn: ptr(target), RetryPolicy: &RetryPolicy{MaximumEventAgeInSeconds: ptr(int32(59))}},
			"too often":        {Id: ptr("x"), Arn: ptr(target), RetryPolicy: &RetryPolicy{MaximumRetryAttempts: ptr(int32(186))}},
			"FIFO dead-letter": {Id: ptr("x"), Arn: ptr(target), DeadLetterConfig: &DeadLetterConfig{ptr(target + ".fifo")}},
			"FIFO no group":    {Id: ptr("x"), Arn: ptr(target + ".fifo")},
			"elsewhere":        {Id: ptr("x"), Arn: ptr("arn:aws:sns:us-east-1:000000000000:topic")},
			"a rule":           {Id: ptr("x"), Arn: ptr("arn:aws:events:us-east-1:000000000000:rule/r")},
		} {
			var e *wire.Error
			if _, err := w.service.PutTargets(call(), &PutTargetsInput{Rule: ptr("r"), Targets: []Target{bad}}); !errors.As(err, &e) {
				t.Errorf("%s: %v", name, err)
			}
		}
		_, err = w.service.PutTargets(call(), &PutTargetsInput{Rule: ptr("r"), Targets: []Target{
			{Id: ptr("x"), Arn: ptr(target), InputTransformer: &InputTransformer{InputTemplate: ptr(`"<a> <notdefinedkey>"`), InputPathsMap: map[string]string{"a": "$.detail"}}},
		}})
		w.refused(err, "ValidationException", "InputTemplate for target x contains invalid placeholder notdefinedkey.")
		var many []Target
		for i := range maxTargets + 1 {
			many = append(many, Target{Id: ptr(string(rune('a' + i))), Arn: ptr(target)})
		}
		_, err = w.service.PutTargets(call(), &PutTargetsInput{Rule: ptr("r"), Targets: many})
		w.refused(err, "LimitExceededException", "The requested resource exceeds the maximum number allowed.")
	})
}
