package transforms

import (
	"context"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
	"github.com/sluiceio/sluice/systems"
)

type chainedConfig struct {
	spec.Base
	Type        string        `spec:"type,required" doc:"chained"`
	Comment     *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	Transforms  *jsonpos.Node `spec:"transforms,required" kind:"array" doc:"Transforms, each of which gets what the one before gives."`
	SideEffects bool          `spec:"side_effects" doc:"Whether the chain changes something outside the node. It does anyway if one of its transforms does."`
}

func chainedType() Type {
	return Type{
		Name:   "chained",
		Doc:    "Several transforms one after the other, the same as a list of them.",
		Config: func() any { return new(chainedConfig) },
		Build: func(c any, env Env) (Transform, diag.List) {
			cfg := c.(*chainedConfig)
			chain, diags := buildChain(cfg.Transforms, env)
			chain.effects = cfg.SideEffects
			return chain, diags
		},
	}
}

// Chain is several transforms one after the other.
type Chain struct {
	parts   []Transform
	effects bool
}

func buildChain(n *jsonpos.Node, env Env) (*Chain, diag.List) {
	c := &Chain{}
	var diags diag.List
	if n == nil {
		return c, nil // its absence has been told
	}
	for i, e := range n.Elems {
		t, found := env.Build(e)
		diags.Add(found...)
		if emit, emits := t.(*emitChildren); emits && len(n.Elems) > 1 {
			diags.Add(emitsAmong(e))
			if i > 0 {
				emit.parents = "" // what it gets stands nowhere
			}
		}
		if t != nil {
			c.parts = append(c.parts, t)
		}
	}
	return c, diags
}

// SideEffects implements Transform.
func (c *Chain) SideEffects() bool {
	for _, p := range c.parts {
		if p.SideEffects() {
			return true
		}
	}
	return c.effects
}

// Programs implements Programmer.
func (c *Chain) Programs() []*dtl.Program {
	var all []*dtl.Program
	for _, p := range c.parts {
		if q, ok := p.(Programmer); ok {
			all = append(all, q.Programs()...)
		}
	}
	return all
}

// Link implements systems.Linker.
func (c *Chain) Link() diag.List {
	var diags diag.List
	for _, p := range c.parts {
		if l, ok := p.(systems.Linker); ok {
			diags.Add(l.Link()...)
		}
	}
	return diags
}

// Start implements Transform.
func (c *Chain) Start(r Run) Step {
	s := make(chainStep, len(c.parts))
	for i, p := range c.parts {
		s[i] = p.Start(r)
	}
	return s
}

type chainStep []Step

// Apply implements Step.
func (s chainStep) Apply(ctx context.Context, b *entity.Batch) error {
	for _, p := range s {
		if err := p.Apply(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// Finish implements Finisher.
func (s chainStep) Finish(ctx context.Context) error {
	for _, p := range s {
		if f, ok := p.(Finisher); ok {
			if err := f.Finish(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

type conditionalConfig struct {
	spec.Base
	Type         string        `spec:"type,required" doc:"conditional"`
	Comment      *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	Condition    string        `spec:"condition,required" doc:"Key of the alternative to use, usually $ENV(name)."`
	Alternatives *jsonpos.Node `spec:"alternatives,required" kind:"object" doc:"Transforms by the values the condition may take."`
}

func conditionalType() Type {
	return Type{
		Name:   "conditional",
		Doc:    "Chooses one of several transforms when the pipe is loaded, by an environment variable.",
		Config: func() any { return new(conditionalConfig) },
		Build: func(cfg any, env Env) (Transform, diag.List) {
			c := cfg.(*conditionalConfig)
			n, diags := systems.Alternative(c.Alternatives, c.Condition, c.At("condition"))
			if n == nil {
				return nil, diags
			}
			return env.Build(n)
		},
	}
}
