package local

import (
	"hash/maphash"
)

// latestCache remembers the newest versions of ids, for the writer alone: it
// decides what is new, and asking the index costs most of that. An id is known
// by 128 bits of two keyed hashes whose keys nobody outside can learn.
//
// As long as nothing of a dataset had to make room, the cache also knows that
// an id is not there (see dataset.cached).
type latestCache struct {
	seeds  [2]maphash.Seed
	most   int // entries
	keys   []cacheKey
	rows   []cacheRow
	victim uint32
}

type cacheKey [2]uint64

type cacheRow struct {
	latest
	ds uint32
}

// cacheWays is the number of places an entry may have; their keys fill two
// lines of the processor's cache.
const cacheWays = 8

// The cache begins small, and while it is it grows fast: to place everything
// anew costs more than the room.
const (
	cacheFirst = 1 << 14
	cacheSmall = 1 << 18
)

func newLatestCache(most int) *latestCache {
	most = max(most, cacheWays)
	size := cacheWays
	for size < cacheFirst && 2*size <= most {
		size *= 2
	}
	return &latestCache{
		seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
		most:  most,
		keys:  make([]cacheKey, size),
		rows:  make([]cacheRow, size),
	}
}

// key returns what stands for an id. The zero key means an empty place.
func (c *latestCache) key(ds uint32, id []byte) cacheKey {
	mix := uint64(ds) * 0x9e3779b97f4a7c15
	k := cacheKey{maphash.Bytes(c.seeds[0], id) ^ mix, maphash.Bytes(c.seeds[1], id) + mix}
	if k == (cacheKey{}) {
		k[0] = 1
	}
	return k
}

// sets returns the two sets an entry may stand in. With a choice of two, sets
// fill evenly, and nothing has to make room before nearly all is full.
func (c *latestCache) sets(k cacheKey) [2]int {
	mask := uint64(len(c.keys)/cacheWays - 1)
	return [2]int{int(k[0]&mask) * cacheWays, int(k[1]&mask) * cacheWays}
}

func (c *latestCache) get(k cacheKey, ds uint32) (latest, bool) {
	for _, from := range c.sets(k) {
		for i, have := range c.keys[from : from+cacheWays] {
			if have == k && c.rows[from+i].ds == ds {
				return c.rows[from+i].latest, true
			}
		}
	}
	return latest{}, false
}

// put remembers a version. If another one had to make room it returns that
// one's dataset, else 0.
func (c *latestCache) put(k cacheKey, row cacheRow) (evicted uint32) {
	i, free := c.place(k)
	for i < 0 && 2*len(c.keys) <= c.most {
		c.grow()
		i, free = c.place(k)
	}
	if i < 0 {
		c.victim++
		i = c.sets(k)[0] + int(c.victim%cacheWays)
	}
	if !free && c.keys[i] != k {
		evicted = c.rows[i].ds
	}
	c.keys[i], c.rows[i] = k, row
	return evicted
}

// place returns where the key stands, or else a free place in the emptier of
// its sets; -1 if both are full.
func (c *latestCache) place(k cacheKey) (at int, free bool) {
	at, most := -1, 0
	for _, from := range c.sets(k) {
		n, first := 0, -1
		for i, have := range c.keys[from : from+cacheWays] {
			if have == k {
				return from + i, false
			}
			if have == (cacheKey{}) {
				if n++; first < 0 {
					first = from + i
				}
			}
		}
		if n > most {
			at, most = first, n
		}
	}
	return at, at >= 0
}

// grow doubles the room, or more.
func (c *latestCache) grow() {
	keys, rows := c.keys, c.rows // half full at the most afterwards: nothing is evicted
	size := 2 * len(keys)
	if len(keys) < cacheSmall && 2*size <= c.most {
		size *= 2
	}
	c.keys, c.rows = make([]cacheKey, size), make([]cacheRow, size)
	for i, k := range keys {
		if k != (cacheKey{}) {
			c.put(k, rows[i])
		}
	}
}

// newest returns the newest version of an id, as far as it was published. Only
// the writer may ask.
func (s *Store) newest(d *dataset, id string) (latest, bool, error) {
	k := s.cache.key(d.id, []byte(id))
	if l, ok := s.cache.get(k, d.id); ok || d.cached {
		return l, ok, nil
	}
	l, ok, err := s.findLatest(d, id)
	if ok && err == nil {
		if lost := s.byID[s.cache.put(k, cacheRow{latest: l, ds: d.id})]; lost != nil {
			lost.cached = false
		}
	}
	return l, ok, err
}
