package local

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/cockroachdb/pebble/v2"

	"github.com/sluiceio/sluice/store"
)

// Compact implements store.Compacter. It writes one file of the log after the
// other anew, in their order, without what may go. Each is a step: the old file
// serves readers until the new one is there whole, and goes then.
func (s *Store) Compact(ctx context.Context, o store.CompactOptions) (done store.Compacted, err error) {
	if s.o.ReadOnly {
		return done, errReadOnly
	}
	if err := s.enter(); err != nil {
		return done, err
	}
	defer s.leave()
	if !s.passing.TryLock() {
		return done, errBusy
	}
	defer s.passing.Unlock()
	end, err := s.compactable(ctx, o.Seal)
	if err != nil {
		return done, err
	}
	decisions, err := s.decideAll(ctx, &o)
	if err != nil {
		return done, err
	}
	uses, err := s.survey(decisions)
	if err == nil && s.worthSealing(end, decisions, o.SealFrom) {
		end, err = s.compactable(ctx, true)
	}
	for place := s.log.firstSeg; place < end && err == nil; place++ {
		if err = s.goOn(ctx)(); err == nil {
			err = s.compactPlace(ctx, place, uses[place], decisions, &done)
		}
	}
	if errors.Is(err, errRevived) || errors.Is(err, errTurns) {
		err = nil // the files behind must wait for the next call
	}
	return done, err
}

// compactable returns the place of the first file that may not be rewritten
// yet. All before it is in the index for good, so that a restart never applies
// a frame of theirs.
func (s *Store) compactable(ctx context.Context, seal bool) (end uint32, err error) {
	err = s.inWriter(ctx, func() (err error) {
		if seal {
			err = s.sealLog()
		}
		end = s.log.end.seg
		return errorOr(err, s.pastSealed())
	})
	if err == nil && end > s.log.firstSeg {
		err = s.db.Flush()
	}
	return end, err
}

// worthSealing tells whether so large a share of the last file's versions may go
// that it is worth ending it. A small file is not: files are never joined.
func (s *Store) worthSealing(place uint32, decisions map[uint32]*decision, share float64) bool {
	if share <= 0 || len(decisions) == 0 {
		return false
	}
	var bytes, versions, going int64
	err := each(s.db, []byte{keySection}, func(key, row []byte) error {
		x, ok := parseSection(key, row)
		if !ok {
			return s.indexDamaged("a section")
		}
		if placeOf(x.seg) != place {
			return nil
		}
		bytes, versions = bytes+int64(x.size), versions+int64(x.count)
		if y := decisions[numberOf(key)]; y != nil {
			going += y.drop.count(x.first, x.first+int64(x.count))
		}
		return nil
	})
	return err == nil && bytes >= s.log.limit/sealShare && float64(going) >= share*float64(versions)
}

// sealShare is the part of a whole file's size from which on it may be ended early.
const sealShare = 8

// pastSealed has the index stand in the last file: positions in the others
// change.
func (s *Store) pastSealed() error {
	s.applyMu.Lock()
	defer s.applyMu.Unlock()
	if err := errorOr(s.failed, s.spill()); err != nil {
		return err
	}
	m := s.meta
	if m.at.seg == s.log.end.seg && m.newest.seg == s.log.end.seg {
		return nil
	}
	m.at, m.newest = s.log.end, s.log.end
	if err := s.db.Set(metaKey(), m.append(nil), pebble.NoSync); err != nil {
		return err
	}
	s.meta = m
	return nil
}

func (s *Store) decideAll(ctx context.Context, o *store.CompactOptions) (map[uint32]*decision, error) {
	decisions := map[uint32]*decision{}
	for name, keep := range o.Datasets {
		if keep.KeepVersions < 0 || keep.KeepVersions == 0 && keep.MinAge <= 0 {
			return nil, fmt.Errorf("dataset %q: to keep no versions needs an age", name)
		}
		d, err := s.dataset(name)
		if errors.Is(err, store.ErrNoDataset) {
			continue
		}
		floor := store.Offset(math.MaxInt64)
		if at, held := o.Floors[name]; held {
			floor = at
		}
		x, err := s.decide(ctx, d, keep, floor)
		if errors.Is(err, store.ErrNoDataset) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if x != nil {
			decisions[d.id] = x
		}
	}
	return decisions, nil
}

// errTurns is a file that cannot be written anew any more.
var errTurns = errors.New("the segment was rewritten as often as can be")

// compactPlace rewrites one file, if that is worth it.
func (s *Store) compactPlace(ctx context.Context, place uint32, u use, decisions map[uint32]*decision, done *store.Compacted) error {
	s.compacting.Lock()
	defer s.compacting.Unlock()
	worth, err := s.worthwhile(place, u)
	if err != nil || !worth {
		return err
	}
	if s.log.at(place)>>placeBits == mostTurns {
		return errTurns
	}
	w := s.newRewrite(place, decisions, s.goOn(ctx))
	err = w.make()
	if err == nil && w.change.removed == 0 && w.change.given <= 0 {
		s.barren[w.old] = true
		return s.log.fs.Remove(w.draft())
	}
	if err == nil {
		err = s.inWriter(ctx, func() error { return s.swap(w) })
	}
	if err != nil {
		if s.log.at(place) == w.old {
			_ = s.log.fs.Remove(w.draft())
		}
		return fmt.Errorf("compacting %s: %w", s.log.path(w.old), spaceError(err))
	}
	done.Versions += w.change.removed
	done.Bytes += w.change.given
	done.Files++
	forgotten(done, w)
	return s.refresh(w)
}

// forgotten counts the deleted ids that are gone with a file.
func forgotten(done *store.Compacted, w *rewrite) {
	for _, p := range w.change.purged {
		if x := w.decisions[p.ds]; p.deleted && x.o.TTLDeletes > 0 {
			if done.Forgotten == nil {
				done.Forgotten = map[string]int64{}
			}
			done.Forgotten[x.d.name]++
		}
	}
}

// use is what the versions of datasets take of a file, and whether one of them
// goes.
type use struct {
	bytes int64
	drops bool
}

// survey tells how the files are used, by their place.
func (s *Store) survey(decisions map[uint32]*decision) (map[uint32]use, error) {
	uses := map[uint32]use{}
	err := each(s.db, []byte{keySection}, func(key, row []byte) error {
		x, ok := parseSection(key, row)
		if !ok {
			return s.indexDamaged("a section")
		}
		u := uses[placeOf(x.seg)]
		u.bytes += int64(x.size) + 4*int64(x.count)
		if y := decisions[numberOf(key)]; y != nil && !u.drops {
			u.drops = y.drop.any(x.first, x.first+int64(x.count))
		}
		uses[placeOf(x.seg)] = u
		return nil
	})
	return uses, err
}

// worthwhile tells whether a file holds a version that goes, or to a quarter
// something that is no version of a dataset there is.
func (s *Store) worthwhile(place uint32, u use) (bool, error) {
	n := s.log.at(place)
	size, err := s.log.file(n).Size()
	return u.drops || size-u.bytes > size/4 && !s.barren[n], err
}

// any tells whether one of the numbers is in the set.
func (b *bitset) any(from, to int64) bool {
	for ; from < to; from++ {
		if b.has(from) {
			return true
		}
	}
	return false
}

// count tells how many of the numbers are in the set.
func (b *bitset) count(from, to int64) (n int64) {
	for ; from < to; from++ {
		if b.has(from) {
			n++
		}
	}
	return n
}

// refreshSlice is how many rows are brought up to date at once.
const refreshSlice = 500

// refresh brings the rows of latest versions up to date with where they stand
// now. Until then, or if it ends early, readers find them by their offset.
func (s *Store) refresh(w *rewrite) error {
	var buf []byte
	f := s.log.file(w.new)
	for pos := int64(segmentHeadSize); pos < w.pos; {
		if err := w.stop(); err != nil {
			return err
		}
		h, frame, err := readFrame(f, pos, w.pos, s.log.salt, &buf)
		if err != nil || frame == nil {
			return errorOr(err, s.log.corrupt(w.new, pos, "a damaged frame"))
		}
		if h.kind == frameCompact {
			p, err := parsePayload(frame, h.kind)
			if err == nil {
				err = s.refreshFrame(w, pos+frameHeadSize, p)
			}
			if err != nil {
				return err
			}
		}
		pos += int64(frameSize(h.length))
	}
	return nil
}

func (s *Store) refreshFrame(w *rewrite, base int64, p *payload) error {
	for i := range p.sections {
		sec := &p.sections[i]
		for from := 0; from < len(sec.table); from += refreshSlice {
			if err := s.refreshSection(w, base, sec, from, min(from+refreshSlice, len(sec.table))); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Store) refreshSection(w *rewrite, base int64, sec *sectionEntry, from, to int) error {
	s.applyMu.Lock()
	defer s.applyMu.Unlock()
	if s.byID[sec.ds] == nil {
		return nil
	}
	if err := s.spill(); err != nil {
		return err
	}
	b := s.db.NewBatch()
	defer b.Close()
	for i := from; i < to; i++ {
		rec := sec.record(i)
		r, ok := parseRecord(rec, s.log.salt)
		if !ok {
			continue
		}
		key := latestKey(nil, sec.ds, r.id)
		var l latest
		known, err := value(s.db, key, func(row []byte) (ok bool) {
			l, ok = parseLatest(row)
			return ok
		})
		if err != nil {
			return err
		}
		if !known || l.offset != r.offset {
			continue
		}
		l.loc = location{seg: w.new, pos: uint32(base) + uint32(sec.recordAt) + sec.table[i], size: uint32(len(rec))}
		if err := b.Set(key, appendLatest(nil, &l), nil); err != nil {
			return err
		}
		s.table.move(s.table.key(sec.ds, r.id), l.offset, l.loc)
	}
	return b.Commit(pebble.NoSync)
}
