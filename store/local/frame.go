package local

import (
	"encoding/binary"

	"github.com/zeebo/xxh3"
)

// A frame is what one sync makes durable, whole or not at all:
//
//	 0  magic
//	 4  kind
//	 8  length of the payload
//	16  number of the frame, one more than the one before
//	24  sum of the payload
//	32  sum of this head
//	40  payload, then zeros to a multiple of 8
//
// Because each frame is synced before the next one is written, at most the
// last frame can be torn: a whole frame behind a broken one proves damage.
type frameHead struct {
	kind   frameKind
	length uint64
	seq    uint64
	sum    uint64
}

type frameKind uint32

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
	payload := b[frameHeadSize:]
	binary.LittleEndian.PutUint32(b, frameMagic)
	binary.LittleEndian.PutUint32(b[4:], uint32(kind))
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

// parseFrameHead reads a head; false if b holds none.
func parseFrameHead(b []byte, salt uint64) (h frameHead, ok bool) {
	if len(b) < frameHeadSize || binary.LittleEndian.Uint32(b) != frameMagic ||
		binary.LittleEndian.Uint64(b[32:]) != xxh3.HashSeed(b[:32], salt) {
		return h, false
	}
	h.kind = frameKind(binary.LittleEndian.Uint32(b[4:]))
	h.length = binary.LittleEndian.Uint64(b[8:])
	h.seq = binary.LittleEndian.Uint64(b[16:])
	h.sum = binary.LittleEndian.Uint64(b[24:])
	return h, true
}
