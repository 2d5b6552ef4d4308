package engine

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/pipes"
	"github.com/sluiceio/sluice/store"
)

// What is retracted goes soon, however little of a dataset that is: somebody may
// have promised that it does. Other compaction waits until it is worth its while.

// retractPause is the least time between two compactions of a dataset for what is
// retracted: each ends a file of the log, and files are never joined.
const retractPause = time.Hour

// retractPage is how many versions are looked at in one read.
const retractPage = 1000

// retracting is what is known of the retractions in a dataset.
type retracting struct {
	Generation string       `json:"generation"`
	Offset     store.Offset `json:"offset"`            // up to where it was looked for them
	Pending    bool         `json:"pending,omitempty"` // some have yet to be carried out
	fresh      bool         // some of these were found by the look under way
	acted      time.Time    // when they last were, in this life
}

func retractKey(dataset string) string { return "retract/" + dataset }

// retracts tells whether something in a dataset is to be retracted now.
func (c *compactor) retracts(ctx context.Context, x *pipes.Compaction, info *store.Info) (bool, error) {
	if !x.Keep.Retract {
		return false, nil
	}
	at, err := c.retracting(ctx, info)
	if err != nil {
		return false, err
	}
	before, ripe := at.Offset, at.Pending
	if err := c.lookForRetracted(ctx, x, info, at); err != nil {
		return false, err
	}
	if at.Pending = ripe || at.fresh; at.Offset != before {
		c.saveRetracting(info.Name, at)
	}
	// What was found just now waits for the next look: indexes may not have come
	// that far, which would keep it.
	c.again = c.again || at.fresh
	return ripe && c.now.Sub(at.acted) >= retractPause, nil
}

// retracting is what is known of a dataset; of one that was made anew nothing is.
func (c *compactor) retracting(ctx context.Context, info *store.Info) (*retracting, error) {
	at := c.retracted[info.Name]
	if at == nil {
		at = &retracting{}
		data, _, err := c.e.o.Store.State(ctx, retractKey(info.Name))
		if err != nil {
			return nil, err
		}
		if data != nil && json.Unmarshal(data, at) != nil {
			at.Generation = "" // it is looked through from its beginning
		}
		c.retracted[info.Name] = at
	}
	if at.Generation != info.Generation {
		*at = retracting{Generation: info.Generation, Offset: store.Start}
	}
	return at, nil
}

// lookForRetracted goes on through a dataset as far as its time allows.
func (c *compactor) lookForRetracted(ctx context.Context, x *pipes.Compaction, info *store.Info, at *retracting) error {
	at.fresh = false
	arena := entity.NewArena()
	q := store.Query{Limit: retractPage, History: true}
	for at.Offset < info.Last && (x.Keep.RetractBudget == 0 || c.e.now().Sub(c.now) < x.Keep.RetractBudget) {
		arena.Reset()
		q.Since = at.Offset
		page, err := c.e.o.Store.Read(ctx, info.Name, q, arena)
		if errors.Is(err, store.ErrNoDataset) {
			return nil // it was dropped meanwhile
		}
		if err != nil {
			return err
		}
		for _, e := range page.Entities {
			mark, _ := e.Get("$retract")
			at.fresh = at.fresh || mark.Bool()
		}
		if at.Offset = page.Next; page.End {
			return nil
		}
	}
	return nil
}

// didRetract notes that a dataset was compacted for what is retracted. As long as a
// floor keeps something there, that has yet to be done again.
func (c *compactor) didRetract(dataset string, floors map[string]store.Offset) {
	at := c.retracted[dataset]
	if at == nil || !at.Pending {
		return
	}
	at.acted = c.now
	if floor, held := floors[dataset]; held && floor < at.Offset {
		return
	}
	at.Pending = at.fresh
	c.saveRetracting(dataset, at)
}

func (c *compactor) saveRetracting(dataset string, at *retracting) {
	data, err := json.Marshal(at)
	if err != nil {
		return // texts and numbers always marshal
	}
	c.e.save(retractKey(dataset), string(data))
}
