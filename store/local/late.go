package local

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// late are rows of newest versions that the index has yet to be told of. As long
// as the table knows all ids of a dataset nobody asks the index for them, and
// many rows at once, in the order of their keys, cost a fraction of what they cost
// one by one. All other rows of a frame are written with the frame; how far the
// index knows newest versions stands beside how far it knows the rest, and a start
// reads from there. Guarded by Store.applyMu.
type late struct {
	rows []lateRow
	ids  []byte
	most int   // rows, before they are written
	err  error // why they could not be
}

type lateRow struct {
	d        *dataset
	from, to uint32 // the id's place in ids
	at       latest
}

// lateRows bounds what is held back: writing it is a pause of a few milliseconds.
const lateRows = 1 << 14

func (t *late) add(d *dataset, id []byte, l *latest) {
	from := len(t.ids)
	t.ids = append(t.ids, id...)
	t.rows = append(t.rows, lateRow{d: d, from: uint32(from), to: uint32(len(t.ids)), at: *l})
}

func (t *late) id(r *lateRow) []byte { return t.ids[r.from:r.to] }

// sort puts the rows in the order of their keys, and of one key the newest last.
func (t *late) sort() {
	slices.SortFunc(t.rows, func(a, b lateRow) int {
		if a.d != b.d {
			return cmp.Compare(a.d.id, b.d.id)
		}
		if n := bytes.Compare(t.id(&a), t.id(&b)); n != 0 {
			return n
		}
		return cmp.Compare(a.at.offset, b.at.offset)
	})
}

// outdone tells whether the next row is of the same id.
func (t *late) outdone(i int) bool {
	if i+1 == len(t.rows) {
		return false
	}
	a, b := &t.rows[i], &t.rows[i+1]
	return a.d == b.d && bytes.Equal(t.id(a), t.id(b))
}

// drop leaves out the rows of a dataset that is dropped.
func (t *late) drop(d *dataset) {
	t.rows = slices.DeleteFunc(t.rows, func(r lateRow) bool { return r.d == d })
}

func (t *late) reset() {
	clear(t.rows)
	t.rows, t.ids = t.rows[:0], t.ids[:0]
	if cap(t.ids) > lateRows*64 {
		t.ids = nil
	}
}

// waits tells whether the row of a version may come later: not if somebody may
// have to ask the index for it.
func (t *late) waits(d *dataset, l *latest) bool {
	return d.known.Load() == knownWhole && l.offset <= mostOffset && l.loc.size <= mostSize
}

// spill tells the index what it is behind with. It comes before everything that
// reads rows of newest versions or writes them some other way. The caller holds
// applyMu.
func (s *Store) spill() error {
	if len(s.late.rows) == 0 || s.late.err != nil {
		return s.late.err
	}
	s.late.err = s.writeLate()
	s.late.reset()
	return s.late.err
}

func (s *Store) writeLate() error {
	b := s.db.NewBatch()
	defer b.Close()
	s.late.sort()
	var key, row []byte
	for i := range s.late.rows {
		r := &s.late.rows[i]
		if s.late.outdone(i) {
			continue
		}
		key, row = latestKey(key[:0], r.d.id, s.late.id(r)), appendLatest(row[:0], &r.at)
		if err := b.Set(key, row, nil); err != nil {
			return err
		}
	}
	m := s.meta
	m.newest = m.at
	if err := b.Set(metaKey(), m.append(nil), nil); err != nil {
		return err
	}
	if err := b.Commit(pebble.NoSync); err != nil {
		return err
	}
	s.meta = m
	return nil
}

// catchUp writes the rows of newest versions of a frame of which the index knows
// all else. What was written to datasets that are gone by now is passed over.
func (s *Store) catchUp(at position, p *payload) error {
	e := s.newEffects()
	defer e.batch.Close()
	for i := range p.sections {
		sec := &p.sections[i]
		d := s.byID[sec.ds]
		if d == nil {
			continue
		}
		if err := s.eachVersion(d, at, sec, func(r *record, l *latest) error { return s.addNewest(e, d, r, l) }); err != nil {
			return err
		}
	}
	if err := e.batch.Commit(pebble.NoSync); err != nil {
		return err
	}
	return s.remember(e)
}
