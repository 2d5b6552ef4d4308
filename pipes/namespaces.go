package pipes

import (
	"context"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/sinks"
	"github.com/sluiceio/sluice/sources"
	"github.com/sluiceio/sluice/transforms"
)

// namespaced tells whether the pipe's rules know namespaces.
func (p *Pipe) namespaced() bool {
	if p.Def.NamespacedIdentifiers != nil {
		return *p.Def.NamespacedIdentifiers
	}
	return p.env.Metadata.Namespaced
}

func (p *Pipe) identityNS() string { return p.orID(p.Def.Namespaces.Identity) }
func (p *Pipe) propertyNS() string { return p.orID(p.Def.Namespaces.Property) }

func (p *Pipe) orID(s string) string {
	if s == "" {
		return p.ID()
	}
	return s
}

func (p *Pipe) dtlOptions() dtl.Options {
	o := dtl.Options{Lib: p.env.Lib, PipeID: p.ID(), IDRequired: true, NamespacedIdentifiers: p.namespaced(),
		IdentityNS: p.identityNS(), PropertyNS: p.propertyNS(), URINamespaces: p.env.Metadata.URINamespaces()}
	if p.limitsHops() {
		o.Limits.Found = p.trackingLimits().fail
	}
	return o
}

// adder returns what adds namespaces before the first transform, nil if the
// pipe does not.
func (p *Pipe) adder() transforms.Transform {
	n, ok := p.source.(sources.Bare)
	on := p.namespaced() && ok && n.Bare()
	if p.Def.AddNamespaces != nil {
		on = *p.Def.AddNamespaces
	}
	if !on {
		return nil
	}
	return transforms.AddNamespaces(p.identityNS(), p.propertyNS())
}

// remover returns what removes namespaces after the last transform, nil if the
// pipe does not.
func (p *Pipe) remover() transforms.Transform {
	n, ok := p.sink.(sinks.Bare)
	on := p.namespaced() && ok && n.Bare()
	if p.Def.RemoveNamespaces != nil {
		on = *p.Def.RemoveNamespaces
	}
	if !on {
		return nil
	}
	return transforms.RemoveNamespaces()
}

// addToPrevious gives the earlier version of an entity the namespaces that the
// rules find on the entity itself.
func (p *Pipe) addToPrevious(ctx context.Context, e entity.Value, a *entity.Arena) (entity.Value, error) {
	add := p.adder()
	if add == nil || e.Kind() != entity.Dict {
		return e, nil
	}
	b := &entity.Batch{Arena: a, Entities: []entity.Value{e}}
	err := add.Start(transforms.Run{}).Apply(ctx, b)
	return b.Entities[0], err
}
