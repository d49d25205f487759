package meter

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestCountersAreOneByNameAndLabels(t *testing.T) {
	var r Registry
	r.Counter("requests", "service", "sqs").Add(2)
	r.Counter("requests", "service", "sqs").Add(3)
	r.Counter("requests", "service", "lambda").Add(1)
	var got []int64
	for c := range r.Counters() {
		got = append(got, c.Value())
	}
	if !slices.Equal(got, []int64{1, 5}) {
		t.Errorf("got %v", got)
	}
}

func TestAGaugeIsReadWhenAsked(t *testing.T) {
	var r Registry
	n := 1.0
	r.Gauge(func() float64 { return n }, "queues")
	n = 2
	for g := range r.Gauges() {
		if g.Value() != 2 {
			t.Errorf("got %v", g.Value())
		}
	}
}

func TestQuantilesAreWithinOnePercent(t *testing.T) {
	var s Sketch
	if s.Quantile(0.5) != 0 || s.Summary() != (Summary{}) {
		t.Error("an empty sketch must say zero")
	}
	random := rand.New(rand.NewPCG(1, 2))
	values := make([]float64, 10_000)
	for i := range values {
		values[i] = math.Exp(random.NormFloat64() * 3)
		s.Observe(values[i])
	}
	slices.Sort(values)
	for _, q := range []float64{0, 0.01, 0.5, 0.9, 0.99, 0.999, 1} {
		want := values[max(0, int(math.Ceil(q*10_000))-1)]
		if got := s.Quantile(q); math.Abs(got-want) > 0.0101*want {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	if got := s.Summary(); got.Count != 10_000 || got.Min != values[0] || got.Max != values[9999] {
		t.Errorf("got %+v", got)
	}
}
