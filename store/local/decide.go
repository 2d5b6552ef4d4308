package local

import (
	"bytes"
	"context"
	"errors"
	"math"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// decision says which versions of a dataset may go. It is made once for all
// files, from the newest version to the oldest. If a version may go, so may all
// before it of its id: files are rewritten in the order of the log, so what is
// left of an id is always its end, and an index made anew cannot bring back
// what was purged.
type decision struct {
	d        *dataset
	o        store.Retention
	floor    int64
	indexed  int64 // up to where the secondary indexes have followed
	started  time.Time
	now      func() time.Time
	ranks    []*bitset // versions to come, by how many newer ones there are
	followed bitset    // versions whose successor may still be asked for
	purged   bitset
	newest   bitset // those of purged that are the newest of their id
	retract  bitset
	drop     bitset
	count    int
}

// decideWindow is how many versions are looked at in one read.
const decideWindow = 1000

// decide looks at the versions of a dataset; nil if all of them stay.
func (s *Store) decide(ctx context.Context, d *dataset, o store.Retention, floor store.Offset) (*decision, error) {
	if err := errors.Join(s.dropOrphans(d), s.loadReplaced(d)); err != nil {
		return nil, err
	}
	indexed := s.lowest(d)
	x := &decision{d: d, o: o, floor: min(int64(floor), indexed), indexed: indexed, now: s.o.Clock, started: s.o.Clock()}
	a := entity.NewArena()
	for high := s.highest(d, s.lastOf(d)); high >= 0; high = s.highest(d, high-decideWindow) {
		a.Reset()
		offsets := s.thereDown(d, high, max(high-decideWindow, -1))
		for len(offsets) > 0 {
			r := &pageReader{s: s, d: d, arena: a}
			err := r.read(s.goOn(ctx), offsets, func(rec *record, _ location) error { return x.look(s, rec) })
			if err != nil {
				return nil, err
			}
			offsets = offsets[r.did:]
		}
	}
	if x.count == 0 {
		return nil, nil
	}
	return x, nil
}

// goOn ends work when its context or the store does.
func (s *Store) goOn(ctx context.Context) func() error {
	return func() error { return errorOr(ctx.Err(), s.stopped()) }
}

// thereDown lists the versions from high down to behind low that are there.
func (s *Store) thereDown(d *dataset, high, low int64) (offsets []int64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for o := d.gone.prevClear(high); o > low; o = d.gone.prevClear(o - 1) {
		offsets = append(offsets, o)
	}
	return offsets
}

// highest returns the greatest offset up to high at which something stands, -1 if
// there is none.
func (s *Store) highest(d *dataset, high int64) int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return d.gone.prevClear(high)
}

// lowest returns the place up to which the secondary indexes have followed the log.
func (s *Store) lowest(d *dataset) int64 {
	floor := int64(math.MaxInt64)
	_ = each(s.db, dsKey(nil, keyIndex, d.id), func(_, row []byte) error {
		if _, upTo, ok := parseIndexRow(row); ok {
			floor = min(floor, upTo)
		}
		return nil
	})
	return floor
}

// look decides about a version and what it means for the one before it.
func (x *decision) look(s *Store, r *record) error {
	s.mu.RLock()
	replaced := x.d.replaced.has(r.offset)
	s.mu.RUnlock()
	rank := x.rank(r.offset, replaced)
	purge := x.purged.has(r.offset)
	if !replaced && x.purges(r) {
		purge = true
		x.newest.set(r.offset)
	}
	retract := x.retract.has(r.offset)
	old := x.o.MinAge == 0 || r.ts <= x.started.Add(-x.o.MinAge).UnixMicro()
	// The newest version stays unless its id is purged; all others go by rank,
	// age, and whether somebody still compares them with their successor.
	if purge || replaced && !x.followed.has(r.offset) && (retract || old && rank >= x.o.KeepVersions) {
		x.drop.set(r.offset)
		x.count++
	}
	if r.prev < 0 {
		return nil
	}
	if purge {
		x.purged.set(r.prev)
	}
	if r.offset > x.floor {
		x.followed.set(r.prev)
	}
	retracts, err := x.retracts(r)
	if retract || retracts {
		x.retract.set(r.prev)
	}
	x.follow(r.prev, rank+1)
	return err
}

// drops tells whether a version goes. A newest one that was to be purged stays
// if it has been replaced meanwhile.
func (x *decision) drops(s *Store, offset int64) bool {
	if !x.drop.has(offset) || !x.newest.has(offset) {
		return x.drop.has(offset)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return !x.d.replaced.has(offset)
}

// rank returns how many newer versions of the id are kept count of; what has
// been replaced by something no longer there is beyond all counting.
func (x *decision) rank(offset int64, replaced bool) int {
	if !replaced {
		return 0
	}
	for i, set := range x.ranks {
		if set.has(offset) {
			return i + 1
		}
	}
	return x.o.KeepVersions
}

func (x *decision) follow(offset int64, rank int) {
	if rank >= x.o.KeepVersions {
		return
	}
	for len(x.ranks) < rank {
		x.ranks = append(x.ranks, &bitset{})
	}
	x.ranks[rank-1].set(offset)
}

// purges tells whether an id is to be forgotten whose newest version is r.
func (x *decision) purges(r *record) bool {
	if r.offset > x.floor {
		return x.o.KeepVersions == 0 && r.offset <= x.indexed && x.older(r, x.o.MaxAge)
	}
	if x.o.KeepVersions == 0 && x.older(r, x.o.MinAge) {
		return true
	}
	return r.deleted && x.older(r, x.o.TTLDeletes) && x.within(x.o.TTLBudget)
}

// older tells whether a version has an age; 0 is none.
func (x *decision) older(r *record, age time.Duration) bool {
	return age > 0 && r.ts <= x.started.Add(-age).UnixMicro()
}

func (x *decision) within(budget time.Duration) bool {
	return budget == 0 || x.now().Sub(x.started) <= budget
}

var retractMark = []byte(`"$retract"`)

// retracts tells whether a version has "$retract": true.
func (x *decision) retracts(r *record) (bool, error) {
	if !x.o.Retract || !bytes.Contains(r.body, retractMark) || !x.within(x.o.RetractBudget) {
		return false, nil
	}
	v, err := entity.Decode(entity.NewArena(), r.body, storedForm())
	if err != nil || v.Object() == nil {
		return false, errorOr(err, store.ErrCorrupt)
	}
	mark, _ := v.Object().Get("$retract")
	return mark.Bool(), nil
}
