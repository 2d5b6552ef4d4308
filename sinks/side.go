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

// Side is what a rescan and the incremental runs beside it tell one another. What
// an incremental run writes is newer than what the rescan has in hand, unless
// the two take turns, and it is there, whether the rescan has seen it or not.
type Side struct {
	mu  sync.Mutex
	ids *seenSet // what incremental runs have written; nil if there is no rescan
}

// Begin is the start of a rescan.
func (s *Side) Begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ids = newSeenSet(false)
}

// End is its end, however it came.
func (s *Side) End() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ids = nil
}

// noteLocked notes what an incremental run writes.
func (s *Side) noteLocked(ops []store.Op) {
	for _, op := range ops {
		s.ids.add(opID(op))
	}
}

// leaveLocked leaves out what incremental runs have written.
func (s *Side) leaveLocked(ops []store.Op) []store.Op {
	kept := ops[:0]
	for _, op := range ops {
		if !s.ids.has(opID(op)) {
			kept = append(kept, op)
		}
	}
	return kept
}

// besides locks the side of a batch, if there is one, and leaves out what the
// other side knows better. It stays locked until the batch was handed over: what
// is noted and what is stored have the same order.
func (w *datasetWriter) besides(b *store.Batch) (unlock func()) {
	side := w.s.side
	if side == nil || w.run.Kind == Request || len(b.Writes) == 0 {
		return func() {}
	}
	side.mu.Lock()
	for i, of := range b.Writes {
		switch {
		case side.ids == nil || of.Dataset != w.s.dataset:
		case !w.run.Beside:
			side.noteLocked(of.Ops)
		case !w.run.Serial || w.finishing:
			b.Writes[i].Ops = side.leaveLocked(of.Ops)
		}
	}
	return side.mu.Unlock
}

// Side implements Sider. What a circuit breaker holds back is of one run.
func (s *datasetSink) Side() *Side { return s.side }
