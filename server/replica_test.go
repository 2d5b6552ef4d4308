package server_test

import (
	"fmt"
	"testing"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// places are the offsets and hashes of the newest versions of a dataset.
func (p *peer) places(dataset string) string {
	p.t.Helper()
	page, err := p.disk.Read(p.t.Context(), dataset, store.Query{Since: store.Start, Limit: 10000}, entity.NewArena())
	if err != nil {
		p.t.Fatal(err)
	}
	text := ""
	for _, e := range page.Entities {
		id, _ := entity.ID(e)
		at, _ := e.Get(entity.UpdatedKey)
		ts, _ := e.Get(entity.TSKey)
		hash, _ := e.Get(entity.HashKey)
		text += fmt.Sprintln(id, at, ts, hash)
	}
	return text
}

// A copy that one node keeps of another's dataset has its offsets, its time stamps
// and its content once all is quiet, whatever happened on the way: lost answers,
// power cuts at both ends, restored backups, the dataset made anew.
func TestCopyBetweenNodes(t *testing.T) {
	for seed := range min(seeds(), 12) {
		p := newPair(t, seed+1000, func(p *pair) (a, b string) {
			way := []string{"", `"supports_since": true, "is_chronological": true,`,
				`"supports_since": true, "is_chronological": true, "page_size": 7,`}[p.r.IntN(3)]
			return `[]`, fmt.Sprintf(`[`+urlSystem+`, {"_id": "copy", "type": "pipe", "batch_size": %d, "checkpoint_interval": %d, "source":
				{"type": "json", "system": "other", %s "url": "datasets/data/entities?history=false"}, "pump": {"mode": "manual"},
				"sink": {"type": "replicated_dataset"}}]`,
				p.a.door.URL, []int{1, 3, 1000}[p.r.IntN(3)], 1+p.r.IntN(4), way)
		})
		p.live(p.b, "copy")
		if got, want := p.b.places("copy"), p.a.places("data"); got != want {
			t.Fatalf("seed %d: the copy has\n%snot\n%s", seed, got, want)
		}
	}
}
