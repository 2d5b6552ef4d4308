package engine

import (
	"maps"
	"slices"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// mostChosen is how many new entities of a dataset are looked at to find out whom they
// are for. More are for everybody.
const mostChosen = 1000

// chooser leaves readers alone for whom nothing new is: of a topic with many readers
// each message would start them all. The goroutine that listens owns it.
type chooser struct {
	// seen is, for datasets that have such readers, up to where they were told of it.
	seen map[string]seenHead
}

type seenHead struct {
	known      bool
	generation [16]byte
	last       store.Offset
}

func newChooser(readers map[string][]*pumpState) *chooser {
	c := &chooser{map[string]seenHead{}}
	for d, all := range readers {
		if slices.ContainsFunc(all, func(s *pumpState) bool { return s.pipe.Chooser(d) != nil }) {
			c.seen[d] = seenHead{}
		}
	}
	return c
}

// choose returns whom the changes are for. Where that cannot be found out it is
// everybody: whoever is started for nothing reads nothing.
func (c *chooser) choose(e *Engine, changed []string, readers map[string][]*pumpState) map[string][]*pumpState {
	chosen, own := readers, false
	for _, d := range changed {
		if _, choosy := c.seen[d]; !choosy {
			continue
		}
		fresh, known := c.fresh(e, d)
		if !known {
			continue
		}
		if !own {
			chosen, own = maps.Clone(readers), true
		}
		chosen[d] = slices.DeleteFunc(slices.Clone(readers[d]), func(s *pumpState) bool {
			chooses := s.pipe.Chooser(d)
			return chooses != nil && !slices.ContainsFunc(fresh, chooses)
		})
	}
	return chosen
}

// fresh are the entities of a dataset that are new since it was last asked; false if
// that is not known, or too many.
func (c *chooser) fresh(e *Engine, dataset string) ([]entity.Value, bool) {
	before := c.seen[dataset]
	generation, last, err := e.o.Store.Head(e.ctx, dataset)
	c.seen[dataset] = seenHead{err == nil, generation, last}
	if err != nil || !before.known || before.generation != generation || last < before.last || last-before.last > mostChosen {
		return nil, false
	}
	page, err := e.o.Store.Read(e.ctx, dataset, store.Query{Since: before.last, Limit: mostChosen, History: true}, entity.NewArena())
	return page.Entities, err == nil && page.End
}
