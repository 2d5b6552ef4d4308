package main

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"
)

// compareCores prints how much faster a batch is worked through by as many
// lanes as there are cores, in order, than by one: wall time, stored entities.
func compareCores(lines [][]byte, rounds int) error {
	cores := runtime.GOMAXPROCS(0)
	fmt.Printf("\n%d cores against one, stored entities, wall time (median)\n", cores)
	for _, task := range tasks {
		lines := inputs(task, lines)
		lanes := make([]engine, cores)
		for i := range lanes {
			e, err := sluiceStored(task)
			if err != nil {
				return err
			}
			lanes[i] = e
		}
		var gains []float64
		for range rounds {
			one, err := batches(lines, lanes[:1])
			if err != nil {
				return err
			}
			all, err := batches(lines, lanes)
			if err != nil {
				return err
			}
			gains = append(gains, one.Seconds()/all.Seconds())
		}
		slices.Sort(gains)
		fmt.Printf("%s  %.2f\n", task, quantile(gains, 0.5))
	}
	return nil
}

// batches works through the lines many times, each time as one batch of which
// every lane takes a part.
func batches(lines [][]byte, lanes []engine) (time.Duration, error) {
	outputs, errs := make([][]byte, len(lanes)), make([]error, len(lanes))
	start := time.Now()
	for range 100 {
		var wg sync.WaitGroup
		for i, e := range lanes {
			part := lines[len(lines)*i/len(lanes) : len(lines)*(i+1)/len(lanes)]
			wg.Go(func() {
				outputs[i] = outputs[i][:0]
				for _, line := range part {
					if outputs[i], errs[i] = e(outputs[i], line); errs[i] != nil {
						return
					}
				}
			})
		}
		wg.Wait()
		for _, err := range errs {
			if err != nil {
				return 0, err
			}
		}
	}
	return time.Since(start), nil
}
