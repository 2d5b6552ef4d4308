package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sluiceio/sluice/messages"
	"github.com/sluiceio/sluice/pipes"
)

// ErrStopped is how a run ends that somebody stopped.
var ErrStopped = pipes.ErrStopped

// StartPump starts a pump as soon as it has a slot, also one that is manual or
// disabled; full asks for a full rescan.
func (e *Engine) StartPump(id string, full bool) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.mu.runs[id]
	switch {
	case s == nil:
		return ErrNoPipe
	case s.pipe.Def.Pump.Mode == "off":
		return errors.New(`the pipe's mode is "off"`)
	case full && e.takesBackground(s):
		return nil
	case s.running:
		return errors.New("the pipe is running already")
	}
	if _, receiver := s.pipe.Receiver(); receiver {
		return errors.New("a receiver has no pump to start: post to it")
	}
	if !s.pipe.Pumped() {
		return errors.New("a publisher has no pump to start: ask for its document")
	}
	s.full = s.full || full
	s.byHand = true
	e.mu.agenda.queue(s)
	e.dispatchLocked()
	return nil
}

// StopPump ends a run after the batch in hand, or takes a pump that waits for
// a slot out of its queue.
func (e *Engine) StopPump(id string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.mu.runs[id]
	if s != nil {
		e.stopRescanLocked(s)
	}
	switch {
	case s == nil:
		return ErrNoPipe
	case s.running:
		s.stopped = true
		s.cancel()
	case s.ticket != 0:
		e.mu.agenda.unqueue(s)
		s.byHand = false
		if s.scheduled() {
			e.scheduleLocked(s, false)
		}
	}
	return nil
}

// SetEnabled switches a pump on or off, for restarts too. A run that is on its
// way is not ended.
func (e *Engine) SetEnabled(ctx context.Context, id string, enabled bool, sw Switch) error {
	p, ok := e.Pipe(id)
	if !ok {
		return ErrNoPipe
	}
	off := switchedOff{Switch: sw, At: e.now()}
	if err := saveSwitch(ctx, e.o.Store, id, enabled, off); err != nil {
		return err
	}
	e.mu.Lock()
	e.switchLocked(e.mu.runs[id], enabled, off)
	e.mu.Unlock()
	return p.LogEnabled(ctx, enabled, sw.Comment)
}

func (e *Engine) switchLocked(s *pumpState, enabled bool, off switchedOff) {
	s.disabled, s.off = !enabled, off
	s.switchEarsLocked(enabled)
	if !enabled {
		e.mu.agenda.dated.Remove(s)
		if s.ticket != 0 && !s.byHand {
			e.mu.agenda.unqueue(s)
		}
		return
	}
	if !e.mu.started || !s.scheduled() {
		return
	}
	if s.due.IsZero() {
		e.firstDue(s, e.now())
	}
	e.mu.agenda.date(s)
	e.nudge()
}

// PipeResult is what RunAll did with one pipe.
type PipeResult struct {
	Pipe  string
	Stats pipes.Stats // summed over its runs
	Runs  int
	Err   error // why it failed, or a *pipes.WaitError
}

// RunAll runs pumps until nothing is left to do: those on schedule, or the
// ones named, in the order data flows. Each pipe's result is told to done as
// soon as it has run for the first time, with the number of pipes to run; all
// results are returned.
func (e *Engine) RunAll(ctx context.Context, only []string, done func(r PipeResult, of int)) ([]PipeResult, error) {
	chosen, err := e.choose(only)
	if err != nil {
		return nil, err
	}
	results := make([]PipeResult, len(chosen))
	pending := make([]bool, len(chosen))
	for i := range pending {
		results[i].Pipe, pending[i] = chosen[i].ID(), true
	}
	// Each pass moves data at least one pipe further; a longer chain of passes
	// would be a circle, which does not compile.
	for range len(chosen) + 1 {
		worked := false
		for i, p := range chosen {
			if ctx.Err() != nil {
				return results, ctx.Err()
			}
			if !pending[i] {
				continue
			}
			pending[i] = false
			n := e.runOnce(ctx, p, &results[i])
			if results[i].Runs == 1 && done != nil {
				done(results[i], len(chosen))
			}
			if n > 0 {
				worked = true
				markReaders(chosen, p, pending)
			}
		}
		if !worked {
			break
		}
		retryWaiting(results, pending)
	}
	e.drainWebhooks(ctx)
	return results, ctx.Err()
}

func (e *Engine) runOnce(ctx context.Context, p *pipes.Pipe, r *PipeResult) int {
	stats, err := p.Run(ctx, false)
	if err == nil && stats.Rescan {
		more, rescanErr := p.Rescan(ctx)
		stats.Changed, stats.Deleted, err = stats.Changed+more.Changed, stats.Deleted+more.Deleted, rescanErr
	}
	r.Runs++
	r.Err = err
	if r.Runs == 1 {
		r.Stats = stats
		return stats.Changed + stats.Deleted
	}
	r.Stats.Read += stats.Read
	r.Stats.Changed += stats.Changed
	r.Stats.Deleted += stats.Deleted
	r.Stats.End = stats.End
	return stats.Changed + stats.Deleted
}

// markReaders marks the pipes that read what a pipe has written or published.
func markReaders(chosen []*pipes.Pipe, writer *pipes.Pipe, pending []bool) {
	written := []string{writer.Output()}
	if topic, _ := writer.Publishes(); topic != "" {
		written = append(written, messages.Dataset(topic))
	}
	for i, p := range chosen {
		for _, d := range written {
			if slices.Contains(p.Inputs(), d) || slices.Contains(p.Tracks(), d) && d != p.Output() {
				pending[i] = true
			}
		}
	}
}

// retryWaiting gives pipes that waited for a dataset another turn.
func retryWaiting(results []PipeResult, pending []bool) {
	for i := range results {
		var wait *pipes.WaitError
		if errors.As(results[i].Err, &wait) {
			pending[i] = true
		}
	}
}

// choose returns the pumps to run, in the order data flows.
func (e *Engine) choose(only []string) ([]*pipes.Pipe, error) {
	named := map[string]bool{}
	for _, id := range only {
		if _, ok := e.Pipe(id); !ok {
			return nil, fmt.Errorf("%w: %s", ErrNoPipe, id)
		}
		named[id] = true
	}
	var chosen []*pipes.Pipe
	for _, p := range order(e.graph.pipes) {
		switch {
		case !p.Pumped(), p.Def.Pump.Mode == "off":
		case len(only) > 0:
			if named[p.ID()] {
				chosen = append(chosen, p)
			}
		case p.Def.Pump.Mode == "scheduled" && !e.mu.runs[p.ID()].disabled:
			chosen = append(chosen, p)
		}
	}
	return chosen, nil
}
