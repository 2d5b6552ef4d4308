package pipes

import (
	"context"
	"fmt"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/sinks"
	"github.com/sluiceio/sluice/sources"
	"github.com/sluiceio/sluice/store"
)

// Memory is the dataset in which the pipe's source remembers what it has put
// out, "" if it does not.
func (p *Pipe) Memory() string {
	if s, ok := p.source.(sources.Remembering); ok {
		return s.Memory()
	}
	return ""
}

// intend saves what the source intends with a job before the first of it is
// delivered: needless where all of it is one commit.
func (r *run) intend(ctx context.Context, j *job, of []entity.Value) error {
	if j.batch.Notes == nil || j.intended {
		return nil
	}
	if _, commits := r.writer.(sinks.Committing); commits && !r.holds && len(of) == len(j.keep) {
		return nil
	}
	intent := r.p.notes(j.batch.Notes.Intent())
	if len(intent.Ops) > 0 {
		if _, err := commit(ctx, r.p.env.Store, &store.Batch{Writes: []store.Write{intent}}); err != nil {
			return fmt.Errorf("saving what is about to be written: %w", err)
		}
	}
	j.intended = true
	return nil
}

// remember adds to the commit of a job's last entities what the source
// remembers of it.
func (r *run) remember(also *store.Batch, j *job, of []entity.Value) {
	if j.batch.Notes == nil || !j.ends(of) {
		return
	}
	if done := r.p.notes(j.batch.Notes.Done()); len(done.Ops) > 0 {
		also.Writes = append(also.Writes, done)
	}
}

func (p *Pipe) notes(values []entity.Value) store.Write {
	w := store.Write{Dataset: p.Memory(), Ops: make([]store.Op, len(values))}
	for i, v := range values {
		if w.Ops[i] = put(v); entity.Deleted(v) {
			id, _ := entity.ID(v)
			w.Ops[i] = store.Op{Kind: store.Delete, ID: id}
		}
	}
	return w
}

// ends tells whether a part of the job's entities is its last one.
func (j *job) ends(of []entity.Value) bool {
	if len(of) == 0 || len(j.keep) == 0 {
		return len(of) == len(j.keep)
	}
	return &of[len(of)-1] == &j.keep[len(j.keep)-1]
}
