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

type shard struct {
	mu      sync.Mutex
	buckets []bucket
	victim  uint32
	_       [28]byte // a shard a cache line
}

// bucket has room for eight entries. An empty place has the key 0.
type bucket struct {
	keys [bucketSize]uint64
	rows [bucketSize]packed
}

// packed is a row of the table, without padding.
type packed [35]byte

const (
	bucketSize  = 8
	mostShards  = 256
	leastShard  = 64 // entries; of fewer no shard is made
	mostOwners  = 1<<15 - 1
	mostOffset  = 1<<40 - 1
	mostSize    = 1<<24 - 1
	deletedFlag = 1 << 15
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
	defer s.mu.Unlock()
	b, i := s.find(k)
	if b == nil {
		return latest{}, false
	}
	return b.rows[i].latest(), true
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
	b, i := s.find(k)
	if b == nil {
		b, i = s.place(t, k.fp)
	}
	b.keys[i] = k.fp
	b.rows[i].pack(k.tail, d.slot, l)
}

// add remembers a version unless the id is known already; false if there is no
// room left.
func (t *table) add(k idKey, d *dataset, l *latest) bool {
	s := &t.shards[k.shard]
	s.mu.Lock()
	defer s.mu.Unlock()
	if b, _ := s.find(k); b != nil {
		return true
	}
	b, i := s.room(t, k.fp)
	if b == nil || l.offset > mostOffset {
		return false
	}
	b.keys[i] = k.fp
	b.rows[i].pack(k.tail, d.slot, l)
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
	b, i := s.find(k)
	if b == nil {
		return
	}
	if l := b.rows[i].latest(); l.offset == offset {
		change(&l)
		b.rows[i].pack(k.tail, b.rows[i].slot(), &l)
	}
}

// forget makes the table not know an id.
func (t *table) forget(k idKey) {
	s := &t.shards[k.shard]
	s.mu.Lock()
	defer s.mu.Unlock()
	if b, i := s.find(k); b != nil {
		b.keys[i] = 0
	}
}

func (s *shard) find(k idKey) (*bucket, int) {
	if len(s.buckets) == 0 {
		return nil, 0
	}
	for _, b := range s.both(k.fp) {
		for i, have := range &b.keys {
			if have == k.fp && b.rows[i][0] == k.tail {
				return b, i
			}
		}
	}
	return nil, 0
}

// both returns the two buckets a key may stand in.
func (s *shard) both(fp uint64) [2]*bucket {
	n := uint64(len(s.buckets))
	return [2]*bucket{&s.buckets[fp>>32*n>>32], &s.buckets[fp&0xffffffff*n>>32]}
}

// place returns where a new key is to stand. If all is full something else has
// to go, and its dataset is told before it has gone.
func (s *shard) place(t *table, fp uint64) (*bucket, int) {
	if b, i := s.room(t, fp); b != nil {
		return b, i
	}
	t.losing()
	s.victim++
	b, i := s.both(fp)[s.victim%2], int(s.victim/2%bucketSize)
	if d := t.owner(b.rows[i].slot()); d != nil {
		d.known.Store(knownPartly)
	}
	return b, i
}

// room returns a free place, nil if the shard is full and may not grow.
func (s *shard) room(t *table, fp uint64) (*bucket, int) {
	for {
		if len(s.buckets) > 0 {
			if b, i := s.free(fp); b != nil {
				return b, i
			}
		}
		if len(s.buckets) >= t.most {
			return nil, 0
		}
		s.grow(t)
	}
}

// free finds a free place, if need be by moving one entry to its other bucket.
func (s *shard) free(fp uint64) (*bucket, int) {
	two := s.both(fp)
	a, b := two[0].free(), two[1].free()
	switch {
	case a >= 0 && (b < 0 || two[0].count() <= two[1].count()):
		return two[0], a
	case b >= 0:
		return two[1], b
	}
	for _, from := range two {
		for i, other := range from.keys {
			for _, to := range s.both(other) {
				if j := to.free(); to != from && j >= 0 {
					to.keys[j], to.rows[j] = other, from.rows[i]
					return from, i
				}
			}
		}
	}
	return nil, 0
}

func (b *bucket) free() int {
	for i, k := range &b.keys {
		if k == 0 {
			return i
		}
	}
	return -1
}

func (b *bucket) count() (n int) {
	for _, k := range &b.keys {
		if k != 0 {
			n++
		}
	}
	return n
}

// grow makes a sixteenth more room. What belongs to dropped datasets is left
// behind. If the keys do not find room in the larger shard, it grows again.
func (s *shard) grow(t *table) {
	old := s.buckets
	for size := len(old); ; {
		size = min(size+max(1, size/16), t.most)
		s.buckets = make([]bucket, size)
		if s.fill(t, old) || size == t.most {
			return
		}
	}
}

// fill takes entries over; false if one found no place. At the largest size
// that one makes room, as if it had come last.
func (s *shard) fill(t *table, old []bucket) bool {
	for i := range old {
		for j, k := range old[i].keys {
			slot := old[i].rows[j].slot()
			if k == 0 || slot != 0 && t.owner(slot) == nil {
				continue
			}
			b, at := s.free(k)
			if b == nil && len(s.buckets) < t.most {
				return false
			}
			if b == nil {
				b, at = s.place(t, k)
			}
			b.keys[at], b.rows[at] = k, old[i].rows[j]
		}
	}
	return true
}

// bytes tells how much memory the table takes, and for how many entries.
func (t *table) bytes() (size, entries int) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		size += len(s.buckets) * binary.Size(bucket{})
		for j := range s.buckets {
			entries += s.buckets[j].count()
		}
		s.mu.Unlock()
	}
	return size, entries
}

// A row: the tail of the key, 8 bytes of hash, 8 of text, 5 of offset, 4 of segment, 4 of
// position, 3 of size (0 if it is larger than they can say), 2 of slot and flag.

func (p *packed) slot() uint16 { return binary.LittleEndian.Uint16(p[33:]) &^ deletedFlag }

func (p *packed) pack(tail byte, slot uint16, l *latest) {
	p[0] = tail
	binary.LittleEndian.PutUint64(p[1:], l.hash)
	binary.LittleEndian.PutUint64(p[9:], l.text)
	binary.LittleEndian.PutUint32(p[17:], uint32(l.offset))
	p[21] = byte(l.offset >> 32)
	binary.LittleEndian.PutUint32(p[22:], l.loc.seg)
	binary.LittleEndian.PutUint32(p[26:], l.loc.pos)
	size := l.loc.size
	if size > mostSize {
		size = 0
	}
	p[30], p[31], p[32] = byte(size), byte(size>>8), byte(size>>16)
	if l.deleted {
		slot |= deletedFlag
	}
	binary.LittleEndian.PutUint16(p[33:], slot)
}

func (p *packed) latest() (l latest) {
	l.hash = binary.LittleEndian.Uint64(p[1:])
	l.text = binary.LittleEndian.Uint64(p[9:])
	l.offset = int64(binary.LittleEndian.Uint32(p[17:])) | int64(p[21])<<32
	l.loc.seg = binary.LittleEndian.Uint32(p[22:])
	l.loc.pos = binary.LittleEndian.Uint32(p[26:])
	l.loc.size = uint32(p[30]) | uint32(p[31])<<8 | uint32(p[32])<<16
	l.deleted = binary.LittleEndian.Uint16(p[33:])&deletedFlag != 0
	return l
}
