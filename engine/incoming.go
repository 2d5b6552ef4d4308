package engine

import (
	"context"
	"io"

	"github.com/sluiceio/sluice/pipes"
)

// takeIn has a pipe's source listen as long as the node runs and the pump may
// run by itself, and starts the pump when something has come.
func (e *Engine) takeIn(p *pipes.Pipe, s *pumpState) {
	listen := p.Listen()
	for e.ctx.Err() == nil {
		ctx, on := e.mayListen(s)
		if !on {
			select {
			case <-e.ctx.Done():
			case <-s.switched:
			}
			continue
		}
		listen(ctx, func() { e.arrived(s) }, func(err error) {
			e.o.Log.Error("the source cannot be listened to", "pipe", p.ID(), "error", err)
		})
	}
}

// mayListen returns the context in which a source listens until its pump is
// disabled; false if it is.
func (e *Engine) mayListen(s *pumpState) (context.Context, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if s.disabled {
		return nil, false
	}
	ctx, cancel := context.WithCancel(e.ctx)
	s.deafen = cancel
	return ctx, true
}

// arrived starts a pump whose source has something to read.
func (e *Engine) arrived(s *pumpState) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.signalLocked(s)
	e.dispatchLocked()
}

// switchEarsLocked has a source listen no more, or again.
func (s *pumpState) switchEarsLocked(enabled bool) {
	if !enabled && s.deafen != nil {
		s.deafen()
	}
	select {
	case s.switched <- struct{}{}:
	default:
	}
}

// closeSystems ends the connections that systems keep open.
func (e *Engine) closeSystems() {
	for id, s := range e.graph.systems {
		if c, ok := s.(io.Closer); ok {
			if err := c.Close(); err != nil {
				e.o.Log.Warn("the connection could not be closed in good order", "system", id, "error", err)
			}
		}
	}
}
