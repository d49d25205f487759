package test

import (
	"strings"
	"testing"
)

func TestScheduleNextPrintsComingTimes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"cron(30 2 * * ? *)", "--timezone", "Europe/Berlin", "-n", "2", "--from", "2026-03-27T12:00:00Z"}, "Sat 2026-03-28 02:30:00 +01:00 CET\nMon 2026-03-30 02:30:00 +02:00 CEST\n"},
		{[]string{"rate(90 minutes)", "-n", "2", "--from", "2026-01-01T00:00:00Z"}, "Thu 2026-01-01 01:30:00 +00:00 UTC\nThu 2026-01-01 03:00:00 +00:00 UTC\n"},
		{[]string{"at(2030-01-01T00:00:00)", "--timezone", "Asia/Tokyo"}, "Tue 2030-01-01 00:00:00 +09:00 JST\n"},
		{[]string{"cron(0 0 1 1 ? 2020)"}, ""},
	} {
		stdout, stderr, status := ended(t, nil, append([]string{"schedule", "next"}, c.args...)...)
		if status != 0 || stdout != c.want || (stderr == "") != (c.want != "") {
			t.Errorf("%q: status %d, errors %q, output %q", c.args, status, stderr, stdout)
		}
	}
	if stdout, _, _ := ended(t, nil, "schedule", "next", "cron(* * * * ? *)"); strings.Count(stdout, "\n") != 10 {
		t.Errorf("by default it prints %q", stdout)
	}
	for want, args := range map[string][]string{
		`naru: schedule "cron(x)", at offset 6: only 1 of 6 fields`:            {"cron(x)"},
		"naru: schedule: there is no time zone Mars/Olympus":                   {"rate(1 hour)", "--timezone", "Mars/Olympus"},
		`naru: --from is "now", which is no time such as 2026-01-02T15:04:05Z`: {"rate(1 hour)", "--from", "now"},
	} {
		if _, stderr, status := ended(t, nil, append([]string{"schedule", "next"}, args...)...); status != 1 || strings.TrimSpace(stderr) != want {
			t.Errorf("%q: status %d, errors %q", args, status, stderr)
		}
	}
}
