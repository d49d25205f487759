package schedule

import (
	"cmp"
	"time"
)

// cron is a parsed cron expression. All of it speaks of local time.
type cron struct {
	minutes, hours, months, years set
	days                          dayRule
}

// parseCron reads the six fields between the parentheses.
func parseCron(args span) (plan, error) {
	f, err := sixFields(args)
	if err != nil {
		return nil, err
	}
	c := &cron{}
	err = cmp.Or(
		minutesField.parse(&c.minutes, f[0]),
		hoursField.parse(&c.hours, f[1]),
		monthField.parse(&c.months, f[3]),
		yearField.parse(&c.years, f[5]),
	)
	if err != nil {
		return nil, err
	}
	c.days, err = parseDays(f[2], f[4])
	return c, err
}

// sixFields takes s apart at its spaces.
func sixFields(s span) (fields [6]span, err error) {
	rest, more := s, true
	for i := range fields {
		if !more {
			return fields, rest.errorf("only %d of 6 fields", i)
		}
		fields[i], rest, more = rest.cut(' ')
		if fields[i].text() == "" {
			return fields, fields[i].errorf("field %d is empty", i+1)
		}
	}
	if more {
		return fields, rest.errorf("more than 6 fields")
	}
	return fields, nil
}

// next implements plan: it walks the local times at which c fires until it meets
// one that loc's clocks show, for the first time, after `after`.
func (c *cron) next(after, start time.Time, loc *time.Location) time.Time {
	if start.After(after) {
		after = start.Add(-1)
	}
	wall := wallClock(after, loc).Truncate(time.Minute)
	for {
		var ok bool
		if wall, ok = c.nextWall(wall.Add(time.Minute)); !ok {
			return time.Time{}
		}
		if t, ok := firstShowing(wall, loc); ok && t.After(after) {
			return t
		}
	}
}

// nextWall returns the first local time, not before from, that all fields match.
// Local times are whole minutes, in UTC.
func (c *cron) nextWall(from time.Time) (wall time.Time, ok bool) {
	day, ok := c.nextDay(from)
	if ok && !day.After(from) {
		if wall, ok := c.timeOfDay(day, from.Hour(), from.Minute()); ok {
			return wall, true
		}
		day, ok = c.nextDay(day.AddDate(0, 0, 1))
	}
	if !ok {
		return time.Time{}, false
	}
	return c.timeOfDay(day, 0, 0)
}

// nextDay returns the midnight that begins the first matching day, not before
// the day of from.
func (c *cron) nextDay(from time.Time) (midnight time.Time, ok bool) {
	y, m, d := from.Date()
	month := int(m)
	for year, ok := c.years.from(y); ok; year, ok = c.years.from(year + 1) {
		if year > y {
			month, d = 1, 1
		}
		for m, ok := c.months.from(month); ok; m, ok = c.months.from(m + 1) {
			if m > month {
				d = 1
			}
			if day, ok := firstDay(c.days, monthOf(year, m), d); ok {
				return time.Date(year, time.Month(m), day, 0, 0, 0, 0, time.UTC), true
			}
		}
	}
	return time.Time{}, false
}

// timeOfDay returns the first matching time on the day that begins at midnight,
// not before hour:minute.
func (c *cron) timeOfDay(midnight time.Time, hour, minute int) (wall time.Time, ok bool) {
	h, ok := c.hours.from(hour)
	if ok && h == hour {
		if m, ok := c.minutes.from(minute); ok {
			return midnight.Add(clock(h, m)), true
		}
		h, ok = c.hours.from(hour + 1)
	}
	if !ok {
		return time.Time{}, false
	}
	m, ok := c.minutes.from(0)
	return midnight.Add(clock(h, m)), ok
}

func clock(hour, minute int) time.Duration {
	return time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute
}
