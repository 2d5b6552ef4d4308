package local

import (
	"github.com/cockroachdb/pebble/v2"
)

// late are rows of newest versions that the index has yet to be told of. As long
// as the table knows all ids of a dataset nobody asks the index for them, and
// many rows at once cost a fraction of what they cost one by one. All other rows
// of a frame are written with the frame; how far the index knows newest versions
// stands beside how far it knows the rest, and a start reads from there. Guarded
// by Store.applyMu.
type late struct {
	rowSet
	most int   // rows, before they are written
	err  error // why they could not be
}

// lateRows bounds what is held back: writing it is a pause of a few milliseconds.
const lateRows = 1 << 12

func (t *late) full() bool { return len(t.rows) >= t.most || len(t.text) >= mostRowText }

// waits tells whether the row of a version may come later: not if somebody may
// have to ask the index for it.
func (t *late) waits(d *dataset, l *latest) bool {
	return d.known.Load() == knownWhole && l.offset <= mostOffset && l.loc.size <= mostSize
}

// spill tells the index what it is behind with. It comes before everything that
// reads rows of newest versions or writes them some other way. The caller holds
// applyMu.
func (s *Store) spill() error {
	if s.late.empty() || s.late.err != nil {
		return s.late.err
	}
	s.late.err = s.writeLate()
	s.late.reset()
	return s.late.err
}

func (s *Store) writeLate() error {
	b := s.db.NewBatch()
	defer b.Close()
	if err := s.late.write(b); err != nil {
		return err
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
