package transforms

import (
	"context"
	"runtime"
	"sync"

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
	o := env.options()
	o.IDRequired = cfg.IDRequired
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
	return &dtlStep{t: t, r: r, cores: runtime.GOMAXPROCS(0)}
}

// dtlStep spreads a batch over lanes, one for each core, and keeps the order.
type dtlStep struct {
	t     *dtlTransform
	r     Run
	cores int
	lanes []*dtlLane
}

// laneSize is how many entities are worth a lane: fewer are done sooner than a
// goroutine is started.
const laneSize = 25

// Apply implements Step. What the lanes make stays valid until the next call.
func (s *dtlStep) Apply(ctx context.Context, b *entity.Batch) error {
	n := max(1, min(s.cores, len(b.Entities)/laneSize))
	for len(s.lanes) < n {
		s.lanes = append(s.lanes, s.t.lane(s.r))
	}
	lanes := s.lanes[:n]
	lanes[0].out.Arena = b.Arena
	var others sync.WaitGroup
	for i, l := range lanes {
		l.in = b.Entities[len(b.Entities)*i/n : len(b.Entities)*(i+1)/n]
		if i > 0 {
			l.out.Arena.Reset()
			others.Go(func() { l.err = l.apply(ctx) })
		}
	}
	lanes[0].err = lanes[0].apply(ctx)
	others.Wait()
	total := 0
	for _, l := range lanes {
		if l.err != nil {
			return l.err
		}
		total += len(l.out.Entities)
	}
	out := b.Arena.Values(total)
	for _, l := range lanes {
		out = append(out, l.out.Entities...)
	}
	b.Entities = out
	return nil
}

// dtlLane transforms a part of a batch in a goroutine of its own.
type dtlLane struct {
	run     *dtl.Run
	trigger *triggerRun
	in      []entity.Value
	out     entity.Batch
	err     error
}

func (t *dtlTransform) lane(r Run) *dtlLane {
	run := dtl.NewRun(t.program, r.Host)
	run.Observe(r.Joins)
	if !r.Params.IsNull() {
		run.SetParams(r.Params)
	}
	return &dtlLane{run: run, trigger: t.trigger.start(r), out: entity.Batch{Arena: entity.NewArena()}}
}

// apply leaves what an earlier transform has filtered as it is: rules would
// make it an entity again.
func (l *dtlLane) apply(ctx context.Context) error {
	l.out.Entities = l.out.Entities[:0]
	l.run.Prepare(ctx, l.in)
	one := entity.Batch{Arena: l.out.Arena}
	for i, e := range l.in {
		ok, err := l.trigger.fires(ctx, e, one.Arena)
		if err != nil {
			return err
		}
		if !ok || entity.Filtered(e) {
			l.out.Entities = append(l.out.Entities, e)
			continue
		}
		one.Entities = l.in[i : i+1]
		if err := l.run.Transform(ctx, &one, &l.out); err != nil {
			return err
		}
	}
	return nil
}
