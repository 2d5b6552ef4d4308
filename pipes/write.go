package pipes

import (
	"context"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/sinks"
	"github.com/sluiceio/sluice/store"
)

// put writes what came of source entities, with the state after them and what
// their success means for earlier failures.
func (r *run) put(ctx context.Context, j *job, of []entity.Value, next state) error {
	if err := r.intend(ctx, j, of); err != nil {
		return err
	}
	also := store.Batch{State: r.save(j, next)}
	r.remember(&also, j, of)
	keys := r.resolve(&also, j, of)
	begun := r.p.env.Now()
	w, err := r.send(ctx, j.batch, also)
	r.stats.Sink += r.p.env.Now().Sub(begun)
	if err != nil {
		return err
	}
	r.wrote(ctx, w, next, len(of))
	r.resolved(j, keys)
	return nil
}

// send hands a batch to the sink. A sink without commits of its own delivers
// first: what is to be saved follows, now and then if it is only the offset.
func (r *run) send(ctx context.Context, b *entity.Batch, also store.Batch) (sinks.Written, error) {
	if c, ok := r.writer.(sinks.Committing); ok {
		p, err := c.BeginWith(ctx, b, also)
		if err != nil {
			return sinks.Written{}, err
		}
		return p.Wait(ctx)
	}
	w, err := r.writer.Write(ctx, b, nil)
	if err != nil {
		return w, err
	}
	r.delayed++
	if len(also.Writes) == 0 && (len(also.State) == 0 || len(also.State) == 1 && r.delayed < r.p.checkpoint()) {
		w.Held = len(also.State) > 0
		return w, nil
	}
	r.delayed = 0
	res, err := commit(ctx, r.p.env.Store, &also)
	w.Revs = res.Revs
	return w, err
}

// save is what must be written to come from the present state to next.
func (r *run) save(j *job, next state) []store.StateWrite {
	if next.Full == r.state.Full && (r.beside || next.Offset == r.state.Offset) {
		return nil
	}
	states := r.p.write(next)
	if r.beside {
		states = r.saveBeside(next)
	}
	if next.Full.Pieces > r.state.Full.Pieces {
		states = append(states, j.pieces...)
	}
	return states
}

// wrote notes that a batch of n source entities and the state after it are
// safe.
func (r *run) wrote(ctx context.Context, w sinks.Written, next state, n int) {
	if w.Held || r.beside {
		if len(w.Revs) > 0 && next.Full.Pieces > r.state.Full.Pieces {
			r.seen = r.seen[:0]
		}
		r.state, r.unsaved = next, true // what the end of the run will save
	} else {
		r.note(next, w.Revs)
	}
	if w.Changed > 0 {
		r.logLongStart(ctx)
	}
	r.stats.Changed += w.Changed
	r.stats.Succeeded += n
	r.inARow, r.culprit = 0, entity.Value{}
}

// note notes that a state stands, if it was saved.
func (r *run) note(next state, revs []uint64) {
	if len(revs) > 0 {
		r.saved(next, revs[0])
	}
}
