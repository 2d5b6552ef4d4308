// Command ingest measures how fast a node takes in webhooks: requests of about
// 1 KB over 64 connections, each signed with HMAC-SHA256, judged by the pipe's
// validation_expression, stored and flushed to the disk before it is answered,
// while pipes downstream transform and merge what has come. Beside it runs
// net/http with a handler that reads the body and says hello. Rounds of the two
// take turns in one process that also makes the load; what is told are ratios
// of the rounds, as medians with quartiles.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/pprof"
	"time"

	"github.com/sluiceio/sluice/bench/measure"
	"github.com/sluiceio/sluice/store/local"
)

type options struct {
	rounds      int
	requests    int
	connections int
	latency     time.Duration
	dir         string
	profile     string
	raw         bool
}

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 7, "rounds of each")
	flag.IntVar(&o.requests, "requests", 20000, "requests a round")
	flag.IntVar(&o.connections, "connections", 64, "connections at once")
	flag.DurationVar(&o.latency, "latency", 0, "added to each flush of the log; without it, no latency and 2ms are measured")
	flag.StringVar(&o.dir, "dir", "", "where the data folder is made; by default where temporary files are")
	flag.BoolVar(&o.raw, "raw", false, "make the load with prepared bytes instead of net/http's client")
	flag.StringVar(&o.profile, "profile", "", "write a CPU profile of the node's rounds to this file")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	latencies := []time.Duration{0, 2 * time.Millisecond}
	if o.latency > 0 || isSet("latency") {
		latencies = []time.Duration{o.latency}
	}
	for _, d := range latencies {
		o.latency = d
		if err := rounds(ctx, o); err != nil {
			fmt.Fprintln(os.Stderr, "ingest:", err)
			os.Exit(1)
		}
	}
}

func isSet(name string) (set bool) {
	flag.Visit(func(f *flag.Flag) { set = set || f.Name == name })
	return set
}

// rounds runs them and prints what came of them.
func rounds(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp(o.dir, "ingest")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	n, err := openNode(ctx, dir, o.latency)
	if err != nil {
		return err
	}
	defer n.close()
	hello, err := openHello()
	if err != nil {
		return err
	}
	defer hello.close()
	var r report
	for round := -1; round < o.rounds; round++ { // the first one warms up
		base, ours, err := oneRound(ctx, o, n, hello, round)
		if err != nil {
			return err
		}
		if round >= 0 {
			r.add(base, ours)
		}
	}
	r.print(o)
	return n.verify(ctx, (o.rounds+1)*o.requests)
}

func oneRound(ctx context.Context, o options, n *node, hello *greeter, round int) (base, ours result, err error) {
	load := makeLoad(o, round)
	if base, err = load.run(ctx, hello.address, "/hello"); err != nil {
		return base, ours, err
	}
	if o.profile != "" && round >= 0 {
		f, err := os.Create(fmt.Sprintf("%s.%d", o.profile, round))
		if err != nil {
			return base, ours, err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return base, ours, err
		}
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(local.Processors())) // as "sluice serve" does
	n.flushes.count.Store(0)
	n.flushes.nanos.Store(0)
	begun, cpu := time.Now(), measure.CPUTime()
	ours, err = load.run(ctx, n.served.Address, "/api/receivers/shop-order-event/entities")
	pprof.StopCPUProfile()
	if err != nil {
		return base, ours, err
	}
	ours.flushes, ours.flush = n.flushes.count.Load(), n.flushes.mean()
	if ours.downstream, err = n.collected(ctx); err != nil {
		return base, ours, err
	}
	ours.downstream -= (round + 1) * o.requests
	err = n.drain(ctx, (round+2)*o.requests)
	ours.whole = float64(o.requests) / time.Since(begun).Seconds()
	ours.wholeCPU = (measure.CPUTime() - cpu) / time.Duration(o.requests)
	return base, ours, err
}
