package membrane

import (
	"context"
	"errors"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/sources"
	"github.com/sluiceio/sluice/store"
)

var _ sources.Consuming = (*externalEvent)(nil)

// Consumes implements sources.Consuming: the events of the subscription that the
// pipe has not had are needed. While the function has never told which those are, all
// events of the integration are; of a subscription that has ended, none.
func (s *externalEvent) Consumes(ctx context.Context, since string) (map[string]store.Offset, error) {
	p, err := s.find()
	if err != nil {
		return nil, nil // nothing can be read
	}
	sub, err := s.registry.get(ctx, s.subscriptionID(p))
	switch {
	case err != nil:
		return nil, err
	case sub == nil && s.cfg.From != "beginning", sub != nil && (!sub.Archived.IsZero() || sub.Status == unsubscribed):
		return nil, nil
	case sub == nil || sub.Key == "":
		held := map[string]store.Offset{}
		for _, dataset := range s.Datasets() {
			held[dataset] = store.Start
		}
		return held, nil
	}
	dataset := pipeID(sub.Integration, sub.Key)
	at, err := s.unread(ctx, dataset, sub.Selector, since)
	if errors.Is(err, store.ErrNoDataset) {
		return nil, nil
	}
	return map[string]store.Offset{dataset: at}, err
}

// unread is the place before the first event that the pipe has not had, or the end
// of the events if it has had all.
func (s *externalEvent) unread(ctx context.Context, dataset, selector, since string) (store.Offset, error) {
	q, err := s.begin(ctx, dataset, since, 1)
	if err != nil {
		return 0, err
	}
	_, last, err := s.env.Store.Head(ctx, dataset)
	if err != nil {
		return 0, err
	}
	q.Key = []byte(selector)
	page, err := s.env.Store.Read(ctx, dataset, q, entity.NewArena())
	if err != nil || len(page.Entities) == 0 {
		return last, err
	}
	v, _ := page.Entities[0].Get(entity.UpdatedKey)
	at, _ := v.Int64()
	return store.Offset(at) - 1, nil
}
