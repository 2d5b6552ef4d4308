package webhooks

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// Whatever happens to deliveries, those may go that are the first of a lane in
// which none is under way, and no others.
func TestLanes(t *testing.T) {
	for seed := range uint64(50) {
		r, l, start := rand.New(rand.NewPCG(seed, 1)), newLanes(), time.Unix(0, 0)
		for seq := range 400 {
			var all []*item
			for _, it := range l.items {
				all = append(all, it)
			}
			switch n := r.IntN(6); {
			case n < 2 || len(all) == 0:
				// What was put back comes before what was queued since.
				l.add(&Delivery{ID: fmt.Sprint(seq), Seq: int64(r.IntN(1000)), Due: start.Add(time.Duration(r.IntN(60)))}, fmt.Sprint(r.IntN(4)))
			case n == 2:
				l.remove(all[r.IntN(len(all))])
			case n == 3:
				l.wait(all[r.IntN(len(all))], start.Add(time.Duration(r.IntN(60))))
			case n == 4 && l.next(false) != nil:
				l.take(l.next(false))
			case n == 5 && r.IntN(10) == 0:
				l.all(start)
			}
			want := map[*item]bool{}
			for _, ln := range l.byKey {
				busy := false
				for _, it := range ln.items {
					busy = busy || it.busy
				}
				if !busy {
					want[ln.items[0]] = true
				}
			}
			for _, it := range l.ready.All() {
				if !want[it] {
					t.Fatalf("seed %d: %s may not go", seed, it.id)
				}
			}
			if len(want) != len(l.ready.All()) {
				t.Fatalf("seed %d: %d may go, want %d", seed, len(l.ready.All()), len(want))
			}
		}
	}
}
