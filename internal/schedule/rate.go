package schedule

import (
	"strconv"
	"strings"
	"time"
)

// rate is a parsed rate expression.
type rate struct {
	period int64 // seconds
	first  int64 // seconds from the start to the first firing: 0 or period
}

// endless is a period, in seconds, of which none ends before lastYear does.
const endless = 10_000 * 366 * 24 * 60 * 60

// unitSeconds holds the length of each unit.
var unitSeconds = map[string]int64{"minute": 60, "hour": 60 * 60, "day": 24 * 60 * 60}

// parseRate reads what stands between the parentheses: a number and a unit.
// Rules want the unit in the number's grammatical number; EventBridge Scheduler
// doesn't mind.
func parseRate(args span, scheduler bool) (plan, error) {
	value, unit, _ := args.cut(' ')
	n, err := rateValue(value)
	if err != nil {
		return nil, err
	}
	singular, plural := unit.trimSuffix("s")
	length, ok := unitSeconds[singular.text()]
	switch {
	case !ok:
		return nil, unit.errorf("%q is not minutes, hours or days", unit.text())
	case !scheduler && plural != (n > 1):
		return nil, unit.errorf("a unit is singular after 1 and plural after more")
	}
	r := rate{period: min(n, endless/length) * length}
	if !scheduler {
		r.first = r.period
	}
	return r, nil
}

// rateValue reads a positive number without sign or leading zeros. One that is
// out of range is read as the largest.
func rateValue(s span) (int64, error) {
	text := s.text()
	if text == "" || text[0] == '0' || strings.Trim(text, "0123456789") != "" {
		return 0, s.errorf("%q is not a positive number", text)
	}
	n, _ := strconv.ParseInt(text, 10, 64)
	return n, nil
}

// next implements plan.
func (r rate) next(after, start time.Time, loc *time.Location) time.Time {
	wait := r.first
	if !after.Before(start) {
		wait = (wholeSeconds(start, after)/r.period + 1) * r.period
	}
	t := time.Unix(start.Unix()+wait, int64(start.Nanosecond())).In(loc)
	if t.Year() > lastYear {
		return time.Time{}
	}
	return t
}

// wholeSeconds returns how many full seconds lie between two instants. They may
// be further apart than a Duration can say.
func wholeSeconds(from, to time.Time) int64 {
	n := to.Unix() - from.Unix()
	if to.Nanosecond() < from.Nanosecond() {
		n--
	}
	return n
}
