package pipes

import (
	"context"
	"errors"

	"github.com/sluiceio/sluice/sinks"
	"github.com/sluiceio/sluice/store"
)

// ErrRunning is what cannot be done while a pipe runs.
var ErrRunning = errors.New("the pipe is running: stop it first")

// DropDataset deletes a dataset that the pipe writes, and makes it anew, empty. A pipe
// whose output that is begins anew as well: what it has read already would be missing.
// Pipes that read the dataset see that it is another one.
func (p *Pipe) DropDataset(ctx context.Context, dataset string) error {
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	default:
		return ErrRunning
	}
	// The other order would lose what was read, if it ended between the two.
	if dataset == p.Output() && p.Pumped() {
		if err := p.startAnew(ctx); err != nil {
			return err
		}
	}
	if err := sinks.Drop(ctx, p.env.Store, dataset); err != nil {
		return err
	}
	return p.Load(ctx)
}

// startAnew resets the pipe, with a rescan in the background that was cut short: what
// that has written is gone, too.
func (p *Pipe) startAnew(ctx context.Context) error {
	forgotten, err := p.forgetBeside(ctx)
	if err != nil {
		return err
	}
	if side := p.side(); side != nil {
		side.End()
	}
	return p.moveTo(ctx, "", forgotten)
}

// Return has a pipe begin anew that comes back after its dataset was deleted: while no
// pipe wrote it nobody did that.
func (p *Pipe) Return(ctx context.Context) error {
	s, err := p.loadState(ctx)
	if err != nil || s.Sink == "" || s.Sink != p.Output() || !p.Pumped() || p.Def.DisableSetLastSeen {
		return err
	}
	if _, _, err := p.env.Store.Head(ctx, s.Sink); !errors.Is(err, store.ErrNoDataset) {
		return err
	}
	return p.startAnew(ctx)
}
