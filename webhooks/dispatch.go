package webhooks

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// Notice tells that an endpoint was enabled, or disabled; by itself if nobody
// is named.
type Notice struct {
	Endpoint string
	Enabled  bool
	By       string
	Why      string
	At       time.Time
}

// Dispatcher delivers what is in a queue. There is one for each endpoint, with
// goroutines of its own, so that none waits for another's receiver.
type Dispatcher struct {
	Queue *Queue
	Now   func() time.Time
	Log   *slog.Logger
	// Room is where events wait; nil makes one.
	Room *Room
}

const (
	// longestWait is how soon it is seen that the clock was set.
	longestWait = 5 * time.Minute
	// storeWait is how long a store is left alone that did not answer.
	storeWait = 5 * time.Second
	// grace is how long tries may take that are under way when the dispatcher
	// is to end. What they have not delivered then is sent again.
	grace = 3 * time.Second
)

// Run delivers until ctx ends, and returns when nothing is under way any more.
func (d *Dispatcher) Run(ctx context.Context) { d.begin(ctx).loop(false) }

// Drain tries everything that is due, once, and returns.
func (d *Dispatcher) Drain(ctx context.Context) { d.begin(ctx).loop(true) }

// shift is one run of a dispatcher. One goroutine owns it.
type shift struct {
	*Dispatcher
	ctx    context.Context // of the run
	trying context.Context // of the tries: it outlives ctx by the grace period
	end    func()
	lanes  *lanes
	busy   int
	done   chan outcome
	read   int64     // the last change that may have been read from the store
	behind bool      // there may be more
	broken bool      // the store did not answer
	last   time.Time // when the last try began, for the rate
	off    bool      // the endpoint is disabled
	clock  time.Time // what it showed last
	// kept is where those begin that failed and are kept.
	kept store.Offset
}

// outcome is what became of a try; it has no status if there was nothing to try.
type outcome struct {
	it     *item
	status Status
	due    time.Time
}

func (d *Dispatcher) begin(ctx context.Context) *shift {
	s := &shift{Dispatcher: d, ctx: ctx, lanes: newLanes(), done: make(chan outcome), behind: true, kept: store.Start}
	trying, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.trying = trying
	s.Queue.listen(cmp.Or(d.Room, &Room{}))
	stop := context.AfterFunc(ctx, func() {
		t := time.AfterFunc(grace, cancel)
		context.AfterFunc(trying, func() { t.Stop() })
	})
	s.end = func() {
		stop()
		cancel()
	}
	return s
}

// loop works until the run's context ends, or if once until nothing is due.
func (s *shift) loop(once bool) {
	defer s.end()
	defer s.Queue.stand(Standing{})
	defer s.Queue.listen(nil)
	timer := time.NewTimer(s.step())
	defer timer.Stop()
	for {
		if once && s.idle() {
			return
		}
		select {
		case <-s.ctx.Done():
			for ; s.busy > 0; s.busy-- {
				<-s.done
			}
			return
		case o := <-s.done:
			s.settle(o)
			s.behind = s.behind || once
		case <-s.Queue.wake:
			s.behind = true
		case <-timer.C:
		}
		timer.Reset(s.step())
	}
}

// idle tells whether nothing is under way or due.
func (s *shift) idle() bool {
	next := s.lanes.next(s.off)
	return s.busy == 0 && (s.broken || !s.behind && (next == nil || next.due.After(s.Now())))
}

// step takes in what is new, starts what is due, and returns how long to wait.
func (s *shift) step() time.Duration {
	s.readClock()
	if s.behind {
		err := s.look()
		if s.broken = err != nil; s.broken {
			if s.ctx.Err() == nil {
				s.Log.Error("the webhook's queue cannot be read; it is tried again", "webhook", s.Queue.ID, "error", err)
			}
			return storeWait
		}
		s.behind = false
	}
	s.hasten()
	wait, standing := s.start(), Standing{UnderWay: s.busy}
	if it := s.lanes.next(s.off); it != nil {
		standing.Next = it.due
	}
	s.Queue.stand(standing)
	return wait
}

// look takes in what is new: what it is told, and all that is pending in the store if
// there may be more.
func (s *shift) look() error {
	health, err := s.Queue.Health(s.ctx)
	if err != nil {
		return err
	}
	all, lost := s.Queue.takeNews()
	if lost {
		if err := s.readPending(); err != nil {
			s.Queue.lose()
			return err
		}
		s.read = s.Queue.begun()
	}
	for _, t := range all {
		s.told(t)
	}
	for _, c := range s.Queue.doubts() {
		if err := s.inquire(c); err != nil {
			return err
		}
	}
	switch {
	case s.off && !health.Disabled:
		s.lanes.all(s.Now()) // it has waited long enough
	case health.Disabled:
		for _, it := range s.lanes.items {
			s.drop(it) // it may wait for days
		}
	}
	s.off = health.Disabled
	return nil
}

// readPending reads all that is pending, by the index.
func (s *shift) readPending() error {
	return s.Queue.each(s.ctx, Pending, store.Start, func(e entity.Value) bool {
		if d := deliveryOf(e); d.Status == Pending {
			s.hear(d, s.Queue.hold(d))
		}
		return true
	})
}

// inquire finds out whether a change stands by now.
func (s *shift) inquire(c *Change) error {
	for _, d := range c.all {
		known, err := s.Queue.Get(s.ctx, d.ID)
		if err != nil && !errors.Is(err, ErrNoDelivery) {
			return err
		}
		if err == nil {
			s.Queue.stands(c)
		}
		if err == nil && known.Status == Pending && s.lanes.items[d.ID] == nil {
			s.hear(known, s.Queue.hold(known))
		}
	}
	return nil
}

// told takes in a delivery that was put into the queue. What may have been read from
// the store meanwhile may also have been sent since: that is looked up.
func (s *shift) told(t told) {
	if t.nth <= s.read && t.whole {
		s.Queue.release(t.d)
		t.whole = false
	}
	if t.nth > s.read || s.lanes.items[t.d.ID] == nil {
		s.hear(t.d, t.whole)
	}
}

// hear takes in one delivery that is pending, and holds it if it is whole. What
// becomes of one that is under way is known first here, but for what others made of
// it since.
func (s *shift) hear(d *Delivery, whole bool) {
	if d.Tries == 0 && d.Due.After(s.clock) {
		d.Due = s.clock // the clock was set back while nobody looked: it was due when it was queued
	}
	it := s.lanes.items[d.ID]
	switch {
	case it == nil:
		key := "id:" + d.ID
		if s.Queue.Ordered && !d.Manual {
			key = "key:" + d.Key
		}
		it = s.lanes.add(d, key)
	case it.busy:
		it.heard = true
	default:
		s.lanes.wait(it, d.Due)
	}
	s.drop(it)
	if whole && !it.busy {
		it.whole = d
	} else if whole {
		s.Queue.release(d)
	}
}

// drop forgets what is held of a delivery, and returns it; nil if nothing is.
func (s *shift) drop(it *item) *Delivery {
	d := it.whole
	if d != nil {
		it.whole = nil
		s.Queue.release(d)
	}
	return d
}

// start begins as many tries as are due and allowed, and returns how long to
// wait for the next.
func (s *shift) start() time.Duration {
	for s.ctx.Err() == nil && s.busy < max(s.Queue.Concurrency, 1) {
		it := s.lanes.next(s.off)
		if it == nil {
			break
		}
		now := s.Now()
		at := it.due
		if rate := s.Queue.rate(); rate > 0 {
			at = later(at, s.last.Add(time.Duration(min(float64(time.Second)/rate, float64(longestAsked)))))
		}
		if at.After(now) {
			return min(at.Sub(now), longestWait)
		}
		s.last = now
		s.launch(it)
	}
	return longestWait
}

func (s *shift) launch(it *item) {
	s.lanes.take(it)
	s.busy++
	d := s.drop(it)
	go func() { s.done <- s.attempt(it, d) }()
}

// attempt makes a try and saves what came of it.
func (s *shift) attempt(it *item, d *Delivery) outcome {
	var err error
	if d == nil {
		d, err = s.Queue.Get(s.trying, it.id)
	}
	if errors.Is(err, ErrNoDelivery) || err == nil && d.Status != Pending {
		return outcome{it: it}
	}
	if err != nil {
		return s.unsaved(it, err)
	}
	a := s.Queue.send(s.trying, d, s.Now)
	if a.Error != "" && s.trying.Err() != nil {
		return outcome{it: it, status: Pending, due: d.Due} // cut off: it counts as never made
	}
	d.note(a)
	notice, err := s.save(d, &a)
	if err != nil {
		return s.unsaved(it, err)
	}
	if notice != nil {
		s.Log.Warn("the webhook was disabled", "webhook", notice.Endpoint, "why", notice.Why)
	}
	return outcome{it: it, status: d.Status, due: d.Due}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// mostSaves is how often it is tried to save what became of a try.
const mostSaves = 60

// save saves what became of a try. A store that does not answer is asked again:
// the receiver has the event, and is not to get it once more for that.
func (s *shift) save(d *Delivery, a *Attempt) (*Notice, error) {
	for tries := 1; ; tries++ {
		after := *d
		notice, err := s.Queue.record(context.WithoutCancel(s.trying), &after, a, s.Now())
		if err == nil {
			*d = after
			return notice, nil
		}
		if errors.Is(err, store.ErrTooLarge) && len(d.Attempts) > 0 {
			d.Attempts = nil // that it arrived counts for more than what was tried
			continue
		}
		if s.ctx.Err() != nil || tries == mostSaves {
			return nil, err
		}
		if tries == 1 {
			s.Log.Error("what became of a delivery cannot be saved; it is tried again", "webhook", s.Queue.ID, "delivery", d.ID, "error", err)
		}
		timer := time.NewTimer(storeWait)
		select {
		case <-s.ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
}

// unsaved is a try of which the store does not know: it is made again.
func (s *shift) unsaved(it *item, err error) outcome {
	if s.trying.Err() == nil {
		s.Log.Error("what became of a delivery cannot be saved; it is made again", "webhook", s.Queue.ID, "delivery", it.id, "error", err)
	}
	return outcome{it: it, status: Pending, due: s.Now().Add(max(storeWait, it.due.Sub(s.Now())))}
}

// settle takes in what became of a try.
func (s *shift) settle(o outcome) {
	s.busy--
	if h, err := s.Queue.Health(s.ctx); err == nil && h.Disabled {
		s.off = true
	}
	if o.status == Pending {
		s.lanes.wait(o.it, o.due)
		return
	}
	s.lanes.remove(o.it)
	if o.it.heard {
		s.recall(o.it.id)
	}
	if o.status != Failed {
		return
	}
	if err := s.trim(); err != nil && s.ctx.Err() == nil {
		s.Log.Error("old deliveries are not removed yet", "webhook", s.Queue.ID, "error", err)
	}
}

// recall looks again at a delivery that came to its end: somebody may have asked
// for it once more before that was known here.
func (s *shift) recall(id string) {
	d, err := s.Queue.Get(s.ctx, id)
	switch {
	case err == nil && d.Status == Pending:
		s.hear(d, s.Queue.hold(d))
	case err != nil && !errors.Is(err, ErrNoDelivery): // the queue is read anew, when the store answers again
		s.Queue.lose()
		s.behind = true
	}
}
