package pipes

import (
	"context"
	"errors"

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
	e, id, err := h.Event(q, kept, a)
	if err != nil {
		return &RefusedError{Cause: err}
	}
	box := h.Inbox()
	also := []store.Write{box.Mark(kept, webhooks.Accepted, id, "")}
	if id != "" {
		unlock, err := box.Lock(ctx, id)
		if err != nil {
			return err
		}
		defer unlock()
		known, err := box.Known(ctx, id, kept.At)
		if err != nil {
			return err
		}
		if known {
			return box.Commit(ctx, box.Mark(kept, webhooks.Duplicate, id, ""))
		}
		also = append(also, box.Remember(id, kept))
	}
	_, err = in.receiveWith(ctx, &entity.Batch{Arena: a, Entities: append(a.Values(1), e)}, 0, also)
	return err
}
