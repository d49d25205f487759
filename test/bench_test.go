package test

import (
	"encoding/json"
	"strings"
	"testing"
)

// figures are what naru bench --json tells, by name.
type figures map[string]struct {
	Connections int     `json:"connections"`
	Requests    float64 `json:"requests_per_second"`
	Messages    float64 `json:"messages_per_second"`
	Ratio       float64 `json:"ratio_to_baseline"`
	P50         float64 `json:"p50_ms"`
	P999        float64 `json:"p999_ms"`
	Errors      int64   `json:"errors"`
}

// bench runs naru bench sqs and returns what it told.
func bench(t *testing.T, args ...string) figures {
	t.Helper()
	out, errs, status := ended(t, nil, append([]string{"bench", "sqs", "--json", "--duration", "300ms", "--fill", "500"}, args...)...)
	var all []json.RawMessage
	if err := json.Unmarshal([]byte(out), &all); err != nil || status != 0 {
		t.Fatalf("status %d, %v: %s%s", status, err, out, errs)
	}
	f := figures{}
	for _, text := range all {
		var head struct{ Name string }
		if err := json.Unmarshal(text, &head); err != nil {
			t.Fatal(err)
		}
		one := f[head.Name]
		if err := json.Unmarshal(text, &one); err != nil {
			t.Fatal(err)
		}
		f[head.Name] = one
	}
	return f
}

// TestTheBenchMeasuresEveryScenario looks at what is told, not at how fast
// anything is.
func TestTheBenchMeasuresEveryScenario(t *testing.T) {
	t.Parallel()
	f := bench(t, "--baseline", "--fsync-baseline", "--rate", "50%", "--connections", "8", "--restart", "--idle-polls", "20", "--pass", "500",
		"--backlog", "300", "--queues", "3", "--scenario", "send,send-signed,send-batch,receive-delete,receive-delete-single,mixed")
	for name, perRequest := range map[string]float64{
		"baseline": 1, "send": 1, "send-signed": 1, "send-batch": 10, "receive-delete": 0, "receive-delete-single": 0, "mixed": 0,
		"send-backlog": 1, "send-queues": 1, "receive-delete-backlog": 0, "receive-delete-queues": 0, "send-open": 1, "baseline-open": 1,
	} {
		one, ok := f[name]
		switch {
		case !ok || one.Requests <= 0 || one.Messages <= 0 || one.P50 <= 0 || one.P999 < one.P50 || one.Connections != 8:
			t.Errorf("%s: %+v", name, one)
		case one.Errors != 0:
			t.Errorf("%s had %d errors", name, one.Errors)
		case perRequest > 0 && (one.Messages < .9*perRequest*one.Requests || one.Messages > 1.1*perRequest*one.Requests):
			t.Errorf("%s: %+v, not %v messages for a request", name, one, perRequest)
		case one.Ratio <= 0 && !strings.HasSuffix(name, "-open"):
			t.Errorf("%s has no ratio to the baseline: %+v", name, one)
		}
	}
	for _, name := range []string{"fsync", "fsync-beside", "restart-to-serving", "restart-to-receive-queues", "idle-polls", "pass"} {
		if one, ok := f[name]; !ok || one.Errors != 0 {
			t.Errorf("%s: %+v", name, one)
		}
	}
}

func TestTheBenchLeavesNothingAtAForeignEndpoint(t *testing.T) {
	t.Parallel()
	n := start(t)
	if f := bench(t, "--endpoint", n.endpoint, "--connections", "2"); f["send"].Errors != 0 || f["receive-delete"].Messages <= 0 {
		t.Errorf("%+v", f)
	}
	if r := n.send(json10("ListQueues", "{}")); strings.Contains(string(r.body), "naru-bench") {
		t.Errorf("queues are left: %v", r)
	}
}
