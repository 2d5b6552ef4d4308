package pipes

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/sinks"
	"github.com/sluiceio/sluice/sources"
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
	joins   dtl.Joins // what traced hops have found
	logged  bool
	over    bool           // its end is recorded, too
	heard   *hearing       // of completeness
	basis   *basis         // what the run works from
	origin  sources.Origin // what a distant source is
	moved   bool           // changes of hopped datasets were followed
	jobs    [2]job         // the batch in hand, and the one before it
	ahead   sinks.Ahead    // nil if each batch waits for the one before
	pace    pace
	turns   turns

	from    string         // where reading goes on
	holds   bool           // the sink holds back what it is given
	resumes sinks.Resuming // of a full run that can go on after it was cut short
	resumed bool           // it did
	owed    bool           // the store says that a full run is
	anew    bool           // it must not: what it began with is another now
	batches int            // of a full run
	seen    []byte         // by a full run, not saved yet
	unsaved bool           // the state is further than the saved one
	delayed int            // batches since it was saved
	queue   queue
	rereads bool // entities are read again for a change elsewhere
	inARow  int  // failures
	culprit entity.Value
	started store.Pending // the record of the start
	kept    string        // why nothing is deleted for its absence
	stopped string        // what ended it early, if it was a person or the node's end
	remade  bool          // an input was
	drift   string        // why the offset means nothing
	doubt   string        // why what was read may not be all there is
	// caused tells that the pipe was found to be out of sync, failing that some entities
	// could not be delivered, so that absence says nothing.
	caused, failing bool
	// refills tells that the run is a full one because an input was made anew, refilled
	// that that is not populated yet.
	refills, refilled bool
	beside            bool      // it is a rescan beside incremental runs
	besides           besideRun // … and how far it has come, as saved
	about             sinks.Run // … and what its writer is told
}

// Run runs the pump once: reads what is new, or everything if full is asked
// for or nothing else is possible, and writes it. A *WaitError says that the
// pipe cannot run yet.
func (p *Pipe) Run(ctx context.Context, full bool) (Stats, error) {
	stats, err := p.runOnce(ctx, full)
	if errors.Is(err, errTooMany) && p.reprocesses() {
		return p.runOnce(ctx, true)
	}
	if errors.Is(err, sources.ErrRemade) {
		if err := p.owe(ctx); err != nil {
			return stats, err
		}
		return p.runOnce(ctx, true)
	}
	return stats, err
}

func (p *Pipe) runOnce(ctx context.Context, full bool) (Stats, error) {
	unlock, err := p.lock(ctx)
	if err != nil {
		return Stats{}, err
	}
	defer unlock()
	if err := p.ready(ctx); err != nil {
		return Stats{}, err
	}
	r := &run{p: p}
	if err := r.begin(ctx, full); err != nil {
		return Stats{}, err
	}
	err = r.trips(context.WithoutCancel(ctx), r.pump(ctx))
	if err != nil && !r.holds {
		r.settle(context.WithoutCancel(ctx)) // what cannot be saved is done again
	}
	r.stats.End = p.env.Now()
	if errors.Is(err, sources.ErrRemade) {
		return r.stats, errors.Join(err, p.recordCauses(context.WithoutCancel(ctx), []string{sources.ErrRemade.Error()}))
	}
	r.stopped = stoppedBy(ctx, err)
	r.logEnd(context.WithoutCancel(ctx), err)
	return r.stats, p.untilRoom(err)
}

// ErrStopped is how a run ends that somebody stopped: the cause of its context's
// end.
var ErrStopped = errors.New("it was stopped by hand")

// stoppedBy tells who ended a run early, "" if nobody did.
func stoppedBy(ctx context.Context, err error) string {
	switch {
	case !errors.Is(err, context.Canceled) || ctx.Err() == nil:
		return ""
	case errors.Is(context.Cause(ctx), ErrStopped):
		return "by hand"
	default:
		return "the node ended"
	}
}

func (r *run) readAll(ctx context.Context) error {
	work, stop := graceful(ctx)
	defer stop()
	err := r.track(work)
	for again := err == nil; again; {
		before := r.inputs(work)
		err = r.readOn(ctx, work)
		again = errors.Is(err, errSmaller) || err == nil && r.lingers(work, before)
	}
	return err
}

// readOn reads from where the run stands; work outlives ctx.
func (r *run) readOn(ctx, work context.Context) (err error) {
	for b, readErr := range r.reading(ctx, work) {
		switch {
		case readErr != nil:
			err = &readError{readErr}
		case len(b.Entities) > 0 || b.Since != "":
			if err = r.batch(work, b); err == nil && b.Safe != nil {
				b.Safe()
			}
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

// position is where reading begins, or begins again after a failure.
func (r *run) position() string {
	if r.kind == sinks.Partial {
		return r.from
	}
	return r.state.Offset
}

// reading is the source's sequence of batches, with the time it takes. Requests that
// are being stored go before each, so that what they bring is read together.
func (r *run) reading(ctx, work context.Context) iter.Seq2[*entity.Batch, error] {
	return func(yield func(*entity.Batch, error) bool) {
		r.turns.take(ctx, &r.p.env, r.pace.atOnce())
		begun := r.p.env.Now()
		for b, err := range r.open(work) {
			r.stats.Source += r.p.env.Now().Sub(begun)
			if !yield(b, err) {
				return
			}
			if b != nil && !b.Last {
				r.turns.take(ctx, &r.p.env, r.pace.atOnce())
			}
			begun = r.p.env.Now()
		}
		r.stats.Source += r.p.env.Now().Sub(begun)
	}
}

// open reads the source as it reads for this kind of run, and notes what a
// distant one is.
func (r *run) open(ctx context.Context) iter.Seq2[*entity.Batch, error] {
	ctx = sources.WithDoubts(ctx, func(why string) { r.doubt = cmp.Or(r.doubt, why) })
	if seq, ok := r.paced(ctx); ok {
		return seq
	}
	if s, ok := r.p.source.(sources.Whole); ok && r.kind == sinks.Full {
		return s.ReadWhole(ctx, r.position(), r.p.batchSize())
	}
	d, ok := r.p.source.(sources.Distant)
	if !ok {
		return r.p.source.Read(ctx, r.position(), r.p.batchSize())
	}
	return d.ReadFrom(ctx, r.position(), r.p.batchSize(), r.state.Origin, func(o sources.Origin) {
		r.moved = r.moved || r.state.Origin != o.ID
		r.origin, r.state.Origin = o, o.ID
	})
}

// deliver transforms source entities of a job and writes what comes of them,
// and saves the state after them.
func (r *run) deliver(ctx context.Context, j *job, of []entity.Value, next state) error {
	j.batch.Entities = append(j.batch.Entities[:0], of...)
	if err := r.apply(ctx, j.batch); err != nil {
		return err
	}
	return r.put(ctx, j, of, next)
}

// apply sends a batch through the transforms.
func (r *run) apply(ctx context.Context, b *entity.Batch) error {
	if r.step == nil {
		return nil
	}
	begun, n := r.p.env.Now(), len(b.Entities)
	var first entity.Value
	if n > 0 {
		first = b.Entities[0]
	}
	err := r.step.Apply(ctx, b)
	took := r.p.env.Now().Sub(begun)
	r.stats.Transform += took
	if most := r.p.Def.Pump.MaxSeconds; err == nil && most > 0 && n > 0 && took.Seconds()/float64(n) > most {
		r.blame(first)
		return &slowError{took / time.Duration(n), most}
	}
	return err
}

// slowError is a batch that took longer than max_seconds_per_entity allows.
type slowError struct {
	took time.Duration // an entity
	most float64
}

// Error tells both times.
func (e *slowError) Error() string {
	return fmt.Sprintf("transforms took %s an entity, more than the %g seconds of max_seconds_per_entity", e.took, e.most)
}
