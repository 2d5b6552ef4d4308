package pipes

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/sinks"
	"github.com/sluiceio/sluice/sources"
	"github.com/sluiceio/sluice/store"
)

// pump tries again what has failed before, then reads and writes until the
// source is exhausted, and tries a failed read again as often as the pump says.
func (r *run) pump(ctx context.Context) error {
	if r.kind != sinks.Full {
		if err := r.tryAgain(ctx); err != nil {
			return err
		}
	}
	if err := r.pumpReads(ctx); err != nil {
		return err
	}
	return r.finish(ctx)
}

func (r *run) pumpReads(ctx context.Context) error {
	for try := 0; ; try++ {
		err := r.readAll(ctx)
		if err == nil {
			return nil
		}
		var failed *readError
		if !errors.As(err, &failed) || ctx.Err() != nil || errors.Is(err, sources.ErrRemade) {
			return err
		}
		r.logReadError(ctx, failed.cause)
		if try >= int(r.p.retries("max_read_retries", err, float64(r.p.Def.Pump.MaxReadRetries))) {
			return err
		}
		if err := r.p.pause(ctx, r.p.retries("read_retry_delay", err, r.p.Def.Pump.ReadRetryDelay)); err != nil {
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
	keep    []entity.Value     // before transforms, for another try
	next    state              // once it is safe
	pending sinks.Pending      // if it was handed over and is not safe yet
	pieces  []store.StateWrite // saved with next
	known   map[string]failure // what has failed before of its entities
	before  int                // how many source entities were read before it
	// intended tells that what the source intends is saved.
	intended bool
}

// take makes a job of a batch. There are two, which take turns.
func (r *run) take(b *entity.Batch) *job {
	r.jobs[0], r.jobs[1] = r.jobs[1], r.jobs[0]
	j := &r.jobs[0]
	j.batch, j.keep, j.known, j.pieces, j.intended = b, append(j.keep[:0], b.Entities...), nil, nil, false
	j.before = r.stats.Read
	r.stats.Read += len(b.Entities)
	r.pace.weigh(b.Entities)
	return j
}

// batch processes one batch: whole, then again, then entity by entity.
func (r *run) batch(ctx context.Context, b *entity.Batch) error {
	defer func() {
		r.stats.Memory, r.stats.Peak = max(r.stats.Memory, b.Arena.Bytes()), max(r.stats.Peak, heap())
	}()
	j := r.take(b)
	if r.ahead != nil && !r.careful() {
		return r.sendAhead(ctx, j)
	}
	if _, err := r.land(ctx); err != nil {
		return err
	}
	return r.onItsOwn(ctx, j)
}

// onItsOwn processes a batch when none is on its way.
func (r *run) onItsOwn(ctx context.Context, j *job) error {
	if r.careful() {
		if err := r.passOver(ctx, j); err != nil {
			return err
		}
	}
	j.next = r.after(j)
	return r.again(ctx, j, r.deliver(ctx, j, j.keep, j.next))
}

// after is the state once the job is done.
func (r *run) after(j *job) state {
	next := r.state
	if r.chrono && j.batch.Since != "" {
		if next.Offset = j.batch.Since; r.kind == sinks.Partial {
			next.Offset = further(r.state.Offset, j.batch.Since)
		}
		j.pieces = r.progress(&next, len(j.keep))
	} else if !r.chrono {
		r.notice(j.keep)
	}
	return next
}

// again tries a batch that has failed with err as the pump says; nil is no
// failure.
func (r *run) again(ctx context.Context, j *job, err error) error {
	if err != nil && ctx.Err() == nil && r.smaller(j) {
		return errSmaller
	}
	pump := &r.p.Def.Pump
	for try := 0; err != nil && try < int(r.p.retries("batch_retries", err, float64(pump.BatchRetries))) && r.p.batchSize() > 1 && worthRetrying(err) && ctx.Err() == nil; try++ {
		if pauseErr := r.p.pause(ctx, r.p.retries("write_retry_delay", err, pump.WriteRetryDelay)); pauseErr != nil {
			return err
		}
		err = r.deliver(ctx, j, j.keep, j.next)
	}
	if err == nil || ctx.Err() != nil || final(err) || !pump.Fallback && len(j.keep) > 1 {
		return err
	}
	return r.singly(ctx, j, err)
}

// restore takes back what transforms have done to the batch.
func (j *job) restore() { j.batch.Entities = append(j.batch.Entities[:0], j.keep...) }

// worthRetrying tells failures that may pass from those that follow from the
// entity and its rules.
func worthRetrying(err error) bool {
	var noID *sinks.NoIDError
	return !errors.As(err, &noID) && !errors.Is(err, store.ErrTooLarge) && !final(err)
}

// singly replays a batch that keeps failing entity by entity, so that those
// before the bad one are through, and those behind it if it can be set aside. A
// batch of one has failed already.
func (r *run) singly(ctx context.Context, j *job, cause error) error {
	for i := range j.keep {
		next, one := r.behind(j, j.keep[i]), j.keep[i:i+1]
		if i == len(j.keep)-1 {
			next = j.next
			next.rev = r.state.rev
		}
		err := cause
		if len(j.keep) > 1 {
			err = r.deliver(ctx, j, one, next)
		}
		if err != nil {
			err = r.failed(ctx, j, one, next, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// behind is the state once the job is done up to an entity in its midst: where
// entities are places in the log that is read, the next run goes on there, and what
// has no commits is not delivered twice.
func (r *run) behind(j *job, e entity.Value) state {
	next := r.state
	if r.kind != sinks.Incremental || !r.chrono || r.rereads || j.batch.Since == "" || r.p.readsWhole() == "" {
		return next
	}
	if at := sources.Updated(e); at != "" && sources.Newer(at, next.Offset) {
		next.Offset = strings.Clone(at)
	}
	return next
}

// failed deals with an entity that has failed: it is set aside where failed
// entities may wait, else tried again. It returns what ends the run: too many
// failures in a row, or one that is not the entity's.
func (r *run) failed(ctx context.Context, j *job, one []entity.Value, next state, err error) error {
	pump := &r.p.Def.Pump
	for {
		most := max(int(r.p.retries("max_consecutive_write_errors", err, float64(pump.MaxWriteErrors))), 1)
		r.blame(one[0])
		if ctx.Err() != nil || final(err) {
			return err
		}
		r.stats.Failed++
		r.inARow++
		aside := !r.beside && (r.p.keepsFailed() || r.queue.waiting[keyOf(one[0])])
		if aside {
			if full := r.setAside(ctx, j, one, next, err); full != nil {
				return full
			}
		}
		if r.inARow >= most {
			return stopped(r.inARow, err)
		}
		if pauseErr := r.p.pause(ctx, r.p.retries("write_retry_delay", err, pump.WriteRetryDelay)); aside || pauseErr != nil {
			r.culprit = entity.Value{}
			return pauseErr
		}
		if err = r.deliver(ctx, j, one, next); err == nil {
			return nil
		}
	}
}

// stopError is a run that ends for its failures in a row.
type stopError struct {
	n     int
	cause error
}

func stopped(n int, cause error) error { return &stopError{n, cause} }

// Error tells the last cause, and how many there were.
func (e *stopError) Error() string {
	if e.n == 1 {
		return e.cause.Error()
	}
	return fmt.Sprintf("%d write errors in a row, as many as max_consecutive_write_errors allows; the last: %v", e.n, e.cause)
}

// Unwrap returns the last cause.
func (e *stopError) Unwrap() error { return e.cause }

func isStop(err error) bool {
	var s *stopError
	return errors.As(err, &s)
}

// blame notes the entity because of which a run may fail.
func (r *run) blame(e entity.Value) { r.culprit = e.Clone() }

func (p *Pipe) pause(ctx context.Context, seconds float64) error {
	if seconds <= 0 {
		return ctx.Err()
	}
	return p.env.Sleep(ctx, ofSeconds(seconds))
}
