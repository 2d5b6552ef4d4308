package local

import (
	"encoding/binary"

	"github.com/zeebo/xxh3"
)

// A frame is what one sync makes durable, whole or not at all:
//
//	 0  magic
//	 4  kind (2 bytes), and how many frames before it were not known to be synced (2)
//	 8  length of the payload
//	16  number of the frame, one more than the one before
//	24  sum of the payload
//	32  sum of this head
//	40  payload, then zeros to a multiple of 8
//
// A whole frame tells of those before it which had been synced when it was
// written: if one of these is broken, that is damage. Others, and the last frame
// itself, may be broken by a crash.
type frameHead struct {
	kind   frameKind
	open   uint16 // frames before it that may have been on their way yet
	length uint64
	seq    uint64
	sum    uint64
}

type frameKind uint16

const (
	frameData  frameKind = 1
	frameSeal  frameKind = 2 // the log goes on in the next segment
	frameClose frameKind = 3 // the store was closed; guards the frame before
	// frameCompact tells of offsets where nothing stands. It holds what compaction
	// left of several frames, and has the number of the last of them, or it is a
	// group with versions that have their places from elsewhere.
	frameCompact frameKind = 4
)

const (
	frameMagic    = 0x31464c53 // "SLF1"
	frameHeadSize = 40
	frameAlign    = 8
)

// frameSize returns the room of a frame with its padding.
func frameSize(payload uint64) uint64 {
	return (frameHeadSize + payload + frameAlign - 1) &^ (frameAlign - 1)
}

// sealFrame fills in the head of a frame whose payload stands in b behind
// room for the head, and pads it.
func sealFrame(b []byte, kind frameKind, seq, salt uint64) []byte {
	return sealOpen(b, kind, 0, seq, salt)
}

// sealOpen is sealFrame for a frame that is written while some before it are
// being synced.
func sealOpen(b []byte, kind frameKind, open uint16, seq, salt uint64) []byte {
	payload := b[frameHeadSize:]
	binary.LittleEndian.PutUint32(b, frameMagic)
	binary.LittleEndian.PutUint16(b[4:], uint16(kind))
	binary.LittleEndian.PutUint16(b[6:], open)
	binary.LittleEndian.PutUint64(b[8:], uint64(len(payload)))
	binary.LittleEndian.PutUint64(b[16:], seq)
	binary.LittleEndian.PutUint64(b[24:], xxh3.HashSeed(payload, salt))
	binary.LittleEndian.PutUint64(b[32:], xxh3.HashSeed(b[:32], salt))
	for len(b)%frameAlign != 0 {
		b = append(b, 0)
	}
	return b
}

// follows tells whether the frame may stand behind the one with the number.
func (h *frameHead) follows(seq uint64) bool {
	return h.seq == seq+1 || h.kind == frameCompact && h.seq > seq
}

// proves tells whether the frame would not have been written unless the one with
// the number had been whole.
func (h *frameHead) proves(seq uint64) bool { return h.seq > seq+uint64(h.open) }

// parseFrameHead reads a head; false if b holds none.
func parseFrameHead(b []byte, salt uint64) (h frameHead, ok bool) {
	if len(b) < frameHeadSize || binary.LittleEndian.Uint32(b) != frameMagic ||
		binary.LittleEndian.Uint64(b[32:]) != xxh3.HashSeed(b[:32], salt) {
		return h, false
	}
	h.kind = frameKind(binary.LittleEndian.Uint16(b[4:]))
	h.open = binary.LittleEndian.Uint16(b[6:])
	h.length = binary.LittleEndian.Uint64(b[8:])
	h.seq = binary.LittleEndian.Uint64(b[16:])
	h.sum = binary.LittleEndian.Uint64(b[24:])
	return h, true
}
