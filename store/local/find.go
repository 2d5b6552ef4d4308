package local

import (
	"context"
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/sluiceio/sluice/entity"
)

// Find implements store.Store. It sees every batch that was waited for before
// the call. Yield may call the store again.
func (s *Store) Find(ctx context.Context, name, index string, keys [][]byte, a *entity.Arena,
	yield func(key int, e entity.Value) bool,
) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	d, x, err := s.openIndexed(ctx, name, index)
	if err != nil {
		return err
	}
	f := &finder{s: s, d: d, x: x, arena: a}
	if f.it, err = s.db.NewIter(nil); err != nil {
		return err
	}
	more, err := f.begin()
	for i := 0; i < len(keys) && more && err == nil; i++ {
		more, err = f.key(ctx, keys[i], func(e entity.Value) bool { return yield(i, e) })
	}
	return errors.Join(err, f.it.Close())
}

func (s *Store) openIndexed(ctx context.Context, name, index string) (*dataset, *secondary, error) {
	d, err := s.dataset(name)
	if err != nil {
		return nil, nil, err
	}
	x, err := d.index(index)
	if err != nil {
		return nil, nil, err
	}
	return d, x, s.bringUp(ctx, d, x)
}

// finder looks up keys of an index, which says what has a key. The versions of
// that are looked up by id, and are those that the index knows: so a batch is
// found whole or not at all.
type finder struct {
	s     *Store
	d     *dataset
	x     *secondary
	it    *pebble.Iterator
	upTo  int64 // the iterator sees the log up to there
	arena *entity.Arena
}

// begin finds out how far the iterator sees; false if the index was dropped.
func (f *finder) begin() (ok bool, err error) {
	row := indexKey(f.d.id, f.x.name)
	if !f.it.SeekGE(row) || string(f.it.Key()) != string(row) {
		return false, errorOr(f.it.Error(), f.s.missing(f.d))
	}
	if _, f.upTo, ok = parseIndexRow(f.it.Value()); !ok {
		return false, f.s.indexDamaged("an index")
	}
	return true, nil
}

// key yields what has the key; false if yield had enough.
func (f *finder) key(ctx context.Context, key []byte, yield func(entity.Value) bool) (bool, error) {
	prefix := entryPrefix(nil, keyEntry, f.x.id, key)
	f.it.SetBounds(prefix, after(prefix))
	for ok := f.it.First(); ok; ok = f.it.Next() {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		e, ok := parseEntry(f.it.Value())
		if !ok {
			return false, f.s.indexDamaged("an index entry")
		}
		if e.state != entryPresent {
			continue
		}
		v, err := f.version(string(f.it.Key()[len(prefix):]), key)
		if err != nil || v.Object() != nil && !yield(v) {
			return false, err
		}
	}
	return true, f.it.Error()
}

// version returns the version of an id that the index knows. If compaction has
// removed that, the newest one stands in for it, provided that it has the key.
func (f *finder) version(id string, key []byte) (entity.Value, error) {
	v, l, err := f.s.getNewest(f.d, id, f.arena)
	if err == nil && v.Object() == nil {
		return v, f.s.stillThere(f.d) // or else it was purged
	}
	newest := v
	for err == nil && v.Object() != nil && l.offset > f.upTo {
		v, l.offset, err = f.before(l)
		l.loc = location{}
	}
	if !errors.Is(err, errGone) {
		return v, err
	}
	has := false
	if !entity.Deleted(newest) {
		f.x.keys(newest, func(k []byte) { has = has || string(k) == string(key) })
	}
	if !has {
		newest = entity.Value{}
	}
	return newest, nil
}

// before returns the version that another one replaced.
func (f *finder) before(l latest) (v entity.Value, prev int64, err error) {
	r, _, err := f.s.readRecord(f.d, l.loc, l.offset, f.arena)
	if prev = r.prev; err != nil || prev < 0 {
		return v, prev, err
	}
	v, err = f.s.show(f.d, location{}, prev, f.arena)
	return v, prev, err
}
