package local

import (
	"context"
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
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

// readIndexed returns a page of what touched an index key.
func (s *Store) readIndexed(ctx context.Context, d *dataset, q store.Query, a *entity.Arena) (store.Page, error) {
	if q.Limit <= 0 {
		q.Limit = defaultLimit
	}
	x, err := d.index(q.Index)
	if err == nil {
		err = s.bringUp(ctx, d, x)
	}
	if err == nil && !q.History {
		err = s.loadReplaced(d)
	}
	if err != nil {
		return store.Page{}, err
	}
	snap := s.db.NewSnapshot()
	page, err := s.indexPage(ctx, snap, d, x, &q, a)
	return page, errors.Join(err, snap.Close())
}

func (s *Store) indexPage(ctx context.Context, snap *pebble.Snapshot, d *dataset, x *secondary, q *store.Query, a *entity.Arena) (page store.Page, err error) {
	upTo := int64(store.Start)
	known, err := value(snap, indexKey(d.id, x.name), func(b []byte) (ok bool) {
		_, upTo, ok = parseIndexRow(b)
		return ok
	})
	if err != nil || !known {
		return page, errorOr(err, s.missing(d))
	}
	it, err := snap.NewIter(orderBounds(x.id, q))
	if err != nil {
		return page, err
	}
	page, err = s.orderedPage(ctx, it, d, q, upTo, a)
	if page.End {
		page.Next = max(q.Since, store.Offset(upTo))
		if q.Reverse && upTo >= 0 {
			page.Next = 0
		}
	}
	return page, errors.Join(err, it.Close())
}

func orderBounds(index uint32, q *store.Query) *pebble.IterOptions {
	prefix := entryPrefix(nil, keyOrder, index, q.Key)
	o := &pebble.IterOptions{LowerBound: prefix, UpperBound: after(prefix)}
	switch {
	case q.Reverse && q.Since != store.Start:
		o.UpperBound = orderKey(nil, index, q.Key, int64(q.Since))
	case !q.Reverse:
		o.LowerBound = orderKey(nil, index, q.Key, int64(q.Since)+1)
	}
	return o
}

// orderedPage reads the versions the iterator leads to; the page is at its end
// if the iterator is.
func (s *Store) orderedPage(ctx context.Context, it *pebble.Iterator, d *dataset, q *store.Query, upTo int64, a *entity.Arena) (page store.Page, err error) {
	start, next := it.First, it.Next
	if q.Reverse {
		start, next = it.Last, it.Prev
	}
	size, seen := 0, follow{s: s, d: d, from: upTo, last: upTo}
	page.Next = q.Since
	for ok := start(); ok; ok = next() {
		e, ok := parseEntry(it.Value())
		if !ok {
			return page, s.indexDamaged("an index entry")
		}
		if !q.History {
			if old, err := seen.outdated(&e); err != nil {
				return page, err
			} else if old {
				continue
			}
		}
		if len(page.Entities) == q.Limit || size >= pageBytes {
			return page, nil
		}
		if err := ctx.Err(); err != nil {
			return page, err
		}
		v, err := s.showEntry(d, &e, a)
		if errors.Is(err, errGone) {
			page.Next = store.Offset(e.offset)
			continue
		}
		if err != nil {
			return page, err
		}
		size += int(e.loc.size)
		page.Entities = append(page.Entities, v)
		page.Next = store.Offset(e.offset)
	}
	page.End = it.Error() == nil
	return page, it.Error()
}

// showEntry reads a version for a reader of the key. What has left it is a
// tombstone to that reader.
func (s *Store) showEntry(d *dataset, e *entry, a *entity.Arena) (entity.Value, error) {
	v, err := s.show(d, e.loc, e.offset, a)
	if err == nil && e.state&entryLeft != 0 {
		v.Object().Set(entity.DeletedKey, entity.NewBool(true))
	}
	return v, err
}
