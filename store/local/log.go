package local

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"

	"github.com/zeebo/xxh3"

	"github.com/sluiceio/sluice/store"
)

const (
	segmentSuffix   = ".seg"
	segmentMagic    = "SLUICELG"
	segmentHeadSize = 64
	growStep        = 4 << 20
)

// position is a place between frames.
type position struct {
	seg uint32
	pos uint32
	seq uint64 // of the last frame before
}

// wlog is the log: segment files of frames. One goroutine appends; any number
// reads.
type wlog struct {
	fs        FS
	dir       string
	id        [16]byte
	salt      uint64
	limit     int64 // of a segment, except that one frame may be longer
	mu        sync.RWMutex
	segments  map[uint32]File
	current   map[uint32]uint32 // the number of the file at each place of the log
	end       position          // behind the last durable frame
	tail      position          // behind the last that was written, which may be on its way
	others    []File            // the last file once more, as often as that was needed
	flying    []File            // by which frames that are on their way are synced, in order
	room      int64             // length of the last file
	step      int64             // by which it grows
	ahead     *ahead            // what is being filled behind it, if anything
	beside    func(func())      // does that while others go on; nil if it is not done
	sealed    bool              // the last segment takes no more frames
	broken    error             // why the end of the last file is not known to be clean
	firstSeg  uint32
	sinceMark int64 // bytes appended since the index was last told to flush
}

func (l *wlog) path(n uint32) string { return filepath.Join(l.dir, segmentName(n)) }

// openLog opens all segments there are; the end is found by scan.
func openLog(fsys FS, dir string, id [16]byte, limit int64) (*wlog, error) {
	l := &wlog{fs: fsys, dir: dir, id: id, limit: limit, segments: map[uint32]File{}, current: map[uint32]uint32{}}
	l.salt = binary.LittleEndian.Uint64(id[:])
	if err := errors.Join(fsys.MkdirAll(dir), fsys.SyncDir(filepath.Dir(dir))); err != nil {
		return nil, err
	}
	names, err := fsys.List(dir)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if err := l.openSegment(name); err != nil {
			return nil, errors.Join(err, l.close())
		}
	}
	if len(l.segments) == 0 {
		return l, l.create(1)
	}
	return l, nil
}

// openSegment opens a file of the log folder. Segments follow one another
// without a gap; what is no segment is a draft that never took its name. Of
// several files for one place the newest counts until settle knows better.
func (l *wlog) openSegment(name string) error {
	if strings.HasSuffix(name, tmpSuffix) {
		return l.fs.Remove(filepath.Join(l.dir, name))
	}
	n, ok := parseSegmentName(name)
	if !ok {
		return nil
	}
	place := placeOf(n)
	if l.end.seg != 0 && place != l.end.seg && place != l.end.seg+1 {
		return fmt.Errorf("%w: the log segment %s is missing", store.ErrCorrupt, l.path(l.end.seg+1))
	}
	f, err := l.fs.Open(l.path(n))
	if err != nil {
		return err
	}
	l.segments[n] = f
	l.current[place] = max(l.current[place], n)
	if l.firstSeg == 0 {
		l.firstSeg = place
	}
	l.end = position{seg: place, pos: segmentHeadSize}
	head := make([]byte, segmentHeadSize)
	if _, err := f.ReadAt(head, 0); err != nil || !l.validHead(head, n) {
		return fmt.Errorf("%w: %s does not begin as a segment of this store", store.ErrCorrupt, l.path(n))
	}
	l.room, err = f.Size()
	return err
}

func (l *wlog) appendHead(n uint32) []byte {
	head := make([]byte, segmentHeadSize)
	copy(head, segmentMagic)
	binary.LittleEndian.PutUint32(head[8:], versionOf(n))
	binary.LittleEndian.PutUint32(head[12:], n)
	copy(head[16:], l.id[:])
	binary.LittleEndian.PutUint64(head[56:], xxh3.HashSeed(head[:56], l.salt))
	return head
}

func (l *wlog) validHead(head []byte, n uint32) bool { return string(head) == string(l.appendHead(n)) }

// create makes segment n and puts the end at its beginning. The file takes its
// name only when its head is durable, so a segment always has a head.
func (l *wlog) create(n uint32) error {
	if err := writeWhole(l.fs, l.dir, segmentName(n), l.appendHead(n)); err != nil {
		return spaceError(err)
	}
	f, err := l.fs.Open(l.path(n))
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.segments[n], l.current[n] = f, n
	l.mu.Unlock()
	if l.firstSeg == 0 {
		l.firstSeg = n
	}
	l.end = position{seg: n, pos: segmentHeadSize, seq: l.end.seq}
	l.tail, l.room, l.sealed = l.end, segmentHeadSize, false
	return l.closeOthers()
}

func (l *wlog) file(n uint32) File {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.segments[n]
}

// rotate ends the last segment and begins the next one. It may be called again
// after it failed half way.
func (l *wlog) rotate() error {
	if !l.sealed {
		seal := sealFrame(make([]byte, frameHeadSize), frameSeal, l.end.seq+1, l.salt)
		if err := l.write(seal); err != nil {
			return err
		}
		l.sealed = true
		l.unfill()
		// Only gives back what was reserved: a failure costs room, not data.
		_ = l.segments[l.end.seg].Truncate(int64(l.end.pos))
	}
	return l.create(l.end.seg + 1)
}

// finish writes the frame that guards the last one and closes the files. A
// full disk does not matter here.
func (l *wlog) finish() error {
	if !l.sealed && l.repair() == nil {
		_ = l.write(sealFrame(make([]byte, frameHeadSize), frameClose, l.end.seq+1, l.salt))
	}
	l.unfill()
	if l.broken == nil {
		_ = l.segments[l.end.seg].Truncate(int64(l.end.pos))
	}
	return l.close()
}

func (l *wlog) close() error {
	l.unfill()
	all := l.closeOthers()
	for _, f := range l.segments {
		all = errors.Join(all, f.Close())
	}
	return all
}

// corrupt names damage in a segment.
func (l *wlog) corrupt(seg uint32, pos int64, what string) error {
	return fmt.Errorf("%w: %s at position %d of %s", store.ErrCorrupt, what, pos, l.path(seg))
}
