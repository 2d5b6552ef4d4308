package local

import (
	"encoding/binary"
	"errors"
)

// payload is the content of a data frame. Its parts take effect in the order
// of the fields; dataset numbers are never used twice, so that order is right
// whatever order the batches of the group had.
type payload struct {
	lastTS   int64  // greatest time stamp given so far
	lastRev  uint64 // greatest state revision given so far
	nextDS   uint32 // dataset number to give next
	creates  []createEntry
	sections []sectionEntry
	populate []uint32
	states   []stateEntry
	drops    []uint32

	// Of a frame that compaction wrote:
	holes  []hole   // what it removed
	adjust []adjust // what that still counts for
}

type createEntry struct {
	ds   uint32
	gen  [16]byte
	name string
}

// sectionEntry is a run of consecutive versions of one dataset.
type sectionEntry struct {
	ds       uint32
	first    int64
	table    []uint32 // where each record begins in records
	records  []byte
	tableAt  int // places in the payload
	recordAt int
}

type stateEntry struct {
	key   string
	rev   uint64
	value []byte // nil removes
}

// revision is what a writer has to know to replace the state.
func (s *stateEntry) revision() uint64 {
	if s.value == nil {
		return 0
	}
	return s.rev
}

// appendPayload appends p and notes the places of its sections.
func appendPayload(dst []byte, base int, p *payload) []byte {
	dst = binary.AppendUvarint(dst, uint64(p.lastTS))
	dst = binary.AppendUvarint(dst, p.lastRev)
	dst = binary.AppendUvarint(dst, uint64(p.nextDS))
	dst = binary.AppendUvarint(dst, uint64(len(p.creates)))
	for _, c := range p.creates {
		dst = binary.AppendUvarint(dst, uint64(c.ds))
		dst = append(dst, c.gen[:]...)
		dst = appendBlob(dst, c.name)
	}
	dst = binary.AppendUvarint(dst, uint64(len(p.sections)))
	for i := range p.sections {
		dst = appendSection(dst, base, &p.sections[i])
	}
	dst = appendNumbers(dst, p.populate)
	dst = binary.AppendUvarint(dst, uint64(len(p.states)))
	for _, s := range p.states {
		dst = appendState(dst, s)
	}
	return appendNumbers(dst, p.drops)
}

func appendSection(dst []byte, base int, s *sectionEntry) []byte {
	dst = binary.AppendUvarint(dst, uint64(s.ds))
	dst = binary.AppendUvarint(dst, uint64(s.first))
	dst = binary.AppendUvarint(dst, uint64(len(s.table)))
	dst = binary.AppendUvarint(dst, uint64(len(s.records)))
	s.tableAt = len(dst) - base
	for _, at := range s.table {
		dst = binary.LittleEndian.AppendUint32(dst, at)
	}
	s.recordAt = len(dst) - base
	return append(dst, s.records...)
}

func appendState(dst []byte, s stateEntry) []byte {
	dst = appendBlob(dst, s.key)
	dst = binary.AppendUvarint(dst, s.rev)
	if s.value == nil {
		return append(dst, 0)
	}
	return appendBlob(append(dst, 1), s.value)
}

func appendBlob[T string | []byte](dst []byte, b T) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

func appendNumbers(dst []byte, list []uint32) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(list)))
	for _, n := range list {
		dst = binary.AppendUvarint(dst, uint64(n))
	}
	return dst
}

var errPayload = errors.New("the frame's content does not add up")

// parsePayload reads a payload, whose records refer to b.
func parsePayload(b []byte, kind frameKind) (*payload, error) {
	c := &cursor{b: b}
	p := &payload{lastTS: int64(c.uvarint()), lastRev: c.uvarint(), nextDS: uint32(c.uvarint())}
	for range c.count() {
		e := createEntry{ds: uint32(c.uvarint())}
		copy(e.gen[:], c.take(len(e.gen)))
		e.name = string(c.blob())
		p.creates = append(p.creates, e)
	}
	for range c.count() {
		p.sections = append(p.sections, c.section())
	}
	p.populate = c.numbers()
	for range c.count() {
		s := stateEntry{key: string(c.blob()), rev: c.uvarint()}
		if there := c.take(1); len(there) == 1 && there[0] == 1 {
			s.value = c.blob()
		}
		p.states = append(p.states, s)
	}
	p.drops = c.numbers()
	if kind == frameCompact {
		c.removals(p)
	}
	if c.bad || c.pos != len(b) {
		return nil, errPayload
	}
	return p, nil
}

// cursor reads fields; once one is bad, all that follow are empty.
type cursor struct {
	b   []byte
	pos int
	bad bool
}

func (c *cursor) uvarint() uint64 {
	v, n := binary.Uvarint(c.b[c.pos:])
	if n <= 0 {
		c.bad = true
		c.pos = len(c.b)
		return 0
	}
	c.pos += n
	return v
}

// count reads a number of things, each of which takes a byte at least.
func (c *cursor) count() int {
	n := c.uvarint()
	if n > uint64(len(c.b)-c.pos) {
		c.bad = true
		return 0
	}
	return int(n)
}

func (c *cursor) take(n int) []byte {
	if n < 0 || n > len(c.b)-c.pos {
		c.bad = true
		return nil
	}
	c.pos += n
	return c.b[c.pos-n : c.pos : c.pos]
}

func (c *cursor) blob() []byte { return c.take(c.count()) }

func (c *cursor) numbers() []uint32 {
	n := c.count()
	list := make([]uint32, 0, n)
	for range n {
		list = append(list, uint32(c.uvarint()))
	}
	return list
}

func (c *cursor) section() sectionEntry {
	s := sectionEntry{ds: uint32(c.uvarint()), first: int64(c.uvarint())}
	n, size := c.count(), c.count()
	s.tableAt = c.pos
	table := c.take(4 * n)
	s.recordAt = c.pos
	s.records = c.take(size)
	if c.bad {
		return s
	}
	s.table = make([]uint32, n)
	for i := range s.table {
		s.table[i] = binary.LittleEndian.Uint32(table[4*i:])
		if int64(s.table[i]) > int64(size)-recordHead {
			c.bad = true
		}
	}
	return s
}

// record returns the bytes of the i-th record of a section; nil if compaction
// removed it.
func (s *sectionEntry) record(i int) []byte {
	end := uint32(len(s.records))
	if i+1 < len(s.table) {
		end = s.table[i+1]
	}
	if end <= s.table[i] {
		return nil
	}
	return s.records[s.table[i]:end]
}
