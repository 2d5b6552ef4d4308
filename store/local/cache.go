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

const cacheFirst = 1 << 10

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

func (c *latestCache) set(k cacheKey) int {
	return int(k[0]&uint64(len(c.keys)/cacheWays-1)) * cacheWays
}

func (c *latestCache) get(k cacheKey, ds uint32) (latest, bool) {
	from := c.set(k)
	for i, have := range c.keys[from : from+cacheWays] {
		if have == k && c.rows[from+i].ds == ds {
			return c.rows[from+i].latest, true
		}
	}
	return latest{}, false
}

// put remembers a version. If another one had to make room it returns that
// one's dataset, else 0.
func (c *latestCache) put(k cacheKey, row cacheRow) (evicted uint32) {
	for {
		from := c.set(k)
		for i := from; i < from+cacheWays; i++ {
			if c.keys[i] == k || c.keys[i] == (cacheKey{}) {
				c.keys[i], c.rows[i] = k, row
				return 0
			}
		}
		if 2*len(c.keys) <= c.most {
			c.grow()
			continue
		}
		c.victim++
		i := from + int(c.victim%cacheWays)
		evicted = c.rows[i].ds
		c.keys[i], c.rows[i] = k, row
		return evicted
	}
}

// grow doubles the room. Each set splits in two, so everything fits.
func (c *latestCache) grow() {
	keys, rows := c.keys, c.rows
	c.keys, c.rows = make([]cacheKey, 2*len(keys)), make([]cacheRow, 2*len(rows))
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
