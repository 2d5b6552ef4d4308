package pipes

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/sinks"
	"github.com/sluiceio/sluice/sources"
	"github.com/sluiceio/sluice/store"
)

// Dependency tracking: when an entity of a dataset that rules hop to has
// changed, the source entities it concerns go through the pipe again. They are
// found by going through the joins backwards, from the version that is and
// from the one that was.

// tracked is how far the changes of a hopped dataset have been followed.
type tracked struct {
	Generation string       `json:"generation"`
	Offset     store.Offset `json:"offset"`
}

// compileTracking makes the ways back to the source's dataset, and warns where
// there is none.
func (p *Pipe) compileTracking(programs []*dtl.Program) diag.List {
	var finds diag.List
	_, tracks := p.source.(sources.Tracked)
	for i, prog := range programs {
		if !tracks {
			finds.Add(p.untracked(prog, `only pipes with a source of type "dataset" track what they hop to`)...)
			continue
		}
		inverse, more := prog.Inverse(p.Inputs()[0])
		finds.Add(more...)
		if inverse == nil {
			continue
		}
		p.inverses = append(p.inverses, inverse)
		p.tracks = append(p.tracks, inverse.Datasets()...)
		switch {
		case p.adder() != nil:
			finds.Add(p.untracked(prog, `"add_namespaces" changes the entity before the join, and the way back ends at the entity as it is stored`)...)
		case i > 0 || !p.beginsWithDTL():
			finds.Add(p.untracked(prog, "an earlier transform may change what is joined, and the way back ends at the entity as it is stored")...)
		}
	}
	slices.Sort(p.tracks)
	p.tracks = slices.Compact(p.tracks)
	return finds
}

// untracked warns once for each dataset a program hops to.
func (p *Pipe) untracked(prog *dtl.Program, why string) diag.List {
	var finds diag.List
	told := map[string]bool{}
	for _, h := range prog.Facts().Hops {
		if h.Track && !told[h.Dataset] {
			told[h.Dataset] = true
			finds.Add(dtl.TrackingWarning(p.ID(), h.Dataset, h.Span, why))
		}
	}
	return finds
}

// beginsWithDTL tells whether rules get the entities as the source gives them.
func (p *Pipe) beginsWithDTL() bool {
	n := p.Def.Transform
	for {
		chain := n
		if c := n.Get("transforms"); c != nil {
			chain = c
		}
		if chain == nil || len(chain.Elems) == 0 {
			typ, _ := n.Get("type").Str()
			return typ == "dtl" || typ == "conditional"
		}
		n = chain.Elems[0]
	}
}

// Tracks are the datasets whose changes the pipe follows by hops.
func (p *Pipe) Tracks() []string { return p.tracks }

// readyTracking builds the indexes of the ways back.
func (p *Pipe) readyTracking(ctx context.Context) error {
	for _, v := range p.inverses {
		for _, x := range v.Indexes() {
			err := p.env.Store.EnsureIndex(ctx, x.Dataset, store.Index{Name: x.Name, Needs: x.Needs, Keys: x.Keys})
			if err != nil && !errors.Is(err, store.ErrNoDataset) {
				return fmt.Errorf("index of dataset %s: %w", x.Dataset, err)
			}
		}
	}
	return nil
}

// heads is where the tracked datasets are now.
func (p *Pipe) heads(ctx context.Context) (map[string]tracked, error) {
	if len(p.tracks) == 0 {
		return nil, nil
	}
	heads := make(map[string]tracked, len(p.tracks))
	for _, d := range p.tracks {
		generation, last, err := p.env.Store.Head(ctx, d)
		if errors.Is(err, store.ErrNoDataset) {
			continue
		}
		if err != nil {
			return nil, err
		}
		heads[d] = tracked{fmt.Sprintf("%x", generation), last}
	}
	return heads, nil
}

// track sends the source entities that changes of hopped datasets concern
// through the pipe, before what the source itself has to offer. A full run
// reads everything anyway: it tracks what changes after its beginning.
func (r *run) track(ctx context.Context) error {
	if len(r.p.tracks) == 0 || r.kind == sinks.Full {
		return nil
	}
	heads, err := r.p.heads(ctx)
	if err != nil {
		return err
	}
	f := newFollower(r.p)
	for _, d := range r.p.tracks {
		if err := f.follow(ctx, d, r.state.Tracking[d], heads[d]); err != nil {
			return err
		}
	}
	r.warnTracking(ctx, f)
	r.rereads = true
	if err := r.reread(ctx, f.ids); err != nil {
		return err
	}
	if _, err := r.land(ctx); err != nil {
		return err
	}
	r.rereads = false
	r.moved = r.moved || !sameTracking(r.state.Tracking, heads)
	r.state.Tracking = heads
	return nil
}

func sameTracking(a, b map[string]tracked) bool {
	if len(a) != len(b) {
		return false
	}
	for d, at := range a {
		if b[d] != at {
			return false
		}
	}
	return true
}

// reread sends source entities through the pipe once more.
func (r *run) reread(ctx context.Context, ids []string) error {
	src := r.p.source.(sources.Tracked)
	batch, next := &entity.Batch{Arena: entity.NewArena()}, &entity.Batch{Arena: entity.NewArena()}
	for part := range slices.Chunk(ids, r.p.batchSize()) {
		batch.Arena.Reset()
		batch.Entities = nil // a transform may have put them into the arena
		if err := src.Again(ctx, part, r.state.Offset, batch); err != nil {
			return &readError{err}
		}
		if len(batch.Entities) == 0 {
			continue
		}
		r.stats.Tracked += len(batch.Entities)
		if err := r.batch(ctx, batch); err != nil {
			return err
		}
		batch, next = next, batch // only now: one that was sent is on its way until the next one is
	}
	return nil
}

// Followed is how far the pipe has followed the changes of each dataset that it
// tracks; those it has yet to see whole are not named.
func (p *Pipe) Followed(ctx context.Context) (map[string]store.Offset, error) {
	if len(p.tracks) == 0 {
		return nil, nil
	}
	s, err := p.loadState(ctx)
	if err != nil {
		return nil, err
	}
	heads, err := p.heads(ctx)
	if err != nil {
		return nil, err
	}
	followed := map[string]store.Offset{}
	for d, at := range s.Tracking {
		switch head, tracks := heads[d]; {
		case !tracks:
		case head.Generation != at.Generation:
			followed[d] = store.Start // it was made anew, and is followed from its beginning
		default:
			followed[d] = at.Offset
		}
	}
	return followed, nil
}

// ResetTracking has the pipe pass over the changes of hopped datasets up to its
// next run. What they concern stays as it is until it is read again.
func (p *Pipe) ResetTracking(ctx context.Context) error {
	unlock, err := p.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	s, err := p.loadState(ctx)
	if err != nil || len(s.Tracking) == 0 {
		return err
	}
	s.Tracking = nil
	_, err = commit(ctx, p.env.Store, &store.Batch{State: p.write(s)})
	return err
}
