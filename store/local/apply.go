package local

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/sluiceio/sluice/store"
)

// A data frame takes effect here, and only here: after it was written and when
// it is replayed. It needs no look-ups, since records tell what they replace.

// change is what a frame does to one dataset in memory.
type change struct {
	d        *dataset
	counts   counts
	replaced []int64
	holes    []hole
	dropped  bool
}

// effects gathers what a frame does, before it is published.
type effects struct {
	batch   *pebble.Batch
	changes []*change
	byID    map[uint32]*change
	newest  []newestVersion // for the table, once the index has them
	states  []stateEntry
	key     []byte
	row     []byte
}

type newestVersion struct {
	d *dataset
	k idKey
	latest
}

func (s *Store) newEffects() *effects {
	return &effects{batch: s.db.NewBatch(), byID: map[uint32]*change{}, newest: s.spare[:0]}
}

// apply brings the index and the datasets in memory to where the frame is.
func (s *Store) apply(at position, kind frameKind, frame []byte) error {
	p, err := parsePayload(frame, kind)
	if err != nil {
		return s.log.corrupt(at.seg, int64(at.pos), err.Error())
	}
	s.applyMu.Lock()
	defer s.applyMu.Unlock()
	if at.seq < s.meta.at.seq {
		return s.catchUp(at, p)
	}
	e := s.newEffects()
	defer e.batch.Close()
	if err := s.gather(e, at, p); err != nil {
		return err
	}
	m := meta{lastTS: p.lastTS, lastRev: p.lastRev, nextDS: p.nextDS, newest: s.meta.newest}
	m.at = position{seg: at.seg, pos: at.pos + uint32(frameSize(uint64(len(frame)))), seq: at.seq + 1}
	if s.late.empty() {
		m.newest = m.at
	}
	if err := e.batch.Set(metaKey(), m.append(nil), nil); err != nil {
		return err
	}
	if err := e.batch.Commit(pebble.NoSync); err != nil {
		return fmt.Errorf("index: %w", err)
	}
	s.meta = m
	if err := s.remember(e); err != nil {
		return fmt.Errorf("index: %w", err)
	}
	s.publish(e)
	return nil
}

// remember puts newest versions into the table, where those whose rows are late
// are found from now on.
func (s *Store) remember(e *effects) error {
	for i := range e.newest {
		n := &e.newest[i]
		s.table.put(n.k, n.d, &n.latest)
	}
	if s.spare = e.newest; cap(s.spare) > 8*indexSlice {
		s.spare = nil
	}
	if s.late.full() {
		return s.spill()
	}
	return s.late.err
}

func (s *Store) gather(e *effects, at position, p *payload) error {
	for _, c := range p.creates {
		d := newDataset(c.ds, c.name, c.gen)
		d.replaced, d.gone = &bitset{}, &bitset{}
		s.adopt(d)
		e.add(&change{d: d, counts: d.counts})
	}
	for i := range p.sections {
		c, err := s.changeOf(e, p.sections[i].ds)
		if err == nil {
			err = s.gatherSection(e, c, at, &p.sections[i])
		}
		if err != nil {
			return err
		}
	}
	if err := s.gatherRemovals(e, p); err != nil {
		return err
	}
	for _, ds := range p.populate {
		c, err := s.changeOf(e, ds)
		if err != nil {
			return err
		}
		c.counts.populated = true
	}
	for _, st := range p.states {
		if err := e.setState(st); err != nil {
			return err
		}
	}
	e.states = p.states
	for _, ds := range p.drops {
		c, err := s.changeOf(e, ds)
		if err != nil {
			return err
		}
		c.dropped = true
	}
	return s.gatherDatasets(e)
}

func (e *effects) add(c *change) {
	e.changes = append(e.changes, c)
	e.byID[c.d.id] = c
}

// changeOf returns the change of a dataset, begun with what it is now.
func (s *Store) changeOf(e *effects, ds uint32) (*change, error) {
	if c := e.byID[ds]; c != nil {
		return c, nil
	}
	d := s.byID[ds]
	if d == nil {
		return nil, fmt.Errorf("%w: the log speaks of a dataset number %d that was never made", store.ErrCorrupt, ds)
	}
	c := &change{d: d, counts: d.counts}
	e.add(c)
	return c, nil
}

func (s *Store) gatherSection(e *effects, c *change, at position, sec *sectionEntry) error {
	base := at.pos + frameHeadSize
	row := section{
		first: sec.first, seg: at.seg, table: base + uint32(sec.tableAt), records: base + uint32(sec.recordAt),
		count: uint32(len(sec.table)), size: uint32(len(sec.records)),
	}
	e.key = offsetKey(e.key[:0], keySection, c.d.id, sec.first)
	e.row = appendSectionRow(e.row[:0], &row)
	if err := e.batch.Set(e.key, e.row, nil); err != nil {
		return err
	}
	c.counts.size += int64(len(sec.records) + 4*len(sec.table))
	return s.eachVersion(c.d, at, sec, func(r *record, l *latest) error {
		if c.counts.count(r); r.prev >= 0 {
			c.replaced = append(c.replaced, r.prev)
		}
		return s.addNewest(e, c.d, r, l)
	})
}

// eachVersion yields the versions of a section that are there.
func (s *Store) eachVersion(d *dataset, at position, sec *sectionEntry, yield func(*record, *latest) error) error {
	records := at.pos + frameHeadSize + uint32(sec.recordAt)
	for i := range sec.table {
		b := sec.record(i)
		if b == nil {
			continue
		}
		r, ok := parseRecord(b, s.log.salt)
		pos := records + sec.table[i]
		if !ok || r.offset != sec.first+int64(i) || r.ds != d.id {
			return s.damaged(d, location{seg: at.seg, pos: pos})
		}
		l := latest{offset: r.offset, loc: location{seg: at.seg, pos: pos, size: uint32(len(b))},
			hash: half(r.hash), text: textSum(r.body), deleted: r.deleted}
		if err := yield(&r, &l); err != nil {
			return err
		}
	}
	return nil
}

// addNewest notes a version as the newest of its id.
func (s *Store) addNewest(e *effects, d *dataset, r *record, l *latest) error {
	e.newest = append(e.newest, newestVersion{d, s.table.key(d.id, r.id), *l})
	e.key = latestKey(e.key[:0], d.id, r.id)
	e.row = appendLatest(e.row[:0], l)
	if s.late.waits(d, l) {
		s.late.set(e.key, e.row)
		return nil
	}
	if err := s.spill(); err != nil { // an older row must not come after this one
		return err
	}
	return e.batch.Set(e.key, e.row, nil)
}

func (e *effects) setState(st stateEntry) error {
	if st.value == nil {
		return e.batch.Delete(stateKey(st.key), nil)
	}
	return e.batch.Set(stateKey(st.key), append(binary.AppendUvarint(nil, st.rev), st.value...), nil)
}

// gatherDatasets writes the rows of the changed datasets.
func (s *Store) gatherDatasets(e *effects) error {
	for _, c := range e.changes {
		key := dsKey(nil, keyDataset, c.d.id)
		if !c.dropped {
			if err := e.batch.Set(key, appendDataset(nil, c.d, &c.counts), nil); err != nil {
				return err
			}
			continue
		}
		if err := s.gatherDrop(e, c.d, key); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) gatherDrop(e *effects, d *dataset, key []byte) error {
	s.late.drop(dsKey(nil, keyLatest, d.id))
	if err := e.batch.Delete(key, nil); err != nil {
		return err
	}
	for _, kind := range []byte{keyLatest, keySection, keyHole, keyIndex} {
		if err := e.deleteAll(dsKey(nil, kind, d.id)); err != nil {
			return err
		}
	}
	return each(s.db, dsKey(nil, keyIndex, d.id), func(_, row []byte) error {
		id, _, ok := parseIndexRow(row)
		if !ok {
			return s.indexDamaged("an index")
		}
		return e.deleteIndex(id)
	})
}

func (e *effects) deleteIndex(id uint32) error {
	if err := e.deleteAll(dsKey(nil, keyEntry, id)); err != nil {
		return err
	}
	return e.deleteAll(dsKey(nil, keyOrder, id))
}

func (e *effects) deleteAll(prefix []byte) error {
	return e.batch.DeleteRange(bytes.Clone(prefix), after(prefix), nil)
}

// publish shows the changes to readers, all at once.
func (s *Store) publish(e *effects) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.recent.publish(e.states)
	for _, c := range e.changes {
		d := c.d
		d.counts, d.dropped = c.counts, c.dropped
		if d.replaced != nil {
			for _, o := range c.replaced {
				d.replaced.set(o)
			}
			d.setHoles(c.holes)
		}
		if d.since != nil {
			*d.since = append(*d.since, c.replaced...)
		}
		if c.dropped {
			s.table.disown(d)
		}
		switch {
		case c.dropped && s.datasets[d.name] == d:
			delete(s.datasets, d.name)
			delete(s.byID, d.id)
		case c.dropped:
			delete(s.byID, d.id)
		default:
			s.datasets[d.name], s.byID[d.id] = d, d
		}
	}
}
