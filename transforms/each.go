package transforms

import (
	"context"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
)

// each makes a transform of a function that makes one entity of one. Filtered
// entities, and those the trigger is not for, pass unchanged.
type each struct {
	trigger *trigger // nil is for all
	effects bool
	do      func(ctx context.Context, a *entity.Arena, e entity.Value) (entity.Value, error)
}

// newEach compiles `trigger_on`, nil if there is none.
func newEach(env Env, on *jsonpos.Node, effects bool) (*each, diag.List) {
	t, diags := compileTrigger(on, env.options())
	return &each{trigger: t, effects: effects}, diags
}

// SideEffects implements Transform.
func (t *each) SideEffects() bool { return t.effects }

// Start implements Transform.
func (t *each) Start(r Run) Step { return &eachStep{t, t.trigger.start(r)} }

type eachStep struct {
	t       *each
	trigger *triggerRun
}

// Apply implements Step.
func (s *eachStep) Apply(ctx context.Context, b *entity.Batch) error {
	for i, e := range b.Entities {
		ok, err := s.trigger.fires(ctx, e, b.Arena)
		if err == nil && ok && !entity.Filtered(e) {
			b.Entities[i], err = s.t.do(ctx, b.Arena, e)
		}
		if err != nil {
			return &EntityError{Position: i, id: idOf(e), Err: err}
		}
	}
	return nil
}
