package metrics

import (
	"net/http/httptest"
	"strings"
	"testing"

	"naru/internal/meter"
)

func TestFiguresAreServedToPrometheus(t *testing.T) {
	var r meter.Registry
	r.Counter("api_requests", "service", "sqs").Add(3)
	r.Gauge(func() float64 { return 2 }, "queues")
	r.Sketch("api_request_seconds", "service", "sqs").Observe(0.5)
	w := httptest.NewRecorder()
	Handler(&r).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, line := range []string{
		`naru_api_requests_total{service="sqs"} 3`,
		`naru_queues 2`,
		`naru_api_request_seconds_count{service="sqs"} 1`,
		`naru_api_request_seconds{service="sqs",quantile="0.99"} 0.5`,
		`go_goroutines`,
	} {
		if !strings.Contains(w.Body.String(), line) {
			t.Errorf("%q is missing in:\n%s", line, w.Body)
		}
	}
}
