package pipes

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/sinks"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/transforms"
)

// grace is how long the batch in hand may take once the run is to stop.
const grace = 10 * time.Second

// run is the state of one run of a pump.
type run struct {
	p       *Pipe
	kind    sinks.RunKind
	state   state
	chrono  bool   // the offset moves with every batch
	largest string // greatest _updated, for the max strategy
	step    transforms.Step
	writer  sinks.Writer
	stats   Stats
	logged  bool
	heard   *hearing    // of completeness
	basis   *basis      // what the run works from
	rewound bool        // the source is another than that of the offset
	moved   bool        // changes of hopped datasets were followed
	jobs    [2]job      // the batch in hand, and the one before it
	ahead   sinks.Ahead // nil if each batch waits for the one before
}

// Run runs the pump once: reads what is new, or everything if full is asked
// for or nothing else is possible, and writes it. A *WaitError says that the
// pipe cannot run yet.
func (p *Pipe) Run(ctx context.Context, full bool) (Stats, error) {
	stats, err := p.runOnce(ctx, full)
	if errors.Is(err, errTooMany) && p.reprocesses() {
		return p.runOnce(ctx, true)
	}
	return stats, err
}

func (p *Pipe) runOnce(ctx context.Context, full bool) (Stats, error) {
	if err := p.ready(ctx); err != nil {
		return Stats{}, err
	}
	r := &run{p: p}
	if err := r.begin(ctx, full); err != nil {
		return Stats{}, err
	}
	err := r.trips(context.WithoutCancel(ctx), r.pump(ctx))
	r.stats.End = p.env.Now()
	r.logEnd(context.WithoutCancel(ctx), err)
	return r.stats, err
}

func (r *run) readAll(ctx context.Context) (err error) {
	work, stop := graceful(ctx)
	defer stop()
	if err := r.track(work); err != nil {
		return err
	}
	for b, readErr := range r.p.source.Read(work, r.state.Offset, r.p.batchSize()) {
		switch {
		case readErr != nil:
			err = &readError{readErr}
		case len(b.Entities) > 0 || b.Since != "":
			r.p.env.Traffic.yield(ctx, r.p.env.Sleep)
			err = r.batch(work, b)
		}
		if err != nil || ctx.Err() != nil {
			break
		}
	}
	if _, landErr := r.land(work); landErr != nil {
		return landErr
	}
	return cmp.Or(err, ctx.Err())
}

// graceful returns a context that outlives ctx by the grace period, so that
// the batch in hand comes to its end.
func graceful(ctx context.Context) (context.Context, func()) {
	work, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		t := time.AfterFunc(grace, func() { cancel(context.Cause(ctx)) })
		context.AfterFunc(work, func() { t.Stop() })
	})
	return work, func() {
		stop()
		cancel(nil)
	}
}

// deliver transforms and writes a batch and saves the state with it.
func (r *run) deliver(ctx context.Context, b *entity.Batch, next state) error {
	if err := r.apply(ctx, b); err != nil {
		return err
	}
	w, err := r.writer.Write(ctx, b, r.save(next))
	if err == nil {
		r.wrote(ctx, w, next)
	}
	return err
}

func (r *run) apply(ctx context.Context, b *entity.Batch) error {
	if r.step == nil {
		return nil
	}
	return r.step.Apply(ctx, b)
}

// save is what must be written to come from the present state to next.
func (r *run) save(next state) []store.StateWrite {
	if next.Offset == r.state.Offset {
		return nil
	}
	return r.p.write(next)
}

// wrote notes that a batch and the state after it are safe.
func (r *run) wrote(ctx context.Context, w sinks.Written, next state) {
	if len(w.Revs) > 0 {
		next.rev = w.Revs[0]
		r.state = next
	} else if w.Held {
		r.state = next // what the end of the run will save
	}
	if w.Changed > 0 {
		r.logStart(ctx)
	}
	r.stats.Changed += w.Changed
}
