package sources

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// mergeRun is one reading of several datasets: a cursor in each, of which the
// one with the oldest version moves next.
type mergeRun struct {
	m       *mergeDatasets
	size    func() int
	limit   int // of the batch at hand
	at      offsets
	cursors []*cursor
	full    bool // it began at the beginning
	some    bool // something was read
	done    bool
	batches [2]*entity.Batch // which take turns
	n       int              // batches so far, the one at hand included
	read    []readPage
}

// readPage is the memory of a page that was read to its end in the n-th batch.
type readPage struct {
	arena *entity.Arena
	n     int
}

// cursor walks one dataset, a page at a time.
type cursor struct {
	dataset  string
	rank     int // place in the list of datasets
	start    store.Offset
	at       store.Offset // where the run stands
	query    store.Query
	page     []entity.Value
	arena    *entity.Arena // of the page
	versions []version     // of the page's ids in every dataset: of each id by rank
	ids      []string
	next     int
	end      bool
}

// version is one dataset's latest version of an id.
type version struct {
	e      entity.Value // null if the dataset does not have the id
	ts     time.Time
	offset store.Offset
	rank   int
}

func versionOf(e entity.Value, rank int) version {
	v := version{e: e, rank: rank, offset: store.Start}
	if at, ok := e.Get(entity.UpdatedKey); ok {
		n, _ := at.Int64()
		v.offset = store.Offset(n)
	}
	if ts, ok := e.Get(entity.TSKey); ok {
		v.ts = timeOf(ts)
	}
	return v
}

// timeOf reads a time stamp: microseconds since 1970, or a datetime.
func timeOf(v entity.Value) time.Time {
	if n, ok := v.Int64(); ok {
		return time.UnixMicro(n)
	}
	return v.Time()
}

func (v version) newerThan(w version) bool {
	if !v.ts.Equal(w.ts) {
		return v.ts.After(w.ts)
	}
	return v.rank > w.rank
}

func (m *mergeDatasets) begin(ctx context.Context, since string, size func() int) (*mergeRun, error) {
	at, err := parseOffsets(since, m.ids)
	if err != nil {
		return nil, err
	}
	r := &mergeRun{m: m, size: size, at: at, full: since == "",
		batches: [2]*entity.Batch{{Arena: entity.NewArena()}, {Arena: entity.NewArena()}}}
	for rank, id := range m.ids {
		c, err := r.open(ctx, id, rank)
		if err != nil {
			return nil, err
		}
		r.cursors = append(r.cursors, c)
	}
	return r, nil
}

// open places a cursor. A dataset that does not exist is empty; an offset past
// its end belongs to one that has been made anew since.
func (r *mergeRun) open(ctx context.Context, id string, rank int) (*cursor, error) {
	c := &cursor{dataset: id, rank: rank, start: store.Start}
	if at, ok := r.at[id]; ok {
		c.start = at
	}
	info, err := r.m.store.Info(ctx, id)
	switch {
	case errors.Is(err, store.ErrNoDataset):
		c.end = true
	case err != nil:
		return nil, err
	case c.start > info.Last:
		c.start = store.Start
	}
	c.at, c.query.Since = c.start, c.start
	return c, nil
}

// batch gathers up to size entities; nil if nothing was left.
func (r *mergeRun) batch(ctx context.Context) (*entity.Batch, error) {
	r.n++
	r.limit = r.size()
	b := r.batches[r.n%2]
	b.Arena.Reset()
	b.Entities = b.Arena.Values(min(r.limit, 1000))
	moved := false
	for len(b.Entities) < r.limit {
		c, err := r.oldest(ctx)
		if err != nil {
			return nil, err
		}
		if c == nil {
			r.done = true
			break
		}
		moved = true
		if e := r.take(c, b.Arena); !e.IsNull() {
			b.Entities = append(b.Entities, e)
		}
	}
	for _, c := range r.cursors {
		r.at[c.dataset] = c.at
	}
	b.Last = r.done
	b.Since = r.at.format(r.m.ids)
	if !moved && len(b.Entities) == 0 {
		return nil, nil
	}
	return b, nil
}

// oldest returns the cursor whose next version is the oldest; nil at the end.
func (r *mergeRun) oldest(ctx context.Context) (*cursor, error) {
	var first *cursor
	for _, c := range r.cursors {
		if err := r.fill(ctx, c); err != nil {
			return nil, err
		}
		if c.next < len(c.page) && (first == nil || first.head().newerThan(c.head())) {
			first = c
		}
	}
	return first, nil
}

// comesPast tells whether a version is among those the cursor reads.
func (c *cursor) comesPast(at store.Offset) bool {
	return at > c.start && (!c.end || at <= c.query.Since)
}

// of are the versions of the i-th id of the page, by rank.
func (c *cursor) of(i int) []version {
	n := len(c.versions) / len(c.page)
	return c.versions[i*n : (i+1)*n]
}

func (c *cursor) head() version { return c.of(c.next)[c.rank] }

// fill reads pages until the cursor has something, or its dataset ends. Each
// page has its own memory, since a batch may hold entities of several.
func (r *mergeRun) fill(ctx context.Context, c *cursor) error {
	for c.next >= len(c.page) && !c.end {
		r.turn(c)
		c.query.Limit = r.limit
		page, err := r.m.store.Read(ctx, c.dataset, c.query, c.arena)
		if err != nil {
			return err
		}
		c.page, c.next, c.end = page.Entities, 0, page.End
		c.query.Since = page.Next
		r.some = r.some || len(c.page) > 0
		if len(c.page) == 0 {
			c.at = page.Next
			continue
		}
		if err := r.compare(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// turn gives the cursor memory for its next page. What the page before has serves
// again when the batch at hand, which may hold some of it, is not in use any more.
func (r *mergeRun) turn(c *cursor) {
	if len(c.page) > 0 {
		r.read = append(r.read, readPage{c.arena, r.n})
		c.arena = nil
	}
	if c.arena == nil && len(r.read) > 0 && r.read[0].n+2 <= r.n {
		c.arena = r.read[0].arena
		r.read = slices.Delete(r.read, 0, 1)
	}
	if c.arena == nil {
		c.arena = entity.NewArena()
	}
	c.arena.Reset()
}

// compare looks up what the other datasets have of the page's ids.
func (r *mergeRun) compare(ctx context.Context, c *cursor) error {
	n := len(r.cursors)
	c.ids = c.ids[:0]
	c.versions = slices.Grow(c.versions[:0], n*len(c.page))[:n*len(c.page)]
	clear(c.versions)
	for i, e := range c.page {
		id, _ := entity.ID(e)
		c.ids = append(c.ids, id)
		c.of(i)[c.rank] = versionOf(e, c.rank)
	}
	for _, other := range r.m.others(c.rank) {
		found, err := r.latest(ctx, r.m.ids[other], c)
		if err != nil {
			return err
		}
		for i, e := range found {
			c.of(i)[other] = versionOf(e, other)
		}
	}
	return nil
}

// latest returns what a dataset has of the ids of the cursor's page; nothing if
// it has nothing at all.
func (r *mergeRun) latest(ctx context.Context, dataset string, c *cursor) ([]entity.Value, error) {
	_, last, err := r.m.store.Head(ctx, dataset)
	if errors.Is(err, store.ErrNoDataset) || err == nil && last == store.Start {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	found, err := r.m.store.Get(ctx, dataset, c.ids, c.arena)
	if errors.Is(err, store.ErrNoDataset) {
		return nil, nil
	}
	return found, err
}

func (m *mergeDatasets) others(rank int) []int {
	var out []int
	for i := range m.ids {
		if i != rank {
			out = append(out, i)
		}
	}
	return out
}

// take moves the cursor on and returns what is to be emitted: null if a newer
// version of the id comes later in this run.
//
// A newer version that this run does not come past has been emitted by an
// earlier one, or was written when the end of its dataset had been read already.
// In the first case the clock went backwards between the two, and the newest
// version is emitted again, since what that run said may be this dataset's
// version before. In the second the next run comes past it: what a full run had
// not emitted until then would be taken for deleted.
func (r *mergeRun) take(c *cursor, a *entity.Arena) entity.Value {
	versions := c.of(c.next)
	own := versions[c.rank]
	c.next++
	if c.at = own.offset; c.next == len(c.page) {
		c.at = c.query.Since
	}
	newest := own
	for _, v := range versions {
		if !v.e.IsNull() && v.newerThan(newest) {
			newest = v
		}
	}
	if newest.rank != own.rank && r.cursors[newest.rank].comesPast(newest.offset) {
		return entity.Value{}
	}
	return r.m.join(versions, newest, r.full, a)
}

// latestVersion is the newest version, whichever dataset has it.
func latestVersion(_ []version, newest version, _ bool, _ *entity.Arena) entity.Value {
	return newest.e
}

// sideBySide puts the versions of an id side by side.
func sideBySide(ids []string, versions []version, newest version, a *entity.Arena) entity.Value {
	o := a.NewObject(len(versions) + 2)
	id, _ := newest.e.Get(entity.IDKey)
	o.Set(entity.IDKey, id)
	deleted := true
	for i, v := range versions {
		if v.e.IsNull() {
			continue
		}
		o.Set(ids[i], v.e)
		deleted = deleted && entity.Deleted(v.e)
	}
	if deleted {
		o.Set(entity.DeletedKey, entity.NewBool(true))
	}
	return o.Value()
}
