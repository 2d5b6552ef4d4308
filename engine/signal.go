package engine

import (
	"slices"

	"github.com/sluiceio/sluice/store"
)

// listen turns changes of datasets into signals for the pipes that read them,
// and for those that wait for them.
func (e *Engine) listen(w store.Watch) {
	defer w.Close()
	readers := e.signalled()
	c := newChooser(readers)
	for {
		changed, err := w.Next(e.ctx)
		if err != nil {
			return
		}
		e.signal(changed, c.choose(e, changed, readers))
	}
}

// signalled lists, by dataset, the pumps that a change of it starts.
func (e *Engine) signalled() map[string][]*pumpState {
	readers := map[string][]*pumpState{}
	for _, p := range e.graph.pipes {
		s := e.mu.runs[p.ID()]
		if !p.Signalled() || !s.scheduled() {
			continue
		}
		for _, d := range p.Inputs() {
			readers[d] = append(readers[d], s)
		}
		for _, d := range p.Tracks() {
			// What it has written itself waits for its schedule: it would have
			// itself run on and on otherwise.
			if d != p.Output() && !slices.Contains(readers[d], s) {
				readers[d] = append(readers[d], s)
			}
		}
	}
	return readers
}

func (e *Engine) signal(changed []string, readers map[string][]*pumpState) {
	e.listeners.changed(changed)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.mu.heard++
	for _, d := range changed {
		e.mu.changes[d] = e.mu.heard
		if hook := e.hooks[d]; hook != nil {
			hook.Queue.Changed()
		}
		for _, s := range readers[d] {
			e.signalLocked(s)
		}
		for s := range e.mu.waiters[d] {
			if s.scheduled() {
				e.signalLocked(s)
			}
		}
	}
	e.dispatchLocked()
}

// Wake has a scheduled pump run soon, as if a dataset that it reads had changed.
func (e *Engine) Wake(pipe string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if s := e.mu.runs[pipe]; s != nil && s.scheduled() && s.pipe.Pumped() {
		e.signalLocked(s)
		e.dispatchLocked()
	}
}

// signalLocked queues a pump. One that is running runs again, once, however
// often it is signalled; one that is disabled does when it is enabled.
func (e *Engine) signalLocked(s *pumpState) {
	if s.running {
		s.again = true
		return
	}
	s.due = e.now()
	if !s.disabled {
		e.mu.agenda.queue(s)
	}
}
