package pipes

import (
	"context"
	"errors"
	"fmt"

	"github.com/sluiceio/sluice/sinks"
	"github.com/sluiceio/sluice/sources"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/transforms"
)

// WaitError says in one sentence why a pipe does not run yet. A change of the
// dataset, if one is named, lets it look again.
type WaitError struct {
	Reason, Dataset string
	// Tripped tells that a circuit breaker has to be committed or rolled back.
	Tripped bool
}

// Error returns the sentence.
func (w *WaitError) Error() string { return w.Reason }

// ready checks the preconditions of a run and readies the indexes of hops.
func (p *Pipe) ready(ctx context.Context) error {
	if err := p.Waits(ctx); err != nil {
		return err
	}
	for _, h := range p.facts.Hops {
		if h.Index != nil {
			ix := store.Index{Name: h.Index.Name, Needs: h.Index.Needs, Keys: h.Index.Keys}
			if err := p.env.Store.EnsureIndex(ctx, h.Dataset, ix); err != nil {
				return fmt.Errorf("index of dataset %s: %w", h.Dataset, err)
			}
		}
	}
	return p.readyTracking(ctx)
}

// Waits returns the *WaitError that keeps the pipe from running, nil if nothing
// does. It changes nothing.
func (p *Pipe) Waits(ctx context.Context) error {
	if err := p.tripped(ctx); err != nil {
		return err
	}
	if err := p.clogged(ctx); err != nil {
		return err
	}
	if err := p.incomplete(ctx); err != nil {
		return err
	}
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
	if err := p.inputsExist(ctx); err != nil {
		return err
	}
	if g, ok := p.source.(sources.Gated); ok {
		on, given := g.RequirePopulatedInput()
		if !given {
			on = p.env.Metadata.Defaults.Populated
		}
		if !on {
			return nil
		}
		return p.inputsPopulated(ctx)
	}
	return nil
}

// inputsExist returns which input the pipe waits for to exist at all, if its source
// asks for that.
func (p *Pipe) inputsExist(ctx context.Context) error {
	s, ok := p.source.(sources.Initial)
	if !ok {
		return nil
	}
	if _, lenient := s.Initial(); lenient {
		return nil
	}
	for _, d := range p.Inputs() {
		if _, _, err := p.env.Store.Head(ctx, d); errors.Is(err, store.ErrNoDataset) {
			return &WaitError{Reason: fmt.Sprintf("waits for dataset %q, which does not exist yet", d), Dataset: d}
		} else if err != nil {
			return err
		}
	}
	return nil
}

// inputsPopulated returns which input the pipe waits for.
func (p *Pipe) inputsPopulated(ctx context.Context) error {
	ids, lenient := p.Inputs(), false
	if s, ok := p.source.(sources.Initial); ok {
		ids, lenient = s.Initial()
	}
	for _, d := range ids {
		if _, _, err := p.env.Store.Head(ctx, d); lenient && errors.Is(err, store.ErrNoDataset) {
			continue
		}
		if err := p.populated(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

// populated returns why a dataset cannot be looked into yet.
func (p *Pipe) populated(ctx context.Context, dataset string) error {
	info, err := p.env.Store.Info(ctx, dataset)
	switch {
	case errors.Is(err, store.ErrNoDataset):
		return &WaitError{Reason: fmt.Sprintf("waits for dataset %q, which does not exist yet", dataset), Dataset: dataset}
	case err != nil:
		return err
	case !info.Populated:
		return &WaitError{Reason: fmt.Sprintf("waits for dataset %q to be populated", dataset), Dataset: dataset}
	}
	return nil
}

// begin decides the kind of the run and opens writer and transforms.
func (r *run) begin(ctx context.Context, full bool) (err error) {
	p := r.p
	if r.state, err = p.loadState(ctx); err != nil {
		return err
	}
	if err := r.abandonBeside(ctx); err != nil {
		return err
	}
	since := p.source.Since()
	r.chrono = since.Supports && since.Chronological
	again, err := r.resync(ctx)
	if err != nil {
		return err
	}
	if r.heard, err = p.hear(ctx); err != nil {
		return err
	}
	r.kind = r.choose(full || again)
	if r.kind == sinks.Full && !full && !r.state.Full.On && r.toBackground() {
		r.kind = sinks.Incremental
	}
	r.refills = r.kind == sinks.Full && !full && (again && r.remade || r.state.Full.Refills)
	r.anew = again || r.remade || r.drift != "" || !r.begunAlike()
	if !continues(since) {
		r.state.Offset = ""
	}
	if err := r.openQueue(ctx); err != nil {
		return err
	}
	if err := r.openSink(ctx); err != nil {
		return err
	}
	if r.kind == sinks.Full {
		if err := r.beginFull(ctx); err != nil {
			return err
		}
	}
	r.ahead = r.mayRunAhead()
	r.setPace()
	if p.transform != nil {
		r.step = p.transform.Start(transforms.Run{Host: p.host(), Joins: &r.joins, Resumed: r.resumed})
	}
	r.stats.Kind, r.stats.Start = r.kind.String(), p.env.Now()
	r.largest = r.state.Offset
	if r.kind == sinks.Partial {
		r.from, _ = shifted(r.state.Offset, int64(p.Def.Pump.PartialDelta))
	}
	return nil
}

// openSink opens the writer.
func (r *run) openSink(ctx context.Context) (err error) {
	p := r.p
	if r.writer, err = p.sink.Start(ctx, sinks.Run{Kind: r.told(), LatestOnly: r.latestOnly(), Resumable: r.chrono, Source: r.source}); err != nil {
		return err
	}
	if h, ok := r.writer.(sinks.Holding); ok {
		r.holds = h.Holds()
	}
	return nil
}

// beginFull goes on with a full run or begins one.
func (r *run) beginFull(ctx context.Context) (err error) {
	if continues(r.p.source.Since()) {
		if err := r.resume(ctx); err != nil {
			return err
		}
	}
	if r.state.Offset == "" {
		r.state.Tracking, err = r.p.heads(ctx)
	}
	return err
}

// latestOnly tells whether a full run reads one version of each entity of a dataset,
// and none may fail and wait: as long as one does, nothing is deleted for its absence,
// and what is filtered must be deleted by itself.
func (r *run) latestOnly() bool {
	p := r.p
	return p.text("source", "type") == "dataset" && !p.Def.Source.Get("include_previous_versions").IsTrue() && !p.keepsFailed() && !r.queue.any
}
