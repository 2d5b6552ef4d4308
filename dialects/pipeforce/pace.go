package pipeforce

import (
	"context"
	"errors"
	"math/bits"
	goruntime "runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/messages"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/systems"
	"github.com/sluiceio/sluice/webhooks"
)

// pace remembers how long the last calls took, by how much they brought: those
// that were taken in, and those whose token nobody has, less what they waited.
type pace struct {
	mu             sync.Mutex
	known, unknown [paces]window
	// spinning is held by who waits for less than timers can measure.
	spinning atomic.Bool
}

// paces are the sizes of bodies that are told apart: up to 4 KiB, 8, 16 … 4 MiB.
const paces = 11

// window is how long the last few calls took.
type window struct {
	took [64]time.Duration
	n    int
}

func (w *window) note(d time.Duration) {
	w.took[w.n%len(w.took)] = d
	w.n++
}

// median is 0 if there was none.
func (w *window) median() time.Duration {
	if w.n == 0 {
		return 0
	}
	all := w.took
	some := all[:min(w.n, len(all))]
	slices.Sort(some)
	return some[len(some)/2]
}

func paceOf(size int) int { return min(bits.Len(uint(size>>12)), paces-1) }

func (p *pace) note(known bool, size int, d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if known {
		p.known[paceOf(size)].note(d)
	} else {
		p.unknown[paceOf(size)].note(d)
	}
}

// owed is by how much calls of a size have taken longer lately if they were taken
// in, as the middle one of them did; soFar is what this one has taken, which counts
// if it is the first.
func (p *pace) owed(size int, soFar time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	known, unknown := p.known[paceOf(size)].median(), p.unknown[paceOf(size)].median()
	if unknown == 0 {
		unknown = soFar
	}
	return max(known-unknown, 0)
}

// pad has a call whose token nobody has wait for as long as the ones that are taken
// in take longer, whatever it is that makes those slow: the time of an answer is to
// say nothing of a token.
func (s *service) pad(ctx context.Context, c *call) error {
	begun := time.Now()
	err := s.pace.wait(ctx, s.pace.owed(len(c.body), begun.Sub(c.begun)))
	c.padded = time.Since(begun)
	return err
}

// coarse is by how much timers may be late: they end with whole milliseconds, and
// what is to be hidden is less than that.
const coarse = 1200 * time.Microsecond

// wait waits for so long, to the microsecond unless somebody else does so just now:
// one core at the most is busy with that.
func (p *pace) wait(ctx context.Context, d time.Duration) error {
	end := time.Now().Add(d)
	if d > coarse {
		if err := systems.Sleep(ctx, d-coarse); err != nil {
			return err
		}
	}
	if p.spinning.CompareAndSwap(false, true) {
		defer p.spinning.Store(false)
		for time.Now().Before(end) {
			goruntime.Gosched()
		}
	}
	return nil
}

// work does what a call costs that is taken in, an event made of it, and two
// commits of which one is handed over behind the other; it leaves nothing behind.
func (s *service) work(ctx context.Context, c *call) error {
	nobody := &webhook{eventKey: "webhook.unknown", payloadType: "base64"}
	first, err := s.rt.store.Append(ctx, imitation(c.body, c.trace))
	if err != nil {
		return err
	}
	payload, _, err := s.payload(ctx, c, nobody)
	if err == nil {
		e := &event{key: nobody.eventKey, trace: c.trace, correlation: c.correlation, payload: payload, headers: webhooks.LowerHeaders(c.kept.Headers)}
		m := e.messages(false)[0]
		result := expected(c.correlation, s.rt.now(), c.trace, c.redirect, s.heard([]messages.Message{m}))
		data := entity.AppendJSON(entity.AppendJSON(nil, m.Value()), result)
		err = s.rt.commit(ctx, *imitation(data, ""))
	}
	if _, waitErr := first.Wait(ctx); waitErr != nil {
		err = errors.Join(err, waitErr)
	}
	return err
}

// imitation is a commit of some bytes that takes the place of the one before it.
func imitation(data []byte, salt string) *store.Batch {
	value := append([]byte(salt), data[:min(len(data), keptOfRefused)]...)
	return &store.Batch{State: []store.StateWrite{{Key: "pipeforce-unknown", Value: value, IfRev: store.AnyRev}}}
}
