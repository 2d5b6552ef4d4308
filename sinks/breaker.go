package sinks

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/systems"
)

// A circuit breaker holds back what a run writes until it is known to be no
// more than the limit: it goes to a dataset of its own, and from there to the
// sink's when the run has come to its end, or when somebody commits it. Sinks
// without limits know nothing of it, and neither does the first run of a sink,
// which has nothing to protect yet.

// breaker is a sink's circuit breaker in one run.
type breaker struct {
	s       *datasetSink
	limit   int64
	ids     int64 // that the dataset has, deleted or not
	changed int64
	begun   bool // there is something held back
	last    bool // the run is at its end: all of that is counted before it trips
	// later are writes to other datasets that stand or fall with what is held
	// back.
	later []store.Write
}

// Holds implements Holding.
func (w *datasetWriter) Holds() bool { return w.breaker != nil }

// postpone keeps writes for the end of the run.
func (b *breaker) postpone(writes []store.Write) {
	for _, w := range writes {
		kept := store.Write{Dataset: w.Dataset, Ops: slices.Clone(w.Ops)}
		for i := range kept.Ops {
			kept.Ops[i].Entity = kept.Ops[i].Entity.Clone()
		}
		b.later = append(b.later, kept)
	}
}

// limits tells whether the sink has a circuit breaker, and where it trips: the
// larger of both limits counts.
func (s *datasetSink) breakerLimit(ids int64) (limit int64, has bool) {
	if f, ok := threshold(s.cfg.BreakerFactor); ok {
		limit, has = int64(f*float64(ids)), true
	}
	if n, ok := threshold(s.cfg.BreakerCount); ok {
		limit, has = max(limit, int64(n)), true
	}
	return limit, has
}

// threshold reads a limit; what is no number has been refused before.
func threshold(n *jsonpos.Node) (float64, bool) {
	if n == nil || n.Kind != jsonpos.Number {
		return 0, false
	}
	v, err := strconv.ParseFloat(n.Text, 64)
	return min(v, math.MaxInt32), err == nil
}

// checkBreaker refuses limits that are no numbers to count by.
func (s *datasetSink) checkBreaker() diag.List {
	var finds diag.List
	for key, n := range map[string]*jsonpos.Node{"circuit_breaker_threshold_factor": s.cfg.BreakerFactor, "circuit_breaker_threshold_count": s.cfg.BreakerCount} {
		if v, ok := threshold(n); ok && v < 0 {
			finds.Add(diag.Finding{Rule: "sink/circuit-breaker", Severity: diag.Error, Span: n.Span,
				Message: fmt.Sprintf("%q may not be negative", key)})
		}
	}
	return finds
}

// arm readies the breaker for a run, nil if there is none. What a run that died
// has left behind is dropped: it will be made again.
func (s *datasetSink) arm(ctx context.Context, kind RunKind, info store.Info) (*breaker, error) {
	ids := info.Live + info.Deleted
	limit, has := s.breakerLimit(ids)
	if !has || kind == Request {
		return nil, nil
	}
	t, err := s.Tripped(ctx)
	if err != nil {
		return nil, err
	}
	if t != nil {
		return nil, fmt.Errorf("%w: %s", ErrTripped, t.Why())
	}
	if err := s.dropHeld(ctx); err != nil || !info.Populated {
		return nil, err
	}
	return &breaker{s: s, limit: limit, ids: ids}, nil
}

func (s *datasetSink) dropHeld(ctx context.Context) error {
	_, err := s.store.Info(ctx, Uncommitted(s.dataset))
	if errors.Is(err, store.ErrNoDataset) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.store.Drop(ctx, Uncommitted(s.dataset))
}

// hold keeps a batch back, and trips if that makes too much. The states are
// saved at the end of the run.
func (b *breaker) hold(ctx context.Context, batch *store.Batch) (Written, error) {
	held := Written{Held: len(batch.State) > 0}
	var offered []store.Op
	for _, w := range batch.Writes {
		offered = append(offered, w.Ops...)
	}
	ops, err := b.changes(ctx, offered)
	if err != nil || len(ops) == 0 {
		return held, err
	}
	if err := b.begin(ctx); err != nil {
		return held, err
	}
	kept := &store.Batch{Writes: []store.Write{{Dataset: Uncommitted(b.s.dataset), Ops: ops}}}
	var t *Trip
	if n := b.changed + int64(len(ops)); n > b.limit && !b.last {
		t = b.trip(n, "")
		kept.State = []store.StateWrite{t.write()}
	}
	if _, err := commit(ctx, b.s.store, kept); err != nil {
		return held, err
	}
	b.changed += int64(len(ops))
	held.Changed = len(ops)
	if t != nil {
		return held, fmt.Errorf("%w: %s", ErrTripped, t.Why())
	}
	return held, nil
}

func (b *breaker) begin(ctx context.Context) error {
	if b.begun {
		return nil
	}
	b.begun = true
	_, err := b.s.store.Create(ctx, Uncommitted(b.s.dataset))
	return err
}

func (b *breaker) trip(changes int64, message string) *Trip {
	return &Trip{Dataset: b.s.dataset, Pipe: b.s.pipe, At: b.s.now(), Changes: changes, Limit: b.limit, IDs: b.ids,
		Message: message, Moved: store.Start}
}

// Trip implements Tripper.
func (w *datasetWriter) Trip(ctx context.Context, message string) error {
	b := w.breaker
	if b == nil {
		b = &breaker{s: w.s}
	}
	if err := b.begin(ctx); err != nil {
		return err
	}
	_, err := commit(ctx, w.s.store, &store.Batch{State: []store.StateWrite{b.trip(b.changed, message).write()}})
	return err
}

// changes are the versions that ops would store, as entities: those that equal
// the latest version, held back or not, are none.
func (b *breaker) changes(ctx context.Context, ops []store.Op) ([]store.Op, error) {
	ids := make([]string, len(ops))
	for i, op := range ops {
		ids[i] = opID(op)
	}
	stored, err := b.latest(ctx, ids, entity.NewArena())
	if err != nil {
		return nil, err
	}
	now := make(map[string]entity.Value, len(ops))
	out := make([]store.Op, 0, len(ops))
	for i, op := range ops {
		have, again := now[ids[i]]
		if !again {
			have = stored[i]
		}
		if op.Kind == store.Delete {
			if have.IsNull() || entity.Deleted(have) {
				continue
			}
			op = store.Op{Kind: store.Put, Entity: deletedForm(have, op.Mark)}
		} else if !have.IsNull() && !changed(op, have) {
			continue
		}
		now[ids[i]] = op.Entity
		out = append(out, op)
	}
	return out, nil
}

// deletedForm is the tombstone of an entity, which keeps its content.
func deletedForm(e entity.Value, mark bool) entity.Value {
	members := []entity.Member{{Key: entity.DeletedKey, Value: entity.NewBool(true)}}
	if mark {
		members = append(members, entity.Member{Key: "$deletion_tracked", Value: entity.NewBool(true)})
	}
	return systems.With(e, members...)
}

// latest are the latest versions, held back or not.
func (b *breaker) latest(ctx context.Context, ids []string, a *entity.Arena) ([]entity.Value, error) {
	stored, err := b.s.store.Get(ctx, b.s.dataset, ids, a)
	if err != nil || !b.begun {
		return stored, err
	}
	held, err := b.s.store.Get(ctx, Uncommitted(b.s.dataset), ids, a)
	if err != nil {
		return nil, err
	}
	for i, e := range held {
		if !e.IsNull() {
			stored[i] = e
		}
	}
	return stored, nil
}

// finish moves what was held back to the dataset, with the last of it the
// states and the populated flag; or trips.
func (b *breaker) finish(ctx context.Context, last *store.Batch) (Written, error) {
	deleted, err := b.hold(ctx, &store.Batch{Writes: last.Writes})
	if err != nil {
		return Written{}, err
	}
	last.Writes = b.later
	if b.changed > b.limit {
		t := b.trip(b.changed, "")
		if _, err := commit(ctx, b.s.store, &store.Batch{State: []store.StateWrite{t.write()}}); err != nil {
			return Written{}, err
		}
		return Written{}, fmt.Errorf("%w: %s", ErrTripped, t.Why())
	}
	if !b.begun {
		return b.s.settle(ctx, last)
	}
	if err := moveHeld(ctx, b.s.store, b.s.dataset, store.Start, nil); err != nil {
		return Written{}, err
	}
	done, err := b.s.settle(ctx, last)
	if err == nil {
		err = b.s.dropHeld(ctx)
	}
	done.Changed = deleted.Changed
	return done, err
}

// settle commits what ends a run.
func (s *datasetSink) settle(ctx context.Context, last *store.Batch) (Written, error) {
	if len(last.State) == 0 && len(last.Populate) == 0 && len(last.Writes) == 0 {
		return Written{}, nil
	}
	res, err := commit(ctx, s.store, last)
	return Written{Revs: res.Revs}, err
}
