// Command catchup measures what an event costs the pipes downstream of a receiver
// when many wait: events stand in a dataset, from which one pipe transforms them
// and another merges what it made, both by incremental runs. It tells the
// processor time an event, as the median of the rounds.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"time"

	"github.com/sluiceio/sluice/bench/measure"
	"github.com/sluiceio/sluice/config"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/store/local"
)

type options struct {
	rounds, events int
	dir, profile   string
}

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 5, "rounds")
	flag.IntVar(&o.events, "events", 50000, "events a round")
	flag.StringVar(&o.dir, "dir", "", "where the data folder is made; by default where temporary files are")
	flag.StringVar(&o.profile, "profile", "", "write a CPU profile of the last round to this file")
	flag.Parse()
	if err := run(context.Background(), o); err != nil {
		fmt.Fprintln(os.Stderr, "catchup:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp(o.dir, "catchup")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	c, err := measure.Config(measure.Shop, "nobody posts anything here")
	if err != nil {
		return err
	}
	st, err := local.Open(filepath.Join(dir, "data"), local.Options{})
	if err != nil {
		return err
	}
	defer st.Close()
	runtime.GOMAXPROCS(local.Processors()) // as "sluice serve" does
	var costs []float64
	for round := range o.rounds + 1 { // the first warms up, and is a full run
		cost, err := oneRound(ctx, o, st, c, round)
		if err != nil {
			return err
		}
		if round > 0 {
			costs = append(costs, cost)
		}
	}
	slices.Sort(costs)
	fmt.Printf("%d rounds of %d events: CPU %.2f µs an event (%.2f-%.2f)\n", o.rounds, o.events, costs[len(costs)/2], costs[0], costs[len(costs)-1])
	return nil
}

// oneRound writes events down while no pipe runs, and then has them go through.
func oneRound(ctx context.Context, o options, st store.Store, c *config.Config, round int) (float64, error) {
	if _, err := st.Create(ctx, "shop-order-event"); err != nil {
		return 0, err
	}
	if err := fill(ctx, st, measure.Events(round, o.events, 9)); err != nil {
		return 0, err
	}
	runtime.GC()
	if o.profile != "" && round == o.rounds {
		f, err := os.Create(o.profile)
		if err != nil {
			return 0, err
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return 0, err
		}
	}
	cpu := measure.CPUTime()
	e, err := measure.Engine(ctx, c, st)
	if err != nil {
		return 0, err
	}
	defer e.Close()
	err = through(ctx, st, int64((round+1)*o.events))
	spent := measure.CPUTime() - cpu
	if round == o.rounds {
		pprof.StopCPUProfile()
	}
	return float64(spent.Nanoseconds()) / 1000 / float64(o.events), err
}

func fill(ctx context.Context, st store.Store, events [][]byte) error {
	arena := entity.NewArena()
	for part := range slices.Chunk(events, 1000) {
		arena.Reset()
		w := store.Write{Dataset: "shop-order-event"}
		for _, body := range part {
			v, err := entity.Decode(arena, body, entity.DecodeOptions{})
			if err != nil {
				return err
			}
			w.Ops = append(w.Ops, store.Op{Kind: store.Put, Entity: v})
		}
		p, err := st.Append(ctx, &store.Batch{Writes: []store.Write{w}})
		if err == nil {
			_, err = p.Wait(ctx)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// through waits until so many entities have come through all pipes.
func through(ctx context.Context, st store.Store, want int64) error {
	for start := time.Now(); time.Since(start) < 2*time.Minute; time.Sleep(5 * time.Millisecond) {
		info, err := st.Info(ctx, "shop-order-collect")
		if err != nil || info.Live == want {
			return err
		}
	}
	return fmt.Errorf("not all of %d events came through", want)
}
