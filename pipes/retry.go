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

// job is a batch on its way through the pipe.
type job struct {
	batch   *entity.Batch
	keep    []entity.Value // before transforms, for another try
	next    state          // once it is safe
	pending sinks.Pending  // if it was handed over and is not safe yet
}

// take makes a job of a batch. There are two, which take turns.
func (r *run) take(b *entity.Batch) *job {
	r.jobs[0], r.jobs[1] = r.jobs[1], r.jobs[0]
	j := &r.jobs[0]
	j.batch, j.keep = b, append(j.keep[:0], b.Entities...)
	return j
}

// batch processes one batch: whole, then again, then entity by entity.
func (r *run) batch(ctx context.Context, b *entity.Batch) error {
	r.stats.Read += len(b.Entities)
	j := r.take(b)
	if r.ahead != nil {
		return r.sendAhead(ctx, j)
	}
	j.next = r.after(j)
	return r.again(ctx, j, r.deliver(ctx, b, j.next))
}

// after is the state once the job is done.
func (r *run) after(j *job) state {
	next := r.state
	if r.chrono && j.batch.Since != "" {
		next.Offset = j.batch.Since
	} else if !r.chrono {
		r.notice(j.keep)
	}
	return next
}

// again tries a batch that has failed with err as the pump says; nil is no
// failure.
func (r *run) again(ctx context.Context, j *job, err error) error {
	pump := &r.p.Def.Pump
	if final(err) {
		return err
	}
	for try := 0; err != nil && try < pump.BatchRetries && worthRetrying(err) && ctx.Err() == nil; try++ {
		if pauseErr := r.p.pause(ctx, pump.WriteRetryDelay); pauseErr != nil {
			return err
		}
		j.restore()
		err = r.deliver(ctx, j.batch, j.next)
	}
	if err == nil || !pump.Fallback || len(j.keep) < 2 || ctx.Err() != nil {
		return err
	}
	return r.singly(ctx, j)
}

// restore takes back what transforms have done to the batch.
func (j *job) restore() { j.batch.Entities = append(j.batch.Entities[:0], j.keep...) }

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
func (r *run) singly(ctx context.Context, j *job) error {
	for i, e := range j.keep {
		j.batch.Entities = append(j.batch.Entities[:0], e)
		s := r.state
		if i == len(j.keep)-1 {
			s = j.next
		}
		if err := r.deliver(ctx, j.batch, s); err != nil {
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
