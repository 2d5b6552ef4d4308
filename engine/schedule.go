package engine

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/sluiceio/sluice/internal/heap"
	"github.com/sluiceio/sluice/pipes"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/systems"
)

const (
	// longestSleep is how long the scheduler sleeps at most: it is how soon it
	// sees that the clock was set.
	longestSleep = 30 * time.Second
	// shortestInterval keeps a pump with an interval of nothing from running
	// without a pause.
	shortestInterval = 100 * time.Millisecond
)

// pumpState is what the scheduler knows of a pump.
type pumpState struct {
	pipe     *pipes.Pipe
	fresh    bool // never completed a run
	kept     bool // it went on from the node before this one
	disabled bool
	off      switchedOff // who disabled it
	running  bool
	again    bool // signalled while running
	byHand   bool // somebody asked for the run
	stopped  bool // … or for its end
	full     bool // the next run is a full one
	whole    bool // the one under way was to be
	due      time.Time
	rescan   time.Time
	// rescanSaved is what the store has for rescan.
	rescanSaved time.Time
	cancel      context.CancelFunc
	// deafen ends the listening of the source, switched wakes who waits for the
	// pump to be enabled.
	deafen   context.CancelFunc
	switched chan struct{}
	started  time.Time
	begun    uint64 // how many changes had been heard of when it started
	wait     *pipes.WaitError
	beside   rescan
	last     pipes.Stats
	lastErr  error
	failed   time.Time

	pool   *pool
	at     time.Time // by which it is filed
	place  int       // in the heap, -1 outside
	ticket uint64    // in the queue, 0 outside
}

// scheduled tells whether the pump runs by itself.
func (s *pumpState) scheduled() bool {
	return s.pipe.Def.Pump.Mode == "scheduled" && s.pipe.Pumped()
}

// now is the node's clock on the wall: schedules speak of it, and a clock that
// is set must be noticed.
func (e *Engine) now() time.Time { return e.o.Now().Round(0) }

// Start begins to run pumps on schedule and on signals.
func (e *Engine) Start() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.mu.started || e.schedulerOff() {
		return
	}
	e.mu.started = true
	// What changes from here on is heard of; what changed before is read by
	// the first runs.
	w := e.o.Store.Watch()
	e.mu.seen = e.now()
	for _, p := range e.graph.pipes {
		s := e.mu.runs[p.ID()]
		e.firstDue(s, e.mu.seen)
		e.mu.agenda.date(s)
	}
	e.resumeRescans()
	e.tasks.Go(e.loop)
	e.tasks.Go(func() { e.listen(w) })
	e.tasks.Go(e.compactLoop)
	e.tasks.Go(func() { e.listeners.run(e.ctx) })
	if e.o.URL != "" && slices.ContainsFunc(e.graph.pipes, (*pipes.Pipe).HearsFromAfar) {
		e.tasks.Go(e.registrations)
	}
	for _, p := range e.graph.pipes {
		if s := e.mu.runs[p.ID()]; p.Listen() != nil && s.scheduled() {
			e.tasks.Go(func() { e.takeIn(p, s) })
		}
	}
	for _, d := range e.hooks {
		e.tasks.Go(func() { d.Run(e.ctx) })
	}
}

// schedulerOff tells whether the node's metadata lets no pump start by itself.
func (e *Engine) schedulerOff() bool {
	tasks := metadata(e.o.Config).Tasks
	return tasks.NoPumps || tasks.NoPipes
}

// firstDue decides when a pump first runs after the node started.
func (e *Engine) firstDue(s *pumpState, now time.Time) {
	p := s.pipe
	if !s.scheduled() {
		return
	}
	if p.Def.Pump.RescanCron != "" && s.rescan.IsZero() {
		s.rescanSaved = storedTime(e.ctx, e.o.Store, rescanKey(p.ID()))
		s.rescan = earlier(s.rescanSaved, nextTick(p.Def.Pump.RescanCron, now))
	}
	switch {
	case p.Signalled():
		s.due = now // also after a reload: a signal may have gone to the node before
	case s.kept && !s.due.IsZero():
	case p.Def.Pump.RunAtStartup, s.fresh && p.RunsIfNotPopulated():
		s.due = now
	default:
		s.due = e.missedDue(p, now)
	}
}

// missedDue is the time remembered from before the node stopped, for schedules
// long enough to remember, else the next one.
func (e *Engine) missedDue(p *pipes.Pipe, now time.Time) time.Time {
	next := nextDue(p, now)
	if !persists(p) {
		return next
	}
	if due := storedDue(e.ctx, e.o.Store, p); !due.IsZero() {
		return earlier(due, next)
	}
	return next
}

func storedDue(ctx context.Context, st store.Store, p *pipes.Pipe) time.Time {
	return storedTime(ctx, st, dueKey(p.ID()))
}

func storedTime(ctx context.Context, st store.Store, key string) time.Time {
	data, _, err := st.State(ctx, key)
	if err != nil {
		return time.Time{}
	}
	due, err := time.Parse(time.RFC3339, string(data))
	if err != nil {
		return time.Time{}
	}
	return due
}

func persists(p *pipes.Pipe) bool { return p.Def.Pump.Cron != "" || p.Interval() > time.Hour }

func dueKey(id string) string    { return "due/" + id }
func rescanKey(id string) string { return "rescan-due/" + id }

// saveRescan keeps when the next rescan is due, so that one that the node slept
// through is made up for. It is called when a run has ended, and does nothing as
// long as the rescan before is not done.
func (e *Engine) saveRescan(s *pumpState) {
	e.mu.Lock()
	due := s.rescan
	changed := !due.IsZero() && !due.Equal(s.rescanSaved) && !s.full
	if changed {
		s.rescanSaved = due
	}
	e.mu.Unlock()
	if changed {
		e.save(rescanKey(s.pipe.ID()), due.UTC().Format(time.RFC3339))
	}
}

// nextDue is the pump's next time by its schedule, with jitter so that pumps
// do not march in step.
func nextDue(p *pipes.Pipe, now time.Time) time.Time {
	if p.Def.Pump.Cron != "" {
		return nextTick(p.Def.Pump.Cron, now)
	}
	interval := max(p.Interval(), shortestInterval)
	return now.Add(systems.Duration(0.95+0.1*rand.Float64(), interval))
}

func nextTick(cron string, now time.Time) time.Time {
	c, err := pipes.ParseCron(cron)
	if err != nil {
		return time.Time{} // refused when the configuration was checked
	}
	t, err := c.Next(now)
	if err != nil {
		return time.Time{} // a year that has passed: never again
	}
	return t
}

// loop starts what is due by its time, until the node closes. What is due by a
// signal or waits for a slot is started where the signal or the slot comes
// from.
func (e *Engine) loop() {
	timer := time.NewTimer(e.startDue())
	defer timer.Stop()
	for {
		select {
		case <-e.ctx.Done():
			return
		case <-e.wake:
		case <-timer.C:
		}
		timer.Reset(e.startDue())
	}
}

// startDue queues every pump whose time has come, starts as many as have slots,
// and returns how long to wait for the next.
func (e *Engine) startDue() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now()
	if now.Before(e.mu.seen) {
		e.replanLocked(now)
	}
	e.mu.seen = now
	a := &e.mu.agenda
	at, ok := a.next()
	for ; ok && !at.After(now); at, ok = a.next() {
		s, _ := a.dated.First()
		if !s.rescan.IsZero() && !s.rescan.After(now) {
			s.rescan = nextTick(s.pipe.Def.Pump.RescanCron, now)
			s.full, s.due = true, now
		}
		a.queue(s)
	}
	e.dispatchLocked()
	wait := longestSleep
	if ok {
		wait = min(wait, max(at.Sub(now), time.Millisecond))
	}
	e.mu.wakeAt = now.Add(wait)
	return wait
}

// replanLocked is for a clock that was set back: what is due at a time of the
// clock before would come late by as much.
func (e *Engine) replanLocked(now time.Time) {
	for _, s := range e.mu.runs {
		if s.place == heap.Outside {
			continue
		}
		if !s.due.IsZero() {
			s.due = earlier(s.due, nextDue(s.pipe, now))
		}
		if !s.rescan.IsZero() {
			s.rescan = earlier(s.rescan, nextTick(s.pipe.Def.Pump.RescanCron, now))
		}
		e.mu.agenda.date(s)
	}
}

// dispatchLocked starts pumps as long as there are slots for them.
func (e *Engine) dispatchLocked() {
	if e.ctx.Err() != nil {
		return
	}
	for s := e.mu.agenda.take(); s != nil; s = e.mu.agenda.take() {
		e.launchLocked(s)
	}
}

// launchLocked runs a pump that has its slot in a goroutine of its own.
func (e *Engine) launchLocked(s *pumpState) {
	e.mu.waiters.remove(s)
	s.running, s.again, s.byHand, s.due = true, false, false, time.Time{}
	s.started, s.begun = e.now(), e.mu.heard
	full := s.full && !e.takesBackground(s)
	s.full, s.whole = false, full
	ctx, cancel := context.WithCancelCause(e.ctx)
	s.cancel = func() { cancel(ErrStopped) }
	e.tasks.Go(func() {
		defer cancel(nil)
		stats, err := s.pipe.Run(ctx, full)
		e.finished(s, stats, err)
	})
}

// finished notes how a run ended and when the next one is due.
func (e *Engine) finished(s *pumpState, stats pipes.Stats, err error) {
	e.mu.Lock()
	e.mu.agenda.give(s.pool)
	wait := e.noteLocked(s, stats, err)
	closing := e.ctx.Err() != nil
	if s.scheduled() {
		e.scheduleLocked(s, s.again || closing) // what was cut short is taken up at once
	}
	e.dispatchLocked()
	due, failed := s.due, s.lastErr
	e.mu.Unlock()
	if err != nil && wait == nil && !closing && !errors.Is(failed, ErrStopped) {
		e.o.Log.Error("run failed", "pipe", s.pipe.ID(), "error", err)
	}
	if s.scheduled() && !closing {
		e.saveRescan(s)
	}
	if s.scheduled() && persists(s.pipe) && !closing && !due.IsZero() {
		e.save(dueKey(s.pipe.ID()), due.UTC().Format(time.RFC3339))
	}
}

// noteLocked keeps how a run ended; it returns what the pump waits for, if it
// could not run.
func (e *Engine) noteLocked(s *pumpState, stats pipes.Stats, err error) *pipes.WaitError {
	if s.stopped && errors.Is(err, context.Canceled) {
		err = ErrStopped
	}
	s.running, s.stopped, s.cancel, s.last, s.lastErr = false, false, nil, stats, err
	s.full = s.full || s.whole && err != nil // it was due, and is not done
	var wait *pipes.WaitError
	switch {
	case errors.As(err, &wait):
		s.lastErr = nil
		e.mu.waiters.add(s, wait)
		// The dataset may have changed while the pump was looking at it.
		s.again = s.again || e.mu.changes[wait.Dataset] > s.begun
	case err == nil:
		s.fresh = false
		if stats.Rescan || e.owesRescan(s) {
			e.rescanLocked(s)
		}
	default:
		s.failed = e.now()
	}
	return wait
}

// scheduleLocked files a pump for its next time, or at once.
func (e *Engine) scheduleLocked(s *pumpState, atOnce bool) {
	now := e.now()
	if s.due = nextDue(s.pipe, now); atOnce {
		s.due = now
	}
	if !e.mu.started || s.disabled {
		return
	}
	if atOnce {
		e.mu.agenda.queue(s)
		return
	}
	e.mu.agenda.date(s)
	if s.place != heap.Outside && s.at.Before(e.mu.wakeAt) {
		e.nudge()
	}
}

func (e *Engine) save(key, value string) {
	_, err := e.o.Store.Append(e.ctx, &store.Batch{State: []store.StateWrite{{Key: key, Value: []byte(value), IfRev: store.AnyRev}}})
	if err != nil {
		e.o.Log.Error("state not saved", "key", key, "error", err)
	}
}

// nudge makes the loop look again.
func (e *Engine) nudge() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}
