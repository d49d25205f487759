package main

import (
	"time"

	"github.com/spf13/cobra"

	"naru/internal/bench"
)

func benchLambdaCommand() *cobra.Command {
	var o bench.LambdaOptions
	c := &cobra.Command{
		Use:   "lambda",
		Short: "Measure functions, warm and cold, beside a bare HTTP server and node -e 0",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o.Out = c.OutOrStdout()
			return bench.Lambda(c.Context(), o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.Dir, "dir", "", "folder for the data of the Naru that is measured (default: the system's for temporary files)")
	f.StringVar(&o.Node, "node", "node", "Node.js interpreter of functions")
	f.IntSliceVar(&o.Connections, "connections", []int{1, 16}, "numbers of connections to measure with")
	f.DurationVar(&o.Duration, "duration", 3*time.Second, "how long each step of a round lasts")
	f.IntVar(&o.Rounds, "rounds", 3, "measure all steps so many times, and tell the median")
	f.IntVar(&o.Cold, "cold", 10, "cold starts of a round")
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
