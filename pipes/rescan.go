package pipes

import (
	"context"
	"crypto/rand"
	"encoding/hex"

	"github.com/sluiceio/sluice/sinks"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/transforms"
)

// A background rescan reads everything beside the incremental runs. It writes
// only what none of them has written since it began, and deletes only what
// neither has seen. It reads to the end of the source even though incremental
// runs have been there: what it has not seen it would delete.
//
// Runs of a source that remembers what it has put out take turns batch by batch:
// there, whatever is written last is what is so, the rescan's too.

const rescanWanted = "wanted"

// Background tells whether rescans run beside incremental runs.
func (p *Pipe) Background() bool {
	on := p.env.Metadata.Defaults.Background
	if n := p.Def.BackgroundRescan; n != nil {
		on = n.IsTrue()
	}
	since := p.source.Since()
	return on && p.side() != nil && !p.passing() && since.Supports && (since.Chronological || since.Comparable)
}

func (p *Pipe) side() *sinks.Side {
	if s, ok := p.sink.(sinks.Sider); ok {
		return s.Side()
	}
	return nil
}

// lock waits for the pipe's turn to run: incremental and full runs, and the
// last part of a rescan, exclude one another.
func (p *Pipe) lock(ctx context.Context) (unlock func(), err error) {
	select {
	case p.turn <- struct{}{}:
		return func() { <-p.turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// RescanWanted tells whether a rescan was asked for and has not come to its
// end: it goes on when the node starts.
func (p *Pipe) RescanWanted(ctx context.Context) (bool, error) {
	s, err := p.loadState(ctx)
	return s.Rescan != "", err
}

// SetRescan asks for a rescan in the background, or takes that back.
func (p *Pipe) SetRescan(ctx context.Context, wanted bool) error {
	unlock, err := p.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	s, err := p.loadState(ctx)
	if err != nil || !wanted && s.Rescan == "" || wanted && len(s.Rescan) > len(rescanWanted) {
		return err
	}
	b := &store.Batch{}
	if s.Rescan = ""; wanted {
		var id [8]byte
		rand.Read(id[:]) // it never fails
		s.Rescan = rescanWanted + " " + hex.EncodeToString(id[:])
	} else if b.State, err = p.forgetBeside(ctx); err != nil {
		return err
	} else if side := p.side(); side != nil {
		side.End()
	}
	b.State = append(p.write(s), b.State...)
	_, err = commit(ctx, p.env.Store, b)
	return err
}

// Rescan reads everything beside the incremental runs.
func (p *Pipe) Rescan(ctx context.Context) (Stats, error) {
	if err := p.ready(ctx); err != nil {
		return Stats{}, err
	}
	r := &run{p: p, kind: sinks.Full, beside: true}
	var err error
	if r.state, err = p.loadState(ctx); err != nil {
		return Stats{}, err
	}
	if r.state.Offset == "" {
		return p.Run(ctx, true) // there is nothing yet to run beside
	}
	began := r.state.Offset
	if err := r.beginBeside(ctx); err != nil {
		return Stats{}, err
	}
	err = r.trips(context.WithoutCancel(ctx), r.pumpBeside(ctx, began))
	if err != nil {
		r.settleBeside(context.WithoutCancel(ctx)) // what incremental runs write is noted until it goes on
	}
	r.stats.End = p.env.Now()
	r.stopped = stoppedBy(ctx, err)
	r.logEnd(context.WithoutCancel(ctx), err)
	return r.stats, err
}

func (r *run) beginBeside(ctx context.Context) (err error) {
	p := r.p
	since := p.source.Since()
	r.chrono = since.Supports && since.Chronological
	r.state.Offset = ""
	if r.basis, err = p.basis(ctx); err != nil {
		return err
	}
	if err = r.openQueue(ctx); err != nil {
		return err
	}
	if err = r.openBeside(ctx); err != nil {
		return err
	}
	if p.transform != nil {
		r.step = p.transform.Start(transforms.Run{Host: p.host(), Joins: &r.joins, Resumed: r.resumed})
	}
	r.stats = Stats{Kind: r.kind.String(), Start: p.env.Now()}
	return nil
}

// pumpBeside reads everything, and ends the rescan.
func (r *run) pumpBeside(ctx context.Context, began string) error {
	if err := r.pumpReads(ctx); err != nil {
		return err
	}
	if err := r.conclude(ctx); err != nil {
		return err
	}
	unlock, err := r.p.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return r.rest(ctx, began)
}

// conclude deletes what was not seen.
func (r *run) conclude(ctx context.Context) error {
	work, stop := graceful(ctx)
	defer stop()
	f, err := r.whole(work)
	if err != nil {
		return err
	}
	w, err := r.writer.Finish(work, f, nil)
	r.stats.Kept = f.Incomplete
	r.stats.Changed += w.Changed
	r.stats.Deleted += w.Deleted
	return err
}

// rest notes that the rescan is over. If no incremental run has moved the offset
// meanwhile, nor written anything, the next one goes on where the rescan ended. What
// one has written the rescan has left out, also where it had a later version in hand.
func (r *run) rest(ctx context.Context, began string) error {
	s, err := r.p.loadState(ctx)
	if err != nil {
		return err
	}
	if s.Offset == began && r.p.side().Untouched() {
		if s.Offset = r.state.Offset; !r.chrono {
			s.Offset = r.largest
		}
		s.Anchor = r.p.anchor()
	}
	s.Rescan, s.OutOfSync, s.Completed, s.Basis, s.Refill = "", nil, true, r.basis, false
	forgotten, err := r.p.forgetBeside(ctx)
	if err != nil {
		return err
	}
	if _, err = commit(ctx, r.p.env.Store, &store.Batch{State: append(r.p.write(s), forgotten...)}); err == nil {
		r.p.side().End()
	}
	return err
}
