package local

import (
	"encoding/binary"
)

// hole is a run of versions that compaction removed.
type hole struct {
	ds    uint32
	first int64
	count int64
}

// adjust is what removed versions still count for in their dataset: those that
// follow count as if they were there.
type adjust struct {
	ds            uint32
	live, deleted int64
}

func fileRow(n uint32) []byte { return binary.AppendUvarint(nil, uint64(n)) }

// appendRemovals appends what only a frame of compaction has.
func appendRemovals(dst []byte, p *payload) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(p.holes)))
	for _, h := range p.holes {
		dst = binary.AppendUvarint(dst, uint64(h.ds))
		dst = binary.AppendUvarint(dst, uint64(h.first))
		dst = binary.AppendUvarint(dst, uint64(h.count))
	}
	dst = binary.AppendUvarint(dst, uint64(len(p.adjust)))
	for _, a := range p.adjust {
		dst = binary.AppendUvarint(dst, uint64(a.ds))
		dst = binary.AppendVarint(dst, a.live)
		dst = binary.AppendVarint(dst, a.deleted)
	}
	return dst
}

func (c *cursor) removals(p *payload) {
	for range c.count() {
		h := hole{ds: uint32(c.uvarint()), first: int64(c.uvarint()), count: int64(c.uvarint())}
		if h.first < 0 || h.count <= 0 || h.first+h.count < 0 {
			c.bad = true
		}
		p.holes = append(p.holes, h)
	}
	for range c.count() {
		p.adjust = append(p.adjust, adjust{ds: uint32(c.uvarint()), live: c.varint(), deleted: c.varint()})
	}
}

func (c *cursor) varint() int64 {
	v, n := binary.Varint(c.b[c.pos:])
	if n <= 0 {
		c.bad = true
		c.pos = len(c.b)
		return 0
	}
	c.pos += n
	return v
}

// gatherRemovals takes in what compaction removed.
func (s *Store) gatherRemovals(e *effects, p *payload) error {
	for _, h := range p.holes {
		if err := s.gatherHole(e, h); err != nil {
			return err
		}
	}
	for _, a := range p.adjust {
		c, err := s.changeOf(e, a.ds)
		if err != nil {
			return err
		}
		c.counts.live += a.live
		c.counts.deleted += a.deleted
	}
	return nil
}

// gatherHole takes a hole into the index.
func (s *Store) gatherHole(e *effects, h hole) error {
	c, err := s.changeOf(e, h.ds)
	if err != nil {
		return err
	}
	c.holes = append(c.holes, h)
	c.counts.last = max(c.counts.last, h.first+h.count-1)
	return e.setHole(h)
}

func (e *effects) setHole(h hole) error {
	key := offsetKey(nil, keyHole, h.ds, h.first)
	return e.batch.Set(key, binary.AppendUvarint(nil, uint64(h.count)), nil)
}

func (s *Store) loadHoles(d *dataset) (holes []hole, err error) {
	err = each(s.db, dsKey(nil, keyHole, d.id), func(key, b []byte) error {
		c := &cursor{b: b}
		h := hole{ds: d.id, first: offsetOf(key), count: int64(c.uvarint())}
		if c.bad {
			return s.indexDamaged("removed versions")
		}
		holes = append(holes, h)
		return nil
	})
	return holes, err
}

// setHoles tells readers what is not there; a set that was not loaded yet finds
// it in the index.
func (d *dataset) setHoles(holes []hole) {
	if d.replaced == nil {
		return
	}
	for _, h := range holes {
		d.replaced.setRun(h.first, h.count)
		d.gone.setRun(h.first, h.count)
	}
}

// there lists the first offsets behind from at which something stands, up to
// last.
func (s *Store) there(d *dataset, from, last int64, most int) ([]int64, error) {
	s.mu.RLock()
	gone, holed := d.gone, d.holed()
	s.mu.RUnlock()
	if holed && gone == nil {
		if err := s.loadReplaced(d); err != nil {
			return nil, err
		}
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if gone = d.gone; gone == nil {
		gone = &bitset{}
	}
	offsets := make([]int64, 0, max(0, min(int64(most), last-from)))
	for o := gone.nextClear(from + 1); o <= last && len(offsets) < most; o = gone.nextClear(o + 1) {
		offsets = append(offsets, o)
	}
	return offsets, nil
}

// holed tells whether at any offset nothing stands, because it was removed or
// never there. The caller holds Store.mu.
func (d *dataset) holed() bool { return d.versions <= d.last }

// goneRun returns how many of the first offsets were removed.
func (s *Store) goneRun(d *dataset, offsets []int64) (n int, err error) {
	s.mu.RLock()
	loaded, holed := d.gone != nil, d.holed()
	s.mu.RUnlock()
	if !holed {
		return 0, nil
	}
	if !loaded {
		if err := s.loadReplaced(d); err != nil {
			return 0, err
		}
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	for n < len(offsets) && d.gone.has(offsets[n]) {
		n++
	}
	return n, nil
}

func (b *bitset) has(n int64) bool {
	c := int(n / chunkBits)
	return c < len(b.chunks) && b.chunks[c] != nil && b.chunks[c][n%chunkBits/64]>>(n%64)&1 == 1
}
