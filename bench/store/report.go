package main

import (
	"fmt"
	"slices"
)

// phases in the order of the report.
var phases = []string{
	"append, new", "append, changed", "unchanged", "unchanged, reopened",
	"scan, entities", "scan, bytes", "get, one", "get, hundred", "open",
}

// report gathers the rounds of both sides.
type report struct{ plain, ours []results }

func (r *report) add(plain, ours results) {
	r.plain, r.ours = append(r.plain, plain), append(r.ours, ours)
}

func (r *report) print() {
	fmt.Println("| phase | sluice : pebble, wall | processor | sluice, an entity | pebble |")
	fmt.Println("|---|---|---|---|---|")
	for _, phase := range phases {
		var wall, cpu, mine, theirs []float64
		for i := range r.ours {
			o, p := r.ours[i][phase], r.plain[i][phase]
			wall = append(wall, float64(p.wall)/float64(o.wall))
			cpu = append(cpu, float64(p.cpu)/float64(max(o.cpu, 1)))
			mine = append(mine, float64(o.cpu.Nanoseconds())/float64(o.n)/1000)
			theirs = append(theirs, float64(p.cpu.Nanoseconds())/float64(p.n)/1000)
		}
		fmt.Printf("| %s | %s | %s | %.2f µs | %.2f µs |\n", phase, spread(wall), spread(cpu), median(mine), median(theirs))
	}
}

func spread(list []float64) string {
	slices.Sort(list)
	n := len(list)
	return fmt.Sprintf("%.2f (%.2f-%.2f)", list[n/2], list[n/4], list[n-1-n/4])
}

func median(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}
