package schedule_test

import (
	"testing"
	"time"

	"naru/internal/schedule"
)

func TestRateCountsItsPeriodsFromTheStart(t *testing.T) {
	const start = "2026-01-31T10:00:30.5Z"
	for _, row := range []struct {
		expr, after, rule, scheduler string
	}{
		{"rate(1 minute)", "0001-01-01T00:00:00Z", "2026-01-31T10:01:30.5Z", start},
		{"rate(1 minute)", "2026-01-31T10:00:30.4Z", "2026-01-31T10:01:30.5Z", start},
		{"rate(1 minute)", start, "2026-01-31T10:01:30.5Z", "2026-01-31T10:01:30.5Z"},
		{"rate(1 minute)", "2026-01-31T10:01:30.4Z", "2026-01-31T10:01:30.5Z", "2026-01-31T10:01:30.5Z"},
		{"rate(1 minute)", "2026-01-31T10:01:30.5Z", "2026-01-31T10:02:30.5Z", "2026-01-31T10:02:30.5Z"},
		{"rate(5 hours)", "2026-02-01T00:00:00Z", "2026-02-01T01:00:30.5Z", "2026-02-01T01:00:30.5Z"},
		{"rate(30 days)", "2026-01-31T12:00:00Z", "2026-03-02T10:00:30.5Z", "2026-03-02T10:00:30.5Z"},
		{"rate(1 day)", "2199-12-30T10:00:30.5Z", "2199-12-31T10:00:30.5Z", "2199-12-31T10:00:30.5Z"},
		{"rate(1 day)", "2199-12-31T10:00:30.5Z", "", ""},
		{"rate(999999999999999999999 minutes)", "2026-01-01T00:00:00Z", "", start},
		{"rate(999999999999999999999 days)", "2026-02-01T00:00:00Z", "", ""},
	} {
		rule, err := schedule.Parse(row.expr)
		if err != nil {
			t.Fatal(err)
		}
		check := func(s schedule.Schedule, want string) {
			got := s.Next(mustTime(t, row.after), mustTime(t, start), nil)
			if (want == "" && !got.IsZero()) || (want != "" && !got.Equal(mustTime(t, want))) {
				t.Errorf("%s after %s: %v, want %q", row.expr, row.after, got, want)
			}
		}
		check(rule, row.rule)
		check(mustParse(t, row.expr), row.scheduler)
	}
}

func TestRateDayIs24HoursWhateverClocksDo(t *testing.T) {
	loc := mustZone(t, "America/New_York")
	start := time.Date(2026, 3, 7, 12, 0, 0, 0, loc) // clocks go forward on the 8th
	got := mustParse(t, "rate(1 day)").Next(start, start, loc)
	if want := "2026-03-08T13:00:00-04:00"; got.Format(time.RFC3339) != want {
		t.Errorf("got %s, want %s", got.Format(time.RFC3339), want)
	}
}
