package pipes

import (
	"context"
	"fmt"
	"slices"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/sinks"
	"github.com/sluiceio/sluice/store"
)

// keepsFailed tells whether entities that fail may wait for another try.
func (p *Pipe) keepsFailed() bool { return p.retryDataset() > 0 }

// careful tells whether entities must be compared with those that have failed.
// Beside a rescan there may be some at any time.
func (r *run) careful() bool { return r.queue.any || r.beside && r.p.keepsFailed() }

// passOver takes out of a job what waits for another try or was given up, and
// has not changed since. In a full run, reading it is the other try. A rescan
// beside incremental runs leaves failures to those: it may have an older version
// in hand than they had.
func (r *run) passOver(ctx context.Context, j *job) error {
	keys := make([]string, len(j.keep))
	for i, e := range j.keep {
		keys[i] = keyOf(e)
	}
	var err error
	if j.known, err = r.p.known(ctx, keys, j.batch.Arena); err != nil || len(j.known) == 0 {
		return err
	}
	changed := map[string]bool{} // a later version makes what stands behind it new, too
	i := -1
	j.keep = slices.DeleteFunc(j.keep, func(e entity.Value) bool {
		i++
		f, failed := j.known[keys[i]]
		if !failed {
			return false
		}
		r.queue.met[f.key] = true
		if changed[f.key] || r.rereads || f.epoch != r.state.Epoch || f.hash != hashOf(e) || !f.dead && r.kind == sinks.Full && !r.beside {
			changed[f.key] = true
			return false
		}
		return true
	})
	j.restore()
	return nil
}

// setAside files an entity that has failed, so that the run can go on: it waits
// for another try, or is given up.
func (r *run) setAside(ctx context.Context, j *job, one []entity.Value, next state, cause error) error {
	e := one[0]
	f := failure{key: keyOf(e), epoch: r.state.Epoch, hash: hashOf(e), entity: e}
	if before, ok := j.known[f.key]; ok && before.hash == f.hash && !before.dead && before.epoch == f.epoch {
		f.attempts = before.attempts + 1
	}
	f.dead = f.attempts >= int(r.p.retries("max_retries_per_entity", cause, float64(r.p.Def.Pump.MaxEntityRetries)))
	if !f.dead && !r.queue.waiting[f.key] && len(r.queue.waiting) >= r.p.retryDataset() {
		return fmt.Errorf("%d failed entities wait for another try, as many as max_write_errors_in_retry_dataset allows: %w",
			len(r.queue.waiting), cause)
	}
	r.logStart(ctx)
	b := &store.Batch{Writes: []store.Write{
		{Dataset: RetryDataset(r.p.ID()), Ops: []store.Op{put(f.value())}},
		{Dataset: LogDataset(r.p.ID()), Ops: []store.Op{put(r.p.writeError(f, cause))}}}}
	if err := r.intend(ctx, j, one); err != nil {
		return err
	}
	if !r.holds { // else what is held back is before this entity and may be dropped
		b.State = r.save(j, next)
		r.remember(b, j, one)
	}
	if letters := r.p.Letters(); f.dead && letters != "" {
		b.Writes = append(b.Writes, store.Write{Dataset: letters, Ops: []store.Op{put(r.p.letter(f, cause))}})
	}
	res, err := commit(ctx, r.p.env.Store, b)
	if err != nil {
		return fmt.Errorf("%w; and the entity could not be set aside: %w", cause, err)
	}
	if r.note(next, res.Revs); len(res.Revs) == 0 {
		r.state = next
	}
	r.setAsideDone(j, f)
	return nil
}

func put(e entity.Value) store.Op { return store.Op{Kind: store.Put, Entity: e} }

// setAsideDone keeps what the run knows in step with the dataset.
func (r *run) setAsideDone(j *job, f failure) {
	if r.queue.any = true; j.known == nil {
		j.known = map[string]failure{}
	}
	j.known[f.key] = f
	r.queue.met[f.key] = true
	if delete(r.queue.waiting, f.key); !f.dead {
		r.queue.waiting[f.key] = true
	}
}

// resolve adds to a batch of entities what their success means for those that
// have failed before, and returns their keys.
func (r *run) resolve(also *store.Batch, j *job, of []entity.Value) (keys []string) {
	if len(j.known) == 0 || r.beside {
		return nil
	}
	var queue, log, letters []store.Op
	for _, e := range slices.Backward(of) {
		f, failed := j.known[keyOf(e)]
		if !failed || slices.Contains(keys, f.key) {
			continue
		}
		keys = append(keys, f.key)
		queue = append(queue, store.Op{Kind: store.Delete, ID: f.key})
		log = append(log, put(r.p.resolvedError(f, e)))
		if f.dead && r.p.Def.Pump.TrackDeadLetters && r.p.Letters() != "" {
			letters = append(letters, put(r.p.resolvedLetter(f, e)))
		}
	}
	for dataset, ops := range map[string][]store.Op{
		RetryDataset(r.p.ID()): queue, LogDataset(r.p.ID()): log, r.p.Letters(): letters} {
		if len(ops) > 0 {
			also.Writes = append(also.Writes, store.Write{Dataset: dataset, Ops: ops})
		}
	}
	return keys
}

func (r *run) resolved(j *job, keys []string) {
	for _, k := range keys {
		delete(j.known, k)
		delete(r.queue.waiting, k)
	}
}

// tryAgain delivers what has failed in earlier runs and is still the newest
// version read. It is broken off after as many failures in a row as would end
// a run, which then goes on to what is new: one entity must not hold up all.
func (r *run) tryAgain(ctx context.Context) error {
	work, stop := graceful(ctx)
	defer stop()
	arena := entity.NewArena()
	for _, key := range r.queue.order {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		arena.Reset()
		known, err := r.p.known(work, []string{key}, arena)
		if err != nil {
			return err
		}
		f, waits := known[key]
		if !waits || f.dead {
			continue
		}
		r.stats.Retried++
		j := &job{batch: &entity.Batch{Arena: arena}, keep: []entity.Value{f.entity}, known: known, next: r.state}
		err = r.deliver(work, j, j.keep, j.next)
		if err == nil {
			r.inARow = 0
			continue
		}
		if err = r.failed(work, j, j.keep, j.next, err); err != nil {
			if isStop(err) {
				break
			}
			return err
		}
	}
	r.inARow = 0
	return nil
}

// forgetUnread removes what has failed and was not read in a full run: its
// source has it no more.
func (r *run) forgetUnread(ctx context.Context) error {
	var queue, log []store.Op
	err := r.p.eachFailure(ctx, store.Query{}, func(f failure) {
		if r.queue.met[f.key] {
			return
		}
		queue = append(queue, store.Op{Kind: store.Delete, ID: f.key})
		if f.entity = f.entity.Clone(); !f.dead {
			log = append(log, put(r.p.goneError(f)))
		}
	})
	if err != nil || len(queue) == 0 {
		return err
	}
	b := &store.Batch{Writes: []store.Write{{Dataset: RetryDataset(r.p.ID()), Ops: queue}}}
	if len(log) > 0 {
		b.Writes = append(b.Writes, store.Write{Dataset: LogDataset(r.p.ID()), Ops: log})
	}
	_, err = commit(ctx, r.p.env.Store, b)
	return err
}
