package trigger

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"naru/internal/queue"
)

const arn = "arn:aws:sqs:us-east-1:000000000000:q"

// full is a message that has all that a message can have.
func full() *Message {
	return &Message{
		ReceiptHandle: "handle", ID: "id", Body: "say \"hi\"\n\\ \x01\té 😀 <&>", MD5: "0123", AttributesMD5: "4567",
		System: []SystemAttribute{{"ApproximateReceiveCount", "1"}, {"AWSTraceHeader", "Root=1-5e1b4151-5ac6c58;Sampled=0"}, {"SentTimestamp", "1"}},
		Attributes: []Attribute{
			{"Blob", "Binary.png", "\x00\xff"}, {"Count", "Number", "100"}, {"Name", "String", "x"},
		},
	}
}

func TestRecordsAreWrittenToTheLetter(t *testing.T) {
	e := newEncoder(arn, "us-east-1")
	got := string(e.record(nil, full()))
	want := `{"messageId":"id","receiptHandle":"handle","body":"say \"hi\"\n\\ \u0001\té 😀 <&>",` +
		`"attributes":{"ApproximateReceiveCount":"1","AWSTraceHeader":"Root=1-5e1b4151-5ac6c58;Sampled=0","SentTimestamp":"1"},` +
		`"messageAttributes":{"Blob":{"binaryValue":"AP8=","stringListValues":[],"binaryListValues":[],"dataType":"Binary.png"},` +
		`"Count":{"stringValue":"100","stringListValues":[],"binaryListValues":[],"dataType":"Number"},` +
		`"Name":{"stringValue":"x","stringListValues":[],"binaryListValues":[],"dataType":"String"}},` +
		`"md5OfMessageAttributes":"4567","md5OfBody":"0123","eventSource":"aws:sqs","eventSourceARN":"` + arn + `","awsRegion":"us-east-1"}`
	if got != want {
		t.Errorf("got\n%s, not\n%s", got, want)
	}
	plain := string(e.record(nil, &Message{ID: "id", ReceiptHandle: "handle", Body: "b", MD5: "0123"}))
	if want := `{"messageId":"id","receiptHandle":"handle","body":"b","attributes":{},"messageAttributes":{},"md5OfBody":"0123",`; !strings.HasPrefix(plain, want) {
		t.Errorf("got %s", plain)
	}
}

func FuzzText(f *testing.F) {
	for _, text := range []string{"", "plain", full().Body, "\xff\xfe", "\u2028"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var got string
		if err := json.Unmarshal(appendText(nil, text), &got); err != nil || got != strings.ToValidUTF8(text, "\ufffd") && len(text) == len(strings.ToValidUTF8(text, "")) {
			t.Errorf("%q became %q, %v", text, got, err)
		}
	})
}

func TestFilters(t *testing.T) {
	message := func(body string) *Message {
		m := full()
		m.Body = body
		return m
	}
	for _, c := range []struct {
		name    string
		filters []string
		body    string
		want    bool
	}{
		{"no filter", nil, "anything", true},
		{"JSON matches", []string{`{"body":{"kind":["a"]}}`}, `{"kind":"a"}`, true},
		{"JSON does not match", []string{`{"body":{"kind":["a"]}}`}, `{"kind":"b"}`, false},
		{"JSON is wanted and text comes", []string{`{"body":{"kind":["a"]}}`}, `kind`, false},
		{"JSON is wanted and broken JSON comes", []string{`{"body":{"kind":["a"]}}`}, `{"kind":"a"`, false},
		{"JSON is wanted and more comes behind it", []string{`{"body":{"kind":["a"]}}`}, `{"kind":"a"} {}`, false},
		{"JSON is wanted and may lack it", []string{`{"body":{"kind":[{"exists":false}]}}`}, `text`, false},
		{"text matches", []string{`{"body":["hello"]}`}, `hello`, true},
		{"text does not match", []string{`{"body":["hello"]}`}, `other`, false},
		{"text matches by its beginning", []string{`{"body":[{"prefix":"he"}]}`}, `hello`, true},
		{"text is wanted and JSON comes", []string{`{"body":[{"prefix":"{"}]}`}, `{"kind":"a"}`, false},
		{"a number is text", []string{`{"body":["12"]}`}, `12`, true},
		{"numbers in JSON", []string{`{"body":{"n":[{"numeric":[">",10]}]}}`}, `{"n":11}`, true},
		{"no body, whatever comes", []string{`{"messageAttributes":{"Name":{"stringValue":["x"]}}}`}, `text`, true},
		{"no body, whatever JSON comes", []string{`{"messageAttributes":{"Name":{"stringValue":["x"]}}}`}, `{"a":1}`, true},
		{"another attribute", []string{`{"messageAttributes":{"Name":{"stringValue":["y"]}}}`}, `text`, false},
		{"a system attribute", []string{`{"attributes":{"ApproximateReceiveCount":["1"]}}`}, `text`, true},
		{"where it comes from", []string{`{"eventSource":["aws:sqs"],"awsRegion":["us-east-1"],"eventSourceARN":["` + arn + `"]}`}, `text`, true},
		{"one of two", []string{`{"body":["no"]}`, `{"body":{"kind":["a"]}}`}, `{"kind":"a"}`, true},
		{"none of two", []string{`{"body":["no"]}`, `{"body":{"kind":["a"]}}`}, `{"kind":"b"}`, false},
		{"body and attribute", []string{`{"body":{"kind":["a"]},"messageAttributes":{"Count":{"stringValue":["100"]}}}`}, `{"kind":"a"}`, true},
		{"either of it", []string{`{"$or":[{"body":{"a":[1]}},{"body":{"b":[1]}}]}`}, `{"b":1}`, true},
		{"an array", []string{`{"body":{"a":[1]}}`}, `[{"a":2},{"a":1}]`, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var filters []*Filter
			for _, text := range c.filters {
				f, err := ParseFilter(text)
				if err != nil {
					t.Fatal(err)
				}
				filters = append(filters, f)
			}
			if got := matches(filters, message(c.body), arn, "us-east-1"); got != c.want {
				t.Errorf("it is %v", got)
			}
		})
	}
	for _, text := range []string{``, `null`, `"text"`, `{"body":"text"}`, `{"body":null}`, `[]`, `{"body":[{"prefix":1}]}`} {
		if _, err := ParseFilter(text); err == nil {
			t.Errorf("%s is a filter", text)
		}
	}
}

func TestRepliesSayWhichMessagesFailed(t *testing.T) {
	for _, c := range []struct {
		name, reply string
		want        []uint64 // those that did not
	}{
		{"nothing", ``, []uint64{0, 1, 2}},
		{"null", `null`, []uint64{0, 1, 2}},
		{"an empty text", `""`, []uint64{0, 1, 2}},
		{"an empty object", `{}`, []uint64{0, 1, 2}},
		{"something else", `{"statusCode":200}`, []uint64{0, 1, 2}},
		{"null as a list", `{"batchItemFailures":null}`, []uint64{0, 1, 2}},
		{"an empty list", `{"batchItemFailures":[]}`, []uint64{0, 1, 2}},
		{"one", `{"batchItemFailures":[{"itemIdentifier":"b"}]}`, []uint64{0, 2}},
		{"one twice", `{"batchItemFailures":[{"itemIdentifier":"b"},{"itemIdentifier":"b"}]}`, []uint64{0, 2}},
		{"all", `{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":"b"},{"itemIdentifier":"c"}]}`, nil},
		{"an unknown one", `{"batchItemFailures":[{"itemIdentifier":"b"},{"itemIdentifier":"d"}]}`, nil},
		{"an empty one", `{"batchItemFailures":[{"itemIdentifier":""}]}`, nil},
		{"null as one", `{"batchItemFailures":[{"itemIdentifier":null}]}`, nil},
		{"a number", `{"batchItemFailures":[{"itemIdentifier":1}]}`, nil},
		{"by another name", `{"batchItemFailures":[{"foo":"b"}]}`, nil},
		{"by a name in other letters", `{"batchItemFailures":[{"ItemIdentifier":"b"}]}`, nil},
		{"no objects", `{"batchItemFailures":["b"]}`, nil},
		{"null in the list", `{"batchItemFailures":[null]}`, nil},
		{"no list", `{"batchItemFailures":"b"}`, nil},
		{"no object", `["b"]`, nil},
		{"a text", `"b"`, nil},
		{"no JSON", `{"batchItemFailures":[{"foo":notvalid}]}`, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := &batch{ids: []string{"a", "b", "c"}}
			for i := range b.ids {
				b.handles = append(b.handles, queue.Handle{Content: uint64(i)})
			}
			var got []uint64
			for _, h := range succeeded(b, []byte(c.reply)) {
				got = append(got, h.Content)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%v did not fail", got)
			}
		})
	}
}

// A machine gets through so many batches a second at the most, of which each
// takes so long if it has it for itself.
type machine struct {
	takes time.Duration
	most  float64 // a second
}

// width returns how many batches run at a time in the end, when there are
// always more.
func (m machine) width(w Width) int {
	f := &flow{}
	f.configure(w)
	now := time.Unix(0, 0)
	var ends []time.Time
	var last time.Time
	for range 200_000 {
		for f.mayRun() {
			f.run(now)
			f.begin(now)
			last = last.Add(time.Duration(float64(time.Second) / m.most))
			end := now.Add(m.takes)
			if last.Before(now) {
				last = now
			}
			if end.Before(last) {
				end = last
			}
			ends = append(ends, end)
		}
		next := f.grow(now, true)
		slices.SortFunc(ends, time.Time.Compare)
		switch {
		case f.mayRun():
		case !next.IsZero() && next.Before(ends[0]):
			now = next
		default:
			now, ends = ends[0], ends[1:]
			f.end(now, true, false)
		}
		if now.After(time.Unix(8, 0)) {
			break
		}
	}
	return f.width
}

func TestTheWidthIsWhatPaysOff(t *testing.T) {
	w := Width{Ramp: Burst, Base: 5, Limit: 1000, Starts: 8}
	for _, c := range []struct {
		name    string
		machine machine
		least   int
		most    int
	}{
		{"done at once, as fast as processors allow", machine{500 * time.Microsecond, 2000}, 5, 5},
		{"waits a little for others", machine{20 * time.Millisecond, 3000}, 40, 160},
		{"waits for long", machine{10 * time.Second, 1e6}, 1000, 1000},
		{"keeps two processors busy", machine{50 * time.Millisecond, 40}, 5, 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.machine.width(w); got < c.least || got > c.most {
				t.Errorf("%d run at a time", got)
			}
		})
	}
}

func TestFailuresHalveTheWidthAndSuccessBringsItBack(t *testing.T) {
	f := &flow{}
	f.configure(Width{Ramp: Burst, Base: 5, Limit: 1000, Starts: 8})
	now := time.Unix(0, 0)
	once := func(failed bool) {
		f.run(now)
		f.begin(now)
		f.end(now, true, failed)
	}
	once(true)
	once(true)
	once(true)
	if f.width != 1 {
		t.Errorf("after failures it is %d", f.width)
	}
	for range 10 {
		once(false)
	}
	if f.width != 5 {
		t.Errorf("after successes it is %d", f.width)
	}
}
