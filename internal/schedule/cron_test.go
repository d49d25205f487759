package schedule_test

import (
	"testing"
	"time"
)

// 2026-01-01 is a Thursday.
const newYear = "2026-01-01T00:00:00Z"

func TestPublishedExamples(t *testing.T) {
	table{
		{"10:00 am every day", "cron(0 10 * * ? *)", newYear, []string{
			"2026-01-01T10:00:00Z", "2026-01-02T10:00:00Z"}},
		{"12:15 pm every day", "cron(15 12 * * ? *)", newYear, []string{
			"2026-01-01T12:15:00Z", "2026-01-02T12:15:00Z"}},
		{"6:00 pm Monday to Friday", "cron(0 18 ? * MON-FRI *)", newYear, []string{
			"2026-01-01T18:00:00Z", "2026-01-02T18:00:00Z", "2026-01-05T18:00:00Z"}},
		{"8:00 am on the 1st of the month", "cron(0 8 1 * ? *)", newYear, []string{
			"2026-01-01T08:00:00Z", "2026-02-01T08:00:00Z"}},
		{"every 15 minutes", "cron(0/15 * * * ? *)", newYear, []string{
			"2026-01-01T00:15:00Z", "2026-01-01T00:30:00Z", "2026-01-01T00:45:00Z", "2026-01-01T01:00:00Z"}},
		{"every 10 minutes Monday to Friday", "cron(0/10 * ? * MON-FRI *)", "2026-01-02T23:45:00Z", []string{
			"2026-01-02T23:50:00Z", "2026-01-05T00:00:00Z", "2026-01-05T00:10:00Z"}},
		{"every 5 minutes from 8:00 am to 5:55 pm", "cron(0/5 8-17 ? * MON-FRI *)", "2026-01-01T17:52:00Z", []string{
			"2026-01-01T17:55:00Z", "2026-01-02T08:00:00Z"}},
		{"every 30 minutes through the night, and Monday morning", "cron(0/30 20-2 ? * MON-FRI *)", "2026-01-02T23:29:00Z", []string{
			"2026-01-02T23:30:00Z", "2026-01-05T00:00:00Z", "2026-01-05T00:30:00Z", "2026-01-05T01:00:00Z",
			"2026-01-05T01:30:00Z", "2026-01-05T02:00:00Z", "2026-01-05T02:30:00Z", "2026-01-05T20:00:00Z"}},
		{"12:00 pm every day", "cron(0 12 * * ? *)", newYear, []string{"2026-01-01T12:00:00Z"}},
		{"2:05 pm and 2:35 pm every day", "cron(5,35 14 * * ? *)", newYear, []string{
			"2026-01-01T14:05:00Z", "2026-01-01T14:35:00Z", "2026-01-02T14:05:00Z"}},
		{"10:15 am on the last Friday of the month in 2019 to 2022", "cron(15 10 ? * 6L 2019-2022)", "2022-10-30T00:00:00Z", []string{
			"2022-11-25T10:15:00Z", "2022-12-30T10:15:00Z", "never"}},
		{"every tenth minute from the first", "cron(1/10 * * * ? *)", newYear, []string{
			"2026-01-01T00:01:00Z", "2026-01-01T00:11:00Z", "2026-01-01T00:21:00Z"}},
		{"second Tuesday of the month", "cron(0 0 ? * 3#2 *)", newYear, []string{
			"2026-01-13T00:00:00Z", "2026-02-10T00:00:00Z"}},
		{"weekday closest to the third", "cron(0 0 3W * ? *)", newYear, []string{
			"2026-01-02T00:00:00Z", "2026-02-03T00:00:00Z", "2026-03-03T00:00:00Z", "2026-04-03T00:00:00Z", "2026-05-04T00:00:00Z"}},
	}.run(t, nil)
}

func TestFirstFiringIsStrictlyAfterAndOnTheMinute(t *testing.T) {
	table{
		{"at the firing", "cron(* * * * ? *)", newYear, []string{"2026-01-01T00:01:00Z"}},
		{"just before", "cron(* * * * ? *)", "2026-01-01T00:00:59.999999999Z", []string{"2026-01-01T00:01:00Z"}},
		{"just after", "cron(* * * * ? *)", "2026-01-01T00:00:00.000000001Z", []string{"2026-01-01T00:01:00Z"}},
		{"given in another zone", "cron(0 0 * * ? *)", "2026-01-01T23:30:00-05:00", []string{"2026-01-03T00:00:00Z"}},
	}.run(t, nil)
}

func TestCalendarEdges(t *testing.T) {
	table{
		{"31st skips short months", "cron(0 0 31 * ? *)", "2026-02-01T00:00:00Z", []string{
			"2026-03-31T00:00:00Z", "2026-05-31T00:00:00Z", "2026-07-31T00:00:00Z"}},
		{"last day", "cron(59 23 L * ? *)", "2027-12-31T23:59:00Z", []string{
			"2028-01-31T23:59:00Z", "2028-02-29T23:59:00Z", "2028-03-31T23:59:00Z", "2028-04-30T23:59:00Z"}},
		{"29 February", "cron(0 0 29 2 ? *)", newYear, []string{"2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"}},
		{"29 February but not in 2100", "cron(0 0 29 2 ? *)", "2096-03-01T00:00:00Z", []string{"2104-02-29T00:00:00Z"}},
		{"29 February on a Monday", "cron(0 0 ? 2 2#5 *)", newYear, []string{
			"2044-02-29T00:00:00Z", "2072-02-29T00:00:00Z", "2112-02-29T00:00:00Z"}},
		{"year's end", "cron(59 23 31 12 ? *)", newYear, []string{"2026-12-31T23:59:00Z", "2027-12-31T23:59:00Z"}},
		{"days and all else at their last", "cron(59 23 31 DEC ? 2199)", newYear, []string{"2199-12-31T23:59:00Z", "never"}},
		{"before the first year", "cron(0 0 1 1 ? *)", "0001-01-01T00:00:00Z", []string{"1970-01-01T00:00:00Z"}},
		{"list with last day", "cron(0 0 1,15,L * ? *)", newYear, []string{
			"2026-01-15T00:00:00Z", "2026-01-31T00:00:00Z", "2026-02-01T00:00:00Z"}},
	}.run(t, nil)
}

func TestNeverFiring(t *testing.T) {
	table{
		{"31 February", "cron(0 0 31 2 ? *)", newYear, []string{"never"}},
		{"weekday nearest to 31 February", "cron(0 0 31W 2 ? *)", newYear, []string{"never"}},
		{"29 February of a common year", "cron(0 0 29 2 ? 2027,2100)", newYear, []string{"never"}},
		{"past year", "cron(0 0 1 1 ? 2025)", newYear, []string{"never"}},
		{"this year, but earlier", "cron(0 0 1 1 ? 2026)", newYear, []string{"never"}},
		{"fifth Monday of the Februaries of common years", "cron(0 0 ? 2 2#5 2021-2023)", "2020-01-01T00:00:00Z", []string{"never"}},
		{"after the last year", "cron(* * * * ? *)", "2199-12-31T23:59:00Z", []string{"never"}},
		{"long after", "cron(* * * * ? *)", "9999-12-31T23:59:00Z", []string{"never"}},
	}.run(t, nil)
}

func TestNearestWeekday(t *testing.T) {
	table{
		{"1st on Saturday gives Monday 3rd", "cron(0 0 1W 8 ? 2026)", newYear, []string{"2026-08-03T00:00:00Z", "never"}},
		{"1st on Sunday gives Monday 2nd", "cron(0 0 1W 2 ? 2026)", newYear, []string{"2026-02-02T00:00:00Z", "never"}},
		{"1st on Friday", "cron(0 0 1W 5 ? 2026)", newYear, []string{"2026-05-01T00:00:00Z", "never"}},
		{"Saturday gives Friday", "cron(0 0 15W 8 ? 2026)", newYear, []string{"2026-08-14T00:00:00Z", "never"}},
		{"Sunday gives Monday", "cron(0 0 15W 11 ? 2026)", newYear, []string{"2026-11-16T00:00:00Z", "never"}},
		{"last day on Saturday gives Friday", "cron(0 0 31W 1 ? 2026)", newYear, []string{"2026-01-30T00:00:00Z", "never"}},
		{"last day on Sunday gives Friday", "cron(0 0 31W 5 ? 2026)", newYear, []string{"2026-05-29T00:00:00Z", "never"}},
		{"months without the day are left out", "cron(0 0 31W 4-7 ? 2026)", newYear, []string{
			"2026-05-29T00:00:00Z", "2026-07-31T00:00:00Z", "never"}},
		{"last weekday", "cron(0 0 LW * ? *)", newYear, []string{
			"2026-01-30T00:00:00Z", "2026-02-27T00:00:00Z", "2026-03-31T00:00:00Z", "2026-04-30T00:00:00Z", "2026-05-29T00:00:00Z"}},
		{"two that meet on one day fire once", "cron(0 0 1W,2W,3W 8 ? 2026)", newYear, []string{"2026-08-03T00:00:00Z", "never"}},
	}.run(t, nil)
}

func TestDaysOfTheWeek(t *testing.T) {
	table{
		{"1 is Sunday", "cron(0 0 ? * 1 *)", newYear, []string{"2026-01-04T00:00:00Z", "2026-01-11T00:00:00Z"}},
		{"7 is Saturday", "cron(0 0 ? * 7 *)", newYear, []string{"2026-01-03T00:00:00Z"}},
		{"L is Saturday", "cron(0 0 ? * L *)", newYear, []string{"2026-01-03T00:00:00Z", "2026-01-10T00:00:00Z"}},
		{"last Thursday on the last day", "cron(0 0 ? * THUL *)", "2026-04-01T00:00:00Z", []string{
			"2026-04-30T00:00:00Z", "2026-05-28T00:00:00Z"}},
		{"last of several", "cron(0 0 ? * 6L,7L *)", newYear, []string{
			"2026-01-30T00:00:00Z", "2026-01-31T00:00:00Z", "2026-02-27T00:00:00Z", "2026-02-28T00:00:00Z"}},
		{"first on the 1st", "cron(0 0 ? * THU#1 *)", "2025-12-31T00:00:00Z", []string{
			"2026-01-01T00:00:00Z", "2026-02-05T00:00:00Z"}},
		{"months without a fifth are left out", "cron(0 0 ? * 6#5 *)", newYear, []string{
			"2026-01-30T00:00:00Z", "2026-05-29T00:00:00Z", "2026-07-31T00:00:00Z"}},
	}.run(t, nil)
}

func TestRangesThatGoRound(t *testing.T) {
	table{
		{"minutes", "cron(58-1 12 * * ? *)", newYear, []string{
			"2026-01-01T12:00:00Z", "2026-01-01T12:01:00Z", "2026-01-01T12:58:00Z", "2026-01-01T12:59:00Z", "2026-01-02T12:00:00Z"}},
		{"hours", "cron(0 22-1 * * ? *)", newYear, []string{
			"2026-01-01T01:00:00Z", "2026-01-01T22:00:00Z", "2026-01-01T23:00:00Z", "2026-01-02T00:00:00Z"}},
		{"days of the month", "cron(0 0 30-2 * ? *)", newYear, []string{
			"2026-01-02T00:00:00Z", "2026-01-30T00:00:00Z", "2026-01-31T00:00:00Z", "2026-02-01T00:00:00Z",
			"2026-02-02T00:00:00Z", "2026-03-01T00:00:00Z"}},
		{"months", "cron(0 0 1 NOV-FEB ? *)", newYear, []string{
			"2026-02-01T00:00:00Z", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"}},
		{"days of the week", "cron(0 0 ? * FRI-MON *)", newYear, []string{
			"2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z", "2026-01-04T00:00:00Z", "2026-01-05T00:00:00Z", "2026-01-09T00:00:00Z"}},
		{"with a step", "cron(0 20-2/3 * * ? *)", newYear, []string{
			"2026-01-01T02:00:00Z", "2026-01-01T20:00:00Z", "2026-01-01T23:00:00Z", "2026-01-02T02:00:00Z"}},
	}.run(t, nil)
}

func TestSteps(t *testing.T) {
	table{
		{"of everything", "cron(*/25 * * * ? *)", newYear, []string{
			"2026-01-01T00:25:00Z", "2026-01-01T00:50:00Z", "2026-01-01T01:00:00Z"}},
		{"of a range", "cron(0-59/10 0 * * ? *)", "2026-01-01T00:40:00Z", []string{
			"2026-01-01T00:50:00Z", "2026-01-02T00:00:00Z"}},
		{"from a start", "cron(5/15 * * * ? *)", newYear, []string{
			"2026-01-01T00:05:00Z", "2026-01-01T00:20:00Z", "2026-01-01T00:35:00Z", "2026-01-01T00:50:00Z", "2026-01-01T01:05:00Z"}},
		{"of a range of one", "cron(30-30 12 * * ? *)", newYear, []string{"2026-01-01T12:30:00Z", "2026-01-02T12:30:00Z"}},
		{"longer than the range", "cron(0 0 1-31/30 * ? *)", newYear, []string{
			"2026-01-31T00:00:00Z", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"}},
		{"of months by name", "cron(0 0 1 FEB/5 ? *)", newYear, []string{
			"2026-02-01T00:00:00Z", "2026-07-01T00:00:00Z", "2026-12-01T00:00:00Z", "2027-02-01T00:00:00Z"}},
		{"of years", "cron(0 0 1 1 ? 2020/4)", newYear, []string{"2028-01-01T00:00:00Z", "2032-01-01T00:00:00Z"}},
	}.run(t, nil)
}

func TestCronFiresAtItsStartButNotBefore(t *testing.T) {
	s := mustParse(t, "cron(0 10 * * ? *)")
	for start, want := range map[string]string{
		"2026-06-01T09:59:59.5Z": "2026-06-01T10:00:00Z",
		"2026-06-01T10:00:00Z":   "2026-06-01T10:00:00Z",
		"2026-06-01T10:00:00.5Z": "2026-06-02T10:00:00Z",
	} {
		got := s.Next(time.Time{}, mustTime(t, start), nil)
		if !got.Equal(mustTime(t, want)) {
			t.Errorf("start %s: first firing %v, want %s", start, got, want)
		}
	}
}

func BenchmarkNext(b *testing.B) {
	newYork := mustZone(b, "America/New_York")
	for _, bench := range []struct {
		name, expr, after string
		loc               *time.Location
	}{
		{"EveryMinute", "cron(* * * * ? *)", newYear, nil},
		{"Weekdays", "cron(0 18 ? * MON-FRI *)", newYear, nil},
		{"WeekdaysInNewYork", "cron(0 18 ? * MON-FRI *)", newYear, newYork},
		{"RepeatedHourInNewYork", "cron(* * * * ? *)", "2026-11-01T06:00:00Z", newYork},
		{"NextCentury", "cron(0 0 29 2 ? 2104)", newYear, newYork},
		{"Never", "cron(0 0 31 2 ? *)", newYear, newYork},
		{"Rate", "rate(5 minutes)", newYear, nil},
	} {
		b.Run(bench.name, func(b *testing.B) {
			s, after := mustParse(b, bench.expr), mustTime(b, bench.after)
			b.ReportAllocs()
			for b.Loop() {
				s.Next(after, time.Time{}, bench.loc)
			}
		})
	}
}
