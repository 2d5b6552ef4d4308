package pipes

import (
	"context"
	"errors"
	"slices"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/sources"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/webhooks"
)

// signed tells whether the source verifies the signatures of webhooks.
func (p *Pipe) signed() bool {
	return p.text("source", "type") == "webhook" && p.text("source", "signature") != "none"
}

// RefusedError is a webhook that is not taken in.
type RefusedError struct {
	// Unproven tells that its signature is at fault; the cause is for operators.
	// Otherwise the cause is for the caller.
	Unproven bool
	Cause    error
}

// Error tells the cause.
func (e *RefusedError) Error() string {
	if e.Cause == nil {
		return "the webhook was refused"
	}
	return "the webhook was refused: " + e.Cause.Error()
}

// Unwrap returns the cause.
func (e *RefusedError) Unwrap() error { return e.Cause }

// ReceiveHook takes in a webhook: it is verified, kept as it came, and, unless
// its event came before, made an entity that goes through the pipe. What is not
// proven takes no room but a bounded one, since anybody can send it. When it
// returns without an error all of that survives a power cut. A *RefusedError is
// the caller's fault.
func (in *Inlet) ReceiveHook(ctx context.Context, h sources.Hook, q sources.Request, a *entity.Arena) error {
	box, kept := h.Inbox(), h.Kept(q)
	if v := h.Check(ctx, q); !v.Accepted {
		refused := &RefusedError{Unproven: true, Cause: v.Err}
		return errors.Join(refused, box.KeepRefused(ctx, kept, refused.Error()))
	}
	pending, err := box.Keep(ctx, kept)
	if err != nil {
		return err
	}
	err = in.hook(ctx, h, q, kept, a)
	if _, waitErr := pending.Wait(ctx); waitErr != nil {
		return errors.Join(err, waitErr)
	}
	var refused *RefusedError
	switch {
	case errors.As(err, &refused):
		err = errors.Join(err, box.Commit(ctx, box.Mark(kept, webhooks.Refused, "", err.Error())))
	case err != nil:
		// That the pipe failed counts for more than that nobody can be told of it.
		_ = box.Commit(context.WithoutCancel(ctx), box.Mark(kept, webhooks.Unstored, "", err.Error()))
	}
	// What could not be tidied is tidied later.
	_ = box.Tidy(context.WithoutCancel(ctx), kept.At)
	return err
}

// hook takes in a webhook that is proven and kept.
func (in *Inlet) hook(ctx context.Context, h sources.Hook, q sources.Request, kept *webhooks.Request, a *entity.Arena) error {
	if err := in.shut(ctx); err != nil {
		return err
	}
	events, err := eventsOf(ctx, h, q, kept, a)
	if err != nil {
		return err
	}
	box := h.Inbox()
	unlock, err := lockAll(ctx, box, events)
	if err != nil {
		return err
	}
	defer unlock()
	fresh := events[:0:0]
	for _, e := range events {
		known := e.ID != "" && slices.ContainsFunc(fresh, func(f sources.HookEvent) bool { return f.ID == e.ID })
		if e.ID != "" && !known {
			if known, err = box.Known(ctx, e.ID, kept.At); err != nil {
				return err
			}
		}
		if !known {
			fresh = append(fresh, e)
		}
	}
	id := ""
	if len(events) == 1 {
		id = events[0].ID
	}
	if len(fresh) == 0 {
		outcome := webhooks.Accepted
		if len(events) > 0 {
			outcome = webhooks.Duplicate
		}
		return box.Commit(ctx, box.Mark(kept, outcome, id, ""))
	}
	also, entities := []store.Write{box.Mark(kept, webhooks.Accepted, id, "")}, a.Values(len(fresh))
	for _, e := range fresh {
		if entities = append(entities, e.Entity); e.ID != "" {
			also = append(also, box.Remember(e.ID, kept))
		}
	}
	_, err = in.receiveWith(ctx, &entity.Batch{Arena: a, Entities: entities}, 0, also)
	return err
}

// eventsOf are the events of a request.
func eventsOf(ctx context.Context, h sources.Hook, q sources.Request, kept *webhooks.Request, a *entity.Arena) ([]sources.HookEvent, error) {
	if s, ok := h.(sources.Several); ok {
		return s.Events(ctx, q, kept, a)
	}
	e, id, err := h.Event(q, kept, a)
	if err != nil {
		return nil, &RefusedError{Cause: err}
	}
	return []sources.HookEvent{{Entity: e, ID: id}}, nil
}

// lockAll has requests with an event in common come one after the other. All take
// their locks in one order, so that none waits for one that waits for it.
func lockAll(ctx context.Context, box *webhooks.Inbox, events []sources.HookEvent) (unlock func(), err error) {
	var ids []string
	for _, e := range events {
		if e.ID != "" {
			ids = append(ids, e.ID)
		}
	}
	slices.Sort(ids)
	var held []func()
	unlock = func() {
		for _, f := range held {
			f()
		}
	}
	for _, id := range slices.Compact(ids) {
		f, err := box.Lock(ctx, id)
		if err != nil {
			unlock()
			return nil, err
		}
		held = append(held, f)
	}
	return unlock, nil
}
