package local

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// twin is the index of a data folder, opened for reading only, and beside it
// one in memory that the same part of the log has made.
type twin struct {
	have *pebble.DB
	upTo position // of the log, which have has taken in
	made *Store
	path string

	newest uint64          // the frame up to which have knows newest versions
	late   map[string]bool // the keys of those it may not know yet
}

func openTwin(dir, index string, l *wlog) (*twin, error) {
	t := &twin{path: index, late: map[string]bool{}}
	var err error
	if t.have, err = pebble.Open(t.path, &pebble.Options{ReadOnly: true, DisableWAL: true, Logger: quiet{pebble.DefaultLogger}}); err != nil {
		return nil, err
	}
	known := meta{}
	if _, err = value(t.have, metaKey(), func(b []byte) (ok bool) {
		known, ok = parseMeta(b)
		return ok
	}); err != nil {
		return nil, errors.Join(err, t.have.Close())
	}
	t.upTo, t.newest = known.at, known.newest.seq
	if err := l.settle(t.have, known.at); err != nil {
		return nil, errors.Join(err, t.have.Close())
	}
	t.made = &Store{dir: dir, o: Options{IndexFS: vfs.NewMem(), CacheEntries: bucketSize}.withDefaults(), log: l, datasets: map[string]*dataset{}, byID: map[uint32]*dataset{},
		reserve: &reserve{fs: newMemFS(), dir: dir, stop: make(chan struct{})}}
	t.made.remembering()
	if err := t.made.openIndex(); err != nil {
		return nil, errors.Join(err, t.have.Close())
	}
	return t, nil
}

// apply takes in a frame that the index has taken in.
func (t *twin) apply(at position, kind frameKind, payload []byte) error {
	place, upTo := placeOf(at.seg), placeOf(t.upTo.seg)
	if place > upTo || place == upTo && at.pos >= t.upTo.pos {
		return nil
	}
	if at.seq >= t.newest {
		t.note(payload, kind)
	}
	return t.made.apply(at, kind, payload)
}

// note keeps the keys of what a frame brings. The next start reads it again, and
// writes their rows.
func (t *twin) note(payload []byte, kind frameKind) {
	p, err := parsePayload(payload, kind)
	if err != nil {
		return // apply says so
	}
	for i := range p.sections {
		sec := &p.sections[i]
		for j := range sec.table {
			if r, ok := parseRecord(sec.record(j), t.made.log.salt); ok {
				t.late[string(latestKey(nil, sec.ds, r.id))] = true
			}
		}
	}
}

// compare reports the rows that are not alike, of those that follow from the
// log: not of secondary indexes, which come and go with the pipes.
func (t *twin) compare(report func(string)) (rows int, err error) {
	t.made.applyMu.Lock()
	err = t.made.spill()
	t.made.applyMu.Unlock()
	for _, kind := range []byte{keyMeta, keyDataset, keyLatest, keySection, keyHole, keyState} {
		n, kindErr := t.compareKind(kind, report)
		rows, err = rows+n, errors.Join(err, kindErr)
	}
	return rows, err
}

func (t *twin) compareKind(kind byte, report func(string)) (rows int, err error) {
	bounds := &pebble.IterOptions{LowerBound: []byte{kind}, UpperBound: []byte{kind + 1}}
	have, err := t.have.NewIter(bounds)
	if err != nil {
		return 0, err
	}
	made, err := t.made.db.NewIter(bounds)
	if err != nil {
		return 0, errors.Join(err, have.Close())
	}
	h, m := t.skip(have, have.First()), t.skip(made, made.First())
	for h || m {
		order := 0
		switch {
		case !h:
			order = 1
		case !m:
			order = -1
		default:
			order = bytes.Compare(have.Key(), made.Key())
		}
		switch {
		case order < 0:
			report(fmt.Sprintf("the index in %s has a row %x that does not follow from the log", t.path, have.Key()))
		case order > 0:
			report(fmt.Sprintf("the index in %s lacks the row %x", t.path, made.Key()))
		case !slices.Equal(t.plain(kind, have.Value()), t.plain(kind, made.Value())):
			report(fmt.Sprintf("the index in %s has a wrong row %x", t.path, have.Key()))
		}
		if order <= 0 {
			rows++
			h = t.skip(have, have.Next())
		}
		if order >= 0 {
			m = t.skip(made, made.Next())
		}
	}
	return rows, errors.Join(indexError(have.Error()), made.Error(), have.Close(), made.Close())
}

// skip moves over the rows that need not be true.
func (t *twin) skip(it *pebble.Iterator, there bool) bool {
	for there && t.late[string(it.Key())] {
		there = it.Next()
	}
	return there
}

// plain leaves out where a version stands if the row tells the place in a file
// that was rewritten since: readers then look for the version by its offset.
func (t *twin) plain(kind byte, row []byte) []byte {
	if m, ok := parseMeta(row); ok && kind == keyMeta {
		m.at, m.newest = position{}, position{} // between the same frames there are two positions where files meet
		return m.append(nil)
	}
	l, ok := parseLatest(row)
	if kind != keyLatest || !ok || !rewritten(t.made.log.at(placeOf(l.loc.seg))) {
		return row
	}
	l.loc = location{seg: placeOf(l.loc.seg)}
	return appendLatest(nil, &l)
}

func (t *twin) close() { _ = errors.Join(t.have.Close(), t.made.db.Close()) }
