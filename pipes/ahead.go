package pipes

import (
	"context"
	"slices"

	"github.com/sluiceio/sluice/sinks"
	"github.com/sluiceio/sluice/sources"
)

// mayRunAhead returns the writer if a batch may be made while the one before
// is not safe yet: nothing it is made of may depend on that one, and nobody
// outside may see it.
func (r *run) mayRunAhead() sinks.Ahead {
	p := r.p
	_, alternates := p.source.(sources.Alternating)
	w, ahead := r.writer.(sinks.Ahead)
	if !alternates || !ahead || p.transform != nil && p.transform.SideEffects() || slices.Contains(p.looksInto(), p.Output()) {
		return nil
	}
	return w
}

// looksInto are the datasets that transforms look into.
func (p *Pipe) looksInto() []string {
	var names []string
	for _, h := range p.facts.Hops {
		names = append(names, h.Dataset)
	}
	for _, l := range p.facts.Lookups {
		names = append(names, l.Name)
	}
	return names
}

// sendAhead makes a batch while the one before it is on its way, and hands it
// over when that one is safe, so that what fails is known before anything
// behind it is written.
func (r *run) sendAhead(ctx context.Context, j *job) error {
	err := r.apply(ctx, j.batch)
	retried, landErr := r.land(ctx)
	if landErr != nil {
		return landErr
	}
	if r.careful() {
		return r.onItsOwn(ctx, j)
	}
	j.next = r.after(j)
	if retried && err == nil { // the steps have made something else since
		j.restore()
		err = r.apply(ctx, j.batch)
	}
	if err == nil {
		j.pending, err = r.ahead.Begin(ctx, j.batch, r.save(j, j.next))
	}
	return r.again(ctx, j, err)
}

// land waits until the batch on its way is safe, and tries it again if it
// fails.
func (r *run) land(ctx context.Context) (retried bool, err error) {
	for i := range r.jobs {
		j := &r.jobs[i]
		if j.pending == nil {
			continue
		}
		w, err := j.pending.Wait(ctx)
		j.pending = nil
		if err == nil {
			r.wrote(ctx, w, j.next, len(j.keep))
			return false, nil
		}
		return true, r.again(ctx, j, err)
	}
	return false, nil
}
