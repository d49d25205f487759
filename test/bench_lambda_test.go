package test

import (
	"encoding/json"
	"os"
	"testing"
)

func TestBenchLambdaTellsOfEachStep(t *testing.T) {
	needNode(t)
	out, errs, status := ended(t, nil, "bench", "lambda", "--json", "--rounds", "1", "--starts", "1", "--duration", "100ms", "--connections", "1,2", "--dir", t.TempDir())
	if status != 0 {
		t.Fatalf("it ended with %d: %s%s", status, out, errs)
	}
	var results []struct {
		Step        string
		Connections int
		Rate, P50   float64
		Over        float64 `json:"over_own_start"`
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
		found[step{r.Step, r.Connections}] = r.Rate > 0 && r.P50 > 0 && (r.Over != 0) == (r.Step == "cold go")
	}
	for _, want := range []step{{"baseline", 1}, {"baseline", 2}, {"warm", 1}, {"warm", 2}, {"cold", 1}, {"spare", 1}, {"node -e 0", 1}, {"go", 1}, {"cold go", 1}} {
		if !found[want] {
			t.Errorf("nothing of %+v in %s", want, out)
		}
	}
}

func TestBenchLambdaTellsOfIdleEnvironments(t *testing.T) {
	needNode(t)
	if _, err := os.Stat("/proc/self/smaps_rollup"); err != nil {
		t.Skipf("this system does not tell what processes share: %v", err)
	}
	out, errs, status := ended(t, nil, "bench", "lambda", "--json", "--idle", "3", "--duration", "100ms", "--dir", t.TempDir())
	if status != 0 {
		t.Fatalf("it ended with %d: %s%s", status, out, errs)
	}
	var r struct {
		Environments int
		Resident     int64 `json:"resident_bytes"`
		Proportional int64 `json:"pss_bytes"`
		Private      int64 `json:"private_bytes"`
		Naru         int64 `json:"naru_pss_bytes"`
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	if r.Environments < 3 || r.Private <= 0 || r.Proportional < r.Private || r.Resident < r.Proportional || r.Naru <= 0 {
		t.Errorf("it tells %s", out)
	}
}
