package lambda

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
)

// A trace header is of the form Root=…;Parent=…;Sampled=…;Lineage=…. The lineage
// says through which functions a chain of events has come, and how often:
//
//	lineage = hash ":" count *( "|" hash ":" count )
//
// Whoever is called by a function gets its header: SDKs send it along, queues
// keep it, and so do destinations.

// maxLineage is how often a function may be invoked in one chain of events.
const maxLineage = 16

// lineageHash stands for a function in lineages.
func lineageHash(n name) string {
	sum := sha256.Sum256([]byte(n.unqualified().arn()))
	return hex.EncodeToString(sum[:4])
}

// lineage takes the lineage of a header apart.
func lineage(trace string) (entries []string, rest []string) {
	for _, field := range strings.Split(trace, ";") {
		if text, ok := strings.CutPrefix(strings.TrimSpace(field), "Lineage="); ok {
			entries = strings.Split(text, "|")
		} else if field != "" {
			rest = append(rest, strings.TrimSpace(field))
		}
	}
	return entries, rest
}

// timesIn returns how often a function was invoked in the chain of a header.
func timesIn(n name, trace string) int {
	if !strings.Contains(trace, "Lineage=") {
		return 0
	}
	entries, _ := lineage(trace)
	return timesOf(lineageHash(n), entries)
}

// timesOf returns the count of a function in a lineage.
func timesOf(hash string, entries []string) int {
	for _, entry := range entries {
		if count, ok := strings.CutPrefix(entry, hash+":"); ok {
			times, err := strconv.Atoi(count)
			if err != nil {
				return 0 // somebody made it up
			}
			return times
		}
	}
	return 0
}

// maxEntries bounds a lineage: what is older is forgotten.
const maxEntries = 16

// passing returns the header for what a function sends, given that which it got.
func passing(n name, trace string) string {
	entries, rest := lineage(trace)
	own := lineageHash(n)
	kept := make([]string, 0, len(entries)+1)
	for _, entry := range entries {
		if !strings.HasPrefix(entry, own+":") {
			kept = append(kept, entry)
		}
	}
	kept = append(kept, own+":"+strconv.Itoa(timesOf(own, entries)+1))
	kept = kept[max(0, len(kept)-maxEntries):]
	return strings.Join(append(rest, "Lineage="+strings.Join(kept, "|")), ";")
}

// loops reports whether an invocation is one too many of a chain of events that
// goes round in a circle.
func (s *Service) loops(f *Function, trace string) bool {
	return !f.AllowLoops && timesIn(f.name(), trace) >= maxLineage
}

// newTrace returns the header of a new chain.
func newTrace(now time.Time) string {
	var b [24]byte
	binary.BigEndian.PutUint32(b[:], uint32(now.Unix()))
	rand.Read(b[4:])
	id := hex.EncodeToString(b[:])
	return "Root=1-" + id[:8] + "-" + id[8:32] + ";Parent=" + id[32:] + ";Sampled=0"
}
