package engine

import "github.com/sluiceio/sluice/pipes"

// completeness returns what is known of datasets: by this node, by the one
// whose place it takes, or by the store.
func (o *Options) completeness() *pipes.Completeness {
	switch {
	case o.known != nil:
		return o.known
	case o.After != nil && o.After.o.Store == o.Store:
		return o.After.complete
	default:
		return pipes.NewCompleteness(o.Store)
	}
}

// Completeness is what is known of how complete datasets are.
func (e *Engine) Completeness() *pipes.Completeness { return e.complete }

// completing lists, by dataset, the pumps that wait for it to be complete.
func (e *Engine) completing() map[string][]*pumpState {
	holders := map[string][]*pumpState{}
	for _, p := range e.graph.pipes {
		s := e.mu.runs[p.ID()]
		for _, d := range p.Completes() {
			if s.scheduled() {
				holders[d] = append(holders[d], s)
			}
		}
	}
	return holders
}

// rose starts the pumps that read a dataset up to when it is complete. It is
// called for every request to a receiver, so it looks before it locks.
func (e *Engine) rose(dataset string) {
	holders := e.holders[dataset]
	if len(holders) == 0 {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.mu.started {
		return
	}
	for _, s := range holders {
		e.signalLocked(s)
	}
	e.dispatchLocked()
}
