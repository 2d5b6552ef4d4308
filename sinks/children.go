package sinks

import (
	"context"
	"slices"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/systems"
)

const childrenKey = "$children"

// makesChildren tells whether a pipe's transforms use create-child, which
// turns on the tracking of children.
func makesChildren(n *jsonpos.Node) bool {
	if n == nil {
		return false
	}
	if n.Kind == jsonpos.Array && len(n.Elems) > 0 {
		if name, _ := n.Elems[0].Str(); name == "create-child" {
			return true
		}
	}
	return slices.ContainsFunc(n.Elems, makesChildren) ||
		slices.ContainsFunc(n.Members, func(m *jsonpos.Member) bool { return makesChildren(m.Value) })
}

// trackChildren adds to the entities to be stored, as deleted, those children
// of the version before that they do not have any more. Children that are
// deleted already stay, so that the same entity written again is no change.
func (w *datasetWriter) trackChildren(ctx context.Context, ops []store.Op, a *entity.Arena) error {
	ids := make([]string, len(ops))
	for i, op := range ops {
		ids[i] = opID(op)
	}
	before, err := w.stored(ctx, ids, a)
	if err != nil {
		return err
	}
	latest := make(map[string]entity.Value, len(ops))
	for i, op := range ops {
		if op.Kind != store.Put {
			continue
		}
		have, ok := latest[ids[i]]
		if !ok {
			have = before[i]
		}
		ops[i].Entity = withVanished(op.Entity, have)
		latest[ids[i]] = ops[i].Entity
	}
	return nil
}

func withVanished(e, before entity.Value) entity.Value {
	old, _ := before.Get(childrenKey)
	if old.Len() == 0 {
		return e
	}
	now, _ := e.Get(childrenKey)
	all := slices.Clone(now.Elems())
	known := map[string]bool{}
	for _, c := range all {
		if id, ok := entity.ID(c); ok {
			known[id] = true
		}
	}
	for _, c := range old.Elems() {
		if id, ok := entity.ID(c); ok && !known[id] {
			all = append(all, asDeleted(c))
		}
	}
	if len(all) == now.Len() {
		return e
	}
	return systems.With(e, entity.Member{Key: childrenKey, Value: entity.NewList(all...)})
}

func asDeleted(c entity.Value) entity.Value {
	if entity.Deleted(c) {
		return c
	}
	return systems.With(c, entity.Member{Key: entity.DeletedKey, Value: entity.NewBool(true)})
}
