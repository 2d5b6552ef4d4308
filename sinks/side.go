package sinks

import (
	"sync"

	"github.com/sluiceio/sluice/store"
)

// Sider is the ability of sinks to which a rescan can write beside incremental
// runs; nil if this one cannot.
type Sider interface {
	Side() *Side
}

// Side is what a rescan and the incremental runs beside it tell one another, so
// that neither overwrites what the other one knows better. Incremental runs know
// better as long as their output is trusted; it is not where a new configuration
// makes it another.
type Side struct {
	mu      sync.Mutex
	active  bool
	trusted bool
	ids     *seenSet // what the side that knows better has written
}

// Begin is the start of a rescan.
func (s *Side) Begin(trusted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active, s.trusted, s.ids = true, trusted, newSeenSet(false)
}

// End is its end, however it came.
func (s *Side) End() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active, s.ids = false, nil
}

// leaveLocked leaves out what the other side knows better, and notes the rest
// if it is this one that does. It stays locked until the batch was handed over:
// what is noted and what is stored have the same order.
func (s *Side) leaveLocked(ops []store.Op, rescan bool) []store.Op {
	if !s.active {
		return ops
	}
	if s.trusted != rescan {
		for _, op := range ops {
			s.ids.add(opID(op))
		}
		return ops
	}
	kept := ops[:0]
	for _, op := range ops {
		if !s.ids.has(opID(op)) {
			kept = append(kept, op)
		}
	}
	return kept
}

// besides locks the side of a batch, if there is one, and leaves out what the
// other side knows better.
func (w *datasetWriter) besides(b *store.Batch) (unlock func()) {
	side := w.s.side
	if side == nil || w.run.Kind == Request || len(b.Writes) == 0 {
		return func() {}
	}
	side.mu.Lock()
	for i, of := range b.Writes {
		if of.Dataset == w.s.dataset {
			b.Writes[i].Ops = side.leaveLocked(of.Ops, w.run.Beside)
		}
	}
	return side.mu.Unlock
}

// Side implements Sider. What a circuit breaker holds back is of one run.
func (s *datasetSink) Side() *Side { return s.side }
