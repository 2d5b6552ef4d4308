package webhooks

import (
	"slices"
	"time"

	"github.com/sluiceio/sluice/internal/heap"
)

// item is a pending delivery as the dispatcher remembers it.
type item struct {
	id     string
	seq    int64
	due    time.Time
	manual bool
	whole  *Delivery // as it stands in the queue; nil if that has to be looked up
	busy   bool
	heard  bool // something was read of it while it was under way
	lane   *lane
	place  int // in the heap
}

// Place implements heap.Placed.
func (it *item) Place() *int { return &it.place }

// lane holds deliveries of which only the first may go: all of a key, or just
// one.
type lane struct {
	key   string
	items []*item // by seq
	busy  int     // of the items
}

// lanes are all pending deliveries, and in a heap by their time those that may
// go when it comes.
type lanes struct {
	items map[string]*item
	byKey map[string]*lane
	ready *heap.Heap[*item]
}

func newLanes() *lanes {
	return &lanes{items: map[string]*item{}, byKey: map[string]*lane{}, ready: heap.New(earlier)}
}

// add takes in a delivery that is not there yet.
func (l *lanes) add(d *Delivery, key string) *item {
	it := &item{id: d.ID, seq: d.Seq, due: d.Due, manual: d.Manual, place: heap.Outside}
	ln := l.byKey[key]
	if ln == nil {
		ln = &lane{key: key}
		l.byKey[key] = ln
	}
	it.lane = ln
	at, _ := slices.BinarySearchFunc(ln.items, it.seq, func(a *item, seq int64) int { return int(a.seq - seq) })
	ln.items = slices.Insert(ln.items, at, it)
	l.items[it.id] = it
	l.fix(ln)
	return it
}

// remove forgets a delivery.
func (l *lanes) remove(it *item) {
	delete(l.items, it.id)
	l.ready.Remove(it)
	l.idle(it)
	ln := it.lane
	ln.items = slices.DeleteFunc(ln.items, func(o *item) bool { return o == it })
	if len(ln.items) == 0 {
		delete(l.byKey, ln.key)
		return
	}
	l.fix(ln)
}

// wait has a delivery wait until due.
func (l *lanes) wait(it *item, due time.Time) {
	l.idle(it)
	it.heard, it.due = false, due
	l.ready.Remove(it)
	l.fix(it.lane)
}

// take marks a delivery as under way.
func (l *lanes) take(it *item) {
	it.busy = true
	it.lane.busy++
	l.ready.Remove(it)
}

// idle marks a delivery as not under way.
func (l *lanes) idle(it *item) {
	if it.busy {
		it.busy = false
		it.lane.busy--
	}
}

// fix has the first of a lane in the heap, and no other; none while one is
// under way. No other but the second can be there: it was the first until now.
func (l *lanes) fix(ln *lane) {
	if len(ln.items) > 1 {
		l.ready.Remove(ln.items[1])
	}
	if first := ln.items[0]; ln.busy > 0 {
		l.ready.Remove(first)
	} else {
		l.ready.Put(first)
	}
}

// next is the delivery whose time comes first; nil if there is none. Of an
// endpoint that is off only those go that somebody asked for by hand.
func (l *lanes) next(off bool) *item {
	if !off {
		first, _ := l.ready.First()
		return first
	}
	var first *item
	for _, it := range l.ready.All() {
		if it.manual && (first == nil || earlier(it, first)) {
			first = it
		}
	}
	return first
}

// all makes every delivery due at the same time, so that they go in their order.
func (l *lanes) all(due time.Time) {
	for _, it := range l.items {
		if !it.busy && !it.manual {
			l.wait(it, due)
		}
	}
}

// sooner makes every delivery that waits due earlier.
func (l *lanes) sooner(by time.Duration) {
	for _, it := range l.items {
		if !it.busy {
			l.wait(it, it.due.Add(-by))
		}
	}
}

// earlier orders deliveries by time, and by seq at the same time.
func earlier(a, b *item) bool {
	if c := a.due.Compare(b.due); c != 0 {
		return c < 0
	}
	return a.seq < b.seq
}
