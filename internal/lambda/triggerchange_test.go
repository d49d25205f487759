package lambda

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"naru/internal/queue"
	"naru/internal/runtimeapi"
)

// sendGroups sends so many messages of each group, in turns: "a-0", "b-0", "a-1"…
func (w *world) sendGroups(name string, n int, groups ...string) {
	for i := range n {
		for _, g := range groups {
			w.send(name, g, fmt.Sprintf("%s-%d", g, i))
		}
	}
}

// ofGroup returns those of a group, in their order, each once: as it was got for
// the last time.
func ofGroup(all []string, group string) (own []string) {
	for _, body := range all {
		if strings.HasPrefix(body, group+"-") {
			own = append(own, body)
		}
	}
	return own
}

func TestGroupsOfAFIFOQueueAreInOrderAndInParallel(t *testing.T) {
	a := &audience{}
	inBubble(t, a.hears(takes(time.Second)), func(w *world) {
		w.create("f", nil)
		arn := w.queue("q.fifo")
		w.sendGroups("q.fifo", 40, "a", "b", "c", "d")
		w.mapping("f", arn, nil)
		sleep(time.Minute)
		for _, g := range []string{"a", "b", "c", "d"} {
			got := ofGroup(a.heard(), g)
			for i := range got {
				if got[i] != fmt.Sprintf("%s-%d", g, i) {
					t.Fatalf("group %s came as %q", g, got)
				}
			}
			if len(got) != 40 {
				t.Errorf("of group %s came %d", g, len(got))
			}
		}
		if a.peak() != 4 {
			t.Errorf("%d ran at a time", a.peak())
		}
	})
}

func TestAFailedMessageHoldsUpItsGroupAlone(t *testing.T) {
	a := &audience{}
	var healed atomic.Bool
	handler := func(i runtimeapi.Invocation) ([]byte, []byte) {
		bad := false
		var failures []string
		for _, r := range records(i.Payload) {
			if bad = bad || !healed.Load() && r.Body == "a-3"; bad {
				failures = append(failures, fmt.Sprintf(`{"itemIdentifier":%q}`, r.MessageID))
			}
		}
		return []byte(`{"batchItemFailures":[` + strings.Join(failures, ",") + `]}`), nil
	}
	inBubble(t, a.hears(handler), func(w *world) {
		w.create("f", nil)
		arn := w.queue("q.fifo")
		w.sendGroups("q.fifo", 10, "a", "b")
		w.mapping("f", arn, func(in *CreateEventSourceMappingInput) {
			in.FunctionResponseTypes = []string{"ReportBatchItemFailures"}
		})
		sleep(20 * time.Second)
		if got := ofGroup(a.heard(), "b"); len(got) < 10 {
			t.Errorf("of the other group came %q", got)
		}
		before := ofGroup(a.heard(), "a")
		sleep(70 * time.Second)
		for _, body := range ofGroup(a.heard(), "a")[len(before):] {
			if body < "a-3" {
				t.Errorf("%s came again", body)
			}
		}
		healed.Store(true)
		sleep(2 * time.Minute)
		last := ofGroup(a.heard(), "a")
		if tail := last[len(last)-7:]; !slices.Equal(tail, []string{"a-3", "a-4", "a-5", "a-6", "a-7", "a-8", "a-9"}) {
			t.Errorf("the group ended with %q", tail)
		}
		if c := w.counts("q.fifo"); c != (queue.Counts{}) {
			t.Errorf("the queue has %+v", c)
		}
	})
}

func TestPermissionsAndQueuesComeAndGo(t *testing.T) {
	a := &audience{}
	inBubble(t, a.hears(succeeds), func(w *world) {
		w.create("f", nil)
		m := w.mapping("f", w.queue("q"), nil)
		change := func(change func(*queueState)) {
			w.mu.Lock()
			change(w.state("q"))
			w.mu.Unlock()
			sleep(21 * time.Second) // the read under way has ended
		}
		problem := func(want string) {
			t.Helper()
			now, err := w.service.GetEventSourceMapping(call("g"), &GetEventSourceMappingInput{m.UUID})
			if err != nil || deref(now.LastProcessingResult) != want || now.State != "Enabled" {
				t.Errorf("it is %+v, %v", now, err)
			}
		}
		change(func(s *queueState) { s.denied = "DeleteMessage" })
		w.send("q", "", "1")
		sleep(time.Minute)
		problem("PROBLEM: The provided execution role does not have permissions to call DeleteMessage on SQS")
		if c := w.counts("q"); c != (queue.Counts{Visible: 1}) {
			t.Errorf("the queue has %+v", c)
		}
		change(func(s *queueState) { s.denied = "" })
		problem("")
		change(func(s *queueState) { s.gone = true })
		problem("PROBLEM: Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does not exist.")
		change(func(s *queueState) { s.gone = false })
		w.send("q", "", "2")
		sleep(time.Second)
		if got := a.heard(); !slices.Equal(got, []string{"1", "2"}) {
			t.Errorf("it got %q", got)
		}
	})
}

func TestAcrossPowerCutsEveryMessageIsWorkedOff(t *testing.T) {
	a := &audience{}
	inBubble(t, a.hears(takes(time.Second)), func(w *world) {
		w.create("f", nil)
		w.mapping("f", w.queue("q"), func(in *CreateEventSourceMappingInput) { in.BatchSize = ptr[int32](3) })
		w.send("q", "", numbers(0, 200)...)
		for range 5 {
			sleep(1500 * time.Millisecond)
			w.powerCut()
		}
		w.send("q", "", "00200")
		sleep(100 * time.Millisecond)
		if !slices.Contains(a.heard(), "00200") {
			t.Error("after a restart it is not triggered at once")
		}
		sleep(10 * time.Minute)
		got := a.heard()
		slices.Sort(got)
		if got = slices.Compact(got); !slices.Equal(got, numbers(0, 201)) {
			t.Errorf("it got %d of 201", len(got))
		}
		if c := w.counts("q"); c != (queue.Counts{}) {
			t.Errorf("the queue has %+v", c)
		}
	})
}

func TestAStopGivesBackWhatHasNotRun(t *testing.T) {
	a := &audience{}
	inBubble(t, a.hears(takes(2*time.Second)), func(w *world) {
		w.create("f", nil)
		w.mapping("f", w.queue("q"), func(in *CreateEventSourceMappingInput) {
			in.BatchSize, in.MaximumBatchingWindowInSeconds = ptr[int32](4), ptr[int32](60)
		})
		w.send("q", "", "1", "2", "3", "4", "5") // a batch, and one that waits for its window
		sleep(time.Second)
		w.service.Pause()
		w.service.Drain(context.Background())
		if c := w.counts("q"); c != (queue.Counts{Visible: 1}) {
			t.Errorf("the queue has %+v", c)
		}
	})
}

func TestFiltersDeleteWhatTheyDoNotMatch(t *testing.T) {
	a := &audience{}
	inBubble(t, a.hears(succeeds), func(w *world) {
		w.create("f", nil)
		m := w.mapping("f", w.queue("q"), func(in *CreateEventSourceMappingInput) {
			in.FilterCriteria = &FilterCriteria{[]FilterPattern{{ptr(`{"body":{"kind":["a"]}}`)}, {ptr(`{"body":["plain"]}`)}}}
		})
		w.send("q", "", `{"kind":"a"}`, `{"kind":"b"}`, "plain", "else", `"plain"`)
		sleep(time.Second)
		if got := a.heard(); !slices.Equal(got, []string{`{"kind":"a"}`, "plain"}) {
			t.Errorf("it got %q", got)
		}
		if c := w.counts("q"); c != (queue.Counts{}) || w.figure(m, "filtered_out") != 3 || w.figure(m, "deleted") != 5 {
			t.Errorf("the queue has %+v; %d were filtered out", c, w.figure(m, "filtered_out"))
		}
	})
}

func TestMappingsOfVersionsAndAliases(t *testing.T) {
	a := &audience{}
	var mu sync.Mutex
	arns := map[string]string{} // by body
	inBubble(t, a.hears(func(i runtimeapi.Invocation) ([]byte, []byte) {
		mu.Lock()
		defer mu.Unlock()
		for _, r := range records(i.Payload) {
			arns[r.Body] = i.FunctionARN
		}
		return succeeds(i)
	}), func(w *world) {
		w.create("f", func(in *CreateFunctionInput) { in.Publish = true })
		if _, err := w.service.CreateAlias(call("a"), &CreateAliasInput{FunctionName: "f", Name: ptr("live"), FunctionVersion: ptr("1")}); err != nil {
			t.Fatal(err)
		}
		for _, qualifier := range []string{"", ":1", ":live"} {
			w.mapping("f"+qualifier, w.queue("q"+strings.TrimPrefix(qualifier, ":")), nil)
			w.send("q"+strings.TrimPrefix(qualifier, ":"), "", qualifier)
		}
		sleep(time.Second)
		for _, qualifier := range []string{"", ":1", ":live"} {
			if got := arns[qualifier]; got != "arn:aws:lambda:"+region+":"+account+":function:f"+qualifier {
				t.Errorf("f%s was invoked as %q", qualifier, got)
			}
		}
		for reference, want := range map[string]int{"f": 1, "f:$LATEST": 1, "f:1": 1, "f:live": 1, "f:other": 0} {
			out, err := w.service.ListEventSourceMappings(call("l"), &ListEventSourceMappingsInput{FunctionName: &reference})
			if err != nil || len(out.EventSourceMappings) != want {
				t.Errorf("of %s there are %+v, %v", reference, out, err)
			}
		}
		if _, err := w.service.CreateEventSourceMapping(call("m"), &CreateEventSourceMappingInput{FunctionName: ptr("f:$LATEST"), EventSourceArn: ptr("arn:aws:sqs:" + region + ":" + account + ":q")}); code(err) != "ResourceConflictException" {
			t.Errorf("a second one by another name: %v", err)
		}
	})
}

func TestAMappingOutlivesItsFunction(t *testing.T) {
	a := &audience{}
	inBubble(t, a.hears(succeeds), func(w *world) {
		w.create("f", nil)
		m := w.mapping("f", w.queue("q"), nil)
		if _, err := w.service.DeleteFunction(call("d"), &DeleteFunctionInput{FunctionName: "f"}); err != nil {
			t.Fatal(err)
		}
		w.send("q", "", "1")
		sleep(time.Minute)
		now, err := w.service.GetEventSourceMapping(call("g"), &GetEventSourceMappingInput{m.UUID})
		if err != nil || deref(now.LastProcessingResult) != "PROBLEM: Function does not exist" || now.State != "Enabled" {
			t.Errorf("it is %+v, %v", now, err)
		}
		w.create("f", nil)
		sleep(10 * time.Second)
		if got := a.heard(); !slices.Equal(got, []string{"1"}) {
			t.Errorf("it got %q", got)
		}
	})
}

func TestProvisionedPollersHaveTenBatchesEach(t *testing.T) {
	a := &audience{}
	inBubble(t, a.hears(takes(5*time.Second)), func(w *world) {
		w.create("f", func(in *CreateFunctionInput) { in.Timeout = ptr[int32](10) })
		m := w.mapping("f", w.queue("q"), func(in *CreateEventSourceMappingInput) {
			single(in)
			in.ProvisionedPollerConfig = &ProvisionedPollerConfig{MaximumPollers: ptr[int32](3)}
		})
		if p := m.ProvisionedPollerConfig; *p.MinimumPollers != 2 || *p.MaximumPollers != 3 {
			t.Errorf("it has %d to %d pollers", *p.MinimumPollers, *p.MaximumPollers)
		}
		w.send("q", "", numbers(0, 100)...)
		sleep(10 * time.Millisecond)
		if n := a.peak(); n != 20 {
			t.Errorf("at first %d ran", n)
		}
		sleep(time.Minute)
		if n := a.peak(); n != 30 {
			t.Errorf("at the most %d ran", n)
		}
	})
}

func TestGroupsOfAStandardQueueTakeTurns(t *testing.T) {
	a := &audience{}
	inBubble(t, a.hears(takes(time.Second)), func(w *world) {
		w.create("f", nil)
		arn := w.queue("q")
		w.send("q", "noisy", numbers(0, 500)...)
		w.send("q", "quiet", "quiet-0", "quiet-1")
		w.mapping("f", arn, func(in *CreateEventSourceMappingInput) { in.ScalingConfig = &ScalingConfig{ptr[int32](2)} })
		sleep(3 * time.Second)
		if got := ofGroup(a.heard(), "quiet"); len(got) != 2 {
			t.Errorf("of the quiet one it got %q among %d", got, len(a.heard()))
		}
		sleep(2 * time.Minute)
	})
}

func TestMessagesThatGoRoundInACircleAreNotHandedOn(t *testing.T) {
	a := &audience{}
	var mu sync.Mutex
	var traces []string
	inBubble(t, a.hears(func(i runtimeapi.Invocation) ([]byte, []byte) {
		mu.Lock()
		traces = append(traces, i.TraceID)
		mu.Unlock()
		return succeeds(i)
	}), func(w *world) {
		w.create("f", nil)
		n := name{account, region, "f", ""}
		trace := newTrace(time.Now())
		w.mapping("f", w.queue("q"), single)
		for range maxLineage + 1 {
			w.trace = trace
			w.send("q", "", "round")
			sleep(time.Second)
			trace = passing(n, trace)
		}
		if len(traces) != maxLineage || timesIn(n, traces[maxLineage-1]) != maxLineage {
			t.Errorf("it was invoked %d times, at last with %q", len(traces), traces[len(traces)-1])
		}
		if c := w.counts("q"); c != (queue.Counts{InFlight: 1}) {
			t.Errorf("the queue has %+v", c)
		}
	})
}

func TestABatchThatIsReadWhileATriggerIsDisabledIsGivenBack(t *testing.T) {
	inBubble(t, succeeds, func(w *world) {
		w.create("f", nil)
		m := w.mapping("f", w.queue("q"), nil)
		for i := range 50 { // whatever comes first
			w.service.work.Go(func() { w.send("q", "", strconv.Itoa(i)) })
			_, err := w.service.UpdateEventSourceMapping(call("u"), &UpdateEventSourceMappingInput{UUID: m.UUID, Enabled: ptr(i%2 == 1)})
			if err != nil {
				t.Fatal(err)
			}
		}
		sleep(time.Second)
		if c := w.counts("q"); c != (queue.Counts{}) || w.figure(m, "polled") != w.figure(m, "invoked")+w.figure(m, "dropped") || w.figure(m, "invoked") != 50 {
			t.Errorf("the queue has %+v; %d were polled, %d invoked, %d dropped", c, w.figure(m, "polled"), w.figure(m, "invoked"), w.figure(m, "dropped"))
		}
	})
}
