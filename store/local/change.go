package local

import (
	"fmt"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// write takes the i-th write of a batch in.
func (g *group) write(p *pending, i int) error {
	w := &p.writes[i]
	d, err := g.dataset(w.dataset)
	if err != nil {
		return err
	}
	sec := g.section(d)
	n, size, hinted := len(sec.table), len(sec.records), len(sec.hints)
	g.undo = append(g.undo, func() {
		sec.table, sec.records, sec.hints = sec.table[:n], sec.records[:size], sec.hints[:hinted]
	})
	before := g.count
	out := make([]store.Outcome, len(w.ops))
	for j := range w.ops {
		if w.ops[j].same {
			if d != w.d {
				return fmt.Errorf("dataset %q was made anew meanwhile: %w", d.name, store.ErrConflict)
			}
			continue // store.Unchanged
		}
		if out[j], err = g.op(d, &w.ops[j]); err != nil {
			return fmt.Errorf("dataset %q, entity %q: %w", d.name, w.ops[j].id, err)
		}
	}
	p.result.Outcomes[i] = out
	p.result.Changed += g.count - before
	return nil
}

func (g *group) section(d *dataset) *openSection {
	sec := g.byDS[d]
	if sec == nil {
		n := len(g.sections)
		g.undo = append(g.undo, func() { // or a section before it that is taken out takes it along
			delete(g.byDS, d)
			g.sections = g.sections[:n]
		})
		sec = g.spareSection()
		sec.d, sec.first = d, g.w.next(d)
		g.byDS[d] = sec
		g.sections = append(g.sections, sec)
	}
	return sec
}

// spareSection returns an empty section with the memory of an earlier one.
func (g *group) spareSection() *openSection {
	n := len(g.sections)
	if n == cap(g.sections) || g.sections[:n+1][n] == nil {
		return &openSection{}
	}
	sec := g.sections[:n+1][n]
	if sec.table = sec.table[:0]; cap(sec.records) > 4*groupBytes {
		sec.records = nil
	}
	sec.records, sec.hints = sec.records[:0], sec.hints[:0]
	return sec
}

// op does one op: a version is appended if the id is new, the content differs
// or the deleted flag flips (the hash covers it).
func (g *group) op(d *dataset, op *encodedOp) (store.Outcome, error) {
	key := versionKey{d, op.id}
	cur, known, err := g.find(key)
	if err != nil {
		return store.Unchanged, err
	}
	if op.place != nil {
		return g.place(d, op, cur, known)
	}
	sec := g.byDS[d]
	if op.kind == store.Delete {
		if !known || cur.deleted {
			return store.Unchanged, nil
		}
		if err := g.makeTombstone(sec, op, cur); err != nil {
			return store.Unchanged, err
		}
	} else if known && cur.hash == half(op.hash) && !op.force {
		return store.Unchanged, nil
	}
	r := g.record(sec, op, cur, known)
	r.ts = g.stamp(g.s.o.Clock())
	g.version(sec, &r, key, cur, known)
	return outcome(op, known), nil
}

func outcome(op *encodedOp, known bool) store.Outcome {
	switch {
	case op.deleted:
		return store.Removed
	case known:
		return store.Updated
	default:
		return store.Added
	}
}

// find returns the latest version of an id, in the group or before it. A
// location in segment 0 is a place in the group's section.
func (g *group) find(key versionKey) (latest, bool, error) {
	if l, ok := g.latest[key]; ok {
		return l, true, nil
	}
	if l, ok := g.w.latest(key); ok {
		return l, true, nil
	}
	return g.s.newestForWriter(key.d, key.id)
}

// versionChange is what a version replaced in the group's table.
type versionChange struct {
	key    versionKey
	before latest
	had    bool
}

// undoVersions takes the versions of a refused batch out of the table.
func (g *group) undoVersions() {
	for i := len(g.versionUndo) - 1; i >= 0; i-- {
		if u := g.versionUndo[i]; u.had {
			g.latest[u.key] = u.before
		} else {
			delete(g.latest, u.key)
		}
	}
}

// record is the version that an op makes at the end of a section.
func (g *group) record(sec *openSection, op *encodedOp, cur latest, known bool) record {
	r := record{ds: sec.d.id, offset: sec.next(), prev: -1, hash: op.hash, deleted: op.deleted, id: []byte(op.id), body: op.body}
	if known {
		r.prev, r.prevDead = cur.offset, cur.deleted
	}
	return r
}

func (g *group) version(sec *openSection, r *record, key versionKey, cur latest, known bool) {
	if known && cur.loc.seg != 0 {
		sec.hints = append(sec.hints, hint{by: r.offset, loc: cur.loc})
	}
	at := len(sec.records)
	sec.table = append(sec.table, uint32(at))
	sec.records = appendRecord(sec.records, g.s.log.salt, r)
	g.count++
	before, had := g.latest[key]
	g.versionUndo = append(g.versionUndo, versionChange{key, before, had})
	g.latest[key] = latest{offset: r.offset, hash: half(r.hash), deleted: r.deleted,
		loc: location{pos: uint32(at), size: uint32(len(sec.records) - at)}}
}

// makeTombstone fills the op with the deleted form of the current version.
func (g *group) makeTombstone(sec *openSection, op *encodedOp, cur latest) error {
	g.arena.Reset()
	body, err := g.body(sec, cur)
	if err != nil {
		return err
	}
	v, err := tombstone(g.arena, body, op.mark)
	if err != nil {
		return err
	}
	op.deleted, op.hash = true, entity.Hash(v)
	op.body = entity.AppendJSON(nil, v)
	return nil
}

func (g *group) body(sec *openSection, cur latest) ([]byte, error) {
	if cur.loc.seg == 0 {
		sec = g.sectionOf(sec, cur.offset)
		r, ok := parseRecord(sec.records[cur.loc.pos:cur.loc.pos+cur.loc.size], g.s.log.salt)
		if !ok {
			return nil, store.ErrCorrupt
		}
		return r.body, nil
	}
	r, _, err := g.s.readRecord(sec.d, cur.loc, cur.offset, g.arena)
	return r.body, err
}
