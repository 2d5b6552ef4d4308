package sources

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sluiceio/sluice/entity"
)

// Batches of sources that alternate stay as they are until the next but one is asked
// for, whatever their sizes, and together are what others read in one.
func TestBatchesAlternate(t *testing.T) {
	kinds := []string{`"dataset", "dataset": "a"`, `"dataset", "dataset": "a", "include_previous_versions": true`,
		`"union_datasets", "datasets": ["a", "b", "c"]`, `"merge_datasets", "datasets": ["a", "b", "c"]`,
		`"merge_datasets", "strategy": "all", "datasets": ["c", "b", "a"]`}
	for seed := range uint64(20) {
		w := newWorld(t)
		r := rand.New(rand.NewPCG(seed, 3))
		for i := range 60 {
			w.now = w.now.Add(time.Second)
			w.put(string("abc"[r.IntN(3)]), fmt.Sprintf(`{"_id":"%d","v":%d,"text":"entity %d"}`, r.IntN(40), i, i))
		}
		for _, kind := range kinds {
			s := w.source(`{"type": ` + kind + `}`)
			want, _ := w.take(s, "", 1000)
			paced, alternates := s.(Paced)
			if _, also := s.(Alternating); !alternates || !also {
				t.Fatalf("%s: batches do not alternate", kind)
			}
			size := func() int { return 1 + r.IntN(8) }
			var before *entity.Batch
			var was, all []string
			for b, err := range paced.ReadPaced(context.Background(), "", size) {
				if err != nil {
					t.Fatal(err)
				}
				if before != nil {
					wantLines(t, "the batch before", linesOf(before), was...)
				}
				before, was = b, linesOf(b)
				all = append(all, was...)
			}
			wantLines(t, kind, all, want...)
		}
	}
}

func linesOf(b *entity.Batch) (lines []string) {
	for _, e := range b.Entities {
		lines = append(lines, bare(e).String())
	}
	return lines
}
