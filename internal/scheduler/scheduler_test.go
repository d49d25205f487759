package scheduler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
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

// A world is an EventBridge Scheduler with one queue as the target of
// everything, on a disk whose power can be cut.
type world struct {
	*testing.T
	disk    *storetest.Disk
	store   *store.Store
	clock   clock.Clock
	engine  *queue.Engine
	post    *delivery.Post
	service *Service
	ref     queue.Ref

	mu   sync.Mutex
	made []delivery.Delivery
}

const (
	account, region = "000000000000", "us-east-1"
	target          = "arn:aws:sqs:us-east-1:000000000000:q"
	role            = "arn:aws:iam::000000000000:role/r"
)

func inBubble(t *testing.T, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, disk: storetest.NewDisk(), ref: queue.Ref{Shard: queue.ShardOf("q"), Content: 1 << 40}}
		w.start()
		f(w)
		w.stop()
	})
}

func (w *world) start() {
	w.Helper()
	w.store = w.disk.Open(w)
	resolve := func(address string) (queue.Ref, bool) {
		if address == delivery.AddressPrefix {
			return w.post.Resolve(address)
		}
		return w.ref, true
	}
	var err error
	if w.engine, err = queue.Open(queue.Options{Store: w.store, Clock: &w.clock, Resolve: resolve}); err != nil {
		w.Fatal(err)
	}
	w.engine.Attach(w.ref, queue.Config{})
	log := slog.New(slog.DiscardHandler)
	w.post, err = delivery.Open(delivery.Options{
		Store: w.store, Engine: w.engine, Clock: &w.clock, Log: log, Meter: new(meter.Registry),
		Deliver: func(_ context.Context, d *delivery.Delivery) ([]queue.Outgoing, error) {
			w.mu.Lock()
			w.made = append(w.made, *d)
			w.mu.Unlock()
			return []queue.Outgoing{{Address: "q", Payload: []byte(d.Payload)}}, nil
		},
	})
	if err != nil {
		w.Fatal(err)
	}
	w.service, err = Open(Options{
		Store: w.store, Post: w.post, Clock: &w.clock, Log: log, Meter: new(meter.Registry),
		Assume: func(r string) error {
			if r == role {
				return nil
			}
			return errors.New("no")
		},
		Universal: func(service, action string) bool { return service == "sqs" && !strings.HasPrefix(action, "fly") },
	})
	if err == nil {
		w.engine.Start()
		w.post.Start()
		err = w.service.Start()
	}
	if err != nil {
		w.Fatal(err)
	}
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

// deliveries returns what has been sent since it was last asked.
func (w *world) deliveries() []delivery.Delivery {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	made := w.made
	w.made = nil
	return made
}

// fired returns the times for which something has been sent since it was last
// asked, and of each what.
func (w *world) fired() (at, payloads []string) {
	w.Helper()
	made := w.deliveries()
	slices.SortFunc(made, func(a, b delivery.Delivery) int { return a.At.Compare(b.At) })
	for _, d := range made {
		at, payloads = append(at, d.At.UTC().Format("2006-01-02T15:04")), append(payloads, d.Payload)
	}
	return at, payloads
}

func (w *world) expect(want ...string) {
	w.Helper()
	if got, _ := w.fired(); !slices.Equal(got, want) {
		w.Errorf("fired at %q, want %q", got, want)
	}
}

func call() context.Context {
	return wire.WithCall(context.Background(), &wire.Call{
		Service: "scheduler", Region: region, Caller: policy.Principal{Kind: policy.Root, Account: account},
	})
}

func ptr[T any](v T) *T { return &v }

func (w *world) must(_ any, err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) refused(err error, code, message string) {
	w.Helper()
	var e *wire.Error
	if !errors.As(err, &e) || e.Code != code || e.Message != message {
		w.Errorf("got %v, want %s: %s", err, code, message)
	}
}

// input returns what makes a schedule of an expression.
func input(name, expression string) *CreateScheduleInput {
	return &CreateScheduleInput{
		Name: name, ScheduleExpression: &expression, FlexibleTimeWindow: &FlexibleTimeWindow{Mode: ptr(off)},
		Target: &Target{Arn: ptr(target), RoleArn: ptr(role), Input: ptr("x")},
	}
}

func (w *world) create(in *CreateScheduleInput) {
	w.Helper()
	w.must(w.service.CreateSchedule(call(), in))
}

func sleep(d time.Duration) { <-time.After(d); synctest.Wait() }

func date(text string) *time.Time {
	at, err := time.Parse("2006-01-02T15:04", text)
	if err != nil {
		panic(err)
	}
	return &at
}

func TestARateFiresAtOnceAndFromItsStart(t *testing.T) {
	inBubble(t, func(w *world) {
		w.create(input("now", "rate(10 minutes)"))
		sleep(25 * time.Minute)
		w.powerCut()
		sleep(5 * time.Minute)
		w.expect("2000-01-01T00:00", "2000-01-01T00:10", "2000-01-01T00:20", "2000-01-01T00:30")
		w.must(w.service.DeleteSchedule(call(), &DeleteScheduleInput{Name: "now"}))
		in := input("later", "rate(1 hour)")
		in.StartDate, in.EndDate = date("2000-01-01T03:00"), date("2000-01-01T05:00")
		w.create(in)
		in = input("earlier", "rate(1 hour)") // counted from a start that has passed
		in.StartDate = date("2000-01-01T00:15")
		in.GroupName = ptr(defaultGroup)
		in.EndDate = date("2000-01-01T02:00")
		w.create(in)
		sleep(24 * time.Hour)
		w.expect("2000-01-01T01:15", "2000-01-01T03:00", "2000-01-01T04:00", "2000-01-01T05:00")
	})
}

// In Berlin clocks go forward on 26 March 2000 at 2:00 and back on 29 October
// at 3:00; in New York on 2 April at 2:00 and 29 October at 2:00; in Lord Howe
// forward on 27 August at 2:00, by half an hour.
func TestCronFiresByTheClocksOfItsZone(t *testing.T) {
	for _, c := range []struct {
		zone, expression, from string
		days                   int
		want                   string
	}{
		{"UTC", "cron(30 2 * * ? *)", "2000-03-25T12:00", 2, "03-26T02:30 03-27T02:30"},
		{"Europe/Berlin", "cron(30 2 * * ? *)", "2000-03-24T12:00", 4, "03-25T01:30 03-27T00:30 03-28T00:30"},              // none on the 26th
		{"Europe/Berlin", "cron(30 2 * * ? *)", "2000-10-27T12:00", 3, "10-28T00:30 10-29T00:30 10-30T01:30"},              // once on the 29th
		{"Europe/Berlin", "cron(0 */6 * * ? *)", "2000-03-25T20:00", 1, "03-25T23:00 03-26T04:00 03-26T10:00 03-26T16:00"}, // 0, 6, 12, 18 there
		{"America/New_York", "cron(0 2 ? * SUN *)", "2000-03-27T00:00", 14, "04-09T06:00"},                                 // none on the 2nd
		{"America/New_York", "cron(15 1 * * ? *)", "2000-10-28T12:00", 2, "10-29T05:15 10-30T06:15"},                       // once on the 29th
		{"Australia/Lord_Howe", "cron(15 2 * * ? *)", "2000-08-25T00:00", 3, "08-25T15:45 08-27T15:15"},                    // none on the 27th
		{"Asia/Kolkata", "cron(0 0 1 * ? *)", "2000-03-20T00:00", 20, "03-31T18:30"},
	} {
		t.Run(c.zone+" "+c.expression, func(t *testing.T) {
			inBubble(t, func(w *world) {
				sleep(time.Until(*date(c.from)))
				in := input("s", c.expression)
				in.ScheduleExpressionTimezone = &c.zone
				w.create(in)
				sleep(time.Duration(c.days) * 24 * time.Hour)
				got, _ := w.fired()
				if text := strings.ReplaceAll(strings.Join(got, " "), "2000-", ""); text != c.want {
					t.Errorf("fired at %s, want %s", text, c.want)
				}
			})
		})
	}
}

func TestWhatFiresOnceIsKeptOrDeleted(t *testing.T) {
	inBubble(t, func(w *world) {
		for name, action := range map[string]string{"kept": keep, "deleted": remove} {
			in := input(name, "at(2000-01-01T12:00:00)")
			in.ActionAfterCompletion, in.ScheduleExpressionTimezone = &action, ptr("Asia/Tokyo")
			in.EndDate = date("2000-01-01T01:00") // which is of no interest
			w.create(in)
		}
		sleep(3*time.Hour - time.Second)
		w.expect()
		w.powerCut()
		sleep(2 * time.Second)
		w.expect("2000-01-01T03:00", "2000-01-01T03:00")
		w.must(w.service.GetSchedule(call(), &GetScheduleInput{Name: "kept"}))
		_, err := w.service.GetSchedule(call(), &GetScheduleInput{Name: "deleted"})
		w.refused(err, "ResourceNotFoundException", "Schedule deleted does not exist.")
		in := input("past", "at(1999-12-31T23:00:00)")
		in.ActionAfterCompletion = ptr(remove)
		w.create(in)
		w.powerCut()
		sleep(24 * time.Hour)
		w.expect()
		w.must(w.service.GetSchedule(call(), &GetScheduleInput{Name: "past"})) // it never fired
	})
}

func TestAScheduleIsDeletedAfterItsEnd(t *testing.T) {
	inBubble(t, func(w *world) {
		in := input("s", "rate(1 hour)")
		in.EndDate, in.ActionAfterCompletion = date("2000-01-01T01:30"), ptr(remove)
		w.create(in)
		sleep(59 * time.Minute)
		w.must(w.service.GetSchedule(call(), &GetScheduleInput{Name: "s"}))
		sleep(2 * time.Minute)
		w.expect("2000-01-01T00:00", "2000-01-01T01:00")
		if out, err := w.service.ListSchedules(call(), &ListSchedulesInput{}); err != nil || len(out.Schedules) != 0 {
			t.Errorf("%+v, %v", out, err)
		}
	})
}

func TestAFlexibleWindowIsKeptTo(t *testing.T) {
	inBubble(t, func(w *world) {
		in := input("s", "cron(0 * * * ? *)")
		in.FlexibleTimeWindow = &FlexibleTimeWindow{ptr(flexible), ptr(int32(20))}
		w.create(in)
		moments := map[int]bool{}
		for range 20 {
			sleep(time.Until(time.Now().Truncate(time.Hour).Add(time.Hour - time.Second)))
			w.fired()
			sleep(20*time.Minute + 2*time.Second)
			made := w.deliveries()
			if len(made) != 1 {
				t.Fatalf("%d fired", len(made))
			}
			moments[int(made[0].Due.Sub(made[0].At).Minutes())] = true
			w.fired()
		}
		if len(moments) < 8 {
			t.Errorf("the moments are %v", moments)
		}
	})
}

func TestUpdatedAndDisabledSchedules(t *testing.T) {
	inBubble(t, func(w *world) {
		w.create(input("s", "rate(1 hour)"))
		sleep(90 * time.Minute)
		w.expect("2000-01-01T00:00", "2000-01-01T01:00")
		in := UpdateScheduleInput(*input("s", "rate(1 hour)"))
		in.Target.Input = ptr("y")
		w.must(w.service.UpdateSchedule(call(), &in))
		sleep(time.Hour)
		if at, payloads := w.fired(); !slices.Equal(at, []string{"2000-01-01T02:00"}) || payloads[0] != "y" {
			t.Errorf("with another input it fired at %q: %q", at, payloads)
		}
		in.State = ptr(disabled)
		w.must(w.service.UpdateSchedule(call(), &in))
		sleep(3 * time.Hour)
		w.powerCut()
		w.expect()
		in.State = nil
		w.must(w.service.UpdateSchedule(call(), &in)) // at 5:30, at once
		sleep(time.Hour)
		w.expect("2000-01-01T05:30", "2000-01-01T06:30")
		_, err := w.service.UpdateSchedule(call(), ptr(UpdateScheduleInput(*input("missing", "rate(1 hour)"))))
		w.refused(err, "ResourceNotFoundException", "Schedule missing does not exist.")
	})
}

func TestPayloads(t *testing.T) {
	inBubble(t, func(w *world) {
		payload := func(arn string, given *string) string {
			t.Helper()
			in := input("s", "at(2000-01-01T00:00:00)")
			in.Target.Arn, in.Target.Input = &arn, given
			in.Target.EventBridgeParameters = &EventBridgeParameters{ptr("t"), ptr("s")}
			w.create(in)
			_, payloads := w.fired()
			w.must(w.service.DeleteSchedule(call(), &DeleteScheduleInput{Name: "s"}))
			if len(payloads) != 1 {
				t.Fatalf("sent %q", payloads)
			}
			return payloads[0]
		}
		arn := "arn:aws:scheduler:us-east-1:000000000000:schedule/default/s"
		got := payload(target, ptr("<aws.scheduler.schedule-arn> <aws.scheduler.scheduled-time> <aws.scheduler.execution-id> <aws.scheduler.attempt-number> <x>"))
		if parts := strings.Split(got, " "); len(parts) != 5 || parts[0] != arn || parts[1] != "2000-01-01T00:00:00Z" || len(parts[2]) != 16 || parts[3] != "<aws.scheduler.attempt-number>" || parts[4] != "<x>" {
			t.Errorf("sent %q", got)
		}
		for _, arn := range []string{"arn:aws:events:us-east-1:000000000000:event-bus/b", "arn:aws:scheduler:::aws-sdk:sqs:sendMessage"} {
			if got := payload(arn, nil); got != "{}" {
				t.Errorf("%s is sent %s", arn, got)
			}
		}
		var n notification
		if err := json.Unmarshal([]byte(payload(target, nil)), &n); err != nil || len(n.ID) != 36 {
			t.Fatalf("%v: %+v", err, n)
		}
		n.ID = ""
		want := notification{"0", "", "Scheduled Event", "aws.scheduler", account, "2000-01-01T00:00:00Z", region, []string{arn}, "{}"}
		if fmt.Sprint(n) != fmt.Sprint(want) {
			t.Errorf("sent %+v", n)
		}
	})
}

func TestSchedulesAndGroups(t *testing.T) {
	inBubble(t, func(w *world) {
		s := w.service
		group, err := s.CreateScheduleGroup(call(), &CreateScheduleGroupInput{Name: "g", ClientToken: ptr("1"), Tags: []Tag{{"k", "v"}}})
		if err != nil || group.ScheduleGroupArn != "arn:aws:scheduler:us-east-1:000000000000:schedule-group/g" {
			t.Errorf("%+v, %v", group, err)
		}
		w.must(s.CreateScheduleGroup(call(), &CreateScheduleGroupInput{Name: "g", ClientToken: ptr("1")}))
		for _, name := range []string{"g", "default"} {
			_, err = s.CreateScheduleGroup(call(), &CreateScheduleGroupInput{Name: name, ClientToken: ptr("2")})
			w.refused(err, "ConflictException", "Schedule group "+name+" already exists.")
		}
		in := input("a", "cron(0 0 1 1 ? 2030)")
		in.ClientToken, in.GroupName = ptr("1"), ptr("g")
		for range 2 {
			if out, err := s.CreateSchedule(call(), in); err != nil || out.ScheduleArn != "arn:aws:scheduler:us-east-1:000000000000:schedule/g/a" {
				t.Errorf("%+v, %v", out, err)
			}
		}
		in.ClientToken = ptr("2")
		_, err = s.CreateSchedule(call(), in)
		w.refused(err, "ConflictException", "Schedule a already exists.")
		for _, name := range []string{"a", "b", "c"} {
			w.create(input(name, "cron(0 0 1 1 ? 2030)"))
		}
		off := UpdateScheduleInput(*input("c", "cron(0 0 1 1 ? 2030)"))
		off.State = ptr(disabled)
		w.must(s.UpdateSchedule(call(), &off))
		w.powerCut()
		s = w.service
		list := func(in ListSchedulesInput) (names []string) {
			t.Helper()
			for in.MaxResults = ptr(int32(2)); ; {
				out, err := s.ListSchedules(call(), &in)
				if err != nil {
					t.Fatal(err)
				}
				for _, sc := range out.Schedules {
					names = append(names, sc.GroupName+"/"+sc.Name)
				}
				if in.NextToken = out.NextToken; in.NextToken == nil {
					return names
				}
			}
		}
		for _, c := range []struct {
			in   ListSchedulesInput
			want string
		}{
			{ListSchedulesInput{}, "default/a default/b default/c g/a"},
			{ListSchedulesInput{GroupName: ptr("g")}, "g/a"},
			{ListSchedulesInput{NamePrefix: ptr("a")}, "default/a g/a"},
			{ListSchedulesInput{State: ptr(disabled)}, "default/c"},
		} {
			if got := strings.Join(list(c.in), " "); got != c.want {
				t.Errorf("%+v: %s, want %s", c.in, got, c.want)
			}
		}
		got, err := s.GetSchedule(call(), &GetScheduleInput{Name: "a", GroupName: ptr("g")})
		if err != nil || got.State != enabled || got.ActionAfterCompletion != keep || got.ScheduleExpressionTimezone != "UTC" || *got.Target.RetryPolicy.MaximumRetryAttempts != 185 || *got.Target.RetryPolicy.MaximumEventAgeInSeconds != 86400 {
			t.Errorf("%+v, %v", got, err)
		}
		if got, err := s.GetScheduleGroup(call(), &GetScheduleGroupInput{Name: "g"}); err != nil || got.State != "ACTIVE" || got.CreationDate == nil {
			t.Errorf("%+v, %v", got, err)
		}
		w.must(s.DeleteScheduleGroup(call(), &DeleteScheduleGroupInput{Name: "g"}))
		_, err = s.DeleteScheduleGroup(call(), &DeleteScheduleGroupInput{Name: "default"})
		w.refused(err, "ValidationException", "The default schedule group cannot be deleted.")
		for _, err := range []error{
			second(s.GetSchedule(call(), &GetScheduleInput{Name: "a", GroupName: ptr("g")})), second(s.CreateSchedule(call(), in)), second(s.GetScheduleGroup(call(), &GetScheduleGroupInput{Name: "g"})),
			second(s.DeleteScheduleGroup(call(), &DeleteScheduleGroupInput{Name: "g"})), second(s.ListSchedules(call(), &ListSchedulesInput{GroupName: ptr("g")})),
		} {
			w.refused(err, "ResourceNotFoundException", "Schedule group g does not exist.")
		}
		w.must(s.DeleteSchedule(call(), &DeleteScheduleInput{Name: "a"}))
		_, err = s.DeleteSchedule(call(), &DeleteScheduleInput{Name: "a"})
		w.refused(err, "ResourceNotFoundException", "Schedule a does not exist.")
	})
}

func TestGroupsAreListedPageByPage(t *testing.T) {
	inBubble(t, func(w *world) {
		s := w.service
		for _, name := range []string{"g", "a"} {
			w.must(s.CreateScheduleGroup(call(), &CreateScheduleGroupInput{Name: name}))
		}
		var names []string
		for in := (ListScheduleGroupsInput{MaxResults: ptr(int32(1))}); ; {
			out, err := s.ListScheduleGroups(call(), &in)
			if err != nil || len(out.ScheduleGroups) != 1 {
				t.Fatalf("%+v, %v", out, err)
			}
			names = append(names, out.ScheduleGroups[0].Name)
			if in.NextToken = out.NextToken; in.NextToken == nil {
				break
			}
		}
		if !slices.Equal(names, []string{"default", "a", "g"}) {
			t.Errorf("the groups are %q", names)
		}
	})
}

func second[T any](_ T, err error) error { return err }

func TestTagsGiveOptions(t *testing.T) {
	inBubble(t, func(w *world) {
		s := w.service
		w.must(s.CreateScheduleGroup(call(), &CreateScheduleGroupInput{Name: "g", Tags: []Tag{{"naru:catch-up", "24h"}, {"naru:overlap", "skip"}}}))
		in := input("s", "rate(1 hour)")
		in.GroupName = ptr("g")
		w.create(in)
		arn := "arn:aws:scheduler:us-east-1:000000000000:schedule/g/s"
		w.must(s.TagResource(call(), &TagResourceInput{arn, []Tag{{"naru:overlap", "queue-one"}, {"a", "b"}}}))
		w.must(s.UntagResource(call(), &UntagResourceInput{arn, []string{"a"}}))
		if got, err := s.ListTagsForResource(call(), &ListTagsForResourceInput{arn}); err != nil || !slices.Equal(got.Tags, []Tag{{"naru:overlap", "queue-one"}}) {
			t.Errorf("%+v, %v", got, err)
		}
		w.expect("2000-01-01T00:00")
		w.service.Close()
		sleep(3*time.Hour + time.Minute)
		w.powerCut()
		sleep(time.Minute)
		if got := w.deliveries(); len(got) != 0 { // the first is still in the queue
			t.Errorf("while the first was still there %d were sent", len(got))
		}
		q := w.engine.Queue(w.ref.Content)
		first, err := q.Lease(call(), queue.LeaseRequest{Max: 10, Visibility: time.Hour})
		if err != nil || len(first) != 1 {
			t.Fatalf("%v, %v", first, err)
		}
		if err := q.Forward(first[0].Handle, nil); err != nil {
			t.Fatal(err)
		}
		sleep(2 * time.Second)
		if got, _ := w.fired(); len(got) != 1 { // of the three that were caught up one had to wait
			t.Errorf("fired at %q", got)
		}
		_, err = w.service.TagResource(call(), &TagResourceInput{arn, []Tag{{"naru:overlap", "never"}}})
		w.refused(err, "ValidationException", `the tag naru:overlap is "never", which is none of allow, skip and queue-one.`)
		for _, bad := range []string{"arn:aws:scheduler:us-east-1:000000000000:schedule/s", "x", "arn:aws:sqs:us-east-1:000000000000:q"} {
			_, err = w.service.ListTagsForResource(call(), &ListTagsForResourceInput{bad})
			w.refused(err, "ValidationException", bad+" is not the Arn of a schedule group or schedule.")
		}
		w.must(w.service.DeleteScheduleGroup(call(), &DeleteScheduleGroupInput{Name: "g"}))
		sleep(10 * time.Hour)
		w.expect()
	})
}

func TestBadSchedulesAreRefused(t *testing.T) {
	inBubble(t, func(w *world) {
		for _, expression := range []string{
			"cron(0 1 * * * *)", "cron(7 20 * * NOT *)", "cron(INVALID)", "cron(0 dummy ? * MON-FRI *)", "cron(71 8 1 * ? *)", "cron()",
			"rate(10 seconds)", "rate(10 years)", "rate()", "rate(10)", "rate(10 minutess)", "rate(foo minutes)", "rate(-10 minutes)", "rate( 10 minutes )", " rate(10 minutes)",
			"at(2021-12-31T23:59:59Z)", "at(2021-12-31)",
		} {
			_, err := w.service.CreateSchedule(call(), input("x", expression))
			w.refused(err, "ValidationException", "Invalid Schedule Expression "+expression+".")
		}
		for name, change := range map[string]func(*CreateScheduleInput){
			"no expression":    func(in *CreateScheduleInput) { in.ScheduleExpression = nil },
			"no window":        func(in *CreateScheduleInput) { in.FlexibleTimeWindow = nil },
			"no mode":          func(in *CreateScheduleInput) { in.FlexibleTimeWindow.Mode = nil },
			"bad mode":         func(in *CreateScheduleInput) { in.FlexibleTimeWindow.Mode = ptr("ON") },
			"window, but off":  func(in *CreateScheduleInput) { in.FlexibleTimeWindow.MaximumWindowInMinutes = ptr(int32(1)) },
			"flexible, but no": func(in *CreateScheduleInput) { in.FlexibleTimeWindow.Mode = ptr(flexible) },
			"long window": func(in *CreateScheduleInput) {
				in.FlexibleTimeWindow = &FlexibleTimeWindow{ptr(flexible), ptr(int32(1441))}
			},
			"no target":    func(in *CreateScheduleInput) { in.Target = nil },
			"no arn":       func(in *CreateScheduleInput) { in.Target.Arn = nil },
			"bad arn":      func(in *CreateScheduleInput) { in.Target.Arn = ptr("q") },
			"no role":      func(in *CreateScheduleInput) { in.Target.RoleArn = nil },
			"bad role":     func(in *CreateScheduleInput) { in.Target.RoleArn = ptr("r") },
			"elsewhere":    func(in *CreateScheduleInput) { in.Target.Arn = ptr("arn:aws:sns:us-east-1:000000000000:t") },
			"unknown call": func(in *CreateScheduleInput) { in.Target.Arn = ptr("arn:aws:scheduler:::aws-sdk:sqs:fly") },
			"reading call": func(in *CreateScheduleInput) { in.Target.Arn = ptr("arn:aws:scheduler:::aws-sdk:sqs:receiveMessage") },
			"no JSON":      func(in *CreateScheduleInput) { in.Target.Arn = ptr("arn:aws:scheduler:::aws-sdk:sqs:sendMessage") },
			"no parameters": func(in *CreateScheduleInput) {
				in.Target.Arn, in.Target.Input = ptr("arn:aws:events:us-east-1:000000000000:event-bus/b"), nil
			},
			"no message group": func(in *CreateScheduleInput) { in.Target.Arn = ptr(target + ".fifo") },
			"bad dead-letter":  func(in *CreateScheduleInput) { in.Target.DeadLetterConfig = &DeadLetterConfig{ptr(target + ".fifo")} },
			"too young":        func(in *CreateScheduleInput) { in.Target.RetryPolicy = &RetryPolicy{ptr(int32(59)), nil} },
			"too often":        func(in *CreateScheduleInput) { in.Target.RetryPolicy = &RetryPolicy{nil, ptr(int32(186))} },
			"empty input":      func(in *CreateScheduleInput) { in.Target.Input = ptr("") },
			"bad zone":         func(in *CreateScheduleInput) { in.ScheduleExpressionTimezone = ptr("Mars/Olympus") },
			"local zone":       func(in *CreateScheduleInput) { in.ScheduleExpressionTimezone = ptr("Local") },
			"bad state":        func(in *CreateScheduleInput) { in.State = ptr("ON") },
			"bad action":       func(in *CreateScheduleInput) { in.ActionAfterCompletion = ptr("KEEP") },
			"end before start": func(in *CreateScheduleInput) {
				in.StartDate, in.EndDate = date("2001-01-01T00:00"), date("2000-01-01T00:00")
			},
			"bad name":  func(in *CreateScheduleInput) { in.Name = "a b" },
			"long name": func(in *CreateScheduleInput) { in.Name = strings.Repeat("x", 65) },
		} {
			in := input("x", "rate(1 hour)")
			change(in)
			var e *wire.Error
			if _, err := w.service.CreateSchedule(call(), in); !errors.As(err, &e) || e.Code != "ValidationException" {
				t.Errorf("%s: %v", name, err)
			}
		}
		in := input("x", "rate(1 hour)")
		in.Target.RoleArn = ptr(role + "2")
		_, err := w.service.CreateSchedule(call(), in)
		w.refused(err, "ValidationException", "The execution role you provide must allow AWS EventBridge Scheduler to assume the role.")
		w.expect()
	})
}
