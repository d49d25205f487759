package lambda

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"naru/internal/runtimeapi"
)

// told is a record in a destination, or a dead letter.
type told struct {
	Payload struct {
		RequestContext  requestContext
		RequestPayload  json.RawMessage
		ResponseContext *response
		ResponsePayload json.RawMessage
	}
	Attributes map[string]Attribute
}

func (w *world) records(queue string) (all []told) {
	w.Helper()
	for _, text := range w.received(queue) {
		var r told
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			w.Fatalf("%s: %v", text, err)
		}
		all = append(all, r)
	}
	return all
}

func (w *world) configureEvents(function string, change func(*PutFunctionEventInvokeConfigInput)) {
	w.Helper()
	in := &PutFunctionEventInvokeConfigInput{FunctionName: function}
	change(in)
	if _, err := w.service.PutFunctionEventInvokeConfig(call("e"), in); err != nil {
		w.Fatal(err)
	}
}

func destinations(success, failure string) *DestinationConfig {
	c := &DestinationConfig{}
	if success != "" {
		c.OnSuccess = &Destination{&success}
	}
	if failure != "" {
		c.OnFailure = &Destination{&failure}
	}
	return c
}

func TestDestinationsGetARecord(t *testing.T) {
	inBubble(t, nil, func(w *world) {
		w.handler = func(i runtimeapi.Invocation) ([]byte, []byte) {
			if string(i.Payload) == `"bad"` {
				return fails(i)
			}
			return []byte(`{"done":true}`), nil
		}
		w.create("f", nil)
		good, bad := w.queue("good"), w.queue("bad")
		w.configureEvents("f", func(in *PutFunctionEventInvokeConfigInput) { in.DestinationConfig = destinations(good, bad) })
		w.enqueue("one", "f", `"good"`)
		w.enqueue("two", "f", `"bad"`)
		sleep(time.Hour)
		arn := "arn:aws:lambda:us-east-1:" + account + ":function:f:$LATEST"
		records := w.records("good")
		if len(records) != 1 || records[0].Payload.RequestContext != (requestContext{"one", arn, "Success", 1}) ||
			string(records[0].Payload.ResponsePayload) != `{"done":true}` || *records[0].Payload.ResponseContext != (response{200, "$LATEST", ""}) {
			t.Errorf("of the success: %+v", records)
		}
		records = w.records("bad")
		if len(records) != 1 || records[0].Payload.RequestContext != (requestContext{"two", arn, "RetriesExhausted", 3}) ||
			string(records[0].Payload.RequestPayload) != `"bad"` || *records[0].Payload.ResponseContext != (response{200, "$LATEST", "Unhandled"}) {
			t.Errorf("of the failure: %+v", records)
		}
	})
}

func TestAnEventIsTriedAsOftenAsItsConfigurationSays(t *testing.T) {
	for retries, want := range map[int32]int{0: 1, 1: 2, 2: 3} {
		inBubble(t, nil, func(w *world) {
			tries := 0
			w.handler = func(i runtimeapi.Invocation) ([]byte, []byte) { tries++; return fails(i) }
			w.create("f", nil)
			w.configureEvents("f", func(in *PutFunctionEventInvokeConfigInput) { in.MaximumRetryAttempts = &retries })
			w.enqueue("one", "f", `1`)
			sleep(time.Hour)
			if tries != want {
				t.Errorf("with %d retries it was tried %d times", retries, tries)
			}
		})
	}
}

func TestAnEventThatWouldBeTooOldForItsNextTryIsGivenUpNow(t *testing.T) {
	inBubble(t, nil, func(w *world) {
		tries := 0
		w.handler = func(i runtimeapi.Invocation) ([]byte, []byte) { tries++; return fails(i) }
		w.create("f", nil)
		bad := w.queue("bad")
		w.configureEvents("f", func(in *PutFunctionEventInvokeConfigInput) {
			in.MaximumEventAgeInSeconds, in.DestinationConfig = ptr(int32(100)), destinations("", bad)
		})
		w.enqueue("one", "f", `1`)
		sleep(61 * time.Second) // tried twice; the third would be after three minutes
		records := w.records("bad")
		if tries != 2 || len(records) != 1 || records[0].Payload.RequestContext.Condition != "EventAgeExceeded" || records[0].Payload.RequestContext.Invokes != 2 {
			t.Errorf("tried %d times, told %+v", tries, records)
		}
	})
}

func TestAnEventThatBecameTooOldWhileNaruWasDownIsTold(t *testing.T) {
	inBubble(t, echo, func(w *world) {
		w.create("f", nil)
		bad := w.queue("bad")
		w.configureEvents("f", func(in *PutFunctionEventInvokeConfigInput) { in.DestinationConfig = destinations("", bad) })
		w.service.pause() // nothing is taken up any more
		w.service.asynchronous.Wait()
		w.enqueue("one", "f", `1`)
		after := w.disk.PowerCut(0, nil)
		w.stop()
		sleep(7 * time.Hour)
		w.disk = after
		w.start()
		synctest.Wait()
		records := w.records("bad")
		if len(records) != 1 || records[0].Payload.RequestContext.Condition != "EventAgeExceeded" || records[0].Payload.ResponseContext != nil {
			t.Errorf("told %+v", records)
		}
	})
}

func TestWithoutAnyConcurrencyEventsFailAtOnce(t *testing.T) {
	inBubble(t, echo, func(w *world) {
		w.create("f", nil)
		w.reserve("f", 0)
		bad := w.queue("bad")
		w.configureEvents("f", func(in *PutFunctionEventInvokeConfigInput) { in.DestinationConfig = destinations("", bad) })
		if _, err := w.invoke("f", "1"); reason(err) != "ReservedFunctionConcurrentInvocationLimitExceeded" {
			t.Errorf("invoked: %v", err)
		}
		w.enqueue("one", "f", `{"a":1}`)
		synctest.Wait()
		records := w.records("bad")
		if len(records) != 1 || records[0].Payload.RequestContext.Condition != "ZeroReservedConcurrency" || records[0].Payload.RequestContext.Invokes != 0 || records[0].Payload.ResponseContext != nil {
			t.Errorf("told %+v", records)
		}
	})
}

func TestADeadLetterIsTheEventAndWhyItFailed(t *testing.T) {
	inBubble(t, fails, func(w *world) {
		dead := w.queue("dead")
		w.create("f", func(in *CreateFunctionInput) { in.DeadLetterConfig = &DeadLetterConfig{&dead} })
		w.enqueue("one", "f", `{"a":1}`)
		sleep(time.Hour)
		letters := w.received("dead")
		want := `{"attributes":{"ErrorCode":{"Type":"Number","Value":"200"},"ErrorMessage":{"Type":"String","Value":"no"},"RequestID":{"Type":"String","Value":"one"}},"payload":{"a":1}}`
		if !slices.Equal(letters, []string{want}) {
			t.Errorf("got %s", letters)
		}
		_, err := w.service.CreateFunction(call("c"), &CreateFunctionInput{
			FunctionName: ptr("g"), Role: ptr("arn:aws:iam::" + account + ":role/r"), Runtime: ptr("nodejs22.x"), Handler: ptr("index.handler"),
			Code: &FunctionCode{ZipFile: zipOf(t, map[string]string{"index.js": ""})}, DeadLetterConfig: &DeadLetterConfig{ptr("arn:aws:sqs:us-east-1:000000000000:nowhere")},
		})
		if code(err) != "InvalidParameterValueException" {
			t.Errorf("a queue that is not there: %v", err)
		}
	})
}

func TestADestinationCanBeAFunctionAndAnAliasHasItsOwn(t *testing.T) {
	inBubble(t, nil, func(w *world) {
		var got []string
		w.handler = func(i runtimeapi.Invocation) ([]byte, []byte) {
			w.mu.Lock()
			defer w.mu.Unlock()
			_, function, _ := strings.Cut(i.FunctionARN, ":function:")
			var r struct{ RequestContext requestContext }
			json.Unmarshal(i.Payload, &r)
			got = append(got, function+" "+r.RequestContext.Condition)
			return []byte("1"), nil
		}
		w.create("f", nil)
		w.create("g", nil)
		w.publish("f")
		w.alias("f", "live", "1", nil)
		w.configureEvents("f:live", func(in *PutFunctionEventInvokeConfigInput) {
			in.DestinationConfig = destinations("arn:aws:lambda:us-east-1:"+account+":function:g", "")
		})
		w.enqueue("one", "f", `{}`)
		w.enqueue("two", "f:live", `{}`)
		sleep(time.Minute)
		slices.Sort(got)
		if want := []string{"f ", "f:live ", "g Success"}; !slices.Equal(got, want) {
			t.Errorf("invoked %q, want %q", got, want)
		}
	})
}

// Each event ends once, in its success, its destination or its dead letter,
// however often and whenever the power fails.
func TestEachEventEndsOnceWheneverThePowerIsCut(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			inBubble(t, nil, func(w *world) { eventsAndPowerCuts(w, rand.New(rand.NewPCG(seed, 7))) })
		})
	}
}

// step is what times in the test are multiples of, so that much happens at once.
const step = 37 * time.Millisecond

// crash lets time pass, and then maybe cuts the power in the middle of what
// happens at that moment.
func (w *world) crash(random *rand.Rand) {
	<-time.After(time.Duration(1+random.IntN(40)) * step)
	if random.IntN(3) > 0 {
		return
	}
	for range random.IntN(60) {
		runtime.Gosched()
	}
	after := w.disk.PowerCut(random.IntN(101), random)
	w.stop()
	w.disk = after
	w.start()
}

func eventsAndPowerCuts(w *world, random *rand.Rand) {
	w.handler = func(i runtimeapi.Invocation) ([]byte, []byte) {
		<-time.After(time.Duration(len(i.Payload)) * step)
		if strings.Contains(string(i.Payload), "bad") {
			return fails(i)
		}
		return echo(i)
	}
	good, bad, dead := w.queue("good"), w.queue("bad"), w.queue("dead")
	w.create("f", func(in *CreateFunctionInput) {
		in.DeadLetterConfig, in.Timeout = &DeadLetterConfig{&dead}, ptr(int32(900))
	})
	w.configureEvents("f", func(in *PutFunctionEventInvokeConfigInput) { in.DestinationConfig = destinations(good, bad) })
	var want struct{ good, bad []string }
	for k := range 30 {
		id := fmt.Sprintf("%02d", k)
		if k%2 == 0 {
			want.good = append(want.good, id)
			w.enqueue(id, "f", `"`+strings.Repeat("good", k%5+1)+`"`)
		} else {
			want.bad = append(want.bad, id)
			w.enqueue(id, "f", `"bad"`)
		}
		w.crash(random)
	}
	for range 20 {
		w.crash(random)
	}
	sleep(time.Hour)
	ids := func(queue string) (all []string) {
		for _, r := range w.records(queue) {
			if id := r.Payload.RequestContext.RequestID; id != "" {
				all = append(all, id)
			} else {
				all = append(all, r.Attributes["RequestID"].Value)
			}
		}
		slices.Sort(all)
		return all
	}
	if got := ids("good"); !slices.Equal(got, want.good) {
		w.Errorf("successes %q, want %q", got, want.good)
	}
	if got := ids("bad"); !slices.Equal(got, want.bad) {
		w.Errorf("failures %q, want %q", got, want.bad)
	}
	var letters []string
	for _, text := range w.received("dead") {
		var letter struct{ Attributes map[string]Attribute }
		if err := json.Unmarshal([]byte(text), &letter); err != nil {
			w.Error(err)
		}
		letters = append(letters, letter.Attributes["RequestID"].Value)
	}
	slices.Sort(letters)
	if !slices.Equal(letters, want.bad) {
		w.Errorf("dead letters %q, want %q", letters, want.bad)
	}
}
