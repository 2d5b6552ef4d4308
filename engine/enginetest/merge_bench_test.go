package enginetest

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store/local"
)

// BenchmarkMerge merges three datasets of a hundred thousand entities, of which
// a third has a counterpart in each of the others; then follows a thousand
// changes.
func BenchmarkMerge(b *testing.B) {
	const n = 100_000
	for range b.N {
		b.StopTimer()
		st, err := local.Open(b.TempDir(), local.Options{})
		if err != nil {
			b.Fatal(err)
		}
		for i, d := range []string{"crm", "erp", "web"} {
			for from := 0; from < n; from += 1000 {
				put(b, st, d, customers(d, i, from, 1000, "first"), true)
			}
		}
		e := open(b, st, parse(b, `[{"_id": "out", "type": "pipe", "source": {"type": "merge", "version": 2, "datasets": ["crm c", "erp e", "web w"], "equality_sets": [["c.email", "e.mail", "w.user"]]}}]`))
		p, _ := e.Pipe("out")
		b.StartTimer()
		stats, err := p.Run(b.Context(), false)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(stats.Changed), "entities")
		b.ReportMetric(stats.End.Sub(stats.Start).Seconds(), "s-full")
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(m.HeapSys)/(1<<20), "MB-heap")
		put(b, st, "erp", customers("erp", 1, 0, 1000, "second"), true)
		if stats, err = p.Run(b.Context(), false); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(stats.End.Sub(stats.Start).Seconds(), "s-1000-changes")
		b.StopTimer()
		e.Close()
		st.Close()
	}
}

// customers are some of a dataset; a third of the addresses is that of the
// dataset alone.
func customers(dataset string, place, from, n int, name string) []entity.Value {
	key := []string{"email", "mail", "user"}[place]
	all := make([]entity.Value, n)
	for i := range all {
		at := from + i
		address := fmt.Sprintf("%d@example.org", at)
		if at%3 == 0 {
			address = dataset + address
		}
		all[i] = entity.NewDict(
			entity.Member{Key: entity.IDKey, Value: entity.NewString(fmt.Sprintf("%s%d", dataset, at))},
			entity.Member{Key: key, Value: entity.NewString(address)},
			entity.Member{Key: "name", Value: entity.NewString(fmt.Sprintf("%s %d", name, at))},
			entity.Member{Key: "city", Value: entity.NewString("Oslo")})
	}
	return all
}
