package local

import (
	"context"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// Version is a version as it is stored, for readers who pass entities on
// without looking into them.
type Version struct {
	Offset   store.Offset
	Previous store.Offset // store.Start if it is the first of its id
	TS       int64        // microseconds since 1970
	Hash     [16]byte
	Deleted  bool
	ID       []byte
	JSON     []byte // without the reserved members that Read adds
}

// Versions is Read without decoding: it hands a page of versions to yield, in
// memory of the arena, and returns where the page ends and whether the log
// does. It takes no Index. An error of yield ends the page.
func (s *Store) Versions(ctx context.Context, name string, q store.Query, a *entity.Arena,
	yield func(*Version) error,
) (next store.Offset, end bool, err error) {
	if err := s.enter(); err != nil {
		return q.Since, false, err
	}
	defer s.leave()
	d, err := s.dataset(name)
	if err != nil {
		return q.Since, false, err
	}
	var v Version
	return s.page(ctx, d, q, a, func(r *record, _ location) error {
		v = Version{Offset: store.Offset(r.offset), Previous: store.Offset(r.prev), TS: r.ts, Hash: r.hash,
			Deleted: r.deleted, ID: r.id, JSON: r.body}
		return yield(&v)
	})
}

// page reads a page of a dataset, not of an index.
func (s *Store) page(ctx context.Context, d *dataset, q store.Query, a *entity.Arena, yield func(*record, location) error) (store.Offset, bool, error) {
	if q.Limit <= 0 {
		q.Limit = defaultLimit
	}
	p, err := s.plan(d, &q)
	if err != nil {
		return q.Since, false, err
	}
	r := &pageReader{s: s, d: d, arena: a}
	err = r.read(ctx.Err, p.offsets, yield)
	if err == nil && r.did < len(p.offsets) {
		return store.Offset(p.offsets[r.did-1]), false, nil
	}
	return p.next, p.end, err
}
