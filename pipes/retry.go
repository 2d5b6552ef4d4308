package pipes

import (
	"context"
	"errors"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/sinks"
	"github.com/sluiceio/sluice/store"
)

// pump reads and writes until the source is exhausted, and tries a failed read
// again as often as the pump says.
func (r *run) pump(ctx context.Context) error {
	for try := 0; ; try++ {
		err := r.readAll(ctx)
		var failed *readError
		if err == nil || !errors.As(err, &failed) || try >= r.p.Def.Pump.MaxReadRetries || ctx.Err() != nil {
			if err == nil {
				err = r.finish(ctx)
			}
			return err
		}
		r.logReadError(ctx, failed.cause)
		if err := r.p.pause(ctx, r.p.Def.Pump.ReadRetryDelay); err != nil {
			return err
		}
	}
}

type readError struct{ cause error }

func (e *readError) Error() string { return "reading: " + e.cause.Error() }
func (e *readError) Unwrap() error { return e.cause }

// batch processes one batch: whole, then again, then entity by entity.
func (r *run) batch(ctx context.Context, b *entity.Batch) error {
	r.stats.Read += len(b.Entities)
	r.keep = append(r.keep[:0], b.Entities...)
	pump := &r.p.Def.Pump
	next := r.state
	if r.chrono && b.Since != "" {
		next.Offset = b.Since
	} else if !r.chrono {
		r.notice(b.Entities)
	}
	err := r.deliver(ctx, b, next)
	for try := 0; err != nil && try < pump.BatchRetries && worthRetrying(err) && ctx.Err() == nil; try++ {
		if pauseErr := r.p.pause(ctx, pump.WriteRetryDelay); pauseErr != nil {
			return err
		}
		b.Entities = append(b.Entities[:0], r.keep...)
		err = r.deliver(ctx, b, next)
	}
	if err == nil || !pump.Fallback || len(r.keep) < 2 || ctx.Err() != nil {
		return err
	}
	return r.singly(ctx, b, next)
}

// worthRetrying tells failures that may pass from those that follow from the
// entity and its rules.
func worthRetrying(err error) bool {
	var noID *sinks.NoIDError
	if errors.As(err, &noID) {
		return false
	}
	return !errors.Is(err, store.ErrTooLarge) && !errors.Is(err, store.ErrConflict)
}

// singly replays a batch that keeps failing entity by entity, so that those
// before the bad one are through. The offset moves only behind the last.
func (r *run) singly(ctx context.Context, b *entity.Batch, next state) error {
	all := append([]entity.Value(nil), r.keep...)
	for i, e := range all {
		b.Entities = append(b.Entities[:0], e)
		s := r.state
		if i == len(all)-1 {
			s = next
		}
		if err := r.deliver(ctx, b, s); err != nil {
			return err
		}
	}
	return nil
}

func (p *Pipe) pause(ctx context.Context, seconds float64) error {
	if seconds <= 0 {
		return ctx.Err()
	}
	return p.env.Sleep(ctx, time.Duration(seconds*float64(time.Second)))
}
