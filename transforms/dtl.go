package transforms

import (
	"context"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
)

type dtlConfig struct {
	spec.Base
	Type        string        `spec:"type,required" doc:"dtl"`
	Comment     *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	Name        string        `spec:"name" doc:"Name shown to people."`
	Rules       *jsonpos.Node `spec:"rules,required" kind:"object" doc:"Named lists of DTL transforms; every entity goes through default."`
	IDRequired  bool          `spec:"id_required" default:"true" doc:"Whether an entity without a string _id fails the run; false leaves it out."`
	TriggerOn   *jsonpos.Node `spec:"trigger_on" kind:"object" doc:"Transforms only entities whose property key, a path, is value, which may hold wildcards; the others pass unchanged."`
	SideEffects bool          `spec:"side_effects" doc:"Whether the transform changes something outside the node, so that previews stop before it."`
}

func dtlType() Type {
	return Type{
		Name:   "dtl",
		Doc:    "Shapes entities by rules of the Data Transformation Language.",
		Config: func() any { return new(dtlConfig) },
		Build:  buildDTL,
	}
}

type dtlTransform struct {
	program *dtl.Program
	trigger *trigger
	effects bool
}

func buildDTL(c any, env Env) (Transform, diag.List) {
	cfg := c.(*dtlConfig)
	o := env.DTL
	o.IDRequired = cfg.IDRequired
	if o.Lib == nil {
		o.Lib = env.Lib
	}
	if cfg.Rules == nil {
		return nil, nil // its absence has been told
	}
	program, diags := dtl.CompileRules(cfg.Rules, o)
	t, more := compileTrigger(cfg.TriggerOn, o)
	diags.Add(more...)
	if diags.HasErrors() {
		return nil, diags
	}
	return &dtlTransform{program, t, cfg.SideEffects}, diags
}

// Programs implements Programmer.
func (t *dtlTransform) Programs() []*dtl.Program { return []*dtl.Program{t.program} }

// SideEffects implements Transform.
func (t *dtlTransform) SideEffects() bool { return t.effects }

// Start implements Transform.
func (t *dtlTransform) Start(r Run) Step {
	run := dtl.NewRun(t.program, r.Host)
	if !r.Params.IsNull() {
		run.SetParams(r.Params)
	}
	return &dtlStep{run: run, trigger: t.trigger.start(r)}
}

type dtlStep struct {
	run     *dtl.Run
	trigger *triggerRun
	one     entity.Batch
}

// Apply implements Step. What an earlier transform has filtered stays as it
// is: rules would make it an entity again.
func (s *dtlStep) Apply(ctx context.Context, b *entity.Batch) error {
	out := entity.Batch{Arena: b.Arena, Entities: b.Arena.Values(len(b.Entities))}
	s.one.Arena = b.Arena
	for i := range b.Entities {
		e := b.Entities[i]
		ok, err := s.trigger.fires(ctx, e, b.Arena)
		if err != nil {
			return err
		}
		if !ok || entity.Filtered(e) {
			out.Entities = append(out.Entities, e)
			continue
		}
		s.one.Entities = b.Entities[i : i+1]
		if err := s.run.Transform(ctx, &s.one, &out); err != nil {
			return err
		}
	}
	b.Entities = out.Entities
	return nil
}
