package stdlib_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/jsonpos"
)

// BenchmarkTasks runs the mapping tasks bytes to bytes, for profiles; bench/
// has the comparison.
func BenchmarkTasks(b *testing.B) {
	data, err := os.ReadFile("../../testdata/perf/orders.ndjson")
	if err != nil {
		b.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSpace(data), []byte("\n"))
	for _, task := range []string{"T1", "T2", "T3", "T4"} {
		b.Run(task, func(b *testing.B) {
			rules, err := os.ReadFile("../../testdata/perf/" + strings.ToLower(task) + ".dtl.json")
			if err != nil {
				b.Fatal(err)
			}
			n, _ := jsonpos.Parse(task, rules)
			p, finds := dtl.CompileRules(n, dtl.Options{Lib: lib(b)})
			if p == nil {
				b.Fatal(finds)
			}
			r, in, out := dtl.NewRun(p, &dtl.MemHost{}), &entity.Batch{Arena: entity.NewArena()}, &entity.Batch{}
			var dst []byte
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				in.Arena.Reset()
				v, _ := entity.Decode(in.Arena, lines[i%len(lines)], entity.DecodeOptions{Stored: true})
				in.Entities, out.Entities = append(in.Entities[:0], v), out.Entities[:0]
				if err := r.Transform(b.Context(), in, out); err != nil {
					b.Fatal(err)
				}
				dst = entity.AppendJSON(dst[:0], out.Entities[0])
			}
		})
	}
}
