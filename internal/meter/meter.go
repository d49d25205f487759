// Package meter holds the figures that Naru's parts keep of themselves.
// Whoever has a figure writes it here, and whoever reports figures (CloudWatch
// metrics, Prometheus) reads them here; neither knows the other.
package meter

import (
	"iter"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// A Registry holds counters, gauges and sketches by name and labels. The zero
// value is ready to use.
type Registry struct {
	mu       sync.RWMutex
	counters map[string]*Counter
	gauges   map[string]*Gauge
	sketches map[string]*Sketch
}

// ID is a figure's name, such as "http_requests", and its labels as pairs of
// name and value.
type ID struct {
	Name   string
	Labels []string
}

func (id ID) key() string { return id.Name + "\x00" + strings.Join(id.Labels, "\x00") }

// A Counter only grows.
type Counter struct {
	ID
	n atomic.Int64
}

// Add adds n, which is not negative.
func (c *Counter) Add(n int) { c.n.Add(int64(n)) }

// Value returns the sum of what was added.
func (c *Counter) Value() int64 { return c.n.Load() }

// A Gauge tells how much of something there is at the moment it is asked.
type Gauge struct {
	ID
	read func() float64
}

// Value asks the gauge.
func (g *Gauge) Value() float64 { return g.read() }

// Counter returns the counter of that name and labels.
func (r *Registry) Counter(name string, labels ...string) *Counter {
	return lookUp(r, &r.counters, ID{name, labels}, func(id ID) *Counter { return &Counter{ID: id} })
}

// Gauge registers read under that name and labels, in place of what was there.
func (r *Registry) Gauge(read func() float64, name string, labels ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gauges == nil {
		r.gauges = map[string]*Gauge{}
	}
	id := ID{name, labels}
	r.gauges[id.key()] = &Gauge{id, read}
}

// Sketch returns the sketch of that name and labels.
func (r *Registry) Sketch(name string, labels ...string) *Sketch {
	return lookUp(r, &r.sketches, ID{name, labels}, func(id ID) *Sketch { return &Sketch{ID: id} })
}

func lookUp[T any](r *Registry, m *map[string]*T, id ID, make_ func(ID) *T) *T {
	key := id.key()
	r.mu.RLock()
	t := (*m)[key]
	r.mu.RUnlock()
	if t != nil {
		return t
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if *m == nil {
		*m = map[string]*T{}
	}
	if t = (*m)[key]; t == nil {
		t = make_(id)
		(*m)[key] = t
	}
	return t
}

// Counters returns all counters, ordered by name and labels; Gauges and
// Sketches likewise.
func (r *Registry) Counters() iter.Seq[*Counter] { return ordered(r, &r.counters) }

// Gauges returns all gauges.
func (r *Registry) Gauges() iter.Seq[*Gauge] { return ordered(r, &r.gauges) }

// Sketches returns all sketches.
func (r *Registry) Sketches() iter.Seq[*Sketch] { return ordered(r, &r.sketches) }

func ordered[T any](r *Registry, m *map[string]*T) iter.Seq[*T] {
	r.mu.RLock()
	defer r.mu.RUnlock()
	keys := make([]string, 0, len(*m))
	for k := range *m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	all := make([]*T, len(keys))
	for i, k := range keys {
		all[i] = (*m)[k]
	}
	return slices.Values(all)
}

// A Sketch counts values in buckets that each are 2 % wide, so that any
// quantile of them can be told within 1 %, and sketches can be added up.
type Sketch struct {
	ID
	mu      sync.Mutex
	buckets map[int]int64
	count   int64
	sum     float64
	low     float64
	high    float64
}

const sketchBase = 1.02

// Observe adds a value. Values that are not positive are counted as the
// smallest positive number.
func (s *Sketch) Observe(v float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.buckets == nil {
		s.buckets = map[int]int64{}
		s.low, s.high = v, v
	}
	s.buckets[bucketOf(v)]++
	s.count++
	s.sum += v
	s.low, s.high = min(s.low, v), max(s.high, v)
}

func bucketOf(v float64) int {
	return int(math.Ceil(math.Log(max(v, math.SmallestNonzeroFloat64)) / math.Log(sketchBase)))
}

// Summary is what a sketch knows. Without values all of it is zero.
type Summary struct {
	Count    int64
	Sum      float64
	Min, Max float64
}

// Summary returns the sketch's count, sum and bounds.
func (s *Sketch) Summary() Summary {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Summary{s.count, s.sum, s.low, s.high}
}

// Quantile returns a value that a share of q (0 to 1) of the values do not
// exceed, within 1 %.
func (s *Sketch) Quantile(q float64) float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	keys := make([]int, 0, len(s.buckets))
	for k := range s.buckets {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	rest := int64(math.Ceil(q * float64(s.count)))
	for _, k := range keys {
		if rest -= s.buckets[k]; rest <= 0 {
			return min(max(math.Pow(sketchBase, float64(k)-0.5), s.low), s.high)
		}
	}
	return s.high
}
