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

type graphConfig struct {
	spec.Base
	Type        string        `spec:"type,required" doc:"undirected_graph"`
	Comment     *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	Nodes       []string      `spec:"nodes" doc:"Properties that hold the nodes: strings, URIs or lists of them. Unless given: _id and sameAs."`
	From        string        `spec:"from" default:"from" doc:"Property for where an edge begins."`
	To          string        `spec:"to" default:"to" doc:"Property for where an edge ends."`
	SideEffects bool          `spec:"side_effects" doc:"Whether the transform changes something outside the node, so that previews stop before it."`
}

func undirectedGraphType() Type {
	return Type{
		Name:   "undirected_graph",
		Doc:    "Puts in the place of an entity an edge for each ordered pair of the nodes it holds. Older configurations have it.",
		Config: func() any { return new(graphConfig) },
		Build: func(c any, _ Env) (Transform, diag.List) {
			cfg := c.(*graphConfig)
			if !systems.Has(cfg.Node, "nodes") {
				cfg.Nodes = []string{entity.IDKey, "sameAs"}
			}
			return graph{cfg}, nil
		},
	}
}

// graph keeps no state, so it is its own step.
type graph struct{ cfg *graphConfig }

// SideEffects implements Transform.
func (t graph) SideEffects() bool { return t.cfg.SideEffects }

// Start implements Transform.
func (t graph) Start(Run) Step { return t }

// mostNodes bounds the nodes of one entity: their edges are their square.
const mostNodes = 1000

// Apply implements Step. The edges of what is deleted or filtered go the same
// way.
func (t graph) Apply(_ context.Context, b *entity.Batch) error {
	out := b.Arena.Values(len(b.Entities))
	for i, e := range b.Entities {
		nodes, err := t.nodes(e)
		if err != nil {
			return &EntityError{Position: i, id: idOf(e), Err: err}
		}
		for _, from := range nodes {
			for _, to := range nodes {
				if !entity.Equal(from, to) {
					out = append(out, withFate(t.edge(b.Arena, from, to), e))
				}
			}
		}
	}
	b.Entities = out
	return nil
}

func (t graph) edge(a *entity.Arena, from, to entity.Value) entity.Value {
	o := a.NewObject(3)
	o.Set(entity.IDKey, entity.NewString(from.Text()+"."+to.Text()))
	o.Set(t.cfg.From, from)
	o.Set(t.cfg.To, to)
	return o.Value()
}

// nodes gathers the nodes of an entity, each once.
func (t graph) nodes(e entity.Value) ([]entity.Value, error) {
	var nodes []entity.Value
	seen := map[string]bool{}
	for _, property := range t.cfg.Nodes {
		v, _ := e.Get(property)
		all := v.Elems()
		if v.Kind() != entity.List && !v.IsNull() {
			all = []entity.Value{v}
		}
		for _, n := range all {
			if n.Kind() != entity.String && n.Kind() != entity.URI {
				return nil, fmt.Errorf("the property %q holds a %s; the nodes of a graph are strings and URIs", property, n.Kind())
			}
			if key := string([]byte(n.Text())); !seen[key] {
				seen[key] = true
				nodes = append(nodes, n)
			}
		}
	}
	if len(nodes) > mostNodes {
		return nil, fmt.Errorf("it has %d nodes; %d are allowed, since their edges are their square", len(nodes), mostNodes)
	}
	return nodes, nil
}
