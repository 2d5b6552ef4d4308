package transforms

import (
	"context"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
)

// AddNamespaces returns what a pipe with "add_namespaces" does before its first
// transform: _id gets the namespace identity, properties that have none get
// the namespace property.
func AddNamespaces(identity, property string) Transform {
	n := dtl.Namespacing{Property: property, Identity: identity, KeepUnder: true, KeepDollar: true, Deep: true}
	return mapped(n.Add)
}

// RemoveNamespaces returns what a pipe with "remove_namespaces" does after its
// last transform: namespaces go from _id, properties and identifiers.
func RemoveNamespaces() Transform { return mapped(dtl.StripNamespaces) }

// mapped makes a transform of a function of one entity. It keeps no state, so
// it is its own step.
type mapped func(a *entity.Arena, e entity.Value) entity.Value

// SideEffects implements Transform.
func (f mapped) SideEffects() bool { return false }

// Start implements Transform.
func (f mapped) Start(Run) Step { return f }

// Apply implements Step.
func (f mapped) Apply(_ context.Context, b *entity.Batch) error {
	for i, e := range b.Entities {
		b.Entities[i] = f(b.Arena, e)
	}
	return nil
}

// Join returns transforms one after the other; nil ones are left out.
func Join(all ...Transform) Transform {
	c := &Chain{}
	for _, t := range all {
		if t != nil {
			c.parts = append(c.parts, t)
		}
	}
	switch len(c.parts) {
	case 0:
		return nil
	case 1:
		return c.parts[0]
	default:
		return c
	}
}
