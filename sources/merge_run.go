package sources

import (
	"context"
	"errors"
	"fmt"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// mergeRunner is one reading of what there is to merge. The datasets are read
// one after the other; what was put out with an entity read before is passed
// over in a full run.
type mergeRunner struct {
	m     *merge
	at    offsets
	size  int
	whole bool
	since string
	full  int64 // number of the full run; 0 as long as nothing was read
	epoch int64 // number of the one that it goes on with
	some  bool  // something was read
	// shown are the _ids that somebody was shown, of whom nothing is remembered;
	// nil if what is put out is.
	shown map[string]bool
	// missing tells that one of the datasets does not exist: its name may be misspelt.
	missing bool
	// a holds a batch, the others what is needed to make it.
	a, scratch, swept *entity.Arena
}

func (m *merge) begin(ctx context.Context, since string, size int, whole bool) (*mergeRunner, error) {
	at, err := parseOffsets(since, m.ids)
	if err != nil {
		return nil, err
	}
	if _, err := m.store.Create(ctx, m.memory); err != nil {
		return nil, err
	}
	if err := m.store.EnsureIndex(ctx, m.memory, memberIndex()); err != nil {
		return nil, err
	}
	for _, t := range m.terms {
		if err := m.ready(ctx, t); err != nil {
			return nil, fmt.Errorf("index of dataset %q: %w", m.ids[t.rank], err)
		}
	}
	return &mergeRunner{m: m, at: at, size: size, whole: whole, since: since,
		a: entity.NewArena(), scratch: entity.NewArena(), swept: entity.NewArena()}, nil
}

// run reads all datasets, and then what only the memory knows of.
func (r *mergeRunner) run(ctx context.Context, yield func(*entity.Batch, error) bool) error {
	for rank := range r.m.ids {
		if more, err := r.dataset(ctx, rank, yield); err != nil || !more {
			return err
		}
	}
	switch {
	case !r.whole:
		return nil
	case !r.some && r.since == "" && !r.m.empty:
		return ErrEmpty
	case r.missing:
		return nil // what is only remembered may be there under another name
	default:
		return r.sweep(ctx, yield)
	}
}

// take waits until no other run is between reading a batch and writing it.
func (m *merge) take(ctx context.Context) error {
	select {
	case m.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// dataset reads one dataset to its end; false if the reader had enough. One
// that does not exist is empty; an offset past its end belongs to one that has
// been made anew since.
func (r *mergeRunner) dataset(ctx context.Context, rank int, yield func(*entity.Batch, error) bool) (more bool, err error) {
	id := r.m.ids[rank]
	info, err := r.m.store.Info(ctx, id)
	if errors.Is(err, store.ErrNoDataset) {
		r.missing = true
		return true, nil
	}
	if err != nil {
		return true, err
	}
	q := store.Query{Since: store.Start, Limit: r.size}
	if at, ok := r.at[id]; ok && at <= info.Last {
		q.Since = at
	}
	for end := false; !end; {
		if end, more, err = r.page(ctx, rank, &q, yield); err != nil || !more {
			return more, err
		}
	}
	return true, nil
}

// page reads a page of a dataset and yields what is to be put out for it.
func (r *mergeRunner) page(ctx context.Context, rank int, q *store.Query, yield func(*entity.Batch, error) bool) (end, more bool, err error) {
	if err := r.m.take(ctx); err != nil {
		return false, true, err
	}
	defer func() { <-r.m.turn }()
	r.a.Reset()
	page, err := r.m.store.Read(ctx, r.m.ids[rank], *q, r.a)
	if err != nil {
		return false, true, fmt.Errorf("dataset %q: %w", r.m.ids[rank], err)
	}
	if len(page.Entities) == 0 && page.Next == q.Since {
		return page.End, true, nil
	}
	r.some = r.some || len(page.Entities) > 0
	b, err := r.batch(ctx, func(c *closure) error {
		for _, e := range page.Entities {
			id, _ := entity.ID(e)
			c.meet(ref{rank, id}).load(e)
		}
		return c.passOver(ctx, r.passes)
	})
	if err != nil {
		return false, true, err
	}
	q.Since, r.at[r.m.ids[rank]] = page.Next, page.Next
	b.Since = r.at.format(r.m.ids)
	return page.End, yield(b, nil), nil
}

// passes tells whether this run has put out an entity already: then what has
// changed about the others since will be read in its turn.
func (r *mergeRunner) passes(n *node, rec *record) bool {
	if !r.whole || rec.whole != r.full {
		return false
	}
	at := n.at()
	for _, m := range rec.members {
		if m.id == n.id && m.dataset == r.m.ids[n.rank] {
			return m.at == at
		}
	}
	return false
}

// batch makes a batch of what concerns the entities that begin meets.
func (r *mergeRunner) batch(ctx context.Context, begin func(c *closure) error) (*entity.Batch, error) {
	state, err := r.m.loadState(ctx, r.a)
	if err != nil {
		return nil, err
	}
	if !r.whole && state.runs == 0 {
		if r.since != "" {
			return nil, errors.New("what was put out before is not known, so that nothing of it could be corrected: reset the pipe")
		}
		state.runs = 1 // the pipe has read something else so far: nothing was put out
	}
	if r.whole && r.full == 0 {
		r.full, r.epoch = state.runs+1, state.epoch
		if r.since == "" {
			r.epoch = r.full
		}
	}
	if r.whole {
		state.runs, state.epoch = max(state.runs, r.full), max(state.epoch, r.epoch)
	}
	c := r.m.newClosure(r.a, r.scratch)
	if err := begin(c); err != nil {
		return nil, err
	}
	if err := c.grow(ctx); err != nil {
		return nil, err
	}
	return r.putOut(ctx, c, state)
}

// sweep looks at what was put out before this full run and not met in it: what
// it was made of is not there any more, or belongs to a dataset that is not
// merged any more.
func (r *mergeRunner) sweep(ctx context.Context, yield func(*entity.Batch, error) bool) error {
	_, last, err := r.m.store.Head(ctx, r.m.memory)
	if err != nil {
		return err
	}
	for q := (store.Query{Since: store.Start, Limit: r.size}); q.Since < last; {
		more, err := r.sweepPage(ctx, &q, yield)
		if err != nil || !more {
			return err
		}
	}
	return nil
}

func (r *mergeRunner) sweepPage(ctx context.Context, q *store.Query, yield func(*entity.Batch, error) bool) (more bool, err error) {
	if err := r.m.take(ctx); err != nil {
		return true, err
	}
	defer func() { <-r.m.turn }()
	r.a.Reset()
	r.swept.Reset()
	page, err := r.m.store.Read(ctx, r.m.memory, *q, r.swept)
	if err != nil {
		return true, err
	}
	q.Since = page.Next
	var old []*record
	for _, e := range page.Entities {
		if rec := pieceOf(e); rec != nil && !entity.Deleted(e) && (r.full == 0 || rec.epoch < r.epoch) {
			old = append(old, rec)
		}
	}
	if len(old) == 0 {
		return true, nil
	}
	b, err := r.batch(ctx, func(c *closure) error {
		for _, rec := range old {
			if err := c.adopt(ctx, rec); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return true, err
	}
	b.Since = r.at.format(r.m.ids)
	return yield(b, nil), nil
}
