package logs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"naru/internal/clock"
	"naru/internal/policy"
	"naru/internal/store"
	"naru/internal/store/storetest"
	"naru/internal/wire"
)

// A world is a CloudWatch Logs on a disk whose power can be cut.
type world struct {
	*testing.T
	disk    *storetest.Disk
	store   *store.Store
	service *Service
}

func inBubble(t *testing.T, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, disk: storetest.NewDisk()}
		w.start()
		f(w)
		storetest.Close(t, w.store)
	})
}

func (w *world) start() {
	w.Helper()
	w.store = w.disk.Open(w)
	var err error
	if w.service, err = Open(Options{Store: w.store, Clock: new(clock.Clock)}); err != nil {
		w.Fatal(err)
	}
}

func (w *world) powerCut() {
	w.Helper()
	after := w.disk.PowerCut(0, nil)
	storetest.Close(w, w.store)
	w.disk = after
	w.start()
}

func call() context.Context {
	return wire.WithCall(context.Background(), &wire.Call{
		Service: "logs", Region: "us-east-1", Caller: policy.Principal{Kind: policy.Root, Account: "000000000000"},
	})
}

func ptr[T any](v T) *T { return &v }

// refused fails the test unless err is an Error whose message holds a text.
func (w *world) refused(err error, text string) {
	w.Helper()
	var e *wire.Error
	if !errors.As(err, &e) || !strings.Contains(e.Message, text) {
		w.Errorf("got %v, want %q", err, text)
	}
}

func (w *world) create(group string, streams ...string) {
	w.Helper()
	_, err := w.service.CreateLogGroup(call(), &CreateLogGroupInput{LogGroupName: &group})
	for _, stream := range streams {
		_, e := w.service.CreateLogStream(call(), &CreateLogStreamInput{LogGroupName: &group, LogStreamName: &stream})
		err = errors.Join(err, e)
	}
	if err != nil {
		w.Fatal(err)
	}
}

// put puts events, each a second after the one before.
func (w *world) put(group, stream string, at int64, texts ...string) {
	w.Helper()
	var events []InputLogEvent
	for i, text := range texts {
		events = append(events, InputLogEvent{&text, ptr(at + int64(i)*1000)})
	}
	out, err := w.service.PutLogEvents(call(), &PutLogEventsInput{LogGroupName: &group, LogStreamName: &stream, LogEvents: events})
	if err != nil || out.RejectedLogEventsInfo != nil {
		w.Fatalf("put: %+v, %v", out, err)
	}
}

func (w *world) get(in GetLogEventsInput) ([]string, *GetLogEventsOutput) {
	w.Helper()
	out, err := w.service.GetLogEvents(call(), &in)
	if err != nil {
		w.Fatal(err)
	}
	var texts []string
	for _, e := range out.Events {
		texts = append(texts, e.Message)
	}
	return texts, out
}

func now() int64 { return time.Now().UnixMilli() }

func numbered(n int) (texts []string) {
	for i := range n {
		texts = append(texts, fmt.Sprint(i))
	}
	return texts
}

func TestEventsAreReadPageByPageInBothDirections(t *testing.T) {
	inBubble(t, func(w *world) {
		w.create("g", "s", "other")
		at := now()
		w.put("g", "s", at, numbered(10)...)
		w.put("g", "other", at, "x", "y")
		w.powerCut()
		in := GetLogEventsInput{LogGroupName: ptr("g"), LogStreamName: ptr("s"), Limit: ptr(int32(4)), StartFromHead: ptr(true)}
		var all []string
		for range 10 {
			texts, out := w.get(in)
			all = append(all, texts...)
			if in.NextToken != nil && *in.NextToken == out.NextForwardToken {
				break // the end says so by giving back the same token
			}
			in.NextToken = &out.NextForwardToken
		}
		if !slices.Equal(all, numbered(10)) {
			t.Errorf("forward: %q", all)
		}
		in = GetLogEventsInput{LogGroupName: ptr("g"), LogStreamName: ptr("s"), Limit: ptr(int32(4))}
		all = nil
		for range 10 {
			texts, out := w.get(in)
			all = append(slices.Clone(texts), all...)
			if in.NextToken != nil && *in.NextToken == out.NextBackwardToken {
				break
			}
			in.NextToken = &out.NextBackwardToken
		}
		if !slices.Equal(all, numbered(10)) {
			t.Errorf("backward: %q", all)
		}
		texts, _ := w.get(GetLogEventsInput{LogGroupName: ptr("g"), LogStreamName: ptr("s"), StartTime: ptr(at + 2000), EndTime: ptr(at + 4000)})
		if !slices.Equal(texts, []string{"2", "3"}) {
			t.Errorf("between: %q", texts)
		}
		_, err := w.service.GetLogEvents(call(), &GetLogEventsInput{LogGroupName: ptr("g"), LogStreamName: ptr("s"), NextToken: ptr("f/12")})
		w.refused(err, "The specified nextToken is invalid.")
	})
}

func TestAtTheEndTheForwardTokenLeadsToWhatComesNext(t *testing.T) {
	inBubble(t, func(w *world) {
		w.create("g", "s")
		w.put("g", "s", now(), "a")
		_, out := w.get(GetLogEventsInput{LogGroupName: ptr("g"), LogStreamName: ptr("s"), StartFromHead: ptr(true)})
		w.put("g", "s", now()+5, "b")
		texts, _ := w.get(GetLogEventsInput{LogGroupName: ptr("g"), LogStreamName: ptr("s"), NextToken: &out.NextForwardToken})
		if !slices.Equal(texts, []string{"b"}) {
			t.Errorf("got %q", texts)
		}
	})
}

func TestFilterSearchesStreamsInTheOrderOfTime(t *testing.T) {
	inBubble(t, func(w *world) {
		w.create("g", "a1", "a2", "b")
		at := now()
		w.put("g", "a1", at, "0", "1", "2")
		w.put("g", "a2", at+500, "0.5", "1.5")
		w.put("g", "b", at+700, "0.7")
		filter := func(in FilterLogEventsInput) (texts []string) {
			in.LogGroupName = ptr("g")
			for range 10 {
				out, err := w.service.FilterLogEvents(call(), &in)
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range out.Events {
					texts = append(texts, e.Message)
				}
				if in.NextToken = out.NextToken; in.NextToken == nil {
					break
				}
			}
			return texts
		}
		for name, tt := range map[string]struct {
			in   FilterLogEventsInput
			want []string
		}{
			"all":       {FilterLogEventsInput{}, []string{"0", "0.5", "0.7", "1", "1.5", "2"}},
			"in pages":  {FilterLogEventsInput{Limit: ptr(int32(2))}, []string{"0", "0.5", "0.7", "1", "1.5", "2"}},
			"prefix":    {FilterLogEventsInput{LogStreamNamePrefix: ptr("a")}, []string{"0", "0.5", "1", "1.5", "2"}},
			"names":     {FilterLogEventsInput{LogStreamNames: []string{"b", "a2"}}, []string{"0.5", "0.7", "1.5"}},
			"a time":    {FilterLogEventsInput{StartTime: ptr(at + 700), EndTime: ptr(at + 1500)}, []string{"0.7", "1"}},
			"newest":    {FilterLogEventsInput{StartFromHead: ptr(false), Limit: ptr(int32(4))}, []string{"2", "1.5", "1", "0.7", "0.5", "0"}},
			"from head": {FilterLogEventsInput{StartFromHead: ptr(true)}, []string{"0", "0.5", "0.7", "1", "1.5", "2"}},
		} {
			if got := filter(tt.in); !slices.Equal(got, tt.want) {
				t.Errorf("%s: got %q, want %q", name, got, tt.want)
			}
		}
		_, err := w.service.FilterLogEvents(call(), &FilterLogEventsInput{LogGroupName: ptr("g"), LogStreamNames: []string{"c"}})
		w.refused(err, "The specified log stream does not exist.")
	})
}

func TestEventsThatAreTooOldOrTooNewAreRejectedByThemselves(t *testing.T) {
	inBubble(t, func(w *world) {
		w.create("g", "s")
		put := func(events ...InputLogEvent) *PutLogEventsOutput {
			out, err := w.service.PutLogEvents(call(), &PutLogEventsInput{LogGroupName: ptr("g"), LogStreamName: ptr("s"), LogEvents: events})
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
		old := put(InputLogEvent{ptr("old"), ptr(now() - 14*day - 1)}, InputLogEvent{ptr("fine"), ptr(now() - 14*day + 1)})
		if r := old.RejectedLogEventsInfo; r == nil || *r.TooOldLogEventEndIndex != 1 || r.TooNewLogEventStartIndex != nil {
			t.Errorf("old: %+v", r)
		}
		ahead := put(InputLogEvent{ptr("good"), ptr(now())}, InputLogEvent{ptr("new"), ptr(now() + day/12 + 1)})
		if r := ahead.RejectedLogEventsInfo; r == nil || *r.TooNewLogEventStartIndex != 1 || r.TooOldLogEventEndIndex != nil {
			t.Errorf("new: %+v", r)
		}
		if texts, _ := w.get(GetLogEventsInput{LogGroupName: ptr("g"), LogStreamName: ptr("s")}); !slices.Equal(texts, []string{"fine", "good"}) {
			t.Errorf("kept %q", texts)
		}
	})
}

func TestBadBatchesAreRefusedWhole(t *testing.T) {
	inBubble(t, func(w *world) {
		w.create("g", "s")
		put := func(events ...InputLogEvent) error {
			_, err := w.service.PutLogEvents(call(), &PutLogEventsInput{LogGroupName: ptr("g"), LogStreamName: ptr("s"), LogEvents: events})
			return err
		}
		at := now()
		w.refused(put(), "greater than or equal to 1")
		w.refused(put(InputLogEvent{ptr("b"), ptr(at)}, InputLogEvent{ptr("a"), ptr(at - 1)}), "must be in chronological order")
		w.refused(put(InputLogEvent{ptr("a"), ptr(at - day - 1)}, InputLogEvent{ptr("b"), ptr(at)}), "cannot span more than 24 hours")
		w.refused(put(InputLogEvent{ptr(""), ptr(at)}), "message")
		w.refused(put(InputLogEvent{ptr(strings.Repeat("x", maxBatch)), ptr(at)}), "exceeds limit")
		if texts, _ := w.get(GetLogEventsInput{LogGroupName: ptr("g"), LogStreamName: ptr("s")}); texts != nil {
			t.Errorf("kept %q", texts)
		}
	})
}

func TestGroupsAndStreams(t *testing.T) {
	inBubble(t, func(w *world) {
		s := w.service
		w.create("/aws/lambda/f", "2026/01/01/[1]aa", "z")
		w.create("other")
		_, err := s.CreateLogGroup(call(), &CreateLogGroupInput{LogGroupName: ptr("other")})
		w.refused(err, "The specified log group already exists")
		_, err = s.CreateLogStream(call(), &CreateLogStreamInput{LogGroupName: ptr("/aws/lambda/f"), LogStreamName: ptr("z")})
		w.refused(err, "The specified log stream already exists")
		_, err = s.CreateLogStream(call(), &CreateLogStreamInput{LogGroupName: ptr("none"), LogStreamName: ptr("z")})
		w.refused(err, "The specified log group does not exist.")
		_, err = s.CreateLogGroup(call(), &CreateLogGroupInput{LogGroupName: ptr("a b")})
		w.refused(err, "regular expression")
		w.put("/aws/lambda/f", "z", now(), "a", "b")
		w.powerCut()
		s = w.service
		groups, err := s.DescribeLogGroups(call(), &DescribeLogGroupsInput{LogGroupNamePrefix: ptr("/aws")})
		if err != nil || len(groups.LogGroups) != 1 || groups.LogGroups[0].Arn != "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/f:*" {
			t.Errorf("groups: %+v, %v", groups, err)
		}
		page, err := s.DescribeLogGroups(call(), &DescribeLogGroupsInput{Limit: ptr(int32(1))})
		if err != nil || len(page.LogGroups) != 1 || page.NextToken == nil {
			t.Fatalf("first page: %+v, %v", page, err)
		}
		page, err = s.DescribeLogGroups(call(), &DescribeLogGroupsInput{NextToken: page.NextToken})
		if err != nil || len(page.LogGroups) != 1 || page.LogGroups[0].LogGroupName != "other" {
			t.Errorf("second page: %+v, %v", page, err)
		}
		streams, err := s.DescribeLogStreams(call(), &DescribeLogStreamsInput{LogGroupName: ptr("/aws/lambda/f"), OrderBy: ptr("LastEventTime"), Descending: ptr(true)})
		if err != nil || len(streams.LogStreams) != 2 || streams.LogStreams[0].LogStreamName != "z" || *streams.LogStreams[0].LastEventTimestamp != now()+1000 || streams.LogStreams[1].LastEventTimestamp != nil {
			t.Errorf("streams: %+v, %v", streams, err)
		}
		_, err = s.DescribeLogStreams(call(), &DescribeLogStreamsInput{LogGroupName: ptr("none")})
		w.refused(err, "The specified log group does not exist.")
	})
}

func TestWhatIsDeletedIsGoneAlsoAfterACrash(t *testing.T) {
	inBubble(t, func(w *world) {
		w.create("g", "a", "b")
		w.put("g", "a", now(), "1")
		w.put("g", "b", now(), "2")
		if _, err := w.service.DeleteLogStream(call(), &DeleteLogStreamInput{LogGroupName: ptr("g"), LogStreamName: ptr("a")}); err != nil {
			t.Fatal(err)
		}
		w.powerCut()
		out, err := w.service.FilterLogEvents(call(), &FilterLogEventsInput{LogGroupName: ptr("g")})
		if err != nil || len(out.Events) != 1 || out.Events[0].Message != "2" {
			t.Errorf("after a stream was deleted: %+v, %v", out, err)
		}
		if _, err := w.service.DeleteLogGroup(call(), &DeleteLogGroupInput{LogGroupName: ptr("g")}); err != nil {
			t.Fatal(err)
		}
		w.powerCut()
		w.create("g", "b")
		out, err = w.service.FilterLogEvents(call(), &FilterLogEventsInput{LogGroupName: ptr("g")})
		if err != nil || len(out.Events) != 0 {
			t.Errorf("after the group was deleted: %+v, %v", out, err)
		}
	})
}

func TestLinesOfFunctionsAreSeenAtOnceAndDurableWithinASecond(t *testing.T) {
	inBubble(t, func(w *world) {
		lines := []Line{{time.Now(), "START"}, {time.Now(), "END"}}
		if err := w.service.Write("000000000000", "us-east-1", "/aws/lambda/f", "s", lines); err != nil {
			t.Fatal(err)
		}
		in := GetLogEventsInput{LogGroupName: ptr("/aws/lambda/f"), LogStreamName: ptr("s")}
		if texts, _ := w.get(in); !slices.Equal(texts, []string{"START", "END"}) {
			t.Errorf("at once: %q", texts)
		}
		<-time.After(time.Second)
		w.powerCut()
		if texts, _ := w.get(in); !slices.Equal(texts, []string{"START", "END"}) {
			t.Errorf("after a power cut: %q", texts)
		}
	})
}
