package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/sluiceio/sluice/store"
)

// Checked is what Check has looked at.
type Checked struct {
	Segments, Frames, Versions int
	Bytes                      int64
	Rows                       int // of the index
}

// Check reads everything a data folder holds: every frame and version of the
// log with its sum, and every row of the index, which must be the one that the
// log makes. report is told each thing that is wrong, with file and position;
// what it is told is not served to any reader either. The folder must not be in
// use, and nothing in it is changed. The error is why it could not be checked.
func Check(ctx context.Context, dir string, report func(problem string)) (Checked, error) {
	c := &checker{ctx: ctx, dir: dir, report: report, names: map[uint32]string{}, next: map[uint32]int64{}}
	if c.fs = FS(osFS{}); frozen(dir) {
		c.fs = frozenFS{}
	}
	lock, id, err := c.enter()
	if err != nil {
		return c.Checked, fmt.Errorf("store %s: %w", dir, err)
	}
	return c.Checked, errors.Join(c.all(id), lock.Close())
}

type checker struct {
	Checked
	ctx    context.Context
	dir    string
	fs     FS
	report func(string)
	bad    bool // the log is damaged: no index can be made of it
	names  map[uint32]string
	next   map[uint32]int64 // the offset that a dataset's next version has
	twin   *twin
}

// all reads the log, and makes an index of it beside the one there is.
func (c *checker) all(id [16]byte) error {
	l, err := openLog(c.fs, filepath.Join(c.dir, logDir), id, 2<<30)
	if errors.Is(err, store.ErrCorrupt) {
		c.problem("%v", err)
		return nil
	}
	if err != nil {
		return err
	}
	defer l.close()
	index := filepath.Join(c.dir, indexDir)
	if c.fs == FS(frozenFS{}) {
		if index, err = copiedIndex(c.dir); err != nil {
			return err
		}
		defer os.RemoveAll(index)
	}
	if c.twin, err = openTwin(c.dir, index, l); err != nil {
		c.report(fmt.Sprintf("the index in %s cannot be read, and will be made anew at the next start: %v", filepath.Join(c.dir, indexDir), err))
	}
	if c.twin != nil {
		defer c.twin.close()
	}
	if err := c.log(l); err != nil || c.bad || c.twin == nil {
		return err
	}
	c.Rows, err = c.twin.compare(c.report)
	return err
}

func (c *checker) problem(format string, args ...any) {
	c.bad = true
	c.report(fmt.Sprintf(format, args...))
}

// enter locks the folder. A folder without a FORMAT file is none, and is not
// made one.
func (c *checker) enter() (lock interface{ Close() error }, id [16]byte, err error) {
	f, err := c.fs.Open(filepath.Join(c.dir, formatName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, id, fmt.Errorf("this is no data folder: %w", err)
	}
	if err != nil {
		return nil, id, err
	}
	f.Close()
	if lock, err = c.fs.Lock(filepath.Join(c.dir, lockName)); err != nil {
		return nil, id, err
	}
	format, err := openFormat(c.fs, c.dir)
	if err != nil {
		return nil, id, errors.Join(err, lock.Close())
	}
	return lock, format.id, nil
}

// log reads the segments from the first frame to the last.
func (c *checker) log(l *wlog) error {
	at := position{seg: l.firstSeg, pos: segmentHeadSize}
	for ; at.seg <= l.end.seg; at.seg, at.pos = at.seg+1, segmentHeadSize {
		c.Segments++
		file := position{seg: l.at(at.seg), pos: at.pos, seq: at.seq}
		if err := c.segment(l, &file); err != nil {
			return fmt.Errorf("%s: %w", l.path(file.seg), err)
		}
		at.seq = file.seq
	}
	return nil
}

// segment reads the frames of one segment. Behind damage it goes on at the next
// whole frame.
func (c *checker) segment(l *wlog, at *position) error {
	f := l.file(at.seg)
	size, err := f.Size()
	if err != nil {
		return err
	}
	c.Bytes += size
	var buf []byte
	for c.ctx.Err() == nil {
		h, payload, err := readFrame(f, int64(at.pos), size, l.salt, &buf)
		if err != nil {
			return err
		}
		if payload == nil {
			if !c.skip(l, f, size, at) {
				return nil
			}
			continue
		}
		if at.seq != 0 && !h.follows(at.seq) {
			c.problem("%v", l.corrupt(at.seg, int64(at.pos), fmt.Sprintf("frame %d follows frame %d", h.seq, at.seq)))
		}
		c.Frames++
		if h.kind == frameData || h.kind == frameCompact {
			c.frame(l, position{seg: at.seg, pos: at.pos, seq: h.seq - 1}, h.kind, payload)
		}
		at.pos += uint32(frameSize(h.length))
		at.seq = h.seq
		if h.kind == frameSeal {
			return nil
		}
	}
	return c.ctx.Err()
}

// skip moves at to the next whole frame behind a place where none stands; false
// if there is none. At the end of the log that is no damage: it is where the
// log ends, or where a crash cut it.
func (c *checker) skip(l *wlog, f File, size int64, at *position) bool {
	var buf []byte
	for pos := int64(at.pos) + frameAlign; pos+frameHeadSize <= size; pos += frameAlign {
		var head [frameHeadSize]byte
		if _, err := f.ReadAt(head[:], pos); err != nil {
			break
		}
		if h, ok := parseFrameHead(head[:], l.salt); !ok || !h.proves(at.seq+1) {
			continue
		}
		if h, payload, err := readFrame(f, pos, size, l.salt, &buf); err == nil && payload != nil {
			c.problem("%v; the next whole one is at position %d", l.corrupt(at.seg, int64(at.pos), "a damaged frame"), pos)
			at.pos, at.seq = uint32(pos), h.seq-1
			return true
		}
	}
	if placeOf(at.seg) < l.end.seg {
		c.problem("%v, and none is whole behind it", l.corrupt(at.seg, int64(at.pos), "a damaged frame"))
		at.seq = 0
	}
	return false
}

// frame checks what a whole frame says.
func (c *checker) frame(l *wlog, at position, kind frameKind, payload []byte) {
	p, err := parsePayload(payload, kind)
	if err != nil {
		c.problem("%v", l.corrupt(at.seg, int64(at.pos), err.Error()))
		return
	}
	for _, e := range p.creates {
		c.names[e.ds] = e.name
	}
	for i := range p.sections {
		c.section(l, at, &p.sections[i])
	}
	if c.twin != nil && !c.bad {
		if err := c.twin.apply(at, kind, payload); err != nil {
			c.problem("%v", err)
		}
	}
	for _, ds := range p.drops {
		delete(c.names, ds)
		delete(c.next, ds)
	}
}

func (c *checker) section(l *wlog, at position, sec *sectionEntry) {
	for i := range sec.table {
		if rewritten(at.seg) && sec.record(i) == nil {
			continue
		}
		c.Versions++
		r, ok := parseRecord(sec.record(i), l.salt)
		want := sec.first + int64(i)
		if !ok || r.ds != sec.ds || r.offset != want {
			pos := int64(at.pos) + frameHeadSize + int64(sec.recordAt) + int64(sec.table[i])
			c.problem("dataset %q: %v", c.names[sec.ds], l.corrupt(at.seg, pos, "a damaged version"))
		}
		if next, known := c.next[sec.ds]; known && want < next {
			c.problem("dataset %q: %v", c.names[sec.ds], l.corrupt(at.seg, int64(at.pos), fmt.Sprintf("version %d is there twice", want)))
		}
		c.next[sec.ds] = want + 1
	}
}
