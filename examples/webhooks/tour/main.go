// Command tour shows the main job of Sluice, told line by line: it starts an
// invented shop and a node with the pipes of this folder, delivers signed
// events and forged ones, and prints the datasets that come of it. It fails
// if anything is not as told, so it is a test as well.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var o options
	flag.StringVar(&o.sluice, "sluice", "bin/sluice", "the binary to run")
	flag.StringVar(&o.node, "node", "examples/webhooks", "the node folder")
	flag.StringVar(&o.data, "data", "", "folder for the datasets; a temporary one if empty")
	flag.StringVar(&o.listen, "listen", "127.0.0.1:0", "address of the node")
	flag.BoolVar(&o.keep, "keep", false, "leave shop and node running until interrupted")
	flag.Parse()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "tour:", err)
		os.Exit(1)
	}
}

type options struct {
	sluice, node, data, listen string
	keep                       bool
}

// run tells the story and stops everything it started, whatever happened.
func run(ctx context.Context, o options) (err error) {
	t := &tour{}
	defer func() { err = errors.Join(err, t.stop()) }()
	if err := t.start(ctx, o); err != nil {
		return err
	}
	tell := t.story
	if t.seenBefore {
		tell = t.again
	}
	if err := tell(ctx); err != nil {
		return err
	}
	if o.keep {
		say("\nShop and node stay up: %s/api/datasets. Ctrl-C ends them.", t.node.url)
		<-ctx.Done()
	}
	return nil
}

// deadline is how long anything in the story may take.
const deadline = time.Minute

// eventually asks again and again until the answer is yes.
func eventually(ctx context.Context, what string, ask func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := ask()
		if ok || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("this did not happen: %s (%w)", what, ctx.Err())
		}
	}
}

func say(format string, args ...any) { fmt.Printf(format+"\n", args...) }
