package local

import (
	"bytes"
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/store/storetest"
)

// The benchmarks count entities of about 1.2 KB. Their figures mean something
// only next to others of the same machine and hour.

const benchGroup = 100

// samples are the entities that the performance tasks use.
func samples(b *testing.B) [][]byte {
	b.Helper()
	data, err := os.ReadFile("../../testdata/perf/orders.ndjson")
	if err != nil {
		b.Fatal(err)
	}
	return bytes.Split(bytes.TrimSpace(data), []byte("\n"))
}

// batchOf makes the i-th group of entities, with ids of their own.
func batchOf(b *testing.B, a *entity.Arena, texts [][]byte, i int) *store.Batch {
	b.Helper()
	a.Reset()
	ops := make([]store.Op, benchGroup)
	for j := range ops {
		n := i*benchGroup + j
		v, err := entity.Decode(a, texts[n%len(texts)], entity.DecodeOptions{})
		if err != nil {
			b.Fatal(err)
		}
		v.Object().Set(entity.IDKey, entity.NewString(idOf(n)))
		ops[j].Entity = v
	}
	return &store.Batch{Writes: []store.Write{{Dataset: "d", Ops: ops}}}
}

func idOf(n int) string { return fmt.Sprintf("order-%012d", n*2654435761%1000000007) }

func benchStore(b *testing.B, entities int) *Store {
	b.Helper()
	s := open(b, b.TempDir(), Options{})
	if _, err := s.Create(b.Context(), "d"); err != nil {
		b.Fatal(err)
	}
	a, texts := entity.NewArena(), samples(b)
	for i := range (entities + benchGroup - 1) / benchGroup {
		commit(b, s, batchOf(b, a, texts, i))
	}
	return s
}

func commit(b *testing.B, s *Store, batch *store.Batch) store.Result {
	b.Helper()
	r, err := storetest.Commit(b.Context(), s, batch)
	if err != nil {
		b.Fatal(err)
	}
	return r
}

func perSecond(b *testing.B, entities int) {
	b.ReportMetric(float64(entities)/b.Elapsed().Seconds(), "entities/s")
}

// BenchmarkAppend writes new entities, each group synced before the next.
func BenchmarkAppend(b *testing.B) {
	s := benchStore(b, 0)
	a, texts := entity.NewArena(), samples(b)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		commit(b, s, batchOf(b, a, texts, i))
		i++
	}
	perSecond(b, i*benchGroup)
}

const benchSize = 50_000

// BenchmarkUnchanged writes what is there already; to read it is not counted.
func BenchmarkUnchanged(b *testing.B) {
	s := benchStore(b, benchSize)
	texts := samples(b)
	batches := make([]*store.Batch, 10)
	for i := range batches {
		batches[i] = batchOf(b, entity.NewArena(), texts, i*benchSize/benchGroup/len(batches))
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if r := commit(b, s, batches[i%len(batches)]); r.Changed > 0 {
			b.Fatal(r)
		}
		i++
	}
	perSecond(b, i*benchGroup)
}

// BenchmarkScan reads all entities in order, decoded.
func BenchmarkScan(b *testing.B) {
	s := benchStore(b, benchSize)
	a := entity.NewArena()
	q := store.Query{Since: store.Start, Limit: benchGroup}
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		a.Reset()
		page, err := s.Read(b.Context(), "d", q, a)
		if err != nil {
			b.Fatal(err)
		}
		n += len(page.Entities)
		if q.Since = page.Next; page.End {
			q.Since = store.Start
		}
	}
	perSecond(b, n)
}

// BenchmarkVersions reads all entities in order, as they are stored.
func BenchmarkVersions(b *testing.B) {
	s := benchStore(b, benchSize)
	a := entity.NewArena()
	q := store.Query{Since: store.Start, Limit: benchGroup}
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		a.Reset()
		next, end, err := s.Versions(b.Context(), "d", q, a, func(v *Version) error { n++; return nil })
		if err != nil {
			b.Fatal(err)
		}
		if q.Since = next; end {
			q.Since = store.Start
		}
	}
	perSecond(b, n)
}

// BenchmarkGet reads single entities in no order.
func BenchmarkGet(b *testing.B) {
	s := benchStore(b, benchSize)
	a := entity.NewArena()
	ids := make([]string, 1)
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		a.Reset()
		ids[0] = idOf(n * 7919 % benchSize)
		n++
		got, err := s.Get(b.Context(), "d", ids, a)
		if err != nil || got[0].IsNull() {
			b.Fatal(got, err)
		}
	}
	perSecond(b, n)
}

// BenchmarkWebhooks commits single entities from many callers at once.
func BenchmarkWebhooks(b *testing.B) {
	s := benchStore(b, 0)
	texts := samples(b)
	var next atomic.Int64
	b.SetParallelism(32)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		a := entity.NewArena()
		for pb.Next() {
			a.Reset()
			n := int(next.Add(1))
			v, err := entity.Decode(a, texts[n%len(texts)], entity.DecodeOptions{})
			if err != nil {
				b.Error(err)
				return
			}
			v.Object().Set(entity.IDKey, entity.NewString(idOf(n)))
			batch := &store.Batch{Writes: []store.Write{{Dataset: "d", Ops: []store.Op{{Entity: v}}}}}
			if _, err := storetest.Commit(b.Context(), s, batch); err != nil {
				b.Error(err)
				return
			}
		}
	})
	perSecond(b, int(next.Load()))
}
