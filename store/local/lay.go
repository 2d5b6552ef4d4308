package local

import (
	"errors"
	"fmt"
	"slices"
)

// A frame is laid behind the ones before it, then synced. Syncs of two frames may
// overlap; then each has a handle of its own, since the system tells a handle only
// once that something could not be written, whoever's it was.

// laid is a frame that was written and is not known to be durable.
type laid struct {
	at   position
	end  position
	file File // whose sync makes it durable, and all before it
}

// lay writes a frame that has room for its head, which lay fills in. It is
// durable once its file was synced and all frames before it have arrived; then
// arrived must be called. After an error, repair must, as soon as nothing is on
// its way any more.
func (l *wlog) lay(kind frameKind, frame []byte) (laid, error) {
	if l.tail == l.end {
		if err := l.prepare(len(frame)); err != nil {
			return laid{}, err
		}
	}
	open := uint16(l.tail.seq - l.end.seq)
	return l.layAt(l.handle(), sealOpen(frame, kind, open, l.tail.seq+1, l.salt))
}

// prepare makes the log ready for a frame when nothing is on its way.
func (l *wlog) prepare(size int) error {
	if err := l.repair(); err != nil {
		return err
	}
	if l.turns(size) {
		return l.rotate()
	}
	return nil
}

// turns tells whether a frame, with its head, begins another file. Whoever lays it
// must wait before until nothing is on its way.
func (l *wlog) turns(size int) bool {
	padded := int64(frameSize(uint64(size - frameHeadSize)))
	return l.sealed || int64(l.tail.pos)+padded+frameHeadSize > l.limit && l.tail.pos > segmentHeadSize
}

// overlaps tells whether a frame may be laid while others are being synced: there
// must be one more handle.
func (l *wlog) overlaps() bool {
	if len(l.others) < len(l.flying) {
		f, err := l.fs.Open(l.path(l.tail.seg))
		if err != nil {
			return false // without one, frames take turns
		}
		l.others = append(l.others, f)
	}
	return true
}

// handle returns a handle for the next sync, by which nothing is being synced.
func (l *wlog) handle() File {
	for _, f := range l.others[:len(l.flying)] {
		if !slices.Contains(l.flying, f) {
			return f
		}
	}
	return l.segments[l.tail.seg]
}

func (l *wlog) closeOthers() (err error) {
	for _, f := range l.others {
		err = errors.Join(err, f.Close())
	}
	l.others = nil
	return err
}

func (l *wlog) layAt(f File, frame []byte) (laid, error) {
	x := laid{at: l.tail, end: l.tail, file: f}
	x.end.pos, x.end.seq = l.tail.pos+uint32(len(frame)), l.tail.seq+1
	err := l.reserve(f, int64(x.end.pos))
	if err == nil {
		_, err = f.WriteAt(frame, int64(l.tail.pos))
	}
	if err != nil {
		l.broken = err
		return laid{}, spaceError(err)
	}
	l.tail, l.flying = x.end, append(l.flying, f)
	l.fillAhead(len(frame))
	return x, nil
}

// reserve makes the last file as long as end at least.
func (l *wlog) reserve(f File, end int64) error {
	if end <= l.room {
		return nil
	}
	if l.filled(); end <= l.room {
		return nil
	}
	room := max(min((end+l.step-1)/l.step*l.step, l.limit), end)
	if err := f.Grow(room); err != nil {
		return err
	}
	l.room = room
	return nil
}

// arrived notes that a frame is durable.
func (l *wlog) arrived(x *laid) {
	l.sinceMark += int64(x.end.pos - x.at.pos)
	l.end = x.end
	l.flying = append(l.flying[:0], l.flying[1:]...)
}

// write lays a frame that is ready and syncs it, when nothing is on its way.
func (l *wlog) write(frame []byte) error {
	x, err := l.layAt(l.segments[l.tail.seg], frame)
	if err != nil {
		return errors.Join(err, l.repair())
	}
	if err := x.file.Sync(); err != nil {
		return l.lost(err)
	}
	l.arrived(&x)
	return nil
}

// lost gives up all frames that have not arrived, since one of them cannot be made
// durable. Nothing may be on its way any more.
func (l *wlog) lost(cause error) error {
	if l.broken == nil {
		l.broken = cause
	}
	return errors.Join(spaceError(cause), l.repair())
}

var errUncut = errors.New("the log takes no writes")

// repair cuts off what a failed write or sync left behind the last good frame.
// What stood before it was synced earlier and is not in doubt. Until the cut
// itself is durable nothing is written. Nothing may be on its way.
func (l *wlog) repair() error {
	if l.broken == nil {
		return nil
	}
	l.unfill()
	l.tail, l.flying = l.end, l.flying[:0]
	f := l.segments[l.end.seg]
	err := f.Truncate(int64(l.end.pos))
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return fmt.Errorf("%w, because %s cannot be cut back to its last good end after an earlier failure: %w",
			errUncut, l.path(l.end.seg), errors.Join(spaceError(err), l.broken))
	}
	l.broken, l.room = nil, int64(l.end.pos)
	return nil
}
