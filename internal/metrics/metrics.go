// Package metrics reports the figures that Naru's parts keep in meter, to
// Prometheus.
package metrics

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"naru/internal/meter"
)

// Handler serves the registry's figures, and the Go runtime's and the
// process's, in Prometheus's text format.
func Handler(r *meter.Registry) http.Handler {
	p := prometheus.NewRegistry()
	p.MustRegister(collector{r}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(p, promhttp.HandlerOpts{})
}

// collector turns the registry's figures into Prometheus's, whenever asked:
// counters end in _total, and sketches are summaries.
type collector struct{ registry *meter.Registry }

// Describe describes nothing: which figures there are changes.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect sends all figures.
func (c collector) Collect(out chan<- prometheus.Metric) {
	for n := range c.registry.Counters() {
		desc, values := describe(n.ID, "_total")
		out <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n.Value()), values...)
	}
	for g := range c.registry.Gauges() {
		desc, values := describe(g.ID, "")
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, g.Value(), values...)
	}
	for s := range c.registry.Sketches() {
		desc, values := describe(s.ID, "")
		sum := s.Summary()
		quantiles := map[float64]float64{}
		for _, q := range []float64{0.5, 0.9, 0.99, 0.999} {
			quantiles[q] = s.Quantile(q)
		}
		out <- prometheus.MustNewConstSummary(desc, uint64(sum.Count), sum.Sum, quantiles, values...)
	}
}

func describe(id meter.ID, suffix string) (*prometheus.Desc, []string) {
	var names, values []string
	for i := 0; i+1 < len(id.Labels); i += 2 {
		names, values = append(names, id.Labels[i]), append(values, id.Labels[i+1])
	}
	return prometheus.NewDesc("naru_"+id.Name+suffix, id.Name, names, nil), values
}
