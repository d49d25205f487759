package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"naru/internal/sdk"
)

func runtimeCommand() *cobra.Command {
	var dir string
	install := &cobra.Command{
		Use:       "install nodejs",
		Short:     "Install the AWS SDKs that functions of a runtime find, as on AWS, without packing them",
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs: []string{"nodejs"},
		RunE: func(c *cobra.Command, _ []string) error {
			if err := fromEnvironment(c.Flags()); err != nil {
				return err
			}
			if err := sdk.InstallNode(c.Context(), dir, c.ErrOrStderr()); err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "The AWS SDKs for Node.js are in %s.\n", sdk.NodeDir(dir))
			return nil
		},
	}
	install.Flags().StringVar(&dir, "sdk-dir", sdk.DefaultDir(), "folder of the SDKs; the same as that of naru serve")
	c := &cobra.Command{Use: "runtime", Short: "See to the runtimes of functions"}
	c.AddCommand(install)
	return c
}
