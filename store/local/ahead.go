package local

import "sync/atomic"

// To sync a frame that lies where the file was only lengthened means to sync what
// the file system knows of the file, too, which takes longer than the frame itself
// unless that is large. So where frames are small the room that comes next is filled
// with zeros beforehand, beside what the writer does.

const (
	// smallFrame is what a frame has at most for filling to take less than it saves.
	smallFrame = 128 << 10
	// aheadPiece is filled at once: a sync of a frame may have to wait for it.
	aheadPiece = 256 << 10
)

var zeros [aheadPiece]byte

// ahead is room being filled behind the last file's end.
type ahead struct {
	to    int64
	stop  atomic.Bool
	whole chan bool
}

// fillAhead begins to fill the room that comes next, if what there is will soon be
// needed, for frames like the last one.
func (l *wlog) fillAhead(frame int) {
	soon := int64(l.tail.pos)+l.step/2 >= l.room && l.room < l.limit
	if !soon || frame > smallFrame || l.ahead != nil || l.beside == nil {
		return
	}
	f, err := l.fs.Open(l.path(l.current[l.tail.seg]))
	if err != nil {
		return // then it is grown when it is needed
	}
	a, from := &ahead{to: min(l.room+l.step, l.limit), whole: make(chan bool, 1)}, l.room
	l.ahead = a
	l.beside(func() { a.whole <- a.fill(f, from) })
}

// fill tells whether all was filled. It ends early when it is told to, or at the
// first failure: who needs the room asks for it again, and hears why there is none.
func (a *ahead) fill(f File, from int64) bool {
	for from < a.to && !a.stop.Load() {
		piece := zeros[:min(aheadPiece, a.to-from)]
		if _, err := f.WriteAt(piece, from); err != nil || f.Sync() != nil {
			break
		}
		from += int64(len(piece))
	}
	return f.Close() == nil && from == a.to
}

// filled waits for the room that is being filled.
func (l *wlog) filled() {
	if a := l.ahead; a != nil {
		if l.ahead = nil; <-a.whole {
			l.room = a.to
		}
	}
}

// unfill ends the filling, before the file is cut or closed.
func (l *wlog) unfill() {
	if l.ahead != nil {
		l.ahead.stop.Store(true)
		l.filled()
	}
}
