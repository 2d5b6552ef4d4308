package local

import (
	"errors"
	"fmt"
)

const (
	// groupBytes ends the gathering of a group: more bytes a sync do not make
	// it cheaper.
	groupBytes = 4 << 20
	// queueLength is how many batches may wait for the writer.
	queueLength = 256
)

// runWriter is the only goroutine that changes anything. It ends when the
// queue is closed and empty.
func (s *Store) runWriter() {
	defer close(s.writerDone)
	g := newGroup(s)
	for {
		p, ok := s.nextPending()
		if !ok {
			return
		}
		g.reset()
		g.add(p)
		s.gatherMore(g)
		s.settle(g)
	}
}

// nextPending waits for a batch, and does the tasks that come before it.
func (s *Store) nextPending() (*pending, bool) {
	for {
		select {
		case p, ok := <-s.queue:
			return p, ok
		case task := <-s.tasks:
			task()
		}
	}
}

// gatherMore adds what is waiting, but does not wait for it: while one group
// is synced, the next one gathers by itself.
func (s *Store) gatherMore(g *group) {
	for g.size < groupBytes {
		select {
		case p, ok := <-s.queue:
			if !ok {
				return
			}
			g.add(p)
		default:
			return
		}
	}
}

// settle makes the group durable and tells everybody.
func (s *Store) settle(g *group) {
	err := s.commit(g)
	s.unsure.Store(err != nil)
	for _, p := range g.accepted {
		s.finish(p, err)
	}
	if err == nil && !g.empty() {
		s.watches.tell(g.changed())
		s.kickIndexer(g.sections)
	}
}

func (s *Store) commit(g *group) error {
	if s.failed != nil {
		return s.failed
	}
	if g.empty() {
		// "Unchanged" is an answer about what a restart will find, too: a
		// refused group must not come back then.
		return s.log.repair()
	}
	kind, frame := g.frame()
	if len(frame) > maxBatch+maxBatch/8 {
		return fmt.Errorf("a group of %d bytes cannot be written at once", len(frame))
	}
	at, err := s.log.append(kind, frame)
	if err != nil {
		return err
	}
	if err := s.apply(at, kind, frame[frameHeadSize:]); err != nil {
		// The batch is durable but the index does not know it. Going on would
		// give its offsets away twice; the next start replays it.
		s.failed = fmt.Errorf("the store takes no writes until it is opened anew: %w", err)
		return s.failed
	}
	s.flushIndex()
	return nil
}

// flushIndex lets Pebble write its memory out now and then, which bounds the
// time a start takes after a crash.
func (s *Store) flushIndex() {
	if s.log.sinceMark < flushEvery {
		return
	}
	s.log.sinceMark = 0
	s.applyMu.Lock()
	err := s.spill()
	s.applyMu.Unlock()
	if err == nil {
		_, err = s.db.AsyncFlush()
	}
	if err != nil {
		s.log.sinceMark = flushEvery
	}
}

// flushAll makes the index durable up to the last frame. Nobody else uses the
// store any more.
func (s *Store) flushAll() error {
	s.applyMu.Lock()
	defer s.applyMu.Unlock()
	return errors.Join(s.spill(), s.db.Flush())
}
