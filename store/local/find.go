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
	it, err := s.db.NewIter(nil)
	if err != nil {
		return err
	}
	more := true
	for i := 0; i < len(keys) && more && err == nil; i++ {
		more, err = s.findKey(ctx, it, d, x, keys[i], a, func(e entity.Value) bool { return yield(i, e) })
	}
	return errors.Join(err, it.Close())
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

// findKey yields what has the key; false if yield had enough.
func (s *Store) findKey(ctx context.Context, it *pebble.Iterator, d *dataset, x *secondary, key []byte,
	a *entity.Arena, yield func(entity.Value) bool,
) (bool, error) {
	prefix := entryPrefix(nil, keyEntry, x.id, key)
	it.SetBounds(prefix, after(prefix))
	for ok := it.First(); ok; ok = it.Next() {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		e, ok := parseEntry(it.Value())
		if !ok {
			return false, s.indexDamaged("an index entry")
		}
		if e.state != entryPresent {
			continue
		}
		v, err := s.showPresent(d, it.Key(), e, a)
		if errors.Is(err, errGone) {
			continue
		}
		if err != nil || !yield(v) {
			return false, err
		}
	}
	return true, it.Error()
}

// showPresent reads the version that an entry speaks of. If compaction has
// removed it since, the entry as it is now is asked; errGone if that has none.
func (s *Store) showPresent(d *dataset, key []byte, e entry, a *entity.Arena) (entity.Value, error) {
	for {
		v, err := s.show(d, e.loc, e.offset, a)
		if !errors.Is(err, errGone) {
			return v, err
		}
		was := e.offset
		_, again := value(s.db, key, func(b []byte) (ok bool) {
			e, ok = parseEntry(b)
			return ok
		})
		if again != nil || e.offset == was || e.state != entryPresent {
			return v, errors.Join(again, err)
		}
	}
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
	page, err = s.orderedPage(ctx, it, d, q, a)
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
func (s *Store) orderedPage(ctx context.Context, it *pebble.Iterator, d *dataset, q *store.Query, a *entity.Arena) (page store.Page, err error) {
	start, next := it.First, it.Next
	if q.Reverse {
		start, next = it.Last, it.Prev
	}
	size := 0
	page.Next = q.Since
	for ok := start(); ok; ok = next() {
		e, ok := parseEntry(it.Value())
		if !ok {
			return page, s.indexDamaged("an index entry")
		}
		if e.state&entryOld != 0 && !q.History {
			continue
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
