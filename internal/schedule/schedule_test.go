package schedule_test

import (
	"errors"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // zones, on machines that have none

	"github.com/google/go-cmp/cmp"

	"naru/internal/schedule"
)

func mustParse(t testing.TB, expr string) schedule.Schedule {
	t.Helper()
	s, err := schedule.ParseScheduler(expr)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustTime(t testing.TB, rfc3339 string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, rfc3339)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func mustZone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

// firings returns the first n firings of s after an instant, and "never" if it
// ends before.
func firings(s schedule.Schedule, after time.Time, loc *time.Location, n int) []string {
	var got []string
	for range n {
		after = s.Next(after, time.Time{}, loc)
		if after.IsZero() {
			return append(got, "never")
		}
		got = append(got, after.Format(time.RFC3339Nano))
	}
	return got
}

// table is a list of expressions and the firings that follow an instant.
type table []struct {
	name, expr string
	after      string
	want       []string
}

func (rows table) run(t *testing.T, loc *time.Location) {
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			s := mustParse(t, row.expr)
			got := firings(s, mustTime(t, row.after), loc, len(row.want))
			if diff := cmp.Diff(row.want, got); diff != "" {
				t.Errorf("%s after %s (-want +got):\n%s", row.expr, row.after, diff)
			}
		})
	}
}

// validEverywhere lists expressions of rules that are ones of Scheduler too.
var validEverywhere = []string{
	// recorded against AWS
	"rate(1 minute)",
	"cron(0 10 * * ? *)",
	"cron(15 12 * * ? *)",
	"cron(0 18 ? * MON-FRI *)",
	"cron(0 8 1 * ? *)",
	"cron(0/15 * * * ? *)",
	"cron(0/10 * ? * MON-FRI *)",
	"cron(0/5 8-17 ? * MON-FRI *)",
	"cron(0/30 20-23 ? * MON-FRI *)",
	"cron(0/30 0-2 ? * MON-FRI *)",
	// documented
	"rate(1 hour)",
	"rate(1 day)",
	"rate(5 minutes)",
	"rate(10 hours)",
	"rate(7 days)",
	"cron(0 12 * * ? *)",
	"cron(5,35 14 * * ? *)",
	"cron(15 10 ? * 6L 2019-2022)",
	"cron(0/30 20-2 ? * MON-FRI *)",
	"cron(1/10 * * * ? *)",
	"cron(0 0 3W * ? *)",
	"cron(0 0 ? * 3#2 *)",
	"cron(0 0 1 JAN,FEB,MAR ? *)",
	"cron(0 0 1-15 * ? *)",
	// the rest of the grammar
	"rate(999999999999999999999 days)",
	"cron(*/15 * * * ? *)",
	"cron(0-59/10 * * * ? *)",
	"cron(5/15 * * * ? *)",
	"cron(30-30 * * * ? *)",
	"cron(0/59 0/23 1/31 1/12 ? 1970/2199)",
	"cron(50-10/15 * * * ? *)",
	"cron(0,0,5-7,*/20 * * * ? *)",
	"cron(05 06 01 01 ? *)",
	"cron(0 0 1-31/30 * ? *)",
	"cron(0 0 28-3 * ? *)",
	"cron(0 0 1 NOV-FEB ? *)",
	"cron(0 0 1 JAN-12/3 ? *)",
	"cron(0 0 1 FEB/2 ? *)",
	"cron(0 0 ? * FRI-MON *)",
	"cron(0 0 ? * 1 *)",
	"cron(0 0 ? * 7 *)",
	"cron(0 0 ? * L *)",
	"cron(0 0 ? * FRIL *)",
	"cron(0 0 ? * TUE#5 *)",
	"cron(0 0 ? * 2,4,6L *)",
	"cron(0 0 L * ? *)",
	"cron(0 0 LW * ? *)",
	"cron(0 0 31W * ? *)",
	"cron(0 0 1,15,L * ? *)",
	"cron(0 0 1W,LW * ? *)",
	"cron(0 0 31 2 ? *)",
	"cron(0 0 1 1 ? 1970)",
	"cron(0 0 1 1 ? 2199)",
	"cron(0 0 1 1 ? 2030-2040/5,2050)",
}

func TestValidExpressionsKeepTheirText(t *testing.T) {
	for _, expr := range validEverywhere {
		for name, parse := range dialects {
			s, err := parse(expr)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			} else if s.String() != expr {
				t.Errorf("%s: String of %q is %q", name, expr, s)
			}
		}
	}
}

var dialects = map[string]func(string) (schedule.Schedule, error){
	"Parse":          schedule.Parse,
	"ParseScheduler": schedule.ParseScheduler,
}

// invalidEverywhere lists expressions that neither rules nor Scheduler take. A
// ^ stands before the byte at which the error should point.
var invalidEverywhere = []string{
	// recorded against AWS
	"^ rate(10 minutes)",
	"rate(^ 10 minutes )",
	"rate(^)",
	"rate(10^)",
	"rate(10 ^seconds)",
	"rate(10 ^years)",
	"rate(10 ^minutess)",
	"rate(^foo minutes)",
	"rate(^-10 minutes)",
	"cron(^)",
	"cron(INVALID^)",
	"cron(0 ^dummy ? * MON-FRI *)",
	"cron(7 20 ^* * NOT *)",
	"cron(^71 8 1 * ? *)",
	"cron(0 1 ^* * * *)",
	// recorded against AWS for rules alone
	"rate(^0 minutes)",
	"rate(10 ^MINUTES)",
	// reported by users of AWS
	"cron(*/^60 * * * ? *)",
	"cron(*/30 * * * * ? ^*)",
	// neither name nor parentheses
	"^",
	"^rate",
	"^0 10 * * ? *",
	"^rate 5 minutes",
	"^rate(5 minutes",
	"^rate(5 minutes) ",
	"^RATE(5 minutes)",
	"^every(5 minutes)",
	"^(5 minutes)",
	// rates
	"rate(5 ^ minutes)",
	"rate(^05 minutes)",
	"rate(^+5 minutes)",
	"rate(^1.5 hours)",
	"rate(^9999999999999999999x days)", // wrong beyond the range of its type
	"rate(^5minutes)",
	"rate(5 ^minutes )",
	"rate(5 ^weeks)",
	"rate(5 ^s)",
	// numbers and kinds of fields
	"cron(0 10 * * ?^)",
	"cron(0 10 * * ? * ^*)",
	"cron(0 ^ 10 * * ? *)",
	"cron(^ 0 10 * * ? *)",
	"cron(0 10 * * ? * ^)",
	"cron(0\t10 * * ? *^)",
	"cron(0 10 ^? * ? *)",
	"cron(0 10 ^1 * MON *)",
	"cron(^? 10 * * ? *)",
	"cron(0 10 * ^? ? *)",
	"cron(0 10 * * ? ^?)",
	"cron(0 10 1,^? * ? *)",
	// values
	"cron(^60 * * * ? *)",
	"cron(* ^24 * * ? *)",
	"cron(* * ^0 * ? *)",
	"cron(* * ^32 * ? *)",
	"cron(* * * ^0 ? *)",
	"cron(* * * ^13 ? *)",
	"cron(* * * ^jan ? *)",
	"cron(* * * ^JANUARY ? *)",
	"cron(* * ? * ^0 *)",
	"cron(* * ? * ^8 *)",
	"cron(* * ? * ^mon *)",
	"cron(* * ? * ^JAN *)",
	"cron(* * * * ? ^1969)",
	"cron(* * * * ? ^2200)",
	"cron(^-1 * * * ? *)",
	"cron(^+1 * * * ? *)",
	"cron(^99999999999999999999 * * * ? *)",
	"cron(^٣ * * * ? *)",
	// lists, ranges and steps
	"cron(1,^ * * * ? *)",
	"cron(^,1 * * * ? *)",
	"cron(1-^ * * * ? *)",
	"cron(1-^2-3 * * * ? *)",
	"cron(^*-5 * * * ? *)",
	"cron(1-^* * * * ? *)",
	"cron(1/^ * * * ? *)",
	"cron(1/^0 * * * ? *)",
	"cron(^/5 * * * ? *)",
	"cron(1/^2/3 * * * ? *)",
	"cron(* 1/^24 * * ? *)",
	"cron(* * * */^JAN ? *)",
	"cron(* * * * ? ^2030-2020)",
	"cron(* * ? * ^*/2 *)",
	"cron(* * ? * ^MON/2 *)",
	// L, W and #
	"cron(* ^L * * ? *)",
	"cron(* * ^l * ? *)",
	"cron(* * ^1L * ? *)",
	"cron(* * ^L-3 * ? *)",
	"cron(* * ^W * ? *)",
	"cron(* * ^WL * ? *)",
	"cron(* * ^1w * ? *)",
	"cron(* * ^1-5W * ? *)",
	"cron(* * ^32W * ? *)",
	"cron(* * ^1#2 * ? *)",
	"cron(* * ? * ^LW *)",
	"cron(* * ? * ^2W *)",
	"cron(* * ? * ^LL *)",
	"cron(* * ? * ^8L *)",
	"cron(* * ? * ^MON-FRIL *)",
	"cron(* * ? * 2#^0 *)",
	"cron(* * ? * 2#^6 *)",
	"cron(* * ? * 2#^ *)",
	"cron(* * ? * ^#2 *)",
	"cron(* * ? * ^8#2 *)",
	"cron(* * ? * 3#^1,6#3 *)",
	"cron(* * ? * ^2,3#1 *)",
	"cron(* * ? * 3#^1L *)",
}

func TestInvalidExpressionsSayWhere(t *testing.T) {
	for _, marked := range invalidEverywhere {
		offset := strings.IndexByte(marked, '^')
		expr := marked[:offset] + marked[offset+1:]
		for name, parse := range dialects {
			_, err := parse(expr)
			var e *schedule.Error
			switch {
			case !errors.As(err, &e):
				t.Errorf("%s(%q): error %v, want an *Error", name, expr, err)
			case e.Expr != expr || e.Offset != offset:
				t.Errorf("%s(%q): %v, want offset %d", name, expr, err, offset)
			}
		}
	}
}

func TestDialects(t *testing.T) {
	for _, row := range []struct {
		expr            string
		rule, scheduler bool // valid there
	}{
		{"at(2022-11-20T13:00:00)", false, true},
		{"rate(1 minute)", true, true},
		{"rate(1 minutes)", false, true},
		{"rate(1 hours)", false, true},
		{"rate(1 days)", false, true},
		{"rate(10 minute)", false, true},
		{"rate(10 hour)", false, true},
		{"rate(10 day)", false, true},
	} {
		if _, err := schedule.Parse(row.expr); (err == nil) != row.rule {
			t.Errorf("Parse(%q): %v", row.expr, err)
		}
		if _, err := schedule.ParseScheduler(row.expr); (err == nil) != row.scheduler {
			t.Errorf("ParseScheduler(%q): %v", row.expr, err)
		}
	}
}

func TestErrorNamesExpressionOffsetAndReason(t *testing.T) {
	_, err := schedule.Parse("cron(71 8 1 * ? *)")
	want := `schedule "cron(71 8 1 * ? *)", at offset 5: "71" is not minutes, 0 to 59`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestZeroScheduleNeverFires(t *testing.T) {
	var s schedule.Schedule
	if got := s.Next(time.Time{}, time.Time{}, nil); !got.IsZero() || s.String() != "" {
		t.Errorf("%q fires at %v", s, got)
	}
}
