package schedule_test

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"naru/internal/schedule"
)

// FuzzParse holds Parse and ParseScheduler to a grammar of regular expressions.
func FuzzParse(f *testing.F) {
	for _, expr := range validEverywhere {
		f.Add(expr)
	}
	for _, marked := range invalidEverywhere {
		f.Add(strings.Replace(marked, "^", "", 1))
	}
	f.Add("at(2022-11-20T13:00:00)")
	f.Add("rate(1 minutes)")
	f.Fuzz(func(t *testing.T, expr string) {
		checkParse(t, expr, schedule.Parse, ruleGrammar.MatchString(expr))
		// The calendar of an at is not regular: trust what parses.
		s := checkParse(t, expr, schedule.ParseScheduler, schedulerGrammar.MatchString(expr))
		if strings.HasPrefix(s.String(), "at(") && !atShape.MatchString(expr) {
			t.Errorf("%q is valid", expr)
		}
	})
}

func checkParse(t *testing.T, expr string, parse func(string) (schedule.Schedule, error), valid bool) schedule.Schedule {
	valid = valid && !yearsGoRound(expr)
	s, err := parse(expr)
	if err != nil {
		var e *schedule.Error
		if !errors.As(err, &e) || e.Expr != expr || e.Offset < 0 || e.Offset > len(expr) || e.Reason == "" {
			t.Errorf("%q: bad error %#v", expr, err)
		}
		if valid {
			t.Errorf("%q is valid, but: %v", expr, err)
		}
		return s
	}
	if !valid && !strings.HasPrefix(expr, "at(") {
		t.Errorf("%q is not valid", expr)
	}
	if again, err := parse(s.String()); err != nil || s.String() != expr || !reflect.DeepEqual(s, again) {
		t.Errorf("%q: String gives %q, which parses to something else", expr, s)
	}
	return s
}

var (
	ruleGrammar      = regexp.MustCompile(`^(?:rate\((?:1 (?:minute|hour|day)|(?:[2-9]|[1-9][0-9]+) (?:minutes|hours|days))\)|` + cronGrammar() + `)$`)
	schedulerGrammar = regexp.MustCompile(`^(?:rate\([1-9][0-9]* (?:minute|hour|day)s?\)|` + cronGrammar() + `)$`)
	atShape          = regexp.MustCompile(`^at\([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\)$`)
)

// cronGrammar spells the grammar out, with every number written as itself.
func cronGrammar() string {
	const months = "|JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC"
	const weekdays = "|SUN|MON|TUE|WED|THU|FRI|SAT"
	day, weekday := numbers(1, 31), "(?:"+numbers(1, 7)+weekdays+")"
	stepped := func(value string, most int) string {
		return `(?:(?:\*|` + value + `(?:-` + value + `)?)(?:/` + numbers(1, most) + `)?)`
	}
	list := func(item string) string { return item + `(?:,` + item + `)*` }

	dayOfMonth := list(`(?:L|LW|` + day + `W|` + stepped(day, 31) + `)`)
	dayOfWeek := `(?:` + weekday + `#0*[1-5]|` + list(`(?:L|`+weekday+`L|\*|`+weekday+`(?:-`+weekday+`)?)`) + `)`
	month := list(stepped(`(?:`+numbers(1, 12)+months+`)`, 12))
	return `cron\(` + list(stepped(numbers(0, 59), 59)) + ` ` + list(stepped(numbers(0, 23), 23)) +
		` (?:` + dayOfMonth + ` ` + month + ` \?|\? ` + month + ` ` + dayOfWeek + `)` +
		` ` + list(stepped(numbers(1970, 2199), 2199)) + `\)`
}

func numbers(least, most int) string {
	var all []string
	for n := least; n <= most; n++ {
		all = append(all, strconv.Itoa(n))
	}
	return `0*(?:` + strings.Join(all, "|") + `)`
}

// yearsGoRound reports whether a year range ends before it starts.
func yearsGoRound(expr string) bool {
	for item := range strings.SplitSeq(strings.TrimSuffix(expr[strings.LastIndexByte(expr, ' ')+1:], ")"), ",") {
		from, to, _ := strings.Cut(strings.Split(item, "/")[0], "-")
		first, err1 := strconv.Atoi(from)
		last, err2 := strconv.Atoi(to)
		if err1 == nil && err2 == nil && last < first {
			return true
		}
	}
	return false
}

// zones have clock changes of every kind, or none.
var zones = []string{
	"UTC", "Asia/Seoul", "America/New_York", "Europe/Berlin", "Europe/London",
	"Australia/Lord_Howe", // half an hour
	"Antarctica/Troll",    // two hours
	"Pacific/Apia",        // a whole day, skipped
	"America/Santiago",    // at midnight
	"Africa/Casablanca",   // around Ramadan
	"Atlantic/Azores",     // to and from offset 0
	"Asia/Kathmandu",      // 45 minutes past
	"America/Godthab",     // at 22:00 the day before
	"Antarctica/Casey",    // by three hours
	"America/Caracas",     // once, by half an hour
	"Pacific/Chatham",     // 45 minutes past, with changes
	"Europe/Dublin",       // negative summer time
	"Africa/Cairo",        // at midnight, back and forth
	"Asia/Pyongyang",      // two moves
	"America/Argentina/San_Luis",
}

// FuzzNext compares Next with a naive scan.
func FuzzNext(f *testing.F) {
	const jan2026, mar2026, nov2026 = 1767225600, 1772949599, 1793512799
	for zone := range zones {
		f.Add("0/15 * * * ? *", int64(jan2026), uint8(zone))
		f.Add("30 1,2 * * ? *", int64(mar2026), uint8(zone))
		f.Add("* 0-3 ? 3-11 SUN *", int64(nov2026), uint8(zone))
	}
	for _, expr := range validEverywhere {
		if fields, ok := strings.CutPrefix(expr, "cron("); ok {
			f.Add(strings.TrimSuffix(fields, ")"), int64(jan2026), uint8(2))
		}
	}
	f.Add("59 23 31 12 ? 2199", int64(7258118400-86400), uint8(0))
	f.Add("0 0 29 2 ? *", int64(951868800), uint8(3))
	f.Add("* * 30 12 ? 2011", int64(1325000000), uint8(7))
	f.Fuzz(func(t *testing.T, fields string, after int64, zone uint8) {
		if _, err := schedule.Parse("cron(" + fields + ")"); err != nil {
			return
		}
		compareWithNaiveScan(t, fields, after, zones[int(zone)%len(zones)])
	})
}

// compareWithNaiveScan checks one firing after a Unix time, which it brings into
// the years 1969 to 2199. The scan covers four years and a half.
func compareWithNaiveScan(t rapid.TB, fields string, unix int64, zone string) {
	t.Helper()
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	s, err := schedule.Parse("cron(" + fields + ")")
	if err != nil {
		t.Fatal(err)
	}
	const lastSecond, days = 7_258_118_399, 1650
	after := time.Unix(unix%lastSecond, 0)
	if unix < 0 {
		after = time.Unix(-unix%366*86400-366*86400, 0)
	}

	naive := newNaiveCron(fields)
	got, want := s.Next(after, time.Time{}, loc), naive.next(after, loc, days)
	switch {
	case want.IsZero() && got.IsZero():
	case want.IsZero():
		wall := time.Date(got.Year(), got.Month(), got.Day(), 0, 0, 0, 0, time.UTC)
		if got.Before(after.Add((days-1)*24*time.Hour)) || !naive.allowsDay(wall) || !naive.allowsTime(got) {
			t.Errorf("%q in %s after %s: %s, but naive finds none so soon", fields, zone, after.UTC(), got)
		}
	case !got.Equal(want):
		t.Errorf("%q in %s after %s:\ngot  %s\nwant %s", fields, zone, after.UTC(), got, want)
	}
}

func TestNextAgreesWithANaiveScan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fields := cronFields().Draw(t, "fields")
		after := rapid.Int64Range(0, 7_258_000_000).Draw(t, "after")
		zone := rapid.SampledFrom(zones).Draw(t, "zone")
		compareWithNaiveScan(t, fields, after, zone)
	})
}

// cronFields generates the six fields of valid cron expressions.
func cronFields() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		minute := listOf(item(0, 59, 59, true)).Draw(t, "minute")
		hour := listOf(item(0, 23, 23, true)).Draw(t, "hour")
		month := listOf(item(1, 12, 12, true)).Draw(t, "month")
		year := rapid.OneOf(rapid.Just("*"), item(1970, 2199, 20, false)).Draw(t, "year")
		if rapid.Bool().Draw(t, "by day of week") {
			return fmt.Sprintf("%s %s ? %s %s %s", minute, hour, month, dayOfWeekField().Draw(t, "day-of-week"), year)
		}
		return fmt.Sprintf("%s %s %s %s ? %s", minute, hour, dayOfMonthField().Draw(t, "day-of-month"), month, year)
	})
}

func dayOfMonthField() *rapid.Generator[string] {
	nearest := rapid.Map(rapid.IntRange(1, 31), func(n int) string { return fmt.Sprintf("%dW", n) })
	return listOf(rapid.OneOf(item(1, 31, 31, true), nearest, rapid.SampledFrom([]string{"L", "LW"})))
}

func dayOfWeekField() *rapid.Generator[string] {
	weekday := rapid.SampledFrom(strings.Fields("1 2 3 4 5 6 7 SUN MON TUE WED THU FRI SAT"))
	nth := rapid.Custom(func(t *rapid.T) string {
		return fmt.Sprintf("%s#%d", weekday.Draw(t, "weekday"), rapid.IntRange(1, 5).Draw(t, "nth"))
	})
	last := rapid.Map(weekday, func(w string) string { return w + "L" })
	span := rapid.Custom(func(t *rapid.T) string {
		return weekday.Draw(t, "from") + "-" + weekday.Draw(t, "to")
	})
	return rapid.OneOf(nth, listOf(rapid.OneOf(weekday, last, span, rapid.SampledFrom([]string{"L", "*"}))))
}

func listOf(item *rapid.Generator[string]) *rapid.Generator[string] {
	return rapid.Map(rapid.SliceOfN(item, 1, 3), func(items []string) string { return strings.Join(items, ",") })
}

// item generates a range, with a step in one case of two. One that may not go
// round is put in order.
func item(least, most, longestStep int, goesRound bool) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		first := rapid.IntRange(least, most).Draw(t, "first")
		last := rapid.IntRange(least, most).Draw(t, "last")
		if last < first && !goesRound {
			first, last = last, first
		}
		text := rapid.SampledFrom([]string{"*", strconv.Itoa(first), fmt.Sprintf("%d-%d", first, last)}).Draw(t, "range")
		if rapid.Bool().Draw(t, "stepped") {
			text += fmt.Sprintf("/%d", rapid.IntRange(1, longestStep).Draw(t, "step"))
		}
		return text
	})
}
