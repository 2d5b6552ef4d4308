package webhooks

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// Get returns a delivery; ErrNoDelivery if it is not there, or not any more.
func (q *Queue) Get(ctx context.Context, id string) (*Delivery, error) {
	found, err := q.store.Get(ctx, Dataset(q.ID), []string{id}, entity.NewArena())
	if err != nil {
		return nil, err
	}
	if len(found) == 0 || found[0].IsNull() || entity.Deleted(found[0]) {
		return nil, ErrNoDelivery
	}
	return deliveryOf(found[0]), nil
}

// List returns at most limit deliveries, those first that changed last; all
// of them, or those of one status.
func (q *Queue) List(ctx context.Context, status Status, limit int) ([]*Delivery, error) {
	if status == Delivered {
		limit = min(limit, q.KeepDelivered)
	}
	all, arena := []*Delivery{}, entity.NewArena()
	for query := (store.Query{Since: store.Start, Reverse: true}); len(all) < limit; {
		arena.Reset()
		page, err := q.store.Read(ctx, Dataset(q.ID), query, arena)
		if err != nil {
			return nil, err
		}
		for _, e := range page.Entities {
			d := deliveryOf(e)
			if !entity.Deleted(e) && (status == "" || d.Status == status) && len(all) < limit {
				all = append(all, d)
			}
		}
		if query.Since = page.Next; page.End {
			break
		}
	}
	return all, nil
}

// Counts tells how many deliveries there are of each status.
func (q *Queue) Counts(ctx context.Context) (map[Status]int, error) {
	info, err := q.store.Info(ctx, Dataset(q.ID))
	delivered, failed := q.ended(Delivered), q.ended(Failed)
	return map[Status]int{Pending: max(int(info.Live)-delivered-failed, 0), Delivered: min(delivered, q.KeepDelivered), Failed: failed}, err
}

// Standing is what whoever delivers is about.
type Standing struct {
	Next     time.Time // when the next try is due, zero if none waits
	UnderWay int       // tries that are
}

// Standing tells what whoever delivers is about; nothing while nobody does.
func (q *Queue) Standing() Standing {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.mu.standing
}

func (q *Queue) stand(s Standing) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.mu.standing = s
}

// Address is where deliveries go now, as anybody may see it.
func (q *Queue) Address(now time.Time) (string, error) {
	t, err := q.Target(now)
	if err != nil {
		return "", err
	}
	return t.Address(t.URL), nil
}

// Redeliver asks for one more try of a delivery, whatever became of it. It is
// made also while the endpoint is disabled. One that is pending has its next try
// at once, unless the endpoint is disabled.
func (q *Queue) Redeliver(ctx context.Context, id string, now time.Time) error {
	return q.alone(func() error { return q.redeliver(ctx, id, now) })
}

func (q *Queue) redeliver(ctx context.Context, id string, now time.Time) error {
	d, err := q.Get(ctx, id)
	if err != nil {
		return err
	}
	if d.Status == Pending {
		return q.hurry(ctx, d)
	}
	d.Before, d.Manual, d.Status, d.Due = d.Status, true, Pending, now
	if err := q.put(ctx, d); err != nil {
		return err
	}
	q.left(d.Before, id)
	return nil
}

// recovering is how many deliveries are put back at once.
const recovering = 100

// Recover puts deliveries back that failed although they were queued since, and
// before until: all tries are theirs again, in their order. It returns how many
// there are.
func (q *Queue) Recover(ctx context.Context, since, until, now time.Time) (int, error) {
	var ids []string
	err := q.each(ctx, Failed, store.Start, func(e entity.Value) bool {
		r := record{e}
		if at := r.moment("created"); !at.Before(since) && (until.IsZero() || at.Before(until)) {
			ids = append(ids, r.text(entity.IDKey))
		}
		return true
	})
	for from := 0; err == nil && from < len(ids); from += recovering {
		err = q.alone(func() error { return q.putBack(ctx, ids[from:min(from+recovering, len(ids))], now) })
	}
	return len(ids), err
}

func (q *Queue) putBack(ctx context.Context, ids []string, now time.Time) error {
	found, err := q.store.Get(ctx, Dataset(q.ID), ids, entity.NewArena())
	if err != nil {
		return err
	}
	var all []*Delivery
	for _, e := range found {
		d := deliveryOf(e)
		if d.Status != Failed || entity.Deleted(e) {
			continue
		}
		d.Status, d.Tries, d.Due = Pending, 0, now
		all = append(all, d)
	}
	if len(all) == 0 {
		return nil
	}
	if err := q.put(ctx, all...); err != nil {
		return err
	}
	for _, d := range all {
		q.left(Failed, d.ID)
	}
	return nil
}

// Test queues a message that says it is a test, for one try, and returns its id.
func (q *Queue) Test(ctx context.Context, now time.Time) (string, error) {
	return q.Try(ctx, Event{Body: q.Encode(entity.NewDict(text("type", "webhook.test"),
		text("timestamp", now.UTC().Format(time.RFC3339)), entity.Member{Key: "data", Value: entity.NewDict(text("webhook", q.ID))}))}, now)
}

// Try queues an event for one try, also while the endpoint is disabled, and
// returns its id.
func (q *Queue) Try(ctx context.Context, e Event, now time.Time) (string, error) {
	seq, err := q.number(ctx, 1)
	if err != nil {
		return "", err
	}
	if e.ID == "" {
		e.ID = newID()
	}
	d := &Delivery{ID: sendable(e.ID), Seq: seq, Status: Pending, Created: now, Due: now, Manual: true, Before: Failed,
		Entity: e.Entity, Key: e.Key, Header: e.Header, Body: e.Body}
	err = q.put(ctx, d)
	return d.ID, err
}

// SetEnabled enables the endpoint or disables it; what is pending goes at once,
// or waits.
func (q *Queue) SetEnabled(ctx context.Context, enabled bool, by, why string, now time.Time) error {
	b := &store.Batch{}
	err := q.save(ctx, b, func(h *Health) {
		switch {
		case enabled && h.Disabled:
			*h = Health{}
		case !enabled && !h.Disabled:
			*h = Health{Disabled: true, By: by, Why: why, At: now.UTC().Round(0), FailingSince: h.FailingSince}
		default:
			return
		}
		q.tell(b, Notice{Endpoint: q.ID, Enabled: enabled, By: by, Why: why, At: now.UTC().Round(0)})
	})
	q.Wake()
	return err
}

// StartDisabled is the state of an endpoint that is disabled from the start, to
// be saved before its queue is there.
func StartDisabled(endpoint, by, why string, now time.Time) (store.StateWrite, error) {
	data, err := json.Marshal(Health{Disabled: true, By: by, Why: why, At: now.UTC().Round(0)})
	return store.StateWrite{Key: healthKey(endpoint), Value: data, IfRev: store.AnyRev}, err
}

// HealthOf is the health of an endpoint as the store has it, also of one that has
// no queue yet.
func HealthOf(ctx context.Context, st store.Store, endpoint string) (Health, error) {
	return NewQueue(Endpoint{ID: endpoint}, st).Health(ctx)
}

// Forget removes all that is known of an endpoint that is gone for good.
func Forget(ctx context.Context, st store.Store, endpoint string) error {
	p, err := st.Append(ctx, &store.Batch{State: []store.StateWrite{{Key: healthKey(endpoint), IfRev: store.AnyRev}}})
	if err == nil {
		_, err = p.Wait(ctx)
	}
	return errors.Join(err, st.Drop(ctx, Dataset(endpoint)))
}
