package wire

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"testing"
	"time"

	"naru/internal/meter"
	"naru/internal/policy"
)

type doInput struct {
	Name    string  `aws:",uri"`
	Kind    *string `aws:"X-Kind,header"`
	Payload []byte  `aws:",payload"`
	Tags    map[string]doTag
}

type doTag struct {
	Blob []byte `aws:"blob"`
	At   *time.Time
}

func TestDoCallsOperationsAsTheirCallers(t *testing.T) {
	var got *doInput
	settled := 0
	caller := policy.Principal{Kind: policy.Session, ARN: "arn:aws:sts::1:assumed-role/r/s", Account: "1"}
	g := &doGate{}
	f := &Front{Gate: g, Settle: func(context.Context) error { settled++; return nil }, Log: slog.New(slog.DiscardHandler), Meter: new(meter.Registry), Clock: time.Now}
	refused := Errorf("NoSuchThing", "no")
	f.Add(Service{Name: "s", Lower: true, Operations: []Operation{
		Op("Put", func(ctx context.Context, in *doInput) (*None, error) {
			if CallOf(ctx).Caller.ARN != caller.ARN {
				t.Error("the caller is another")
			}
			if got = in; in.Name == "refused" {
				return nil, refused
			}
			return &None{}, nil
		}, func(context.Context, *doInput) ([]policy.Request, error) {
			return []policy.Request{{Action: "s:Put", Resource: "*"}}, nil
		}).At("PUT", "/{Name}", 200),
	}})
	if !f.Has("s", "Put") || f.Has("s", "Get") || f.Has("t", "Put") {
		t.Error("it does not have what it has")
	}
	do := func(operation, input string) error {
		return f.Do(t.Context(), &Call{Service: "s", Operation: operation, Caller: caller}, []byte(input))
	}
	if err := do("Put", `{"Name": "n", "Kind": "k", "Payload": "{\"a\": 1}", "Tags": {"x": {"Blob": {"b": [2]}, "At": 0}}, "Other": 1}`); err != nil {
		t.Fatal(err)
	}
	kind, at := "k", time.Unix(0, 0).UTC()
	want := &doInput{"n", &kind, []byte(`{"a": 1}`), map[string]doTag{"x": {[]byte(`{"b": [2]}`), &at}}}
	if !reflect.DeepEqual(got, want) || settled != 1 {
		t.Errorf("got %+v, settled %d times", got, settled)
	}
	var e *Error
	for _, bad := range []string{`{"Name": 1}`, `{`, `[]`} {
		if err := do("Put", bad); !errors.As(err, &e) || e.Code != CodeMalformed {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if err := do("Get", "{}"); !errors.As(err, &e) || e.Code != CodeUnknown {
		t.Errorf("an operation that there is not: %v", err)
	}
	if err := do("Put", `{"Name": "refused"}`); !errors.Is(err, refused) {
		t.Errorf("refused: %v", err)
	}
	g.denied = Errorf(CodeAccessDenied, "denied")
	got = nil
	if err := do("Put", `{}`); !errors.Is(err, g.denied) || got != nil {
		t.Errorf("denied: %v", err)
	}
}

type doGate struct {
	Gate
	denied error
}

func (g *doGate) Authorize(_ context.Context, _ policy.Principal, needs []policy.Request) error {
	if len(needs) != 1 || needs[0].Action != "s:Put" {
		return errors.New("asked for something else")
	}
	return g.denied
}
