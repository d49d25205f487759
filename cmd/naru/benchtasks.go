package main

import (
	"os"
	"time"

	"github.com/spf13/cobra"

	"naru/internal/bench"
)

func benchTasksCommand() *cobra.Command {
	var o bench.TasksOptions
	c := &cobra.Command{
		Use:   "tasks",
		Short: "Measure queues that trigger functions: how fast they are drained, how soon a task begins, and what waiting costs",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o.Out, o.Progress = c.OutOrStdout(), os.Stderr
			return bench.Tasks(c.Context(), o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.Dir, "dir", "", "folder for the data of the Naru that is measured (default: the system's for temporary files)")
	f.StringArrayVar(&o.Serve, "serve", nil, "a further flag of that Naru, such as --serve=--trigger-ramp=aws")
	f.StringVar(&o.Node, "node", "node", "Node.js interpreter of functions")
	f.IntVar(&o.Tasks, "tasks", 200_000, "tasks that are drained")
	f.IntVar(&o.Batch, "batch", 10, "tasks that a function gets at a time, up to 10")
	f.IntVar(&o.Size, "size", 100, "bytes of a task")
	f.Float64Var(&o.Rate, "rate", 500, "tasks a second of the open loop")
	f.DurationVar(&o.Duration, "duration", 10*time.Second, "of the open loop, and of the time without load")
	f.IntVar(&o.Mappings, "mappings", 100, "functions, with a queue each, without load")
	f.IntVar(&o.Rounds, "rounds", 1, "drain so many times, and tell the median")
	f.BoolVar(&o.JSON, "json", false, "write the results as JSON")
	return c
}
