package events

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"naru/internal/wire"
)

const detail = `{"command": "update-account", "payload": {"acc_id": "0a787ecb-4015", "sf_id": "baz"}, "n": 12345678901234567890}`

func (w *world) put(entries ...PutEventsRequestEntry) *PutEventsOutput {
	w.Helper()
	out, err := w.service.PutEvents(call(), &PutEventsInput{Entries: entries})
	if err != nil {
		w.Fatal(err)
	}
	return out
}

func event(source, text string) PutEventsRequestEntry {
	return PutEventsRequestEntry{Source: &source, DetailType: ptr("t"), Detail: &text}
}

func TestAnEventIsSentByTheRulesThatMatchIt(t *testing.T) {
	inBubble(t, func(w *world) {
		w.on(nil, "yes", `{"source": ["app"], "detail": {"n": [12345678901234567890]}}`, Target{Id: ptr("t"), Arn: ptr(target)})
		w.on(nil, "no", `{"source": ["other"]}`, Target{Id: ptr("t"), Arn: ptr(target)})
		at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
		entry := event("app", detail)
		entry.Time, entry.Resources = &at, []string{"a&b"}
		out := w.put(entry)
		want := `{"version":"0","id":"` + *out.Entries[0].EventId + `","detail-type":"t","source":"app","account":"000000000000","time":"2026-01-02T03:04:05Z","region":"us-east-1","resources":["a&b"],` +
			`"detail":{"command":"update-account","payload":{"acc_id":"0a787ecb-4015","sf_id":"baz"},"n":12345678901234567890}}`
		if got := w.sent(); !slices.Equal(got, []string{want}) {
			t.Errorf("sent %q, want %q", got, want)
		}
		w.must(w.service.DisableRule(call(), &DisableRuleInput{Name: ptr("yes")}))
		w.put(event("app", detail))
		if got := w.sent(); got != nil {
			t.Errorf("a disabled rule sent %q", got)
		}
	})
}

func TestWhatWasPutIsDeliveredAfterACrash(t *testing.T) {
	inBubble(t, func(w *world) {
		w.on(nil, "r", `{"source": ["app"]}`, Target{Id: ptr("a"), Arn: ptr(target)}, Target{Id: ptr("b"), Arn: ptr(target)})
		for i := range 20 {
			w.put(event("app", fmt.Sprintf(`{"i": %d}`, i)))
			if i%3 == 0 {
				w.powerCut()
			}
		}
		counts := map[string]int{}
		for _, e := range w.received() {
			counts[string(e.Detail)]++
		}
		for i := range 20 {
			if n := counts[fmt.Sprintf(`{"i":%d}`, i)]; n != 2 {
				t.Errorf("event %d was sent %d times", i, n)
			}
		}
	})
}

func TestEntriesFailByThemselves(t *testing.T) {
	inBubble(t, func(w *world) {
		w.on(nil, "r", `{"source": [{"exists": true}]}`, Target{Id: ptr("t"), Arn: ptr(target)})
		entries := []PutEventsRequestEntry{event("app", "{}")}
		want := []string{""}
		add := func(e PutEventsRequestEntry, problem string) {
			entries, want = append(entries, e), append(want, problem)
		}
		add(PutEventsRequestEntry{DetailType: ptr("t"), Detail: ptr("{}")}, "InvalidArgument: Parameter Source is not valid. Reason: Source is a required argument.")
		add(PutEventsRequestEntry{Source: ptr("app"), Detail: ptr("{}")}, "InvalidArgument: Parameter DetailType is not valid. Reason: DetailType is a required argument.")
		add(PutEventsRequestEntry{Source: ptr("app"), DetailType: ptr("t")}, "InvalidArgument: Parameter Detail is not valid. Reason: Detail is a required argument.")
		for _, malformed := range []string{`"string"`, `[]`, `{"a"`, `null`, `"{\"a\": 1}"`} {
			add(event("app", malformed), "MalformedDetail: Detail is malformed.")
		}
		add(event("aws.ec2", "{}"), "NotAuthorizedForSourceException: Not authorized for the source.")
		out := w.put(entries...)
		for i, r := range out.Entries {
			problem := ""
			if r.ErrorCode != nil {
				problem = *r.ErrorCode + ": " + *r.ErrorMessage
			}
			if problem != want[i] || (r.EventId == nil) != (problem != "") {
				t.Errorf("entry %d: %+v, want %q", i, r, want[i])
			}
		}
		if int(out.FailedEntryCount) != len(entries)-1 {
			t.Errorf("%d failed", out.FailedEntryCount)
		}
		if got := w.sent(); len(got) != 1 {
			t.Errorf("sent %q", got)
		}
		missing := event("app", "{}")
		missing.EventBusName = ptr("missing")
		if out := w.put(missing); out.FailedEntryCount != 0 || out.Entries[0].EventId == nil {
			t.Errorf("on a bus that is not there: %+v", out)
		}
	})
}

func TestRequestsThatAreTooLargeFailWhole(t *testing.T) {
	inBubble(t, func(w *world) {
		_, err := w.service.PutEvents(call(), &PutEventsInput{Entries: []PutEventsRequestEntry{event("app", `{"a": "`+strings.Repeat("x", 1<<20)+`"}`)}})
		w.refused(err, "ValidationException", "Total size of the entries in the request is over the limit.")
		_, err = w.service.PutEvents(call(), &PutEventsInput{})
		w.refused(err, "ValidationException", "1 validation error detected: Value '[]' at 'entries' failed to satisfy constraint: Member must have length greater than or equal to 1")
		entry := event("core.update-account-command", `{"a": "b"}`)
		entry.EventBusName = ptr("bus")
		one := `PutEventsRequestEntry(time=null, source=core.update-account-command, resources=null, detailType=t, detail={"a": "b"}, eventBusName=bus, traceHeader=null, kmsKeyIdentifier=null, internalMetadata=null)`
		_, err = w.service.PutEvents(call(), &PutEventsInput{Entries: slices.Repeat([]PutEventsRequestEntry{entry}, 11)})
		w.refused(err, "ValidationException", "1 validation error detected: Value '["+strings.Join(slices.Repeat([]string{one}, 11), ", ")+"]' at 'entries' failed to satisfy constraint: Member must have length less than or equal to 10")
	})
}

func TestInputs(t *testing.T) {
	paths := map[string]string{"type": "$.detail-type", "at": "$.time", "command": "$.detail.command", "payload": "$.detail.payload", "n": "$.detail.n", "missing": "$.detail.missing"}
	for name, c := range map[string]struct {
		target Target
		want   string
	}{
		"Input":       {Target{Input: ptr(`{"a": 1}`)}, `{"a": 1}`},
		"Path":        {Target{InputPath: ptr("$.detail.payload")}, `{"acc_id":"0a787ecb-4015","sf_id":"baz"}`},
		"TextPath":    {Target{InputPath: ptr("$.detail.payload.sf_id")}, `"baz"`},
		"NoPath":      {Target{InputPath: ptr("$.detail.nothing")}, `null`},
		"Text":        {Target{InputTransformer: &InputTransformer{paths, ptr(`"Event of <type> type, at time <at>, info extracted from detail <command>"`)}}, `"Event of t type, at time 2000-01-01T00:00:00Z, info extracted from detail update-account"`},
		"MissingText": {Target{InputTransformer: &InputTransformer{paths, ptr(`"info extracted from detail <missing>"`)}}, `"info extracted from detail "`},
		"JSON":        {Target{InputTransformer: &InputTransformer{paths, ptr(`{"type": <type>, "n": [<n>, true], "payload": <payload>, "missing": <missing>}`)}}, `{"type": "t", "n": [12345678901234567890, true], "payload": {"acc_id":"0a787ecb-4015","sf_id":"baz"}, "missing": ""}`},
		"Mixed":       {Target{InputTransformer: &InputTransformer{paths, ptr(`{"a": "\"<command>\" of <payload>", "b": <n>}`)}}, `{"a": "\"update-account\" of {acc_id:0a787ecb-4015,sf_id:baz}", "b": 12345678901234567890}`},
		"Special":     {Target{InputTransformer: &InputTransformer{paths, ptr(`"{[/Check with special starting characters for event of <type> type"`)}}, `"{[/Check with special starting characters for event of t type"`},
		"Lines":       {Target{InputTransformer: &InputTransformer{paths, ptr("\"first <n>\"\n\"second <command>\"")}}, "\"first 12345678901234567890\"\n\"second update-account\""},
		"Reserved":    {Target{InputTransformer: &InputTransformer{nil, ptr(`{"arn": <aws.events.rule-arn>, "name": "<aws.events.rule-name>", "at": <aws.events.event.ingestion-time>}`)}}, `{"arn": "arn:aws:events:us-east-1:000000000000:rule/r", "name": "r", "at": "2000-01-01T00:00:00Z"}`},
		"Event":       {Target{InputTransformer: &InputTransformer{nil, ptr(`{"e": <aws.events.event>}`)}}, `{"e": {"id":"ID","account":"000000000000","detailType":"t","time":"2000-01-01T00:00:00Z","source":"app","region":"us-east-1","resources":[],"version":"0"}}`},
		"NoTag":       {Target{InputTransformer: &InputTransformer{nil, ptr(`"a < b > c"`)}}, `"a < b > c"`},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				c.target.Id, c.target.Arn = ptr("t"), ptr(target)
				w.on(nil, "r", `{"source": ["app"]}`, c.target)
				out := w.put(event("app", detail))
				want := strings.ReplaceAll(c.want, `"ID"`, `"`+*out.Entries[0].EventId+`"`)
				if got := w.sent(); !slices.Equal(got, []string{want}) {
					t.Errorf("sent %q, want %q", got, want)
				}
			})
		})
	}
}

func TestPaths(t *testing.T) {
	value := []byte(`{"a": {"b-c": [1, {"d": "x"}, {"d": "y"}], "e": null}}`)
	for text, want := range map[string]string{
		"$": string(value), "$.a.b-c[0]": "1", "$.a.b-c[1].d": `"x"`, "$.a.b-c[*].d": `["x","y"]`, "$.a.e": "null",
		"$.a.b-c[3]": "", "$.x": "", "$.a.b-c.d": "", "$.a[0]": "", "$.x[*]": "", "$.a[*]": "[]",
	} {
		p, err := parsePath(text)
		if got := string(p.find(value)); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "a", "$a", "$.", "$..a", "$.a[", "$.a[x]", "$.a[-1]", "$.a]", "$.a'b", "$[?(@.a)]"} {
		if p, err := parsePath(text); err == nil {
			t.Errorf("%s is %v", text, p)
		}
	}
}

func FuzzTransform(f *testing.F) {
	f.Add(`{"a": "\"<x>\" <y", "b": <x>}`, "$.detail.a", `{"a": "b\"c"}`)
	f.Fuzz(func(t *testing.T, template, path, detail string) {
		s := &Service{}
		e := Event{Source: "s", DetailType: "d", Detail: detail, Time: time.Unix(0, 0)}
		a, err := s.arrive(account, region, busName{}, e)
		transformer := &InputTransformer{map[string]string{"x": path}, &template}
		if err != nil || transformer.check("t", "") != nil {
			return
		}
		if _, err := transformer.apply(sending{&Rule{}, a.text, time.Unix(0, 0)}); err != nil {
			t.Error(err)
		}
	})
}

func TestTestEventPattern(t *testing.T) {
	inBubble(t, func(w *world) {
		event := `{"id": "1", "source": "s", "detail-type": "t", "account": "1", "region": "r", "time": "2022-07-13T13:48:01Z", "detail": {"a": 1}}`
		for pattern, want := range map[string]bool{`{"source": ["s"]}`: true, `{"detail": {"a": [2]}}`: false} {
			if out, err := w.service.TestEventPattern(call(), &TestEventPatternInput{Event: &event, EventPattern: &pattern}); err != nil || out.Result != want {
				t.Errorf("%s: %+v, %v", pattern, out, err)
			}
		}
		for _, bad := range []string{`"text"`, `[]`, `{}`, `x`, strings.Replace(event, "source", "sauce", 1)} {
			_, err := w.service.TestEventPattern(call(), &TestEventPatternInput{Event: &bad, EventPattern: ptr(`{"a": [1]}`)})
			w.refused(err, "ValidationException", "Parameter Event is not valid.")
		}
		var e *wire.Error
		_, err := w.service.TestEventPattern(call(), &TestEventPatternInput{Event: &event, EventPattern: ptr(`{"a": {}}`)})
		if e, _ = err.(*wire.Error); e == nil || e.Code != "InvalidEventPatternException" {
			t.Errorf("a bad pattern: %v", err)
		}
	})
}
