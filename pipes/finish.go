package pipes

import (
	"context"
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
	r.synced(&next)
	if !r.chrono {
		next.Offset = r.largest
		if s := r.p.source.Since(); !s.Supports || !s.Comparable {
			next.Offset = ""
		}
	}
	// A run that found nothing has nothing to save either, unless runs count.
	var save []store.StateWrite
	if r.stats.Read > 0 || r.moved || !r.state.Completed || r.p.Def.Pump.RescanCount > 0 {
		save = r.p.write(next)
	}
	save, known, err := r.saveCompleteness(work, save)
	if err != nil {
		return err
	}
	w, err := r.writer.Finish(work, sinks.Finish{SourcePopulated: populated}, save)
	if err == nil {
		known()
	}
	r.stats.Changed += w.Changed
	r.stats.Deleted += w.Deleted
	return err
}
