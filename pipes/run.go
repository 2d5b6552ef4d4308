package pipes

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/sinks"
	"github.com/sluiceio/sluice/sources"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/transforms"
)

// WaitError says in one sentence why a pipe does not run yet. A change of the
// dataset, if one is named, lets it look again.
type WaitError struct{ Reason, Dataset string }

// Error returns the sentence.
func (w *WaitError) Error() string { return w.Reason }

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

// ready checks the preconditions of a run and readies the indexes of hops.
func (p *Pipe) ready(ctx context.Context) error {
	if err := p.Waits(ctx); err != nil {
		return err
	}
	for _, h := range p.facts.Hops {
		if h.Index != nil {
			ix := store.Index{Name: h.Index.Name, Keys: h.Index.Keys}
			if err := p.env.Store.EnsureIndex(ctx, h.Dataset, ix); err != nil {
				return fmt.Errorf("index of dataset %s: %w", h.Dataset, err)
			}
		}
	}
	return nil
}

// Waits returns the *WaitError that keeps the pipe from running, nil if nothing
// does. It changes nothing.
func (p *Pipe) Waits(ctx context.Context) error {
	for _, l := range p.facts.Lookups {
		if err := p.populated(ctx, l.Name); err != nil {
			return err
		}
	}
	for _, h := range p.facts.Hops {
		if err := p.populated(ctx, h.Dataset); err != nil {
			return err
		}
	}
	if g, ok := p.source.(sources.Gated); ok {
		on, given := g.RequirePopulatedInput()
		if !given {
			on = p.env.Metadata.Get("global_defaults").Get("require_populated_input").IsTrue()
		}
		for _, d := range p.Inputs() {
			if err := p.populated(ctx, d); on && err != nil {
				return err
			}
		}
	}
	return nil
}

// populated returns why a dataset cannot be looked into yet.
func (p *Pipe) populated(ctx context.Context, dataset string) error {
	info, err := p.env.Store.Info(ctx, dataset)
	switch {
	case errors.Is(err, store.ErrNoDataset):
		return &WaitError{fmt.Sprintf("waits for dataset %q, which does not exist yet", dataset), dataset}
	case err != nil:
		return err
	case !info.Populated:
		return &WaitError{fmt.Sprintf("waits for dataset %q to be populated", dataset), dataset}
	}
	return nil
}

// begin decides the kind of the run and opens writer and transforms.
func (r *run) begin(ctx context.Context, full bool) (err error) {
	p := r.p
	if r.state, err = p.loadState(ctx); err != nil {
		return err
	}
	since := p.source.Since()
	r.chrono = since.Supports && since.Chronological
	continues := since.Supports && (since.Chronological || since.Comparable)
	r.kind = sinks.Incremental
	n := p.Def.Pump.RescanCount
	rescan := full || n > 0 && r.state.Runs%n == 0 && r.state.Completed
	switch {
	case rescan:
		// A rescan that was cut short begins anew: only a whole one knows what
		// is absent.
		r.kind, r.state.Offset = sinks.Full, ""
	case !continues || r.state.Offset == "":
		r.kind = sinks.Full
	}
	if !continues {
		r.state.Offset = ""
	}
	typ := p.text("source", "type")
	latest := typ == "dataset" && !p.Def.Source.Get("include_previous_versions").IsTrue()
	if r.writer, err = p.sink.Start(ctx, sinks.Run{Kind: r.kind, LatestOnly: latest}); err != nil {
		return err
	}
	if p.transform != nil {
		r.step = p.transform.Start(transforms.Run{Host: p.host()})
	}
	r.stats = Stats{Kind: r.kind.String(), Start: p.env.Now()}
	r.largest = r.state.Offset
	return nil
}

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

// notice remembers the greatest _updated of what was read.
func (r *run) notice(entities []entity.Value) {
	for _, e := range entities {
		if u := sources.Updated(e); u != "" && sources.Newer(u, r.largest) {
			r.largest = strings.Clone(u)
		}
	}
}

// finish ends a run that read everything.
func (r *run) finish(ctx context.Context) error {
	work, stop := graceful(ctx)
	defer stop()
	// What a transform finds wrong with the whole run must be known before
	// absence is taken for deletion.
	if f, ok := r.step.(transforms.Finisher); ok && r.kind == sinks.Full {
		if err := f.Finish(work); err != nil {
			return err
		}
	}
	populated := true
	if s, ok := r.p.source.(sources.Populator); ok {
		var err error
		if populated, err = s.Populated(work); err != nil {
			return err
		}
	}
	next := r.state
	next.Completed = true
	next.Runs++
	if !r.chrono {
		next.Offset = r.largest
		if s := r.p.source.Since(); !s.Supports || !s.Comparable {
			next.Offset = ""
		}
	}
	// A run that found nothing has nothing to save either, unless runs count.
	var save []store.StateWrite
	if r.stats.Read > 0 || !r.state.Completed || r.p.Def.Pump.RescanCount > 0 {
		save = r.p.write(next)
	}
	w, err := r.writer.Finish(work, sinks.Finish{SourcePopulated: populated}, save)
	r.stats.Changed += w.Changed
	r.stats.Deleted += w.Deleted
	return err
}

func (p *Pipe) pause(ctx context.Context, seconds float64) error {
	if seconds <= 0 {
		return ctx.Err()
	}
	return p.env.Sleep(ctx, time.Duration(seconds*float64(time.Second)))
}

// pipeHost is the node's host, with the earlier versions the source knows of.
type pipeHost struct {
	dtl.Host
	p      *Pipe
	source sources.Previous
}

// Previous asks the source.
func (h pipeHost) Previous(ctx context.Context, e entity.Value, a *entity.Arena) (entity.Value, error) {
	v, err := h.source.Previous(ctx, e, a)
	if err != nil {
		return v, err
	}
	return h.p.addToPrevious(ctx, v, a)
}

func (p *Pipe) host() dtl.Host {
	if s, ok := p.source.(sources.Previous); ok {
		return pipeHost{p.env.Host, p, s}
	}
	return p.env.Host
}
