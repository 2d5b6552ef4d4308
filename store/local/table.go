package local

import (
	"encoding/binary"
	"hash/maphash"
	"sync"
)

// table remembers the newest versions of ids, so that neither the writer nor
// readers have to ask the index for them. An id is known by 72 bits of keyed
// hashes, and by the shard it is in, which takes up to 8 more; the keys are
// made anew at each start and nobody outside can learn them.
//
// An entry takes 43 bytes. Shards grow one by one and little by little, so that
// next to nothing stands empty.
type table struct {
	seeds  [2]maphash.Seed
	shards []shard
	most   int    // buckets of a shard
	losing func() // called before something is forgotten to make room

	owning sync.Mutex
	owners []*dataset // by their slots; the first one stands for those that got none
	spare  []uint16
}

const (
	mostShards = 256
	leastShard = 64 // entries; of fewer no shard is made
	mostOwners = 1<<15 - 1
)

// idKey is what an id is known by: the place in a shard, the shard, and bits
// that tell apart what meets there.
type idKey struct {
	fp    uint64
	shard uint32
	tail  byte
}

func newTable(most int) *table {
	shards := 1
	for shards < mostShards && 2*shards*leastShard <= most {
		shards *= 2
	}
	return &table{
		seeds:  [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
		shards: make([]shard, shards),
		most:   max(1, most/shards/bucketSize),
		owners: make([]*dataset, 1),
		losing: func() {},
	}
}

// own gives a dataset a slot, so that the table can tell it what it lost. One
// that gets none is never taken to be complete.
func (t *table) own(d *dataset) {
	t.owning.Lock()
	defer t.owning.Unlock()
	switch n := len(t.spare); {
	case d.slot != 0:
	case n > 0:
		d.slot, t.spare = t.spare[n-1], t.spare[:n-1]
		t.owners[d.slot] = d
	case len(t.owners) <= mostOwners:
		d.slot = uint16(len(t.owners))
		t.owners = append(t.owners, d)
	}
}

// disown takes the slot of a dropped dataset back. What stands in the table of
// it makes room as shards grow.
func (t *table) disown(d *dataset) {
	t.owning.Lock()
	defer t.owning.Unlock()
	if d.slot != 0 && t.owners[d.slot] == d {
		t.owners[d.slot] = nil
		t.spare = append(t.spare, d.slot)
	}
}

// owner returns the dataset of a slot, nil if it was dropped.
func (t *table) owner(slot uint16) *dataset {
	t.owning.Lock()
	defer t.owning.Unlock()
	return t.owners[slot]
}

// key returns what stands for an id of a dataset.
func (t *table) key(ds uint32, id []byte) idKey {
	mix := uint64(ds) * 0x9e3779b97f4a7c15
	k := idKey{fp: maphash.Bytes(t.seeds[0], id) ^ mix}
	rest := maphash.Bytes(t.seeds[1], id) + mix
	k.shard, k.tail = uint32(rest)&uint32(len(t.shards)-1), byte(rest>>56)
	if k.fp == 0 {
		k.fp = 1
	}
	return k
}

func (t *table) keyOf(ds uint32, id string) idKey {
	var room [64]byte
	return t.key(ds, append(room[:0], id...))
}

// get returns the newest version of an id, if it is remembered.
func (t *table) get(k idKey) (latest, bool) {
	s := &t.shards[k.shard]
	s.mu.Lock()
	at := s.find(k)
	if at < 0 {
		s.mu.Unlock()
		return latest{}, false
	}
	l := s.latest(at)
	s.mu.Unlock()
	return l, true
}

// same tells whether the newest version of an id is known to have a text.
func (t *table) same(k idKey, text uint64) bool {
	s := &t.shards[k.shard]
	s.mu.Lock()
	same := s.same(k, text)
	s.mu.Unlock()
	return same
}

// put remembers a version of a dataset's id.
func (t *table) put(k idKey, d *dataset, l *latest) {
	if l.offset > mostOffset {
		t.losing()
		d.known.Store(knownPartly)
		return
	}
	s := &t.shards[k.shard]
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.find(k)
	if at < 0 {
		at = s.place(t, k.fp)
	}
	s.set(at, k.fp, l.text)
	s.rows[at].pack(k.tail, d.slot, l)
}

// add remembers a version unless the id is known already; false if there is no
// room left.
func (t *table) add(k idKey, d *dataset, l *latest) bool {
	s := &t.shards[k.shard]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.find(k) >= 0 {
		return true
	}
	at := s.room(t, k.fp)
	if at < 0 || l.offset > mostOffset {
		return false
	}
	s.set(at, k.fp, l.text)
	s.rows[at].pack(k.tail, d.slot, l)
	return true
}

// move notes where a version stands now, if it still is the newest one.
func (t *table) move(k idKey, offset int64, to location) {
	t.amend(k, offset, func(l *latest) { l.loc = to })
}

// learn notes what a version was offered as, if it still is the newest one.
func (t *table) learn(k idKey, offset int64, text uint64) {
	t.amend(k, offset, func(l *latest) { l.text = text })
}

func (t *table) amend(k idKey, offset int64, change func(*latest)) {
	s := &t.shards[k.shard]
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.find(k)
	if at < 0 {
		return
	}
	if l := s.latest(at); l.offset == offset {
		change(&l)
		s.set(at, k.fp, l.text)
		s.rows[at].pack(k.tail, s.rows[at].slot(), &l)
	}
}

// forget makes the table not know an id.
func (t *table) forget(k idKey) {
	s := &t.shards[k.shard]
	s.mu.Lock()
	defer s.mu.Unlock()
	if at := s.find(k); at >= 0 {
		s.set(at, 0, 0)
	}
}

// bytes tells how much memory the table takes, and for how many entries.
func (t *table) bytes() (size, entries int) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		size += len(s.sums)*binary.Size(&bucket{}) + len(s.rows)*len(packed{})
		for _, b := range s.sums {
			for _, k := range b.keys {
				if k != 0 {
					entries++
				}
			}
		}
		s.mu.Unlock()
	}
	return size, entries
}
