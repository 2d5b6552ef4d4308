package local

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// rewrite makes the file that takes the place of a segment. It has the states,
// makings and droppings of datasets that still matter, and the versions that
// stay, many frames gathered in one.
type rewrite struct {
	s         *Store
	stop      func() error
	decisions map[uint32]*decision
	place     uint32
	old, new  uint32

	out    File
	pos    int64
	seq    uint64 // of the last frame read
	p      payload
	size   int
	open   map[uint32]int // sections that are being filled, by dataset
	last   map[uint32]int // holes last noted, by dataset
	done   uint64         // number of the last frame written
	buf    []byte
	adjust map[uint32]*adjust

	change fileChange
}

// fileChange is what a new file changes in the index and for readers.
type fileChange struct {
	oldSections []sectionRow
	newSections []sectionRow
	oldHoles    []hole
	newHoles    []hole
	purged      []purgedID
	versions    map[uint32]int64 // removed
	size        map[uint32]int64 // grown by
	removed     int64
	given       int64 // bytes
}

type sectionRow struct {
	ds uint32
	section
}

type purgedID struct {
	ds      uint32
	id      string
	offset  int64
	deleted bool
}

const (
	// rewriteBytes is the size of the frames that compaction writes.
	rewriteBytes = 1 << 20
	// holeMost is how many removed versions in a row a section may have.
	holeMost = 16
)

func (s *Store) newRewrite(place uint32, decisions map[uint32]*decision, stop func() error) *rewrite {
	old := s.log.at(place)
	return &rewrite{s: s, stop: stop, decisions: decisions, place: place, old: old, new: old + 1<<placeBits,
		open: map[uint32]int{}, last: map[uint32]int{}, adjust: map[uint32]*adjust{},
		change: fileChange{versions: map[uint32]int64{}, size: map[uint32]int64{}}}
}

func (w *rewrite) draft() string { return w.s.log.path(w.new) + tmpSuffix }

// make writes the draft and syncs it.
func (w *rewrite) make() (err error) {
	if w.out, err = w.s.log.fs.Create(w.draft()); err != nil {
		return spaceError(err)
	}
	err = w.fill()
	if err == nil {
		err = w.out.Sync()
	}
	return errors.Join(spaceError(err), w.out.Close())
}

func (w *rewrite) fill() error {
	if err := w.put(w.s.log.appendHead(w.new)); err != nil {
		return err
	}
	f := w.s.log.file(w.old)
	size, err := f.Size()
	if err != nil {
		return err
	}
	var buf []byte
	for pos := int64(segmentHeadSize); ; {
		if err := w.stop(); err != nil {
			return err
		}
		h, frame, err := readFrame(f, pos, size, w.s.log.salt, &buf)
		if err != nil {
			return err
		}
		if frame == nil {
			return w.s.log.corrupt(w.old, pos, "a damaged frame")
		}
		if h.kind == frameSeal {
			return w.end(h.seq, size)
		}
		if err := w.frame(pos, h.kind, frame); err != nil {
			return err
		}
		w.seq = h.seq
		pos += int64(frameSize(h.length))
		if w.size >= rewriteBytes {
			if err := w.flush(); err != nil {
				return err
			}
		}
	}
}

// end writes what is left and the seal.
func (w *rewrite) end(seal uint64, size int64) error {
	if w.seq = seal - 1; w.done != w.seq {
		if err := w.flush(); err != nil {
			return err
		}
	}
	err := w.put(sealFrame(make([]byte, frameHeadSize), frameSeal, seal, w.s.log.salt))
	w.change.given = size - w.pos
	return err
}

func (w *rewrite) put(b []byte) error {
	_, err := w.out.WriteAt(b, w.pos)
	w.pos += int64(len(b))
	return err
}

// frame takes what stays of a frame.
func (w *rewrite) frame(pos int64, kind frameKind, b []byte) error {
	if kind != frameData && kind != frameCompact {
		return nil
	}
	p, err := parsePayload(b, kind)
	if err != nil {
		return w.s.log.corrupt(w.old, pos, err.Error())
	}
	w.p.lastTS, w.p.lastRev, w.p.nextDS = p.lastTS, p.lastRev, p.nextDS
	w.p.creates = append(w.p.creates, p.creates...)
	w.p.drops = append(w.p.drops, p.drops...)
	for i := range p.sections {
		if err := w.section(pos, &p.sections[i]); err != nil {
			return err
		}
	}
	for _, ds := range p.populate {
		if w.lives(ds) {
			w.p.populate = append(w.p.populate, ds)
		}
	}
	w.removals(p)
	return w.states(p.states)
}

func (w *rewrite) lives(ds uint32) bool {
	w.s.mu.RLock()
	defer w.s.mu.RUnlock()
	return w.s.byID[ds] != nil
}

// removals keeps what an earlier compaction removed.
func (w *rewrite) removals(p *payload) {
	for _, h := range p.holes {
		if w.lives(h.ds) {
			w.change.oldHoles = append(w.change.oldHoles, h)
			w.hole(h)
		}
	}
	for _, a := range p.adjust {
		if w.lives(a.ds) {
			w.adjusted(a.ds, a.live, a.deleted)
		}
	}
}

// states keeps the states that are still what they were set to. What removed
// one stays while an earlier file might set it.
func (w *rewrite) states(list []stateEntry) error {
	for _, st := range list {
		keep := st.value == nil && w.place != w.s.log.firstSeg
		if st.value != nil {
			_, rev, err := w.s.readState(st.key)
			if err != nil {
				return err
			}
			keep = rev == st.rev
		}
		if !keep {
			continue
		}
		if st.value != nil {
			st.value = append([]byte{}, st.value...)
		}
		w.p.states = append(w.p.states, st)
		w.size += len(st.key) + len(st.value)
	}
	return nil
}

func (w *rewrite) section(pos int64, sec *sectionEntry) error {
	if !w.lives(sec.ds) {
		return nil
	}
	w.change.oldSections = append(w.change.oldSections, sectionRow{ds: sec.ds, section: section{first: sec.first}})
	w.change.size[sec.ds] -= int64(len(sec.records) + 4*len(sec.table))
	for i := range sec.table {
		b := sec.record(i)
		if b == nil && rewritten(w.old) {
			continue
		}
		r, ok := parseRecord(b, w.s.log.salt)
		if !ok || r.ds != sec.ds || r.offset != sec.first+int64(i) {
			at := pos + frameHeadSize + int64(sec.recordAt) + int64(sec.table[i])
			return fmt.Errorf("dataset number %d: %w", sec.ds, w.s.log.corrupt(w.old, at, "a damaged record"))
		}
		if x := w.decisions[sec.ds]; x != nil && x.drops(w.s, r.offset) {
			w.remove(x, &r)
			continue
		}
		w.keep(&r, b)
	}
	return nil
}

// keep adds a record to the section of its dataset, or to a new one if too much
// was removed between.
func (w *rewrite) keep(r *record, b []byte) {
	i, open := w.open[r.ds]
	if open {
		sec := &w.p.sections[i]
		open = r.offset-sec.first-int64(len(sec.table)) <= holeMost
	}
	if !open {
		i = len(w.p.sections)
		w.p.sections = append(w.p.sections, sectionEntry{ds: r.ds, first: r.offset})
		w.open[r.ds] = i
	}
	sec := &w.p.sections[i]
	for sec.first+int64(len(sec.table)) <= r.offset {
		sec.table = append(sec.table, uint32(len(sec.records)))
	}
	sec.records = append(sec.records, b...)
	w.size += len(b) + 4
}

func (w *rewrite) remove(x *decision, r *record) {
	var c counts
	c.count(r)
	if x.newest.has(r.offset) {
		w.change.purged = append(w.change.purged, purgedID{r.ds, string(r.id), r.offset, r.deleted})
		if r.deleted {
			c.deleted--
		} else {
			c.live--
		}
	}
	w.adjusted(r.ds, c.live, c.deleted)
	w.hole(hole{r.ds, r.offset, 1})
	w.change.versions[r.ds]++
	w.change.removed++
}

func (w *rewrite) adjusted(ds uint32, live, deleted int64) {
	a := w.adjust[ds]
	if a == nil {
		a = &adjust{ds: ds}
		w.adjust[ds] = a
	}
	a.live, a.deleted = a.live+live, a.deleted+deleted
}

// hole notes removed versions; those that follow one another are one hole.
func (w *rewrite) hole(h hole) {
	if i, ok := w.last[h.ds]; ok { // most of them, before all are put in order
		if last := &w.p.holes[i]; last.first+last.count == h.first {
			last.count += h.count
			return
		}
	}
	w.last[h.ds] = len(w.p.holes)
	w.p.holes = append(w.p.holes, h)
	w.size += 2 * binary.MaxVarintLen32
}

// mergeHoles orders holes and makes one of those that touch.
func mergeHoles(list []hole) (out []hole) {
	slices.SortFunc(list, func(a, b hole) int { return cmp.Or(cmp.Compare(a.ds, b.ds), cmp.Compare(a.first, b.first)) })
	for _, h := range list {
		if n := len(out); n > 0 && out[n-1].ds == h.ds && out[n-1].first+out[n-1].count == h.first {
			out[n-1].count += h.count
			continue
		}
		out = append(out, h)
	}
	return out
}

// flush writes the frame gathered so far. There is one at least, because it
// tells the numbers to go on from.
func (w *rewrite) flush() error {
	for _, a := range w.adjust {
		if a.live != 0 || a.deleted != 0 {
			w.p.adjust = append(w.p.adjust, *a)
		}
	}
	w.p.holes = mergeHoles(w.p.holes)
	w.buf = append(w.buf[:0], make([]byte, frameHeadSize)...)
	w.buf = appendRemovals(appendPayload(w.buf, frameHeadSize, &w.p), &w.p)
	base := uint32(w.pos) + frameHeadSize
	for i := range w.p.sections {
		sec := &w.p.sections[i]
		w.change.size[sec.ds] += int64(len(sec.records) + 4*len(sec.table))
		w.change.newSections = append(w.change.newSections, sectionRow{sec.ds, section{
			first: sec.first, seg: w.new, table: base + uint32(sec.tableAt), records: base + uint32(sec.recordAt),
			count: uint32(len(sec.table)), size: uint32(len(sec.records)),
		}})
	}
	w.change.newHoles = append(w.change.newHoles, w.p.holes...)
	w.p = payload{lastTS: w.p.lastTS, lastRev: w.p.lastRev, nextDS: w.p.nextDS}
	w.size = 0
	w.done = w.seq
	clear(w.open)
	clear(w.last)
	clear(w.adjust)
	return w.put(sealFrame(w.buf, frameCompact, w.seq, w.s.log.salt))
}
