package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"naru/internal/interpreter"
	"naru/internal/sdk"
	"naru/internal/server"
)

// interpreterFlags are the flags that name interpreters.
var interpreterFlags = map[string]interpreter.Language{
	"node": interpreter.Node, "python": interpreter.Python, "java": interpreter.Java, "ruby": interpreter.Ruby, "dotnet": interpreter.DotNet,
}

// given returns the interpreters whose flags are set.
func given(flags map[interpreter.Language]*string) map[interpreter.Language]string {
	set := map[interpreter.Language]string{}
	for l, path := range flags {
		if *path != "" {
			set[l] = *path
		}
	}
	return set
}

func runtimeCommand() *cobra.Command {
	c := &cobra.Command{Use: "runtime", Short: "See to the runtimes of functions"}
	c.AddCommand(runtimeInstallCommand(), runtimeListCommand())
	return c
}

func runtimeInstallCommand() *cobra.Command {
	var dir, tool string
	var names, what []string
	for _, k := range sdk.Kits {
		names = append(names, k.Name)
		what = append(what, fmt.Sprintf("  %-8s %s", k.Name, k.What))
	}
	c := &cobra.Command{
		Use:       "install " + strings.Join(names, "|"),
		Short:     "Install what functions of a language find without packing it, as on AWS",
		Long:      "Install what functions of a language find without packing it, as on AWS:\n\n" + strings.Join(what, "\n") + "\n\nThe versions are those that this Naru knows; what is fetched is checked against their checksums.",
		Args:      cobra.MatchAll(cobra.MinimumNArgs(1), cobra.OnlyValidArgs),
		ValidArgs: names,
		RunE: func(c *cobra.Command, args []string) error {
			if err := fromEnvironment(c.Flags()); err != nil {
				return err
			}
			for _, k := range sdk.Kits {
				for _, name := range args {
					if k.Name != name {
						continue
					}
					if err := k.Install(c.Context(), dir, tool, c.ErrOrStderr()); err != nil {
						return err
					}
					fmt.Fprintf(c.OutOrStdout(), "%s: %s, in %s.\n", k.Name, k.What, dir)
				}
			}
			return nil
		},
	}
	c.Flags().StringVar(&dir, "sdk-dir", sdk.DefaultDir(), "folder of the SDKs; the same as that of naru serve")
	c.Flags().StringVar(&tool, "with", "", "program that fetches packages: npm, a Python that has pip, or mvn (default: the one on the path)")
	return c
}

func runtimeListCommand() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "list",
		Short: "Show which runtimes run on this machine, and on what",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := fromEnvironment(c.Flags()); err != nil {
				return err
			}
			return listRuntimes(c.OutOrStdout(), dir)
		},
	}
	c.Flags().StringVar(&dir, "sdk-dir", sdk.DefaultDir(), "folder of the SDKs")
	return c
}

func listRuntimes(out io.Writer, dir string) error {
	installed := map[string]bool{}
	for _, k := range sdk.Kits {
		installed[k.Name] = k.Installed(dir)
	}
	var f interpreter.Finder
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "RUNTIME\tRUNS ON\tNOTE")
	for _, name := range server.Runtimes() {
		l, version := interpreter.Of(name)
		if l == "" {
			fmt.Fprintf(w, "%s\tits own bootstrap\t\n", name)
			continue
		}
		i, ok := f.Find(l, version)
		var notes []string
		switch missing, known := installed[string(l)]; {
		case !ok:
			notes = append(notes, "install "+l.String()+" "+version)
		case known && !missing:
			notes = append(notes, "run naru runtime install "+string(l))
		}
		on := "-"
		if ok {
			on = i.String() + " (" + i.Path + ")"
			if !i.Is(version) {
				notes = append(notes, "another version")
			}
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", name, on, strings.Join(notes, "; "))
	}
	return w.Flush()
}
