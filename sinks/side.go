package sinks

import (
	"fmt"
	"sync"

	"github.com/zeebo/xxh3"

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
	// keys begins the keys of the states in which that is kept, so that a rescan can
	// go on when the node was started anew; "" keeps nothing. Each batch adds one,
	// in the same commit.
	keys string
	kept int
}

// Begin is the start of a rescan.
func (s *Side) Begin(keys string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ids, s.keys, s.kept = newSeenSet(false), keys, 0
}

// Prime takes up a rescan that was interrupted, with what was kept; last is the
// number of the last state of it.
func (s *Side) Prime(keys string, kept [][]byte, last int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := newSeenSet(false)
	for _, piece := range kept {
		if err := ids.take(piece); err != nil {
			return err
		}
	}
	s.ids, s.keys, s.kept = ids, keys, last
	return nil
}

// Noting tells whether what incremental runs write is noted.
func (s *Side) Noting() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ids != nil
}

// Untouched tells whether incremental runs have written nothing since the rescan began.
func (s *Side) Untouched() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ids != nil && len(s.ids.ids) == 0
}

// End is the end of a rescan that will not go on.
func (s *Side) End() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ids = nil
}

// keepLocked is the state that keeps what a batch writes. It holds what was noted
// before as well: that batch may have been refused.
func (s *Side) keepLocked(ops []store.Op) []store.StateWrite {
	if s.keys == "" || len(ops) == 0 {
		return nil
	}
	piece := make([]byte, 0, hashBytes*len(ops))
	for _, op := range ops {
		piece = appendHash(piece, xxh3.HashString128(opID(op)))
	}
	s.kept++
	return []store.StateWrite{{Key: fmt.Sprintf("%s%08d", s.keys, s.kept), Value: piece, IfRev: store.AnyRev}}
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
			b.State = append(b.State, side.keepLocked(of.Ops)...)
		case !w.run.Serial || w.finishing:
			b.Writes[i].Ops = side.leaveLocked(of.Ops)
		}
	}
	return side.mu.Unlock
}

// Side implements Sider. What a circuit breaker holds back is of one run.
func (s *datasetSink) Side() *Side { return s.side }
