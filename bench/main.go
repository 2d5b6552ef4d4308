// Command bench compares Sluice with what its users could pick instead, on the
// mapping tasks T1-T4 and T6, bytes in to bytes out, in one run on one core. It prints
// ratios of CPU time, garbage collection included, to hand-written Go on maps
// with sonic: medians over interleaved rounds, with quartiles.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sluiceio/sluice/bench/measure"
)

// engine appends the result for one line to dst.
type engine func(dst, line []byte) ([]byte, error)

// contender is one row of the table.
type contender struct {
	name  string
	build func(task string) (engine, error)
	// maps is false for rows that do no mapping, whose output is not compared.
	maps bool
}

var contenders = []contender{
	{"hand-written Go, map[string]any, sonic", handEngine, true},
	{"sluice, stored entities", sluiceStored, true},
	{"sluice, foreign bytes validated", sluiceForeign, true},
	{"hand-written Go, structs, sonic", structEngine, true},
	{"hand-written Go, map[string]any, encoding/json", handStandard, true},
	{"gojq", jqEngine, true},
	{"expr", exprEngine, true},
	{"CEL", celEngine, true},
	{"goja (JavaScript)", jsEngine, true},
	{"sonic decode + encode, no mapping", sonicOnly, false},
}

var tasks = []string{"T1", "T2", "T3", "T4", eventTask}

func main() {
	rounds := flag.Int("rounds", 15, "interleaved rounds")
	slice := flag.Duration("slice", 60*time.Millisecond, "CPU time an engine gets in a round")
	flag.Parse()
	runtime.GOMAXPROCS(1)
	err := run(*rounds, *slice)
	if err == nil {
		runtime.GOMAXPROCS(runtime.NumCPU()) // end to end, as it is run
		err = compareEnds(*rounds)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// compareEnds measures what uses all cores.
func compareEnds(rounds int) error {
	lines, err := readLines("orders.ndjson")
	if err != nil {
		return err
	}
	if err := compareCores(lines, rounds); err != nil {
		return err
	}
	return compareJoins(max(1, rounds/3))
}

func run(rounds int, slice time.Duration) error {
	lines, err := readLines("orders.ndjson")
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "bytes to bytes, speed as a multiple of hand-written Go (median, quartiles)")
	fmt.Fprintln(w, "engine\t"+strings.Join(tasks, "\t"))
	table := make([][]string, len(contenders))
	for _, task := range tasks {
		cells, err := compare(task, inputs(task, lines), rounds, slice)
		if err != nil {
			return err
		}
		for i, c := range cells {
			table[i] = append(table[i], c)
		}
	}
	for i, c := range contenders {
		fmt.Fprint(w, c.name)
		for _, cell := range table[i] {
			fmt.Fprint(w, "\t", cell)
		}
		fmt.Fprintln(w)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return compareParsed(lines, rounds, slice)
}

// compare measures every contender on a task and returns its cells.
func compare(task string, lines [][]byte, rounds int, slice time.Duration) ([]string, error) {
	engines := make([]engine, len(contenders))
	for i, c := range contenders {
		e, err := c.build(task)
		if err != nil {
			return nil, fmt.Errorf("%s, %s: %w", c.name, task, err)
		}
		if e != nil && c.maps {
			if err := check(task, lines, e); err != nil {
				return nil, fmt.Errorf("%s, %s: %w", c.name, task, err)
			}
		}
		engines[i] = e
	}
	ratios := make([][]float64, len(contenders))
	for range rounds {
		costs := make([]float64, len(engines))
		for i, e := range engines {
			if e == nil {
				continue
			}
			cost, err := timed(e, lines, slice)
			if err != nil {
				return nil, err
			}
			costs[i] = cost
		}
		for i := range costs {
			ratios[i] = append(ratios[i], costs[0]/costs[i])
		}
	}
	cells := make([]string, len(ratios))
	for i, r := range ratios {
		if engines[i] == nil {
			cells[i] = "–"
			continue
		}
		slices.Sort(r)
		cells[i] = fmt.Sprintf("%.2f (%.2f-%.2f)", quantile(r, 0.5), quantile(r, 0.25), quantile(r, 0.75))
	}
	return cells, nil
}

func quantile(sorted []float64, q float64) float64 {
	return sorted[int(q*float64(len(sorted)-1)+0.5)]
}

// timed returns CPU nanoseconds a line, over at least the given CPU time.
func timed(e engine, lines [][]byte, least time.Duration) (float64, error) {
	runtime.GC()
	var dst []byte
	start, n := measure.CPUTime(), 0
	for {
		for _, line := range lines {
			out, err := e(dst[:0], line)
			if err != nil {
				return 0, err
			}
			dst = out
		}
		n += len(lines)
		if spent := measure.CPUTime() - start; spent >= least {
			return float64(spent) / float64(n), nil
		}
	}
}

func readLines(name string) ([][]byte, error) {
	data, err := os.ReadFile("../testdata/perf/" + name)
	if err != nil {
		return nil, err
	}
	return bytes.Split(bytes.TrimSpace(data), []byte("\n")), nil
}
