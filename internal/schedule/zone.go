package schedule

import (
	"fmt"
	"time"
	_ "time/tzdata" // for machines that have no time zones of their own
)

// Zone returns the time zone of a name of the IANA database, such as
// Europe/Berlin; UTC for "".
func Zone(name string) (*time.Location, error) {
	if name == "Local" {
		return nil, fmt.Errorf("schedule: there is no time zone %s", name)
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("schedule: there is no time zone %s", name)
	}
	return loc, nil
}
