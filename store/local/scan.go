package local

import (
	"fmt"

	"github.com/zeebo/xxh3"
)

// scan reads the frames behind from, hands the payloads of data frames to
// apply and puts the log's end behind the last good frame. What was on its way
// when the machine stopped is cut off.
func (l *wlog) scan(from position, apply func(at position, kind frameKind, payload []byte) error) error {
	from.seg = placeOf(from.seg)
	if from.seg == 0 {
		from = position{seg: l.firstSeg, pos: segmentHeadSize}
	}
	last := l.end.seg
	if from.seg < l.firstSeg || from.seg > last {
		return fmt.Errorf("%w", l.corrupt(from.seg, int64(from.pos), "the index knows data that the log has lost"))
	}
	for {
		sealed, err := l.scanSegment(&from, from.seg == last, apply)
		if err != nil {
			return err
		}
		if from.seg == last {
			l.end, l.tail, l.sealed = from, from, sealed
			return l.trim()
		}
		from.seg, from.pos = from.seg+1, segmentHeadSize
	}
}

// trim makes the last file end where its frames end. Whatever a crash left
// behind is gone for good before anything new is written.
func (l *wlog) trim() error {
	f := l.segments[l.end.seg]
	size, err := f.Size()
	if err != nil || size == int64(l.end.pos) {
		return err
	}
	if err := f.Truncate(int64(l.end.pos)); err != nil {
		return err
	}
	l.room = int64(l.end.pos)
	return f.Sync()
}

// scanSegment moves at over the frames of its segment and tells whether they
// end with a seal.
func (l *wlog) scanSegment(at *position, last bool, apply func(position, frameKind, []byte) error) (sealed bool, err error) {
	n := l.current[at.seg]
	f := l.segments[n]
	size, err := f.Size()
	if err != nil {
		return false, err
	}
	if int64(at.pos) > size {
		return false, l.corrupt(n, int64(at.pos), "the index knows data that the log has lost")
	}
	var buf []byte
	for {
		h, frame, err := readFrame(f, int64(at.pos), size, l.salt, &buf)
		if err != nil {
			return false, err
		}
		here := position{seg: n, pos: at.pos, seq: at.seq}
		if frame == nil || at.seq != 0 && !h.follows(at.seq) {
			return false, l.broke(here, f, size, last, frame)
		}
		if here.seq = h.seq - 1; h.kind == frameData || h.kind == frameCompact {
			if err := apply(here, h.kind, frame); err != nil {
				return false, err
			}
		}
		at.pos += uint32(frameSize(h.length))
		at.seq = h.seq
		if h.kind == frameSeal {
			return true, nil
		}
	}
}

// readFrame reads the frame at pos; the payload is nil if none stands there
// whole.
func readFrame(f File, pos, size int64, salt uint64, buf *[]byte) (h frameHead, payload []byte, err error) {
	var head [frameHeadSize]byte
	if pos+frameHeadSize > size {
		return h, nil, nil
	}
	if _, err := f.ReadAt(head[:], pos); err != nil {
		return h, nil, err
	}
	h, ok := parseFrameHead(head[:], salt)
	if !ok || h.length > uint64(size-pos-frameHeadSize) {
		return h, nil, nil
	}
	if uint64(cap(*buf)) < h.length+1 {
		*buf = make([]byte, h.length+1)
	}
	payload = (*buf)[:h.length]
	if h.length > 0 {
		if _, err := f.ReadAt(payload, pos+frameHeadSize); err != nil {
			return h, nil, err
		}
	}
	if xxh3.HashSeed(payload, salt) != h.sum {
		return h, nil, nil
	}
	return h, payload, nil
}

// broke judges a place where no whole frame stands. At the end of the last
// segment that is how a crash looks, unless a later frame proves that this one
// had been whole.
func (l *wlog) broke(at position, f File, size int64, last bool, frame []byte) error {
	if frame != nil || !last {
		return l.corrupt(at.seg, int64(at.pos), "a damaged frame")
	}
	const window = 1 << 20
	buf := make([]byte, window+frameHeadSize)
	for pos := int64(at.pos) + frameAlign; pos+frameHeadSize <= size; pos += window {
		n := min(int64(len(buf)), size-pos)
		if _, err := f.ReadAt(buf[:n], pos); err != nil {
			return err
		}
		for i := int64(0); i < window && i+frameHeadSize <= n; i += frameAlign {
			if h, ok := parseFrameHead(buf[i:n], l.salt); ok && h.proves(at.seq+1) {
				return l.corrupt(at.seg, int64(at.pos), "a damaged frame before whole ones")
			}
		}
	}
	return nil
}
