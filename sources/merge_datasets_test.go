package sources

import (
	"context"
	"testing"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// meddler is a store in which something happens before a page is read.
type meddler struct {
	store.Store
	before func(dataset string, since store.Offset)
}

func (m meddler) Read(ctx context.Context, dataset string, q store.Query, a *entity.Arena) (store.Page, error) {
	m.before(dataset, q.Since)
	return m.Store.Read(ctx, dataset, q, a)
}

// A run puts out every id that was there when it began, whenever during the run a
// newer version of it comes into another dataset: a full run deletes what it has
// not seen.
func TestMergeDatasetsSeesAllWhileWritten(t *testing.T) {
	for _, kind := range []string{`"merge_datasets"`, `"merge_datasets", "strategy": "all"`} {
		for at := range 8 {
			w := newWorld(t)
			w.put("a", `{"_id":"1","v":"a"}`, `{"_id":"2","v":"a"}`, `{"_id":"3","v":"a"}`)
			w.put("b", `{"_id":"9","v":"b"}`)
			reads := 0
			plain := w.store
			w.store = meddler{plain, func(string, store.Offset) {
				if reads++; reads == at+1 {
					w.now = w.now.Add(time.Second)
					w.put("b", `{"_id":"1","v":"new"}`, `{"_id":"2","v":"new"}`, `{"_id":"3","v":"new"}`)
				}
			}}
			lines, _ := w.take(w.source(`{"type": `+kind+`, "datasets": ["a", "b"]}`), "", 1)
			seen := map[string]bool{}
			for _, l := range lines {
				e, err := entity.DecodeString(l)
				if err != nil {
					t.Fatal(err)
				}
				id, _ := entity.ID(e)
				seen[id] = true
			}
			for _, id := range []string{"1", "2", "3", "9"} {
				if !seen[id] {
					t.Errorf("%s, written before read %d: %s was not seen: %v", kind, at+1, id, lines)
				}
			}
		}
	}
}
