// Command idle measures what a thousand pipes cost that have nothing to do, and
// how soon a webhook comes to the fourth dataset of a chain among them: with
// the real binary, over HTTP, and with the figures the kernel has of it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"time"

	"github.com/sluiceio/sluice/bench/measure"
)

type options struct {
	binary  string
	pipes   int
	settle  time.Duration
	watch   time.Duration
	samples int
}

func main() {
	var o options
	flag.StringVar(&o.binary, "sluice", "", "the binary; by default it is built from here")
	flag.IntVar(&o.pipes, "pipes", 1000, "how many pipes, in chains of four")
	flag.DurationVar(&o.settle, "settle", 20*time.Second, "time after the start before it counts as idle")
	flag.DurationVar(&o.watch, "watch", 30*time.Second, "how long it is watched")
	flag.IntVar(&o.samples, "samples", 200, "webhooks sent through a chain")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "idle:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (err error) {
	dir, err := os.MkdirTemp("", "idle")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if o.binary == "" {
		o.binary = filepath.Join(dir, "sluice")
		if err := measure.Build(ctx, o.binary); err != nil {
			return err
		}
	}
	if err := writeNode(filepath.Join(dir, "node"), o.pipes/4); err != nil {
		return err
	}
	n, err := start(ctx, o.binary, filepath.Join(dir, "node"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.end()) }()
	if err := watch(ctx, n, o); err != nil {
		return err
	}
	return chains(ctx, n, o)
}

// watch prints memory and processor time of the idle node.
func watch(ctx context.Context, n *node, o options) error {
	fmt.Printf("%d pipes: listening after %v\n", o.pipes, n.Started.Round(time.Millisecond))
	if err := pause(ctx, o.settle); err != nil {
		return err
	}
	before, err := measure.Process(n.PID())
	if err != nil {
		return err
	}
	if err := pause(ctx, o.watch); err != nil {
		return err
	}
	after, err := measure.Process(n.PID())
	if err != nil {
		return err
	}
	fmt.Printf("  memory (VmRSS)          %6.1f MB, at most %.1f MB (VmHWM)\n", float64(after.RSS)/1e6, float64(after.Peak)/1e6)
	fmt.Printf("  processor, over %v     %6.2f %% of a core\n", o.watch, 100*(after.CPU-before.CPU).Seconds()/o.watch.Seconds())
	fmt.Printf("  threads %d\n", after.Threads)
	return nil
}

// chains sends webhooks to one chain after another and waits until each is in
// the fourth dataset.
func chains(ctx context.Context, n *node, o options) error {
	var acknowledged, arrived []time.Duration
	for i := range o.samples {
		ack, all, err := n.webhook(ctx, i%(o.pipes/4), fmt.Sprintf("w%d", i))
		if err != nil {
			return err
		}
		acknowledged, arrived = append(acknowledged, ack), append(arrived, all)
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
	slices.Sort(acknowledged)
	slices.Sort(arrived)
	fmt.Printf("  a webhook, verified and flushed, is acknowledged after   %6.1f ms (99 %%: %.1f ms)\n", measure.Percentile(acknowledged, 50), measure.Percentile(acknowledged, 99))
	fmt.Printf("  and is in the fourth dataset of its chain after          %6.1f ms (99 %%: %.1f ms)\n", measure.Percentile(arrived, 50), measure.Percentile(arrived, 99))
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
