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
			return fmt.Errorf("entity %q has _updated %s, the stored version %s: %w; read it again and repeat the change", ids[i], orNone(sent), orNone(is), ErrOutdated)
		}
	}
	return nil
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
