package engine

import (
	"context"

	"github.com/sluiceio/sluice/pipes"
)

// ErrRunning is what cannot be done while a pipe runs.
var ErrRunning = pipes.ErrRunning

// resting returns a pipe that is not running. One that begins to run in the
// meantime fails when it saves, and runs again.
func (e *Engine) resting(id string) (*pipes.Pipe, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.mu.runs[id]
	switch {
	case s == nil:
		return nil, ErrNoPipe
	case s.running:
		return nil, ErrRunning
	}
	return s.pipe, nil
}

// DiscardRetries gives up waiting for a pipe's failed entities, and returns how
// many there were.
func (e *Engine) DiscardRetries(ctx context.Context, id string) (int, error) {
	p, err := e.resting(id)
	if err != nil {
		return 0, err
	}
	return p.DiscardRetries(ctx)
}

// Repost has entities that a pipe gave up tried again by its next run: the ones
// named, or all. It returns how many there are.
func (e *Engine) Repost(ctx context.Context, id string, entities []string) (int, error) {
	p, err := e.resting(id)
	if err != nil {
		return 0, err
	}
	return p.Repost(ctx, entities)
}

// resetFull has a full run that was cut short begin anew.
func (e *Engine) resetFull(ctx context.Context, id string) error {
	p, err := e.resting(id)
	if err != nil {
		return err
	}
	return p.ResetRescan(ctx)
}

// SkipToEnd moves a pipe behind all that its source has.
func (e *Engine) SkipToEnd(ctx context.Context, id string) error {
	p, err := e.resting(id)
	if err != nil {
		return err
	}
	return p.SkipToEnd(ctx)
}
