package local

import (
	"errors"
	"fmt"
	"runtime"
	"time"
)

const (
	// groupBytes ends the gathering of a group: more bytes a sync do not make
	// it cheaper.
	groupBytes = 4 << 20
	// queueLength is how many batches may wait for the writer.
	queueLength = 256
	// mostFlights is how many groups may be on their way to the disk at once.
	mostFlights = 4
	// slowSync is what a sync takes at least for a second one to begin meanwhile:
	// a short one is over before the other would pay.
	slowSync = time.Millisecond
)

// writer is the only goroutine that changes anything. It gathers batches into a
// group while others are on their way; these arrive in order, or all of them and
// the one that is gathering are given up.
type writer struct {
	s       *Store
	g       *group        // is gathering
	flights []*group      // on their way, the oldest first
	spare   []*group      // whose memory serves again
	usual   time.Duration // what a sync takes, of late
	closed  bool          // nothing more comes
}

func newWriter(s *Store) *writer {
	w := &writer{s: s}
	w.g = newGroup(w)
	return w
}

// run ends when the queue is closed and empty.
func (w *writer) run() {
	defer close(w.s.writerDone)
	for {
		select { // neither has to wait until there is nothing to take
		case task := <-w.s.tasks:
			w.do(task)
		case err := <-w.landing():
			w.land(err)
		default:
		}
		w.takeWaiting()
		if w.due() {
			// Who is about to hand something over does so before: many small syncs cost
			// more than the moment, and where nobody else has work there is none.
			runtime.Gosched()
			w.takeWaiting()
			w.send()
			continue
		}
		if w.closed && len(w.flights) == 0 {
			return
		}
		select {
		case p, ok := <-w.queue():
			w.take(p, ok)
		case task := <-w.s.tasks:
			w.do(task)
		case err := <-w.landing():
			w.land(err)
		}
	}
}

// do does a task between two groups, when nothing is on its way.
func (w *writer) do(task func()) {
	w.landAll()
	if len(w.g.accepted) > 0 {
		w.send()
		w.landAll()
	}
	task()
}

// takeWaiting adds what is waiting, but does not wait for it: while one group
// is synced, the next one gathers by itself.
func (w *writer) takeWaiting() {
	for {
		select {
		case p, ok := <-w.queue():
			w.take(p, ok)
		default:
			return
		}
	}
}

// queue is where batches come from; nil while the group takes no more.
func (w *writer) queue() chan *pending {
	if w.closed || w.g.size >= groupBytes {
		return nil
	}
	return w.s.queue
}

// landing is where the oldest group that is on its way reports; nil if none is.
func (w *writer) landing() chan error {
	if len(w.flights) == 0 {
		return nil
	}
	return w.flights[0].synced
}

func (w *writer) take(p *pending, ok bool) {
	if !ok {
		w.closed = true
		return
	}
	alone := p.alone()
	if alone {
		w.landAll()
	}
	if len(w.g.accepted) == 0 {
		w.g.reset()
	}
	w.g.add(p)
	w.g.alone = w.g.alone || alone
}

// due tells whether the group is to be sent. While others are on their way, it
// waits until it has its share of all that waits for the disk: smaller ones cost
// more than they save, and who is late for a larger one waits long for the next.
func (w *writer) due() bool {
	n := len(w.g.accepted)
	if n == 0 || len(w.flights) == 0 {
		return n > 0
	}
	if len(w.flights) == mostFlights {
		return false
	}
	enough := int64(n)*mostFlights >= w.s.underway.Load() || w.g.size >= groupBytes || w.s.o.overlap
	return enough && w.slow() && w.s.log.overlaps()
}

// slow tells whether a second sync may begin while one goes on.
func (w *writer) slow() bool { return w.s.o.overlap || w.usual >= slowSync }

// send writes the group down and has it synced: by somebody else where that takes
// long.
func (w *writer) send() {
	g := w.g
	err := w.prepare(g)
	if len(g.accepted) == 0 {
		return // given up with what it rests on
	}
	if err == nil && !g.empty() {
		g.laid, err = w.s.log.lay(g.kind, g.buf)
	}
	w.flights, w.g = append(w.flights, g), w.spareGroup()
	switch {
	case err != nil || g.empty():
		g.synced <- err
	case w.slow() && !g.alone:
		go g.sync()
		return
	default:
		g.sync()
	}
	if err != nil || len(w.flights) == 1 {
		w.landAll()
	}
}

// prepare makes the group's frame, and the log ready for it. "Unchanged" is an
// answer about what a restart will find, too: a refused group must not come back
// then.
func (w *writer) prepare(g *group) error {
	switch {
	case w.s.failed != nil:
		return w.s.failed
	case !g.empty():
		g.frame()
	case len(w.flights) == 0:
		return w.s.log.repair()
	default:
		return nil
	}
	if len(g.buf) > maxBatch+maxBatch/8 {
		return fmt.Errorf("a group of %d bytes cannot be written at once", len(g.buf))
	}
	if w.s.log.turns(len(g.buf)) {
		w.landAll()
	}
	return nil
}

func (w *writer) spareGroup() *group {
	if n := len(w.spare); n > 0 {
		g := w.spare[n-1]
		w.spare = w.spare[:n-1]
		g.reset()
		return g
	}
	return newGroup(w)
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
