package schedule_test

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// naiveCron is a second reading of cron expressions, as plain as can be: it asks
// of every day and minute in turn whether the text of the fields allows it. It
// knows nothing of the package under test, and takes valid expressions only.
type naiveCron struct {
	minute, hour, dayOfMonth, month, dayOfWeek, year string
}

func newNaiveCron(fields string) naiveCron {
	f := strings.Split(fields, " ")
	return naiveCron{f[0], f[1], f[2], f[3], f[4], f[5]}
}

// next returns the first firing in loc after an instant, looking at the days
// from that instant's on, or the zero Time when none of them has one.
func (c naiveCron) next(after time.Time, loc *time.Location, days int) time.Time {
	y, m, d := after.In(loc).Date()
	for i := range days {
		day := time.Date(y, m, d+i, 0, 0, 0, 0, time.UTC)
		if !c.allowsDay(day) {
			continue
		}
		// The local day is somewhere within these instants, whatever the zone.
		for at := day.Add(-16 * time.Hour); at.Before(day.Add(40 * time.Hour)); at = at.Add(time.Minute) {
			local := at.In(loc)
			if at.After(after) && local.Day() == day.Day() && c.allowsTime(local) && !shownBefore(local) {
				return local
			}
		}
	}
	return time.Time{}
}

// shownBefore reports whether clocks showed the same time some minutes earlier.
func shownBefore(local time.Time) bool {
	const layout = "2006-01-02 15:04"
	for back := time.Minute; back <= 3*time.Hour; back += time.Minute {
		if local.Add(-back).Format(layout) == local.Format(layout) {
			return true
		}
	}
	return false
}

func (c naiveCron) allowsTime(t time.Time) bool {
	return naiveList(c.minute, t.Minute(), 0, 59, "") && naiveList(c.hour, t.Hour(), 0, 23, "")
}

func (c naiveCron) allowsDay(day time.Time) bool {
	const months = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC"
	if !naiveList(c.year, day.Year(), 1970, 2199, "") || !naiveList(c.month, int(day.Month()), 1, 12, months) {
		return false
	}
	if c.dayOfWeek == "?" {
		return slices.ContainsFunc(strings.Split(c.dayOfMonth, ","), func(item string) bool {
			return naiveDayOfMonth(item, day)
		})
	}
	return slices.ContainsFunc(strings.Split(c.dayOfWeek, ","), func(item string) bool {
		return naiveDayOfWeek(item, day)
	})
}

func naiveDayOfMonth(item string, day time.Time) bool {
	last := lastOfMonth(day)
	switch {
	case item == "L":
		return day.Equal(last)
	case item == "LW":
		return day.Equal(naiveNearest(last))
	case strings.HasSuffix(item, "W"):
		n, _ := strconv.Atoi(strings.TrimSuffix(item, "W"))
		return n <= last.Day() && day.Equal(naiveNearest(last.AddDate(0, 0, n-last.Day())))
	}
	return naiveItem(item, day.Day(), 1, 31, "")
}

func lastOfMonth(day time.Time) time.Time {
	for day.AddDate(0, 0, 1).Month() == day.Month() {
		day = day.AddDate(0, 0, 1)
	}
	return day
}

// naiveNearest looks in growing circles for a weekday of the same month.
func naiveNearest(day time.Time) time.Time {
	for distance := 0; ; distance++ {
		for _, near := range []time.Time{day.AddDate(0, 0, -distance), day.AddDate(0, 0, distance)} {
			weekend := near.Weekday() == time.Saturday || near.Weekday() == time.Sunday
			if !weekend && near.Month() == day.Month() {
				return near
			}
		}
	}
}

func naiveDayOfWeek(item string, day time.Time) bool {
	const weekdays = "SUN MON TUE WED THU FRI SAT"
	weekday := int(day.Weekday()) + 1
	if item == "L" {
		return weekday == 7
	}
	if which, ok := strings.CutSuffix(item, "L"); ok {
		return naiveItem(which, weekday, 1, 7, weekdays) && day.AddDate(0, 0, 7).Month() != day.Month()
	}
	which, nth, counted := strings.Cut(item, "#")
	if counted {
		n, _ := strconv.Atoi(nth)
		inMonth := day.AddDate(0, 0, -7*(n-1)).Month() == day.Month()
		oneMore := day.AddDate(0, 0, -7*n).Month() == day.Month()
		return naiveItem(which, weekday, 1, 7, weekdays) && inMonth && !oneMore
	}
	return naiveItem(item, weekday, 1, 7, weekdays)
}

func naiveList(list string, v, least, most int, names string) bool {
	return slices.ContainsFunc(strings.Split(list, ","), func(item string) bool {
		return naiveItem(item, v, least, most, names)
	})
}

// naiveItem walks a range value by value, in circles, counting its steps.
func naiveItem(item string, v, least, most int, names string) bool {
	item, stepText, stepped := strings.Cut(item, "/")
	step := 1
	if stepped {
		step, _ = strconv.Atoi(stepText)
	}
	first, last := least, most
	if item != "*" {
		from, to, ranged := strings.Cut(item, "-")
		first = naiveValue(from, least, names)
		switch {
		case ranged:
			last = naiveValue(to, least, names)
		case !stepped:
			last = first
		}
	}
	for at, taken := first, 0; ; at, taken = at+1, taken+1 {
		if at > most {
			at = least
		}
		if at == v && taken%step == 0 {
			return true
		}
		if at == last {
			return false
		}
	}
}

func naiveValue(text string, least int, names string) int {
	if i := slices.Index(strings.Fields(names), text); i >= 0 {
		return least + i
	}
	n, _ := strconv.Atoi(text)
	return n
}
