package membrane

import (
	"context"
	"encoding/hex"
	"errors"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// mark is where a dataset ended once.
type mark struct {
	Generation string       `json:"generation"`
	Last       store.Offset `json:"last"`
}

func (s *externalEvent) mark(ctx context.Context, dataset string) (mark, error) {
	generation, last, err := s.env.Store.Head(ctx, dataset)
	return mark{hex.EncodeToString(generation[:]), last}, err
}

// from has a subscription get what comes from now on.
func (s *externalEvent) from(ctx context.Context, sub *subscription, now time.Time) error {
	after := map[string]mark{}
	for _, dataset := range s.Datasets() {
		m, err := s.mark(ctx, dataset)
		if err != nil && !errors.Is(err, store.ErrNoDataset) {
			return err
		}
		if err == nil {
			after[dataset] = m
		}
	}
	sub.Since, sub.After = now, after
	return nil
}

// beginning is where a subscription begins in a dataset of events.
type beginning struct {
	last  store.Offset // the last event before it
	since time.Time    // counts if the place is not known: the dataset is another one now
}

func (s *externalEvent) beginning(ctx context.Context, sub *subscription, dataset string) (beginning, error) {
	if s.cfg.From == "beginning" {
		return beginning{last: store.Start}, nil
	}
	now, err := s.mark(ctx, dataset)
	if err != nil {
		return beginning{}, err
	}
	m, known := sub.After[dataset]
	switch {
	case sub.After != nil && !known: // it was not there
		return beginning{last: store.Start}, nil
	case known && m.Generation == now.Generation:
		return beginning{last: m.Last}, nil
	}
	return beginning{last: store.Start, since: sub.Since}, nil
}

// before tells whether an event came before the subscription.
func (b beginning) before(e entity.Value) bool {
	at, _ := e.Get(entity.UpdatedKey)
	n, _ := at.Int64()
	received, _ := e.Get("received")
	return store.Offset(n) <= b.last || !b.since.IsZero() && received.Kind() == entity.Datetime && received.Time().Before(b.since)
}
