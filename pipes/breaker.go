package pipes

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/sinks"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/webhooks"
)

// tripped returns why a tripped circuit breaker keeps the pipe from running.
func (p *Pipe) tripped(ctx context.Context) error {
	b, ok := p.sink.(sinks.Breaker)
	if !ok {
		return nil
	}
	t, err := b.Tripped(ctx)
	if err != nil || t == nil {
		return err
	}
	return &WaitError{Reason: "does not run: " + t.Why(), Dataset: sinks.Uncommitted(t.Dataset), Tripped: true}
}

// trips trips the breaker if a rule has said trip!.
func (r *run) trips(ctx context.Context, err error) error {
	failed, ok := dtl.IsRunError(err)
	if !ok || failed.Code != "dtl/trip" {
		return err
	}
	w, ok := r.writer.(sinks.Tripper)
	if !ok {
		return err
	}
	return errors.Join(err, w.Trip(ctx, failed.Msg))
}

// final tells failures that end the run whatever the pump's retries say.
func final(err error) bool {
	failed, ok := dtl.IsRunError(err)
	var slow *slowError
	if errors.As(err, &slow) || ok && failed.Code == "dtl/trip" {
		return true
	}
	return slices.ContainsFunc([]error{sinks.ErrTripped, webhooks.ErrDisabled, webhooks.ErrQueueFull, sinks.ErrOutdated, sinks.ErrPushConflict,
		store.ErrConflict, store.ErrFull, store.ErrClosed, store.ErrCorrupt, context.Canceled},
		func(not error) bool { return errors.Is(err, not) })
}

// ResolveTrip ends the trip of a dataset's circuit breaker: what was held back
// is published or dropped, and the pipe may run again. The execution log of the
// pipe that tripped it tells so.
func ResolveTrip(ctx context.Context, st store.Store, dataset string, publish bool, now time.Time) error {
	t, err := sinks.ResolveTrip(ctx, st, dataset, publish)
	if err != nil {
		return err
	}
	event := "circuit-breaker-rollback"
	if publish {
		event = "circuit-breaker-commit"
	}
	err = recordIn(ctx, st, t.Pipe, now, event,
		entity.Member{Key: "dataset", Value: entity.NewString(t.Dataset)},
		entity.Member{Key: "changes", Value: entity.NewInt(t.Changes)},
		entity.Member{Key: "limit", Value: entity.NewInt(t.Limit)})
	if errors.Is(err, store.ErrNoDataset) {
		return nil // the pipe is gone, and its log with it
	}
	return err
}
