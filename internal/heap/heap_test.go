package heap

import (
	"math/rand/v2"
	"slices"
	"testing"
)

type thing struct{ n, place int }

func (t *thing) Place() *int { return &t.place }

// Whatever goes in, changes and goes out: the first is the least, and each knows
// its place.
func TestHeap(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	h := New(func(a, b *thing) bool { return a.n < b.n })
	var in []*thing
	for range 3000 {
		switch k := r.IntN(4); {
		case k < 2 || len(in) == 0:
			x := &thing{r.IntN(100), Outside}
			in = append(in, x)
			h.Put(x)
		case k == 2:
			x := in[r.IntN(len(in))]
			x.n = r.IntN(100)
			h.Put(x)
		default:
			i := r.IntN(len(in))
			h.Remove(in[i])
			h.Remove(in[i])
			if in[i].place != Outside {
				t.Fatal("it is not outside")
			}
			in = slices.Delete(in, i, i+1)
		}
		first, ok := h.First()
		if ok != (len(in) > 0) || len(h.All()) != len(in) {
			t.Fatalf("%v %d, want %d", ok, len(h.All()), len(in))
		}
		for i, x := range h.All() {
			if x.place != i || x.n < first.n {
				t.Fatalf("%d stands at %d and says %d; the first is %d", x.n, i, x.place, first.n)
			}
		}
	}
}
