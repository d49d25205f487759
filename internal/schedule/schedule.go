// Package schedule parses and evaluates the schedule expressions of EventBridge
// rules and of EventBridge Scheduler. It is pure: it never reads a clock.
//
// The grammar, in which every name and unit is written in the case shown:
//
//	expression = rate | cron | at                   (at: EventBridge Scheduler alone)
//	rate       = "rate(" number " " unit [ "s" ] ")"
//	unit       = "minute" | "hour" | "day"
//	at         = "at(" yyyy "-" mm "-" dd "T" hh ":" mm ":" ss ")"
//	cron       = "cron(" minutes " " hours " " day-of-month " " month " " day-of-week " " year ")"
//
// A rate's number is positive and has no leading zero. In a rule its unit takes
// the "s" after any number but 1; EventBridge Scheduler takes either form. The
// six fields of cron stand apart by one space each:
//
//	field         values           wildcards
//	minutes       0-59             , - * /
//	hours         0-23             , - * /
//	day-of-month  1-31             , - * / ? L W
//	month         1-12, JAN-DEC    , - * /
//	day-of-week   1-7, SUN-SAT     , - * ? L #
//	year          1970-2199        , - * /
//
//	field      = list | "?"                         (?: one of the two day fields, and not both)
//	list       = item { "," item } | value "#" 1-5  (#: day-of-week, and then alone in it)
//	item       = range [ "/" step ]
//	           | "L" | "LW" | value "W"             (day-of-month: last day, last weekday, nearest weekday)
//	           | "L" | value "L"                    (day-of-week: Saturday, last such day of the month)
//	range      = "*" | value [ "-" value ]
//
// A range whose end comes before its start goes round: hours 20-2 are 20, 21,
// 22, 23, 0, 1 and 2, and FRI-MON is a long weekend. Years don't go round. A
// value with a step and no end runs to the field's last value: 5/15 is 5, 20,
// 35 and 50. A step is at most the field's largest value.
//
// A cron expression fires at whole minutes of local time. Local times that a
// zone skips (clocks go forward) don't fire; those that repeat (clocks go back)
// fire the first time only. A rate is a fixed duration, whatever clocks do: a
// day is 24 hours. Nothing fires after the year 2199.
//
// See "Setting a schedule pattern for scheduled rules" in the EventBridge user
// guide and "Schedule types" in that of EventBridge Scheduler.
package schedule

import (
	"fmt"
	"time"
)

// firstYear and lastYear bound what cron and at can name, and lastYear every firing.
const (
	firstYear = 1970
	lastYear  = 2199
)

// Schedule is a parsed expression. It is immutable, may be used by several
// goroutines at once, and can't be compared with ==, since different texts can
// mean the same times. The zero Schedule never fires.
type Schedule struct {
	_    [0]func()
	expr string
	plan plan
}

// plan is what one kind of expression means. Its next is Schedule.Next with loc set.
type plan interface {
	next(after, start time.Time, loc *time.Location) time.Time
}

// Parse reads the expression of an EventBridge rule, a rate or a cron. A rate
// first fires one period after its start. An error is an *Error.
func Parse(expr string) (Schedule, error) { return parse(expr, false) }

// ParseScheduler reads the expression of an EventBridge Scheduler schedule, a
// rate, a cron or an at. A rate first fires at its start. An error is an *Error.
func ParseScheduler(expr string) (Schedule, error) { return parse(expr, true) }

func parse(expr string, scheduler bool) (Schedule, error) {
	p, err := parsePlan(span{expr: expr, to: len(expr)}, scheduler)
	if err != nil {
		return Schedule{}, err
	}
	return Schedule{expr: expr, plan: p}, nil
}

func parsePlan(whole span, scheduler bool) (plan, error) {
	kind, args, _ := whole.cut('(')
	args, closed := args.trimSuffix(")")
	switch name := kind.text(); {
	case !closed:
		return nil, whole.errorf("not of the form name(...)")
	case name == "rate":
		return parseRate(args, scheduler)
	case name == "cron":
		return parseCron(args)
	case name == "at" && scheduler:
		return parseAt(args)
	}
	return nil, kind.errorf("%q is no kind of schedule here", kind.text())
}

// Next returns the first instant strictly after `after` at which the schedule
// fires, or the zero Time when it never fires again. The result is in loc, the
// zone in which cron and at are read; nil means UTC.
//
// A rate counts its periods from start: the first firing is at start+period for
// a rule, and at start itself for EventBridge Scheduler. A cron fires at no
// instant before start. An at ignores start. So Next of the zero Time is the
// first firing of all, and Next of each firing is the one that follows.
func (s Schedule) Next(after, start time.Time, loc *time.Location) time.Time {
	if s.plan == nil {
		return time.Time{}
	}
	if loc == nil {
		loc = time.UTC
	}
	return s.plan.next(after, start, loc)
}

// String returns the expression as it was given to Parse or ParseScheduler.
func (s Schedule) String() string { return s.expr }

// Error says where and why an expression is not a schedule. It is for people and
// logs: AWS answers with the same sentence whatever the reason.
type Error struct {
	Expr   string // the whole expression
	Offset int    // the byte in Expr at which the offending part starts
	Reason string
}

// Error implements error.
func (e *Error) Error() string {
	return fmt.Sprintf("schedule %q, at offset %d: %s", e.Expr, e.Offset, e.Reason)
}
