package local

import (
	"encoding/binary"

	"github.com/zeebo/xxh3"
)

// latest says what the newest version of an id is.
type latest struct {
	offset  int64
	loc     location
	hash    uint64 // half of the content hash: enough to compare with one other
	text    uint64 // sum of the JSON it was last written or offered as, 0 if that is not known
	deleted bool
}

const latestSize = 8 + locSize + 8 + 8 + 1

// half is the part of a content hash that newest versions are compared by.
func half(hash [16]byte) uint64 { return binary.LittleEndian.Uint64(hash[:]) }

// textSum is the sum of an entity's stored form. What is the same to the octet
// is the same; members in another order make another sum.
func textSum(body []byte) uint64 { return xxh3.Hash(body) | 1 }

func appendLatest(dst []byte, l *latest) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, uint64(l.offset))
	dst = appendLoc(dst, l.loc)
	dst = binary.LittleEndian.AppendUint64(dst, l.hash)
	dst = binary.LittleEndian.AppendUint64(dst, l.text)
	return append(dst, bit(l.deleted))
}

func parseLatest(b []byte) (l latest, ok bool) {
	if len(b) != latestSize {
		return l, false
	}
	l.offset = int64(binary.LittleEndian.Uint64(b))
	l.loc = parseLoc(b[8:])
	l.hash = binary.LittleEndian.Uint64(b[8+locSize:])
	l.text = binary.LittleEndian.Uint64(b[16+locSize:])
	l.deleted = b[latestSize-1] == 1
	return l, true
}

const locSize = 12

func appendLoc(dst []byte, l location) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, l.seg)
	dst = binary.LittleEndian.AppendUint32(dst, l.pos)
	return binary.LittleEndian.AppendUint32(dst, l.size)
}

func parseLoc(b []byte) location {
	return location{
		seg:  binary.LittleEndian.Uint32(b),
		pos:  binary.LittleEndian.Uint32(b[4:]),
		size: binary.LittleEndian.Uint32(b[8:]),
	}
}

func bit(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// section is where a run of consecutive versions stands.
type section struct {
	first   int64
	seg     uint32
	table   uint32 // position of the table
	records uint32 // position of the records
	count   uint32
	size    uint32 // of the records
}

const sectionSize = 20

func appendSectionRow(dst []byte, s *section) []byte {
	for _, n := range []uint32{s.seg, s.table, s.records, s.count, s.size} {
		dst = binary.LittleEndian.AppendUint32(dst, n)
	}
	return dst
}

// parseSection reads a section row with its key.
func parseSection(key, b []byte) (s section, ok bool) {
	if len(b) != sectionSize || len(key) < 8 {
		return s, false
	}
	s.first = int64(binary.BigEndian.Uint64(key[len(key)-8:]))
	for i, n := range []*uint32{&s.seg, &s.table, &s.records, &s.count, &s.size} {
		*n = binary.LittleEndian.Uint32(b[4*i:])
	}
	return s, true
}

// indexVersion is the version of the index's rows. An index of another version
// is made anew from the log.
const indexVersion = 4

// meta is how far the index has come.
type meta struct {
	at      position
	newest  position // the rows of newest versions are known up to here
	lastTS  int64
	lastRev uint64
	nextDS  uint32
}

func (m *meta) append(dst []byte) []byte {
	for _, n := range []uint64{uint64(m.at.seg), uint64(m.at.pos), m.at.seq,
		uint64(m.newest.seg), uint64(m.newest.pos), m.newest.seq, uint64(m.lastTS), m.lastRev, uint64(m.nextDS), indexVersion} {
		dst = binary.AppendUvarint(dst, n)
	}
	return dst
}

func parseMeta(b []byte) (m meta, ok bool) {
	c := &cursor{b: b}
	m.at = position{seg: uint32(c.uvarint()), pos: uint32(c.uvarint()), seq: c.uvarint()}
	m.newest = position{seg: uint32(c.uvarint()), pos: uint32(c.uvarint()), seq: c.uvarint()}
	m.lastTS, m.lastRev, m.nextDS = int64(c.uvarint()), c.uvarint(), uint32(c.uvarint())
	return m, c.uvarint() == indexVersion && !c.bad
}

// counts are the numbers of a dataset.
type counts struct {
	populated                     bool
	last                          int64
	versions, live, deleted, size int64
}

func appendDataset(dst []byte, d *dataset, c *counts) []byte {
	dst = append(append(dst, bit(c.populated)), d.gen[:]...)
	for _, n := range []int64{c.last, c.versions, c.live, c.deleted, c.size} {
		dst = binary.AppendVarint(dst, n)
	}
	return append(dst, d.name...)
}

func parseDataset(b []byte) (d *dataset, ok bool) {
	c := &cursor{b: b}
	d = &dataset{}
	if p := c.take(1); len(p) == 1 {
		d.populated = p[0] == 1
	}
	copy(d.gen[:], c.take(16))
	for _, n := range []*int64{&d.last, &d.versions, &d.live, &d.deleted, &d.size} {
		v, w := binary.Varint(c.b[c.pos:])
		if w <= 0 {
			return nil, false
		}
		*n, c.pos = v, c.pos+w
	}
	d.name = string(b[c.pos:])
	return d, !c.bad
}

// entryState says what a version did to an index key.
type entryState byte

const (
	entryPresent entryState = 0
	entryLeft    entryState = 1
)

// entry is the row of an index: which version touched the key, and how.
type entry struct {
	state  entryState
	offset int64
	loc    location
}

const entrySize = 1 + 8 + locSize

func appendEntry(dst []byte, e *entry) []byte {
	dst = binary.LittleEndian.AppendUint64(append(dst, byte(e.state)), uint64(e.offset))
	return appendLoc(dst, e.loc)
}

func parseEntry(b []byte) (e entry, ok bool) {
	if len(b) != entrySize {
		return e, false
	}
	e.state = entryState(b[0])
	e.offset = int64(binary.LittleEndian.Uint64(b[1:]))
	e.loc = parseLoc(b[9:])
	return e, true
}
