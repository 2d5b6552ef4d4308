package pipes

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/sinks"
	"github.com/sluiceio/sluice/sources"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/transforms"
)

// notice remembers the greatest _updated of what was read.
func (r *run) notice(entities []entity.Value) {
	for _, e := range entities {
		if u := sources.Updated(e); u != "" && sources.Newer(u, r.largest) {
			r.largest = strings.Clone(u)
		}
	}
}

// sourcePopulated tells whether the source offers a complete view.
func (r *run) sourcePopulated(ctx context.Context) (bool, error) {
	if s, ok := r.p.source.(sources.Populator); ok {
		return s.Populated(ctx)
	}
	return !r.origin.Unpopulated, nil
}

// whole judges a run that read everything. What a transform finds wrong with it
// must be known before absence is taken for deletion.
func (r *run) whole(ctx context.Context) (f sinks.Finish, err error) {
	if t, ok := r.step.(transforms.Finisher); ok && r.told() == sinks.Full {
		if err := t.Finish(ctx); err != nil {
			return f, err
		}
	}
	if f.SourcePopulated, err = r.sourcePopulated(ctx); err == nil {
		r.kept, err = r.incomplete(ctx)
		if r.refilled = r.refills && !f.SourcePopulated; r.refilled && r.kept == "" {
			r.kept = "what the source reads was made anew and is not populated yet"
		}
		f.Incomplete = r.kept != ""
	}
	return f, err
}

// finish ends a run that read everything.
func (r *run) finish(ctx context.Context) error {
	work, stop := graceful(ctx)
	defer stop()
	f, err := r.whole(work)
	if err != nil {
		return err
	}
	save, known, err := r.saveCompleteness(work, r.saveEnd(r.completed()))
	if err != nil {
		return err
	}
	if r.endsWith(work, f, save) {
		known()
		return nil
	}
	w, err := r.writer.Finish(work, f, save)
	if err == nil {
		known()
	}
	r.stats.Changed += w.Changed
	r.stats.Deleted += w.Deleted
	r.stats.Kept = f.Incomplete
	return err
}

// endsWith saves the end of a short run that only went on with what is new, together
// with the records of its start and its end: each commit waits for the disk. If that
// fails, all are left to what follows: what cannot be logged fails no run.
func (r *run) endsWith(ctx context.Context, f sinks.Finish, save []store.StateWrite) bool {
	w, able := r.writer.(sinks.Quiet)
	if !able || len(save) == 0 || r.logged || r.kind != sinks.Incremental || !w.Quiet(f) || r.idle(ctx) {
		return false
	}
	r.stats.End = r.p.env.Now()
	start, log := r.startRecord(), LogDataset(r.p.ID())
	_, last, _ := r.p.env.Store.Head(ctx, log)
	members, told := r.ended(ctx, startedAt(last+1))
	end := logged(r.p.ID(), r.p.env.Now(), "pump-completed", members...)
	start.Ops[0].Force = true // where the clock stands still it may say nothing new
	start.Ops = append(start.Ops, end.Ops...)
	res, err := commit(ctx, r.p.env.Store, &store.Batch{State: append(save, told...), Writes: []store.Write{start}})
	if err != nil {
		return false
	}
	// If somebody else has come between, the record of the end is written anew.
	_, now, err := r.p.env.Store.Head(ctx, log)
	r.logged, r.started, r.over = true, stands{}, err == nil && now == last+store.Offset(res.Changed)
	return true
}

// completed is the state after a run that has come to its end.
func (r *run) completed() state {
	next := r.state
	next.Completed, next.Full, next.Over = true, fullRun{}, next.Over && r.kind != sinks.Full
	if next.count(r.kind); r.stats.Rescan {
		next.Runs = 1
	}
	r.synced(&next)
	if !r.chrono {
		next.Offset = r.largest
		if !continues(r.p.source.Since()) {
			next.Offset = ""
		}
	}
	return next
}

// saveEnd is what the end of a run saves. A run that found nothing has nothing
// to save either, unless runs count.
func (r *run) saveEnd(next state) []store.StateWrite {
	pump := &r.p.Def.Pump
	counts := pump.RescanCount > 0 || pump.PartialCount > 0
	if r.stats.Read == 0 && !r.unsaved && !r.moved && r.state.Completed && !r.owed && !counts {
		return nil
	}
	save := r.p.write(next)
	for n := range r.state.Full.Pieces {
		save = append(save, store.StateWrite{Key: r.p.piece(n), IfRev: store.AnyRev})
	}
	return save
}

// incomplete tells why a full run could not deliver all there is, when it has seen
// all of it: then absence says nothing. "" if it could.
func (r *run) incomplete(ctx context.Context) (why string, err error) {
	if r.kind != sinks.Full {
		return "", nil
	}
	if r.p.partway() {
		return "the source was read from initial_since_value on, and what stands before that was not seen", nil
	}
	if r.doubt != "" {
		return r.doubt, nil
	}
	if r.origin.Unpopulated {
		return "what the source reads is not populated yet", nil
	}
	if missing, err := r.p.missingInput(ctx); err != nil || missing != "" {
		return fmt.Sprintf("dataset %q, which the source reads, does not exist", missing), err
	}
	if now, err := r.p.basis(ctx); err != nil || !maps.Equal(now.Datasets, r.basis.Datasets) {
		return "a dataset that the pipe reads was made anew in the meantime", err
	}
	if !r.careful() {
		return "", nil
	}
	if !r.resumed && !r.beside {
		if err := r.forgetUnread(ctx); err != nil {
			return "", err
		}
	}
	if r.failing, err = r.p.failing(ctx); err != nil || !r.failing {
		return "", err
	}
	return "some entities could not be delivered, see " + RetryDataset(r.p.ID()), nil
}

// missingInput is a dataset that the source reads and that does not exist, "" if there
// is none: most likely its name is misspelt, since those that pipes write are made
// when these are loaded.
func (p *Pipe) missingInput(ctx context.Context) (string, error) {
	for _, d := range p.Inputs() {
		if _, _, err := p.env.Store.Head(ctx, d); errors.Is(err, store.ErrNoDataset) {
			return d, nil
		} else if err != nil {
			return "", err
		}
	}
	return "", nil
}
