package main

import "github.com/spf13/cobra"

func benchCommand() *cobra.Command {
	c := &cobra.Command{Use: "bench", Short: "Measure an endpoint"}
	c.AddCommand(benchLambdaCommand(), benchLambdaBaselineCommand())
	return c
}
