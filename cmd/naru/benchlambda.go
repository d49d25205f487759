package main

import (
	"os"
	"time"

	"github.com/spf13/cobra"

	"naru/internal/bench"
)

func benchLambdaCommand() *cobra.Command {
	var o bench.LambdaOptions
	c := &cobra.Command{
		Use:   "lambda",
		Short: "Measure functions, warm, cold and idle, beside a bare HTTP server, node -e 0 and a Go program by itself",
		Long: `Measure functions: warm invocations beside a bare HTTP server, cold starts beside node -e 0 and, for a Go program, beside
its own start, which ends when it asks for its first event. Compare figures of one run with each other only.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o.Out, o.Progress, o.Bootstrap = c.OutOrStdout(), os.Stderr, embedded("naru-bootstrap")
			return bench.Lambda(c.Context(), o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.Dir, "dir", "", "folder for the data of the Naru that is measured (default: the system's for temporary files)")
	f.StringArrayVar(&o.Serve, "serve", nil, "a further flag of that Naru, such as --serve=--sandbox=strict")
	f.StringVar(&o.Node, "node", "node", "Node.js interpreter of functions")
	f.IntSliceVar(&o.Connections, "connections", []int{1, 16}, "numbers of connections to measure with")
	f.DurationVar(&o.Duration, "duration", 3*time.Second, "how long each step of a round lasts")
	f.IntVar(&o.Rounds, "rounds", 3, "measure all steps so many times, and tell the median")
	f.IntVar(&o.Starts, "starts", 10, "cold starts of a round")
	f.BoolVar(&o.Cold, "cold", false, "measure cold starts only")
	f.IntVar(&o.Idle, "idle", 0, "measure what so many environments cost that have nothing to do, and nothing else")
	f.BoolVar(&o.JSON, "json", false, "write the results as JSON")
	return c
}

func benchLambdaBaselineCommand() *cobra.Command {
	return &cobra.Command{
		Use: bench.LambdaBaselineCommand, Hidden: true, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return bench.ServeLambdaBaseline(c.Context(), c.OutOrStdout())
		},
	}
}
