package firing

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"naru/internal/delivery"
)

// Options are what tags of a rule or schedule say of its firings. AWS has none
// of them; without tags all are off.
type Options struct {
	// CatchUp is how far back firings are made up for that were missed while
	// Naru was down: naru:catch-up, a duration such as 90m or 24h, of a week at
	// most.
	CatchUp time.Duration
	// Jitter is the window in which each firing happens at some moment:
	// naru:jitter, a duration of a day at most.
	Jitter time.Duration
	// Overlap says what becomes of a firing while what the one before it
	// started is still going: naru:overlap, which is allow, skip or queue-one.
	Overlap delivery.Overlap
}

// The tags that make Options. Others that begin with TagPrefix are refused.
const (
	TagPrefix  = "naru:"
	tagCatchUp = TagPrefix + "catch-up"
	tagJitter  = TagPrefix + "jitter"
	tagOverlap = TagPrefix + "overlap"
)

const (
	maxCatchUp = 7 * 24 * time.Hour
	maxJitter  = 24 * time.Hour
)

// ParseOptions reads the options from tags. Its error is for whoever set them.
func ParseOptions(tags map[string]string) (o Options, err error) {
	for key, value := range tags {
		switch key {
		case tagCatchUp:
			o.CatchUp, err = duration(key, value, maxCatchUp)
		case tagJitter:
			o.Jitter, err = duration(key, value, maxJitter)
		case tagOverlap:
			o.Overlap = delivery.Overlap(strings.TrimPrefix(value, "allow"))
			if !slices.Contains([]string{"allow", string(delivery.OverlapSkip), string(delivery.OverlapQueueOne)}, value) {
				err = fmt.Errorf("the tag %s is %q, which is none of allow, skip and queue-one", key, value)
			}
		default:
			if strings.HasPrefix(key, TagPrefix) {
				err = fmt.Errorf("there is no tag %s", key)
			}
		}
		if err != nil {
			return Options{}, err
		}
	}
	return o, nil
}

func duration(key, value string, most time.Duration) (time.Duration, error) {
	d, err := time.ParseDuration(value)
	if err != nil || d <= 0 || d > most {
		return 0, fmt.Errorf("the tag %s is %q, which is no duration from 1s to %v, such as 90s, 15m or 6h", key, value, most)
	}
	return d, nil
}
