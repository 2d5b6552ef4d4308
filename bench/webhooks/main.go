// Command webhooks measures how fast a node delivers webhooks, and what a
// handler in JavaScript costs one that takes them in.
//
// Out: events of about 1 KB are put into a dataset; a pipe with the sink webhook
// signs and sends each, and saves before that the event is on its way, and after
// that it has arrived. Beside it a loop in plain Go signs and posts the same bodies
// to the same receiver, with as many requests at once, and saves nothing. Rounds
// of the two take turns in one process, which also is the receiver; what is told
// are ratios of the rounds, as medians with quartiles.
//
// In: the same events are posted, signed, and kept before they are answered: by
// the source webhook, which verifies them itself, and through a handler in
// JavaScript as connectors have it, which verifies them and returns an event, in a
// worker process of package jsrun.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/pprof"
	"slices"
	"time"

	"github.com/sluiceio/sluice/bench/measure"
	"github.com/sluiceio/sluice/internal/jsrun"
)

type options struct {
	rounds, events, concurrency int
	dir, profile                string
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == "js-worker" {
		if err := jsrun.Work(os.Stdin, os.Stdout); err != nil {
			os.Exit(1)
		}
		return
	}
	var o options
	flag.IntVar(&o.rounds, "rounds", 7, "rounds of each")
	flag.IntVar(&o.events, "events", 5000, "events a round")
	flag.IntVar(&o.concurrency, "concurrency", 16, "requests at once")
	flag.StringVar(&o.dir, "dir", "", "where the data folder is made; by default where temporary files are")
	flag.StringVar(&o.profile, "profile", "", "write a CPU profile of the last round of the node to this file")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := compare(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "webhooks:", err)
		os.Exit(1)
	}
}

// result is what a round came to.
type result struct {
	rate float64       // events a second
	cpu  time.Duration // an event, the receiver's included
}

func compare(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp(o.dir, "webhooks")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	r, err := openReceiver()
	if err != nil {
		return err
	}
	defer r.close()
	n, err := openNode(ctx, dir, r.url, o.concurrency)
	if err != nil {
		return err
	}
	defer n.close()
	var plain, ours []result
	for round := -1; round < o.rounds; round++ { // the first one warms up
		bodies := measure.Events(round, o.events, 9)
		a, err := timed(r, len(bodies), func() error { return plainly(ctx, r.url, bodies, o.concurrency) })
		if err != nil {
			return err
		}
		stop, err := o.profiled(round == o.rounds-1)
		if err != nil {
			return err
		}
		b, err := timed(r, len(bodies), func() error { return n.deliver(ctx, bodies) })
		stop()
		if err != nil {
			return err
		}
		if round >= 0 {
			plain, ours = append(plain, a), append(ours, b)
		}
	}
	report(o, plain, ours)
	if err := n.verify(ctx); err != nil {
		return err
	}
	return measureIngest(ctx, o, dir)
}

// profiled begins a profile, if one is wanted of this round.
func (o options) profiled(now bool) (stop func(), err error) {
	if o.profile == "" || !now {
		return func() {}, nil
	}
	f, err := os.Create(o.profile)
	if err != nil {
		return nil, err
	}
	return func() {
		pprof.StopCPUProfile()
		f.Close()
	}, pprof.StartCPUProfile(f)
}

// timed has events sent and waits until the receiver has got them, each of them
// signed.
func timed(r *receiver, events int, send func() error) (result, error) {
	done := r.expect(events)
	cpu, start := measure.CPUTime(), time.Now()
	if err := send(); err != nil {
		return result{}, err
	}
	select {
	case <-done:
	case <-time.After(time.Minute):
		return result{}, fmt.Errorf("the receiver has not got %d events within a minute", events)
	}
	took := time.Since(start)
	if forged := r.forged.Load(); forged > 0 {
		return result{}, fmt.Errorf("%d requests were not signed as they should be", forged)
	}
	return result{float64(events) / took.Seconds(), (measure.CPUTime() - cpu) / time.Duration(events)}, nil
}

func report(o options, plain, ours []result) {
	var rates, cpus []float64
	for i := range plain {
		rates = append(rates, ours[i].rate/plain[i].rate)
		cpus = append(cpus, float64(ours[i].cpu)/float64(plain[i].cpu))
	}
	fmt.Printf("%d events a round, %d requests at once, %d rounds\n", o.events, o.concurrency, o.rounds)
	fmt.Printf("  events a second, sluice / plain Go    %s\n", measure.Spread(rates, 2))
	fmt.Printf("  CPU an event, sluice / plain Go       %s\n", measure.Spread(cpus, 2))
	fmt.Printf("  plain Go     %6.0f events/s   CPU %6.1f µs\n", middle(plain).rate, float64(middle(plain).cpu)/1000)
	fmt.Printf("  sluice       %6.0f events/s   CPU %6.1f µs\n", middle(ours).rate, float64(middle(ours).cpu)/1000)
}

func middle(all []result) result {
	s := slices.SortedFunc(slices.Values(all), func(a, b result) int { return int(a.rate - b.rate) })
	return s[len(s)/2]
}
