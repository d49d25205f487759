package schedule

import (
	"slices"
	"strconv"
)

// field describes what may stand in one of cron's six fields.
type field struct {
	name     string
	min, max int
	names    []string // other spellings of min, min+1, ...; nil if there are none
	noWrap   bool     // a range may not go round
	noStep   bool     // no "/"
}

var (
	minutesField    = field{name: "minutes", min: 0, max: 59}
	hoursField      = field{name: "hours", min: 0, max: 23}
	dayOfMonthField = field{name: "day-of-month", min: 1, max: 31}
	monthField      = field{name: "month", min: 1, max: 12, names: []string{
		"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}}
	dayOfWeekField = field{name: "day-of-week", min: 1, max: 7, noStep: true, names: []string{
		"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}}
	yearField = field{name: "year", min: firstYear, max: lastYear, noWrap: true}
)

// list hands each item of a comma-separated list to add.
func list(s span, add func(item span) error) error {
	for more := true; more; {
		var item span
		item, s, more = s.cut(',')
		if err := add(item); err != nil {
			return err
		}
	}
	return nil
}

// parse reads into values a whole field that holds nothing but ranges.
func (f field) parse(values *set, s span) error {
	values.base = f.min
	return list(s, func(item span) error { return f.addItem(values, item) })
}

// addItem adds the values of one item, a range with or without a step, to values.
func (f field) addItem(values *set, item span) error {
	r, step, stepped := item.cut('/')
	if stepped && f.noStep {
		return item.errorf("%s takes no step", f.name)
	}
	first, last, err := f.bounds(r, stepped)
	if err != nil {
		return err
	}
	by := 1
	if stepped {
		if by, err = number(step, "a step of "+f.name, 1, f.max); err != nil {
			return err
		}
	}
	f.addRange(values, first, last, by)
	return nil
}

// addRange adds every by-th value from first to last, going round the end of
// the field when last comes before first.
func (f field) addRange(values *set, first, last, by int) {
	size := f.max - f.min + 1
	if last < first {
		last += size
	}
	for v := first; v <= last; v += by {
		values.add(f.min + (v-f.min)%size)
	}
}

// bounds reads a range. A lone value ends at itself, or at the field's last
// value if a step follows.
func (f field) bounds(r span, stepped bool) (first, last int, err error) {
	if r.text() == "*" {
		return f.min, f.max, nil
	}
	from, to, ranged := r.cut('-')
	if first, err = f.value(from); err != nil {
		return 0, 0, err
	}
	switch {
	case ranged:
		last, err = f.value(to)
	case stepped:
		last = f.max
	default:
		last = first
	}
	if err == nil && last < first && f.noWrap {
		err = r.errorf("%s ends before it starts", f.name)
	}
	return first, last, err
}

// value reads a single number or name of the field.
func (f field) value(s span) (int, error) {
	if i := slices.Index(f.names, s.text()); i >= 0 {
		return f.min + i, nil
	}
	return number(s, f.name, f.min, f.max)
}

// number reads a decimal number without a sign, from least to most. Leading
// zeros are welcome.
func number(s span, what string, least, most int) (int, error) {
	n, err := strconv.ParseUint(s.text(), 10, 16)
	if err != nil || int(n) < least || int(n) > most {
		return 0, s.errorf("%q is not %s, %d to %d", s.text(), what, least, most)
	}
	return int(n), nil
}
