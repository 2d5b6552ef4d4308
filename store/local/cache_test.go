package local

import (
	"fmt"
	"testing"
)

// TestLatestCache fills the cache beyond its size: what it answers is right,
// and what it lost it has admitted.
func TestLatestCache(t *testing.T) {
	const most, ids = 1 << 12, 3 << 11
	c := newLatestCache(most)
	lost := map[uint32]int{}
	key := func(n int) cacheKey { return c.key(uint32(n%3+1), fmt.Appendf(nil, "id-%d", n/3)) }
	put := func(n int) {
		at, _ := c.place(key(n))
		mayLose := at < 0 && 2*len(c.keys) > most // both sets are full, and there is no more room to be had
		ds := c.put(key(n), cacheRow{latest: latest{offset: int64(n)}, ds: uint32(n%3 + 1)})
		if (ds != 0) != mayLose {
			t.Fatalf("entry %d made dataset %d lose one; it had to: %v", n, ds, mayLose)
		}
		lost[ds]++
	}
	for n := range ids {
		put(n)
		put(n / 2)
	}
	if len(c.keys) != most || lost[0] == 2*ids {
		t.Errorf("%d places, want %d; %d of %d puts lost nothing", len(c.keys), most, lost[0], 2*ids)
	}
	for ds := range uint32(3) {
		missing := 0
		for n := int(ds); n < ids; n += 3 {
			l, ok := c.get(key(n), ds+1)
			if ok && l.offset != int64(n) {
				t.Fatalf("entry %d is %+v", n, l)
			}
			if !ok {
				missing++
			}
		}
		if missing > 0 && lost[ds+1] == 0 {
			t.Errorf("dataset %d misses %d entries and did not say so", ds+1, missing)
		}
	}
}
