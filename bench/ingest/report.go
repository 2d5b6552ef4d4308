package main

import (
	"fmt"
	"slices"
	"time"
)

// report gathers the rounds.
type report struct {
	ratios, whole, base, ours, through []float64
	together                           []float64 // requests a flush
	baseCPU, oursCPU, wholeCPU         []time.Duration
	flush                              []time.Duration
	baseP50, baseP99, oursP50, oursP99 []time.Duration
}

func (r *report) add(base, ours result) {
	r.ratios = append(r.ratios, ours.rate/base.rate)
	r.whole = append(r.whole, ours.whole/base.rate)
	r.base, r.ours = append(r.base, base.rate), append(r.ours, ours.rate)
	r.through = append(r.through, float64(ours.downstream)/float64(ours.requests))
	r.together, r.flush = append(r.together, float64(ours.requests)/float64(ours.flushes)), append(r.flush, ours.flush)
	r.baseCPU, r.oursCPU = append(r.baseCPU, base.cpu), append(r.oursCPU, ours.cpu)
	r.wholeCPU = append(r.wholeCPU, ours.wholeCPU)
	r.baseP50, r.baseP99 = append(r.baseP50, base.p50), append(r.baseP99, base.p99)
	r.oursP50, r.oursP99 = append(r.oursP50, ours.p50), append(r.oursP99, ours.p99)
}

func (r *report) print(o options) {
	by := "net/http's client"
	if o.raw {
		by = "prepared bytes"
	}
	fmt.Printf("%d connections of %s, %d requests a round, %d rounds, %v added to each flush\n", o.connections, by, o.requests, o.rounds, o.latency)
	q1, median, q3 := quartiles(r.ratios)
	fmt.Printf("  sluice / hello world        %.2f (%.2f-%.2f)\n", median, q1, q3)
	fmt.Printf("  hello world                 %6.0f requests/s   p50 %6.2f ms   p99 %6.2f ms   CPU %6.1f µs\n", middle(r.base), ms(r.baseP50), ms(r.baseP99), 1000*ms(r.baseCPU))
	fmt.Printf("  sluice                      %6.0f requests/s   p50 %6.2f ms   p99 %6.2f ms   CPU %6.1f µs\n", middle(r.ours), ms(r.oursP50), ms(r.oursP99), 1000*ms(r.oursCPU))
	fmt.Printf("  a flush                     %6.1f requests     %6.2f ms\n", middle(r.together), ms(r.flush))
	fmt.Printf("  through all pipes by then   %.0f %%, counted until all are: %.2f of hello world, CPU %.1f µs a request\n", 100*middle(r.through), middle(r.whole), 1000*ms(r.wholeCPU))
}

func quartiles(list []float64) (q1, median, q3 float64) {
	s := slices.Sorted(slices.Values(list))
	return s[len(s)/4], s[len(s)/2], s[len(s)*3/4]
}

func middle(list []float64) float64 {
	_, m, _ := quartiles(list)
	return m
}

func ms(list []time.Duration) float64 {
	s := slices.Sorted(slices.Values(list))
	return float64(s[len(s)/2]) / float64(time.Millisecond)
}
