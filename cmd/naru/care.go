package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"naru/internal/server"
)

func backupCommand() *cobra.Command {
	var data string
	var without bool
	c := &cobra.Command{
		Use:   "backup DIR",
		Short: "Make DIR a consistent copy of a data directory, also while Naru runs on it",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := fromEnvironment(c.Flags()); err != nil {
				return err
			}
			m, err := server.Backup(c.Context(), data, args[0], !without)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%s is a backup of %s: %d files, %d bytes.\n", args[0], data, len(m.Files), m.Size())
			if _, err := os.Stat(filepath.Join(args[0], "master.key")); err != nil {
				fmt.Fprintln(c.OutOrStdout(), "The master key is not in it: without that nothing in there can be read.")
			}
			return nil
		},
	}
	c.Flags().StringVar(&data, "data", server.DefaultData(), "data directory")
	c.Flags().BoolVar(&without, "without-keys", false, "leave out the master key and the root's access key")
	return c
}

func restoreCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "restore BACKUP DIR",
		Short: "Make DIR the data directory that a backup holds",
		Args:  cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			m, err := server.Restore(args[0], args[1])
			if err == nil {
				fmt.Fprintf(c.OutOrStdout(), "%s is as it was at %s: run naru serve --data %s\n", args[1], m.Taken.Format("2006-01-02 15:04:05 MST"), args[1])
			}
			return err
		},
	}
}

func checkCommand() *cobra.Command {
	var o server.CheckOptions
	c := &cobra.Command{
		Use:   "check DIR",
		Short: "Verify a data directory that no Naru has open, or a backup, and name what is wrong",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.Data, o.Out = args[0], c.OutOrStdout()
			return server.Check(o)
		},
	}
	c.Flags().StringVar(&o.MasterKey, "master-key", "", "file of the master key, if it does not lie in the directory; without one, what is sealed is not read")
	c.Flags().BoolVar(&o.Quarantine, "quarantine", false, "set aside what is damaged, so that the rest can be used; needs as much space again as a damaged database has")
	return c
}

func rotateKeyCommand() *cobra.Command {
	var data, key string
	c := &cobra.Command{
		Use:   "rotate-key",
		Short: "Replace the master key by a new one, also while Naru runs",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := fromEnvironment(c.Flags()); err != nil {
				return err
			}
			old, err := server.RotateKey(c.Context(), data, key)
			if err == nil {
				fmt.Fprintf(c.OutOrStdout(), "The master key is another now. The old one is kept as %s: backups without keys that were taken before need it.\n", old)
			}
			return err
		},
	}
	c.Flags().StringVar(&data, "data", server.DefaultData(), "data directory")
	c.Flags().StringVar(&key, "master-key", "", "file of the master key, if it does not lie in the data directory; a running Naru knows it")
	return c
}
