package engine

import (
	"time"

	"github.com/sluiceio/sluice/internal/heap"
	"github.com/sluiceio/sluice/pipes"
)

// Pumps of pipes between datasets have slots of their own, so that slow
// systems do not hold them up; pumps that use a system have its worker_threads,
// and some together.
const (
	internalRuns = 50
	systemRuns   = 200
)

// agenda is what the scheduler has before it: pumps by the time at which they
// are next due, and in the order of their coming those that are due and wait
// for a slot. Each pump is in one of the two at most.
type agenda struct {
	dated   *heap.Heap[*pumpState]
	pools   map[string]*pool // by system; "" is that of internal pipes
	ready   []*pool          // with somebody in their queue
	tickets uint64
	running int // pumps that use a system
}

// pool is the slots that some pumps share.
type pool struct {
	system string
	limit  int
	taken  int
	queue  []*pumpState // first come, first served
}

// join puts a pump into the pool of its pipe's system.
func (a *agenda) join(s *pumpState, workers func(system string) int) {
	name := s.pipe.System()
	p := a.pools[name]
	if p == nil {
		p = &pool{system: name, limit: internalRuns}
		if name != "" {
			p.limit = max(workers(name), 1)
		}
		a.pools[name] = p
	}
	s.pool, s.place = p, heap.Outside
}

// date files a pump under the earlier of its times; one that has none, or is
// in a queue already, is left alone.
func (a *agenda) date(s *pumpState) {
	if s.ticket != 0 || s.running || s.disabled {
		return
	}
	s.at = earlier(s.due, s.rescan)
	if s.at.IsZero() {
		a.dated.Remove(s)
		return
	}
	a.dated.Put(s)
}

// next is the earliest time at which a pump is due.
func (a *agenda) next() (time.Time, bool) {
	first, ok := a.dated.First()
	if !ok {
		return time.Time{}, false
	}
	return first.at, true
}

// queue puts a pump behind all that wait for a slot. One that waits keeps its
// place: a pipe that is signalled often waits no shorter.
func (a *agenda) queue(s *pumpState) {
	if s.ticket != 0 || s.running {
		return
	}
	a.dated.Remove(s)
	a.tickets++
	s.ticket = a.tickets
	if len(s.pool.queue) == 0 {
		a.ready = append(a.ready, s.pool)
	}
	s.pool.queue = append(s.pool.queue, s)
}

// unqueue takes a pump out of its queue, wherever it stands.
func (a *agenda) unqueue(s *pumpState) {
	for i, other := range s.pool.queue {
		if other == s {
			s.pool.queue = append(s.pool.queue[:i], s.pool.queue[i+1:]...)
			s.ticket = 0
			break
		}
	}
	a.forget(s.pool)
}

// forget drops a pool from the ready ones if nobody waits in it.
func (a *agenda) forget(p *pool) {
	if len(p.queue) > 0 {
		return
	}
	for i, other := range a.ready {
		if other == p {
			a.ready = append(a.ready[:i], a.ready[i+1:]...)
			return
		}
	}
}

// take gives the slot to whoever has waited longest of those whose slots are
// not all taken; nil if there is none.
func (a *agenda) take() *pumpState {
	var first *pumpState
	for _, p := range a.ready {
		if a.free(p) && (first == nil || p.queue[0].ticket < first.ticket) {
			first = p.queue[0]
		}
	}
	if first == nil {
		return nil
	}
	p := first.pool
	p.queue[0] = nil
	p.queue = p.queue[1:]
	a.forget(p)
	first.ticket = 0
	p.taken++
	if p.system != "" {
		a.running++
	}
	return first
}

func (a *agenda) free(p *pool) bool {
	return p.taken < p.limit && (p.system == "" || a.running < systemRuns)
}

// give returns a slot.
func (a *agenda) give(p *pool) {
	p.taken--
	if p.system != "" {
		a.running--
	}
}

// before counts who stands before a pump in its queue.
func (p *pool) before(s *pumpState) (n int) {
	for _, other := range p.queue {
		if other.ticket < s.ticket {
			n++
		}
	}
	return n
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// Place implements heap.Placed.
func (s *pumpState) Place() *int { return &s.place }

// dueBefore orders pumps by the time at which they are due.
func dueBefore(a, b *pumpState) bool { return a.at.Before(b.at) }

// waiters are the pumps that wait for a dataset, by its name.
type waiters map[string]map[*pumpState]bool

func (w waiters) add(s *pumpState, wait *pipes.WaitError) {
	s.wait = wait
	if wait.Dataset == "" {
		return
	}
	if w[wait.Dataset] == nil {
		w[wait.Dataset] = map[*pumpState]bool{}
	}
	w[wait.Dataset][s] = true
}

func (w waiters) remove(s *pumpState) {
	if s.wait == nil {
		return
	}
	if set := w[s.wait.Dataset]; set != nil {
		if delete(set, s); len(set) == 0 {
			delete(w, s.wait.Dataset)
		}
	}
	s.wait = nil
}
