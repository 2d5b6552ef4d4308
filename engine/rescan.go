package engine

import (
	"context"
	"errors"
	"time"

	"github.com/sluiceio/sluice/pipes"
)

// rescan is what the scheduler knows of a pipe's rescan in the background. It
// has no slot: it is rare, and the incremental runs beside it have theirs.
type rescan struct {
	cancel  context.CancelFunc // nil if none is under way
	stopped bool
	last    pipes.Stats
	lastErr error
	failed  time.Time // when it did, zero if it is not to be made again
}

// rescanLocked starts a rescan beside the runs of a pump, unless one is under
// way.
func (e *Engine) rescanLocked(s *pumpState) {
	if s.beside.cancel != nil || e.ctx.Err() != nil {
		return
	}
	ctx, cancel := context.WithCancelCause(e.ctx)
	s.beside.cancel, s.beside.stopped = func() { cancel(ErrStopped) }, false
	e.tasks.Go(func() {
		defer cancel(nil)
		err := s.pipe.SetRescan(ctx, true)
		var stats pipes.Stats
		if err == nil {
			stats, err = s.pipe.Rescan(ctx)
		}
		e.rescanned(s, stats, err)
	})
}

// rescanned notes how a rescan ended.
func (e *Engine) rescanned(s *pumpState, stats pipes.Stats, err error) {
	e.mu.Lock()
	if s.beside.stopped && errors.Is(err, context.Canceled) {
		err = ErrStopped
	}
	s.beside.cancel, s.beside.last, s.beside.lastErr, s.beside.failed = nil, stats, err, time.Time{}
	failed := err != nil && e.ctx.Err() == nil && !errors.Is(err, ErrStopped)
	if failed {
		s.beside.failed = e.now()
	}
	e.mu.Unlock()
	if failed {
		e.o.Log.Error("rescan failed", "pipe", s.pipe.ID(), "error", err)
	}
}

// owesRescan tells whether a rescan has failed that is to be tried again now, after
// an incremental run that has not failed.
func (e *Engine) owesRescan(s *pumpState) bool {
	return s.scheduled() && !s.beside.failed.IsZero() && e.now().Sub(s.beside.failed) >= s.pipe.Interval()/2
}

// takesBackground turns a full run that is due into a rescan in the background,
// if the pipe has those and has run before.
func (e *Engine) takesBackground(s *pumpState) bool {
	if s.fresh || !s.pipe.Background() {
		return false
	}
	e.rescanLocked(s)
	return true
}

// resumeRescans starts the rescans that the node before left unfinished.
func (e *Engine) resumeRescans() {
	for _, p := range e.graph.pipes {
		s := e.mu.runs[p.ID()]
		if !p.Background() || !s.scheduled() || s.disabled {
			continue
		}
		wanted, err := p.RescanWanted(e.ctx)
		if err != nil || !wanted {
			continue
		}
		// Before any incremental run begins; what cannot be read is rescanned anew.
		if err := p.PrimeRescan(e.ctx); err != nil {
			e.o.Log.Warn("the rescan begins anew", "pipe", p.ID(), "error", err)
		}
		e.rescanLocked(s)
	}
}

// ResetRescan ends a rescan in the background and forgets that one was wanted.
// Without those, a full run that was cut short begins anew.
func (e *Engine) ResetRescan(ctx context.Context, id string) error {
	p, ok := e.Pipe(id)
	if !ok {
		return ErrNoPipe
	}
	e.mu.Lock()
	e.stopRescanLocked(e.mu.runs[id])
	e.mu.Unlock()
	if err := p.SetRescan(ctx, false); err != nil || p.Background() {
		return err
	}
	return e.resetFull(ctx, id)
}

func (e *Engine) stopRescanLocked(s *pumpState) {
	if s.beside.cancel != nil {
		s.beside.stopped = true
		s.beside.cancel()
	}
}

// Rescanning tells whether a rescan of a pipe is under way in the background,
// and how the last one failed, if it did.
func (e *Engine) Rescanning(id string) (bool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.mu.runs[id]
	if s == nil {
		return false, ErrNoPipe
	}
	return s.beside.cancel != nil, s.beside.lastErr
}
