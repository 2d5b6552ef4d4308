package local

import (
	"errors"
	"fmt"
	"time"
)

// sync makes the group durable.
func (g *group) sync() {
	began := time.Now()
	err := g.laid.file.Sync()
	g.took = time.Since(began)
	g.synced <- err
}

// landAll waits until nothing is on its way any more.
func (w *writer) landAll() {
	for len(w.flights) > 0 {
		w.land(<-w.flights[0].synced)
	}
}

// land settles the oldest group that is on its way, of which err tells whether it
// has come to the disk.
func (w *writer) land(err error) {
	g := w.flights[0]
	if err == nil && !g.empty() {
		w.usual = (3*w.usual + g.took) / 4
		err = w.s.arrive(g)
	}
	if err != nil {
		w.giveUp(err)
		return
	}
	w.flights = append(w.flights[:0], w.flights[1:]...)
	w.s.settle(g, nil)
	w.spare = append(w.spare, g)
}

// giveUp refuses the oldest group that is on its way, and with it all that was
// decided since: those that follow rest on it.
func (w *writer) giveUp(cause error) {
	for _, g := range w.flights[1:] {
		<-g.synced
	}
	err := w.s.log.abandon(cause)
	for _, g := range w.flights {
		w.s.settle(g, err)
	}
	w.s.settle(w.g, err)
	w.spare = append(w.spare, w.flights...)
	w.flights = w.flights[:0]
	w.g.reset()
}

// arrive takes a durable group into the index and shows it to readers.
func (s *Store) arrive(g *group) error {
	s.log.arrived(&g.laid)
	if err := s.apply(g.laid.at, g.kind, g.buf[frameHeadSize:]); err != nil {
		// The batch is durable but the index does not know it. Going on would
		// give its offsets away twice; the next start replays it.
		s.failed = fmt.Errorf("the store takes no writes until it is opened anew: %w", err)
		return s.failed
	}
	s.flushIndex()
	return nil
}

// settle tells everybody what became of the group.
func (s *Store) settle(g *group, err error) {
	s.unsure.Store(err != nil)
	for _, p := range g.accepted {
		s.finish(p, err)
	}
	if err == nil && !g.empty() {
		s.watches.tell(g.changed())
		s.kickIndexer(g.sections)
	}
}

// What is on its way counts for the batches that come after it.

// counters returns a payload with what was given away last.
func (w *writer) counters() payload {
	if n := len(w.flights); n > 0 {
		p := &w.flights[n-1].p
		return payload{lastTS: p.lastTS, lastRev: p.lastRev, nextDS: p.nextDS}
	}
	w.s.applyMu.Lock() // readers write late rows, which meta tells of
	defer w.s.applyMu.Unlock()
	m := &w.s.meta
	return payload{lastTS: m.lastTS, lastRev: m.lastRev, nextDS: max(m.nextDS, 1)}
}

// latest returns the newest version of an id that is on its way.
func (w *writer) latest(key versionKey) (latest, bool) {
	for i := len(w.flights) - 1; i >= 0; i-- {
		g := w.flights[i]
		if l, ok := g.latest[key]; ok {
			l.loc.seg = g.laid.at.seg
			l.loc.pos += g.laid.at.pos + frameHeadSize + g.byDS[key.d].base
			return l, true
		}
	}
	return latest{}, false
}

// next returns the offset that a dataset's next version gets.
func (w *writer) next(d *dataset) int64 {
	for i := len(w.flights) - 1; i >= 0; i-- {
		if sec := w.flights[i].byDS[d]; sec != nil {
			return sec.next()
		}
	}
	return d.last + 1
}

// revision returns the revision of a state; 0 if there is none.
func (w *writer) revision(key string) (uint64, error) {
	for i := len(w.flights) - 1; i >= 0; i-- {
		if st, ok := w.flights[i].states[key]; ok {
			return st.revision(), nil
		}
	}
	_, rev, err := w.s.readState(key)
	return rev, err
}

// abandon gives up what has not arrived, when nothing is on its way any more.
func (l *wlog) abandon(cause error) error {
	if l.tail == l.end && l.broken == nil || errors.Is(cause, errUncut) {
		return cause
	}
	return l.lost(cause)
}
