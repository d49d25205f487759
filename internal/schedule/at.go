package schedule

import "time"

// at is a parsed at expression: the local time of its one firing.
type at struct{ wall time.Time }

const atLayout = "2006-01-02T15:04:05"

// parseAt reads what stands between the parentheses: a date and a time.
func parseAt(args span) (plan, error) {
	wall, err := time.Parse(atLayout, args.text())
	if err != nil || wall.Format(atLayout) != args.text() { // Parse is laxer than the layout
		return nil, args.errorf("not a time of the form yyyy-mm-ddThh:mm:ss")
	}
	if wall.Year() < firstYear || wall.Year() > lastYear {
		return nil, args.errorf("year is from %d to %d", firstYear, lastYear)
	}
	return at{wall}, nil
}

// next implements plan.
func (a at) next(after, _ time.Time, loc *time.Location) time.Time {
	if t, ok := firstShowing(a.wall, loc); ok && t.After(after) {
		return t
	}
	return time.Time{}
}
