package local

import "encoding/binary"

// packed is a row of the table, without padding: the tail of the key, 8 bytes of
// hash, 5 of offset, 4 of segment, 4 of position, 3 of size (0 if it is larger than
// they can say), 2 of slot and flag.
type packed [27]byte

const (
	mostOffset  = 1<<40 - 1
	mostSize    = 1<<24 - 1
	deletedFlag = 1 << 15
)

func (p *packed) slot() uint16 { return binary.LittleEndian.Uint16(p[25:]) &^ deletedFlag }

func (p *packed) pack(tail byte, slot uint16, l *latest) {
	p[0] = tail
	binary.LittleEndian.PutUint64(p[1:], l.hash)
	binary.LittleEndian.PutUint32(p[9:], uint32(l.offset))
	p[13] = byte(l.offset >> 32)
	binary.LittleEndian.PutUint32(p[14:], l.loc.seg)
	binary.LittleEndian.PutUint32(p[18:], l.loc.pos)
	size := l.loc.size
	if size > mostSize {
		size = 0
	}
	p[22], p[23], p[24] = byte(size), byte(size>>8), byte(size>>16)
	if l.deleted {
		slot |= deletedFlag
	}
	binary.LittleEndian.PutUint16(p[25:], slot)
}

func (p *packed) latest() (l latest) {
	l.hash = binary.LittleEndian.Uint64(p[1:])
	l.offset = int64(binary.LittleEndian.Uint32(p[9:])) | int64(p[13])<<32
	l.loc.seg = binary.LittleEndian.Uint32(p[14:])
	l.loc.pos = binary.LittleEndian.Uint32(p[18:])
	l.loc.size = uint32(p[22]) | uint32(p[23])<<8 | uint32(p[24])<<16
	l.deleted = binary.LittleEndian.Uint16(p[25:])&deletedFlag != 0
	return l
}
