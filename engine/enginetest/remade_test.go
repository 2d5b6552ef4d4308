package enginetest

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// remaking makes a dataset anew behind the first page that is read of it.
type remaking struct {
	store.Store
	armed atomic.Bool
}

func (s *remaking) Read(ctx context.Context, dataset string, q store.Query, a *entity.Arena) (store.Page, error) {
	page, err := s.Store.Read(ctx, dataset, q, a)
	if dataset == "in" && err == nil && s.armed.CompareAndSwap(true, false) {
		if err = s.Drop(ctx, dataset); err == nil {
			_, err = s.Create(ctx, dataset)
		}
	}
	return page, err
}

// What a full run has not seen because the dataset was deleted while it read is not gone.
func TestDeletedWhileRead(t *testing.T) {
	for _, background := range []string{"false", "true"} {
		st := &remaking{Store: memory(t)}
		e, err := engine.Open(t.Context(), engine.Options{Store: st, Sets: sets(t), Config: parse(t, `[
			{"_id": "in", "type": "pipe", "source": {"type": "http_endpoint"}},
			{"_id": "out", "type": "pipe", "batch_size": 1, "enable_background_rescan": `+background+`, "source": {"type": "dataset", "dataset": "in"}}]`)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(e.Close)
		fill(t, st, "in", true, `{"_id": "1"}`, `{"_id": "2"}`, `{"_id": "3"}`)
		p, _ := e.Pipe("out")
		if stats, err := p.Run(t.Context(), false); err != nil || stats.Changed != 3 {
			t.Fatalf("%+v, %v", stats, err)
		}
		st.armed.Store(true)
		again := func() int {
			run := func() (s int, err error) {
				if background == "true" {
					stats, err := p.Rescan(t.Context())
					return stats.Deleted, err
				}
				stats, err := p.Run(t.Context(), true)
				return stats.Deleted, err
			}
			deleted, err := run()
			if err != nil {
				t.Fatal(err)
			}
			return deleted
		}
		if n := again(); n != 0 || st.armed.Load() {
			t.Errorf("background %s: %d were deleted", background, n)
		}
		fill(t, st, "in", true, `{"_id": "1"}`, `{"_id": "4"}`)
		if stats, err := p.Run(t.Context(), false); err != nil || stats.Changed != 1 || stats.Deleted != 0 {
			t.Errorf("background %s: %+v, %v", background, stats, err)
		}
		if n := again(); n != 2 {
			t.Errorf("background %s: %d were deleted, want 2", background, n)
		}
	}
}
