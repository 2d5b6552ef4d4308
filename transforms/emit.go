package transforms

import (
	"context"
	"fmt"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
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
		Doc:    "Puts the entities in $children that have an _id in the place of the entity that holds them; one without children gives nothing.",
		Config: func() any { return new(emitChildrenConfig) },
		Build: func(c any, _ Env) (Transform, diag.List) {
			return emitChildren{c.(*emitChildrenConfig).SideEffects}, nil
		},
	}
}

// emitChildren keeps no state, so it is its own step.
type emitChildren struct{ effects bool }

const childrenKey = "$children"

// SideEffects implements Transform.
func (t emitChildren) SideEffects() bool { return t.effects }

// Start implements Transform.
func (t emitChildren) Start(Run) Step { return t }

// Apply implements Step. The children of what is deleted or filtered go the
// same way.
func (t emitChildren) Apply(_ context.Context, b *entity.Batch) error {
	out := b.Arena.Values(len(b.Entities))
	for i, e := range b.Entities {
		children, _ := e.Get(childrenKey)
		all := children.Elems()
		if children.Kind() != entity.List && !children.IsNull() {
			all = []entity.Value{children}
		}
		for _, c := range all {
			ok, err := emitted(c)
			if err != nil {
				return &EntityError{Position: i, id: idOf(e), Err: err}
			}
			if ok {
				out = append(out, withFate(c, e))
			}
		}
	}
	b.Entities = out
	return nil
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
