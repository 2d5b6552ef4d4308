package local

import (
	"context"
	"slices"
	"sync"

	"github.com/sluiceio/sluice/store"
)

// watches are all who want to hear of changes.
type watches struct {
	mu     sync.Mutex
	all    map[*watch]bool
	closed bool
}

// watch collects names until they are fetched.
type watch struct {
	set   *watches
	mu    sync.Mutex
	names map[string]bool
	done  bool
	ready chan struct{} // has one element while there is something to fetch
}

// Watch implements store.Store.
func (s *Store) Watch() store.Watch {
	w := &watch{set: &s.watches, names: map[string]bool{}, ready: make(chan struct{}, 1)}
	s.watches.mu.Lock()
	defer s.watches.mu.Unlock()
	if s.watches.closed {
		w.end()
		return w
	}
	if s.watches.all == nil {
		s.watches.all = map[*watch]bool{}
	}
	s.watches.all[w] = true
	return w
}

func (ws *watches) tell(names []string) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for w := range ws.all {
		w.add(names)
	}
}

func (ws *watches) close() {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.closed = true
	for w := range ws.all {
		w.end()
	}
}

func (w *watch) add(names []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range names {
		w.names[n] = true
	}
	w.wake()
}

func (w *watch) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done = true
	w.wake()
}

func (w *watch) wake() {
	select {
	case w.ready <- struct{}{}:
	default:
	}
}

// Next implements store.Watch. Names are sorted. After Close, of the watch or
// of the store, it returns store.ErrClosed.
func (w *watch) Next(ctx context.Context) ([]string, error) {
	for {
		if names, err := w.fetch(); len(names) > 0 || err != nil {
			return names, err
		}
		select {
		case <-w.ready:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (w *watch) fetch() ([]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.names) == 0 {
		if w.done {
			w.wake()
			return nil, store.ErrClosed
		}
		return nil, nil
	}
	names := make([]string, 0, len(w.names))
	for n := range w.names {
		names = append(names, n)
	}
	clear(w.names)
	slices.Sort(names)
	return names, nil
}

// Close implements store.Watch.
func (w *watch) Close() {
	w.set.mu.Lock()
	delete(w.set.all, w)
	w.set.mu.Unlock()
	w.end()
}
