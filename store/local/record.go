package local

import (
	"encoding/binary"

	"github.com/zeebo/xxh3"
)

// location is where a record stands.
type location struct {
	seg  uint32 // number of the segment file
	pos  uint32 // of the record in it
	size uint32 // of the record
}

// record is one version as it stands in the log:
//
//	 0  sum of all that follows
//	 8  size of the whole record
//	12  dataset number
//	16  offset
//	24  offset of the version before, -1 if there is none
//	32  microseconds since 1970
//	40  content hash
//	56  flags
//	60  length of the id
//	64  id, then the entity's JSON
type record struct {
	ds       uint32
	offset   int64
	prev     int64
	ts       int64
	hash     [16]byte
	deleted  bool
	prevDead bool // the version before is a tombstone; lets counts be kept without looking it up
	id, body []byte
}

const (
	recordHead  = 64
	flagDeleted = 1 << 0
	flagPrev    = 1 << 1
)

// appendRecord appends r with its sum.
func appendRecord(dst []byte, salt uint64, r *record) []byte {
	from := len(dst)
	dst = append(dst, make([]byte, recordHead)...)
	h := dst[from:]
	binary.LittleEndian.PutUint32(h[8:], uint32(recordHead+len(r.id)+len(r.body)))
	binary.LittleEndian.PutUint32(h[12:], r.ds)
	binary.LittleEndian.PutUint64(h[16:], uint64(r.offset))
	binary.LittleEndian.PutUint64(h[24:], uint64(r.prev))
	binary.LittleEndian.PutUint64(h[32:], uint64(r.ts))
	copy(h[40:], r.hash[:])
	h[56] = r.flags()
	binary.LittleEndian.PutUint32(h[60:], uint32(len(r.id)))
	dst = append(append(dst, r.id...), r.body...)
	binary.LittleEndian.PutUint64(dst[from:], xxh3.HashSeed(dst[from+8:], salt))
	return dst
}

func (r *record) flags() (f uint8) {
	if r.deleted {
		f |= flagDeleted
	}
	if r.prevDead {
		f |= flagPrev
	}
	return f
}

// parseRecord reads the record that fills b; false if its sum is wrong. The
// record refers to b.
func parseRecord(b []byte, salt uint64) (r record, ok bool) {
	if len(b) < recordHead || recordSize(b) != len(b) ||
		binary.LittleEndian.Uint64(b) != xxh3.HashSeed(b[8:], salt) {
		return r, false
	}
	idEnd := recordHead + int(binary.LittleEndian.Uint32(b[60:]))
	if idEnd > len(b) {
		return r, false
	}
	r.ds = binary.LittleEndian.Uint32(b[12:])
	r.offset = int64(binary.LittleEndian.Uint64(b[16:]))
	r.prev = int64(binary.LittleEndian.Uint64(b[24:]))
	r.ts = int64(binary.LittleEndian.Uint64(b[32:]))
	copy(r.hash[:], b[40:56])
	r.deleted, r.prevDead = b[56]&flagDeleted != 0, b[56]&flagPrev != 0
	r.id, r.body = b[recordHead:idEnd], b[idEnd:]
	return r, true
}

// recordSize returns the size a record claims, for b of at least recordHead.
func recordSize(b []byte) int { return int(binary.LittleEndian.Uint32(b[8:])) }
