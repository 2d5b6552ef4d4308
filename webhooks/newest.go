package webhooks

import (
	"cmp"
	"context"
	"slices"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// Newest returns the n newest events, whatever became of them, the newest
// first. However often one was tried, it keeps its place.
func (q *Queue) Newest(ctx context.Context, n int) ([]*Delivery, error) {
	var all []*Delivery
	arena := entity.NewArena()
	later := func(a, b *Delivery) int { return cmp.Compare(b.Seq, a.Seq) }
	for query := (store.Query{Since: store.Start, Reverse: true}); ; {
		arena.Reset()
		page, err := q.store.Read(ctx, Dataset(q.ID), query, arena)
		if err != nil {
			return nil, err
		}
		last := int64(-1)
		for _, e := range page.Entities {
			last = record{e}.number(entity.UpdatedKey)
			if !entity.Deleted(e) {
				all = append(all, deliveryOf(e))
			}
		}
		slices.SortFunc(all, later)
		all = all[:min(len(all), n)]
		// A number is less than the places in the log that its delivery takes: what
		// changed before that of the oldest one here is older.
		if query.Since = page.Next; page.End || len(all) == n && last >= 0 && last < all[n-1].Seq {
			return all, nil
		}
	}
}
