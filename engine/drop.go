package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sluiceio/sluice/pipes"
	"github.com/sluiceio/sluice/sinks"
)

// ErrOwn is a dataset of the node's own, which nobody else may delete.
var ErrOwn = errors.New("the dataset belongs to the node")

// DropDataset deletes a dataset. One that a pipe writes is there again at once, empty,
// and its pipe begins anew; pipes that read it find out that it is another one. While
// its pipe runs it cannot be deleted.
func (e *Engine) DropDataset(ctx context.Context, dataset string) error {
	if strings.HasPrefix(dataset, "system:") {
		return fmt.Errorf("%q cannot be deleted: %w", dataset, ErrOwn)
	}
	if _, err := e.o.Store.Info(ctx, dataset); err != nil {
		return err
	}
	p := e.keeper(dataset)
	if p == nil {
		return sinks.Drop(ctx, e.o.Store, dataset)
	}
	if err := e.rests(p); err != nil {
		return err
	}
	if err := p.DropDataset(ctx, dataset); err != nil {
		return fmt.Errorf("dataset %q of pipe %q: %w", dataset, p.ID(), err)
	}
	e.mu.Lock()
	delete(e.mu.inlets, p.ID()) // what it knows is of the dataset that was there
	e.mu.Unlock()
	return nil
}

// DropSinkDatasets deletes all datasets that pipes write, or none if one is running.
func (e *Engine) DropSinkDatasets(ctx context.Context) error {
	for _, p := range e.graph.pipes {
		if p.Output() == "" {
			continue
		}
		if err := e.rests(p); err != nil {
			return err
		}
	}
	for _, p := range e.graph.pipes {
		if p.Output() == "" {
			continue
		}
		if err := e.DropDataset(ctx, p.Output()); err != nil {
			return err
		}
	}
	return nil
}

// keeper is the pipe that writes a dataset, its dead letters included; nil if none does.
func (e *Engine) keeper(dataset string) *pipes.Pipe {
	if p := e.writers[dataset]; p != nil {
		return p
	}
	for _, p := range e.graph.pipes {
		if p.Letters() == dataset {
			return p
		}
	}
	return nil
}

// rests tells why a pipe's dataset cannot be deleted now. A run that begins in the
// meantime waits until it is.
func (e *Engine) rests(p *pipes.Pipe) error {
	_, err := e.resting(p.ID())
	if rescanning, _ := e.Rescanning(p.ID()); rescanning {
		err = ErrRunning
	}
	if err != nil {
		return fmt.Errorf("the dataset is written by the pipe %q: %w", p.ID(), err)
	}
	return nil
}
