package test

import (
	"encoding/json"
	"testing"
)

func TestBenchLambdaTellsOfEachStep(t *testing.T) {
	needNode(t)
	out, errs, status := ended(t, nil, "bench", "lambda", "--json", "--rounds", "1", "--cold", "1", "--duration", "100ms", "--connections", "1,2", "--dir", t.TempDir())
	if status != 0 {
		t.Fatalf("it ended with %d: %s%s", status, out, errs)
	}
	var results []struct {
		Step        string
		Connections int
		Rate, P50   float64
	}
	if err := json.Unmarshal([]byte(out), &results); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	type step struct {
		name        string
		connections int
	}
	found := map[step]bool{}
	for _, r := range results {
		found[step{r.Step, r.Connections}] = r.Rate > 0 && r.P50 > 0
	}
	for _, want := range []step{{"baseline", 1}, {"baseline", 2}, {"warm", 1}, {"warm", 2}, {"cold", 1}, {"spare", 1}, {"node -e 0", 1}} {
		if !found[want] {
			t.Errorf("nothing of %+v in %s", want, out)
		}
	}
}
