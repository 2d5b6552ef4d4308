package webhooks

import (
	"context"
	"time"
)

// hurry has a delivery that is pending tried now. Whoever delivers is told: the store
// has only when it was due, since a try may be under way that is about to change it.
func (q *Queue) hurry(ctx context.Context, d *Delivery) error {
	health, err := q.Health(ctx)
	if err == nil && health.Disabled && !d.Manual {
		err = ErrPending
	}
	if err != nil {
		return err
	}
	q.mu.Lock()
	if heir := q.mu.heir; heir != nil {
		q.mu.Unlock()
		return heir.hurry(ctx, d)
	}
	if q.mu.hurried == nil {
		q.mu.hurried = map[string]struct{}{}
	}
	q.mu.hurried[d.ID] = struct{}{}
	q.mu.Unlock()
	q.Wake()
	return nil
}

// hurried returns the deliveries that are not to wait, once.
func (q *Queue) hurried() map[string]struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	all := q.mu.hurried
	q.mu.hurried = nil
	return all
}

// hasten makes due what somebody asked for.
func (s *shift) hasten() {
	for id := range s.Queue.hurried() {
		if it := s.lanes.items[id]; it != nil && !it.busy && it.due.After(s.clock) {
			s.lanes.wait(it, s.clock)
		}
	}
}

// readClock looks at the clock. If it was set back, what waits is due earlier by as
// much: it is to wait for so long, and not until a time that is far away now.
func (s *shift) readClock() {
	now := s.Now().Round(0) // without the reading that nobody sets
	if back := s.clock.Sub(now); back > time.Second {
		s.lanes.sooner(back)
		s.last = time.Time{}
	}
	s.clock = now
}
