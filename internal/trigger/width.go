package trigger

import "time"

// A Ramp says how fast a trigger runs more batches at a time.
type Ramp string

// The ramps. Burst widens as soon as it may help, twofold each time; Gradual is
// as AWS's, by 300 a minute (1000 with provisioned pollers).
const (
	Burst   Ramp = "burst"
	Gradual Ramp = "aws"
)

// A Width says how many batches run at a time.
type Width struct {
	Ramp      Ramp
	Base      int // at first
	Limit     int // at the most
	PerMinute int // of Gradual: how many more each minute
	// Starts bounds those that have no environment yet, so that machines are not
	// flooded with processes that start.
	Starts int
}

// A flow decides how many batches run at a time: its width. It is guarded by
// the trigger's lock.
//
// A function that takes long, or waits for something, needs a large width; one
// that is done at once, or keeps the processors busy, does not get through more
// by it. So a burst widens when nothing has ended for a while (stuck), and when
// there is more to be had and the last time that it widened has paid off.
type flow struct {
	Width
	width   int
	running int
	begun   int // of those running, that have an environment
	ended   int // all that ever have

	last time.Time // when something began or ended, or the width changed

	// What is known of the present width: since when it was in full use, and how
	// many had ended then.
	since   time.Time
	count   int
	before  float64   // how many ended in a second at the width before; 0 if unknown
	least   int       // that width
	settled time.Time // until when it is not widened, since that has not paid off
}

const (
	stuckAfter = 50 * time.Millisecond
	measured   = 100 * time.Millisecond // how long a width is tried
	payOff     = 1.25                   // by what factor more must end
	brief      = 4 * time.Millisecond   // batches that take less gain nothing from a larger width
	settleFor  = 10 * time.Second
)

func (f *flow) configure(w Width) {
	f.Width = w
	f.Base = min(w.Base, w.Limit)
	f.width = max(1, min(max(f.width, f.Base), w.Limit))
}

// free is how many batches more may run, as far as may be started at a time.
func (f *flow) free() int { return min(f.width-f.running, f.Starts-(f.running-f.begun)) }

func (f *flow) mayRun() bool { return f.free() > 0 }

func (f *flow) run(now time.Time) {
	if f.running == 0 {
		f.last = now
	}
	f.running++
}

// begin notes that one that runs has an environment.
func (f *flow) begin(now time.Time) {
	f.begun++
	f.last = now
}

// end notes that one has come to its end, which had begun or not. A failure
// halves the width, success brings it back.
func (f *flow) end(now time.Time, begun, failed bool) {
	f.running--
	f.ended++
	f.last = now
	if begun {
		f.begun--
	}
	switch {
	case failed:
		f.set(max(1, min(f.width, f.running+1)/2), now)
	case f.width < f.Base:
		f.width++
	case f.running == 0 && f.width > f.Base:
		f.set(f.Base, now)
	}
}

// refused notes that there was no room: there is not for more than have begun.
func (f *flow) refused(now time.Time) { f.set(max(1, min(f.width, f.begun)), now) }

// set makes the width another, of which nothing is known.
func (f *flow) set(width int, now time.Time) {
	f.width, f.last = width, now
	f.since, f.before = time.Time{}, 0
}

// grow makes the width larger if that is called for, and returns when to ask
// again; the zero time if not before something happens. plenty says that there
// is more in the queue than is asked for.
func (f *flow) grow(now time.Time, plenty bool) time.Time {
	if f.running < f.width || f.begun < f.running || f.width >= f.Limit {
		if !plenty {
			f.since = time.Time{}
		}
		return time.Time{}
	}
	if f.Ramp == Gradual {
		return f.growGradually(now)
	}
	if at := f.last.Add(stuckAfter); now.Before(at) {
		if plenty {
			f.measure(now)
		}
		return at
	}
	f.widen(0, now)
	return time.Time{}
}

func (f *flow) growGradually(now time.Time) time.Time {
	step := time.Minute / time.Duration(max(1, f.PerMinute))
	if f.since.IsZero() {
		f.since = now
	}
	for !now.Before(f.since.Add(step)) && f.width < f.Limit {
		f.width++
		f.since = f.since.Add(step)
	}
	return f.since.Add(step)
}

// measure compares what ends at this width with what did at the one before.
func (f *flow) measure(now time.Time) {
	if f.since.IsZero() {
		f.since, f.count = now, f.ended
		return
	}
	over := now.Sub(f.since)
	ended := f.ended - f.count
	if over < measured || ended < 2*f.width || now.Before(f.settled) {
		return
	}
	rate := float64(ended) / over.Seconds()
	switch {
	case float64(f.width)/rate < brief.Seconds():
		f.since, f.count = now, f.ended
	case f.before == 0 || rate > payOff*f.before:
		f.widen(rate, now)
	default:
		f.set(f.least, now)
		f.settled = now.Add(settleFor)
	}
}

// widen doubles the width. rate is how many ended in a second at the one before,
// 0 if that is unknown.
func (f *flow) widen(rate float64, now time.Time) {
	least := f.width
	f.set(min(2*f.width, f.Limit), now)
	f.before, f.least = rate, least
}
