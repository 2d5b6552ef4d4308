// Command sluice validates, runs and serves declarative integration pipes.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/sluiceio/sluice/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends at once what does not heed the first.
	context.AfterFunc(ctx, stop)
	status := cli.Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}
