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
	firstLoss := 0
	for n := range ids {
		if ds := c.put(key(n), cacheRow{latest: latest{offset: int64(n)}, ds: uint32(n%3 + 1)}); ds != 0 {
			if lost[ds]++; firstLoss == 0 {
				firstLoss = n
			}
		}
		c.put(key(n/2), cacheRow{latest: latest{offset: int64(n / 2)}, ds: uint32(n/2%3 + 1)})
	}
	if firstLoss < most*3/4 || len(c.keys) > most {
		t.Errorf("made room from entry %d on, with %d places of %d", firstLoss, len(c.keys), most)
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
