package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"naru/internal/clock"
	"naru/internal/schedule"
)

func scheduleCommand() *cobra.Command {
	var zone, from string
	var n int
	next := &cobra.Command{
		Use:   "next EXPRESSION",
		Short: "Print the coming times at which a schedule fires",
		Long: `Print the coming times at which a schedule fires: a cron(...), rate(...) or at(...)
expression of EventBridge rules or EventBridge Scheduler. Rates count from now,
or from --from.`,
		Example: `  naru schedule next "cron(0 9 ? * MON-FRI *)" --timezone Europe/Berlin -n 3`,
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			start := new(clock.Clock).Now()
			if from != "" {
				var err error
				if start, err = time.Parse(time.RFC3339, from); err != nil {
					return fmt.Errorf("--from is %q, which is no time such as 2026-01-02T15:04:05Z", from)
				}
			}
			times, err := comingTimes(args[0], zone, start, n)
			for _, at := range times {
				fmt.Fprintln(c.OutOrStdout(), at.Format("Mon 2006-01-02 15:04:05 -07:00 MST"))
			}
			if err == nil && len(times) == 0 {
				fmt.Fprintln(c.ErrOrStderr(), "It does not fire any more.")
			}
			return err
		},
	}
	next.Flags().StringVar(&zone, "timezone", "UTC", "time zone in which the expression is read, as in Europe/Berlin")
	next.Flags().StringVar(&from, "from", "", "when to begin, as in 2026-01-02T15:04:05Z; now if it is not given")
	next.Flags().IntVarP(&n, "count", "n", 10, "how many times to print")
	c := &cobra.Command{Use: "schedule", Short: "Look into schedules"}
	c.AddCommand(next)
	return c
}

// comingTimes returns the next n times after start at which an expression is
// due, in the given time zone.
func comingTimes(expression, zone string, start time.Time, n int) (times []time.Time, err error) {
	s, err := schedule.Parse(expression)
	if err != nil {
		if s, err = schedule.ParseScheduler(expression); err != nil {
			return nil, err
		}
	}
	loc, err := schedule.Zone(zone)
	if err != nil {
		return nil, err
	}
	for at := s.Next(start, start, loc); !at.IsZero() && len(times) < n; at = s.Next(at, start, loc) {
		times = append(times, at)
	}
	return times, nil
}
