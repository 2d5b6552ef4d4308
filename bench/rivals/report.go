package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/sluiceio/sluice/bench/measure"
)

// report prints what came of all rounds.
func report(o options, all []*contender) {
	fmt.Printf("\n%d rounds, %d connections, redis flushed %q where it keeps acknowledged events\n", o.rounds, o.connections, o.redisFlush)
	fmt.Printf("\n%d events as fast as it goes:\n\n", o.events)
	fmt.Println("| | answered 2xx a second | delivered a second | p50 ms | p99 ms |")
	fmt.Println("|---|---|---|---|---|")
	for _, c := range all {
		fmt.Printf("| %s | %s | %s | %s | %s |\n", c.name, c.spread(c.flat, accepted, 0), c.spread(c.flat, delivered, 0),
			c.spread(c.flat, p50, 0), c.spread(c.flat, p99, 0))
	}
	fmt.Printf("\n%d events at %d a second:\n\n", o.paced, o.rate)
	fmt.Println("| | p50 ms | p99 ms | processor, µs an event |")
	fmt.Println("|---|---|---|---|")
	for _, c := range all {
		fmt.Printf("| %s | %s | %s | %s |\n", c.name, c.spread(c.steady, p50, 1), c.spread(c.steady, p99, 1), c.processor(c.steady))
	}
	fmt.Print("\nProcessor as fast as it goes, and memory after it (what several processes share counted once):\n\n")
	fmt.Println("| | processor, µs an event | memory, MB | with nothing to do, % of a core |")
	fmt.Println("|---|---|---|---|")
	for _, c := range all {
		fmt.Printf("| %s | %s | %s | %.1f |\n", c.name, c.processor(c.flat), c.sizes(), c.idle)
	}
	fmt.Println()
	for _, c := range all[min(1, len(all)):] {
		fmt.Printf("sluice : %s, answered %s, delivered %s\n", c.name, ratio(all[0], c, accepted), ratio(all[0], c, delivered))
	}
	for _, c := range all {
		t := c.mail.tally()
		fmt.Printf("%s: of %d events that were answered 2xx %d were lost; %d arrived again, %d without having been answered 2xx; %d deliveries were not signed as they should be, %d held no event; %d requests were refused\n",
			c.name, t.told, t.lost, t.again, t.extra, c.mail.forged.Load(), c.mail.strange.Load(), refused(c.flat)+refused(c.steady))
	}
}

// ratio compares two systems round by round.
func ratio(one, other *contender, of func(outcome) float64) string {
	var list []float64
	for i := range min(len(one.flat), len(other.flat)) {
		list = append(list, of(one.flat[i])/of(other.flat[i]))
	}
	return measure.Spread(list, 1)
}

func accepted(r outcome) float64  { return r.accepted }
func delivered(r outcome) float64 { return r.delivered }
func p50(r outcome) float64       { return r.p50 }
func p99(r outcome) float64       { return r.p99 }

func refused(all []outcome) (n int) {
	for _, r := range all {
		n += r.refused
	}
	return n
}

func (c *contender) spread(all []outcome, of func(outcome) float64, digits int) string {
	var list []float64
	for _, r := range all {
		list = append(list, of(r))
	}
	return measure.Spread(list, digits)
}

// processor tells the time of all roles together, and of each.
func (c *contender) processor(all []outcome) string {
	parts := map[string][]float64{}
	var sums []float64
	for _, r := range all {
		var sum time.Duration
		for role, d := range r.cpu {
			parts[role] = append(parts[role], float64(d.Microseconds()))
			sum += d
		}
		sums = append(sums, float64(sum.Microseconds()))
	}
	return measure.Spread(sums, 0) + told(parts)
}

// sizes tells the memory of all roles together, and of each.
func (c *contender) sizes() string {
	var sums []float64
	for i := range c.memory[itself] {
		sum := 0.0
		for _, list := range c.memory {
			sum += list[i]
		}
		sums = append(sums, sum)
	}
	return measure.Spread(sums, 0) + told(c.memory)
}

func told(parts map[string][]float64) string {
	if len(parts) < 2 {
		return ""
	}
	var list []string
	for _, role := range roles {
		if values := parts[role]; len(values) > 0 {
			list = append(list, fmt.Sprintf("%s %.0f", role, measure.Median(values)))
		}
	}
	return ": " + strings.Join(list, ", ")
}
