package local

import (
	"context"
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// ordered reads what touched a key of an index, in the order of the log, out of
// the index as it was at one moment.
type ordered struct {
	s     *Store
	d     *dataset
	x     *secondary
	q     *store.Query
	snap  *pebble.Snapshot
	upTo  int64 // the snapshot knows the log up to there
	seen  follow
	arena *entity.Arena
	page  store.Page
	size  int
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
	o := &ordered{s: s, d: d, x: x, q: &q, snap: s.db.NewSnapshot(), arena: a}
	err = o.read(ctx)
	return o.page, errors.Join(err, o.snap.Close())
}

func (o *ordered) read(ctx context.Context) error {
	o.upTo = int64(store.Start)
	known, err := value(o.snap, indexKey(o.d.id, o.x.name), func(b []byte) (ok bool) {
		_, o.upTo, ok = parseIndexRow(b)
		return ok
	})
	if err != nil || !known {
		return errorOr(err, o.s.missing(o.d))
	}
	o.seen = follow{s: o.s, d: o.d, from: o.upTo, last: o.upTo}
	it, err := o.snap.NewIter(orderBounds(o.x.id, o.q))
	if err != nil {
		return err
	}
	o.page.Next = o.q.Since
	err = o.entries(ctx, it)
	if o.page.End = err == nil && !it.Valid() && it.Error() == nil; o.page.End {
		o.page.Next = max(o.q.Since, store.Offset(o.upTo))
		if o.q.Reverse && o.upTo >= 0 {
			o.page.Next = 0
		}
	}
	return errors.Join(err, it.Error(), it.Close())
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

// entries reads what the iterator leads to until the page is full.
func (o *ordered) entries(ctx context.Context, it *pebble.Iterator) error {
	start, next := it.First, it.Next
	if o.q.Reverse {
		start, next = it.Last, it.Prev
	}
	for ok := start(); ok; ok = next() {
		e, ok := parseEntry(it.Value())
		if !ok {
			return o.s.indexDamaged("an index entry")
		}
		replaced, err := o.replaced(&e)
		if err != nil {
			return err
		}
		if replaced && e.state == entryPresent {
			continue // by a version that touched the key, too
		}
		if len(o.page.Entities) == o.q.Limit || o.size >= pageBytes {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := o.show(&e, replaced); err != nil {
			return err
		}
	}
	return nil
}

// replaced tells whether a reader of newest versions has to ask if a later one
// stands for this one.
func (o *ordered) replaced(e *entry) (bool, error) {
	if o.q.History {
		return false, nil
	}
	return o.seen.replaced(e.offset)
}

// show puts a version on the page. What has left the key is a tombstone to its
// reader, until the id has the key again; what follows without it does not touch
// the key.
func (o *ordered) show(e *entry, replaced bool) error {
	o.page.Next = store.Offset(e.offset)
	v, err := o.s.show(o.d, e.loc, e.offset, o.arena)
	if err == nil && replaced {
		var last bool
		if last, err = o.lastTouch(e, v); err == nil && !last {
			return nil
		}
	}
	if errors.Is(err, errGone) {
		return nil
	}
	if err != nil {
		return err
	}
	if e.state == entryLeft {
		v.Object().Set(entity.DeletedKey, entity.NewBool(true))
	}
	o.size += int(e.loc.size)
	o.page.Entities = append(o.page.Entities, v)
	return nil
}

// lastTouch tells whether no later version of the id touched the key.
func (o *ordered) lastTouch(e *entry, v entity.Value) (last bool, err error) {
	id, _ := entity.ID(v)
	key := append(entryPrefix(nil, keyEntry, o.x.id, o.q.Key), id...)
	_, err = value(o.snap, key, func(row []byte) bool {
		now, ok := parseEntry(row)
		last = now.offset == e.offset
		return ok
	})
	return last, err
}
