package pipes

import (
	"context"
	"errors"
	"fmt"

	"github.com/sluiceio/sluice/sinks"
	"github.com/sluiceio/sluice/store"
)

// fullRun is how far a full run has come, so that one that is cut short goes
// on instead of beginning anew. What it has seen is kept beside it in pieces,
// since only what a whole run has not seen may be deleted.
type fullRun struct {
	// On tells that a full run is owed. It stays until one has come to its end.
	On bool `json:"on"`
	// Offset is where it goes on: everything before has been seen, and is in
	// the pieces.
	Offset string `json:"offset,omitempty"`
	Pieces int    `json:"pieces,omitempty"`
	// Doubt is why what was read before Offset may not be all there was.
	Doubt string `json:"doubt,omitempty"`
	// Refills tells that it is for an input that was made anew: while that is not
	// populated, absence says nothing.
	Refills bool `json:"refills,omitempty"`
}

func (p *Pipe) pieces() string { return "seen/" + p.ID() + "/" }

func (p *Pipe) piece(n int) string { return fmt.Sprintf("%s%08d", p.pieces(), n) }

// forgetProgress removes what a full run has seen.
func (p *Pipe) forgetProgress(ctx context.Context) ([]store.StateWrite, error) {
	keys, err := p.env.Store.States(ctx, p.pieces())
	var writes []store.StateWrite
	for _, k := range keys {
		writes = append(writes, store.StateWrite{Key: k, IfRev: store.AnyRev})
	}
	return writes, err
}

// owe has the next run be a full one that begins at the beginning, until one has
// come to its end.
func (p *Pipe) owe(ctx context.Context) error {
	s, err := p.loadState(ctx)
	if err != nil {
		return err
	}
	b := &store.Batch{}
	if b.State, err = p.forgetProgress(ctx); err != nil {
		return err
	}
	s.Full = fullRun{On: true}
	b.State = append(b.State, p.write(s)...)
	_, err = commit(ctx, p.env.Store, b)
	return err
}

// resume goes on with the full run that was cut short, if it can be gone on
// with; else it begins one.
func (r *run) resume(ctx context.Context) error {
	f := r.state.Full
	if w, able := r.writer.(sinks.Resuming); able && r.chrono && !r.holds {
		r.resumes = w
	}
	if r.resumes == nil || r.anew || f.Offset == "" {
		return r.startOver(ctx)
	}
	for n := range f.Pieces {
		piece, _, err := r.p.env.Store.State(ctx, r.p.piece(n))
		if err == nil && piece == nil {
			err = errors.New("a part of what the interrupted run has seen is missing: reset the pipe")
		}
		if err == nil {
			err = r.resumes.Resume(piece)
		}
		if err != nil {
			return err
		}
	}
	r.state.Offset, r.resumed, r.owed, r.doubt = f.Offset, true, true, f.Doubt
	return nil
}

// startOver begins a full run at the beginning. That it is owed is saved at
// once, unless the state says so anyway: the wish may have come from a schedule
// or by hand.
func (r *run) startOver(ctx context.Context) error {
	old := r.state
	r.state.Full, r.state.Offset, r.state.Basis = fullRun{On: true, Refills: r.refills}, "", r.basis
	r.owed = old.Full.On
	if old.Full.Pieces == 0 && (!old.Completed || old.Offset == "") {
		return nil
	}
	saved := r.state
	saved.Offset = old.Offset // nothing is lost if nothing comes of the run
	forgotten, err := r.p.forgetProgress(ctx)
	if err != nil {
		return err
	}
	res, err := commit(ctx, r.p.env.Store, &store.Batch{State: append(r.p.write(saved), forgotten...)})
	if err == nil {
		r.state.rev, r.owed = res.Revs[0], true
	}
	return err
}

// progress moves, now and then, the place where a full run would go on to just
// before the batch of n source entities that is about to be written, and returns what is to be saved
// with that batch.
func (r *run) progress(next *state, n int) []store.StateWrite {
	if r.kind != sinks.Full || r.resumes == nil {
		return nil
	}
	if r.p.Webhook() != nil {
		next.Full.Offset = next.Offset // the batch is in the same commit, and its events must not be queued twice
		return nil
	}
	if r.state.Offset == "" {
		return nil
	}
	before := r.batches / r.p.checkpoint()
	if r.batches += max(1, n/r.p.batchSize()); r.batches/r.p.checkpoint() == before {
		return nil
	}
	return r.mark(next)
}

// mark is called when everything before the offset is written and nothing
// behind it. What was seen is kept in hand until it is saved.
func (r *run) mark(next *state) []store.StateWrite {
	next.Full.Offset, next.Full.Doubt = r.state.Offset, r.doubt
	r.seen = append(r.seen, r.resumes.Progress()...)
	if len(r.seen) == 0 {
		return nil
	}
	next.Full.Pieces = r.state.Full.Pieces + 1
	return []store.StateWrite{{Key: r.pieceKey(r.state.Full.Pieces), Value: r.seen, IfRev: store.AnyRev}}
}

// saved notes that a state stands.
func (r *run) saved(next state, rev uint64) {
	if next.Full.Pieces > r.state.Full.Pieces {
		r.seen = r.seen[:0]
	}
	next.rev = rev
	r.state, r.unsaved, r.owed = next, false, next.Full.On
}

// checkpoint is the number of batches between saves of the offset, or of the
// progress of a full run: ten thousand entities unless given.
func (p *Pipe) checkpoint() int {
	if p.Def.CheckpointInterval > 0 {
		return p.Def.CheckpointInterval
	}
	return max(10000/max(p.batchSize(), 1), 1)
}

// settle saves what a run that was cut short has come to.
func (r *run) settle(ctx context.Context) error {
	next := r.state
	var also []store.StateWrite
	if r.kind == sinks.Full && r.resumes != nil && r.state.Offset != "" && r.state.Offset != r.state.Full.Offset {
		also = r.mark(&next)
	}
	if !r.unsaved && next.Full == r.state.Full {
		return nil
	}
	res, err := commit(ctx, r.p.env.Store, &store.Batch{State: append(r.p.write(next), also...)})
	if err == nil {
		r.saved(next, res.Revs[0])
	}
	return err
}
