package webhooks

import (
	"context"
	"slices"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// Deliveries that came to their end are kept to be looked at, some of each kind.
// Those that arrived are many and go by themselves, with what is written of others;
// of them the queue knows the ids. Those that failed are few, and may be kept by the
// million: they are looked up.

// keep is how many deliveries of a status are kept.
func (q *Queue) keep(s Status) int {
	if s == Failed {
		return q.KeepFailed
	}
	return q.KeepDelivered
}

// came notes that a delivery came to an end.
func (q *Queue) came(status Status, id string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case status == Failed:
		q.mu.failed++
	case status == Delivered && q.mu.back[id]:
		delete(q.mu.back, id) // it has left already
	case status == Delivered:
		q.mu.arrived = append(q.mu.arrived, id)
	}
}

// left notes that a delivery is not at its end any more. It may be asked for once
// more before it is noted here that it came to its end: what is pending must not
// be forgotten for that.
func (q *Queue) left(status Status, id string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if status == Failed {
		q.mu.failed--
		return
	}
	if at := slices.Index(q.mu.arrived, id); at >= 0 {
		q.mu.arrived = slices.Delete(q.mu.arrived, at, at+1)
		return
	}
	if q.mu.back == nil {
		q.mu.back = map[string]bool{}
	}
	q.mu.back[id] = true
}

// ended is how many deliveries came to an end and are kept.
func (q *Queue) ended(status Status) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	if status == Failed {
		return q.mu.failed
	}
	return len(q.mu.arrived)
}

// extra is how many more there are of a status than are to be kept; 0 if they are so
// few that it is not worth it.
func (q *Queue) extra(status Status) int {
	keep := q.keep(status)
	if extra := q.ended(status) - keep; extra > keep/10 {
		return extra
	}
	return 0
}

// alone has deliveries that came to their end changed by one at a time.
func (q *Queue) alone(change func() error) error {
	q.hand <- struct{}{}
	defer func() { <-q.hand }()
	return change()
}

// outworn are deliveries that arrived longest ago and are to be forgotten. Nobody
// asks for one of them until it is released. A nil *outworn is none.
type outworn struct {
	q   *Queue
	ids []string
}

// outworn returns what is to be forgotten when one more delivery comes to that end;
// nil also if others are changing such deliveries now: the next one will do.
func (q *Queue) outworn(status Status) *outworn {
	if status != Delivered || q.extra(status) == 0 {
		return nil
	}
	select {
	case q.hand <- struct{}{}:
	default:
		return nil
	}
	extra := q.extra(status) // by now
	q.mu.Lock()
	defer q.mu.Unlock()
	return &outworn{q, slices.Clone(q.mu.arrived[:extra])}
}

func (o *outworn) release() {
	if o != nil {
		<-o.q.hand
	}
}

func (o *outworn) ops() []store.Op {
	if o == nil {
		return nil
	}
	return forgetting(o.ids)
}

// gone notes that they are forgotten.
func (o *outworn) gone() {
	if o == nil {
		return
	}
	o.q.mu.Lock()
	defer o.q.mu.Unlock()
	o.q.mu.arrived = slices.Delete(o.q.mu.arrived, 0, len(o.ids))
}

// forgetting removes deliveries. Unlike a delete, it does not write down once more
// what they were.
func forgetting(ids []string) []store.Op {
	ops := make([]store.Op, len(ids))
	for i, id := range ids {
		ops[i] = store.Op{Kind: store.Put, Entity: entity.NewDict(text(entity.IDKey, id), flag(entity.DeletedKey, true))}
	}
	return ops
}

// trim removes, of the deliveries that failed, those that did longest ago, if there
// are so many more than are to be kept that it is worth it.
func (s *shift) trim() error {
	extra := s.Queue.extra(Failed)
	if extra == 0 {
		return nil
	}
	return s.Queue.alone(func() error { return s.forget(extra) })
}

func (s *shift) forget(extra int) error {
	var ids []string
	from := s.kept
	err := s.Queue.eachOf(s.ctx, extra, Failed, from, func(e entity.Value) bool {
		r := record{e}
		ids = append(ids, r.text(entity.IDKey))
		from = store.Offset(r.number(entity.UpdatedKey))
		return len(ids) < extra
	})
	if err == nil && len(ids) > 0 {
		err = s.Queue.commit(s.ctx, &store.Batch{Writes: []store.Write{{Dataset: Dataset(s.Queue.ID), Ops: forgetting(ids)}}})
	}
	if err != nil {
		return err
	}
	s.kept = from
	for _, id := range ids {
		s.Queue.left(Failed, id)
	}
	s.Log.Warn("deliveries that failed longest ago are forgotten", "webhook", s.Queue.ID, "deliveries", len(ids))
	return nil
}

// each yields the deliveries that got a status behind an offset, in the order in
// which they did; yield returns false to stop, and keeps nothing.
func (q *Queue) each(ctx context.Context, status Status, since store.Offset, yield func(e entity.Value) bool) error {
	return q.eachOf(ctx, 0, status, since, yield)
}

// eachOf is each for callers that will stop after about so many.
func (q *Queue) eachOf(ctx context.Context, about int, status Status, since store.Offset, yield func(e entity.Value) bool) error {
	arena := entity.NewArena()
	for {
		arena.Reset()
		page, err := q.store.Read(ctx, Dataset(q.ID), store.Query{Since: since, Limit: min(about, 100), Index: statusIndex, Key: []byte(status)}, arena)
		if err != nil {
			return err
		}
		for _, e := range page.Entities {
			if !entity.Deleted(e) && !yield(e) {
				return nil
			}
		}
		if since = page.Next; page.End {
			return nil
		}
	}
}
