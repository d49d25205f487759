package schedule_test

import (
	"testing"
	"time"

	"naru/internal/schedule"
)

func TestAtFiresOnce(t *testing.T) {
	table{
		{"seconds count", "at(2022-11-20T13:00:30)", "2022-11-20T13:00:29Z", []string{"2022-11-20T13:00:30Z", "never"}},
		{"not again at that instant", "at(2022-11-20T13:00:30)", "2022-11-20T13:00:30Z", []string{"never"}},
		{"first year", "at(1970-01-01T00:00:00)", "1969-12-31T23:59:59Z", []string{"1970-01-01T00:00:00Z", "never"}},
		{"last year", "at(2199-12-31T23:59:59)", "2026-01-01T00:00:00Z", []string{"2199-12-31T23:59:59Z", "never"}},
		{"leap day", "at(2028-02-29T00:00:00)", "2026-01-01T00:00:00Z", []string{"2028-02-29T00:00:00Z", "never"}},
	}.run(t, nil)
}

func TestAtIsLocalTime(t *testing.T) {
	table{
		{"summer", "at(2026-07-01T09:00:00)", "2026-01-01T00:00:00Z", []string{"2026-07-01T09:00:00-04:00", "never"}},
		{"skipped time never comes", "at(2026-03-08T02:30:00)", "2026-01-01T00:00:00Z", []string{"never"}},
		{"repeated time comes once", "at(2026-11-01T01:30:00)", "2026-01-01T00:00:00Z", []string{"2026-11-01T01:30:00-04:00", "never"}},
	}.run(t, mustZone(t, "America/New_York"))
}

func TestAtIgnoresTheStart(t *testing.T) {
	s := mustParse(t, "at(2022-11-20T13:00:00)")
	got := s.Next(time.Time{}, mustTime(t, "2030-01-01T00:00:00Z"), nil)
	if want := mustTime(t, "2022-11-20T13:00:00Z"); !got.Equal(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestInvalidAt(t *testing.T) {
	for _, expr := range []string{
		"at(2021-12-31T23:59:59Z)", // this and the next recorded against AWS
		"at(2021-12-31)",
		"at()",
		"at(2021-12-31 23:59:59)",
		"at(2021-12-31t23:59:59)",
		"at(2021-12-31T23:59)",
		"at(2021-12-31T23:59:59.5)",
		"at(2021-12-31T23:59:59,5)",
		"at(2021-12-31T23:59:59+01:00)",
		"at(2021-12-31T3:59:59)",
		"at(2021-1-31T03:59:59)",
		"at(21-01-31T03:59:59)",
		"at(2021-02-29T00:00:00)",
		"at(2021-13-01T00:00:00)",
		"at(2021-12-31T24:00:00)",
		"at(2021-12-31T23:59:60)",
		"at( 2021-12-31T23:59:59)",
		"at(1969-12-31T23:59:59)",
		"at(2200-01-01T00:00:00)",
	} {
		if _, err := schedule.ParseScheduler(expr); err == nil {
			t.Errorf("%s is valid", expr)
		}
	}
}
