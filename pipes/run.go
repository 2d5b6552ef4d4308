package pipes

import (
	"context"
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
	keep    []entity.Value // the batch before transforms, for another try
}

// Run runs the pump once: reads what is new, or everything if full is asked
// for or nothing else is possible, and writes it. A *WaitError says that the
// pipe cannot run yet.
func (p *Pipe) Run(ctx context.Context, full bool) (Stats, error) {
	if err := p.ready(ctx); err != nil {
		return Stats{}, err
	}
	r := &run{p: p}
	if err := r.begin(ctx, full); err != nil {
		return Stats{}, err
	}
	err := r.pump(ctx)
	r.stats.End = p.env.Now()
	r.logEnd(context.WithoutCancel(ctx), err)
	return r.stats, err
}

func (r *run) readAll(ctx context.Context) error {
	work, stop := graceful(ctx)
	defer stop()
	for b, err := range r.p.source.Read(work, r.state.Offset, r.p.batchSize()) {
		if err != nil {
			return &readError{err}
		}
		if len(b.Entities) > 0 || b.Since != "" {
			if err := r.batch(work, b); err != nil {
				return err
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return ctx.Err()
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
	if r.step != nil {
		if err := r.step.Apply(ctx, b); err != nil {
			return err
		}
	}
	var save []store.StateWrite
	if next.Offset != r.state.Offset {
		save = r.p.write(next)
	}
	w, err := r.writer.Write(ctx, b, save)
	if err != nil {
		return err
	}
	if save != nil {
		next.rev = w.Revs[0]
		r.state = next
	}
	if w.Changed > 0 {
		r.logStart(ctx)
	}
	r.stats.Changed += w.Changed
	return nil
}
