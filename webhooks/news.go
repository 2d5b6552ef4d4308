package webhooks

import (
	"context"
	"errors"
	"slices"

	"github.com/sluiceio/sluice/store"
)

// Who puts deliveries into a queue tells whoever delivers when they stand, so that
// what was just written is not read from the store again. Nobody else writes there.
// What cannot be told for sure is read after all.

// news is what was put into a queue since its dispatcher last looked.
type news struct {
	all   []told
	begun int64 // changes so far
	on    bool  // somebody delivers
	lost  bool  // the store may know of more
	// doubts are changes that nobody waited for to the end: they may stand, or come
	// to stand yet.
	doubts []*Change
}

// told is a pending delivery that stands in the store, by the nth change. It is
// whole if there was room for it.
type told struct {
	d     *Delivery
	nth   int64
	whole bool
}

// bare is what is known of a delivery without its content.
func (d *Delivery) bare() *Delivery {
	return &Delivery{ID: d.ID, Seq: d.Seq, Status: d.Status, Due: d.Due, Key: d.Key, Manual: d.Manual}
}

// Change puts deliveries into a queue. It counts when its Ops are committed.
type Change struct {
	Ops []store.Op
	q   *Queue
	nth int64
	all []*Delivery
}

// change begins to put deliveries into the queue.
func (q *Queue) change(all ...*Delivery) *Change {
	c := &Change{Ops: ops(all...), q: q, all: all}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.mu.news.begun++
	c.nth = q.mu.news.begun
	return c
}

// Settle tells whoever delivers what became of the commit, as it was waited for. It
// may be called on nil.
func (c *Change) Settle(err error) {
	if c != nil {
		c.Ops = nil
		c.q.settle(c, err)
	}
}

// settle takes in what became of a change. What went through a queue before this one
// may be known already: it is looked up.
func (q *Queue) settle(c *Change, err error) {
	q.mu.Lock()
	heir, n := q.mu.heir, &q.mu.news
	switch {
	case heir != nil || !n.on:
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		n.doubt(c)
	case err == nil:
		for _, d := range c.all {
			own := *d // who put it reads it still, while whoever delivers changes it
			t := told{d: &own, nth: c.nth, whole: c.q == q && q.mu.share.take(&own)}
			if !t.whole {
				t.d = d.bare()
			}
			if c.q != q {
				t.nth = 0
			}
			n.all = append(n.all, t)
		}
	}
	q.mu.Unlock()
	if heir != nil {
		heir.settle(c, err)
		return
	}
	q.Wake()
}

// mostDoubts is how many changes of unknown fate are kept in mind.
const mostDoubts = 100

func (n *news) doubt(c *Change) {
	for i, d := range c.all {
		c.all[i] = d.bare()
	}
	if n.doubts = append(n.doubts, c); len(n.doubts) > mostDoubts {
		n.doubts, n.lost = n.doubts[1:], true
	}
}

// Changed has whoever delivers look for changes whose fate is not known. It is called
// when the store has changed.
func (q *Queue) Changed() {
	q.mu.Lock()
	doubts := len(q.mu.news.doubts)
	q.mu.Unlock()
	if doubts > 0 {
		q.Wake()
	}
}

// doubts returns the changes whose fate is not known.
func (q *Queue) doubts() []*Change {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.mu.news.doubts)
}

// stands notes that a change stands after all.
func (q *Queue) stands(c *Change) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.mu.news.doubts = slices.DeleteFunc(q.mu.news.doubts, func(d *Change) bool { return d == c })
}

// put commits a change.
func (q *Queue) put(ctx context.Context, all ...*Delivery) error {
	c := q.change(all...)
	err := q.commit(ctx, &store.Batch{Writes: []store.Write{{Dataset: Dataset(q.ID), Ops: c.Ops}}})
	c.Settle(err)
	return err
}

// Succeed has the queue hear of what is still done through the one whose place it
// takes.
func (q *Queue) Succeed(before *Queue) {
	before.mu.Lock()
	defer before.mu.Unlock()
	before.mu.heir = q
}

// listen has the queue keep news in a Room from now on; nil ends it.
func (q *Queue) listen(in *Room) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.mu.share.giveAll()
	q.mu.share.of = in
	q.mu.news = news{begun: q.mu.news.begun, on: in != nil, lost: true}
}

// takeNews returns what is new, and whether the store may know of more.
func (q *Queue) takeNews() (all []told, lost bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := &q.mu.news
	all, lost = n.all, n.lost
	n.all, n.lost = nil, false
	return all, lost
}

// hold makes room for a delivery that was read; false if there is none.
func (q *Queue) hold(d *Delivery) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.mu.share.take(d)
}

// release gives the room of a delivery back.
func (q *Queue) release(d *Delivery) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.mu.share.give(d)
}

// lose has the queue read from the store.
func (q *Queue) lose() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.mu.news.lost = true
}

// begun is the last change that may stand in the store by now.
func (q *Queue) begun() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.mu.news.begun
}
