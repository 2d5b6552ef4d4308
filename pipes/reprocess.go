package pipes

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/sinks"
	"github.com/sluiceio/sluice/store"
)

// basis is what a pipe's output was made from. If it is another when the pipe
// runs again, the output no longer follows from it: the pipe is out of sync.
type basis struct {
	// Config is a digest of what decides the output.
	Config string `json:"config"`
	// Datasets are the generations of the source's and the hopped datasets.
	Datasets map[string]string `json:"datasets"`
}

// reprocesses tells whether the pipe resets itself when it is out of sync.
func (p *Pipe) reprocesses() bool {
	policy := p.Def.ReprocessingPolicy
	if policy == "" {
		policy = p.env.Metadata.Defaults.Reprocessing
	}
	return policy == "automatic"
}

// mindsConfig tells whether a changed configuration puts the pipe out of sync.
func (p *Pipe) mindsConfig() bool {
	if n := p.Def.RescanOnChange; n != nil {
		return n.IsTrue()
	}
	return p.env.Metadata.Defaults.Rescan
}

// basis is what the pipe works from now.
func (p *Pipe) basis(ctx context.Context) (*basis, error) {
	b := &basis{Config: p.digest, Datasets: map[string]string{}}
	for _, d := range p.reads() {
		generation, _, err := p.env.Store.Head(ctx, d)
		if errors.Is(err, store.ErrNoDataset) {
			continue
		}
		if err != nil {
			return nil, err
		}
		b.Datasets[d] = hex.EncodeToString(generation[:])
	}
	return b, nil
}

// reads are the datasets of the source and of hops, but for the pipe's own.
func (p *Pipe) reads() []string {
	ids := slices.Clone(p.Inputs())
	for _, h := range p.facts.Hops {
		ids = append(ids, h.Dataset)
	}
	slices.Sort(ids)
	return slices.DeleteFunc(slices.Compact(ids), func(d string) bool { return d == p.Output() })
}

// digestConfig covers what decides the output; schedules and descriptions do not.
func (p *Pipe) digestConfig() string {
	sum := sha256.New()
	for _, key := range []string{"source", "transform", "sink", "namespaces", "add_namespaces", "remove_namespaces"} {
		sum.Write([]byte(key))
		if n := p.Def.Node.Get(key); n != nil {
			sum.Write(withoutComments(n).AppendJSON(nil))
		}
	}
	fmt.Fprint(sum, p.namespaced())
	return hex.EncodeToString(sum.Sum(nil)[:16])
}

func withoutComments(n *jsonpos.Node) *jsonpos.Node {
	c := *n
	c.Members = nil
	for _, m := range n.Members {
		if m.Key != "comment" && m.Key != "description" {
			kept := *m
			kept.Value = withoutComments(m.Value)
			c.Members = append(c.Members, &kept)
		}
	}
	c.Elems = slices.Clone(n.Elems)
	for i, e := range c.Elems {
		c.Elems[i] = withoutComments(e)
	}
	return &c
}

// causes are why output that was made from b is out of sync, in sentences.
func (p *Pipe) causes(b, now *basis) (all []string) {
	if b == nil {
		return nil
	}
	if b.Config != now.Config && p.mindsConfig() {
		all = append(all, "the configuration of the pipe has changed")
	}
	for _, d := range slices.Sorted(maps.Keys(now.Datasets)) {
		switch was, known := b.Datasets[d]; {
		case !known:
			all = append(all, fmt.Sprintf("dataset %q is new to the pipe", d))
		case was != now.Datasets[d]:
			all = append(all, fmt.Sprintf("dataset %q was deleted and made anew", d))
		}
	}
	reads := p.reads()
	for _, d := range slices.Sorted(maps.Keys(b.Datasets)) {
		if !slices.Contains(reads, d) {
			all = append(all, fmt.Sprintf("dataset %q is not read any more", d))
		}
	}
	return all
}

// resync looks whether the pipe is out of sync. With automatic reprocessing
// that asks for a full run; without, it is remembered, and a source that was
// made anew is read from its beginning, since its old offset means nothing.
func (r *run) resync(ctx context.Context) (full bool, err error) {
	p := r.p
	if r.basis, err = p.basis(ctx); err != nil {
		return false, err
	}
	was := r.state.Basis
	causes := p.causes(was, r.basis)
	if r.drift = p.adrift(r.state); r.drift != "" {
		causes = append(causes, r.drift)
	}
	defer r.reanchor()
	r.moved = r.moved || was == nil || len(causes) > 0 || was.Config != r.basis.Config
	if r.state.Refill && p.reprocesses() {
		if able, err := r.canRefill(ctx); err != nil || able {
			r.state.Refill = false // it is made up for by this run
			return able, err
		}
	}
	if len(causes) == 0 {
		return false, nil
	}
	r.remade = was != nil && !maps.Equal(was.Datasets, r.basis.Datasets)
	if r.caused = p.reprocesses(); r.caused {
		return true, p.recordCauses(ctx, causes)
	}
	for _, c := range causes {
		if !slices.Contains(r.state.OutOfSync, c) {
			r.state.OutOfSync = append(r.state.OutOfSync, c)
		}
	}
	if r.drift != "" {
		return false, p.recordCauses(ctx, []string{r.drift})
	}
	r.rewind(was)
	return false, nil
}

// canRefill tells whether nothing is in the way any more of what the last full run
// could not do.
func (r *run) canRefill(ctx context.Context) (bool, error) {
	populated, err := r.sourcePopulated(ctx)
	if err != nil || !populated {
		return false, err
	}
	failing, err := r.p.failing(ctx)
	return !failing, err
}

// recordCauses notes in the execution log why the source is read again.
func (p *Pipe) recordCauses(ctx context.Context, causes []string) error {
	var why []entity.Value
	for _, c := range causes {
		why = append(why, entity.NewString(c))
	}
	return p.record(ctx, "pump-reprocessing", entity.Member{Key: "causes", Value: entity.NewList(why...)})
}

// rewind has what was made anew among the source's datasets read from its
// beginning. That is no full run: what is not there yet may come.
func (r *run) rewind(was *basis) {
	in := r.p.Inputs()
	remade := slices.DeleteFunc(slices.Clone(in), func(d string) bool {
		now, there := r.basis.Datasets[d]
		return !there || now == was.Datasets[d]
	})
	parts, several := composite(r.state.Offset)
	switch {
	case len(remade) == 0 || r.state.Offset == "":
	case several:
		for _, d := range remade {
			delete(parts, d)
		}
		if r.state.Offset = compose(parts); r.state.Offset == "" {
			r.state.Offset = beginningOfSeveral
		}
	case len(in) == 1:
		r.state.Offset = beginning
	case len(remade) == len(in):
		r.state.Offset = beginningOfSeveral
	}
}

// begunAlike tells whether the run that was cut short, if there is one, began with the
// configuration that there is: then what it has seen are the ids that that one makes.
// Where nothing is deleted that does not matter.
func (r *run) begunAlike() bool {
	return !r.p.tracksDeletions() || r.state.Basis == nil || r.state.Basis.Config == r.basis.Config
}

// Offsets of runs that read everything and delete nothing for its absence, unlike
// those that begin with "".
const beginning, beginningOfSeveral = "-1", "{}"

// fromBeginning tells whether the run reads its source from the beginning.
func (r *run) fromBeginning() bool {
	return slices.Contains([]string{"", beginning, beginningOfSeveral}, r.position())
}

// source tells which incarnation of its source the run reads, for sinks that keep
// a copy of it, and whether it begins at the beginning.
func (r *run) source() (id string, whole bool) {
	if id = r.origin.Log; id == "" {
		for _, d := range r.p.Inputs() {
			id += r.basis.Datasets[d]
		}
	}
	return id, r.fromBeginning()
}

// toBackground has a rescan that is due run in the background, if that is
// possible: what was made anew is not, for its old offset means nothing.
func (r *run) toBackground() bool {
	p := r.p
	if !p.Background() || r.state.Offset == "" || r.remade {
		return false
	}
	r.moved, r.stats.Rescan = true, true
	if r.state.Rescan == "" { // else one is under way
		r.state.Rescan = rescanWanted
	}
	return true
}

// synced notes in the state that ends a run what it was made from.
func (r *run) synced(next *state) {
	next.Basis = r.basis
	if r.kind == sinks.Full {
		next.OutOfSync, next.Rescan = nil, ""
		// Once: entities that fail in each full run must not make all runs full ones.
		next.Refill = r.refilled || r.failing && (r.caused || r.refills || r.state.Refill)
	}
}

// OutOfSync says, in sentences, why the pipe's output may differ from what a
// full run would make; none if nothing is known to be wrong.
func (p *Pipe) OutOfSync(ctx context.Context) ([]string, error) {
	s, err := p.loadState(ctx)
	return s.OutOfSync, err
}
