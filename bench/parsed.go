package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/itchyny/gojq"

	"github.com/sluiceio/sluice/bench/measure"
	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
)

// mapper maps the i-th order, which it has parsed beforehand, and leaves the
// result parsed.
type mapper func(i int) error

var mappers = []struct {
	name  string
	build func(task string, lines [][]byte) (mapper, error)
}{
	{"hand-written Go, map[string]any", handMapper},
	{"sluice", sluiceMapper},
	{"gojq", jqMapper},
}

// compareParsed prints the speed of mapping alone, without reading and writing
// JSON, as a multiple of the hand-written maps'.
func compareParsed(lines [][]byte, rounds int, slice time.Duration) error {
	fmt.Println("\nparsed to parsed, speed as a multiple of hand-written Go on maps (median)")
	for _, task := range tasks {
		lines := inputs(task, lines)
		ratios := make([][]float64, len(mappers))
		built := make([]mapper, len(mappers))
		for i, m := range mappers {
			f, err := m.build(task, lines)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", m.name, task, err)
			}
			built[i] = f
		}
		for range rounds {
			var first float64
			for i, f := range built {
				cost, err := measureMapper(f, len(lines), slice)
				if err != nil {
					return err
				}
				if i == 0 {
					first = cost
				}
				ratios[i] = append(ratios[i], first/cost)
			}
		}
		fmt.Print(task)
		for i, r := range ratios {
			slices.Sort(r)
			fmt.Printf("  %s %.2f", mappers[i].name, quantile(r, 0.5))
		}
		fmt.Println()
	}
	return nil
}

func measureMapper(f mapper, n int, least time.Duration) (float64, error) {
	start, done := measure.CPUTime(), 0
	for {
		for i := range n {
			if err := f(i); err != nil {
				return 0, err
			}
		}
		done += n
		if spent := measure.CPUTime() - start; spent >= least {
			return float64(spent) / float64(done), nil
		}
	}
}

func parsedMaps(lines [][]byte) ([]object, error) {
	all := make([]object, len(lines))
	for i, line := range lines {
		if err := json.Unmarshal(line, &all[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func handMapper(task string, lines [][]byte) (mapper, error) {
	in, err := parsedMaps(lines)
	f := handMaps[task]
	var out object
	return func(i int) error {
		out = f(in[i])
		if len(out) == 0 && task != eventTask {
			return fmt.Errorf("nothing came out")
		}
		return nil
	}, err
}

func jqMapper(task string, lines [][]byte) (mapper, error) {
	in, err := parsedMaps(lines)
	if err != nil {
		return nil, err
	}
	q, err := gojq.Parse(jqQueries[task])
	if err != nil {
		return nil, err
	}
	code, err := gojq.Compile(q)
	return func(i int) error {
		v, _ := code.Run(in[i]).Next()
		err, _ := v.(error)
		return err
	}, err
}

func sluiceMapper(task string, lines [][]byte) (mapper, error) {
	p, err := compile("../testdata/perf/" + strings.ToLower(task) + ".dtl.json")
	if err != nil {
		return nil, err
	}
	held := entity.NewArena()
	var parsed []entity.Value
	for _, line := range lines {
		v, err := entity.Decode(held, line, entity.DecodeOptions{Stored: true})
		if err != nil {
			return nil, err
		}
		parsed = append(parsed, v)
	}
	run := dtl.NewRun(p, &dtl.MemHost{})
	in, out := &entity.Batch{Arena: entity.NewArena()}, &entity.Batch{}
	ctx := context.Background()
	return func(i int) error {
		in.Arena.Reset()
		in.Entities, out.Entities = append(in.Entities[:0], parsed[i]), out.Entities[:0]
		return run.Transform(ctx, in, out)
	}, nil
}
