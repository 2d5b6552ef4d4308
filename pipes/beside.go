package pipes

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/sluiceio/sluice/sinks"
	"github.com/sluiceio/sluice/store"
)

// besideRun is how far a rescan in the background has come, so that one that is
// interrupted goes on where it was. It is kept apart from the pipe's state, which
// belongs to the incremental runs.
type besideRun struct {
	// Full is where it goes on, and how many pieces of what it has seen there are.
	Full  fullRun `json:"full"`
	Basis *basis  `json:"basis"`
	// ID is which wish for a rescan it follows.
	ID string `json:"id"`
}

func (p *Pipe) besideKey() string { return "beside/" + p.ID() }

// besideSeen and besideNoted begin the keys of what the rescan has seen and of what
// incremental runs have written since it began.
func (p *Pipe) besideSeen() string  { return "beside-seen/" + p.ID() + "/" }
func (p *Pipe) besideNoted() string { return "beside-noted/" + p.ID() + "/" }

// resumable tells whether a rescan of the pipe goes on after it was interrupted: the
// source must be read in its order, and remember nothing itself.
func (p *Pipe) resumable() bool {
	since := p.source.Since()
	return since.Supports && since.Chronological && p.Memory() == ""
}

// loadBeside returns how far the interrupted rescan has come; nil if there is none
// that can be gone on with.
func (p *Pipe) loadBeside(ctx context.Context) (*besideRun, error) {
	data, _, err := p.env.Store.State(ctx, p.besideKey())
	if err != nil || data == nil || !p.resumable() {
		return nil, err
	}
	b := &besideRun{}
	if err := json.Unmarshal(data, b); err != nil {
		return nil, fmt.Errorf("how far the rescan of pipe %s has come cannot be read: %w", p.ID(), err)
	}
	s, err := p.loadState(ctx)
	if err != nil || b.ID != s.Rescan {
		return nil, err
	}
	now, err := p.basis(ctx)
	if err != nil || b.Basis == nil || b.Basis.Config != now.Config || !maps.Equal(b.Basis.Datasets, now.Datasets) {
		return nil, err
	}
	return b, nil
}

// forgetBeside removes all that an interrupted rescan has left.
func (p *Pipe) forgetBeside(ctx context.Context) (writes []store.StateWrite, err error) {
	writes = []store.StateWrite{{Key: p.besideKey(), IfRev: store.AnyRev}}
	for _, prefix := range []string{p.besideSeen(), p.besideNoted()} {
		keys, err := p.env.Store.States(ctx, prefix)
		if err != nil {
			return nil, err
		}
		for _, k := range keys {
			writes = append(writes, store.StateWrite{Key: k, IfRev: store.AnyRev})
		}
	}
	return writes, nil
}

// PrimeRescan readies the pipe to go on with a rescan that was interrupted: from now
// on what incremental runs write is noted again. It must be called before they run.
func (p *Pipe) PrimeRescan(ctx context.Context) error {
	b, err := p.loadBeside(ctx)
	if err != nil || b == nil {
		return err
	}
	keys, err := p.env.Store.States(ctx, p.besideNoted())
	if err != nil {
		return err
	}
	var noted [][]byte
	last := 0
	for _, k := range keys {
		n, err := strconv.Atoi(strings.TrimPrefix(k, p.besideNoted()))
		if err != nil {
			return fmt.Errorf("the state %q is none of a rescan: %w", k, err)
		}
		last = max(last, n)
		data, _, err := p.env.Store.State(ctx, k)
		if err != nil {
			return err
		}
		noted = append(noted, data)
	}
	return p.side().Prime(p.besideNoted(), noted, last)
}

// abandonBeside has an interrupted rescan begin anew if an incremental run is about to
// write what nobody notes.
func (r *run) abandonBeside(ctx context.Context) error {
	p := r.p
	if r.state.Rescan == "" || p.side() == nil || p.side().Noting() {
		return nil
	}
	data, _, err := p.env.Store.State(ctx, p.besideKey())
	if err != nil || data == nil {
		return err
	}
	writes, err := p.forgetBeside(ctx)
	if err == nil {
		_, err = commit(ctx, p.env.Store, &store.Batch{State: writes})
	}
	return err
}

// openBeside begins a rescan, or goes on with one.
func (r *run) openBeside(ctx context.Context) (err error) {
	p, begun := r.p, (*besideRun)(nil)
	if p.side().Noting() {
		if begun, err = p.loadBeside(ctx); err != nil {
			return err
		}
	}
	r.about = sinks.Run{Kind: r.told(), LatestOnly: r.latestOnly(), Beside: true, Serial: p.Memory() != "", Resumable: p.resumable()}
	r.state.Full = fullRun{}
	if begun == nil {
		return r.beginAnew(ctx)
	}
	// What was written after the progress was saved last is read again; if it has
	// gone meanwhile it must go here, too. So the end deletes among all that stands
	// there now: what is of incremental runs is noted.
	r.besides = *begun
	if r.writer, err = p.sink.Start(ctx, r.about); err != nil {
		return err
	}
	w, able := r.writer.(sinks.Resuming)
	if !able {
		return r.beginAnew(ctx)
	}
	for n := range begun.Full.Pieces {
		piece, _, err := p.env.Store.State(ctx, r.pieceKey(n))
		if err == nil {
			err = w.Resume(piece)
		}
		if err != nil {
			return err
		}
	}
	r.resumes, r.resumed = w, true
	r.state.Offset, r.state.Full, r.doubt = begun.Full.Offset, begun.Full, begun.Full.Doubt
	return nil
}

// beginAnew begins a rescan at the beginning.
func (r *run) beginAnew(ctx context.Context) error {
	p := r.p
	writes, err := p.forgetBeside(ctx)
	if err != nil {
		return err
	}
	if _, err := commit(ctx, p.env.Store, &store.Batch{State: writes}); err != nil {
		return err
	}
	p.side().Begin(map[bool]string{true: p.besideNoted()}[p.resumable()])
	r.besides = besideRun{Basis: r.basis, ID: r.state.Rescan}
	if r.writer, err = p.sink.Start(ctx, r.about); err != nil {
		return err
	}
	if w, able := r.writer.(sinks.Resuming); able && p.resumable() {
		r.resumes = w
	}
	return nil
}

// pieceKey is where the n-th piece of what a full run has seen is kept.
func (r *run) pieceKey(n int) string {
	if r.beside {
		return fmt.Sprintf("%s%08d", r.p.besideSeen(), n)
	}
	return r.p.piece(n)
}

// saveBeside is what is saved of a rescan's progress.
func (r *run) saveBeside(next state) []store.StateWrite {
	b := r.besides
	b.Full = next.Full
	data, err := json.Marshal(b)
	if err != nil {
		return nil // a struct of texts and numbers always marshals
	}
	return []store.StateWrite{{Key: r.p.besideKey(), Value: data, IfRev: store.AnyRev}}
}

// settleBeside saves what a rescan that was interrupted has come to.
func (r *run) settleBeside(ctx context.Context) {
	next := r.state
	if r.resumes == nil || r.state.Offset == "" || r.state.Offset == r.state.Full.Offset || !r.p.side().Noting() {
		return
	}
	also := r.mark(&next)
	_, _ = commit(ctx, r.p.env.Store, &store.Batch{State: append(r.saveBeside(next), also...)}) // what cannot be saved is done again
}
