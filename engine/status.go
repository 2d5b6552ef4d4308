package engine

import (
	"context"
	"errors"
	"time"

	"github.com/sluiceio/sluice/pipes"
	"github.com/sluiceio/sluice/store"
)

// Status is the state of a pump at one moment.
type Status struct {
	Pipe     string
	Running  bool
	Disabled bool
	Mode     string
	Due      time.Time // of the next scheduled run; zero if none
	// Why says why the pipe is not running.
	Why     Reason
	Last    pipes.Stats
	LastErr error
}

// Status returns the state of a pipe's pump.
func (e *Engine) Status(ctx context.Context, id string) (Status, error) {
	n := teller{look: func(p *pipes.Pipe) view { return e.view(ctx, p) }, writers: e.writers}
	p, ok := e.Pipe(id)
	if !ok {
		return Status{}, ErrNoPipe
	}
	v := n.look(p)
	return v.status(n.tell(v)), nil
}

func (v view) status(why Reason) Status {
	return Status{Pipe: v.pipe.ID(), Running: v.running, Disabled: v.disabled, Mode: v.pipe.Def.Pump.Mode, Due: v.due, Why: why, Last: v.last, LastErr: v.lastErr}
}

// view takes a picture of a pump. What was before the node started is in the
// execution log.
func (e *Engine) view(ctx context.Context, p *pipes.Pipe) view {
	v := e.viewNow(e.mu.runs[p.ID()])
	if v.last.Start.IsZero() && v.lastErr == nil && v.wait == nil {
		v.recall(ctx)
	}
	return v
}

func (e *Engine) viewNow(s *pumpState) view {
	e.mu.Lock()
	defer e.mu.Unlock()
	v := view{pipe: s.pipe, running: s.running, started: s.started, disabled: s.disabled, off: s.off, wait: s.wait,
		due: earlier(s.due, s.rescan), last: s.last, lastErr: s.lastErr, failed: s.failed,
		idle: !e.mu.started, schedulerOff: e.schedulerOff(), closing: e.ctx.Err() != nil}
	if s.ticket != 0 {
		v.slot = &slotWait{system: s.pool.system, limit: s.pool.limit, before: s.pool.before(s)}
		if v.slot.full = s.pool.taken >= s.pool.limit; v.slot.full {
			v.slot.by = e.takersLocked(s.pool)
		}
	}
	return v
}

// takersLocked names the pipes that have the slots of a pool.
func (e *Engine) takersLocked(p *pool) []string {
	var ids []string
	for _, other := range e.graph.pipes {
		if s := e.mu.runs[other.ID()]; s.running && s.pool == p {
			ids = append(ids, other.ID())
		}
	}
	return ids
}

// recall reads how the last run ended from the execution log.
func (v *view) recall(ctx context.Context) {
	last, err := v.pipe.LastRun(ctx)
	if err != nil || last.Failed == "" {
		return
	}
	v.lastErr, v.failed = errors.New(last.Failed), last.At
}

// Explain answers for a node that does not run: what its store and its
// configuration say of a pump. The store may be open for reading only, and nil
// if the node never ran.
func Explain(ctx context.Context, o Options, ids ...string) ([]Status, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	g, finds := compile(ctx, o)
	if finds.HasErrors() {
		return nil, &ConfigError{finds}
	}
	e := &Engine{o: o, graph: g}
	off := e.schedulerOff()
	n := teller{look: func(p *pipes.Pipe) view { return stored(ctx, o.Store, p, off) }, writers: g.writers()}
	if len(ids) == 0 {
		ids = e.Pipes()
	}
	var all []Status
	for _, id := range ids {
		p := g.byID[id]
		if p == nil {
			return nil, ErrNoPipe
		}
		v := n.look(p)
		all = append(all, v.status(n.tell(v)))
	}
	return all, nil
}

// stored is the picture of a pump of a node that does not run.
func stored(ctx context.Context, st store.Store, p *pipes.Pipe, schedulerOff bool) view {
	v := view{pipe: p, idle: true, offline: true, schedulerOff: schedulerOff}
	if st == nil {
		return v
	}
	var err error
	if v.disabled, v.off, err = loadSwitch(ctx, st, p.ID()); err != nil {
		v.lastErr = err
		return v
	}
	if persists(p) {
		v.due = storedDue(ctx, st, p)
	}
	if err := p.Waits(ctx); err != nil && !errors.As(err, &v.wait) {
		v.lastErr = err
		return v
	}
	v.recall(ctx)
	return v
}
