package local

import "sync"

// shard is a part of the table: buckets of eight entries. Their keys and the sums of
// their texts, a cache line each and side by side, stand apart from what else is known
// of them: whoever asks whether something has changed mostly waits for memory once.
// An empty place has the key 0.
type shard struct {
	mu     sync.Mutex
	sums   []bucket
	rows   []packed // of all buckets, one after the other
	victim uint32
	_      [4]byte // a shard a cache line
}

type bucket struct{ keys, texts [bucketSize]uint64 }

const bucketSize = 8

// find returns the place of an id, less than 0 if it is not there.
func (s *shard) find(k idKey) int {
	if len(s.sums) == 0 {
		return -1
	}
	first, second := s.both(k.fp)
	if at := s.findIn(first, k); at >= 0 {
		return at
	}
	return s.findIn(second, k)
}

func (s *shard) findIn(bucket int, k idKey) int {
	for i, have := range &s.sums[bucket].keys {
		if at := bucket*bucketSize + i; have == k.fp && s.rows[at][0] == k.tail {
			return at
		}
	}
	return -1
}

// same tells whether an id stands there with a text. Since the text holds the id, the
// rest of the key need not be compared.
func (s *shard) same(k idKey, text uint64) bool {
	if len(s.sums) == 0 {
		return false
	}
	first, second := s.both(k.fp)
	return s.sums[first].has(k.fp, text) || s.sums[second].has(k.fp, text)
}

func (b *bucket) has(fp, text uint64) bool {
	for i, have := range &b.keys {
		if have == fp && b.texts[i] == text {
			return true
		}
	}
	return false
}

func (s *shard) set(at int, fp, text uint64) {
	b := &s.sums[at/bucketSize]
	b.keys[at%bucketSize], b.texts[at%bucketSize] = fp, text
}

// latest returns what is known at a place.
func (s *shard) latest(at int) latest {
	l := s.rows[at].latest()
	l.text = s.sums[at/bucketSize].texts[at%bucketSize]
	return l
}

// both returns the two buckets a key may stand in.
func (s *shard) both(fp uint64) (first, second int) {
	return bucketOf(fp>>32, len(s.sums)), bucketOf(fp&0xffffffff, len(s.sums))
}

// bucketOf spreads half a key over n buckets, in the order of the halves.
func bucketOf(half uint64, n int) int { return int(half * uint64(n) >> 32) }

// place returns where a new key is to stand. If all is full something else has
// to go, and its dataset is told before it has gone.
func (s *shard) place(t *table, fp uint64) int {
	if at := s.room(t, fp); at >= 0 {
		return at
	}
	t.losing()
	s.victim++
	from, other := s.both(fp)
	if s.victim%2 == 1 {
		from = other
	}
	at := from*bucketSize + int(s.victim/2%bucketSize)
	if d := t.owner(s.rows[at].slot()); d != nil {
		d.known.Store(knownPartly)
	}
	return at
}

// room returns a free place, less than 0 if the shard is full and may not grow.
func (s *shard) room(t *table, fp uint64) int {
	for {
		if len(s.sums) > 0 {
			if at := s.free(fp); at >= 0 {
				return at
			}
		}
		if len(s.sums) >= t.most {
			return -1
		}
		s.grow(t)
	}
}

// free finds a free place, if need be by moving one entry to its other bucket. Of
// both it takes the first if it can: most ids are found at the first look.
func (s *shard) free(fp uint64) int {
	first, second := s.both(fp)
	for _, b := range [2]int{first, second} {
		if i := s.sums[b].free(); i >= 0 {
			return b*bucketSize + i
		}
	}
	for _, from := range [2]int{first, second} {
		for i, other := range &s.sums[from].keys {
			to, twin := s.both(other)
			if to == from {
				to = twin
			}
			if j := s.sums[to].free(); j >= 0 {
				s.set(to*bucketSize+j, other, s.sums[from].texts[i])
				s.rows[to*bucketSize+j] = s.rows[from*bucketSize+i]
				return from*bucketSize + i
			}
		}
	}
	return -1
}

// free returns an empty place, less than 0 if there is none.
func (b *bucket) free() int {
	for i, k := range &b.keys {
		if k == 0 {
			return i
		}
	}
	return -1
}

// grow makes a sixteenth more room. What belongs to dropped datasets is left
// behind. If the keys do not find room in the larger shard, it grows again.
func (s *shard) grow(t *table) {
	sums, rows := s.sums, s.rows
	for size := len(sums); ; {
		size = min(size+max(1, size/16), t.most)
		s.sums, s.rows = make([]bucket, size), make([]packed, size*bucketSize)
		if s.fill(t, sums, rows) || size == t.most {
			return
		}
	}
}

// fill takes entries over; false if one found no place. At the largest size
// that one makes room, as if it had come last.
func (s *shard) fill(t *table, sums []bucket, rows []packed) bool {
	alive, slot := true, uint16(0) // neighbours mostly are of one dataset
	for i := range sums {
		for j, k := range &sums[i].keys {
			if k == 0 {
				continue
			}
			row := &rows[i*bucketSize+j]
			if is := row.slot(); is != slot {
				slot, alive = is, is == 0 || t.owner(is) != nil
			}
			if !alive {
				continue
			}
			at := s.again(k, i, len(sums))
			if at < 0 && len(s.sums) < t.most {
				return false
			}
			if at < 0 {
				at = s.place(t, k)
			}
			s.set(at, k, sums[i].texts[j])
			s.rows[at] = *row
		}
	}
	return true
}

// again returns a place for a key that stood in one of n buckets: in the one that
// stands for it now, so that the keys of a shard are moved in the order in which
// they stand, which takes a fraction of looking for the emptier of two.
func (s *shard) again(fp uint64, was, n int) int {
	half := fp >> 32
	if bucketOf(half, n) != was {
		half = fp & 0xffffffff
	}
	to := bucketOf(half, len(s.sums))
	if at := s.sums[to].free(); at >= 0 {
		return to*bucketSize + at
	}
	return s.free(fp)
}
