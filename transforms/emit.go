package transforms

import (
	"context"
	"fmt"
	"slices"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/systems"
)

type emitChildrenConfig struct {
	spec.Base
	Type        string        `spec:"type,required" doc:"emit_children"`
	Comment     *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	SideEffects bool          `spec:"side_effects" doc:"Whether the transform changes something outside the node, so that previews stop before it."`
}

func emitChildrenType() Type {
	return Type{
		Name:   "emit_children",
		Doc:    "Puts the entities in $children that have an _id in the place of the entity that holds them; one without children gives nothing. Nor does a child that has gone from its parent while another one has it.",
		Config: func() any { return new(emitChildrenConfig) },
		Build: func(c any, env Env) (Transform, diag.List) {
			return &emitChildren{c.(*emitChildrenConfig).SideEffects, env.Store, env.Reads}, nil
		},
	}
}

// emitChildren emits the children of the parents in one dataset, or of whatever it
// is given if that is "".
type emitChildren struct {
	effects bool
	store   store.Store
	parents string
}

const childrenKey = "$children"

// SideEffects implements Transform.
func (t *emitChildren) SideEffects() bool { return t.effects }

// Start implements Transform.
func (t *emitChildren) Start(Run) Step { return &emitStep{emitChildren: t} }

// emitStep is the transform in one run.
type emitStep struct {
	*emitChildren
	gone    [][]byte // ids of the children of a batch that are emitted as deleted
	indexed bool
}

// Apply implements Step. The children of what is deleted or filtered go the
// same way.
func (t *emitStep) Apply(ctx context.Context, b *entity.Batch) error {
	out := b.Arena.Values(len(b.Entities))
	t.gone = t.gone[:0]
	for i, e := range b.Entities {
		for _, c := range childrenOf(e) {
			ok, err := emitted(c)
			if err != nil {
				return &EntityError{Position: i, id: idOf(e), Err: err}
			}
			if ok {
				out = append(out, t.note(withFate(c, e)))
			}
		}
	}
	if err := t.index(ctx); err != nil {
		return err
	}
	var err error
	b.Entities, err = t.withoutMoved(ctx, b.Arena, out)
	return err
}

// index has the parents found by their children. Every run asks for it, whether it
// needs it or not: an index that falls behind holds up compaction.
func (t *emitStep) index(ctx context.Context) error {
	if t.indexed || t.parents == "" || t.store == nil {
		return nil
	}
	if err := t.store.EnsureIndex(ctx, t.parents, byChild()); err != nil {
		return fmt.Errorf("index of dataset %q: %w", t.parents, err)
	}
	t.indexed = true
	return nil
}

func childrenOf(e entity.Value) []entity.Value {
	children, _ := e.Get(childrenKey)
	if children.Kind() != entity.List && !children.IsNull() {
		return []entity.Value{children}
	}
	return children.Elems()
}

// note remembers a child that goes.
func (t *emitStep) note(c entity.Value) entity.Value {
	if goes(c) {
		id, _ := entity.ID(c)
		t.gone = append(t.gone, []byte(id))
	}
	return c
}

func goes(c entity.Value) bool { return entity.Deleted(c) || entity.Filtered(c) }

// withoutMoved leaves out what would delete a child that has moved to another
// parent: whether that was read before or is yet to be read, it has the child.
func (t *emitStep) withoutMoved(ctx context.Context, a *entity.Arena, out []entity.Value) ([]entity.Value, error) {
	if len(t.gone) == 0 || !t.indexed {
		return out, nil
	}
	held := map[string]bool{}
	err := t.store.Find(ctx, t.parents, byChild().Name, t.gone, a, func(key int, _ entity.Value) bool {
		held[string(t.gone[key])] = true
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("dataset %q: %w", t.parents, err)
	}
	return slices.DeleteFunc(out, func(c entity.Value) bool {
		id, _ := entity.ID(c)
		return goes(c) && held[id]
	}), nil
}

// byChild finds parents by the ids of the children they have.
func byChild() store.Index {
	return store.Index{Name: "ids of children", Needs: []string{childrenKey}, Keys: func(e entity.Value, emit func([]byte)) {
		for _, c := range childrenOf(e) {
			if id, ok := entity.ID(c); ok && !entity.Deleted(c) {
				emit([]byte(id))
			}
		}
	}}
}

// emitted tells whether a child is emitted: as the manual has it those with an
// _id are, the others not. What looks like a child but cannot be one fails.
func emitted(c entity.Value) (bool, error) {
	if c.Kind() != entity.Dict {
		return false, fmt.Errorf("a child in %s is a %s; children are entities", childrenKey, c.Kind())
	}
	id, ok := c.Get(entity.IDKey)
	if ok && id.Kind() != entity.String {
		return false, fmt.Errorf("the _id of a child in %s is a %s; it must be a string", childrenKey, id.Kind())
	}
	return ok, nil
}

func withFate(child, parent entity.Value) entity.Value {
	switch {
	case entity.Filtered(parent):
		return systems.With(child, entity.Member{Key: entity.FilteredKey, Value: entity.NewBool(true)})
	case entity.Deleted(parent):
		return systems.With(child, entity.Member{Key: entity.DeletedKey, Value: entity.NewBool(true)})
	default:
		return child
	}
}

// emitsAmong warns of the transform in a chain: the parents go there, and with
// them the knowledge of which children have gone.
func emitsAmong(n *jsonpos.Node) diag.Finding {
	return diag.Finding{Rule: "transform/emit-children", Severity: diag.Warning, Span: n.Get("type").Span,
		Message: "emit_children among other transforms: children that are no longer there will not be deleted",
		Help:    "give it a pipe of its own, which reads the dataset of the parents"}
}
