package enginetest

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceio/sluice/store"
)

// countingStore counts the batches handed over.
type countingStore struct {
	store.Store
	appends atomic.Int64
}

func (c *countingStore) Append(ctx context.Context, b *store.Batch) (store.Pending, error) {
	c.appends.Add(1)
	return c.Store.Append(ctx, b)
}

// Pipes that find nothing to do write nothing, however often they look: those
// whose source has never had anything, and those that have read it all.
func TestIdlePipesWriteNothing(t *testing.T) {
	conf := `[{"_id": "in", "type": "pipe", "source": {"type": "http_endpoint"}},
		{"_id": "never", "type": "pipe", "source": {"type": "dataset", "dataset": "in"}},
		{"_id": "merged", "type": "pipe", "source": {"type": "merge_datasets", "datasets": ["in", "all"]}},
		{"_id": "all", "type": "pipe", "source": {"type": "embedded", "entities": [{"_id": "1"}]}, "pump": {"run_at_startup": true, "schedule_interval": 86400}},
		{"_id": "read", "type": "pipe", "source": {"type": "dataset", "dataset": "all"}}]`
	inWorld(t, conf, func(t *testing.T, w *world) {
		w.e.Close()
		c := &countingStore{Store: w.st}
		w.openOn(conf, c)
		w.e.Start()
		w.pass(20 * time.Minute)
		before := c.appends.Load()
		w.pass(10 * time.Minute)
		if n := c.appends.Load() - before; n != 0 {
			t.Errorf("%d writes in ten idle minutes", n)
		}
	})
}
