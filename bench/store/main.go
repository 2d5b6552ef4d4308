// Command store measures the embedded store beside plain Pebble that keeps the
// bodies in its tree: the same entities of 1.2 KB, found by id, with a secondary
// index, a check whether content changed before each write, and a flush to the
// disk for every hundred. The two take turns; what is told are ratios of the
// rounds, as medians with quartiles, in wall and in processor time.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/pprof"
)

type options struct {
	rounds   int
	entities int
	dir      string
	profile  string
	phase    string
}

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 3, "rounds of each")
	flag.IntVar(&o.entities, "entities", 200000, "entities in the dataset")
	flag.StringVar(&o.dir, "dir", "", "where data folders are made; by default where temporary files are")
	flag.StringVar(&o.profile, "profile", "", "write a CPU profile of what our store does to this file")
	flag.StringVar(&o.phase, "phase", "", "profile this phase only")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := compare(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "store:", err)
		os.Exit(1)
	}
}

// compare runs the rounds and prints what came of them.
func compare(ctx context.Context, o options) error {
	f, err := newFeed("../testdata/perf/orders.ndjson", o.entities)
	if err != nil {
		return err
	}
	var r report
	for range o.rounds {
		plain, err := round(ctx, o, f, openPlain, false)
		if err != nil {
			return fmt.Errorf("pebble: %w", err)
		}
		ours, err := round(ctx, o, f, openOurs, true)
		if err != nil {
			return fmt.Errorf("sluice: %w", err)
		}
		r.add(plain, ours)
	}
	r.print()
	return nil
}

// round has one side go through all phases in a folder of its own.
func round(ctx context.Context, o options, f *feed, open opener, ours bool) (results, error) {
	dir, err := os.MkdirTemp(o.dir, "store")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	var profile *os.File
	if ours && o.profile != "" {
		if profile, err = os.Create(o.profile); err != nil {
			return nil, err
		}
		defer profile.Close()
	}
	w := &walk{ctx: ctx, f: f, open: open, dir: dir, did: results{}}
	w.around = func(phase string, do func() error) error {
		if profile == nil || o.phase != "" && o.phase != phase {
			return do()
		}
		if err := pprof.StartCPUProfile(profile); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
		return do()
	}
	return w.did, w.run()
}
