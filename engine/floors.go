package engine

import (
	"context"

	"github.com/sluiceio/sluice/messages"
	"github.com/sluiceio/sluice/store"
)

// Floors are, by dataset, the places up to which every pipe that tracks the
// dataset has followed its changes, pipes that are disabled included. Compaction
// must keep all versions behind a floor, and the version each of them replaced:
// tracking goes back from both. Readers of subsets hold versions likewise: what
// has left a subset is read once more, as deleted; and consumers hold the messages
// that they have not had. Datasets that nobody tracks are not named.
func (e *Engine) Floors(ctx context.Context) (map[string]store.Offset, error) {
	floors, err := messages.Floors(ctx, e.o.Store)
	if err != nil {
		return nil, err
	}
	for _, p := range e.graph.pipes {
		followed, err := p.Followed(ctx)
		if err != nil {
			return nil, err
		}
		for d, at := range followed {
			lower(floors, d, at)
		}
		d, at, reads, err := p.SubsetRead(ctx)
		if err != nil {
			return nil, err
		}
		if reads {
			lower(floors, d, at)
		}
		consumed, err := p.Consumed(ctx)
		if err != nil {
			return nil, err
		}
		for d, at := range consumed {
			lower(floors, d, at)
		}
	}
	return floors, nil
}

func lower(floors map[string]store.Offset, dataset string, at store.Offset) {
	if floor, known := floors[dataset]; !known || at < floor {
		floors[dataset] = at
	}
}
