package local

import (
	"context"
	"errors"
	"fmt"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

const (
	defaultLimit = 100
	// pageBytes ends a page early: entities may be large.
	pageBytes = 16 << 20
	// runBytes bounds one read from the log, except for a larger record.
	runBytes = 1 << 20
)

// Read implements store.Store. A page may hold fewer entities than the limit
// though more follow, if they are large.
func (s *Store) Read(ctx context.Context, name string, q store.Query, a *entity.Arena) (store.Page, error) {
	if err := s.enter(); err != nil {
		return store.Page{}, err
	}
	defer s.leave()
	d, err := s.dataset(name)
	if err != nil {
		return store.Page{}, err
	}
	if q.Index != "" {
		return s.readIndexed(ctx, d, q, a)
	}
	page := store.Page{Entities: make([]entity.Value, 0, min(max(q.Limit, defaultLimit), 1000))}
	page.Next, page.End, err = s.page(ctx, d, q, a, func(rec *record, at location) error {
		v, err := s.shown(d, rec, at, a)
		page.Entities = append(page.Entities, v)
		return err
	})
	return page, err
}

// plan is the choice of versions for a page, made at one moment.
type plan struct {
	offsets []int64
	next    store.Offset
	end     bool
}

func (s *Store) plan(d *dataset, q *store.Query) (plan, error) {
	s.mu.RLock()
	loaded := q.History && !d.holed() || d.replaced != nil
	s.mu.RUnlock()
	if !loaded {
		if err := s.loadReplaced(d); err != nil {
			return plan{}, err
		}
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	skip := d.replaced
	if q.History {
		if skip = d.gone; skip == nil {
			skip = &bitset{}
		}
	}
	if q.Reverse {
		return planBack(d.last, skip, q), nil
	}
	return planOn(d.last, skip, q), nil
}

func planOn(last int64, skip *bitset, q *store.Query) plan {
	at := skip.nextClear(max(int64(q.Since), -1) + 1)
	p := plan{next: q.Since, offsets: make([]int64, 0, max(0, min(int64(q.Limit), last-at+1)))}
	for ; at <= last && len(p.offsets) < q.Limit; at = skip.nextClear(at + 1) {
		p.offsets = append(p.offsets, at)
		p.next = store.Offset(at)
	}
	if at > last {
		p.end, p.next = true, max(q.Since, store.Offset(last))
	}
	return p
}

func planBack(last int64, skip *bitset, q *store.Query) plan {
	p := plan{next: q.Since}
	if q.Since != store.Start {
		last = min(last, int64(q.Since)-1)
	}
	at := skip.prevClear(last)
	for ; at >= 0 && len(p.offsets) < q.Limit; at = skip.prevClear(at - 1) {
		p.offsets = append(p.offsets, at)
		p.next = store.Offset(at)
	}
	if p.end = at < 0; p.end && last >= 0 {
		p.next = 0
	}
	return p
}

// pageReader reads chosen versions of a dataset.
type pageReader struct {
	s     *Store
	d     *dataset
	arena *entity.Arena
	x     *sections
	bytes int
	moves int // how often compaction came between
	did   int // offsets that are done with, those of removed versions included
}

// read yields the versions in the order of offsets, which ascend or descend
// throughout, except for removed ones. It stops early when the page is large
// enough.
func (r *pageReader) read(stop func() error, offsets []int64, yield func(*record, location) error) (err error) {
	if len(offsets) == 0 {
		return nil
	}
	if r.x, err = r.s.newSections(r.d); err != nil {
		return err
	}
	defer func() { r.x.it.Close() }()
	for len(offsets) > 0 && r.bytes < pageBytes {
		if err := stop(); err != nil {
			return err
		}
		n, err := r.run(offsets, yield)
		if offsets, r.did = offsets[n:], r.did+n; errors.Is(err, errMoved) {
			err = r.reopen()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// run reads the first offsets that stand together and returns how many.
func (r *pageReader) run(offsets []int64, yield func(*record, location) error) (int, error) {
	if !r.x.seek(offsets[0]) {
		if err := r.x.it.Error(); err != nil {
			return 0, err
		}
		if n, err := r.s.goneRun(r.d, offsets); n > 0 || err != nil {
			return n, err
		}
		return 0, r.s.missing(r.d)
	}
	n, low, span := r.together(offsets)
	pos, err := r.s.locate(r.x, low, span)
	if err != nil {
		return 0, err
	}
	for done := 0; done < n; {
		did, err := r.chunk(offsets[done:n], low, pos, yield)
		if err != nil {
			return done, err
		}
		if done += did; r.bytes >= pageBytes {
			return done, nil
		}
	}
	return n, nil
}

// missing says why the index has no section: the dataset was dropped under the
// reader, or the index is damaged.
func (s *Store) missing(d *dataset) error {
	if err := s.stillThere(d); err != nil {
		return err
	}
	return s.indexDamaged("a section")
}

// stillThere returns store.ErrNoDataset if the dataset was dropped.
func (s *Store) stillThere(d *dataset) error {
	s.applyMu.Lock()
	defer s.applyMu.Unlock()
	if d.dropped {
		return fmt.Errorf("%w: %q", store.ErrNoDataset, d.name)
	}
	return nil
}

// together returns how many offsets stand in the current section, the lowest
// of them and how many offsets lie between.
func (r *pageReader) together(offsets []int64) (n int, low int64, span int) {
	end := r.x.first + int64(r.x.count)
	for n < len(offsets) && offsets[n] >= r.x.first && offsets[n] < end {
		n++
	}
	low, high := offsets[0], offsets[n-1]
	if low > high {
		low, high = high, low
	}
	return n, low, int(high-low) + 1
}

// gap is the number of bytes worth reading to save a read.
const gap = 16 << 10

// chunk reads with one read as many of the offsets as lie close together; pos
// says where the records from low on begin.
func (r *pageReader) chunk(offsets []int64, low int64, pos []uint32, yield func(*record, location) error) (int, error) {
	from, to := span(offsets[0], low, pos)
	n := 1
	for n < len(offsets) {
		f, t := span(offsets[n], low, pos)
		near := f <= to+gap && t+gap >= from
		if f, t = min(f, from), max(t, to); !near || t-f > runBytes {
			break
		}
		from, to, n = f, t, n+1
	}
	buf := r.arena.Text(int(to - from))[:to-from]
	if err := r.s.readAt(r.d, location{seg: r.x.seg, pos: from}, buf); err != nil {
		return 0, err
	}
	for _, o := range offsets[:n] {
		f, t := span(o, low, pos)
		if f == t {
			continue
		}
		at := location{seg: r.x.seg, pos: f, size: t - f}
		rec, ok := parseRecord(buf[f-from:t-from], r.s.log.salt)
		if !ok || rec.ds != r.d.id || rec.offset != o {
			return 0, r.s.damaged(r.d, at)
		}
		r.bytes += int(at.size)
		if err := yield(&rec, at); err != nil {
			return 0, err
		}
	}
	return n, nil
}

func span(offset, low int64, pos []uint32) (from, to uint32) {
	return pos[offset-low], pos[offset-low+1]
}

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, name string, ids []string, a *entity.Arena) ([]entity.Value, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	d, err := s.dataset(name)
	if err != nil {
		return nil, err
	}
	found := make([]entity.Value, len(ids))
	for i, id := range ids {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if found[i], _, err = s.getNewest(d, id, a); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// getNewest returns the newest version of an id as readers see it, and what is
// known of it. One that compaction removes between the two steps has a newer one
// by then, or was purged.
func (s *Store) getNewest(d *dataset, id string, a *entity.Arena) (v entity.Value, l latest, err error) {
	for range tries {
		l, ok, err := s.newest(d, id)
		if err != nil || !ok {
			return v, l, err
		}
		if v, err = s.showNewest(d, id, l, a); !errors.Is(err, errGone) {
			return v, l, err
		}
	}
	return v, l, s.indexDamaged("the latest version of " + id)
}

// showNewest reads the version that newest has found. If compaction has moved
// it, the table learns where it stands now.
func (s *Store) showNewest(d *dataset, id string, l latest, a *entity.Arena) (v entity.Value, err error) {
	r, at, err := s.readRecord(d, l.loc, l.offset, a)
	if err != nil {
		return v, err
	}
	if string(r.id) != id {
		return v, s.damaged(d, at)
	}
	if at != l.loc {
		s.table.move(s.table.keyOf(d.id, id), l.offset, at)
	}
	return s.shown(d, &r, at, a)
}

// show reads a version as readers see it.
func (s *Store) show(d *dataset, at location, offset int64, a *entity.Arena) (entity.Value, error) {
	r, at, err := s.readRecord(d, at, offset, a)
	if err != nil {
		return entity.Value{}, err
	}
	return s.shown(d, &r, at, a)
}

// GetAt implements store.Store.
func (s *Store) GetAt(ctx context.Context, name string, at store.Offset, a *entity.Arena) (v entity.Value, err error) {
	if err := s.enter(); err != nil {
		return v, err
	}
	defer s.leave()
	d, err := s.dataset(name)
	if err != nil {
		return v, err
	}
	s.mu.RLock()
	known := at >= 0 && int64(at) <= d.last
	s.mu.RUnlock()
	if !known {
		return v, nil
	}
	r := &pageReader{s: s, d: d, arena: a}
	err = r.read(ctx.Err, []int64{int64(at)}, func(rec *record, loc location) error {
		v, err = s.shown(d, rec, loc, a)
		return err
	})
	return v, err
}
