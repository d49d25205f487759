package lambda

import (
	"strings"
	"testing"
)

func TestALineageCountsInvocationsOfAChain(t *testing.T) {
	f, g := name{account, region, "f", ""}, name{account, region, "g", ""}
	trace := "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=53995c3f42cd8ad8;Sampled=0"
	for k := range 5 {
		if n := timesIn(f, trace); n != k {
			t.Errorf("after %d rounds f was invoked %d times", k, n)
		}
		trace = passing(g, passing(f.at("live"), trace))
	}
	if timesIn(g, trace) != 5 || !strings.HasPrefix(trace, "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=53995c3f42cd8ad8;Sampled=0;Lineage=") {
		t.Errorf("in the end it is %s", trace)
	}
	for _, odd := range []string{"", ";;", "Lineage=", "Lineage=x", "Lineage=:1|a:b", "Root=1;Lineage=" + lineageHash(f) + ":many"} {
		if n := timesIn(f, odd); n != 0 {
			t.Errorf("%q counts %d", odd, n)
		}
		if n := timesIn(f, passing(f, odd)); n != 1 {
			t.Errorf("after %q it counts %d", odd, n)
		}
	}
}

func TestALineageDoesNotGrowWithoutEnd(t *testing.T) {
	trace := ""
	for k := range 100 {
		trace = passing(name{account, region, strings.Repeat("f", k+1), ""}, trace)
	}
	if len(trace) > 300 {
		t.Errorf("it has %d bytes", len(trace))
	}
}

func TestAFunctionThatMayLoopIsNotStopped(t *testing.T) {
	inBubble(t, echo, func(w *world) {
		w.create("f", nil)
		n := name{account, region, "f", ""}
		trace := ""
		for range maxLineage {
			trace = passing(n, trace)
		}
		e := &event{Trace: trace}
		if err := w.service.checkLoop(n, e); code(err) != "RecursiveInvocationException" {
			t.Errorf("at first: %v", err)
		}
		if _, err := w.service.PutFunctionRecursionConfig(call("r"), &PutFunctionRecursionConfigInput{FunctionName: "f", RecursiveLoop: ptr("Allow")}); err != nil {
			t.Fatal(err)
		}
		if err := w.service.checkLoop(n, e); err != nil {
			t.Errorf("then: %v", err)
		}
	})
}
