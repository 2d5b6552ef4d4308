package sinks

import (
	"context"
	"fmt"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// deleteBatch is how many deletions are committed at once: enough to be quick,
// few enough to be held.
const deleteBatch = 1000

// Finish implements Writer: it deletes what a full run has not seen, and sets
// the populated flag with the last of it, so that nobody takes a dataset for
// complete that still holds what should be gone.
func (w *datasetWriter) Finish(ctx context.Context, f Finish, save []store.StateWrite) (Written, error) {
	var total Written
	if w.breaker != nil {
		w.breaker.last = true
	}
	w.tracks = w.tracks && !f.Incomplete
	ops, err := w.deleteUnseen(ctx, &total)
	if err != nil {
		return total, err
	}
	last := &store.Batch{State: save}
	if len(ops) > 0 {
		last.Writes = []store.Write{{Dataset: w.s.dataset, Ops: ops}}
	}
	if w.s.completes(w.populated, f) {
		last.Populate = []string{w.s.dataset}
	}
	done, err := w.conclude(ctx, last)
	if err != nil {
		return total, err
	}
	total.Deleted += done.Changed
	total.Revs = done.Revs
	return total, nil
}

// Quiet implements Quiet.
func (w *datasetWriter) Quiet(f Finish) bool {
	return w.breaker == nil && !w.tracks && !w.s.completes(w.populated, f)
}

// conclude commits the end of a run, with what was held back.
func (w *datasetWriter) conclude(ctx context.Context, last *store.Batch) (Written, error) {
	if w.breaker == nil {
		return w.commit(ctx, last)
	}
	return w.breaker.finish(ctx, last)
}

// completes tells whether the dataset becomes populated by this run.
func (s *datasetSink) completes(populated bool, f Finish) bool {
	if populated {
		return false
	}
	switch s.populates {
	case "always":
		return true
	case "if-source-populated":
		return f.SourcePopulated
	default:
		return false
	}
}

// deleteUnseen commits deletions in batches and returns those left over for
// the last one. Only what was there when the run began counts.
func (w *datasetWriter) deleteUnseen(ctx context.Context, total *Written) ([]store.Op, error) {
	if !w.tracks || w.last == store.Start {
		return nil, nil
	}
	w.finishing = true
	var ops []store.Op
	arena := entity.NewArena()
	for q := (store.Query{Since: store.Start, Limit: deleteBatch}); q.Since < w.last; {
		arena.Reset()
		page, err := w.s.store.Read(ctx, w.s.dataset, q, arena)
		if err != nil {
			return nil, err
		}
		ops = w.unseen(ops, page.Entities)
		if len(ops) > 0 && w.s.prevent == "fail" {
			return nil, fmt.Errorf("entity %q, which the run has not seen: %w", ops[0].ID, ErrVersion)
		}
		if len(ops) >= deleteBatch {
			done, err := w.commit(ctx, &store.Batch{Writes: []store.Write{{Dataset: w.s.dataset, Ops: ops}}})
			if err != nil {
				return nil, err
			}
			total.Deleted += done.Changed
			ops = nil
		}
		if page.End {
			break
		}
		q.Since = page.Next
	}
	return ops, nil
}

func (w *datasetWriter) unseen(ops []store.Op, entities []entity.Value) []store.Op {
	for _, e := range entities {
		id, _ := entity.ID(e)
		if at, _ := e.Get(entity.UpdatedKey); entity.Deleted(e) || after(at, w.last) || w.seen.has(id) {
			continue
		}
		ops = append(ops, store.Op{Kind: store.Delete, ID: string([]byte(id)), Mark: w.s.cfg.MarkDeleted})
	}
	return ops
}

// after tells whether a version was written after the run began.
func after(at entity.Value, last store.Offset) bool {
	n, ok := at.Int64()
	return ok && store.Offset(n) > last
}
