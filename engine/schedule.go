package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/sluiceio/sluice/pipes"
	"github.com/sluiceio/sluice/store"
)

// maxRuns is how many pumps run at once.
const maxRuns = 50

// pumpState is what the scheduler knows of a pump.
type pumpState struct {
	pipe     *pipes.Pipe
	fresh    bool // never completed a run
	kept     bool // it went on from the node before this one
	disabled bool
	running  bool
	again    bool // signalled while running
	full     bool // the next run is a full one
	due      time.Time
	rescan   time.Time
	cancel   context.CancelFunc
	waiting  string
	last     pipes.Stats
	lastErr  error
}

// Start begins to run pumps on schedule and on signals.
func (e *Engine) Start() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.mu.started {
		return
	}
	e.mu.started = true
	now := e.o.Now()
	for _, s := range e.mu.runs {
		e.firstDue(s, now)
	}
	e.tasks.Go(e.loop)
	e.tasks.Go(e.listen)
}

// firstDue decides when a pump first runs after the node started.
func (e *Engine) firstDue(s *pumpState, now time.Time) {
	p := s.pipe
	if _, receiver := p.Receiver(); receiver || p.Def.Pump.Mode != "scheduled" || s.kept && !s.due.IsZero() {
		return
	}
	if p.Def.Pump.RescanCron != "" {
		s.rescan = nextTick(p.Def.Pump.RescanCron, now)
	}
	switch {
	case p.Def.Pump.RunAtStartup, s.fresh && p.RunsIfNotPopulated(), p.Signalled():
		s.due = now
	default:
		s.due = e.missedDue(p, now)
	}
}

// missedDue is the time remembered from before the node stopped, for schedules
// long enough to remember, else the next one.
func (e *Engine) missedDue(p *pipes.Pipe, now time.Time) time.Time {
	if persists(p) {
		if data, _, err := e.o.Store.State(e.ctx, dueKey(p.ID())); err == nil {
			if due, err := time.Parse(time.RFC3339, string(data)); err == nil {
				return due
			}
		}
	}
	return nextDue(p, now)
}

func persists(p *pipes.Pipe) bool { return p.Def.Pump.Cron != "" || p.Interval() > time.Hour }

func dueKey(id string) string { return "due/" + id }

// nextDue is the pump's next time by its schedule, with jitter so that pumps
// do not march in step.
func nextDue(p *pipes.Pipe, now time.Time) time.Time {
	if p.Def.Pump.Cron != "" {
		return nextTick(p.Def.Pump.Cron, now)
	}
	interval := p.Interval()
	return now.Add(time.Duration(float64(interval) * (0.95 + 0.1*rand.Float64())))
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

// loop starts what is due, until the node closes.
func (e *Engine) loop() {
	for {
		timer := time.NewTimer(e.startDue())
		select {
		case <-e.ctx.Done():
			timer.Stop()
			return
		case <-e.wake:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// startDue starts every pump that is due and returns how long to wait for the
// next.
func (e *Engine) startDue() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.o.Now()
	wait, running := time.Hour, 0
	for _, s := range e.mu.runs {
		if s.running {
			running++
		}
	}
	for _, s := range e.mu.runs {
		if s.running || s.disabled {
			continue
		}
		if !s.rescan.IsZero() && !s.rescan.After(now) {
			s.rescan = nextTick(s.pipe.Def.Pump.RescanCron, now)
			s.full, s.due = true, now
		}
		for _, t := range []time.Time{s.due, s.rescan} {
			if !t.IsZero() {
				wait = min(wait, max(t.Sub(now), time.Millisecond))
			}
		}
		if !s.due.IsZero() && !s.due.After(now) && running < maxRuns {
			running++
			e.launchLocked(s)
		}
	}
	return wait
}

// launchLocked runs a pump in a goroutine of its own.
func (e *Engine) launchLocked(s *pumpState) {
	s.running, s.again, s.due, s.waiting = true, false, time.Time{}, ""
	full := s.full
	s.full = false
	ctx, cancel := context.WithCancel(e.ctx)
	s.cancel = cancel
	e.tasks.Go(func() {
		defer cancel()
		stats, err := s.pipe.Run(ctx, full)
		e.finished(s, stats, err)
	})
}

// finished notes how a run ended and when the next one is due.
func (e *Engine) finished(s *pumpState, stats pipes.Stats, err error) {
	now := e.o.Now()
	e.mu.Lock()
	s.running, s.cancel, s.last, s.lastErr = false, nil, stats, err
	var wait *pipes.WaitError
	if errors.As(err, &wait) {
		s.waiting, s.lastErr = wait.Reason, nil
	}
	if err == nil {
		s.fresh = false
	}
	scheduled := s.pipe.Def.Pump.Mode == "scheduled"
	if scheduled {
		s.due = nextDue(s.pipe, now)
		if s.again || e.ctx.Err() != nil { // what was cut short is taken up at once
			s.due = now
		}
	}
	due := s.due
	e.mu.Unlock()
	if err != nil && wait == nil && e.ctx.Err() == nil {
		e.o.Log.Error("run failed", "pipe", s.pipe.ID(), "error", err)
	}
	if scheduled && persists(s.pipe) && e.ctx.Err() == nil {
		e.save(dueKey(s.pipe.ID()), due.UTC().Format(time.RFC3339))
	}
	e.nudge()
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

// listen turns changes of datasets into signals for the pipes that read them,
// and for those that wait for them.
func (e *Engine) listen() {
	w := e.o.Store.Watch()
	defer w.Close()
	readers := map[string][]string{}
	for _, p := range e.graph.pipes {
		for _, d := range p.Inputs() {
			if p.Signalled() {
				readers[d] = append(readers[d], p.ID())
			}
		}
	}
	for {
		changed, err := w.Next(e.ctx)
		if err != nil {
			return
		}
		e.signal(changed, readers)
	}
}

func (e *Engine) signal(changed []string, readers map[string][]string) {
	e.mu.Lock()
	now := e.o.Now()
	for _, d := range changed {
		for _, id := range readers[d] {
			s := e.mu.runs[id]
			if s.pipe.Def.Pump.Mode != "scheduled" {
				continue
			}
			if s.running {
				s.again = true
			} else {
				s.due = now
			}
		}
	}
	for _, s := range e.mu.runs {
		if s.waiting != "" && !s.running && s.pipe.Def.Pump.Mode == "scheduled" {
			s.due = now
		}
	}
	e.mu.Unlock()
	e.nudge()
}

// Status is the state of a pump at one moment.
type Status struct {
	Running  bool
	Disabled bool
	Mode     string
	Due      time.Time // of the next scheduled run; zero if none
	// Why says in one sentence why the pipe is not running; "" if it is.
	Why     string
	Last    pipes.Stats
	LastErr error
}

// Status returns the state of a pipe's pump.
func (e *Engine) Status(id string) (Status, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.mu.runs[id]
	if s == nil {
		return Status{}, ErrNoPipe
	}
	st := Status{Running: s.running, Disabled: s.disabled, Mode: s.pipe.Def.Pump.Mode, Due: s.due, Last: s.last, LastErr: s.lastErr}
	st.Why = s.why()
	return st, nil
}

func (s *pumpState) why() string {
	_, receiver := s.pipe.Receiver()
	switch {
	case s.running:
		return ""
	case s.disabled:
		return "it is disabled"
	case receiver:
		return "it runs when something is posted to it"
	case s.pipe.Def.Pump.Mode != "scheduled":
		return fmt.Sprintf("its mode is %q", s.pipe.Def.Pump.Mode)
	case s.waiting != "":
		return "it " + s.waiting
	case s.due.IsZero():
		return "it is not scheduled"
	default:
		return "it is due at " + s.due.UTC().Format(time.RFC3339)
	}
}
