package systems

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Backoff keeps what fails from being tried again at once: after a second at
// first, then twice as long each time, up to a minute, with some jitter. It is
// for one goroutine at a time.
type Backoff struct {
	// Now is the clock; nil is the machine's.
	Now   func() time.Time
	fails int
	until time.Time
	last  error
}

const (
	firstBackoff   = time.Second
	longestBackoff = time.Minute
)

func (b *Backoff) now() time.Time {
	if b.Now == nil {
		return time.Now()
	}
	return b.Now()
}

// Note notes how a try went, and returns how long to wait before the next.
func (b *Backoff) Note(err error) time.Duration {
	if err == nil {
		b.fails, b.last, b.until = 0, nil, time.Time{}
		return 0
	}
	wait := min(firstBackoff<<min(b.fails, 10), longestBackoff)
	wait = time.Duration(float64(wait) * (0.8 + 0.4*rand.Float64()))
	b.fails++
	b.last, b.until = err, b.now().Add(wait)
	return wait
}

// Ready returns the last failure as long as it is too early to try again.
func (b *Backoff) Ready() error {
	if wait := b.until.Sub(b.now()); b.last != nil && wait > 0 && wait <= 2*longestBackoff {
		return fmt.Errorf("it is tried again in %s: %w", wait.Round(time.Millisecond), b.last)
	}
	return nil
}
