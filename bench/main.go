// Command bench drains no-op tasks with other task queues, each as published and
// beside a server of its own, so that they can be compared with naru bench tasks
// on the same machine. README.md says how.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// options say what is measured.
type options struct {
	tasks   int
	rounds  int
	workers int    // tasks that run at a time
	size    int    // bytes of a task
	dir     string // for the servers' data; "" for the system's folder for temporary files
}

// payload is JSON, as River wants it.
func (o options) payload() string { return strings.Repeat("x", o.size) }

// systems are what can be measured. Each starts its server, fills a queue, and
// returns how long it took until that was empty again.
var systems = map[string]func(context.Context, options) (time.Duration, error){
	"asynq-always":   func(ctx context.Context, o options) (time.Duration, error) { return asynqOnRedis(ctx, o, "always") },
	"asynq-everysec": func(ctx context.Context, o options) (time.Duration, error) { return asynqOnRedis(ctx, o, "everysec") },
	"river":          riverOnPostgres,
}

func main() {
	var o options
	flag.IntVar(&o.tasks, "tasks", 200_000, "tasks to drain")
	flag.IntVar(&o.rounds, "rounds", 1, "times that they are drained; the median is told")
	flag.IntVar(&o.workers, "workers", 100, "tasks that run at a time")
	flag.IntVar(&o.size, "size", 100, "bytes of a task")
	flag.StringVar(&o.dir, "dir", "", "folder for data; \"\" for the system's for temporary files")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run measures the systems of those names, or all.
func run(ctx context.Context, o options, names []string) error {
	if len(names) == 0 {
		names = []string{"asynq-always", "asynq-everysec", "river"}
	}
	for _, name := range names {
		drain, ok := systems[name]
		if !ok {
			return fmt.Errorf("there is no %q", name)
		}
		var rates []float64
		for range max(1, o.rounds) {
			took, err := drain(ctx, o)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			rates = append(rates, float64(o.tasks)/took.Seconds())
		}
		slices.Sort(rates)
		fmt.Printf("%-16s %10.0f a second   (%d tasks of %d bytes, %d at a time)\n", name, rates[len(rates)/2], o.tasks, o.size, o.workers)
	}
	return nil
}

// await asks until nothing is left.
func await(ctx context.Context, left func() (int, error)) error {
	for {
		switch n, err := left(); {
		case err != nil:
			return err
		case n == 0:
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}
