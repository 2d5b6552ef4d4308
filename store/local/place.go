package local

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/sluiceio/sluice/store"
)

var errPlace = errors.New("an offset must be between 0 and 17179869183")

// place stores a version at the offset that it has in the log the dataset is a
// copy of. Nothing can be put where the copy has passed: what is there has been
// read by somebody. What equals the version before is left out, unless that log had
// another one between: who has read that one there must hear of this one.
func (g *group) place(d *dataset, op *encodedOp, cur latest, known bool) (store.Outcome, error) {
	sec, at := g.byDS[d], int64(op.place.At)
	same := known && cur.hash == half(op.hash)
	switch {
	case at < 0 || op.place.At > store.MostPlace:
		return store.Unchanged, fmt.Errorf("offset %d: %w", at, errPlace)
	case at >= sec.next() && same && !op.force && int64(op.place.Previous) <= cur.offset:
		return store.Unchanged, nil
	case at >= sec.next():
		return g.placeAt(sec, op, cur, known)
	case known && cur.offset > at, known && same, !known && op.deleted:
		return store.Unchanged, nil
	default:
		return store.Unchanged, fmt.Errorf("offset %d: %w", at, store.ErrPassed)
	}
}

func (g *group) placeAt(sec *openSection, op *encodedOp, cur latest, known bool) (store.Outcome, error) {
	d := sec.d
	if at := int64(op.place.At); at > sec.next() {
		sec = g.leap(sec, at)
	}
	r := g.record(sec, op, cur, known)
	if r.ts = op.place.TS; r.ts <= 0 {
		r.ts = g.stamp(g.s.o.Clock())
	}
	if before := int64(op.place.Previous); !known && before >= 0 {
		empty, err := g.empties(d, before)
		if err != nil {
			return store.Unchanged, err
		}
		if empty {
			// It counts as if the version before had been there and was removed.
			r.prev = before
			g.adjusts(d)
		}
	}
	g.version(sec, &r, versionKey{d, op.id}, cur, known)
	return outcome(op, known), nil
}

// leap begins a section further on.
func (g *group) leap(old *openSection, at int64) *openSection {
	n, holes, d := len(g.sections), len(g.p.holes), old.d
	g.undo = append(g.undo, func() {
		g.sections, g.p.holes = g.sections[:n], g.p.holes[:holes]
		g.byDS[d] = old
	})
	sec := g.spareSection()
	sec.d, sec.first = d, at
	g.p.holes = append(g.p.holes, hole{ds: d.id, first: old.next(), count: at - old.next()})
	g.byDS[d] = sec
	g.sections = append(g.sections, sec)
	return sec
}

func (g *group) adjusts(d *dataset) {
	n := len(g.p.adjust)
	g.undo = append(g.undo, func() { g.p.adjust = g.p.adjust[:n] })
	g.p.adjust = append(g.p.adjust, adjust{ds: d.id, live: 1})
}

// sectionOf returns the section of the group that has the offset.
func (g *group) sectionOf(sec *openSection, offset int64) *openSection {
	if offset >= sec.first {
		return sec
	}
	for _, other := range g.sections {
		if other.d == sec.d && offset >= other.first && offset < other.next() {
			return other
		}
	}
	return sec
}

// empties tells whether nothing stands at an offset.
func (g *group) empties(d *dataset, offset int64) (bool, error) {
	for _, h := range g.p.holes {
		if h.ds == d.id && offset >= h.first && offset < h.first+h.count {
			return true, nil
		}
	}
	prefix := dsKey(nil, keyHole, d.id)
	it, err := g.s.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: offsetKey(nil, keyHole, d.id, offset+1)})
	if err != nil {
		return false, indexError(err)
	}
	found := false
	if it.Last() {
		c := &cursor{b: it.Value()}
		found = offset < offsetOf(it.Key())+int64(c.uvarint())
	}
	return found, errors.Join(indexError(it.Error()), it.Close())
}
