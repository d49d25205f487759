// Naru is a serverless task queue that you run yourself: SQS, Lambda,
// EventBridge, CloudWatch Logs and IAM, wire-compatible, in one binary.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"naru/internal/sandbox"
)

// version is set when Naru is built.
var version = "dev"

func main() {
	if len(os.Args) == 2 && os.Args[1] == sandbox.HelperArg {
		os.Exit(sandbox.HelperMain())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := rootCommand().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "naru:", err)
		os.Exit(1)
	}
}

func rootCommand() *cobra.Command {
	c := &cobra.Command{
		Use:           "naru",
		Short:         "A serverless task queue that you run yourself: SQS, Lambda, EventBridge, CloudWatch Logs and IAM",
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	c.AddCommand(serveCommand(), runtimeCommand(), scheduleCommand(), backupCommand(), restoreCommand(), checkCommand(), rotateKeyCommand(), doctorCommand(), benchCommand())
	return c
}
