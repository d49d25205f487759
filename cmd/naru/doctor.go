package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"naru/internal/sdk"
	"naru/internal/server"
)

func doctorCommand() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Say how functions can be confined and what they can run on here, and what is missing for more",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := fromEnvironment(c.Flags()); err != nil {
				return err
			}
			out := c.OutOrStdout()
			fmt.Fprintln(out, "Sandbox")
			server.ExplainSandbox(out, helper())
			fmt.Fprintln(out, "\nRuntimes")
			return listRuntimes(out, dir)
		},
	}
	c.Flags().StringVar(&dir, "sdk-dir", sdk.DefaultDir(), "folder of the SDKs")
	return c
}
