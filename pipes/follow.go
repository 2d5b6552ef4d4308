package pipes

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
	"github.com/sluiceio/sluice/store"
)

// trackingConfig is how much a pipe may find by dependency tracking.
type trackingConfig struct {
	spec.Base
	Warn       int  `spec:"dependency_warning_threshold" min:"1" doc:"Source entities found in a run that are worth a warning in the execution log; unless given the node's, else 10000."`
	Fail       int  `spec:"dependency_error_threshold" min:"1" doc:"Source entities found in a run that fail it; unless given the node's, else 50000. With automatic reprocessing the pipe makes a full run instead."`
	WarnBytes  int  `spec:"dependency_warning_threshold_total_bytes" min:"1" doc:"The same warning by bytes; unless given the node's, else 33554432."`
	FailBytes  int  `spec:"dependency_error_threshold_total_bytes" min:"1" doc:"The same failure by bytes; unless given the node's, else 134217728."`
	LimitsHops bool `spec:"enable_hops_thresholds" doc:"Whether the number of entities one hops finds is limited likewise; unless given the node decides, which does not."`
}

// errTooMany is more found by dependency tracking than the pipe allows.
var errTooMany = errors.New("dependency tracking finds too much")

// trackingLimits are the limits in force.
type trackingLimits struct{ warn, fail, warnBytes, failBytes int }

func (p *Pipe) trackingLimits() trackingLimits {
	return trackingLimits{
		warn: p.trackingLimit("dependency_warning_threshold", 10_000), fail: p.trackingLimit("dependency_error_threshold", 50_000),
		warnBytes: p.trackingLimit("dependency_warning_threshold_total_bytes", 32<<20),
		failBytes: p.trackingLimit("dependency_error_threshold_total_bytes", 128<<20),
	}
}

// trackingLimit is the pipe's own limit, else the node's, else the default.
func (p *Pipe) trackingLimit(key string, def int) int {
	for _, n := range []*jsonpos.Node{p.Def.Tracking.Node.Get(key), p.env.Metadata.Tracking.Node.Get(key)} {
		if n == nil || n.Kind != jsonpos.Number {
			continue
		}
		if v, err := strconv.Atoi(n.Text); err == nil && v > 0 {
			return v
		}
	}
	return def
}

// limitsHops resolves enable_hops_thresholds.
func (p *Pipe) limitsHops() bool {
	if n := p.Def.Tracking.Node.Get("enable_hops_thresholds"); n != nil {
		return n.IsTrue()
	}
	return p.env.Metadata.Tracking.Hops
}

// follower gathers the source entities that changes concern.
type follower struct {
	p      *Pipe
	limits trackingLimits
	walks  []*dtl.Walk
	known  map[string]bool
	ids    []string // in the order they were found
	bytes  int
	arena  *entity.Arena
}

func newFollower(p *Pipe) *follower {
	f := &follower{p: p, limits: p.trackingLimits(), known: map[string]bool{}, arena: entity.NewArena()}
	for _, v := range p.inverses {
		f.walks = append(f.walks, v.Walk(p.env.Host))
	}
	return f
}

// followPage is how many versions of a hopped dataset are read at once.
const followPage = 1000

// follow goes back from what has changed in a dataset between two heads. A
// dataset that is not tracked yet was seen whole by nobody: it is tracked from
// now on. One that was made anew is gone through whole.
func (f *follower) follow(ctx context.Context, dataset string, from, to tracked) error {
	if from.Generation == "" || from == to {
		return nil
	}
	if from.Generation != to.Generation {
		from.Offset = store.Start
	}
	q := store.Query{Since: from.Offset, Limit: followPage, History: true}
	for q.Since < to.Offset {
		f.arena.Reset()
		page, err := f.p.env.Store.Read(ctx, dataset, q, f.arena)
		if err != nil {
			return &readError{fmt.Errorf("dataset %q: %w", dataset, err)}
		}
		for _, e := range page.Entities {
			if err := f.changed(ctx, dataset, e, from.Offset); err != nil {
				return err
			}
		}
		if q.Since = page.Next; page.End {
			break
		}
	}
	return nil
}

// changed goes back from a version, and from the one before it unless that has
// its own turn.
func (f *follower) changed(ctx context.Context, dataset string, e entity.Value, from store.Offset) error {
	if err := f.back(ctx, dataset, e); err != nil {
		return err
	}
	v, _ := e.Get(entity.PreviousKey)
	at, ok := v.Int64()
	if !ok || store.Offset(at) > from {
		return nil
	}
	before, err := f.p.env.Store.GetAt(ctx, dataset, store.Offset(at), f.arena)
	if err != nil {
		return &readError{fmt.Errorf("dataset %q: %w", dataset, err)}
	}
	if before.IsNull() {
		return nil // compacted away
	}
	return f.back(ctx, dataset, before)
}

func (f *follower) back(ctx context.Context, dataset string, e entity.Value) error {
	for _, w := range f.walks {
		err := w.From(ctx, dataset, e, func(id string, source bool, size int) error {
			if f.bytes += size; source && !f.known[id] {
				f.known[id] = true
				f.ids = append(f.ids, id)
			}
			return f.room(dataset)
		})
		if err != nil && !errors.Is(err, store.ErrNoDataset) {
			return err
		}
	}
	return ctx.Err()
}

// entities is how many are kept in mind.
func (f *follower) entities() (n int) {
	for _, w := range f.walks {
		n += w.Seen()
	}
	return n
}

func (f *follower) room(dataset string) error {
	n := f.entities()
	switch {
	case n > f.limits.fail:
		return fmt.Errorf("%w: changes of dataset %q concern more than the %d entities of dependency_error_threshold; make the join more selective, raise the threshold, or reset the pipe", errTooMany, dataset, f.limits.fail)
	case f.bytes > f.limits.failBytes:
		return fmt.Errorf("%w: changes of dataset %q concern entities of more than the %d bytes of dependency_error_threshold_total_bytes; make the join more selective, raise the threshold, or reset the pipe", errTooMany, dataset, f.limits.failBytes)
	}
	return nil
}

// warnTracking puts into the execution log that more was found than the pipe
// wants to hear of.
func (r *run) warnTracking(ctx context.Context, f *follower) {
	n := f.entities()
	if n <= f.limits.warn && f.bytes <= f.limits.warnBytes {
		return
	}
	r.logStart(ctx)
	r.p.record(ctx, "dependency-tracking-warning",
		entity.Member{Key: "message", Value: entity.NewString(fmt.Sprintf("dependency tracking found %d entities of %d bytes", n, f.bytes))},
		entity.Member{Key: "entities", Value: entity.NewInt(int64(n))}, entity.Member{Key: "bytes", Value: entity.NewInt(int64(f.bytes))})
}
