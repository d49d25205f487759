package schedule

import "time"

// A local time is written as the instant at which a clock in UTC shows it. That
// keeps date and time together, orders them, and has none of a zone's gaps.

// wallClock returns the local time that clocks in loc show at t.
func wallClock(t time.Time, loc *time.Location) time.Time {
	_, offset := t.In(loc).Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

// firstShowing returns the first instant at which clocks in loc show the local
// time wall. It is not ok when they skip it.
func firstShowing(wall time.Time, loc *time.Location) (t time.Time, ok bool) {
	y, m, d := wall.Date()
	t = time.Date(y, m, d, wall.Hour(), wall.Minute(), wall.Second(), 0, loc)
	if !wallClock(t, loc).Equal(wall) {
		return time.Time{}, false
	}
	changed, _ := t.ZoneBounds()
	if changed.IsZero() {
		return t, true
	}
	_, offset := t.Zone()
	_, offsetBefore := changed.Add(-1).Zone()
	earlier := t.Add(time.Duration(offset-offsetBefore) * time.Second)
	if earlier.Before(t) && wallClock(earlier, loc).Equal(wall) {
		return earlier, true
	}
	return t, true
}
