package main

import (
	"fmt"
	"slices"
	"time"
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
	fmt.Println("| phase | sluice : pebble, wall | processor | sluice, an entity, processor | pebble | sluice, wall | pebble |")
	fmt.Println("|---|---|---|---|---|---|---|")
	for _, phase := range phases {
		var wall, cpu []float64
		var each [4][]float64
		for i := range r.ours {
			o, p := r.ours[i][phase], r.plain[i][phase]
			wall = append(wall, float64(p.wall)/float64(o.wall))
			cpu = append(cpu, float64(p.cpu)/float64(max(o.cpu, 1)))
			for j, d := range []time.Duration{o.cpu / time.Duration(o.n), p.cpu / time.Duration(p.n), o.wall / time.Duration(o.n), p.wall / time.Duration(p.n)} {
				each[j] = append(each[j], float64(d)/1000)
			}
		}
		fmt.Printf("| %s | %s | %s | %.2f µs | %.2f µs | %.2f µs | %.2f µs |\n", phase, spread(wall), spread(cpu),
			median(each[0]), median(each[1]), median(each[2]), median(each[3]))
	}
	var wall, cpu []float64
	for _, o := range r.ours {
		c := o["compact"]
		wall = append(wall, float64(c.wall.Nanoseconds())/float64(c.n)/1000)
		cpu = append(cpu, float64(c.cpu.Nanoseconds())/float64(c.n)/1000)
	}
	fmt.Printf("sluice compacts in %.2f µs a version that was there, %.2f of processor\n", median(wall), median(cpu))
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
