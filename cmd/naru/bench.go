package main

import (
	"os"
	"time"

	"github.com/spf13/cobra"

	"naru/internal/bench"
)

func benchCommand() *cobra.Command {
	c := &cobra.Command{Use: "bench", Short: "Measure an endpoint"}
	c.AddCommand(benchSQSCommand(), benchBaselineCommand(), benchLambdaCommand(), benchLambdaBaselineCommand(), benchTasksCommand())
	return c
}

func benchSQSCommand() *cobra.Command {
	var o bench.Options
	c := &cobra.Command{
		Use:   "sqs",
		Short: "Measure an SQS endpoint: throughput and latency",
		Long: `Measure an SQS endpoint: throughput and latency.

Without --endpoint a Naru is started for the run, on a temporary data directory. Signed requests to another endpoint take
AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and AWS_REGION. Compare figures of one run with each other only.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o.KeyID, o.Secret, o.Token = os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), os.Getenv("AWS_SESSION_TOKEN")
			o.Region = os.Getenv("AWS_REGION")
			o.Out, o.Progress = c.OutOrStdout(), os.Stderr
			info, err := os.Stderr.Stat()
			o.Terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
			return bench.Run(c.Context(), o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.Endpoint, "endpoint", "", "URL of the endpoint; without it a Naru is started for the run")
	f.StringVar(&o.Dir, "dir", "", "folder for the data of that Naru (default: the system's for temporary files)")
	f.StringArrayVar(&o.Serve, "serve", nil, "a further flag of that Naru, such as --serve=--memtable=16777216")
	f.IntVar(&o.PID, "pid", 0, "process of the endpoint, to tell its memory")
	f.BoolVar(&o.Sign, "sign", false, "sign all requests, and have them verified")
	f.StringSliceVar(&o.Scenarios, "scenario", nil, "send, send-signed, send-batch, receive-delete, receive-delete-single, mixed (default send,send-batch,receive-delete)")
	f.IntSliceVar(&o.Connections, "connections", []int{64}, "numbers of connections to measure with")
	f.IntVar(&o.Size, "size", 1024, "bytes of a message")
	f.DurationVar(&o.Duration, "duration", 5*time.Second, "how long each step lasts")
	f.IntVar(&o.Requests, "requests", 0, "end a step after so many requests")
	f.IntVar(&o.Rounds, "rounds", 1, "measure all steps so many times, and tell the median")
	f.IntVar(&o.Fill, "fill", 50_000, "messages to have ready for a step that receives")
	f.BoolVar(&o.FIFO, "fifo", false, "measure FIFO queues")
	f.IntVar(&o.Groups, "groups", 0, "message groups (default 100 on FIFO queues)")
	f.StringVar(&o.Rate, "rate", "", "measure an open loop of sends too, at so many a second, or at a share of the rate of send such as 50%")
	f.BoolVar(&o.Baseline, "baseline", false, "measure a bare net/http server in the same run")
	f.BoolVar(&o.Fsync, "fsync-baseline", false, "measure bare writes of 1 KiB with fdatasync in the same run")
	f.IntVar(&o.Backlog, "backlog", 0, "measure also on a queue with so many messages waiting")
	f.IntVar(&o.Queues, "queues", 0, "measure also on so many queues, which share the backlog")
	f.BoolVar(&o.Restart, "restart", false, "kill the server at the end and measure how soon it gives out a message again")
	f.IntVar(&o.Polls, "idle-polls", 0, "measure so many long polls that get nothing")
	f.IntVar(&o.Pass, "pass", 0, "send so many messages through a queue, and tell the use of the disk after it")
	f.BoolVar(&o.JSON, "json", false, "write the results as JSON")
	return c
}

func benchBaselineCommand() *cobra.Command {
	var reply int
	c := &cobra.Command{
		Use: bench.BaselineCommand, Hidden: true, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return bench.ServeBaseline(c.Context(), reply, c.OutOrStdout())
		},
	}
	c.Flags().IntVar(&reply, "reply", 0, "bytes of a reply")
	return c
}
