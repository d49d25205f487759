package schedule

import "time"

// dayRule says on which days of a month a cron fires. A cron has one: that of
// its day-of-month or that of its day-of-week, whichever is not "?".
type dayRule interface {
	fires(m month, day int) bool
}

// parseDays reads the two day fields, of which exactly one must be "?".
func parseDays(ofMonth, ofWeek span) (dayRule, error) {
	anyOfMonth, anyOfWeek := ofMonth.text() == "?", ofWeek.text() == "?"
	switch {
	case anyOfMonth == anyOfWeek:
		return nil, ofMonth.errorf("exactly one of day-of-month and day-of-week must be ?")
	case anyOfMonth:
		return parseDayOfWeek(ofWeek)
	}
	return parseDayOfMonth(ofMonth)
}

// firstDay returns the first day of m, not before from, on which rule fires.
func firstDay(rule dayRule, m month, from int) (day int, ok bool) {
	for day := from; day <= m.length; day++ {
		if rule.fires(m, day) {
			return day, true
		}
	}
	return 0, false
}

// month is the shape of one month of one year.
type month struct {
	length int
	first  time.Weekday // of the 1st
}

func monthOf(year, m int) month {
	first := time.Date(year, time.Month(m), 1, 0, 0, 0, 0, time.UTC)
	return month{length: first.AddDate(0, 1, -1).Day(), first: first.Weekday()}
}

// weekday returns the weekday of a day as AWS counts, 1 (Sunday) to 7 (Saturday).
func (m month) weekday(day int) int { return (int(m.first)+day-1)%7 + 1 }

// nearestWeekday returns the day from Monday to Friday that is nearest to day
// and in the same month.
func (m month) nearestWeekday(day int) int {
	switch wd := m.weekday(day); {
	case wd == saturday && day == 1:
		return day + 2
	case wd == saturday:
		return day - 1
	case wd == sunday && day == m.length:
		return day - 2
	case wd == sunday:
		return day + 1
	}
	return day
}

const (
	sunday   = 1
	saturday = 7
)

// dayOfMonth is a parsed day-of-month field.
type dayOfMonth struct {
	days        set
	nearest     set  // nW: the weekday nearest to day n, in months that have a day n
	last        bool // L
	lastWeekday bool // LW
}

func parseDayOfMonth(s span) (dayRule, error) {
	base := dayOfMonthField.min
	r := &dayOfMonth{days: set{base: base}, nearest: set{base: base}}
	return r, list(s, r.addItem)
}

func (r *dayOfMonth) addItem(item span) error {
	day, isNearest := item.trimSuffix("W")
	switch {
	case item.text() == "L":
		r.last = true
	case item.text() == "LW":
		r.lastWeekday = true
	case isNearest:
		return addValue(dayOfMonthField, &r.nearest, day)
	default:
		return dayOfMonthField.addItem(&r.days, item)
	}
	return nil
}

// fires implements dayRule.
func (r *dayOfMonth) fires(m month, day int) bool {
	return r.days.has(day) ||
		r.last && day == m.length ||
		r.lastWeekday && day == m.nearestWeekday(m.length) ||
		r.isNearest(m, day)
}

// isNearest reports whether day is the weekday nearest to a day of r.nearest,
// which is at most two days away.
func (r *dayOfMonth) isNearest(m month, day int) bool {
	for n, ok := r.nearest.from(day - 2); ok && n <= min(day+2, m.length); n, ok = r.nearest.from(n + 1) {
		if m.nearestWeekday(n) == day {
			return true
		}
	}
	return false
}

// dayOfWeek is a parsed day-of-week field.
type dayOfWeek struct {
	days set
	last set // nL: the last weekday n of the month
	// nth, unless it is 0, makes the one weekday in days count only when it is
	// the nth of its month.
	nth int
}

func parseDayOfWeek(s span) (dayRule, error) {
	base := dayOfWeekField.min
	r := &dayOfWeek{days: set{base: base}, last: set{base: base}}
	if value, nth, ok := s.cut('#'); ok {
		return r, r.setNth(value, nth)
	}
	return r, list(s, r.addItem)
}

func (r *dayOfWeek) setNth(value, nth span) (err error) {
	if r.nth, err = number(nth, "a count of weeks", 1, 5); err != nil {
		return err
	}
	return addValue(dayOfWeekField, &r.days, value)
}

func (r *dayOfWeek) addItem(item span) error {
	day, isLast := item.trimSuffix("L")
	switch {
	case item.text() == "L":
		r.days.add(saturday)
	case isLast:
		return addValue(dayOfWeekField, &r.last, day)
	default:
		return dayOfWeekField.addItem(&r.days, item)
	}
	return nil
}

// fires implements dayRule.
func (r *dayOfWeek) fires(m month, day int) bool {
	weekday := m.weekday(day)
	if r.last.has(weekday) && day+7 > m.length {
		return true
	}
	return r.days.has(weekday) && (r.nth == 0 || r.nth == (day+6)/7)
}

// addValue adds the single value s of f to values.
func addValue(f field, values *set, s span) error {
	v, err := f.value(s)
	if err == nil {
		values.add(v)
	}
	return err
}
