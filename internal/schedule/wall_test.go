package schedule_test

import "testing"

// In New York, clocks go from 02:00 to 03:00 on 8 March 2026, and from 02:00
// back to 01:00 on 1 November.
func TestNewYork(t *testing.T) {
	table{
		{"local time", "cron(0 9 * * ? *)", "2026-03-07T00:00:00Z", []string{
			"2026-03-07T09:00:00-05:00", "2026-03-08T09:00:00-04:00"}},
		{"skipped time doesn't fire", "cron(30 2 * * ? *)", "2026-03-07T06:00:00Z", []string{
			"2026-03-07T02:30:00-05:00", "2026-03-09T02:30:00-04:00"}},
		{"minutes around the skipped hour", "cron(0/30 * * * ? *)", "2026-03-08T06:29:00Z", []string{
			"2026-03-08T01:30:00-05:00", "2026-03-08T03:00:00-04:00", "2026-03-08T03:30:00-04:00"}},
		{"skipped time alone never fires", "cron(30 2 8 3 ? 2026)", "2026-01-01T00:00:00Z", []string{"never"}},
		{"repeated time fires the first time", "cron(30 1 * * ? *)", "2026-10-31T12:00:00Z", []string{
			"2026-11-01T01:30:00-04:00", "2026-11-02T01:30:00-05:00"}},
		{"asked between the two", "cron(30 1 * * ? *)", "2026-11-01T05:45:00Z", []string{"2026-11-02T01:30:00-05:00"}},
		{"asked in the repeated hour", "cron(30 1 * * ? *)", "2026-11-01T06:15:00Z", []string{"2026-11-02T01:30:00-05:00"}},
		{"every half hour, once", "cron(0/30 * * * ? *)", "2026-11-01T04:59:00Z", []string{
			"2026-11-01T01:00:00-04:00", "2026-11-01T01:30:00-04:00", "2026-11-01T02:00:00-05:00"}},
		{"day of the week is local", "cron(0 22 ? * FRI *)", "2026-01-01T00:00:00Z", []string{"2026-01-02T22:00:00-05:00"}},
		{"year is local", "cron(0 20 31 12 ? 2025)", "2026-01-01T00:00:00Z", []string{"2025-12-31T20:00:00-05:00", "never"}},
		{"last minute of all", "cron(59 23 31 12 ? 2199)", "2026-01-01T00:00:00Z", []string{"2199-12-31T23:59:00-05:00", "never"}},
	}.run(t, mustZone(t, "America/New_York"))
}

// In Berlin, clocks go from 02:00 to 03:00 on 29 March 2026, and from 03:00
// back to 02:00 on 25 October.
func TestBerlin(t *testing.T) {
	table{
		{"skipped", "cron(15 2 ? * SUN *)", "2026-03-22T12:00:00Z", []string{"2026-04-05T02:15:00+02:00"}},
		{"end of the skipped hour fires", "cron(0 2,3 29 3 ? 2026)", "2026-01-01T00:00:00Z", []string{"2026-03-29T03:00:00+02:00", "never"}},
		{"repeated", "cron(0 2 * 10 ? *)", "2026-10-24T12:00:00Z", []string{"2026-10-25T02:00:00+02:00", "2026-10-26T02:00:00+01:00"}},
		{"end of the repeated hour", "cron(0 3 * * ? *)", "2026-10-24T12:00:00Z", []string{"2026-10-25T03:00:00+01:00"}},
	}.run(t, mustZone(t, "Europe/Berlin"))
}

// On Lord Howe Island clocks move by half an hour: from 02:00 back to 01:30 on 5
// April 2026, and from 02:00 to 02:30 on 4 October.
func TestLordHowe(t *testing.T) {
	table{
		{"repeated half hour", "cron(0/15 1-2 5 4 ? 2026)", "2026-04-04T14:29:00Z", []string{
			"2026-04-05T01:30:00+11:00", "2026-04-05T01:45:00+11:00", "2026-04-05T02:00:00+10:30",
			"2026-04-05T02:15:00+10:30", "2026-04-05T02:30:00+10:30", "2026-04-05T02:45:00+10:30", "never"}},
		{"skipped half hour", "cron(0/15 2 4 10 ? 2026)", "2026-10-01T00:00:00Z", []string{
			"2026-10-04T02:30:00+11:00", "2026-10-04T02:45:00+11:00", "never"}},
	}.run(t, mustZone(t, "Australia/Lord_Howe"))
}

func TestSeoul(t *testing.T) {
	table{
		{"no clock changes", "cron(30 2 * * ? *)", "2026-03-07T20:00:00Z", []string{
			"2026-03-09T02:30:00+09:00", "2026-03-10T02:30:00+09:00"}},
		{"1st of the month is local", "cron(0 0 1 * ? *)", "2026-01-31T14:59:00Z", []string{
			"2026-02-01T00:00:00+09:00", "2026-03-01T00:00:00+09:00"}},
	}.run(t, mustZone(t, "Asia/Seoul"))
}

// Samoa moved across the date line and had no 30 December 2011.
func TestApiaSkippedADay(t *testing.T) {
	table{
		{"every day", "cron(0 12 * * ? *)", "2011-12-28T23:00:00Z", []string{
			"2011-12-29T12:00:00-10:00", "2011-12-31T12:00:00+14:00"}},
		{"that day", "cron(* * 30 12 ? 2011)", "2011-01-01T00:00:00Z", []string{"never"}},
	}.run(t, mustZone(t, "Pacific/Apia"))
}

// In Santiago the skipped hour is the first of the day.
func TestSantiagoSkipsMidnight(t *testing.T) {
	table{
		{"midnight", "cron(0 0 * 9 ? *)", "2026-09-05T12:00:00Z", []string{"2026-09-07T00:00:00-03:00"}},
		{"first minute there is", "cron(* * 6 9 ? *)", "2026-09-05T12:00:00Z", []string{"2026-09-06T01:00:00-03:00"}},
	}.run(t, mustZone(t, "America/Santiago"))
}
