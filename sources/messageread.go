package sources

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/systems"
)

// Read implements Source.
func (s *messageSource) Read(ctx context.Context, since string, size int) iter.Seq2[*entity.Batch, error] {
	return func(yield func(*entity.Batch, error) bool) {
		at, err := s.from(ctx, since)
		if errors.Is(err, store.ErrNoDataset) {
			return
		}
		var q store.Query
		if err == nil {
			q, err = s.topic.Query(ctx, s.pattern, at)
		}
		r := &messageReader{s: s, batch: entity.Batch{Arena: entity.NewArena()}, most: min(size, s.cfg.MaxItems), yield: yield}
		defer r.close()
		q.Limit = max(r.most, 100)
		for err == nil && !r.done {
			err = r.page(ctx, &q)
		}
		if err != nil {
			yield(nil, fmt.Errorf("topic %q: %w", s.topic.Name, err))
		}
	}
}

// messageReader cuts pages of a topic into batches.
type messageReader struct {
	s     *messageSource
	batch entity.Batch
	most  int
	yield func(*entity.Batch, error) bool
	done  bool
	// fit is what the next batch has so far, and how large it is.
	fit  []entity.Value
	size int
	buf  []byte
	// watch hears of what comes while a batch waits, until end.
	watch store.Watch
	end   time.Time
}

func (r *messageReader) close() {
	if r.watch != nil {
		r.watch.Close()
	}
}

// page reads on, and yields the batches that are full, and the one that is not
// unless it waits for more.
func (r *messageReader) page(ctx context.Context, q *store.Query) error {
	if len(r.fit) == 0 {
		r.batch.Arena.Reset()
	}
	page, err := r.s.topic.Store.Read(ctx, r.s.topic.Dataset(), *q, r.batch.Arena)
	if err != nil {
		return err
	}
	for _, e := range page.Entities {
		if r.s.Chooses(e) && !r.take(e) {
			return nil
		}
	}
	moved := page.Next != q.Since
	q.Since = page.Next
	if page.End && r.waits(ctx) {
		return nil
	}
	if len(r.fit) > 0 || moved {
		r.give(formatOffset(page.Next), page.End)
	}
	r.done = r.done || page.End
	return nil
}

// take adds a message to the batch, behind which that may be full; false ends
// the run.
func (r *messageReader) take(e entity.Value) bool {
	r.buf = entity.AppendJSON(r.buf[:0], e)
	if len(r.fit) > 0 && (len(r.fit) == r.most || r.size+len(r.buf) > r.s.cfg.MaxBytes) {
		if !r.give(Updated(r.fit[len(r.fit)-1]), false) {
			return false
		}
	}
	r.fit, r.size = append(r.fit, e), r.size+len(r.buf)
	return true
}

// give yields the batch, which ends at a place. Whoever appends to it must not
// write over what comes behind it.
func (r *messageReader) give(since string, last bool) bool {
	r.batch.Entities, r.batch.Since, r.batch.Last = slices.Clip(r.fit), since, last
	r.done = !r.yield(&r.batch, nil)
	r.fit, r.size, r.end = nil, 0, time.Time{}
	return !r.done
}

// waits waits for more, if the batch has room and time; false tells that it has
// not.
func (r *messageReader) waits(ctx context.Context) bool {
	if r.s.cfg.Wait == 0 || len(r.fit) == 0 || len(r.fit) >= r.most || r.size >= r.s.cfg.MaxBytes || ctx.Err() != nil {
		return false
	}
	if r.end.IsZero() {
		r.end = time.Now().Add(systems.Duration(r.s.cfg.Wait, time.Second))
	}
	if r.watch == nil {
		r.watch = r.s.topic.Store.Watch()
		return true // something may have come before it hears
	}
	until, cancel := context.WithDeadline(ctx, r.end)
	defer cancel()
	for {
		changed, err := r.watch.Next(until)
		if err != nil {
			return false
		}
		if slices.Contains(changed, r.s.topic.Dataset()) {
			return true
		}
	}
}
