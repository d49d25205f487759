// Demo tells Naru's story in the terminal, with real functions and an
// unmodified AWS SDK: tasks are sent to a queue; a Consumer function, fired
// each minute by a rule, receives up to ten of them and invokes a Worker
// function for each; the Worker does the work and deletes the message.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
)

func main() {
	program := flag.String("naru", "bin/naru", "the program")
	sdk := flag.String("sdk", ".tools/sdk", "folder of the SDKs that functions find")
	keep := flag.Bool("keep", false, "leave Naru running at the end")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *program, *sdk, *keep); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, program, sdk string, keep bool) error {
	data, err := os.MkdirTemp("", "naru-demo-")
	if err != nil {
		return err
	}
	n := &naru{program: program, sdk: sdk, data: data, listen: "127.0.0.1:0"}
	if err := n.start(); err != nil {
		return err
	}
	err = newStory(n).tell(ctx)
	if err == nil && keep {
		fmt.Printf("\nNaru goes on: %s (its data are in %s). To stop it: kill %d\n", n.endpoint, data, n.process.Process.Pid)
		return n.process.Process.Release()
	}
	if stopErr := n.stop(); err == nil {
		err = stopErr
	}
	if err != nil {
		return fmt.Errorf("%w (Naru's log is in %s)", err, n.log())
	}
	return os.RemoveAll(data)
}
