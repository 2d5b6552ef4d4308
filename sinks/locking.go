package sinks

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// ErrOutdated is an entity whose sender has not seen the version that is
// stored, where enable_optimistic_locking asks for it.
var ErrOutdated = errors.New("somebody else has changed the entity meanwhile")

// OutdatedError says which entity that is, and what its sender needs to merge.
type OutdatedError struct {
	Input, Existing entity.Value
	// Ancestor is the version that the sender has seen; null if it is not there.
	Ancestor entity.Value
}

// Error names the entity and both versions.
func (o *OutdatedError) Error() string {
	id, _ := entity.ID(o.Input)
	return fmt.Sprintf("entity %q has _updated %s, the stored version %s: %v; read it again and repeat the change",
		id, orNone(version(o.Input)), orNone(version(o.Existing)), ErrOutdated)
}

// Unwrap implements errors.Is.
func (o *OutdatedError) Unwrap() error { return ErrOutdated }

// Locks implements Locking.
func (s *datasetSink) Locks() bool { return s.cfg.OptimisticLocking }

// lock refuses the whole batch if the _updated of an entity is not that of the
// stored version: none for one that is new.
func (w *datasetWriter) lock(ctx context.Context, ops []store.Op, a *entity.Arena) error {
	ids := make([]string, len(ops))
	for i, op := range ops {
		ids[i] = opID(op)
	}
	stored, err := w.stored(ctx, ids, a)
	if err != nil {
		return err
	}
	for i, op := range ops {
		if op.Kind != store.Put {
			continue
		}
		if sent, is := version(op.Entity), version(stored[i]); sent != is {
			return w.outdated(ctx, op.Entity, stored[i], a)
		}
	}
	return nil
}

// outdated tells what came, what is there, and what the sender has seen.
func (w *datasetWriter) outdated(ctx context.Context, e, is entity.Value, a *entity.Arena) error {
	o := &OutdatedError{Input: e, Existing: is}
	if at, err := strconv.ParseInt(version(e), 10, 64); err == nil && at >= 0 {
		seen, err := w.s.store.GetAt(ctx, w.s.dataset, store.Offset(at), a)
		if err != nil {
			return err
		}
		if id, _ := entity.ID(e); !seen.IsNull() && idIs(seen, id) {
			o.Ancestor = seen
		}
	}
	return o
}

func idIs(e entity.Value, id string) bool {
	is, ok := entity.ID(e)
	return ok && is == id
}

// version is an entity's _updated as text, "" if it has none.
func version(e entity.Value) string {
	v, _ := e.Get(entity.UpdatedKey)
	if n, ok := v.Int64(); ok {
		return strconv.FormatInt(n, 10)
	}
	if v.Kind() == entity.String {
		return v.Text()
	}
	return ""
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
